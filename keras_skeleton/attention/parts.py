"""Body-part attention of the pose-driven network, as tables and figures."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from keras_skeleton.attention.shares import part_weights
from keras_skeleton.datasets.dataset import SkeletonDataset
from keras_skeleton.datasets.synthetic.dataset import informative_joints
from keras_skeleton.transforms.glimpses import PARTS
from keras_skeleton.transforms.normalise import main_actor
from keras_skeleton.video.crops import Crops
from keras_skeleton.video.reading import coarse, read_video
from keras_skeleton.viz.attention_plots import parts_figure


def acting_hands(dataset: SkeletonDataset, clips: np.ndarray) -> np.ndarray:
    """The acting hand of the main actor in each clip, int (n,): 0 for left, 1 for right, -1 if
    unknown or if both or neither act."""
    found = np.full(len(clips), -1)
    if "informative_joints" not in dataset.extras:
        return found
    if not dataset.skeleton.hands:
        return found
    left, right = dataset.skeleton.hands
    for k, i in enumerate(clips):
        joints = informative_joints(dataset, i)[main_actor(dataset.clip(i))]
        if joints[left] != joints[right]:
            found[k] = 0 if joints[left] else 1
    return found


def part_table(dataset: SkeletonDataset, clips: np.ndarray, weights: np.ndarray) -> pd.DataFrame:
    """Mean part weights per class, see `attention.shares.part_weights`."""
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
    """Draws crops of clip `i`, spread over its length, with its part weights. With `pixels`, the
    crops are pixelated (`video.reading.coarse`)."""
    name = dataset.samples["name"].iloc[i]
    shown = np.linspace(0, crops.frames[name] - 1, 8).round().astype(int).tolist()
    pictures = {part: read_video(crops.video(part, name), shown) for part in PARTS}
    if pixels:
        pictures = {part: coarse(frames, pixels) for part, frames in pictures.items()}
    return parts_figure(pictures, shown, weights, title)
