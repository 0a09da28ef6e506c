"""Average weights over the end of a training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SHARE = 5  # the last fifth


def averaged_epochs(epochs: int) -> int:
    """The number of last epochs over which weights are averaged: a fifth, rounded up.

    Example:
        >>> from keras_skeleton.training.averaging import averaged_epochs
        >>> averaged_epochs(100), averaged_epochs(32), averaged_epochs(1)
        (20, 7, 1)
    """
    return -(-epochs // SHARE)


def with_weights(
    mean: Sequence[np.ndarray], weights: Sequence[np.ndarray], count: int
) -> list[np.ndarray]:
    """The mean of `count` sets of weights, from the mean of all but the last one.

    The moving statistics of batch normalization are averaged like all weights. Values that are not
    floating-point numbers are those of the last set.

    Args:
        mean: Mean of the first `count - 1` sets, float64; ignored if `count` is 1.
        weights: The last set.
        count: Number of sets, at least 1.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.training.averaging import with_weights
        >>> mean = with_weights([], [np.array([1.0])], 1)
        >>> with_weights(mean, [np.array([2.0])], 2)
        [array([1.5])]
    """
    floating = [np.issubdtype(w.dtype, np.floating) for w in weights]
    own = [w.astype(np.float64) if real else w for w, real in zip(weights, floating, strict=True)]
    if count == 1:
        return own
    return [
        m + (w - m) / count if real else w for m, w, real in zip(mean, own, floating, strict=True)
    ]
