"""A clip with what belongs to its video: where its joints are in the picture."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class ClipWithPixels(NamedTuple):
    """One recording.

    Attributes:
        joints: float32 (T, m, V, 3), metres; absent bodies are zero.
        pixels: float32 (T, m, V, 2), x and y in the dataset's colour video; 0 for absent bodies,
            NaN or infinite where no pixel is known.
        states: uint8 (T, m, V): 0 not tracked, 1 inferred, 2 tracked.
    """

    joints: np.ndarray
    pixels: np.ndarray
    states: np.ndarray
