"""Frame attention of MANs (Xie et al., IJCAI 2018, Eqs. 6 to 8)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_skeleton.layers.grouped import PACKAGE, PerGroup, check_rank

POOLED = ("mean", "standardized")
EPSILON = 1e-6  # far below the variance of X_p in metres, about 2e-4


@keras.saving.register_keras_serializable(PACKAGE)
class FrameAttention(keras.layers.Layer):
    """Frame attention of MANs: one weight in (0, 1) per frame and coordinate.

    Source: Xie et al., IJCAI 2018, arXiv:1804.08254, Eqs. 6 to 8. Input X (B, T, G, K), output F_A
    (B, T, G). G is the number of groups with their own weights: 3 in MANs, the coordinates x, y and
    z. T must be fixed: every weight depends on the whole sequence.

        X_p = mean over K of X                        (Eq. 6)
        F_A = sigmoid(W_2 relu(W_1 X_p + b_1) + b_2)  (Eq. 8)

    W_1 has T // ratio rows, at least one. The paper copies X_p to K columns (Eq. 7), so that F_A
    has K equal columns; here one column is computed, and F_M is multiplied with it by broadcasting.

    Weights: G * (2 * T * hidden + hidden + T) with hidden = max(T // ratio, 1).

    Positions in metres give X_p of about 0.02, since Eq. 6 averages K features of either sign; F_A
    then hardly depends on the clip. With `pooled="standardized"`, which is ours and not the
    paper's, X_p is standardized over the frames of each clip and group first, without new weights:

        X_p <- (X_p - mean over T) / sqrt(variance over T + 1e-6)

    In the released code these weights are created in a Lambda layer and never trained; use
    `trainable=False` to reproduce that.

    Args:
        ratio: alpha, the factor by which W_1 reduces the time axis; 16 in the paper (Table 3).
        pooled: `"mean"` (the paper) or `"standardized"`.

    Raises:
        ValueError: `ratio` is below 1, `pooled` is unknown, or T is not fixed.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers import FrameAttention
        >>> layer = FrameAttention(ratio=16)
        >>> x = np.ones((8, 50, 3, 64), "float32")  # B, T, G, K
        >>> tuple(layer(x).shape), layer.count_params()
        ((8, 50, 3), 1059)
    """

    def __init__(self, ratio: int = 16, pooled: str = POOLED[0], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if ratio < 1:
            raise ValueError(f"ratio={ratio} must be at least 1")
        if pooled not in POOLED:
            raise ValueError(f"pooled='{pooled}' is unknown; expected one of {POOLED}")
        self.ratio, self.pooled = ratio, pooled

    def build(self, input_shape: tuple) -> None:
        check_rank(self, input_shape, "B T G K")
        T, G = input_shape[1:3]
        if T is None:
            raise ValueError(
                f"FrameAttention '{self.name}' needs a fixed T, because its weights mix all "
                f"frames; got {tuple(input_shape)}"
            )
        hidden = max(T // self.ratio, 1)
        dense = PerGroup("glorot_uniform")
        self.w1 = self.add_weight(name="w1", shape=(G, T, hidden), initializer=dense)
        self.b1 = self.add_weight(name="b1", shape=(G, hidden), initializer="zeros")
        self.w2 = self.add_weight(name="w2", shape=(G, hidden, T), initializer=dense)
        self.b2 = self.add_weight(name="b2", shape=(G, T), initializer="zeros")

    def call(self, inputs: Any) -> Any:
        pooled = ops.mean(inputs, axis=-1)  # X_p: (B, T, G)
        if self.pooled == "standardized":
            pooled = pooled - ops.mean(pooled, axis=1, keepdims=True)
            variance = ops.mean(ops.square(pooled), axis=1, keepdims=True)
            pooled = pooled / ops.sqrt(variance + EPSILON)
        hidden = ops.relu(ops.einsum("btg,gth->bgh", pooled, self.w1) + self.b1)
        weights = ops.sigmoid(ops.einsum("bgh,ght->bgt", hidden, self.w2) + self.b2)
        return ops.transpose(weights, (0, 2, 1))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return tuple(input_shape[:-1])

    def flops(self, input_shape: tuple) -> int:
        """Multiplications and additions, per clip."""
        _, T, G, K = input_shape
        return T * G * K + 4 * G * T * max(T // self.ratio, 1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "ratio": self.ratio, "pooled": self.pooled}
