"""Penalties on attention: the second and third terms of STA-LSTM's objective (Eq. 7).

Song et al., "Spatio-Temporal Attention-Based LSTM Networks for 3D Action Recognition and
Detection", IEEE TIP 2018. Each is a regularizer that is given to the gate it acts on. A penalty
is the mean over the clips of a batch, as the cross-entropy is, so that its weight does not depend
on the batch size; T is a clip's own length, without padding.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_skeleton.layers.grouped import PACKAGE


def lengths(gates: Any, mask: Any) -> Any:
    """T of every clip, (B,) or a number; the gates' own (B, T, ...) where there is no mask."""
    if mask is None:
        return float(gates.shape[1])
    return ops.maximum(ops.sum(ops.cast(mask, "float32"), axis=1), 1.0)


@keras.saving.register_keras_serializable(PACKAGE)
class EqualJointAttention(keras.regularizers.Regularizer):
    """weight * sum over joints of (1 - mean over time of gain alpha)^2, for gates (B, T, K).

    Keeps the joint-selection gates from ignoring joints throughout a sequence. Padded frames
    have alpha = 0.

    Args:
        weight: lambda 1.
        gain: 1 is the formula as printed. There alpha sums to 1 over K joints, no mean can come
            near 1, and between equal attention and a single joint lies no more than `weight`.
            With gain K the penalty is 0 for equal attention and weight * K (K - 1) for a single
            joint, which is what the text asks of it.
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
    """weight / T * sum over time of |beta|, for gates beta (B, T).

    Keeps the frame-selection gates from growing without bound. Padded frames have beta = 0.
    """

    def __init__(self, weight: float) -> None:
        self.weight = weight

    def __call__(self, gates: Any, mask: Any = None) -> Any:
        gates = ops.cast(gates, "float32")
        return self.weight * ops.mean(ops.sum(ops.abs(gates), axis=1) / lengths(gates, mask))

    def get_config(self) -> dict[str, Any]:
        return {"weight": self.weight}
