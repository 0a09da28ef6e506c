"""What a model's file hands to the rest of the package."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_skeleton.transforms.padded import padded_rows


class ModelEntry(NamedTuple):
    """One model by name.

    Attributes:
        build: `build(skeleton, classes, frames, **arguments)` gives the network.
        read: `read(skeleton, frames, **choices)` gives the function from a clip (T, M, V, 3)
            to the network's input.
        rows: `rows(length, frames, **choices)` gives, for a clip of that length, the clip's
            frame behind every step of the network's time axis; NaN where it is padding.
        paper: Where the model comes from.
        sequence: It reads clips at their own length: `frames` is the longest one's, and `build`
            takes the number of bodies.
        video: It also watches videos of a clip's parts, `frames` of them, and `read` gives what
            its pose network sees of every frame; `build` takes the number of bodies.
    """

    build: Callable[..., keras.Model]
    read: Callable[..., Callable[[np.ndarray], np.ndarray]]
    rows: Callable[..., np.ndarray]
    paper: str
    sequence: bool = False
    video: bool = False

    def input_rows(self, length: int, frames: int | None, **choices: Any) -> np.ndarray:
        """As `rows`, for every row of the network's input: of a long one its time axis may hold
        but a few (CSTA-CNN samples 30 frames)."""
        if self.sequence and frames is not None:
            return padded_rows(length, frames)
        return self.rows(length, frames, **choices)
