"""JCR-RNN: joint classification and regression of frames, a detection baseline.

Li et al., "Online Human Action Detection using Joint Classification-Regression Recurrent Neural
Networks", ECCV 2016; compared by Song et al. (TIP 2018, Sec. IV.C).

This version follows the description by Song et al. (one recurrent network classifies every frame
and regresses start and end points) and, from memory, the original paper: three LSTMs, each with a
dense layer, a soft selector, and confidences of start and end as Gaussian curves. Everything else
is our choice, see the arguments.
"""

from __future__ import annotations

import keras
from keras import layers

from keras_skeleton.layers.sequence import FrameMask


def jcr_rnn(
    joints: int,
    classes: int,
    frames: int | None = None,
    units: tuple[int, ...] = (100, 110, 100),
    dropout: float = 0.5,
    regression: int = 10,
) -> keras.Model:
    """Builds the network: sequences (B, T, K, 3) to class logits and start/end confidences per
    frame.

    A baseline of Song et al. (TIP 2018, Sec. IV.C), proposed by Li et al. (ECCV 2016). It follows
    the description by Song et al. The values marked *recalled* are those of the original paper as
    we remember them; they were not compared with it. Outputs, by name:

        labels    (B, T, C + 1), logits of every frame; the last class is "no action"
        ends      (B, T, 2) in [0, 1], confidences that an action starts and ends near the frame

    The soft selector weights the shared features for the regression. It depends on these features
    and on the class probabilities.

    Args:
        joints: K, the joints of all bodies together.
        classes: C, without the class for no action.
        frames: T; None for any length.
        units: Units of the LSTMs and of the dense layers after them (recalled).
        dropout: Dropout rate after each dense layer (our choice, as in STA-LSTM).
        regression: Width of the layer before the confidences (recalled).

    Raises:
        ValueError: `classes` is below 1.

    Example:
        >>> from keras_skeleton.models.jcr_rnn import jcr_rnn
        >>> model = jcr_rnn(joints=50, classes=51)
        >>> {name: output.shape for name, output in model.output.items()}
        {'labels': (None, None, 52), 'ends': (None, None, 2)}
    """
    if classes < 1:
        raise ValueError(f"classes={classes} must be at least 1")
    x = keras.Input((frames, joints, 3), name="skeleton")
    mask = FrameMask(name="mask")(x)
    h = layers.Reshape((-1, joints * 3), name="flat")(x)
    for i, width in enumerate(units, start=1):
        lstm = layers.LSTM(
            width,
            return_sequences=True,
            use_cudnn=False,  # see FrameMask
            name=f"lstm_{i}",
        )
        h = lstm(h, mask=mask)
        h = layers.Dense(width, activation="relu", name=f"dense_{i}")(h)
        h = layers.Dropout(dropout, name=f"dropout_{i}")(h)
    logits = layers.Dense(classes + 1, dtype="float32", name="labels")(h)
    seen = layers.Concatenate(name="seen")(
        [h, layers.Activation("softmax", name="probabilities")(logits)]
    )
    chosen = layers.Dense(units[-1], activation="sigmoid", name="selector")(seen)
    h = layers.Multiply(name="selected")([h, chosen])
    h = layers.Dense(regression, activation="relu", name="regression")(h)
    ends = layers.Dense(2, activation="sigmoid", dtype="float32", name="ends")(h)
    return keras.Model(x, {"labels": logits, "ends": ends}, name="jcr_rnn")
