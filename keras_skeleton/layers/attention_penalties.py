"""Attention penalties: the second and third terms of STA-LSTM's objective (Eq. 7), and entropy.

Song et al., "Spatio-Temporal Attention-Based LSTM Networks for 3D Action Recognition and
Detection", IEEE TIP 2018. `AttentionEntropy` is not from the paper. The penalties are Keras
regularizers for `JointGate` and `FrameGate`.
Each is averaged over the clips of a batch, like the cross-entropy, so its weight does not depend
on the batch size. T is the length of a clip without padding.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_skeleton.layers.grouped import PACKAGE


def lengths(gates: Any, mask: Any) -> Any:
    """Length T of each clip without padding, (B,); a float if there is no mask."""
    if mask is None:
        return float(gates.shape[1])
    return ops.maximum(ops.sum(ops.cast(mask, "float32"), axis=1), 1.0)


@keras.saving.register_keras_serializable(PACKAGE)
class EqualJointAttention(keras.regularizers.Regularizer):
    """Penalty on joint attention that favors equal attention to all joints.

    The second term of the objective of STA-LSTM (Song et al., TIP 2018, Eq. 7):

        weight * sum over k of (1 - 1/T * sum over t of gain * alpha(t, k))^2

    averaged over the clips of a batch; T is the length of a clip without padding. It keeps the
    joint-selection gates from ignoring some joints throughout a sequence. Call it with gates alpha
    (B, T, K) and, optionally, a mask (B, T); padded frames must have alpha = 0. It returns a
    scalar.

    Args:
        weight: lambda_1.
        gain: Factor on alpha. With 1, the formula as printed, the penalty is weak: alpha sums to 1
            over the K joints, so its temporal means stay far below 1, and equal attention costs at
            most `weight` less than attention to a single joint. With K, equal attention costs 0
            and attention to a single joint weight * K * (K - 1), as the paper's text intends.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers import EqualJointAttention
        >>> equal = np.full((1, 4, 5), 1 / 5, "float32")  # B = 1, T = 4, K = 5
        >>> round(float(EqualJointAttention(weight=1.0)(equal)), 2)
        3.2
        >>> round(float(EqualJointAttention(weight=1.0, gain=5.0)(equal)), 2)
        0.0
    """

    def __init__(self, weight: float, gain: float = 1.0) -> None:
        self.weight = weight
        self.gain = gain

    def __call__(self, gates: Any, mask: Any = None) -> Any:
        gates = self.gain * ops.cast(gates, "float32")
        total = lengths(gates, mask)
        mean = ops.sum(gates, axis=1) / (total if mask is None else total[:, None])  # (B, K)
        return self.weight * ops.mean(ops.sum(ops.square(1.0 - mean), axis=1))

    def get_config(self) -> dict[str, Any]:
        return {"weight": self.weight, "gain": self.gain}


@keras.saving.register_keras_serializable(PACKAGE)
class FrameAttentionNorm(keras.regularizers.Regularizer):
    """Penalty on the size of frame attention.

    The third term of the objective of STA-LSTM (Song et al., TIP 2018, Eq. 7):

        weight / T * sum over t of |beta(t)|

    averaged over the clips of a batch; T is the length of a clip without padding. It keeps the
    frame-selection gates from growing without bound. Call it with gates beta (B, T) and,
    optionally, a mask (B, T); padded frames must have beta = 0. It returns a scalar. (The paper
    prints a norm of beta(t), which is a number, so that its norm is its absolute value.)

    Args:
        weight: lambda_2.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers import FrameAttentionNorm
        >>> beta = np.array([[1.0, 3.0]], "float32")  # B = 1, T = 2
        >>> round(float(FrameAttentionNorm(weight=0.1)(beta)), 2)
        0.2
    """

    def __init__(self, weight: float) -> None:
        self.weight = weight

    def __call__(self, gates: Any, mask: Any = None) -> Any:
        gates = ops.cast(gates, "float32")
        return self.weight * ops.mean(ops.sum(ops.abs(gates), axis=1) / lengths(gates, mask))

    def get_config(self) -> dict[str, Any]:
        return {"weight": self.weight}


@keras.saving.register_keras_serializable(PACKAGE)
class AttentionEntropy(keras.regularizers.Regularizer):
    """Penalty on attention that is spread out. Not from a paper.

        weight * mean over rows of -sum over i of p(i) log p(i),    p = a / sum of a

    A row is the last axis of gates a >= 0: the joints of a frame, for gates alpha (B, T, K), or the
    frames of a clip, for gates beta (B, T). Rows that are all zero (padded frames) do not count.
    Equal attention to N joints or frames costs weight * log N, attention to a single one 0.

    Args:
        weight: Weight of the penalty.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers.attention_penalties import AttentionEntropy
        >>> beta = np.array([[1.0, 1.0, 0.0]], "float32")  # B = 1, T = 3
        >>> round(float(AttentionEntropy(weight=1.0)(beta)), 3)  # log 2
        0.693
    """

    def __init__(self, weight: float) -> None:
        self.weight = weight

    def __call__(self, gates: Any, mask: Any = None) -> Any:
        gates = ops.cast(gates, "float32")
        total = ops.sum(gates, axis=-1)  # of every row
        rows = ops.cast(total > 0, "float32")
        share = gates / ops.maximum(total, 1e-7)[..., None]
        entropy = -ops.sum(share * ops.log(ops.maximum(share, 1e-7)), axis=-1)
        if len(entropy.shape) == 1:  # (B,): a row is a clip
            return self.weight * ops.sum(rows * entropy) / ops.maximum(ops.sum(rows), 1.0)
        per_clip = ops.sum(rows * entropy, axis=1) / ops.maximum(ops.sum(rows, axis=1), 1.0)
        return self.weight * ops.mean(per_clip)

    def get_config(self) -> dict[str, Any]:
        return {"weight": self.weight}
