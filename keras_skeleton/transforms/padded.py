"""Clips at their own length, as recurrent and sampling networks read them."""

from __future__ import annotations

import numpy as np

from keras_skeleton.skeletons import Skeleton
from keras_skeleton.transforms.coordinates import check_coordinates
from keras_skeleton.transforms.geometry import level
from keras_skeleton.transforms.sample import pad_end
from keras_skeleton.transforms.time import subsample_time


def padded(
    clip: np.ndarray,
    skeleton: Skeleton,
    frames: int,
    coordinates: str = "first_spine",
    unit: float = 1.0,
    tilt: float = 0.0,
    actor: int | None = None,
) -> np.ndarray:
    """A clip (T, M, V, 3) in the chosen coordinates: float32 (frames, M, V, 3), zeros at the end.

    Args:
        clip: Positions; absent bodies are zero.
        skeleton: The joint layout.
        frames: Length after padding. A longer clip is subsampled evenly.
        coordinates: A key of `transforms.coordinates.COORDINATES`.
        unit: Length of 1 in the result, in units of those coordinates. Networks without
            normalization learn slowly from small numbers: poses in metres are below 1, their
            differences from frame to frame about 0.01.
        tilt: Degrees by which the camera looks down; the clip is made level first.
        actor: The main actor's index, for coordinates of theirs (`"actor"`); by default the body
            that moves most in the clip.
    """
    if unit <= 0:
        raise ValueError(f"unit={unit} is not a length")
    clip = level(clip, tilt) if tilt else clip
    of = {} if actor is None else {"actor": actor}
    clip = check_coordinates(coordinates)(clip, skeleton, **of) / unit
    if len(clip) > frames:
        clip = subsample_time(clip, frames)
    return pad_end(clip.astype(np.float32), frames)


def padded_rows(T: int, frames: int) -> np.ndarray:
    """float (frames,): the clip's frame behind every row of `padded`; NaN where it is padding."""
    shown = np.arange(T, dtype=float)
    if frames < T:
        shown = subsample_time(shown, frames)
    return np.pad(shown, (0, frames - len(shown)), constant_values=np.nan)
