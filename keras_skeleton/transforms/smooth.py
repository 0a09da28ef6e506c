"""Smoothing over time against the noise of a sensor."""

from __future__ import annotations

import numpy as np

from keras_skeleton.transforms.bodies import check_bodies
from keras_skeleton.transforms.geometry import present

WINDOW = 5
ORDER = 2


def savitzky_golay(clip: np.ndarray) -> np.ndarray:
    """Every coordinate smoothed over five frames: float64 (T, M, V, 3).

    A frame becomes (-3, 12, 17, 12, -3) / 35 of its two predecessors, itself and its two
    successors: the value in the middle of the parabola that fits the five best (Savitzky and
    Golay, 1964). Song et al. (2018) smooth SBU and refer to Du et al. (2015), who use this
    filter.

    Those two papers leave the ends open. Here the first and last two frames lie on the parabola
    through the first or last five (`mode="interp"` of SciPy): nothing is invented beyond the
    clip, and a parabola stays what it is to its ends. A body that comes and goes is smoothed
    within each of its stays; a stay of fewer than five frames is left alone. Absent bodies
    stay zero.

    Args:
        clip: (T, M, V, 3), of any layout.

    Raises:
        ValueError: Wrong shape, NaN or infinity.
    """
    from scipy.signal import savgol_filter  # its import takes longer than that of all the rest

    clip = check_bodies(clip)
    out = clip.copy()
    there = present(clip)
    for m in range(clip.shape[1]):
        for start, end in _stays(there[:, m]):
            if end - start >= WINDOW:
                out[start:end, m] = savgol_filter(
                    clip[start:end, m], WINDOW, ORDER, axis=0, mode="interp"
                )
    return out


def _stays(there: np.ndarray) -> np.ndarray:
    """int (n, 2): the first frame of every stay, and the one after its last; there is (T,)."""
    edges = np.diff(np.concatenate([[False], there, [False]]).astype(int))
    return np.stack([np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)], axis=1)
