"""Pose-driven attention over body parts (Das et al., WACV 2019, Eqs. 2 to 5)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops, regularizers

from keras_skeleton.layers.elementwise import Elementwise
from keras_skeleton.layers.grouped import PACKAGE


@keras.saving.register_keras_serializable(PACKAGE)
class EqualParts(keras.regularizers.Regularizer):
    """Penalty that favors equal attention to all body parts.

    The second term of the objective of pose-driven I3D (Das et al., WACV 2019, Eq. 5):

        weight * sum over k of (1 - alpha_k)^2

    averaged over the clips of a batch, like the cross-entropy. Call it with alpha (B, K), whose
    rows sum to 1; it returns a scalar. Equal weights cost least, weight * (K - 2 + 1 / K); all
    weight on one part costs weight * (K - 1).

    Args:
        weight: lambda_1.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers.part_attention import EqualParts
        >>> penalty = EqualParts(weight=1.0)
        >>> float(penalty(np.array([[1.0, 0.0, 0.0]], "float32")))
        2.0
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
    """One weight per body part, from the hidden states of the pose LSTM.

    Source: pose-driven I3D (Das et al., WACV 2019, Eqs. 2 and 3). The weights of a clip are
    positive and sum to 1. Input h (B, D), output alpha (B, K):

        s = W_s tanh(W_h h + b_s) + b_us       (Eq. 2)
        alpha = softmax over parts of s        (Eq. 3)

    W_s starts at zero, so that all parts start with equal weights, and W_h from a Gaussian
    (Algorithm 1, step 4).

    Args:
        parts: Number of body parts K.
        hidden: Width of the tanh layer; 128 in the released code.
        penalty: Regularizer of alpha; `EqualParts` for Eq. 5.
        kernel_regularizer: Regularizer of W_h and W_s.

    Raises:
        ValueError: The input is not (B, D) with a known D.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers.part_attention import PartAttention
        >>> alpha = PartAttention(parts=4)(np.ones((2, 512), "float32"))
        >>> np.asarray(alpha).tolist()  # equal before training
        [[0.25, 0.25, 0.25, 0.25], [0.25, 0.25, 0.25, 0.25]]
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
                f"PartAttention '{self.name}' expects (B, D) with a known D, "
                f"got {tuple(input_shape)}"
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
        """Multiplications and additions, per clip."""
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
    """Weighted sum of features, sum over k of alpha_k g_k (Das et al., WACV 2019, Eq. 4).

    Inputs: weights alpha (B, K) and a list of K features of equal shape (B, ...). Output (B, ...).

    Raises:
        ValueError: The number of features differs from K, or their shapes differ.
    """

    def build(self, weights_shape: tuple, features_shape: list[tuple]) -> None:
        shapes = {tuple(shape[1:]) for shape in features_shape}
        if len(shapes) != 1 or len(features_shape) != weights_shape[-1]:
            raise ValueError(
                f"WeightedParts '{self.name}' expects as many features as weights, of equal shape; "
                f"got {weights_shape[-1]} weights and features {[*map(tuple, features_shape)]}"
            )

    def call(self, weights: Any, features: list[Any]) -> Any:
        axes = (-1, *[1] * (len(features[0].shape) - 1))
        return sum(ops.reshape(weights[:, k], axes) * g for k, g in enumerate(features))

    def compute_output_shape(self, weights_shape: tuple, features_shape: list[tuple]) -> tuple:
        return tuple(features_shape[0])
