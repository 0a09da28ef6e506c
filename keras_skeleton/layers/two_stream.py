"""Small layers of two-stream CNNs on skeletons (Li et al., ICMEW 2017; CSTA-CNN, Sec. 2.3)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_skeleton.layers.elementwise import Elementwise
from keras_skeleton.layers.grouped import PACKAGE


@keras.saving.register_keras_serializable(PACKAGE)
class Motion(Elementwise, keras.layers.Layer):
    """Differences of consecutive frames, x(t+1) - x(t): (B, T, ...) to the same shape.

    The input of the motion stream (Wang, 2019, Sec. 2.3). The motion of the last frame,
    which has no successor, is 0.
    """

    def call(self, inputs: Any) -> Any:
        return ops.concatenate(
            [inputs[:, 1:] - inputs[:, :-1], ops.zeros_like(inputs[:, :1])], axis=1
        )

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return tuple(input_shape)


@keras.saving.register_keras_serializable(PACKAGE)
class BodiesToBatch(Elementwise, keras.layers.Layer):
    """Moves bodies to the batch axis: (B, T, M, V, C) to (B * M, T, V, C)."""

    def build(self, input_shape: tuple) -> None:
        if len(input_shape) != 5:
            raise ValueError(f"BodiesToBatch expects (B, T, M, V, C), got {tuple(input_shape)}")

    def call(self, inputs: Any) -> Any:
        T, _, V, C = inputs.shape[1:]
        return ops.reshape(ops.transpose(inputs, (0, 2, 1, 3, 4)), (-1, T, V, C))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        B, T, M, V, C = input_shape
        return (None if B is None else B * M, T, V, C)


@keras.saving.register_keras_serializable(PACKAGE)
class MaxOverBodies(Elementwise, keras.layers.Layer):
    """Maximum over bodies: (B * M, D) to (B, D).

    Args:
        bodies: Number of bodies M.
    """

    def __init__(self, bodies: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.bodies = bodies

    def call(self, inputs: Any) -> Any:
        return ops.max(ops.reshape(inputs, (-1, self.bodies, inputs.shape[-1])), axis=1)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        B, D = input_shape
        return (None if B is None else B // self.bodies, D)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "bodies": self.bodies}
