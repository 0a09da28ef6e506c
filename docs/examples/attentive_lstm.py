"""An LSTM whose frames are weighted by softmax attention: the example of `docs/add-a-model.md`."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from keras_skeleton.layers import LSTM, FrameMask, ScoreAccumulation
from keras_skeleton.recipes.recipe import Recipe
from keras_skeleton.recipes.schedules import Cosine
from keras_skeleton.skeletons import Skeleton


@keras.saving.register_keras_serializable("attentive_lstm")
class FrameSoftmax(keras.layers.Layer):
    """One weight per frame; the weights of a clip's frames sum to 1.

    Input (B, T, D) and the mask (B, T) of its frames, output (B, T). Padded frames get 0.

    Args:
        units: Width of the hidden layer that scores a frame.
    """

    def __init__(self, units: int = 32, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.supports_masking = True

    def build(self, input_shape: tuple) -> None:
        self.hidden = layers.Dense(
            self.units, activation="tanh", dtype=self.dtype_policy, name="hidden"
        )
        self.score = layers.Dense(1, dtype=self.dtype_policy, name="score")
        self.hidden.build(input_shape)
        self.score.build((*input_shape[:2], self.units))

    def call(self, inputs: Any, mask: Any = None) -> Any:
        score = ops.cast(self.score(self.hidden(inputs))[..., 0], "float32")
        if mask is None:
            return ops.softmax(score, axis=-1)
        weights = ops.softmax(ops.where(mask, score, -1e9), axis=-1)
        return weights * ops.cast(mask, "float32")  # a clip without frames has no attention

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        return None

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return tuple(input_shape[:2])

    def flops(self, input_shape: tuple) -> int:
        """Multiplications and additions per clip."""
        _, T, D = input_shape
        return 2 * (T or 1) * self.units * (D + 1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


def build(
    skeleton: Skeleton,
    classes: int,
    frames: int | None = None,
    bodies: int = 2,
    units: int = 64,
    dropout: float = 0.5,
) -> keras.Model:
    """Builds the network: (B, T, K, 3), K = bodies * joints, to logits (B, classes).

    Args:
        skeleton: The joint layout of the clips.
        classes: Number of classes.
        frames: T; any length by default.
        bodies: M.
        units: Neurons of the LSTM.
        dropout: After the LSTM.
    """
    joints = bodies * skeleton.size
    x = keras.Input((frames, joints, 3), name="skeleton")
    mask = FrameMask(name="mask")(x)  # (B, T): which frames hold anything but padding
    h = layers.Reshape((-1, joints * 3), name="flat")(x)
    h = LSTM(units, use_cudnn=False, name="lstm")(h, mask=mask)
    h = layers.Dropout(dropout, name="dropout")(h)
    weights = FrameSoftmax(name="frame_attention")(h, mask=mask)
    scores = layers.Dense(classes, name="scores")(h)
    logits = ScoreAccumulation(name="logits", dtype="float32")(scores, weights)
    return keras.Model(x, logits, name="attentive_lstm")


# By dataset and name; "*" is any dataset. Every number says where it comes from.
RECIPES = {
    ("*", "paper"): Recipe(
        optimizer="adam",
        learning_rate=2e-3,
        schedule=Cosine(warmup=1),
        batch_size=16,
        epochs=30,
        clipnorm=1.0,
        preprocessing={"coordinates": "actor"},
        frames=100,
        augment=(("RandomRotation", {"degrees": (5, 20, 5)}), ("RandomScale", {"amount": 0.1})),
        sources={"all": "our choice: as the LSTMs on the synthetic dataset"},
    ),
}
