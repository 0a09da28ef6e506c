"""Export of trained networks, and compiled prediction functions."""
