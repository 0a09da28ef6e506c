"""Attention over body parts by the pose (Das et al., WACV 2019, Eqs. 2, 3 and 5)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops, regularizers

from keras_skeleton.layers.elementwise import Elementwise
from keras_skeleton.layers.grouped import PACKAGE


@keras.saving.register_keras_serializable(PACKAGE)
class EqualParts(keras.regularizers.Regularizer):
    """weight * sum over parts of (1 - alpha)^2, for weights alpha (B, K): Eq. 5, second term.

    The mean over the clips of a batch, as the cross-entropy is. The weights of a clip sum to 1,
    so the penalty is least, K - 2 + 1 / K times `weight`, where all are equal, and K - 1 times
    `weight` where one part has everything.
    """

    def __init__(self, weight: float) -> None:
        self.weight = weight

    def __call__(self, alpha: Any) -> Any:
        alpha = ops.cast(alpha, "float32")
        return self.weight * ops.mean(ops.sum(ops.square(1.0 - alpha), axis=-1))

    def get_config(self) -> dict[str, Any]:
        return {"weight": self.weight}


@keras.saving.register_keras_serializable(PACKAGE)
class PartAttention(keras.layers.Layer):
    """One weight a body part, which sum to 1 over the parts of a clip.

    Input h (B, D), what the pose's LSTM knows; output alpha (B, K):

        s = W_s tanh(W_h h + b_s) + b_us       (Eq. 2)
        alpha = softmax over parts of s        (Eq. 3)

    W_s starts at zero, so that all parts begin with the same weight (Algorithm 1, step 4), and
    W_h from a Gaussian.

    Args:
        parts: K.
        hidden: Width of the tanh layer; 128 in the released code.
        penalty: On alpha; `EqualParts` for Eq. 5.
        kernel_regularizer: On W_h and W_s.
    """

    def __init__(
        self,
        parts: int,
        hidden: int = 128,
        penalty: Any = None,
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.parts = parts
        self.hidden = hidden
        self.penalty = regularizers.get(penalty)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)

    def build(self, input_shape: tuple) -> None:
        if len(input_shape) != 2 or input_shape[-1] is None:
            raise ValueError(
                f"PartAttention '{self.name}' takes (B, D) with a known D, not {tuple(input_shape)}"
            )
        shared = {"kernel_regularizer": self.kernel_regularizer, "dtype": self.dtype_policy}
        start = keras.initializers.RandomNormal(stddev=0.05)
        self.state_weights = keras.layers.Dense(
            self.hidden, "tanh", kernel_initializer=start, name="state", **shared
        )
        self.scores = keras.layers.Dense(
            self.parts, kernel_initializer="zeros", name="scores", **shared
        )
        self.state_weights.build(input_shape)
        self.scores.build((input_shape[0], self.hidden))

    def call(self, inputs: Any) -> Any:
        alpha = ops.softmax(self.scores(self.state_weights(inputs)), axis=-1)
        if self.penalty is not None:
            self.add_loss(self.penalty(alpha))
        return alpha

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (input_shape[0], self.parts)

    def flops(self, input_shape: tuple) -> int:
        """Multiplications and additions of one clip."""
        return 2 * self.hidden * (input_shape[-1] + self.parts)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "parts": self.parts,
            "hidden": self.hidden,
            "penalty": regularizers.serialize(self.penalty),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
        }


@keras.saving.register_keras_serializable(PACKAGE)
class WeightedParts(Elementwise, keras.layers.Layer):
    """sum over k of alpha_k g_k (Eq. 4): weights (B, K) and K features (B, ...) to (B, ...)."""

    def build(self, weights_shape: tuple, features_shape: list[tuple]) -> None:
        shapes = {tuple(shape[1:]) for shape in features_shape}
        if len(shapes) != 1 or len(features_shape) != weights_shape[-1]:
            raise ValueError(
                f"WeightedParts '{self.name}' takes as many features as weights, of equal shape; "
                f"it was given {weights_shape[-1]} weights and {[*map(tuple, features_shape)]}"
            )

    def call(self, weights: Any, features: list[Any]) -> Any:
        axes = (-1, *[1] * (len(features[0].shape) - 1))
        return sum(ops.reshape(weights[:, k], axes) * g for k, g in enumerate(features))

    def compute_output_shape(self, weights_shape: tuple, features_shape: list[tuple]) -> tuple:
        return tuple(features_shape[0])
