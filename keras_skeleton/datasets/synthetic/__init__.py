"""A synthetic dataset generated locally, with known acting joints and frames."""
