"""An LSTM layer that trains fast on small batches."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_skeleton.layers.grouped import PACKAGE
from keras_skeleton.layers.recurrence import Step, before, handed, scan, swapped

SMALL = 64  # clips; in larger batches matrix products dominate, and Keras' own loop is faster


# Same class name as in Keras: names in .weights.h5 files are derived from class names.
@keras.saving.register_keras_serializable(PACKAGE)
class LSTM(keras.layers.LSTM):
    """`keras.layers.LSTM` with a faster loop for small batches.

    Input (B, T, N), output (B, T, units): `return_sequences` is True by default. Weights, masks and
    arguments are those of the Keras layer, and so are the values, except for rounding.

    With z(t) = x(t) W + h(t-1) U + b, its four parts i, f, g, o, and the sigmoid s:

        c(t) = s(f) * c(t-1) + s(i) * tanh(g)
        h(t) = s(o) * tanh(c(t))

    A step of 8 clips takes microseconds, less than the overhead of starting its operations, so the
    loops contain as few operations as possible. x W is one product for all times; the derivatives
    of the gates are computed for all times before the backward loop; the gradients of W, U and b
    are one product each after it. Since s(z) = tanh(z / 2) / 2 + 1 / 2, the weights of i, f and o
    are halved before the loop and one tanh serves all four parts, which XLA evaluates much faster
    than a sigmoid.

    This path is used in float32 for batches of a known size of at most 64. Otherwise, and with
    arguments that it does not support, the Keras loop runs.

    Args:
        units: Size of the hidden state.
        return_sequences: Return all hidden states, not only the last.
        **kwargs: Other arguments of `keras.layers.LSTM`.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers import LSTM
        >>> tuple(LSTM(units=16)(np.ones((8, 20, 75), "float32")).shape)
        (8, 20, 16)
    """

    def __init__(self, units: int, return_sequences: bool = True, **kwargs: Any) -> None:
        super().__init__(units, return_sequences=return_sequences, **kwargs)

    def call(
        self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False
    ) -> Any:
        if initial_state is not None or not self._has_own(sequences.shape[0]):
            return super().call(
                sequences, initial_state=initial_state, mask=mask, training=training
            )
        cell = self.cell
        half = np.array([0.5, 0.5, 1, 0.5], "float32").repeat(self.units)
        x = swapped(sequences)  # (T, B, N)
        z = ops.matmul(x, cell.kernel * half) + cell.bias * half
        u = cell.recurrent_kernel * half
        if mask is not None:
            mask = ops.cast(ops.transpose(mask), z.dtype)[:, :, None]
        if training:
            return swapped(_states(z, u, mask))
        return swapped(scan(_Forward(u, only_h=True), _steps(z, mask)))

    def _has_own(self, batch: int | None) -> bool:
        """Whether the fast path supports this layer and batch size."""
        cell = self.cell
        plain = (
            self.return_sequences
            and not (self.return_state or self.go_backwards or self.stateful or self.unroll)
            and not (cell.dropout or cell.recurrent_dropout)
            and cell.use_bias
            and cell.activation is keras.activations.tanh
            and cell.recurrent_activation is keras.activations.sigmoid
        )
        return plain and self.compute_dtype == "float32" and batch is not None and batch <= SMALL


def _states(z: Any, u: Any, mask: Any) -> Any:
    """States h (T, B, K), with a hand-written gradient; masked frames keep the previous state.

    Args:
        z: x W + b, (T, B, 4K); the parts i, f and o are halved.
        u: Recurrent kernel U, (K, 4K); the parts i, f and o are halved.
        mask: (T, B, 1), or None.
    """
    K = u.shape[0]

    @ops.custom_gradient
    def states(z: Any, u: Any) -> tuple[Any, Any]:
        h, c, i, f, g, o = ops.split(scan(_Forward(u), _steps(z, mask)), 6, axis=-1)

        def gradient(*arguments: Any, upstream: Any = None) -> tuple[Any, Any]:
            dh = handed(arguments, upstream)
            t = ops.tanh(c)
            # Factors of dh and dc at each time step.
            c_by_h = o * (1 - t * t)
            by_i, by_f, by_o = (2 * s * (1 - s) for s in (i, f, o))
            z_by_c_or_h = ops.concatenate(
                [g * by_i, before(c) * by_f, i * (1 - g * g), t * by_o], axis=-1
            )
            c_by_c, h_by_h = f, ops.zeros_like(f[..., :1])
            if mask is not None:
                c_by_h, z_by_c_or_h = mask * c_by_h, mask * z_by_c_or_h
                c_by_c, h_by_h = mask * f + (1 - mask), 1 - mask
            steps = ops.concatenate([dh, c_by_h, z_by_c_or_h, c_by_c, h_by_h], axis=-1)
            dz = scan(_Backward(ops.transpose(u)), steps, backwards=True)
            h_before = ops.reshape(before(h), (-1, K))
            return dz, ops.matmul(ops.transpose(h_before), ops.reshape(dz, (-1, 4 * K)))

        return h, gradient

    return states(z, u)


def _steps(z: Any, mask: Any) -> Any:
    """Input of `_Forward` for each time step: z and, if there is one, the mask."""
    return z if mask is None else ops.concatenate([z, mask], axis=-1)


class _Forward(Step):
    """x W + b and an optional mask (B, 4K + 1) to h, c, i, f, g, o (B, 6K), or to h alone."""

    def __init__(self, u: Any, only_h: bool = False) -> None:
        K = u.shape[0]
        super().__init__([K, K], K if only_h else 6 * K)
        self.u = u
        self.only_h = only_h

    def call(self, step: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        K = self.state_size[0]
        h, c = states
        t = ops.tanh(step[:, : 4 * K] + ops.matmul(h, self.u))
        s = 0.5 * t + 0.5
        i, f, g, o = s[:, :K], s[:, K : 2 * K], t[:, 2 * K : 3 * K], s[:, 3 * K :]
        new_c = f * c + i * g
        new_h = o * ops.tanh(new_c)
        if step.shape[-1] > 4 * K:
            there = step[:, 4 * K :] > 0
            new_h, new_c = ops.where(there, new_h, h), ops.where(there, new_c, c)
        states = [new_h, new_c]
        return new_h if self.only_h else ops.concatenate([*states, i, f, g, o], axis=-1), states


class _Backward(Step):
    """Factors of `_states` (B, 7K + 1) to the gradient with respect to z(t), (B, 4K)."""

    def __init__(self, u_transposed: Any) -> None:
        K = u_transposed.shape[1]
        super().__init__([K, K], 4 * K)
        self.u_transposed = u_transposed

    def call(self, step: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        K = self.state_size[0]
        dh, dc = states
        dh = dh + step[:, :K]
        dc = dc + dh * step[:, K : 2 * K]
        dz = ops.concatenate([dc, dc, dc, dh], axis=-1) * step[:, 2 * K : 6 * K]
        kept = dh * step[:, 7 * K :]
        return dz, [ops.matmul(dz, self.u_transposed) + kept, dc * step[:, 6 * K : 7 * K]]
