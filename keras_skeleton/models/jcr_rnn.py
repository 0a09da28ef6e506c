"""JCR-RNN: Li et al., "Online Human Action Detection using Joint Classification-Regression
Recurrent Neural Networks", ECCV 2016; a baseline of Song et al. (TIP 2018, Sec. IV.C).

Written from what Song et al. say of it (start and end points are regressed, actions are classified
frame by frame, both by one recurrent network) and from memory of the paper itself: three LSTMs with
a dense layer behind each, a soft selector, confidences of start and end as Gaussian curves. What
neither gives is our choice: see the arguments.
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
    """Builds the network: (B, T, K, 3) to `labels` (B, T, C + 1), logits of every frame, the last
    one of no action, and `ends` (B, T, 2) in [0, 1], how near a start and an end are.

    The soft selector weighs each of the shared features for the regression, seeing them and the
    probabilities of the classes.

    Args:
        joints: K, the joints of all people together.
        classes: C, without the one for no action.
        frames: T; any length by default.
        units: Neurons of the LSTMs and of the dense layers behind them; from memory.
        dropout: Behind every dense layer; our choice, as in STA-LSTM.
        regression: Width of the layer before the confidences; from memory.
    """
    if classes < 1:
        raise ValueError(f"classes={classes}: there is nothing to detect")
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
