"""`Scale`: a factor and a shift for each channel, in the DenseNet-161 of MANs' released code."""

from __future__ import annotations

from typing import Any

import keras

from keras_skeleton.layers.elementwise import Elementwise
from keras_skeleton.layers.grouped import PACKAGE


@keras.saving.register_keras_serializable(PACKAGE)
class Scale(Elementwise, keras.layers.Layer):
    """Multiplies each channel by a trained factor and adds a trained shift.

        y = gamma * x + beta

    The DenseNet-161 that the released code of MANs (Xie et al., IJCAI 2018) starts from has one
    behind each batch normalization, because it was converted from Caffe, whose batch normalization
    has neither. Input and output are (B, ..., C); 2 C weights.

    Raises:
        ValueError: The number of channels is unknown.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers.scale import Scale
        >>> layer = Scale()
        >>> tuple(layer(np.ones((2, 4, 4, 8), "float32")).shape), layer.count_params()
        ((2, 4, 4, 8), 16)
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        C = input_shape[-1]
        if C is None:
            raise ValueError(f"Scale '{self.name}' expects a known number of channels")
        self.gamma = self.add_weight(name="gamma", shape=(C,), initializer="ones")
        self.beta = self.add_weight(name="beta", shape=(C,), initializer="zeros")

    def call(self, x: Any) -> Any:
        return x * self.gamma + self.beta

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape
