"""Pose-driven attention over three I3D streams: S. Das, A. Chaudhary, F. Bremond, M. Thonnat,
"Where to Focus on for Human Action Recognition?", WACV 2019.

Three I3D networks watch the left hand, the right hand and the body; an LSTM on the skeleton says
how much each counts. Rows of the paper's Tables 1 and 2, `aggregate`:

    attention         sum over parts of alpha_k g_k after the last inception block (Eq. 4)
    sum_0             the plain sum there
    sum_1, sum_2      the plain sum one or two blocks earlier; the rest of I3D works on the sum
    concat_0          side by side on the channels after the last block

A part alone, or the full image, is `models.i3d` on that video.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, regularizers

from keras_skeleton.layers.part_attention import EqualParts, PartAttention, WeightedParts
from keras_skeleton.models.i3d import LAST, blocks, head, i3d
from keras_skeleton.transforms.glimpses import PARTS

# Where the streams end, per row of Table 1. "sum_2" in the released code ends at the pooling
# before block 5b.
STREAM_ENDS = {
    "attention": LAST,
    "sum_0": LAST,
    "concat_0": LAST,
    "sum_1": "Mixed_5b",
    "sum_2": "MaxPool2d_5a_2x2",
}


def pose_network(x: Any, units: int, dropout: float, states: str) -> Any:
    """Three LSTMs on the skeleton (B, S, D): hidden states of the third.

    `states`: `"all"`, (B, S, units), or those at the `"last"` step, (B, units).
    """
    for i in (1, 2, 3):
        sequence = states == "all" or i < 3
        x = layers.LSTM(units, return_sequences=sequence, name=f"pose_lstm_{i}")(x)
    return layers.Dropout(dropout, name="pose_dropout")(x)


def pose_classifier(
    steps: int, values: int, classes: int, units: int = 512, dropout: float = 0.5
) -> keras.Model:
    """The pose network alone, as it is trained first (Algorithm 1, step 3): (B, S, D) to logits."""
    skeleton = keras.Input((steps, values), name="skeleton")
    h = pose_network(skeleton, units, dropout, "last")
    logits = layers.Dense(classes, name="pose_logits", dtype="float32")(h)
    return keras.Model(skeleton, logits, name="pose_lstm")


def pose_i3d(
    steps: int,
    values: int,
    classes: int,
    frames: int = 64,
    size: int = 224,
    aggregate: str = "attention",
    units: int = 512,
    hidden: int = 128,
    states: str = "all",
    features: bool = False,
    dropout: float = 0.5,
    lambda1: float = 0.0,
    lambda2: float = 0.0,
    name: str = "pose_i3d",
) -> keras.Model:
    """Builds the network: a dict of videos and a skeleton to logits (B, classes).

    Inputs: `"left_hand"`, `"right_hand"`, `"full_body"` (B, frames, size, size, 3) from -1 to 1,
    and, with attention, `"skeleton"` (B, steps, values).

    Args:
        steps: S, frames sampled from the skeleton: 20 on NTU RGB+D, 5 on N-UCLA.
        values: D, coordinates of all joints: 150 on NTU RGB+D (two people), 60 on N-UCLA.
        classes: Number of classes.
        frames, size: Of each video.
        aggregate: `"attention"`, `"sum_0"`, `"sum_1"`, `"sum_2"` or `"concat_0"`.
        units: Of each LSTM: 512 on NTU RGB+D, 128 on N-UCLA.
        hidden: Width of the tanh layer of Eq. 2; the released code's.
        states: h^s of Eq. 2: `"all"`, the hidden states of all steps side by side as the paper
            says, or `"last"`, those of the last step as the released code has it.
        features: The inputs are not videos but the streams' outputs, see `stream_shape`: with
            frozen streams, they need to be computed only once.
        dropout: In the pose network and in front of the classifier.
        lambda1: Weight of equal attention to parts (Eq. 5).
        lambda2: Weight decay (Eq. 5): of what is not in the streams.
        name: Of the model.
    """
    if aggregate not in STREAM_ENDS:
        raise ValueError(f"aggregate='{aggregate}' is unknown; it is one of {[*STREAM_ENDS]}")
    if states not in ("all", "last"):
        raise ValueError(f"states='{states}' is unknown; it is 'all' or 'last'")
    decay = regularizers.L2(lambda2) if lambda2 else None
    end = STREAM_ENDS[aggregate]
    shape = stream_shape(frames, size, aggregate) if features else (frames, size, size, 3)
    inputs = {part: keras.Input(shape, name=part) for part in PARTS}
    g = list(inputs.values())
    if not features:
        g = [  # Eq. 1
            i3d(frames=frames, size=size, top=False, until=end, name=f"i3d_{part}")(video)
            for part, video in inputs.items()
        ]

    if aggregate == "attention":
        inputs["skeleton"] = keras.Input((steps, values), name="skeleton")
        h = pose_network(inputs["skeleton"], units, dropout, states)
        if states == "all":
            h = layers.Flatten(name="pose_states")(h)  # h^s: (B, S * units)
        alpha = PartAttention(  # Eqs. 2 and 3: (B, K)
            len(PARTS),
            hidden,
            penalty=EqualParts(lambda1) if lambda1 else None,
            kernel_regularizer=decay,
            name="part_attention",
        )(h)
        x = WeightedParts(name="aggregated")(alpha, g)  # F, Eq. 4
    elif aggregate == "concat_0":
        x = layers.Concatenate(name="aggregated")(g)
    else:
        x = layers.Add(name="aggregated")(g)
    x = blocks(x, after=end)  # what is left of I3D after sum_1 and sum_2
    logits = head(x, classes, dropout, decay)
    return keras.Model(inputs, logits, name=name)


def stream_shape(frames: int, size: int, aggregate: str = "attention") -> tuple[int, ...]:
    """Shape of what a stream puts out for one clip: (T', H', W', channels)."""
    end = STREAM_ENDS[aggregate]
    return tuple(i3d(frames=frames, size=size, top=False, until=end).output.shape[1:])
