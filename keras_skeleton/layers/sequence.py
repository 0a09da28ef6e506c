"""Small layers for sequences of different lengths, zero-padded at the end."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_skeleton.layers.elementwise import Elementwise
from keras_skeleton.layers.grouped import PACKAGE


@keras.saving.register_keras_serializable(PACKAGE)
class FrameMask(Elementwise, keras.layers.Layer):
    """Mask of the frames that hold data: (B, T, ...) to bool (B, T), True if any value is nonzero.

    The mask has gaps where a frame shows no body, and a row may be all False. The cuDNN kernels
    support neither, so LSTMs that take this mask are built with `use_cudnn=False`; LSTMs without a
    mask (`models.pose_i3d`) keep the Keras default.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers import FrameMask
        >>> clips = np.zeros((1, 4, 25, 3), "float32")
        >>> clips[0, :3] = 1.0
        >>> np.asarray(FrameMask()(clips)).tolist()
        [[True, True, True, False]]
    """

    def call(self, inputs: Any) -> Any:
        return ops.any(ops.not_equal(inputs, 0), axis=tuple(range(2, len(inputs.shape))))

    def compute_output_spec(self, inputs: Any) -> Any:
        return keras.KerasTensor(inputs.shape[:2], dtype="bool")


@keras.saving.register_keras_serializable(PACKAGE)
class ScoreAccumulation(Elementwise, keras.layers.Layer):
    """Weighted sum of class scores over time: Eq. 4 of STA-LSTM.

        g = sum over t of beta(t) z(t)

    Inputs: scores z (B, T, C) and frame weights beta (B, T). Output g (B, C). A Boolean mask may be
    given as weights; it counts as ones and zeros.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers import ScoreAccumulation
        >>> scores, mask = np.ones((1, 4, 2), "float32"), np.array([[True, True, True, False]])
        >>> np.asarray(ScoreAccumulation()(scores, mask)).tolist()
        [[3.0, 3.0]]
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
