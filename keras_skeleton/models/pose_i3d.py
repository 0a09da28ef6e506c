"""Pose-driven attention over three I3D streams.

S. Das, A. Chaudhary, F. Bremond, M. Thonnat, "Where to Focus on for Human Action Recognition?",
WACV 2019.

Three I3D networks take videos of the left hand, the right hand and the full body; an LSTM on the
skeleton computes the weight of each. `aggregate` selects a row of the paper's Tables 1 and 2:

    attention         sum over parts of alpha_k g_k after the last inception block (Eq. 4)
    sum_0             unweighted sum after the last block
    sum_1, sum_2      unweighted sum one or two blocks earlier, followed by the rest of I3D
    concat_0          concatenation of channels after the last block
    left_hand, right_hand, full_body, full_image    a single video

The networks of the stages of Algorithm 1 are `part_network`, `pose_classifier` and `pose_i3d`, the
last on pooled features of the streams or on videos.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
import numpy as np
from keras import layers, regularizers

from keras_skeleton.layers.part_attention import EqualParts, PartAttention, WeightedParts
from keras_skeleton.models.entry import ModelEntry
from keras_skeleton.models.i3d import LAST, Small, blocks, classify, i3d, pool
from keras_skeleton.skeletons import Skeleton
from keras_skeleton.transforms.coordinates import check_coordinates
from keras_skeleton.transforms.glimpses import PARTS, TRACKS
from keras_skeleton.utils.errors import UnknownNameError

# Last layer of the streams, for each row of Table 1. For "sum_2" the released code uses the
# pooling before block 5b.
STREAM_ENDS = {
    "attention": LAST,
    "sum_0": LAST,
    "concat_0": LAST,
    "sum_1": "Mixed_5b",
    "sum_2": "MaxPool2d_5a_2x2",
}
AGGREGATES = (*STREAM_ENDS, *TRACKS)
REGULARIZED = ("attention", "all")
POOLED = "global_avg_pool"  # the layer of `part_network` whose output are the features


def pose_network(x: Any, units: int, dropout: float, states: str, decay: Any = None) -> Any:
    """Three stacked LSTMs on the skeleton (B, S, D); returns hidden states of the third.

    Args:
        x: (B, S, D).
        units: Units of each LSTM.
        dropout: Dropout rate of the output.
        states: `"all"` states, (B, S, units), or those of the `"last"` step, (B, units).
        decay: Regularizer of all kernels.
    """
    for i in (1, 2, 3):
        x = layers.LSTM(
            units,
            return_sequences=states == "all" or i < 3,
            kernel_regularizer=decay,
            recurrent_regularizer=decay,
            name=f"pose_lstm_{i}",
        )(x)
    return layers.Dropout(dropout, name="pose_dropout")(x)


def pose_classifier(
    steps: int, values: int, classes: int, units: int = 512, dropout: float = 0.5
) -> keras.Model:
    """The pose network with a classifier: skeleton (B, S, D) to logits (Algorithm 1, step 3)."""
    skeleton = keras.Input((steps, values), name="skeleton")
    h = pose_network(skeleton, units, dropout, "last")
    logits = layers.Dense(classes, name="pose_logits", dtype="float32")(h)
    return keras.Model({"skeleton": skeleton}, logits, name="pose_lstm")


def stream(part: str, frames: int, size: int, small: Small, until: str = LAST) -> keras.Model:
    """I3D of one part without its classifier: f_g of Eq. 1."""
    return i3d(frames=frames, size=size, top=False, until=until, small=small, name=f"i3d_{part}")


def part_network(
    part: str,
    classes: int,
    frames: int,
    size: int,
    small: Small,
    dropout: float = 0.5,
    head: str = "mean",
    head_l2: float = 0.0,
) -> keras.Model:
    """One stream with a classifier (Algorithm 1, step 2)."""
    video = keras.Input((frames, size, size, 3), name=part)
    features = pool(stream(part, frames, size, small)(video))
    decay = regularizers.L2(head_l2) if head_l2 else None
    return keras.Model({part: video}, classify(features, classes, dropout, decay, head), name=part)


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
    regularized: str = "attention",
    head: str = "mean",
    head_l2: float = 0.0,
    width: float = 1.0,
    momentum: float = 0.99,
    name: str = "pose_i3d",
) -> keras.Model:
    """Builds the network: a dict of videos and a skeleton sequence to logits (B, classes).

    Source: Das et al., WACV 2019, Eqs. 1 to 5. Inputs: `"left_hand"`, `"right_hand"` and
    `"full_body"` (B, frames, size, size, 3) with values in [-1, 1] and, with attention,
    `"skeleton"` (B, steps, values).

    Args:
        steps: S, number of frames sampled from the skeleton: 20 on NTU RGB+D, 5 on N-UCLA.
        values: D, coordinates of all joints: 150 on NTU RGB+D (two bodies), 60 on N-UCLA.
        classes: Number of classes.
        frames: Number of frames of each video.
        size: Height and width of the videos in pixels.
        aggregate: A row of Tables 1 and 2: `"attention"` (Eq. 4); `"sum_0"`, the plain sum after
            the last inception block; `"sum_1"` or `"sum_2"`, one or two blocks earlier, followed by
            the rest of I3D; `"concat_0"`, the channels side by side after the last block.
        units: Units of each LSTM: 512 on NTU RGB+D, 128 on N-UCLA.
        hidden: Width of the tanh layer of Eq. 2 (released code).
        states: h^s of Eq. 2: `"all"`, the concatenated hidden states of all steps (the paper), or
            `"last"`, the state of the last step (the released code).
        features: Take pooled stream outputs (see `feature_shape`) in place of videos, so that
            frozen streams run only once. Pooling commutes with the sum of Eq. 4. Not for `sum_1`
            and `sum_2`.
        dropout: Dropout rate in the pose network and in front of the classifier.
        lambda1: Weight of the penalty that favors equal attention (Eq. 5).
        lambda2: Weight of the squared L2 norm of the matrices; Eq. 5 prints the norm itself.
        regularized: What `lambda2` decays: the matrices of the `"attention"` layers and the
            classifier, or `"all"` W of Eq. 5, those of the pose LSTMs and the streams as well.
        head: Classifier, see `models.i3d.classify`: `"mean"` over time as in I3D, or `"dense"`, as
            in the released code.
        head_l2: Weight decay of the classifier of single parts (Algorithm 1, step 2); 0.01 in the
            released code.
        width: Factor on the filters of I3D, see `models.i3d.Small`.
        momentum: Momentum of the moving statistics, see `models.i3d.Small`.
        name: Name of the model.

    Returns:
        The network. With attention, its layer `part_attention` outputs alpha, (B, 3).

    Raises:
        ValueError: Unknown `aggregate`, `states`, `regularized` or `head`, or `features` with
            `sum_1` or `sum_2`.

    Example:
        >>> from keras_skeleton.models.pose_i3d import pose_i3d
        >>> model = pose_i3d(steps=5, values=60, classes=10, features=True)
        >>> model.output_shape
        (None, 10)
    """
    if aggregate not in STREAM_ENDS:
        raise ValueError(f"aggregate='{aggregate}' is unknown; expected one of {[*STREAM_ENDS]}")
    if states not in ("all", "last"):
        raise ValueError(f"states='{states}' is unknown; expected 'all' or 'last'")
    if regularized not in REGULARIZED:
        raise ValueError(f"regularized='{regularized}' is unknown; expected one of {REGULARIZED}")
    decay = regularizers.L2(lambda2) if lambda2 else None
    everywhere = regularized == "all"
    small, end = Small(width, momentum, lambda2 if everywhere else 0.0), STREAM_ENDS[aggregate]
    if features and end != LAST:
        raise ValueError(
            f"aggregate='{aggregate}' does not support features=True: it sums inside the streams"
        )
    shape = feature_shape(frames, size, small) if features else (frames, size, size, 3)
    inputs = {part: keras.Input(shape, name=part) for part in PARTS}
    g = list(inputs.values())
    if not features:  # Eq. 1
        g = [stream(part, frames, size, small, end)(video) for part, video in inputs.items()]

    if aggregate == "attention":
        inputs["skeleton"] = keras.Input((steps, values), name="skeleton")
        own = decay if everywhere else None
        h = pose_network(inputs["skeleton"], units, dropout, states, own)
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
    if not features:
        x = pool(blocks(x, after=end, small=small))  # sum_1 and sum_2: the rest of I3D
    return keras.Model(inputs, classify(x, classes, dropout, decay, head), name=name)


def feature_shape(frames: int, size: int, small: Small) -> tuple[int, ...]:
    """Shape of a stream's pooled features of one clip: (T'', 1, 1, channels)."""
    return tuple(pool(stream("any", frames, size, small).output).shape[1:])


