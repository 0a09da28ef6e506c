"""Changing the length of an axis: padding, taking rows out, interpolating."""

from __future__ import annotations

import numpy as np


def pad_centred(array: np.ndarray, size: int, axis: int = 0) -> np.ndarray:
    """Zeros on both sides of `axis` up to `size`; an odd rest goes after. Longer is refused."""
    missing = size - array.shape[axis]
    if missing < 0:
        raise ValueError(f"axis {axis} has length {array.shape[axis]}, more than {size}")
    widths = [(0, 0)] * array.ndim
    widths[axis] = (missing // 2, missing - missing // 2)
    return np.pad(array, widths)


def subsample_time(array: np.ndarray, size: int, axis: int = 0) -> np.ndarray:
    """`size` rows of `axis`, evenly spread from the first to the last (indices cut to integers)."""
    rows = np.linspace(0, array.shape[axis] - 1, size, dtype=int)
    return np.take(array, rows, axis=axis)


def pad_time(array: np.ndarray, size: int, axis: int = 0) -> np.ndarray:
    """Length `size`: shorter arrays are padded with zeros on both sides, longer ones subsampled."""
    fits = array.shape[axis] <= size
    return pad_centred(array, size, axis) if fits else subsample_time(array, size, axis)


def resize(array: np.ndarray, size: int, axis: int = 0) -> np.ndarray:
    """Length `size` by linear interpolation; the first and last rows stay where they are."""
    length = array.shape[axis]
    if length == size:
        return array.copy()
    at = np.linspace(0, length - 1, size)
    low = np.minimum(at.astype(int), max(length - 2, 0))
    high = np.minimum(low + 1, length - 1)
    weight = (at - low).reshape([-1 if i == axis % array.ndim else 1 for i in range(array.ndim)])
    return np.take(array, low, axis) * (1 - weight) + np.take(array, high, axis) * weight
