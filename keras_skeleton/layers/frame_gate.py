"""Frame-selection gate of STA-LSTM (Song et al., TIP 2018, Eq. 6)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops, regularizers


@keras.saving.register_keras_serializable("keras_skeleton")
class FrameGate(keras.layers.Layer):
    """One weight >= 0 a frame, from the frame and what came before it.

    Input (B, T, D), output beta (B, T):

        beta(t) = relu(w_x x(t) + w_h h(t-1) + b)  (Eq. 6)

    h is the hidden state of an LSTM of the gate's own. It depends on the input alone, so the
    LSTM runs once over the sequence and its output is shifted by a step; h(-1) = 0. Padded
    frames (where the mask is False) get 0.

    The bias starts at 1: with 0 about half of the gates would start closed, and a closed
    ReLU gate passes no gradient.

    Args:
        units: Size of h.
        penalty: On beta, given the mask too; `FrameAttentionNorm` for Eq. 7.
        kernel_regularizer: On all connection matrices (the L1 term of Eq. 7).
    """

    def __init__(
        self, units: int, penalty: Any = None, kernel_regularizer: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.penalty = regularizers.get(penalty)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.supports_masking = True
        policy = self.dtype_policy
        shared = {"kernel_regularizer": self.kernel_regularizer, "dtype": policy}
        self.lstm = keras.layers.LSTM(
            units,
            return_sequences=True,
            recurrent_regularizer=self.kernel_regularizer,
            name="lstm",
            **shared,
        )
        self.input_weights = keras.layers.Dense(1, bias_initializer="ones", name="input", **shared)
        self.state_weights = keras.layers.Dense(1, use_bias=False, name="state", **shared)

    def build(self, input_shape: tuple) -> None:
        if len(input_shape) != 3 or input_shape[-1] is None:
            raise ValueError(
                f"FrameGate '{self.name}' takes (B, T, D) with a known D, not {tuple(input_shape)}"
            )
        self.lstm.build(input_shape)
        self.input_weights.build(input_shape)
        self.state_weights.build((*input_shape[:2], self.units))

    def call(self, inputs: Any, mask: Any = None) -> Any:
        states = self.lstm(inputs, mask=mask)
        before = ops.pad(states[:, :-1], ((0, 0), (1, 0), (0, 0)))
        beta = ops.relu(self.input_weights(inputs) + self.state_weights(before))[..., 0]
        if mask is not None:
            beta = beta * ops.cast(mask, beta.dtype)
        if self.penalty is not None:
            self.add_loss(self.penalty(beta, mask))
        return beta

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        return None  # gates of padded frames are 0: nothing further on has to know

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return tuple(input_shape[:2])

    def flops(self, input_shape: tuple) -> int:
        """Multiplications and additions of the matrix products a clip."""
        _, T, D = input_shape
        return 2 * T * (4 * self.units * (D + self.units) + D + self.units)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "penalty": regularizers.serialize(self.penalty),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
        }
