"""Coupled spatial-temporal attention (Wang, CSTA-CNN, ICIP 2019 submission, Sec. 2.2)."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import activations, initializers, ops

from keras_skeleton.layers.elementwise import Elementwise
from keras_skeleton.layers.grouped import PACKAGE

BIASES = ("each", "shared")


class _Scores(keras.layers.Layer):
    """One dense layer with a single output, applied to every joint or to every frame.

    Args:
        activation: sigma of Eq. 1. The paper names none; it shows absolute weights, so they have
            signs: tanh, which keeps the product of two scores bounded, unlike a linear one.
        bias: Eq. 1 prints one weight vector and a bias b_i with an index: `"each"` joint (or
            frame) has its own. `"shared"`: one for all.

    Biases start at 1: the weights are then alike and far from 0, and the product of both scores
    lets the input through.
    """

    equation: str  # (B, T, M, V, C) and weights to scores, with one output
    summed: int  # the input's axis that a score sums over, with C
    scored: int  # the input's axis that has a score each

    def __init__(self, activation: Any = "tanh", bias: str = "each", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if bias not in BIASES:
            raise ValueError(f"bias='{bias}' is unknown; it is one of {BIASES}")
        self.activation = activations.get(activation)
        self.bias_kind = bias

    def build(self, input_shape: tuple) -> None:
        if len(input_shape) != 5 or None in (input_shape[1], *input_shape[3:]):
            raise ValueError(
                f"{type(self).__name__} '{self.name}' takes (B, T, M, V, C) with known T, V and C, "
                f"not {tuple(input_shape)}"
            )
        summed, scores = (input_shape[axis] for axis in (self.summed, self.scored))
        C = input_shape[-1]
        self.kernel = self.add_weight(
            (summed, C),
            # Fans of a dense layer from summed * C numbers to one, not of a matrix.
            initializers.VarianceScaling(scale=1 / C, mode="fan_in", distribution="uniform"),
            name="kernel",
        )
        self.bias = self.add_weight(
            (scores if self.bias_kind == "each" else 1,), initializers.Ones(), name="bias"
        )

    def call(self, inputs: Any) -> Any:
        # The kernel as a matrix to one output: converters cannot read a sum over all of its axes.
        scores = ops.einsum(self.equation, inputs, self.kernel[..., None])[..., 0]
        return self.activation(scores + self.bias)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (input_shape[0], input_shape[2], input_shape[self.scored])

    def flops(self, input_shape: tuple) -> int:
        """Multiplications and additions of the matrix products a clip."""
        return 2 * math.prod(input_shape[1:])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "activation": activations.serialize(self.activation),
            "bias": self.bias_kind,
        }


@keras.saving.register_keras_serializable(PACKAGE)
class JointScores(_Scores):
    """A weight for every joint from its T x C numbers: (B, T, M, V, C) to (B, M, V), Eq. 1."""

    equation, summed, scored = "btmvc,tco->bmvo", 1, 3


@keras.saving.register_keras_serializable(PACKAGE)
class FrameScores(_Scores):
    """A weight for every frame from its V x C numbers: (B, T, M, V, C) to (B, M, T)."""

    equation, summed, scored = "btmvc,vco->bmto", 3, 1


@keras.saving.register_keras_serializable(PACKAGE)
class CoupledAttention(Elementwise, keras.layers.Layer):
    """The outer product of frame scores (B, M, T) and joint scores (B, M, V), Eq. 2.

    Output (B, T, M, V). Call it as `CoupledAttention()(frames, joints)`.
    """

    def call(self, frames: Any, joints: Any) -> Any:
        return ops.swapaxes(frames, 1, 2)[..., None] * joints[:, None]

    def compute_output_shape(self, frames_shape: tuple, joints_shape: tuple) -> tuple:
        B, M, T = frames_shape
        return (B, T, M, joints_shape[-1])


@keras.saving.register_keras_serializable(PACKAGE)
class Attend(Elementwise, keras.layers.Layer):
    """Multiplies a clip (B, T, M, V, C) with attention, the same for all coordinates (Eq. 3).

    `Attend(axes)(x, attention)`; `axes` names the attention's axes: `"btmv"`, or `"bmv"` and
    `"bmt"` where only joints or only frames have weights.
    """

    def __init__(self, axes: str = "btmv", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if axes not in ("btmv", "bmv", "bmt"):
            raise ValueError(f"axes='{axes}' is none of btmv, bmv and bmt")
        self.axes = axes

    def call(self, x: Any, attention: Any) -> Any:
        # Broadcast: an einsum would become a product of small matrices for each joint.
        if self.axes == "bmv":
            attention = attention[:, None]
        elif self.axes == "bmt":
            attention = ops.swapaxes(attention, 1, 2)[..., None]
        return x * attention[..., None]

    def compute_output_shape(self, x_shape: tuple, attention_shape: tuple) -> tuple:
        return tuple(x_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axes": self.axes}
