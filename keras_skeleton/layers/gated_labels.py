"""Class scores of frames, weighted by a frame gate: the probability of an action in the frame."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_skeleton.layers.elementwise import Elementwise
from keras_skeleton.layers.grouped import PACKAGE

LEAST = 1e-6  # the gate is kept this far from 0 and 1 in the logarithm


@keras.saving.register_keras_serializable(PACKAGE)
class GatedLabels(Elementwise, keras.layers.Layer):
    """Log-probabilities of the C classes and of no action, from class scores and a frame gate.

    Inputs: scores z (B, T, C) and the gate beta (B, T) in [0, 1]. Output float32 (B, T, C + 1):

        log p(c | t)          = log beta(t) + log softmax(z(t))(c)
        log p(no action | t)  = log(1 - beta(t))

    The gate is the attention of STA-LSTM (Song et al., TIP 2018, Eq. 6), except that it is a
    probability: that of frame t belonging to an action. The cross-entropy of this output is that of
    the gate, plus, in frames with an action, that of the classes.

    Raises:
        ValueError: The inputs are not (B, T, C) and (B, T).

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers.gated_labels import GatedLabels
        >>> z, beta = np.zeros((1, 1, 2), "float32"), np.array([[0.5]], "float32")
        >>> np.exp(np.asarray(GatedLabels()(z, beta))).round(3).tolist()
        [[[0.25, 0.25, 0.5]]]
    """

    def call(self, scores: Any, gate: Any) -> Any:
        gate = ops.clip(ops.cast(gate, "float32")[:, :, None], LEAST, 1 - LEAST)
        own = ops.log(gate) + ops.log_softmax(ops.cast(scores, "float32"), axis=-1)
        return ops.concatenate([own, ops.log(1 - gate)], axis=-1)

    def build(self, scores_shape: tuple, gate_shape: tuple) -> None:
        if len(scores_shape) != 3 or len(gate_shape) != 2:
            raise ValueError(
                f"GatedLabels '{self.name}' expects (B, T, C) and (B, T), got "
                f"{tuple(scores_shape)} and {tuple(gate_shape)}"
            )

    def compute_output_shape(self, scores_shape: tuple, gate_shape: tuple) -> tuple:
        return (*scores_shape[:2], scores_shape[2] + 1)
