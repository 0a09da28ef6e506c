"""Networks for other programs: exported files and compiled functions."""
