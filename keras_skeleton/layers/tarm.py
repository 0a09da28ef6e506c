"""Temporal Attention Recalibration Module of MANs (Xie et al., IJCAI 2018, Sec. 2.1)."""

from __future__ import annotations

from typing import Any

from keras import layers, ops, regularizers

from keras_skeleton.layers.frame_attention import FrameAttention
from keras_skeleton.layers.frame_gate import FrameGate
from keras_skeleton.layers.grouped import GroupedDense
from keras_skeleton.layers.grouped_gru import GroupedBiGRU

ATTENTION = ("learned", "frozen", "none", "frame_gate")


def tarm(
    o: Any,
    units: int = 64,
    ratio: int = 16,
    attention: str = "learned",
    dropout: float = 0.5,
    recurrent_activation: str = "sigmoid",
    l2: float = 1e-4,
    pooled: str = "mean",
) -> Any:
    """Temporal attention recalibration of a skeleton image: O~ = O + F(O), F = F_M * F_A.

    Source: MANs (Xie et al., IJCAI 2018, arXiv:1804.08254, Sec. 2.1, Eqs. 1 to 8). Each coordinate
    has its own weights (three TARMs, computed together). The output of the layer
    named `frame_attention` is F_A, (B, T, 3).

    Args:
        o: O, a Keras tensor (B, T, N, 3): T frames, N joints, 3 coordinates.
        units: K, the size of the BiGRU's hidden state.
        ratio: alpha of Eq. 8.
        attention: `"learned"` (the paper); `"frozen"`, random and never trained (the released
            code); `"none"`, F = F_M (setting B of Table 4); `"frame_gate"`, the temporal attention
            of STA-LSTM (setting C of Table 4).
        dropout: Dropout rate of the BiGRU's inputs and states (released code).
        recurrent_activation: Activation of the BiGRU's gates, see `GroupedBiGRU`.
        l2: Weight decay of the BiGRU's input kernels (released code).
        pooled: How F_A pools its input, `"mean"` (the paper) or `"standardized"`, see
            `FrameAttention`.

    Returns:
        O~, (B, T, N, 3).

    Raises:
        ValueError: Unknown `attention`.

    Example:
        >>> import keras
        >>> from keras_skeleton.layers import tarm
        >>> image = keras.Input((50, 50, 3))
        >>> tarm(image).shape
        (None, 50, 50, 3)
    """
    if attention not in ATTENTION:
        raise ValueError(f"attention='{attention}' is unknown; expected one of {ATTENTION}")
    _, T, N, C = o.shape
    rows = layers.Permute((1, 3, 2), name="coordinates")(o)  # (B, T, 3, N)
    x = GroupedDense(units, name="tarm_in")(rows)  # X <- FC(X): (B, T, 3, K)

    f = GroupedBiGRU(  # F_M, Eqs. 4 and 5: (B, T, 3, K)
        units,
        dropout=dropout,
        recurrent_dropout=dropout,
        recurrent_activation=recurrent_activation,
        kernel_initializer="orthogonal",
        kernel_regularizer=regularizers.L2(l2),
        name="memory",
    )(x)

    if attention == "frame_gate":
        gates = [
            FrameGate(units, name=f"frame_gate_{axis}")(x[:, :, c]) for c, axis in enumerate("xyz")
        ]
        frames = layers.Identity(name="frame_attention")(ops.stack(gates, axis=-1))
    elif attention != "none":  # F_A, Eqs. 6 to 8: (B, T, 3)
        trained = attention == "learned"
        frames = FrameAttention(ratio, pooled, trainable=trained, name="frame_attention")(x)
    if attention != "none":
        weights = layers.Reshape((T, C, 1), name="frame_weights")(frames)
        f = layers.Multiply(name="recalibrated")([f, weights])  # F = F_M * F_A, Eq. 2

    f = GroupedDense(N, name="tarm_out")(f)  # F <- FC(F): (B, T, 3, N)
    f = layers.Permute((1, 3, 2), name="image")(f)
    return layers.Add(name="tarm")([o, f])  # O~ = O + F(O), Eq. 1
