"""Independent bidirectional GRUs of equal shape, computed together (see `layers.grouped`)."""

from __future__ import annotations

from typing import Any

import keras
from keras import initializers, ops, random, regularizers

from keras_skeleton.layers.grouped import PACKAGE, PerGroup, check_rank
from keras_skeleton.layers.recurrence import Step, before, handed, scan, swapped


def hard_sigmoid(x: Any) -> Any:
    """Hard sigmoid of Keras 1 and 2, clip(0.2 x + 0.5, 0, 1); that of Keras 3 has another slope."""
    return ops.clip(0.2 * x + 0.5, 0.0, 1.0)


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)), computed by tanh, which XLA evaluates much faster on CPUs."""
    return 0.5 * ops.tanh(0.5 * x) + 0.5


GATES = {"sigmoid": sigmoid, "hard_sigmoid": hard_sigmoid}
# Derivatives as functions of the gate's value.
SLOPES = {
    "sigmoid": lambda y: y * (1 - y),
    "hard_sigmoid": lambda y: 0.2 * ops.cast((y > 0) & (y < 1), y.dtype),
}


@keras.saving.register_keras_serializable(PACKAGE)
class GroupedBiGRU(keras.layers.Layer):
    """G bidirectional GRUs whose two directions are added.

    Source: MANs (Xie et al., IJCAI 2018, arXiv:1804.08254, Eqs. 4 and 5), where G = 3 coordinates.
    Input (B, T, G, N), output (B, T, G, units). All 2 * G passes run as one scan over time. Each
    GRU applies the reset gate before the matrix product (Cho et al. 2014; `reset_after=False` in
    Keras):

        z(t) = gate(x(t) W_z + h(t-1) U_z + b_z)
        r(t) = gate(x(t) W_r + h(t-1) U_r + b_r)
        c(t) = tanh(x(t) W_c + (r(t) * h(t-1)) U_c + b_c)
        h(t) = z(t) * h(t-1) + (1 - z(t)) * c(t)

    Weights: 2 * G * 3 * (N * units + units * units + units). Training in float32 uses a
    hand-written gradient (see `layers.recurrence`).

    Args:
        units: K, the size of each hidden state.
        dropout: Share of the inputs dropped in training; one mask per sequence, used at all times.
        recurrent_dropout: The same for the hidden state.
        recurrent_activation: Activation of the gates: `"sigmoid"`, or `"hard_sigmoid"` as in Keras
            1 and 2.
        kernel_initializer: Initializer of W. It is applied once per group and direction to the
            whole kernel (N, 3K), which holds the matrices of the three gates side by side, as in
            `keras.layers.GRU`.
        recurrent_initializer: Initializer of U, likewise applied to the whole recurrent kernel
            (K, 3K).
        kernel_regularizer: Regularizer of W.
        seed: Seed of the dropout masks; None draws one.

    Raises:
        ValueError: Unknown `recurrent_activation`, a dropout rate outside [0, 1), or an input that
            is not (B, T, G, N) with known G and N.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers import GroupedBiGRU
        >>> layer = GroupedBiGRU(units=64)
        >>> x = np.ones((2, 10, 3, 64), "float32")  # B, T, G, N
        >>> tuple(layer(x).shape), layer.count_params()
        ((2, 10, 3, 64), 148608)
    """

    def __init__(
        self,
        units: int,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        recurrent_activation: str = "sigmoid",
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        kernel_regularizer: Any = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if recurrent_activation not in GATES:
            raise ValueError(
                f"recurrent_activation='{recurrent_activation}' is unknown; "
                f"expected one of {list(GATES)}"
            )
        for name, rate in (("dropout", dropout), ("recurrent_dropout", recurrent_dropout)):
            if not 0 <= rate < 1:
                raise ValueError(f"{name}={rate} must be in [0, 1)")
        self.units = units
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self.recurrent_activation = recurrent_activation
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.seed = seed
        self.seed_generator = random.SeedGenerator(seed)

    def build(self, input_shape: tuple) -> None:
        check_rank(self, input_shape, "B T G N")
        G, N = input_shape[-2:]
        K = self.units
        # Groups 0 to G-1 run forward, G to 2G-1 backward; the last axis holds gates z, r, c.
        self.kernel = self.add_weight(
            name="kernel",
            shape=(2 * G, N, 3 * K),
            initializer=PerGroup(self.kernel_initializer),
            regularizer=self.kernel_regularizer,
        )
        self.bias = self.add_weight(name="bias", shape=(2 * G, 3 * K), initializer="zeros")
        self.cell = _GroupedGRUCell(
            2 * G, K, self.recurrent_activation, self.recurrent_initializer, dtype=self.dtype_policy
        )
        self.scan = keras.layers.RNN(self.cell, return_sequences=True, dtype=self.dtype_policy)
        self.scan.build((None, input_shape[1], 3 * K))

    def _mask(self, shape: tuple, rate: float) -> Any:
        keep = random.uniform(shape, seed=self.seed_generator) >= rate
        return ops.cast(keep, self.compute_dtype) / (1 - rate)

    def call(self, inputs: Any, training: bool = False) -> Any:
        T, G, N = inputs.shape[1:]
        K = self.units
        B = ops.shape(inputs)[0]

        x = ops.transpose(inputs, (2, 0, 1, 3))  # (G, B, T, N)
        x = ops.concatenate([x, ops.flip(x, axis=2)], axis=0)  # (2G, B, T, N)
        if training and self.dropout:
            x = x * self._mask((2 * G, B, 1, N), self.dropout)
        # x W + b of all gates and times in one product.
        x = ops.reshape(x, (2 * G, -1, N))
        x = ops.matmul(x, self.kernel) + self.bias[:, None]  # (2G, B * T, 3K)

        mask = (
            self._mask((2 * G, B, K), self.recurrent_dropout)
            if training and self.recurrent_dropout
            else None
        )
        # Groups are the outer part of the batch axis, so that a step needs no transposition.
        x = ops.reshape(x, (-1, T, 3 * K))
        if training and self.compute_dtype == "float32":
            u = ops.copy(self.cell.recurrent_kernel)  # a tensor, not a variable
            states = swapped(_states(swapped(x), u, mask, self.recurrent_activation))
        else:
            self.cell.mask = mask
            states = self.scan(x)
            self.cell.mask = None
        states = ops.reshape(states, (2 * G, -1, T, K))
        both = states[:G] + ops.flip(states[G:], axis=2)
        return ops.transpose(both, (1, 2, 0, 3))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (*input_shape[:-1], self.units)

    def flops(self, input_shape: tuple) -> int:
        """Multiplications and additions of the matrix products, per clip."""
        _, T, G, N = input_shape
        return 2 * T * 2 * G * 3 * self.units * (N + self.units)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
            "recurrent_activation": self.recurrent_activation,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "recurrent_initializer": initializers.serialize(self.recurrent_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "seed": self.seed,
        }


class _GroupedGRUCell(keras.layers.Layer):
    """One time step of `GroupedBiGRU`: inputs (groups * B, 3K), state (groups * B, K)."""

    def __init__(
        self, groups: int, units: int, activation: str, initializer: Any, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.groups = groups
        self.units = self.state_size = self.output_size = units
        self.gate = GATES[activation]
        self.initializer = initializer
        self.mask = None  # dropout mask of the states; GroupedBiGRU sets it for each sequence

    def build(self, input_shape: tuple) -> None:
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(self.groups, self.units, 3 * self.units),
            initializer=PerGroup(self.initializer),
        )

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        x, h = _grouped(inputs, self.groups), _grouped(states[0], self.groups)
        h, *_ = _step(x, h, *_parts(self.recurrent_kernel), self.mask, self.gate)
        h = _joined(h)
        return h, [h]


def _grouped(x: Any, groups: int) -> Any:
    """(groups * B, N) to (groups, B, N)."""
    return ops.reshape(x, (groups, -1, x.shape[-1]))


def _joined(x: Any) -> Any:
    """(groups, B, N) to (groups * B, N)."""
    return ops.reshape(x, (-1, x.shape[-1]))


def _parts(u: Any) -> tuple[Any, Any]:
    """U of the gates z and r, and U of the candidate c."""
    K = u.shape[1]
    return u[..., : 2 * K], u[..., 2 * K :]


def _step(x: Any, h: Any, u_zr: Any, u_c: Any, mask: Any, gate: Any) -> tuple[Any, Any, Any, Any]:
    """Returns h(t), z(t), r(t) and c(t)."""
    K = h.shape[-1]
    seen = h if mask is None else h * mask
    zr = gate(x[..., : 2 * K] + ops.matmul(seen, u_zr))
    z, r = zr[..., :K], zr[..., K:]
    c = ops.tanh(x[..., 2 * K :] + ops.matmul(r * seen, u_c))
    return z * h + (1 - z) * c, z, r, c


def _states(x: Any, u: Any, mask: Any, activation: str) -> Any:
    """States h (T, groups * B, K), with a hand-written gradient.

    Args:
        x: x W + b of the gates, (T, groups * B, 3K).
        u: Recurrent kernel U, (groups, K, 3K).
        mask: Dropout mask of the states, (groups, B, K), or None.
        activation: A key of `GATES`.
    """
    T, (groups, K) = ops.shape(x)[0], u.shape[:2]

    @ops.custom_gradient
    def states(x: Any, u: Any) -> tuple[Any, Any]:
        u_zr, u_c = _parts(u)
        forward = scan(_Forward(u_zr, u_c, mask, GATES[activation]), x)
        h, z, r, c = ops.split(forward, 4, axis=-1)

        def gradient(*arguments: Any, upstream: Any = None) -> tuple[Any, Any]:
            dh = handed(arguments, upstream)
            slope = SLOPES[activation]
            h_before = before(h)
            seen = h_before if mask is None else h_before * _joined(mask)
            # Factors of dh, and of q = d(r seen), at each time step.
            z_by_h, c_by_h = (h_before - c) * slope(z), (1 - z) * (1 - c * c)
            steps = ops.concatenate([dh, z_by_h, c_by_h, seen * slope(r), z, r], axis=-1)
            dx = scan(_Backward(u_zr, u_c, mask), steps, backwards=True)

            def product(a: Any, b: Any) -> Any:
                """Sum over times and clips, for each group."""
                a, b = (ops.reshape(v, (T, groups, -1, v.shape[-1])) for v in (a, b))
                return ops.einsum("tgbi,tgbj->gij", a, b)

            dzr, dc = dx[..., : 2 * K], dx[..., 2 * K :]
            return dx, ops.concatenate([product(seen, dzr), product(r * seen, dc)], axis=-1)

        return h, gradient

    return states(x, u)


class _Forward(Step):
    """x W + b of the gates (groups * B, 3K) to h, z, r and c (groups * B, 4K)."""

    def __init__(self, u_zr: Any, u_c: Any, mask: Any, gate: Any) -> None:
        super().__init__([u_c.shape[1]], 4 * u_c.shape[1])
        self.constants = (u_zr, u_c, mask, gate)

    def call(self, step: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        groups = self.constants[0].shape[0]
        found = _step(_grouped(step, groups), _grouped(states[0], groups), *self.constants)
        return _joined(ops.concatenate(found, axis=-1)), [_joined(found[0])]


class _Backward(Step):
    """Factors of `_states` (groups * B, 6K) to the gradient of the gates (groups * B, 3K)."""

    def __init__(self, u_zr: Any, u_c: Any, mask: Any) -> None:
        super().__init__([u_c.shape[1]], 3 * u_c.shape[1])
        self.u_zr, self.u_c = (ops.transpose(u, (0, 2, 1)) for u in (u_zr, u_c))
        self.mask = mask

    def call(self, step: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        groups = self.u_c.shape[0]
        dh, z_by_h, c_by_h, r_by_q, z, r = ops.split(_grouped(step, groups), 6, axis=-1)
        dh = dh + _grouped(states[0], groups)
        dz, dc = dh * z_by_h, dh * c_by_h
        q = ops.matmul(dc, self.u_c)
        dzr = ops.concatenate([dz, q * r_by_q], axis=-1)
        dseen = q * r + ops.matmul(dzr, self.u_zr)
        if self.mask is not None:
            dseen = dseen * self.mask
        return _joined(ops.concatenate([dzr, dc], axis=-1)), [_joined(dh * z + dseen)]
