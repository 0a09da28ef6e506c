"""Random temporal sampling and cropping on whole batches (CSTA-CNN, Secs. 2.4 and 3.1).

`transforms.sample` does the same for single clips, in NumPy.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops, random

from keras_skeleton.layers.elementwise import Elementwise
from keras_skeleton.layers.grouped import PACKAGE


def lengths(clips: Any) -> Any:
    """Number of frames of each clip up to its last nonzero one, int32 (B,); at least 1."""
    T = ops.shape(clips)[1]
    there = ops.any(ops.not_equal(clips, 0), axis=tuple(range(2, len(clips.shape))))  # (B, T)
    return ops.maximum(ops.max(ops.cast(there, "int32") * (1 + ops.arange(T)), axis=1), 1)


def uniform_rows(start: Any, length: Any, size: int) -> Any:
    """Middle frames of `size` equal segments, int32 (B, size).

    Args:
        start: First frame of each clip's range, (B,).
        length: Number of frames of the range, (B,).
        size: Number of segments.
    """
    middle = (ops.arange(size, dtype="float32") + 0.5) / size
    steps = ops.cast(ops.floor(ops.cast(length, "float32")[:, None] * middle), "int32")
    return start[:, None] + ops.minimum(steps, length[:, None] - 1)


def drawn_rows(length: Any, keys: Any, size: int) -> Any:
    """Random frames in temporal order, int32 (B, size), distinct if the clip is long enough.

    In a clip shorter than `size`, every frame is repeated size / length times, rounded up or down.

    Args:
        length: Number of frames of each clip, (B,).
        keys: Uniform random numbers in [0, 1), (B, T).
        size: Number of frames to draw.
    """
    T = ops.shape(keys)[1]
    inside = ops.arange(T) < length[:, None]
    order = ops.argsort(ops.where(inside, keys, 2.0), axis=1)
    rank = ops.argsort(order, axis=1)
    times = ops.floor_divide(size, length)[:, None] + ops.cast(
        rank < ops.mod(size, length)[:, None], "int32"
    )
    end = ops.cumsum(times * ops.cast(inside, "int32"), axis=1)  # (B, T): rows used up to frame t
    # Row k is the first frame whose end lies beyond k.
    passed = ops.expand_dims(end, 1) <= ops.reshape(ops.arange(size), (1, size, 1))
    return ops.sum(ops.cast(passed, "int32"), axis=2)


def take_rows(clips: Any, rows: Any) -> Any:
    """Selects the frames `rows` (B, S) from clips (B, T, ...): (B, S, ...)."""
    shape = ops.shape(clips)
    first = ops.arange(shape[0], dtype="int32")[:, None] * shape[1]
    flat = ops.reshape(clips, (shape[0] * shape[1], -1))
    taken = ops.take(flat, ops.reshape(first + rows, (-1,)), axis=0)
    return ops.reshape(taken, (shape[0], rows.shape[1], *clips.shape[2:]))


@keras.saving.register_keras_serializable(PACKAGE)
class TemporalSampling(Elementwise, keras.layers.Layer):
    """Samples `size` frames from clips of any length: (B, T, ...) to (B, size, ...).

    Clips shorter than T must be zero-padded at the end. Outside training, the layer takes the
    middle frames of `size` equal segments. In training, each clip is sampled in one of two ways,
    with equal probability:

        sampling    `size` random frames, in temporal order
        cropping    a random part of the clip, then the middle frames of `size` segments of it

    Source: CSTA-CNN (Wang, 2019, arXiv:1909.10214, Secs. 2.4 and 3.1). The paper trains on 8 fixed
    copies of each clip, 4 of either kind. Here a new copy is drawn each time: the same
    augmentation, with unlimited variety. To train on the paper's copies, draw them in front of the
    network (`training.fixed_copies`) and set `random=False`: the layer then does the same in
    training as outside it, and leaves a copy of `size` frames as it is.

    Args:
        size: Number of frames of the output.
        crop: Smallest and largest share of the clip that cropping keeps: (0.5, 1) on UESTC, (0.9,
            1) on NTU RGB+D.
        seed: Seed of the random numbers; None draws one.
        random: Whether clips are sampled at random in training.

    Raises:
        ValueError: `size` or `crop` out of range, or an input of fewer than 3 axes.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers.temporal_sampling import TemporalSampling
        >>> clip = np.arange(1.0, 101.0, dtype="float32").reshape(1, 100, 1)
        >>> np.asarray(TemporalSampling(size=4)(clip)).ravel().tolist()
        [13.0, 38.0, 63.0, 88.0]
    """

    def __init__(
        self,
        size: int,
        crop: tuple[float, float] = (0.5, 1.0),
        seed: int | None = None,
        random: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        low, high = crop
        if size < 1 or not 0 < low <= high <= 1:
            raise ValueError(
                f"size={size}, crop={crop}: size must be at least 1, and 0 < low <= high <= 1"
            )
        self.size = size
        self.crop = (float(low), float(high))
        self.seed = seed
        self.random = random
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape: tuple) -> None:
        if len(input_shape) < 3:
            raise ValueError(f"TemporalSampling expects (B, T, ..., C), got {tuple(input_shape)}")

    def call(self, inputs: Any, training: bool = False) -> Any:
        if training and self.random:
            return self.draw(inputs, None, [self.seed_generator] * 4)
        length = lengths(inputs)
        return take_rows(inputs, uniform_rows(ops.zeros_like(length), length, self.size))

    def draw(self, clips: Any, cropped: bool | None, seeds: Any) -> Any:
        """One random copy of each clip.

        Args:
            clips: (B, T, ...).
            cropped: True crops all clips, False samples all, None decides for each clip at random.
            seeds: Four integers, or the same seed generator four times.

        Returns:
            (B, size, ...).
        """
        B, T = ops.shape(clips)[:2]
        length = lengths(clips)
        keys = random.uniform((B, T), dtype="float32", seed=seeds[0])
        sampled = drawn_rows(length, keys, self.size)
        share = random.uniform((B,), *self.crop, dtype="float32", seed=seeds[1])
        part = ops.cast(ops.round(share * ops.cast(length, "float32")), "int32")
        part = ops.clip(part, 1, length)
        place = random.uniform((B,), dtype="float32", seed=seeds[2])
        room = length - part
        start = ops.cast(ops.floor(place * ops.cast(room + 1, "float32")), "int32")
        cut = uniform_rows(ops.minimum(start, room), part, self.size)
        if cropped is None:
            coin = random.uniform((B, 1), dtype="float32", seed=seeds[3]) < 0.5
            return take_rows(clips, ops.where(coin, cut, sampled))
        return take_rows(clips, cut if cropped else sampled)

    def copies(self, clips: Any, count: int, seed: int = 0) -> list[Any]:
        """Random copies of the clips; every second one is cropped.

        Args:
            clips: (B, T, ...).
            count: Number of copies.
            seed: The same seed gives the same copies.

        Returns:
            `count` tensors (B, size, ...).
        """
        return [
            self.draw(clips, bool(i % 2), [4 * (count * seed + i) + j for j in range(4)])
            for i in range(count)
        ]

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (input_shape[0], self.size, *input_shape[2:])

    def get_config(self) -> dict[str, Any]:
        own = {"size": self.size, "crop": self.crop, "seed": self.seed, "random": self.random}
        return {**super().get_config(), **own}
