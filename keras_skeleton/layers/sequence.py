"""Small layers for sequences of different lengths, padded with zeros at the end."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_skeleton.layers.elementwise import Elementwise
from keras_skeleton.layers.grouped import PACKAGE


@keras.saving.register_keras_serializable(PACKAGE)
class FrameMask(Elementwise, keras.layers.Layer):
    """bool (B, T): which frames of (B, T, ...) hold anything but zeros.

    Frames without people leave holes in it, and a row may be empty. On a GPU cuDNN's kernels refuse
    both, so LSTMs that take this mask are made with `use_cudnn=False`; those without a mask (of
    `models.pose_i3d`) keep Keras' own choice.
    """

    def call(self, inputs: Any) -> Any:
        return ops.any(ops.not_equal(inputs, 0), axis=tuple(range(2, len(inputs.shape))))

    def compute_output_spec(self, inputs: Any) -> Any:
        return keras.KerasTensor(inputs.shape[:2], dtype="bool")


@keras.saving.register_keras_serializable(PACKAGE)
class ScoreAccumulation(Elementwise, keras.layers.Layer):
    """Scores (B, T, C) and frame weights (B, T) to class scores (B, C): Eq. 4 of STA-LSTM.

    Boolean weights (a mask) count as ones and zeros.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True  # padded frames have weight 0

    def compute_mask(self, *_: Any, **__: Any) -> None:
        return None

    def call(self, scores: Any, weights: Any) -> Any:
        return ops.sum(ops.cast(weights, scores.dtype)[:, :, None] * scores, axis=1)

    def compute_output_shape(self, scores_shape: tuple, weights_shape: tuple) -> tuple:
        return (scores_shape[0], scores_shape[2])
