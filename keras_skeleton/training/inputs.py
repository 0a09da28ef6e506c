"""Preprocessed network inputs of a dataset's clips."""

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
    """Creates the inputs of a network for all clips of a dataset.

    Args:
        model: Model name.
        dataset: The clips.
        frames: Number of input frames T.
        choices: Preprocessing options, as in a recipe's `preprocessing`.
        network: The network, required if it has video inputs.
        videos: Videos of hands and body, for networks with video inputs.
        features: Precomputed stream features that replace the videos, see `PartInputs`.
        bodies: Number of bodies M of the network's input, if not the dataset's.
    """
    own = dict(choices)
    rule = own.pop("video", "neighbours")
    read = MODELS[model].preprocess(dataset.skeleton, frames, **own)
    if bodies is not None and bodies != dataset.max_bodies:
        read = _with_bodies(read, bodies)
    if videos is None:
        return Inputs(dataset, read)
    if network is None:
        raise ValueError(f"'{model}' has video inputs: pass `network`, which sets their shapes")
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
