"""A residual block of a temporal convolution with gaps, for sequences of any length."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_skeleton.layers.grouped import PACKAGE


@keras.saving.register_keras_serializable(PACKAGE)
class DilatedBlock(keras.layers.Layer):
    """A residual block over time.

    Inputs: features h (B, T, D) and a mask (B, T) of the frames that hold data. Output (B, T, D):

        h + W relu(conv(LayerNorm(h)))

    The convolution sees three frames: t - d, t, t + d, or, if causal, t - 2 d, t - d, t. Masked
    frames are zero before the convolution and in the output, as are frames outside the sequence,
    so the result does not depend on padding: a part of a recording with `reach` frames around it
    has the same output as in the whole recording.

    Args:
        units: Number of features D.
        dilation: d, the gap in frames.
        causal: See no later frames.
        dropout: Dropout rate after the convolution.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers.dilated_block import DilatedBlock
        >>> block = DilatedBlock(units=8, dilation=4, causal=True)
        >>> h, mask = np.ones((2, 30, 8), "float32"), np.ones((2, 30), bool)
        >>> tuple(block(h, mask).shape), block.reach
        ((2, 30, 8), (8, 0))
    """

    def __init__(
        self,
        units: int,
        dilation: int = 1,
        causal: bool = False,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units, self.dilation, self.causal, self.rate = units, dilation, causal, dropout
        self.norm = keras.layers.LayerNormalization(dtype=self.dtype_policy, name="norm")
        self.conv = keras.layers.Conv1D(
            units,
            3,
            dilation_rate=dilation,
            padding="causal" if causal else "same",
            activation="relu",
            dtype=self.dtype_policy,
            name="conv",
        )
        self.drop = keras.layers.Dropout(dropout, dtype=self.dtype_policy, name="drop")
        self.dense = keras.layers.Dense(units, dtype=self.dtype_policy, name="dense")

    @property
    def reach(self) -> tuple[int, int]:
        """Number of frames before and after a frame on which its output depends."""
        return (2 * self.dilation, 0) if self.causal else (self.dilation, self.dilation)

    def build(self, input_shape: tuple, *_: Any) -> None:
        if len(input_shape) != 3 or input_shape[-1] != self.units:
            raise ValueError(
                f"DilatedBlock '{self.name}' expects (B, T, {self.units}), got {tuple(input_shape)}"
            )
        for layer in (self.norm, self.conv, self.dense):
            layer.build(input_shape)

    def call(self, h: Any, mask: Any, training: bool = False) -> Any:
        there = ops.cast(mask, h.dtype)[:, :, None]
        y = self.conv(self.norm(h) * there)
        return (h + self.dense(self.drop(y, training=training))) * there

    def compute_output_shape(self, input_shape: tuple, *_: Any) -> tuple:
        return tuple(input_shape)

    def flops(self, input_shape: tuple) -> int:
        """Multiplications and additions of the matrix products, per clip."""
        return 2 * input_shape[1] * 4 * self.units**2

    def get_config(self) -> dict[str, Any]:
        own = {"units": self.units, "dilation": self.dilation, "causal": self.causal}
        return {**super().get_config(), **own, "dropout": self.rate}
