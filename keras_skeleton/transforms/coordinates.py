"""Coordinate frames that a recipe can select for networks whose input is joint positions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from keras_skeleton.transforms.geometry import check_clip, to_hips
from keras_skeleton.transforms.normalise import (
    to_actor_displacement,
    to_actor_frame,
    to_first_spine,
    to_pair_frame,
)

COORDINATES: dict[str, Callable[..., np.ndarray]] = {
    "actor": to_actor_frame,
    "actor_first": partial(to_actor_frame, reference="first"),
    "actor_displacement": to_actor_displacement,
    "first_spine": to_first_spine,
    "hips": to_hips,
    "pair": to_pair_frame,
    "camera": check_clip,
}


def check_coordinates(name: str) -> Callable[..., np.ndarray]:
    """Returns the function of (clip, skeleton) that implements a coordinate frame.

    Raises:
        ValueError: There is no coordinate frame of this name.
    """
    if name not in COORDINATES:
        raise ValueError(f"coordinates='{name}' is unknown; it is one of {[*COORDINATES]}")
    return COORDINATES[name]
