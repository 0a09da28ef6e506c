"""Noise behind attention gates: what is not attended to drowns in it. Not from a paper."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops, random

from keras_skeleton.layers.elementwise import Elementwise
from keras_skeleton.layers.grouped import PACKAGE, check_rank


@keras.saving.register_keras_serializable(PACKAGE)
class GateNoise(Elementwise, keras.layers.Layer):
    """Adds Gaussian noise to gated joints, in training only. Not from a paper.

        y(t, k) = gated(t, k) + level * n(t, k),    n standard normal, independent

    A gate that only scales its input has no meaning of its own: the next layer can undo any scale.
    With noise of a fixed size behind it, a gate decides how well a joint or frame can be read. If
    the gates of a clip also have a fixed sum, they share out a limited power, and the loss draws
    them to where the information is.

    Inputs: gated joints and the same joints before the gates, both (B, T, K, C). Joints whose
    coordinates are all zero before the gates (padding, absent bodies) get no noise.

    Args:
        level: Standard deviation of the noise, in units of the input.
        seed: Seed of the noise; None draws one.

    Raises:
        ValueError: A negative level, or inputs that are not (B, T, K, C).

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

    def __init__(self, level: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if level < 0:
            raise ValueError(f"level={level} must not be negative")
        self.level, self.seed = level, seed
        self.seed_generator = random.SeedGenerator(seed)

    def build(self, gated_shape: tuple, inputs_shape: tuple) -> None:
        check_rank(self, gated_shape, "B T K C")
        check_rank(self, inputs_shape, "B T K C")

    def call(self, gated: Any, inputs: Any, training: bool = False) -> Any:
        if not training:
            return gated
        there = ops.any(ops.not_equal(inputs, 0), axis=-1, keepdims=True)
        noise = self.level * random.normal(
            ops.shape(gated), dtype="float32", seed=self.seed_generator
        )
        return ops.where(there, gated + ops.cast(noise, gated.dtype), gated)

    def compute_output_shape(self, gated_shape: tuple, inputs_shape: tuple) -> tuple:
        return tuple(gated_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "level": self.level, "seed": self.seed}
