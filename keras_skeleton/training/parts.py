"""What a run of the pose-driven network needs beside the others: inputs of its stages, published
weights for its streams, and a record of which part counted for what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from keras_skeleton.attention_plots import parts_figure
from keras_skeleton.crops import Crops
from keras_skeleton.datasets.dataset import Fold, SkeletonDataset
from keras_skeleton.datasets.synthetic import informative_joints
from keras_skeleton.errors import UserError
from keras_skeleton.evaluation.attention import part_weights
from keras_skeleton.i3d_weights import load_i3d_weights
from keras_skeleton.models import attention_maps
from keras_skeleton.models.i3d import i3d
from keras_skeleton.pipeline import ClipInputs
from keras_skeleton.training.stages import take_over
from keras_skeleton.transforms.glimpses import PARTS
from keras_skeleton.transforms.normalise import main_actor
from keras_skeleton.video import coarse, read_video


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


def acting_hands(dataset: SkeletonDataset, clips: np.ndarray) -> np.ndarray:
    """int (n,): 0 or 1 for the main actor's one acting hand; -1 where unknown, both or neither."""
    found = np.full(len(clips), -1)
    if "informative_joints" not in dataset.extras:
        return found
    left, right = dataset.skeleton.hands
    for k, i in enumerate(clips):
        joints = informative_joints(dataset, i)[main_actor(dataset.clip(i))]
        if joints[left] != joints[right]:
            found[k] = 0 if joints[left] else 1
    return found


def weigh_parts(
    model: keras.Model, inputs: ClipInputs, clips: np.ndarray, batch_size: int
) -> np.ndarray | None:
    """float32 (n, K): the weights of the parts in the middle view of each clip, if it has any."""
    found = []
    for some in np.array_split(clips, -(-len(clips) // batch_size)):
        maps = attention_maps(model, inputs.batch(some))
        if "parts" not in maps:
            return None
        found.append(maps["parts"])
    return np.concatenate(found)


def part_table(dataset: SkeletonDataset, clips: np.ndarray, weights: np.ndarray) -> pd.DataFrame:
    """Mean weights by class, see `evaluation.attention.part_weights`."""
    return part_weights(
        weights, dataset.labels[clips], dataset.classes, acting_hands(dataset, clips)
    )


def draw_parts(
    dataset: SkeletonDataset,
    crops: Crops,
    i: int,
    weights: np.ndarray | None,
    title: str,
    pixels: int | None = None,
) -> Figure:
    """The crops of one clip, all over its length, with the weights of its parts; `pixels` makes
    them `coarse`."""
    name = dataset.samples["name"].iloc[i]
    shown = np.linspace(0, crops.frames[name] - 1, 8).round().astype(int).tolist()
    pictures = {part: read_video(crops.video(part, name), shown) for part in PARTS}
    if pixels:
        pictures = {part: coarse(frames, pixels) for part, frames in pictures.items()}
    return parts_figure(pictures, shown, weights, title)
