"""Independent layers of equal shape, computed together.

MANs runs the same small layers on the x, y and z coordinates without sharing weights. A
group axis G in every weight turns three dense layers, or six recurrent passes (three
coordinates, two directions), into one batched matrix product a step. The numbers are those
of G separate layers.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import initializers, ops, random, regularizers

PACKAGE = "keras_skeleton"


@keras.saving.register_keras_serializable(PACKAGE)
class PerGroup(initializers.Initializer):
    """Applies an initializer to every slice (of the first axis) on its own.

    Glorot or orthogonal draws depend on a matrix's shape, so a weight (G, in, out) must not
    be drawn as one three-dimensional kernel.
    """

    def __init__(self, initializer: Any) -> None:
        self.initializer = initializers.get(initializer)

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        # A Keras initializer repeats itself when called again; a clone without a fixed seed
        # draws anew (and repeatably, from keras.utils.set_random_seed).
        return ops.stack(
            [self.initializer.clone()(shape[1:], dtype=dtype) for _ in range(shape[0])]
        )

    def get_config(self) -> dict[str, Any]:
        return {"initializer": initializers.serialize(self.initializer)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> PerGroup:
        return cls(initializers.deserialize(config["initializer"]))


def check_rank(layer: keras.layers.Layer, shape: tuple, axes: str) -> None:
    """A ValueError that names the expected axes where the rank or a needed size is missing."""
    if len(shape) != len(axes.split()) or any(n is None for n in shape[-2:]):
        raise ValueError(
            f"{type(layer).__name__} '{layer.name}' takes ({', '.join(axes.split())}) with known "
            f"last two sizes, not {tuple(shape)}"
        )


@keras.saving.register_keras_serializable(PACKAGE)
class GroupedDense(keras.layers.Layer):
    """G dense layers, one for each entry of the second-last axis.

    Input (B, T, G, N), output (B, T, G, units); weights G * (N * units + units).

    Args:
        units: Size of the output's last axis.
        kernel_initializer: Applied to each group's kernel on its own.
        kernel_regularizer: As in `keras.layers.Dense`.
    """

    def __init__(
        self,
        units: int,
        kernel_initializer: Any = "glorot_uniform",
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)

    def build(self, input_shape: tuple) -> None:
        check_rank(self, input_shape, "B T G N")
        G, N = input_shape[-2:]
        self.kernel = self.add_weight(
            name="kernel",
            shape=(G, N, self.units),
            initializer=PerGroup(self.kernel_initializer),
            regularizer=self.kernel_regularizer,
        )
        self.bias = self.add_weight(name="bias", shape=(G, self.units), initializer="zeros")

    def call(self, inputs: Any) -> Any:
        return ops.einsum("btgn,gnk->btgk", inputs, self.kernel) + self.bias

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (*input_shape[:-1], self.units)

    def flops(self, input_shape: tuple) -> int:
        """Multiplications and additions a clip."""
        _, T, G, N = input_shape
        return 2 * T * G * N * self.units

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
        }


def hard_sigmoid(x: Any) -> Any:
    """clip(0.2 x + 0.5, 0, 1): the hard sigmoid of Keras 1 and 2. Keras 3 has another slope."""
    return ops.clip(0.2 * x + 0.5, 0.0, 1.0)


GATES = {"sigmoid": ops.sigmoid, "hard_sigmoid": hard_sigmoid}


@keras.saving.register_keras_serializable(PACKAGE)
class GroupedBiGRU(keras.layers.Layer):
    """G bidirectional GRUs whose two directions are added (MANs, Eqs. 4 and 5).

    Input (B, T, G, N), output (B, T, G, units). All 2 * G passes run as one scan over time.
    A GRU is, for each group and direction, with the reset gate applied before the product
    (Cho et al. 2014; `reset_after=False` in Keras):

        z(t) = gate(x(t) W_z + h(t-1) U_z + b_z)
        r(t) = gate(x(t) W_r + h(t-1) U_r + b_r)
        c(t) = tanh(x(t) W_c + (r(t) * h(t-1)) U_c + b_c)
        h(t) = z(t) * h(t-1) + (1 - z(t)) * c(t)

    Weights: 2 * G * 3 * (N * units + units * units + units).

    Args:
        units: K, the size of each hidden state.
        dropout: Share of the inputs dropped; one mask a sequence, the same at all times.
        recurrent_dropout: The same for the hidden state.
        recurrent_activation: `"sigmoid"`, or `"hard_sigmoid"` as Keras 1 and 2 had it.
        kernel_initializer, recurrent_initializer: Applied to each gate's matrix on its own.
        kernel_regularizer: On the input matrices W.
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
                f"it is one of {list(GATES)}"
            )
        for name, rate in (("dropout", dropout), ("recurrent_dropout", recurrent_dropout)):
            if not 0 <= rate < 1:
                raise ValueError(f"{name}={rate} is not in [0, 1)")
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
        # Groups 0 to G-1 run forwards, G to 2G-1 backwards; gates z, r, c stand side by side.
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
        # The inputs' share of all gates, for all times in one product.
        x = ops.reshape(x, (2 * G, -1, N))
        x = ops.matmul(x, self.kernel) + self.bias[:, None]  # (2G, B * T, 3K)

        self.cell.mask = (
            self._mask((2 * G, B, K), self.recurrent_dropout)
            if training and self.recurrent_dropout
            else None
        )
        # Groups stand in the batch axis, outermost, so that a step needs no transposition.
        states = self.scan(ops.reshape(x, (-1, T, 3 * K)))
        self.cell.mask = None
        states = ops.reshape(states, (2 * G, -1, T, K))
        both = states[:G] + ops.flip(states[G:], axis=2)
        return ops.transpose(both, (1, 2, 0, 3))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (*input_shape[:-1], self.units)

    def flops(self, input_shape: tuple) -> int:
        """Multiplications and additions of the matrix products a clip."""
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
    """One step of `GroupedBiGRU`: inputs (groups * B, 3K), state (groups * B, K)."""

    def __init__(
        self, groups: int, units: int, activation: str, initializer: Any, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.groups = groups
        self.units = self.state_size = self.output_size = units
        self.gate = GATES[activation]
        self.initializer = initializer
        self.mask = None  # of the states, for one sequence; set by the layer around

    def build(self, input_shape: tuple) -> None:
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(self.groups, self.units, 3 * self.units),
            initializer=PerGroup(self.initializer),
        )

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        K = self.units
        x = ops.reshape(inputs, (self.groups, -1, 3 * K))
        h = ops.reshape(states[0], (self.groups, -1, K))
        seen = h if self.mask is None else h * self.mask
        u = self.recurrent_kernel
        zr = self.gate(x[..., : 2 * K] + ops.matmul(seen, u[..., : 2 * K]))
        z, r = zr[..., :K], zr[..., K:]
        candidate = ops.tanh(x[..., 2 * K :] + ops.matmul(r * seen, u[..., 2 * K :]))
        h = ops.reshape(z * h + (1 - z) * candidate, (-1, K))
        return h, [h]
