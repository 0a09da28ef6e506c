"""Random augmentation of skeleton clips, as Keras layers.

Each layer maps clips (B, T, ..., 3) to clips of the same shape; axis 1 is time and the last axis
holds x, y and z. Every clip of a batch is changed at random on its own. Outside training the input
is returned unchanged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops, random

from keras_skeleton.layers.elementwise import Elementwise
from keras_skeleton.layers.grouped import PACKAGE


class _Augmentation(Elementwise, keras.layers.Layer):
    def __init__(self, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator = random.SeedGenerator(seed)

    def build(self, input_shape: tuple) -> None:
        if len(input_shape) < 3 or input_shape[-1] != 3:
            raise ValueError(
                f"{type(self).__name__} expects (B, T, ..., 3), got {tuple(input_shape)}"
            )

    def call(self, inputs: Any, training: bool = False) -> Any:
        return self.change(inputs) if training else inputs

    def change(self, clips: Any) -> Any:
        raise TypeError("subclasses must implement change()")

    def uniform(self, clips: Any, low: float, high: float, *shape: int) -> Any:
        """Random numbers (B, *shape), uniform in [low, high)."""
        drawn = random.uniform(
            (ops.shape(clips)[0], *shape), low, high, dtype="float32", seed=self.seed_generator
        )
        return ops.cast(drawn, clips.dtype)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "seed": self.seed}


@keras.saving.register_keras_serializable(PACKAGE)
class RandomRotation(_Augmentation):
    """Rotates each clip about x, then y, then z by random angles.

    Args:
        degrees: Largest angles about x, y and z, in degrees. Each angle is uniform between minus
            and plus its largest value.
        seed: Seed of the random numbers; None draws one.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers import RandomRotation
        >>> clips = np.ones((8, 30, 2, 25, 3), "float32")  # B, T, M, V, C
        >>> layer = RandomRotation((0, 60, 0), seed=0)
        >>> tuple(layer(clips, training=True).shape)
        (8, 30, 2, 25, 3)
        >>> bool(np.all(layer(clips) == clips))  # outside training
        True
    """

    def __init__(self, degrees: tuple[float, float, float] = (5, 5, 15), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.degrees = tuple(degrees)

    def change(self, clips: Any) -> Any:
        rotation = None
        for axis, degrees in enumerate(self.degrees):
            limit = math.radians(degrees)
            angle = self.uniform(clips, -limit, limit)
            c, s, one, zero = (
                ops.cos(angle),
                ops.sin(angle),
                ops.ones_like(angle),
                ops.zeros_like(angle),
            )
            rows = {
                0: (one, zero, zero, zero, c, -s, zero, s, c),
                1: (c, zero, s, zero, one, zero, -s, zero, c),
                2: (c, -s, zero, s, c, zero, zero, zero, one),
            }[axis]
            turn = ops.reshape(ops.stack(rows, axis=-1), (-1, 3, 3))
            rotation = turn if rotation is None else ops.matmul(turn, rotation)
        flat = ops.reshape(clips, (ops.shape(clips)[0], -1, 3))
        return ops.reshape(ops.matmul(flat, ops.transpose(rotation, (0, 2, 1))), ops.shape(clips))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "degrees": self.degrees}


@keras.saving.register_keras_serializable(PACKAGE)
class RandomScale(_Augmentation):
    """Multiplies each coordinate of a clip by a random factor.

    Args:
        amount: The factors of x, y and z are uniform in [1 - amount, 1 + amount).
        seed: Seed of the random numbers; None draws one.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers import RandomScale
        >>> clips = np.ones((8, 30, 25, 3), "float32")
        >>> scaled = np.asarray(RandomScale(0.1, seed=0)(clips, training=True))
        >>> bool((abs(scaled - 1) <= 0.1001).all())
        True
    """

    def __init__(self, amount: float = 0.1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.amount = amount

    def change(self, clips: Any) -> Any:
        factors = self.uniform(clips, 1 - self.amount, 1 + self.amount, 3)
        return clips * ops.reshape(factors, (-1, *[1] * (len(clips.shape) - 2), 3))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "amount": self.amount}


@keras.saving.register_keras_serializable(PACKAGE)
class RandomJitter(_Augmentation):
    """Adds Gaussian noise to every coordinate.

    Joints whose coordinates are all zero stay zero, so padded frames and absent bodies remain
    recognizable. (A real joint exactly at the origin is not moved either.)

    Args:
        stddev: Standard deviation of the noise, in units of the input; not negative.
        seed: Seed of the random numbers; None draws one.

    Raises:
        ValueError: `stddev` is negative.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers import RandomJitter
        >>> padding = np.zeros((8, 30, 25, 3), "float32")
        >>> bool(np.all(RandomJitter(0.1)(padding, training=True) == 0))
        True
    """

    def __init__(self, stddev: float = 0.1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if stddev < 0:
            raise ValueError(f"stddev={stddev} must not be negative")
        self.stddev = stddev

    def change(self, clips: Any) -> Any:
        noise = random.normal(
            ops.shape(clips), stddev=self.stddev, dtype="float32", seed=self.seed_generator
        )
        there = ops.any(ops.not_equal(clips, 0), axis=-1, keepdims=True)
        return ops.where(there, clips + ops.cast(noise, clips.dtype), clips)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "stddev": self.stddev}


@keras.saving.register_keras_serializable(PACKAGE)
class RandomTemporalCrop(_Augmentation):
    """Crops a random part of each clip and interpolates it back to T frames.

    Args:
        smallest: Smallest share of the clip that is kept, in (0, 1]. The share is uniform in
            [smallest, 1), its position uniform over the clip.
        seed: Seed of the random numbers; None draws one.

    Raises:
        ValueError: `smallest` is not in (0, 1].

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers import RandomTemporalCrop
        >>> clips = np.ones((8, 30, 25, 3), "float32")
        >>> tuple(RandomTemporalCrop(0.5)(clips, training=True).shape)
        (8, 30, 25, 3)
    """

    def __init__(self, smallest: float = 0.9, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 < smallest <= 1:
            raise ValueError(f"smallest={smallest} is not in (0, 1]")
        self.smallest = smallest

    def change(self, clips: Any) -> Any:
        T = clips.shape[1]
        share = self.uniform(clips, self.smallest, 1.0, 1)
        start = self.uniform(clips, 0.0, 1.0, 1) * (1 - share)
        at = (start + share * ops.cast(ops.linspace(0.0, 1.0, T), clips.dtype)) * (T - 1)  # (B, T)
        # Linear interpolation as one matrix product with (B, T, T) hat functions: unlike a gather
        # of rows, it runs on every backend.
        frames = ops.cast(ops.arange(T), clips.dtype)
        weights = ops.relu(1 - ops.abs(at[:, :, None] - frames))
        flat = ops.reshape(clips, (ops.shape(clips)[0], T, -1))
        return ops.reshape(ops.matmul(weights, flat), ops.shape(clips))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "smallest": self.smallest}


@keras.saving.register_keras_serializable(PACKAGE)
class RandomSymmetry(_Augmentation):
    """Replaces each clip, with probability 1/2, by its image under a symmetry of the data.

    For example, a left-right mirror swaps the joints of both sides and changes the sign of one
    coordinate; two people who trade places swap all joints and change the signs of two.

    Args:
        order: Joint k of the image is joint order[k] of the clip. Joints are counted over all axes
            between time and coordinates: V of them, or M * V.
        signs: Factors of x, y and z.
        seed: Seed of the random numbers; None draws one.

    Raises:
        ValueError: `order` is not a permutation, or the input has another number of joints.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers import RandomSymmetry
        >>> from keras_skeleton.skeletons import get_skeleton
        >>> mirror = RandomSymmetry(get_skeleton("kinect_v2").mirror, signs=(-1, 1, 1))
        >>> clips = np.ones((8, 30, 1, 25, 3), "float32")  # B, T, M, V, C
        >>> tuple(mirror(clips, training=True).shape)
        (8, 30, 1, 25, 3)
    """

    def __init__(
        self, order: Sequence[int], signs: tuple[float, float, float], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.order = [int(k) for k in order]
        self.signs = tuple(signs)
        if sorted(self.order) != list(range(len(self.order))):
            raise ValueError(f"order={self.order} must name each joint exactly once")

    def build(self, input_shape: tuple) -> None:
        super().build(input_shape)
        if math.prod(input_shape[2:-1]) != len(self.order):
            raise ValueError(
                f"{type(self).__name__} '{self.name}' has an order of {len(self.order)} joints, "
                f"which does not fit clips of shape {tuple(input_shape)}"
            )

    def change(self, clips: Any) -> Any:
        shape = ops.shape(clips)
        flat = ops.reshape(clips, (*shape[:2], len(self.order), 3))
        image = ops.take(flat, self.order, axis=2) * ops.cast(self.signs, clips.dtype)
        image = ops.reshape(image, shape)
        drawn = self.uniform(clips, 0.0, 1.0, *[1] * (len(clips.shape) - 1))
        return ops.where(drawn < 0.5, image, clips)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "order": self.order, "signs": self.signs}
