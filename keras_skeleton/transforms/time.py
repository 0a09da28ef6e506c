"""Deterministic changes of the length of an axis: padding, subsampling, interpolation."""

from __future__ import annotations

import numpy as np


def pad_centred(array: np.ndarray, size: int, axis: int = 0) -> np.ndarray:
    """Pads an axis with zeros on both sides; the end gets the larger half of an odd number.

    Raises:
        ValueError: The axis is longer than `size`.
    """
    missing = size - array.shape[axis]
    if missing < 0:
        raise ValueError(f"axis {axis} has length {array.shape[axis]}, more than {size}")
    widths = [(0, 0)] * array.ndim
    widths[axis] = (missing // 2, missing - missing // 2)
    return np.pad(array, widths)


def subsample_time(array: np.ndarray, size: int, axis: int = 0) -> np.ndarray:
    """Selects `size` evenly spaced rows of an axis, from the first to the last.

    Args:
        array: The array.
        size: Number of rows; fractional positions are rounded down.
        axis: The axis.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.transforms.time import subsample_time
        >>> subsample_time(np.arange(10), 4)
        array([0, 3, 6, 9])
    """
    rows = np.linspace(0, array.shape[axis] - 1, size, dtype=int)
    return np.take(array, rows, axis=axis)


def pad_time(array: np.ndarray, size: int, axis: int = 0) -> np.ndarray:
    """Brings an axis to length `size` by zero padding on both sides or by subsampling.

    Args:
        array: The array.
        size: Length of the axis in the result.
        axis: The axis.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.transforms.time import pad_time
        >>> pad_time(np.array([1, 2, 3]), 5), pad_time(np.arange(10), 4)
        (array([0, 1, 2, 3, 0]), array([0, 3, 6, 9]))
    """
    fits = array.shape[axis] <= size
    return pad_centred(array, size, axis) if fits else subsample_time(array, size, axis)


def resize(array: np.ndarray, size: int, axis: int = 0) -> np.ndarray:
    """Brings an axis to length `size` by linear interpolation; the first and last rows are kept.

    Args:
        array: The array, of any numeric type.
        size: Length of the axis in the result.
        axis: The axis.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.transforms.time import resize
        >>> resize(np.array([0.0, 2.0, 4.0]), 5)
        array([0., 1., 2., 3., 4.])
    """
    length = array.shape[axis]
    if length == size:
        return array.copy()
    at = np.linspace(0, length - 1, size)
    low = np.minimum(at.astype(int), max(length - 2, 0))
    high = np.minimum(low + 1, length - 1)
    weight = (at - low).reshape([-1 if i == axis % array.ndim else 1 for i in range(array.ndim)])
    return np.take(array, low, axis) * (1 - weight) + np.take(array, high, axis) * weight
