"""Joints in units of their own spread. Not from a paper."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_skeleton.layers.elementwise import Elementwise
from keras_skeleton.layers.grouped import PACKAGE, check_rank

MEMORY = 1000.0  # clips; the running mean forgets older ones
LEAST = 1e-6  # smallest spread


@keras.saving.register_keras_serializable(PACKAGE)
class JointUnits(Elementwise, keras.layers.Layer):
    """Divides each joint by its own spread, so that small movements count as much as large ones.

    Not from a paper.

        y(t, k) = x(t, k) / s(k)

    Input and output (B, T, K, C). s(k) is the geometric mean over clips of the joint's root mean
    square distance from its mean in the clip. Unlike the plain mean, it is not set by the few clips
    in which the joint moves most. In training the layer first adds the batch to a running mean over
    about 1,000 clips; otherwise it uses the mean of the training, or 1 if there was none. Joints
    whose coordinates are all zero are absent: they stay zero and do not count.

    Weights: 2 K, the logarithm of s and the number of clips it comes from; they are not trained.

    Raises:
        ValueError: The input is not (B, T, K, C) with known K and C.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers.joint_units import JointUnits
        >>> x = np.random.default_rng(0).normal(0, 0.01, (8, 60, 25, 3)).astype("float32")
        >>> layer = JointUnits()
        >>> 0.9 < float(np.std(layer(x, training=True))) < 1.1
        True
    """

    def build(self, input_shape: tuple) -> None:
        check_rank(self, input_shape, "B T K C")
        own = {"shape": (input_shape[2],), "trainable": False, "autocast": False}
        self.log_spread = self.add_weight(name="log_spread", initializer="zeros", **own)
        self.clips = self.add_weight(name="clips", initializer="zeros", **own)

    def call(self, inputs: Any, training: bool = False) -> Any:
        log = ops.convert_to_tensor(self.log_spread)
        if training:
            log = self._learned(inputs, log)
        spread = ops.exp(log)[:, None]
        return ops.cast(ops.cast(inputs, "float32") / spread, inputs.dtype)

    def _learned(self, inputs: Any, log: Any) -> Any:
        """Adds a batch to the running mean and returns it."""
        new, known = log_spreads(inputs)
        new, known = ops.stop_gradient(new), ops.stop_gradient(known)
        before = ops.convert_to_tensor(self.clips)
        clips = before + ops.sum(known, axis=0)
        log = (before * log + ops.sum(known * new, axis=0)) / ops.maximum(clips, 1.0)
        self.log_spread.assign(log)
        self.clips.assign(ops.minimum(clips, MEMORY))
        return log

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return tuple(input_shape)


def log_spreads(inputs: Any) -> tuple[Any, Any]:
    """Logarithm of each joint's spread in each clip, and where it is known, both float32 (B, K).

    Args:
        inputs: Joints (B, T, K, C). The spread of a joint that is present in fewer than two frames
            is unknown.
    """
    x = ops.cast(inputs, "float32")
    there = ops.cast(ops.any(ops.not_equal(x, 0), axis=-1, keepdims=True), "float32")
    count = ops.sum(there, axis=1, keepdims=True)  # (B, 1, K, 1)
    mean = ops.sum(x, axis=1, keepdims=True) / ops.maximum(count, 1.0)
    square = ops.sum(ops.mean(there * ops.square(x - mean), axis=-1), axis=1)  # (B, K)
    square = square / ops.maximum(count[:, 0, :, 0], 1.0)
    log = 0.5 * ops.log(ops.maximum(square, LEAST**2))
    return log, ops.cast(count[:, 0, :, 0] > 1, "float32")
