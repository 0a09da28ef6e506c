"""Frame-selection gate of STA-LSTM (Song et al., TIP 2018, Eq. 6)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


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
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.supports_masking = True
        policy = self.dtype_policy
        self.lstm = keras.layers.LSTM(units, return_sequences=True, dtype=policy, name="lstm")
        self.input_weights = keras.layers.Dense(
            1, bias_initializer="ones", dtype=policy, name="input"
        )
        self.state_weights = keras.layers.Dense(1, use_bias=False, dtype=policy, name="state")

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
        return beta if mask is None else beta * ops.cast(mask, beta.dtype)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return mask

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return tuple(input_shape[:2])

    def flops(self, input_shape: tuple) -> int:
        """Multiplications and additions of the matrix products a clip."""
        _, T, D = input_shape
        return 2 * T * (4 * self.units * (D + self.units) + D + self.units)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}
