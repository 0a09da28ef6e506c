"""Trained networks that come with the project, in `weights/`: what there is, loading, checking."""
