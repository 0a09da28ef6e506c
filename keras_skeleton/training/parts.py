"""Helpers for the pose-driven network: input shapes, clips with crops, and pretrained I3D
weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras

from keras_skeleton.checkpoints.i3d import load_i3d_weights
from keras_skeleton.datasets.dataset import Fold, SkeletonDataset
from keras_skeleton.models.i3d import i3d
from keras_skeleton.training.transfer import take_over
from keras_skeleton.utils.errors import UserError


def input_shapes(network: keras.Model) -> dict[str, tuple[int, ...]]:
    """Shape of every named input, without the batch axis."""
    return {name: tuple(tensor.shape[1:]) for name, tensor in network.input.items()}


def with_crops(folds: Sequence[Fold], dataset: SkeletonDataset, names: Any) -> list[Fold]:
    """The folds, restricted to clips that have crops."""
    there = dataset.samples["name"].isin(names).to_numpy()
    return [Fold(*(clips[there[clips]] for clips in fold)) for fold in folds]


def published_start(path: Path | None, size: int) -> Callable[[keras.Model], None]:
    """Returns a function that loads published I3D weights into a network's streams.

    It also initializes the blocks after the sum of streams (`sum_1` and `sum_2`). Without a path,
    the function does nothing.
    """
    if path is None:
        return lambda model: None
    source = i3d(frames=8, size=size, top=False)  # the weights do not depend on the clip length
    load_i3d_weights(source, path)

    def start(model: keras.Model) -> None:
        streams = [layer for layer in model.layers if isinstance(layer, keras.Model)]
        try:
            for stream in streams:
                take_over(stream, source, ("",))
            take_over(model, source, ("Conv3d_5",))
        except ValueError as error:
            raise UserError(
                f"{path}: the published I3D weights do not fit this network, whose streams have "
                f"fewer channels: {error}"
            ) from None

    return start
