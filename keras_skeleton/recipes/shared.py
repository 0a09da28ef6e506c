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

# Of one person, left and right exchanged; x points sideways.
MIRRORED: tuple[str, Mapping[str, Any]] = (
    "RandomSymmetry",
    {"order": [int(v) for v in get_skeleton("kinect_v1").mirror], "signs": (-1, 1, 1)},
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


def _film_augmentation() -> tuple[tuple[str, Mapping[str, Any]], ...]:
    """Augmentation for networks that are trained on a Kinect and label key points of film."""
    body = get_skeleton("body15")
    mirror = [int(v) for v in body.mirror]
    arms = [[body.index(f"{side}_{j}") for j in ("elbow", "wrist")] for side in ("left", "right")]
    legs = [[body.index(f"{side}_{j}") for j in ("knee", "ankle")] for side in ("left", "right")]
    limbs = [*arms, *legs, [body.index("head")]]
    lost = {"limbs": limbs, "probability": 0.25, "stddev": 0.2}
    # The upper body alone is in the picture: both legs are made up, for the whole clip.
    unseen = {"limbs": [legs[0] + legs[1]], "probability": 0.5, "stddev": 0.4, "smallest": 1.0}
    bones = [list(bone) for bone in body.bones]
    return (
        ("RandomSymmetry", {"order": mirror, "signs": (-1, 1, 1)}),
        ("RandomBoneLength", {"bones": bones, "root": body.root, "mirror": mirror, "amount": 0.2}),
        ("RandomAmplitude", {"least": 0.7, "most": 1.2}),
        *(("RandomDroppedLimb", {"joints": body.size, **own}) for own in (lost, unseen)),
        ("RandomFrameRate", {"most": 3.0}),
        ("RandomSmoothNoise", {"stddev": 0.03, "depth": 2.0}),
        ("RandomRotation", {"degrees": (10, 45, 6)}),
        ("RandomScale", {"amount": 0.1}),
    )


FROM_FILM = _film_augmentation()
FILM_SOURCES = {
    "preprocessing": "our choice: origin at the hips in every frame, because pose estimation of "
    "film knows no place in the room; the dataset's reader levels the cameras",
    "augment": "our choice: what differs between a Kinect and BlazePose on film (measured on the "
    "same two recordings: trunk a quarter longer, hips and thighs shorter, 11 cm mean distance, "
    "depth worst; in films that show the upper body alone, legs are made up), between cameras "
    "(direction, tilt, frame rate) and between the two datasets. Mirror images, because no class "
    "depends on the hand that is used. Sizes were set by hand, from these measurements and the "
    "accuracy on validation clips; legs are lost more often since a film of a wave was looked at",
    "frames": "our choice: 3.2 seconds; longer clips are subsampled",
}
