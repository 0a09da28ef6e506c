"""The zoo of pretrained weights in `weights/`: list, load, check and add entries."""
