"""Coupled spatial-temporal attention of CSTA-CNN (Wang, 2019, arXiv:1909.10214, Sec. 2.2)."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import activations, initializers, ops

from keras_skeleton.layers.elementwise import Elementwise
from keras_skeleton.layers.grouped import PACKAGE

BIASES = ("each", "shared")


class _Scores(keras.layers.Layer):
    """A dense layer with one output, applied to every joint or every frame (Eq. 1).

        s_i = sigma(W y_i + b_i)

    Biases start at 1, so at first all scores are similar and their product lets the input through.

    Args:
        activation: sigma of Eq. 1, which the paper does not name. Fig. 4 shows absolute values, so
            scores have signs: tanh is the default, because it bounds the product of two scores.
        bias: `"each"`: every joint (or frame) has its own bias, as the index of b_i in Eq. 1 says.
            `"shared"`: one bias for all.
    """

    equation: str  # (B, T, M, V, C) times the kernel, with one output
    summed: int  # input axis that is summed, together with C
    scored: int  # input axis whose entries get one score each

    def __init__(self, activation: Any = "tanh", bias: str = "each", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if bias not in BIASES:
            raise ValueError(f"bias='{bias}' is unknown; expected one of {BIASES}")
        self.activation = activations.get(activation)
        self.bias_kind = bias

    def build(self, input_shape: tuple) -> None:
        if len(input_shape) != 5 or None in (input_shape[1], *input_shape[3:]):
            raise ValueError(
                f"{type(self).__name__} '{self.name}' expects (B, T, M, V, C) with known T, V and "
                f"C, got {tuple(input_shape)}"
            )
        summed, scores = (input_shape[axis] for axis in (self.summed, self.scored))
        C = input_shape[-1]
        self.kernel = self.add_weight(
            (summed, C),
            # Fan-in of a dense layer from summed * C values to one, not of a (summed, C) matrix.
            initializers.VarianceScaling(scale=1 / C, mode="fan_in", distribution="uniform"),
            name="kernel",
        )
        self.bias = self.add_weight(
            (scores if self.bias_kind == "each" else 1,), initializers.Ones(), name="bias"
        )

    def call(self, inputs: Any) -> Any:
        # One explicit output axis: export converters do not support a sum over all kernel axes.
        scores = ops.einsum(self.equation, inputs, self.kernel[..., None])[..., 0]
        return self.activation(scores + self.bias)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (input_shape[0], input_shape[2], input_shape[self.scored])

    def flops(self, input_shape: tuple) -> int:
        """Multiplications and additions of the matrix products, per clip."""
        return 2 * math.prod(input_shape[1:])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "activation": activations.serialize(self.activation),
            "bias": self.bias_kind,
        }


@keras.saving.register_keras_serializable(PACKAGE)
class JointScores(_Scores):
    """Joint attention of CSTA-CNN: one score per joint, from its T * C values.

    Source: Wang, 2019, arXiv:1909.10214, Eq. 1. For the values y(v) of joint v over the whole clip:

        s(v) = sigma(w . y(v) + b(v))

    Input (B, T, M, V, C), output s_att (B, M, V); T, V and C must be known. Weights: T * C, and V
    biases (one if shared). Biases start at 1, so at first all scores are similar.

    Args:
        activation: sigma of Eq. 1. The paper names none; its Fig. 4 shows absolute values, so
            scores have signs. With tanh, the default, they lie in (-1, 1).
        bias: `"each"` joint has its own bias, or one `"shared"` by all.

    Raises:
        ValueError: Unknown `bias`, or an input of another rank.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers.coupled_attention import JointScores
        >>> clips = np.ones((8, 30, 2, 25, 3), "float32")  # B, T, M, V, C
        >>> layer = JointScores()
        >>> tuple(layer(clips).shape), layer.count_params()
        ((8, 2, 25), 115)
    """

    equation, summed, scored = "btmvc,tco->bmvo", 1, 3


@keras.saving.register_keras_serializable(PACKAGE)
class FrameScores(_Scores):
    """Frame attention of CSTA-CNN: one score per frame, from its V * C values.

    As `JointScores`, with frames in place of joints (Wang, 2019, Sec. 2.2). Input
    (B, T, M, V, C), output t_att (B, M, T); T, V and C must be known. Weights: V * C, and T biases
    (one if shared).

    Args:
        activation: sigma of Eq. 1; see `JointScores`.
        bias: `"each"` frame has its own bias, or one `"shared"` by all.

    Raises:
        ValueError: Unknown `bias`, or an input of another rank.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers.coupled_attention import FrameScores
        >>> clips = np.ones((8, 30, 2, 25, 3), "float32")  # B, T, M, V, C
        >>> layer = FrameScores()
        >>> tuple(layer(clips).shape), layer.count_params()
        ((8, 2, 30), 105)
    """

    equation, summed, scored = "btmvc,vco->bmto", 3, 1


@keras.saving.register_keras_serializable(PACKAGE)
class CoupledAttention(Elementwise, keras.layers.Layer):
    """Attention map of CSTA-CNN: the outer product of frame scores and joint scores.

    Source: Wang, 2019, arXiv:1909.10214, Eq. 2, where it is called a cross product. Inputs: frame
    scores (B, M, T) and joint scores (B, M, V). Output (B, T, M, V).

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers.coupled_attention import CoupledAttention
        >>> frames, joints = np.ones((8, 2, 30), "float32"), np.ones((8, 2, 25), "float32")
        >>> tuple(CoupledAttention()(frames, joints).shape)
        (8, 30, 2, 25)
    """

    def call(self, frames: Any, joints: Any) -> Any:
        return ops.swapaxes(frames, 1, 2)[..., None] * joints[:, None]

    def compute_output_shape(self, frames_shape: tuple, joints_shape: tuple) -> tuple:
        B, M, T = frames_shape
        return (B, T, M, joints_shape[-1])


@keras.saving.register_keras_serializable(PACKAGE)
class Attend(Elementwise, keras.layers.Layer):
    """Multiplies clips by attention, the same for all coordinates.

    Source: CSTA-CNN (Wang, 2019, arXiv:1909.10214, Eq. 3). Inputs: clips (B, T, M, V, C) and
    attention with the axes `axes`. Output (B, T, M, V, C).

    Args:
        axes: Axes of the attention: `"btmv"`, `"bmv"` (joint scores alone) or `"bmt"` (frame scores
            alone).

    Raises:
        ValueError: Unknown `axes`.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers.coupled_attention import Attend
        >>> clips = np.ones((8, 30, 2, 25, 3), "float32")  # B, T, M, V, C
        >>> tuple(Attend("bmt")(clips, np.ones((8, 2, 30), "float32")).shape)
        (8, 30, 2, 25, 3)
    """

    def __init__(self, axes: str = "btmv", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if axes not in ("btmv", "bmv", "bmt"):
            raise ValueError(f"axes='{axes}' is unknown; expected btmv, bmv or bmt")
        self.axes = axes

    def call(self, x: Any, attention: Any) -> Any:
        # Broadcasting: an einsum would become one small matrix product per joint.
        if self.axes == "bmv":
            attention = attention[:, None]
        elif self.axes == "bmt":
            attention = ops.swapaxes(attention, 1, 2)[..., None]
        return x * attention[..., None]

    def compute_output_shape(self, x_shape: tuple, attention_shape: tuple) -> tuple:
        return tuple(x_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axes": self.axes}