def joints(
    clip: np.ndarray, skeleton: Skeleton, coordinates: str = "actor", unit: float = 1.0
) -> np.ndarray:
    """Preprocesses a clip (T, M, V, 3) for the pose network: float32 (T, M * V * 3)."""
    return (
        (check_coordinates(coordinates)(clip, skeleton) / unit).reshape(len(clip), -1).astype("f")
    )


def _build(
    skeleton: Skeleton,
    classes: int,
    frames: int | None = None,
    bodies: int = 2,
    only: str | None = None,
    aggregate: str = "attention",
    **arguments: Any,
) -> keras.Model:
    """Builds the network of one stage (`only`: a track or `"pose"`), or the whole network.

    `aggregate` may also be a track, for the network of a single video.
    """
    if aggregate not in AGGREGATES:
        raise UnknownNameError("aggregate", aggregate, AGGREGATES, of="pose_i3d")
    given = {"steps": 20, "frames": frames or 64, "size": 224, "dropout": 0.5, **arguments}
    pick = partial(_pick, given)
    values = bodies * skeleton.size * 3
    if only == "pose":
        return pose_classifier(values=values, classes=classes, **pick("steps", "units", "dropout"))
    track = only or (aggregate if aggregate in TRACKS else None)
    if track:
        small = Small(**pick("width", "momentum"))
        own = pick("frames", "size", "dropout", "head", "head_l2")
        return part_network(track, classes, small=small, **own)
    return pose_i3d(values=values, classes=classes, aggregate=aggregate, **given)


def _pick(given: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: given[name] for name in names if name in given}


def _preprocess(skeleton: Skeleton, frames: int | None = None, **choices: Any) -> Any:
    return partial(joints, skeleton=skeleton, **choices)


def _frame_index(length: int, frames: int | None = None, **choices: Any) -> np.ndarray:
    return np.arange(length, dtype=float)


MODELS = {
    "pose_i3d": ModelEntry(
        _build,
        _preprocess,
        _frame_index,
        paper="Pose-driven attention over I3D (Das et al., 2019)",
        video=True,
        declares=pose_i3d,
    )
}
