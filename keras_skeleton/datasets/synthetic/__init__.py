"""A synthetic dataset generated locally, with ground truth of the informative joints and frames."""
