"""Temporal smoothing to reduce sensor noise."""

from __future__ import annotations

import numpy as np

from keras_skeleton.transforms.bodies import check_bodies
from keras_skeleton.transforms.geometry import present

WINDOW = 5
ORDER = 2


def savitzky_golay(clip: np.ndarray) -> np.ndarray:
    """Smooths each coordinate over five frames with a Savitzky-Golay filter: float64 (T, M, V, 3).

    The filter fits a parabola to each frame with its two predecessors and two successors; its
    weights are (-3, 12, 17, 12, -3) / 35 (Savitzky and Golay, 1964). Song et al. (2018) smooth SBU
    and refer to Du et al. (2015), who use this filter.

    The papers do not specify the ends. Here the first and last two frames are taken from the
    parabola fitted to the first or last five (SciPy's `mode="interp"`), so no frames beyond the
    clip are assumed and parabolas are preserved up to the ends. A body that is present in several
    intervals is smoothed within each; intervals of fewer than five frames are unchanged. Absent
    bodies stay zero.

    Args:
        clip: (T, M, V, 3), for any joint layout.

    Raises:
        ValueError: Wrong shape, NaN or infinity.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.transforms.smooth import savitzky_golay
        >>> clip = np.ones((7, 1, 25, 3))
        >>> clip[3, 0, 0, 0] = 36  # an outlier in one frame
        >>> savitzky_golay(clip)[3, 0, 0, 0].round(6)
        np.float64(18.0)
    """
    clip = check_bodies(clip)
    out = clip.copy()
    there = present(clip)
    for m in range(clip.shape[1]):
        for start, end in _stays(there[:, m]):
            if end - start >= WINDOW:
                out[start:end, m] = _smooth(clip[start:end, m])
    return out


def _smooth(body: np.ndarray) -> np.ndarray:  # NumPy only: it is part of exports
    """The values of parabolas fitted to five frames each, of a body (T, V, 3) with T >= 5."""
    half = WINDOW // 2
    powers = np.vander(np.arange(-half, half + 1.0), ORDER + 1)
    fit = powers @ np.linalg.pinv(powers)  # (5, 5), from five values to those of their parabola
    out = np.empty_like(body)
    out[half:-half] = np.lib.stride_tricks.sliding_window_view(body, WINDOW, axis=0) @ fit[half]
    out[:half] = np.tensordot(fit[:half], body[:WINDOW], 1)
    out[-half:] = np.tensordot(fit[-half:], body[-WINDOW:], 1)
    return out


def _stays(there: np.ndarray) -> np.ndarray:
    """Intervals of True in `there` (T,): int (n, 2), first frame and the one after the last."""
    edges = np.diff(np.concatenate([[False], there, [False]]).astype(int))
    return np.stack([np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)], axis=1)
