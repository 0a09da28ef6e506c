"""Trains on a fixed number of random copies of each clip, as the paper of CSTA-CNN (Wang, 2019).

Sec. 3.1: "we do the data augmentation 8 times (4 times for random temporal sampling and 4 times for
random temporal cropping) for each sample". By default a new copy is drawn in every epoch instead
(`layers.temporal_sampling`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_skeleton.datasets.dataset import SkeletonDataset
from keras_skeleton.models.csta_cnn import SAMPLED
from keras_skeleton.training.pipeline import ClipInputs, Draw, Shape
from keras_skeleton.transforms.sample import crop_rows, segment_rows
from keras_skeleton.utils.errors import DatasetError


def sampled_rows(T: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """`size` random rows of T in order, int64; distinct if T is large enough, otherwise every row
    is repeated size / T times, rounded up or down."""
    times, rest = divmod(size, T)
    own = rng.choice(T, rest, replace=False)
    return np.sort(np.concatenate([np.repeat(np.arange(T), times), own]))


def copy_rows(
    T: int, size: int, number: int, crop: tuple[float, float], rng: np.random.Generator
) -> np.ndarray:
    """Rows of copy `number` of a clip of T frames, int64 (size,).

    Even copies are sampled at random; odd ones are cropped, and sampled evenly.
    """
    if not number % 2:
        return sampled_rows(T, size, rng)
    part = crop_rows(T, *crop, rng=rng)
    return part[segment_rows(len(part), size)]


class FixedCopies:
    """Inputs whose training batches hold fixed copies of clips.

    In training, epoch e shows one of a clip's copies, and every `count` epochs all of them, in an
    order of the clip's own. A copy has `size` frames at the start of the input, and zeros behind
    them. Batches for evaluation hold the whole clips.

    Args:
        inputs: Inputs (B, T, M, V, C), zero-padded at the end.
        count: Number of copies; half of them are cropped.
        size: Frames of a copy.
        crop: Smallest and largest share of a clip that a crop keeps.

    Raises:
        DatasetError: The inputs have fewer than `size` frames, or `count` is below 1.
    """

    def __init__(
        self, inputs: ClipInputs, count: int, size: int, crop: tuple[float, float]
    ) -> None:
        shape = inputs.shape
        if isinstance(shape, dict) or shape[0] < size or count < 1:
            raise DatasetError(
                f"fixed_copies={count}: copies of {size} frames cannot be made of inputs of shape "
                f"{shape}; choose at least 1 copy, or 0 for a new one in every epoch"
            )
        self.inputs, self.count, self.size = inputs, count, size
        self.crop = (float(crop[0]), float(crop[1]))

    @property
    def dataset(self) -> SkeletonDataset:
        """The clips."""
        return self.inputs.dataset

    @property
    def labels(self) -> np.ndarray:
        """Class indices, int32 (n,)."""
        return self.inputs.labels

    @property
    def shape(self) -> Shape:
        """Shape of one clip's input."""
        return self.inputs.shape

    def batch(self, indices: np.ndarray, draw: Draw = (0, 0)) -> Any:
        """Inputs of the clips with the given indices; copies if `draw` is one of training."""
        clips = self.inputs.batch(indices, draw)
        seed, epoch = draw
        if not seed:
            return clips
        assert isinstance(clips, np.ndarray)
        found = np.zeros_like(clips)
        for own, clip, i in zip(found, clips, np.asarray(indices).tolist(), strict=True):
            there = np.flatnonzero(clip.reshape(len(clip), -1).any(axis=1))
            T = int(there[-1]) + 1 if len(there) else 1
            order = np.random.default_rng((seed, i)).permutation(self.count)
            number = int(order[epoch % self.count])
            rng = np.random.default_rng((seed, i, number))
            own[: self.size] = clip[copy_rows(T, self.size, number, self.crop, rng)]
        return found


def with_copies(inputs: ClipInputs, model: Mapping[str, Any], defaults: Mapping[str, Any]) -> Any:
    """The inputs, with fixed copies if the model's arguments ask for them.

    Args:
        inputs: The inputs of all clips.
        model: Arguments of the model, as in a recipe: `fixed_copies` and `crop`.
        defaults: Their defaults, see `ModelEntry.options`.
    """
    count = {**defaults, **model}.get("fixed_copies", 0)
    if not count:
        return inputs
    return FixedCopies(inputs, int(count), SAMPLED, {**defaults, **model}["crop"])
