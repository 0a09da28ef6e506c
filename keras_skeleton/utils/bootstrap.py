"""Confidence intervals by resampling."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def confidence_interval(
    values: ArrayLike, seed: int = 0, level: float = 0.95, resamples: int = 1000
) -> tuple[float, float, float]:
    """Computes the mean of per-clip values and its bootstrap confidence interval over clips.

    The interval covers the sampling of clips, not the variation between trainings.

    Args:
        values: One value per clip, (n,).
        seed: Seed of the resampling.
        level: Confidence level.
        resamples: Number of bootstrap samples of n clips, drawn with replacement.

    Returns:
        Mean, lower and upper bound (percentiles of the resampled means); all NaN without values.

    Reference:
        Efron and Tibshirani, "An introduction to the bootstrap", 1993, chapter 13.

    Example:
        >>> from keras_skeleton.utils.bootstrap import confidence_interval
        >>> confidence_interval([1.0, 1.0, 1.0])
        (1.0, 1.0, 1.0)
    """
    values = np.asarray(values, np.float64)
    if not len(values):
        return (float("nan"),) * 3
    draws = np.random.default_rng(seed).integers(len(values), size=(resamples, len(values)))
    means = values[draws].mean(axis=1)
    low, high = np.percentile(means, [50 * (1 - level), 50 * (1 + level)])
    return float(values.mean()), float(low), float(high)
