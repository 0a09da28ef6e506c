"""Films: reading and writing, and crops of body parts."""
