"""Independent dense layers of equal shape, computed together.

MANs applies the same small layers to the x, y and z coordinates without sharing weights. With a
group axis G in every weight, three dense layers become one batched matrix product; the results are
those of G separate layers. `grouped_gru` does the same for recurrent layers.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import initializers, ops, regularizers

PACKAGE = "keras_skeleton"


@keras.saving.register_keras_serializable(PACKAGE)
class PerGroup(initializers.Initializer):
    """Applies an initializer to each slice along the first axis on its own.

    Glorot and orthogonal initializers depend on a matrix's shape, so a weight (G, in, out) must not
    be drawn as one three-dimensional kernel.

    Args:
        initializer: A Keras initializer, or its name.

    Example:
        >>> from keras_skeleton.layers import PerGroup
        >>> tuple(PerGroup("glorot_uniform")((3, 64, 50)).shape)
        (3, 64, 50)
    """

    def __init__(self, initializer: Any) -> None:
        self.initializer = initializers.get(initializer)

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        # A Keras initializer returns the same values when called again. A clone without a fixed
        # seed draws new ones, reproducibly after keras.utils.set_random_seed.
        return ops.stack(
            [self.initializer.clone()(shape[1:], dtype=dtype) for _ in range(shape[0])]
        )

    def get_config(self) -> dict[str, Any]:
        return {"initializer": initializers.serialize(self.initializer)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> PerGroup:
        return cls(initializers.deserialize(config["initializer"]))


def check_rank(layer: keras.layers.Layer, shape: tuple, axes: str) -> None:
    """Raises ValueError if the rank differs from `axes` or one of the last two sizes is None."""
    if len(shape) != len(axes.split()) or any(n is None for n in shape[-2:]):
        raise ValueError(
            f"{type(layer).__name__} '{layer.name}' expects ({', '.join(axes.split())}) with known "
            f"last two sizes, got {tuple(shape)}"
        )


@keras.saving.register_keras_serializable(PACKAGE)
class GroupedDense(keras.layers.Layer):
    """G dense layers, one for each entry of the second-to-last axis.

    Input (B, T, G, N), output (B, T, G, units). Weights: G * (N * units + units).

    Args:
        units: Size of the output's last axis.
        kernel_initializer: Initializer of each group's kernel (N, units).
        kernel_regularizer: Regularizer of the kernels.

    Raises:
        ValueError: The input is not (B, T, G, N) with known G and N.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers import GroupedDense
        >>> layer = GroupedDense(units=64)
        >>> x = np.ones((8, 50, 3, 25), "float32")  # B, T, G, N
        >>> tuple(layer(x).shape), layer.count_params()
        ((8, 50, 3, 64), 4992)
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
        """Multiplications and additions, per clip."""
        _, T, G, N = input_shape
        return 2 * T * G * N * self.units

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
        }
