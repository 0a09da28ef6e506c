"""Noise behind attention gates: what is not attended to drowns in it. Not from a paper."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops, random

from keras_skeleton.layers.elementwise import Elementwise
from keras_skeleton.layers.grouped import PACKAGE, check_rank

UNITS = ("input", "joint")


@keras.saving.register_keras_serializable(PACKAGE)
class GateNoise(Elementwise, keras.layers.Layer):
    """Adds Gaussian noise to gated joints, in training only.

        y(t, k) = gated(t, k) + level * s(k) * n(t, k),    n normal, of its own in every number

    A gate that only scales its input has no meaning of its own: the next layer can undo any scale.
    With noise of a fixed size behind it, a gate decides how well a joint or frame can be read. If
    the gates of a clip also have a fixed sum, they share out a limited power, and the loss draws
    them to where the information is.

    Inputs: gated joints and the same joints before the gates, both (B, T, K, 3). Joints whose
    coordinates are all zero before the gates (padding, absent bodies) get no noise.

    Args:
        level: Standard deviation of the noise, in units of s(k).
        unit: What s(k) is. `"input"`: 1. `"joint"`: the joint's own spread, so that a joint that
            moves little is as easy to read as one that moves far. It is the geometric mean over the
            clips of a batch of the joint's root mean square distance from its mean position in the
            clip; unlike the plain mean, it is not set by the few clips in which the joint moves
            most.
        seed: Seed of the noise; None draws one.

    Raises:
        ValueError: A negative level, an unknown unit, or inputs that are not (B, T, K, C).

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers.gate_noise import GateNoise
        >>> x = np.random.default_rng(0).normal(size=(8, 20, 50, 3)).astype("float32")
        >>> noise = GateNoise(0.5, seed=0)
        >>> 0.45 < float(np.std(noise(x, x, training=True) - x)) < 0.55
        True
        >>> bool(np.all(noise(x, x) == x))  # outside training
        True
    """

    def __init__(
        self, level: float, unit: str = "input", seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if level < 0:
            raise ValueError(f"level={level} must not be negative")
        if unit not in UNITS:
            raise ValueError(f"unit='{unit}' is unknown; expected 'input' or 'joint'")
        self.level, self.unit, self.seed = level, unit, seed
        self.seed_generator = random.SeedGenerator(seed)

    def build(self, gated_shape: tuple, inputs_shape: tuple) -> None:
        check_rank(self, gated_shape, "B T K C")
        check_rank(self, inputs_shape, "B T K C")

    def call(self, gated: Any, inputs: Any, training: bool = False) -> Any:
        if not training:
            return gated
        there = ops.any(ops.not_equal(inputs, 0), axis=-1, keepdims=True)
        noise = random.normal(ops.shape(gated), dtype="float32", seed=self.seed_generator)
        noise = self.level * noise
        if self.unit == "joint":
            noise = noise * ops.stop_gradient(joint_spread(inputs))[:, None]
        return ops.where(there, gated + ops.cast(noise, gated.dtype), gated)

    def compute_output_shape(self, gated_shape: tuple, inputs_shape: tuple) -> tuple:
        return tuple(gated_shape)

    def get_config(self) -> dict[str, Any]:
        own = {"level": self.level, "unit": self.unit, "seed": self.seed}
        return {**super().get_config(), **own}


def joint_spread(inputs: Any) -> Any:
    """Spread of each joint over the clips of a batch, float32 (K,), as in `GateNoise`.

    Args:
        inputs: Joints (B, T, K, C); where all coordinates are zero, the joint is absent. A joint
            that is absent from all clips has spread 0.
    """
    x = ops.cast(inputs, "float32")
    there = ops.cast(ops.any(ops.not_equal(x, 0), axis=-1, keepdims=True), "float32")
    count = ops.sum(there, axis=1, keepdims=True)  # (B, 1, K, 1)
    mean = ops.sum(x, axis=1, keepdims=True) / ops.maximum(count, 1.0)
    square = ops.mean(there * ops.square(x - mean), axis=-1)  # (B, T, K)
    square = ops.sum(square, axis=1) / ops.maximum(count[:, 0, :, 0], 1.0)  # (B, K)
    known = ops.cast(count[:, 0, :, 0] > 1, "float32")
    clips = ops.sum(known, axis=0)
    log = ops.sum(known * ops.log(ops.maximum(square, 1e-12)), axis=0) / ops.maximum(clips, 1.0)
    return ops.where(clips > 0, ops.exp(0.5 * log), 0.0)
