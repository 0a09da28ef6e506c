"""What training the pose-driven network needs beside the others: inputs of its stages, and
published weights for its streams."""

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
    """Shape of every named input, without the batch."""
    return {name: tuple(tensor.shape[1:]) for name, tensor in network.input.items()}


def with_crops(folds: Sequence[Fold], dataset: SkeletonDataset, names: Any) -> list[Fold]:
    """The folds without clips that have no crops."""
    there = dataset.samples["name"].isin(names).to_numpy()
    return [Fold(*(clips[there[clips]] for clips in fold)) for fold in folds]


def published_start(path: Path | None, size: int) -> Callable[[keras.Model], None]:
    """Gives the streams of a new network the published weights in `path`, if there is one.

    So are the blocks behind the sum of `sum_1` and `sum_2`.
    """
    if path is None:
        return lambda model: None
    source = i3d(frames=8, size=size, top=False)  # weights know nothing of the clip's length
    load_i3d_weights(source, path)

    def start(model: keras.Model) -> None:
        streams = [layer for layer in model.layers if isinstance(layer, keras.Model)]
        try:
            for stream in streams:
                take_over(stream, source, ("",))
            take_over(model, source, ("Conv3d_5",))
        except ValueError as error:
            raise UserError(
                f"{path}: the published I3D does not fit this network, whose streams are "
                f"narrower: {error}"
            ) from None

    return start
