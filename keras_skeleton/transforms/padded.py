"""Clips padded at the end, the input of recurrent and sampling networks."""

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
    """Transforms a clip's coordinates and pads it: float32 (frames, M, V, 3), zeros at the end.

    Args:
        clip: (T, M, V, 3); absent bodies are zero.
        skeleton: The joint layout.
        frames: Length after padding. A longer clip is subsampled evenly.
        coordinates: A key of `transforms.coordinates.COORDINATES`.
        unit: Divisor of the coordinates. Networks without normalization learn slowly from small
            numbers: poses in meters are below 1, differences between frames about 0.01.
        tilt: Angle by which the camera looks down, in degrees; the clip is leveled first.
        actor: Index of the main actor, for `"actor"` coordinates; by default the body with the
            most motion.

    Raises:
        ValueError: Unknown coordinates, a unit that is not positive, or an invalid clip.
    """
    if unit <= 0:
        raise ValueError(f"unit={unit} must be positive")
    clip = level(clip, tilt) if tilt else clip
    of = {} if actor is None else {"actor": actor}
    clip = check_coordinates(coordinates)(clip, skeleton, **of) / unit
    if len(clip) > frames:
        clip = subsample_time(clip, frames)
    return pad_end(clip.astype(np.float32), frames)


def padded_rows(T: int, frames: int) -> np.ndarray:
    """The clip's frame in each row of `padded`: float64 (frames,), NaN for padding."""
    shown = np.arange(T, dtype=float)
    if frames < T:
        shown = subsample_time(shown, frames)
    return np.pad(shown, (0, frames - len(shown)), constant_values=np.nan)
