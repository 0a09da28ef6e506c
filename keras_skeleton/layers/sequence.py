"""Small layers for sequences of different lengths, zero-padded at the end."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_skeleton.layers.elementwise import Elementwise
from keras_skeleton.layers.grouped import PACKAGE, check_rank


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
    """Weighted sum of class scores over time: Eq. 4 of STA-LSTM (Song et al., TIP 2018).

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


@keras.saving.register_keras_serializable(PACKAGE)
class FrameDifference(Elementwise, keras.layers.Layer):
    """Change of each joint over `span` frames: x(t) - x(t - span).

    Input and output (B, T, K, C), in the same unit.

    Joints whose coordinates are all zero are absent. The change is zero where a joint is absent at
    either end, and in the first `span` frames.

    Args:
        span: Number of frames.

    Raises:
        ValueError: `span` is below 1, or the input is not (B, T, K, C).

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers.sequence import FrameDifference
        >>> x = np.array([1.0, 3.0, 6.0, 0.0], "float32").reshape(1, 4, 1, 1)  # ends with padding
        >>> np.asarray(FrameDifference(1)(x)).ravel().tolist()
        [0.0, 2.0, 3.0, 0.0]
    """

    def __init__(self, span: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if span < 1:
            raise ValueError(f"span={span} must be at least 1")
        self.span = span

    def build(self, input_shape: tuple) -> None:
        check_rank(self, input_shape, "B T K C")

    def call(self, inputs: Any) -> Any:
        T = ops.shape(inputs)[1]
        before = ops.pad(inputs, ((0, 0), (self.span, 0), (0, 0), (0, 0)))[:, :T]
        there = ops.any(ops.not_equal(inputs, 0), axis=-1, keepdims=True)
        was = ops.any(ops.not_equal(before, 0), axis=-1, keepdims=True)
        return ops.where(ops.logical_and(there, was), inputs - before, 0.0)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "span": self.span}


@keras.saving.register_keras_serializable(PACKAGE)
class RelativeGates(Elementwise, keras.layers.Layer):
    """Frame gates with a mean of 1 over the frames of a clip: beta(t) T / sum of beta.

    Not from a paper.

    Inputs: gates beta >= 0 (B, T) and the mask (B, T) of the T frames that count; beta is 0 in the
    others. Output (B, T). If all gates of a clip are closed, so is the output.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers.sequence import RelativeGates
        >>> beta, mask = np.array([[3.0, 1.0, 0.0]]), np.array([[True, True, False]])
        >>> np.asarray(RelativeGates()(beta, mask)).tolist()
        [[1.5, 0.5, 0.0]]
    """

    def call(self, gates: Any, there: Any) -> Any:
        beta = ops.cast(gates, "float32")  # half precision counts to 256
        length = ops.sum(ops.cast(there, "float32"), axis=1, keepdims=True)
        relative = beta * length / ops.maximum(ops.sum(beta, axis=1, keepdims=True), 1e-6)
        return ops.cast(relative, gates.dtype)

    def compute_output_shape(self, gates_shape: tuple, there_shape: tuple) -> tuple:
        return tuple(gates_shape)
