"""Intervals side by side: in figures, and in files whose rows cannot hold two at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def lanes(starts: Sequence[float], ends: Sequence[float]) -> np.ndarray:
    """Numbers of the lanes of intervals, so that those in a lane do not overlap: int (n,).

    Each interval takes the first lane that is free at its start. There are as many lanes as
    intervals overlap at a time.

    Args:
        starts: Starts, (n,).
        ends: Ends (excluded), (n,).

    Example:
        >>> from keras_skeleton.utils.intervals import lanes
        >>> lanes([0, 5, 10], [10, 20, 15])
        array([0, 1, 0])
    """
    lane = np.zeros(len(starts), int)
    free: list[float] = []  # end of the last interval in each lane
    for k in sorted(range(len(starts)), key=lambda k: (starts[k], ends[k])):
        lane[k] = next((m for m, end in enumerate(free) if end <= starts[k]), len(free))
        free[lane[k] : lane[k] + 1] = [ends[k]]
    return lane
