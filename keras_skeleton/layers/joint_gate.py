"""Joint-selection gates of STA-LSTM (Song et al., TIP 2018, Eqs. 2 and 3)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops, regularizers

from keras_skeleton.layers.grouped import PACKAGE, check_rank
from keras_skeleton.layers.lstm import LSTM


@keras.saving.register_keras_serializable(PACKAGE)
class JointGate(keras.layers.Layer):
    """Joint-selection gates of STA-LSTM: one weight per joint and frame.

    Source: Song et al., TIP 2018, Sec. III.B. The weights of a frame are positive and sum to 1 over
    its joints. Input x (B, T, K, C), output alpha (B, T, K), where K counts the joints of all
    bodies:

        s(t) = U_s tanh(W_xs x(t) + W_hs h(t-1) + b_s) + b_us  (Eq. 2)
        alpha(t) = softmax over joints of s(t)                 (Eq. 3)

    h is the hidden state of the gate's own LSTM, with h(-1) = 0. The LSTM depends on the input
    alone, so it runs once over the sequence and its output is shifted by one step. Padded frames
    (mask False) get weight 0.

    Args:
        units: Size of h.
        hidden: Width of the tanh layer, which the paper does not give; `units` by default.
        penalty: Regularizer of alpha, called with alpha and the mask; `EqualJointAttention` for
            Eq. 7.
        kernel_regularizer: Regularizer of all connection matrices (the L1 term of Eq. 7).
        bidirectional: Adds a second LSTM that runs backward, so that the gates also depend on later
            frames, as those of `FrameGate` do: the sum inside the tanh gets the term W_b g(t+1),
            where g is the hidden state of the backward LSTM and g(T) = 0. Not from the paper.
        per_clip: All frames of a clip share one weight per joint: the softmax takes the mean of
            s(t) over the frames, and joints that are zero in all frames get nothing. Not from the
            paper.

    Raises:
        ValueError: The input is not (B, T, K, C) with known K and C.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers import JointGate
        >>> x = np.ones((8, 20, 50, 3), "float32")  # B, T, K, C
        >>> alpha = np.asarray(JointGate(units=16)(x))
        >>> alpha.shape, bool(np.allclose(alpha.sum(axis=2), 1))
        ((8, 20, 50), True)
    """

    def __init__(
        self,
        units: int,
        hidden: int | None = None,
        penalty: Any = None,
        kernel_regularizer: Any = None,
        bidirectional: bool = False,
        per_clip: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.hidden = hidden or units
        self.bidirectional = bidirectional
        self.per_clip = per_clip
        self.penalty = regularizers.get(penalty)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.supports_masking = True

    def build(self, input_shape: tuple) -> None:
        check_rank(self, input_shape, "B T K C")
        B, T, K, C = input_shape
        shared = {"kernel_regularizer": self.kernel_regularizer, "dtype": self.dtype_policy}
        own = {
            "recurrent_regularizer": self.kernel_regularizer,
            "use_cudnn": False,  # see FrameMask
            **shared,
        }
        self.lstm = LSTM(self.units, name="lstm", **own)
        self.input_weights = keras.layers.Dense(self.hidden, name="input", **shared)
        self.state_weights = keras.layers.Dense(self.hidden, use_bias=False, name="state", **shared)
        self.scores = keras.layers.Dense(K, name="scores", **shared)
        self.lstm.build((B, T, K * C))
        self.input_weights.build((B, T, K * C))
        self.state_weights.build((B, T, self.units))
        self.scores.build((B, T, self.hidden))
        if self.bidirectional:
            self.backward = LSTM(self.units, name="backward", **own)
            self.after_weights = keras.layers.Dense(
                self.hidden, use_bias=False, name="after", **shared
            )
            self.backward.build((B, T, K * C))
            self.after_weights.build((B, T, self.units))

    def call(self, inputs: Any, mask: Any = None) -> Any:
        B, T, K, C = ops.shape(inputs)
        x = ops.reshape(inputs, (B, T, K * C))  # no -1: keeps a known B if T is unknown
        states = self.lstm(x, mask=mask)
        before = ops.pad(states[:, :-1], ((0, 0), (1, 0), (0, 0)))
        hidden = self.input_weights(x) + self.state_weights(before)
        if self.bidirectional:
            reverse = None if mask is None else ops.flip(mask, axis=1)
            states = ops.flip(self.backward(ops.flip(x, axis=1), mask=reverse), axis=1)
            after = ops.pad(states[:, 1:], ((0, 0), (0, 1), (0, 0)))
            hidden = hidden + self.after_weights(after)
        scores = self.scores(ops.tanh(hidden))
        if self.per_clip:
            there = ops.any(ops.not_equal(inputs, 0), axis=(1, 3))[:, None]  # (B, 1, K)
            scores = ops.where(there, mean_over_time(scores, mask), -1e4)
        alpha = ops.softmax(scores, axis=-1)
        if mask is not None:
            alpha = alpha * ops.cast(mask, alpha.dtype)[:, :, None]
        if self.penalty is not None:
            self.add_loss(self.penalty(alpha, mask))
        return alpha

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        return None  # gates of padded frames are 0, so later layers need no mask

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return tuple(input_shape[:3])

    def flops(self, input_shape: tuple) -> int:
        """Multiplications and additions of the matrix products, per clip."""
        _, T, K, C = input_shape
        states = 4 * self.units * (K * C + self.units) + self.hidden * self.units
        both = states * (2 if self.bidirectional else 1)
        return 2 * (T or 1) * (both + self.hidden * (K * C + K))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "hidden": self.hidden,
            "penalty": regularizers.serialize(self.penalty),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bidirectional": self.bidirectional,
            "per_clip": self.per_clip,
        }


def mean_over_time(scores: Any, mask: Any = None) -> Any:
    """Mean of scores (B, T, K) over the frames that the mask (B, T) shows, in all of them."""
    there = ops.ones_like(scores[..., :1])
    if mask is not None:
        there = there * ops.cast(mask, scores.dtype)[:, :, None]
    total = ops.sum(there * scores, axis=1, keepdims=True)
    mean = total / ops.maximum(ops.sum(there, axis=1, keepdims=True), 1.0)
    return mean + ops.zeros_like(scores)
