"""Augmentation and sources that several recipes share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras_skeleton.skeletons import Skeleton, get_skeleton

FIXED_CAMERA = {
    "preprocessing": "our choice: interpolated as for the other small datasets, origin at the "
    "hips in every frame, axes of the camera: one fixed camera records every subject from the "
    "front, and the first pose is too noisy to define axes for a whole clip "
    "(benchmarks/choose_coordinates.py)"
}

TURNED = (
    ("RandomRotation", {"degrees": (5, 20, 5)}),
    ("RandomScale", {"amount": 0.1}),
)


def _pair_symmetries(skeleton: Skeleton) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    """Augmentation for `to_pair_frame`: mirror images, and the two people exchanged.

    The mirror plane contains both people; exchanging them changes the signs of x and z.
    """
    V = skeleton.size
    mirror = [m * V + int(v) for m in range(2) for v in skeleton.mirror]
    exchange = [*range(V, 2 * V), *range(V)]
    return (
        ("RandomSymmetry", {"order": mirror, "signs": (1, 1, -1)}),
        ("RandomSymmetry", {"order": exchange, "signs": (-1, 1, -1)}),
    )


TWO_PEOPLE = _pair_symmetries(get_skeleton("sbu"))
