"""A clip with the pixel positions of its joints in the video."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class ClipWithPixels(NamedTuple):
    """One clip.

    Attributes:
        joints: float32 (T, m, V, 3) in meters; absent bodies are zero.
        pixels: float32 (T, m, V, 2), x and y in the dataset's color video; 0 for absent bodies,
            NaN or infinite for unknown pixels.
        states: uint8 (T, m, V): 0 not tracked, 1 inferred, 2 tracked.
    """

    joints: np.ndarray
    pixels: np.ndarray
    states: np.ndarray
