"""Frame-selection gate of STA-LSTM (Song et al., TIP 2018, Eq. 6)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops, regularizers

from keras_skeleton.layers.lstm import LSTM


@keras.saving.register_keras_serializable("keras_skeleton")
class FrameGate(keras.layers.Layer):
    """Frame-selection gate of STA-LSTM: one weight >= 0 per frame.

    Source: Song et al., TIP 2018, Sec. III.C. Input x (B, T, D), output beta (B, T):

        beta(t) = relu(w_x x(t) + w_h h(t-1) + b)  (Eq. 6)

    h is the hidden state of the gate's own LSTM, with h(-1) = 0. The LSTM depends on the input
    alone, so it runs once over the sequence and its output is shifted by one step. Padded frames
    (mask False) get weight 0.

    The bias starts at 1: with 0, about half of the gates would start closed, and a closed ReLU gate
    passes no gradient.

    Args:
        units: Size of h.
        penalty: Regularizer of beta, called with beta and the mask; `FrameAttentionNorm` for Eq. 7.
        kernel_regularizer: Regularizer of all connection matrices (the L1 term of Eq. 7).
        bidirectional: Adds a second LSTM that runs backward, so that the gate also depends on later
            frames (TAP-B, Sec. IV.C): the score gets the term w_b g(t+1), where g is the hidden
            state of the backward LSTM and g(T) = 0.

    Raises:
        ValueError: The input is not (B, T, D) with a known D.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers import FrameGate
        >>> x = np.ones((8, 20, 75), "float32")  # B, T, D
        >>> tuple(FrameGate(units=16)(x).shape)
        (8, 20)
    """

    def __init__(
        self,
        units: int,
        penalty: Any = None,
        kernel_regularizer: Any = None,
        bidirectional: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.bidirectional = bidirectional
        self.penalty = regularizers.get(penalty)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.supports_masking = True
        policy = self.dtype_policy
        shared = {"kernel_regularizer": self.kernel_regularizer, "dtype": policy}
        self.lstm = LSTM(
            units,
            recurrent_regularizer=self.kernel_regularizer,
            use_cudnn=False,  # see FrameMask
            name="lstm",
            **shared,
        )
        self.input_weights = keras.layers.Dense(1, bias_initializer="ones", name="input", **shared)
        self.state_weights = keras.layers.Dense(1, use_bias=False, name="state", **shared)
        if bidirectional:
            self.backward = keras.layers.LSTM(
                units,
                return_sequences=True,
                go_backwards=True,
                recurrent_regularizer=self.kernel_regularizer,
                use_cudnn=False,  # see FrameMask
                name="backward",
                **shared,
            )
            self.after_weights = keras.layers.Dense(1, use_bias=False, name="after", **shared)

    def build(self, input_shape: tuple) -> None:
        if len(input_shape) != 3 or input_shape[-1] is None:
            raise ValueError(
                f"FrameGate '{self.name}' expects (B, T, D) with a known D, "
                f"got {tuple(input_shape)}"
            )
        self.lstm.build(input_shape)
        self.input_weights.build(input_shape)
        self.state_weights.build((*input_shape[:2], self.units))
        if self.bidirectional:
            self.backward.build(input_shape)
            self.after_weights.build((*input_shape[:2], self.units))

    def call(self, inputs: Any, mask: Any = None) -> Any:
        states = self.lstm(inputs, mask=mask)
        before = ops.pad(states[:, :-1], ((0, 0), (1, 0), (0, 0)))
        score = self.input_weights(inputs) + self.state_weights(before)
        if self.bidirectional:
            states = ops.flip(self.backward(inputs, mask=mask), axis=1)
            after = ops.pad(states[:, 1:], ((0, 0), (0, 1), (0, 0)))
            score = score + self.after_weights(after)
        beta = ops.relu(score)[..., 0]
        if mask is not None:
            beta = beta * ops.cast(mask, beta.dtype)
        if self.penalty is not None:
            self.add_loss(self.penalty(beta, mask))
        return beta

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        return None  # gates of padded frames are 0, so later layers need no mask

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return tuple(input_shape[:2])

    def flops(self, input_shape: tuple) -> int:
        """Multiplications and additions of the matrix products, per clip."""
        _, T, D = input_shape
        states = 4 * self.units * (D + self.units) + self.units
        return 2 * T * (states * (2 if self.bidirectional else 1) + D)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "penalty": regularizers.serialize(self.penalty),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bidirectional": self.bidirectional,
        }
