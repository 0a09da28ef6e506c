"""Random changes of a batch while training: layers, so that they run where the network runs.

Each takes and returns (B, T, ..., 3) with time on the second axis and x, y, z on the last,
draws anew for every clip of the batch, and does nothing outside training.
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
                f"{type(self).__name__} takes (B, T, ..., 3), not {tuple(input_shape)}"
            )

    def call(self, inputs: Any, training: bool = False) -> Any:
        return self.change(inputs) if training else inputs

    def change(self, clips: Any) -> Any:
        raise TypeError("subclasses say what changes")

    def uniform(self, clips: Any, low: float, high: float, *shape: int) -> Any:
        """Numbers (B, *shape), uniform in [low, high)."""
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
    """Turns every clip about x, then y, then z, each by a uniform angle.

    Args:
        degrees: The largest angle about each axis, (x, y, z).
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
    """Multiplies each coordinate of every clip by a uniform number in [1 - amount, 1 + amount]."""

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
    """Adds Gaussian noise, new for every coordinate, to what is there.

    Joints that are all zeros stay so: padded frames and absent people remain recognizable (and a
    joint that lies in the very origin is not moved).

    Args:
        stddev: The noise's standard deviation, in units of the input.
    """

    def __init__(self, stddev: float = 0.1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if stddev < 0:
            raise ValueError(f"stddev={stddev} is below 0")
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
    """Cuts a uniform share in [smallest, 1] out of every clip and stretches it back to T frames."""

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
        # Linear interpolation as a product with (B, T, T) hat functions: one matrix product
        # runs everywhere, a gather of rows does not.
        frames = ops.cast(ops.arange(T), clips.dtype)
        weights = ops.relu(1 - ops.abs(at[:, :, None] - frames))
        flat = ops.reshape(clips, (ops.shape(clips)[0], T, -1))
        return ops.reshape(ops.matmul(weights, flat), ops.shape(clips))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "smallest": self.smallest}


@keras.saving.register_keras_serializable(PACKAGE)
class RandomSymmetry(_Augmentation):
    """Replaces every second clip, on average, by its image under a symmetry of the data.

    A left-right mirror exchanges the joints of both sides and turns one coordinate's sign; two
    people who change places exchange all their joints and turn two.

    Args:
        order: Joint k of the image is joint order[k] of the clip, counted over all people: K = V
            or M * V, whatever lies between the axes of time and of coordinates.
        signs: What x, y and z are multiplied with.
    """

    def __init__(
        self, order: Sequence[int], signs: tuple[float, float, float], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.order = [int(k) for k in order]
        self.signs = tuple(signs)
        if sorted(self.order) != list(range(len(self.order))):
            raise ValueError(f"order={self.order} does not name each joint once")

    def build(self, input_shape: tuple) -> None:
        super().build(input_shape)
        if math.prod(input_shape[2:-1]) != len(self.order):
            raise ValueError(
                f"{type(self).__name__} '{self.name}' was given the order of {len(self.order)} "
                f"joints, the clips have other ones: {tuple(input_shape)}"
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
