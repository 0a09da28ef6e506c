"""Joint-selection gates of STA-LSTM (Song et al., TIP 2018, Eqs. 2 and 3)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops, regularizers

from keras_skeleton.layers.grouped import PACKAGE, check_rank
from keras_skeleton.layers.lstm import LSTM


@keras.saving.register_keras_serializable(PACKAGE)
class JointGate(keras.layers.Layer):
    """One weight a joint and frame, which sum to 1 over the joints of a frame.

    Input x (B, T, K, 3), output alpha (B, T, K):

        s(t) = U_s tanh(W_xs x(t) + W_hs h(t-1) + b_s) + b_us  (Eq. 2)
        alpha(t) = softmax over joints of s(t)                 (Eq. 3)

    h is the hidden state of an LSTM of the gate's own. It depends on the input alone, so the
    LSTM runs once over the sequence and its output is shifted by a step; h(-1) = 0. Padded
    frames (where the mask is False) get 0.

    Args:
        units: Size of h.
        hidden: Width of the tanh layer. The paper gives none; `units` by default.
        penalty: On alpha, given the mask too; `EqualJointAttention` for Eq. 7.
        kernel_regularizer: On all connection matrices (the L1 term of Eq. 7).
    """

    def __init__(
        self,
        units: int,
        hidden: int | None = None,
        penalty: Any = None,
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.hidden = hidden or units
        self.penalty = regularizers.get(penalty)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.supports_masking = True

    def build(self, input_shape: tuple) -> None:
        check_rank(self, input_shape, "B T K C")
        B, T, K, C = input_shape
        shared = {"kernel_regularizer": self.kernel_regularizer, "dtype": self.dtype_policy}
        self.lstm = LSTM(
            self.units,
            recurrent_regularizer=self.kernel_regularizer,
            use_cudnn=False,  # see FrameMask
            name="lstm",
            **shared,
        )
        self.input_weights = keras.layers.Dense(self.hidden, name="input", **shared)
        self.state_weights = keras.layers.Dense(self.hidden, use_bias=False, name="state", **shared)
        self.scores = keras.layers.Dense(K, name="scores", **shared)
        self.lstm.build((B, T, K * C))
        self.input_weights.build((B, T, K * C))
        self.state_weights.build((B, T, self.units))
        self.scores.build((B, T, self.hidden))

    def call(self, inputs: Any, mask: Any = None) -> Any:
        B, T, K, C = ops.shape(inputs)
        x = ops.reshape(inputs, (B, T, K * C))  # no -1: a known B stays known where T is not
        states = self.lstm(x, mask=mask)
        before = ops.pad(states[:, :-1], ((0, 0), (1, 0), (0, 0)))
        hidden = ops.tanh(self.input_weights(x) + self.state_weights(before))
        alpha = ops.softmax(self.scores(hidden), axis=-1)
        if mask is not None:
            alpha = alpha * ops.cast(mask, alpha.dtype)[:, :, None]
        if self.penalty is not None:
            self.add_loss(self.penalty(alpha, mask))
        return alpha

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        return None  # gates of padded frames are 0: nothing further on has to know

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return tuple(input_shape[:3])

    def flops(self, input_shape: tuple) -> int:
        """Multiplications and additions of the matrix products a clip."""
        _, T, K, C = input_shape
        gates = 4 * self.units * (K * C + self.units)
        return 2 * (T or 1) * (gates + self.hidden * (K * C + self.units + K))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "hidden": self.hidden,
            "penalty": regularizers.serialize(self.penalty),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
        }
