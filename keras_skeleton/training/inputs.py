"""What a network reads of a dataset's clips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_skeleton.datasets.dataset import SkeletonDataset
from keras_skeleton.models.registry import MODELS
from keras_skeleton.training.part_inputs import PartInputs, Videos
from keras_skeleton.training.parts import input_shapes
from keras_skeleton.training.pipeline import ClipInputs, Inputs, Read


def clip_inputs(
    model: str,
    dataset: SkeletonDataset,
    frames: int | None,
    choices: Mapping[str, Any],
    network: keras.Model | None = None,
    videos: Videos | None = None,
    features: Mapping[str, np.ndarray] | None = None,
    bodies: int | None = None,
) -> ClipInputs:
    """A network's view of all clips.

    Args:
        model: Its name.
        dataset: The clips.
        frames: T of its input.
        choices: Of its view of a clip, as a recipe's `preprocessing`.
        network: Itself, where it watches videos.
        videos: What it watches.
        features: In place of videos, see `PartInputs`.
        bodies: M that it reads, where that is not the dataset's.
    """
    own = dict(choices)
    rule = own.pop("video", "neighbours")
    read = MODELS[model].preprocess(dataset.skeleton, frames, **own)
    if bodies is not None and bodies != dataset.max_bodies:
        read = _with_bodies(read, bodies)
    if videos is None:
        return Inputs(dataset, read)
    if network is None:
        raise ValueError(f"'{model}' watches videos: give the network, whose inputs say how many")
    return PartInputs(
        dataset, input_shapes(network), read=read, videos=videos, features=features, rule=rule
    )


def _with_bodies(read: Read, bodies: int) -> Read:
    def padded(clip: np.ndarray) -> np.ndarray:
        own = np.zeros((len(clip), bodies, *clip.shape[2:]), clip.dtype)
        people = min(bodies, clip.shape[1])
        own[:, :people] = clip[:, :people]
        return read(own)

    return padded
