"""Reading and writing of videos, and crops of body parts."""
