"""CSTA-CNN: Jiayun Wang, "Learning Coupled Spatial-Temporal Attention for Skeleton-Based Action
Recognition", 2019.

    csta_cnn          coupled attention on both streams of the base network
    sa_cnn            spatial attention alone (Table 3, "without T")
    ta_cnn            temporal attention alone (Table 3, "without S")
    two_stream_cnn    the base network alone ("without ST"): Li et al., "Skeleton-based action
                      recognition with convolutional neural networks", ICMEW 2017

Two topologies of the base network are known, `topology`:

    late     three convolutions a stream, streams joined before the dense layers. The paper's text:
             "U and U' are concatenated and fed into three fc layers" (Sec. 2.3). The default
    early    one convolution a stream, streams joined, two more on both together: the public
             implementation of the base paper's group (hikvision-research/skelact)

The paper gives neither sizes nor regularization. Filters (64, 128, 256), the 30 interpolated joints
and the dense layers (256, 128) are those that both known versions of the base network share;
dropout, PReLU, the orthogonal start of the skeleton transformer and the maximum over people follow
skelact.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
import numpy as np
from keras import initializers, layers, ops, regularizers

from keras_skeleton.layers.coupled_attention import (
    Attend,
    CoupledAttention,
    FrameScores,
    JointScores,
)
from keras_skeleton.layers.temporal_sampling import TemporalSampling
from keras_skeleton.layers.two_stream import BodiesToBatch, MaxOverBodies, Motion
from keras_skeleton.models.entry import ModelEntry
from keras_skeleton.skeletons import Skeleton
from keras_skeleton.transforms.padded import padded, padded_rows
from keras_skeleton.transforms.sample import segment_rows

TOPOLOGIES = ("late", "early")
SAMPLED = 30  # frames, Sec. 3.1

# Name: (spatial attention, temporal attention).
VARIANTS = {
    "csta_cnn": (True, True),
    "sa_cnn": (True, False),
    "ta_cnn": (False, True),
    "two_stream_cnn": (False, False),
}


def attend(x: Any, stream: str, spatial: bool, temporal: bool, activation: str, bias: str) -> Any:
    """Attention on one stream (B, T, M, V, 3), Sec. 2.2; Table 3 leaves out one or both."""
    if spatial:
        s = JointScores(activation, bias, name=f"{stream}_joints")(x)  # Eq. 1: (B, M, V)
    if temporal:
        t = FrameScores(activation, bias, name=f"{stream}_frames")(x)  # (B, M, T)
    if spatial and temporal:
        m = CoupledAttention(name=f"{stream}_attention")(t, s)  # Eq. 2: (B, T, M, V)
        return Attend(name=f"{stream}_attended")(x, m)  # Eq. 3
    if spatial:
        return Attend("bmv", name=f"{stream}_attended")(x, s)
    if temporal:
        return Attend("bmt", name=f"{stream}_attended")(x, t)
    return x


def convolution(
    x: Any, name: str, filters: int, padding: str, active: bool, dropout: float, l2: Any
) -> Any:
    """3 x 3 convolution over time and joints, maximum over 2 x 2, PReLU, dropout.

    Args:
        padding: `"valid"`, or `"time"`: zeros before and after the time axis only.
        active: With PReLU.
    """
    if padding == "time":
        x = layers.ZeroPadding2D((1, 0), name=f"{name}_pad")(x)
    x = layers.Conv2D(filters, 3, kernel_regularizer=l2, name=name)(x)
    x = layers.MaxPooling2D(2, name=f"{name}_pool")(x)
    if active:
        x = layers.PReLU(
            initializers.Constant(0.1), shared_axes=[1, 2, 3], name=f"{name}_activation"
        )(x)
    return layers.Dropout(dropout, name=f"{name}_dropout")(x) if dropout else x


def csta_cnn(
    name: str,
    skeleton_size: int,
    classes: int,
    frames: int | None = None,
    bodies: int = 2,
    spatial: bool = True,
    temporal: bool = True,
    activation: str = "tanh",
    bias: str = "each",
    topology: str = "late",
    crop: tuple[float, float] = (0.5, 1.0),
    interpolated: int = 30,
    dropout: float = 0.5,
    l2: float = 1e-4,
) -> keras.Model:
    """Builds the network: clips (B, T, M, V, 3), zeros at their end, to logits (B, classes).

    Args:
        name: Of the model.
        skeleton_size: V.
        classes: Number of classes.
        frames: T of the input; any length by default. The first layer samples 30 of them.
        bodies: M.
        spatial, temporal: With weights of joints, of frames; the rows of Table 3.
        activation: Of the attention, see `layers.coupled_attention`.
        bias: `"each"` or `"shared"`, see there.
        topology: `"late"` or `"early"`.
        crop: What random cropping keeps of a clip in training, Sec. 3.1.
        interpolated: Joints after the skeleton transformer.
        dropout: After convolutions and dense layers.
        l2: Weight decay of convolutions and dense layers, ten times as much on the first of these.
    """
    if topology not in TOPOLOGIES:
        raise ValueError(f"topology='{topology}' is unknown; it is one of {TOPOLOGIES}")
    decay = regularizers.L2(l2)
    conv = partial(convolution, l2=decay)
    clips = keras.Input((frames, bodies, skeleton_size, 3), name="skeleton")
    position = TemporalSampling(SAMPLED, crop, name="sampling")(clips)  # X: (B, 30, M, V, 3)
    motion = Motion(name="motion")(position)  # X'

    streams = []
    for stream, x in (("position", position), ("motion", motion)):
        x = attend(
            x, stream, spatial=spatial, temporal=temporal, activation=activation, bias=bias
        )  # O
        x = BodiesToBatch(name=f"{stream}_people")(x)  # (B M, 30, V, 3)
        x = layers.EinsumDense(
            "btvc,vj->btjc",
            (SAMPLED, interpolated, 3),
            kernel_initializer=initializers.Orthogonal(),
            name=f"{stream}_transformer",
        )(x)
        x = conv(x, f"{stream}_conv1", 64, "valid" if topology == "late" else "time", False, 0)
        if topology == "late":
            x = conv(x, f"{stream}_conv2", 128, "valid", True, dropout)
            x = conv(x, f"{stream}_conv3", 256, "valid", True, 0)
            x = layers.Flatten(name=f"{stream}_flat")(x)
            x = MaxOverBodies(bodies, name=f"{stream}_max")(x)  # U and U'
        streams.append(x)
    x = layers.Concatenate(name="streams")(streams)
    if topology == "early":
        x = layers.Dropout(dropout, name="streams_dropout")(x)
        x = conv(x, "conv2", 128, "time", True, dropout)
        x = conv(x, "conv3", 256, "time", True, 0)
        x = MaxOverBodies(bodies, name="max")(layers.Flatten(name="flat")(x))

    for i, (units, weight) in enumerate(((256, 10 * l2), (128, l2)), 1):
        x = layers.Dropout(dropout, name=f"fc{i}_dropout")(x)
        x = layers.Dense(units, kernel_regularizer=regularizers.L2(weight), name=f"fc{i}")(x)
        x = layers.PReLU(initializers.Constant(0.1), shared_axes=[1], name=f"fc{i}_activation")(x)
    logits = layers.Dense(classes, kernel_regularizer=decay, name="logits", dtype="float32")(x)
    return keras.Model(clips, logits, name=name)


def maps(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The position stream's attention in the package's form, from its layers' outputs.

    Scores have signs; how far they are from 0 is how much a joint or a frame counts (Fig. 4).

    Args:
        found: `"joints"` (B, M, V) and `"frames"` (B, M, T), or one of them.

    Returns:
        `"joints"` (B, T, M * V), the coupled map, and `"frames"` (B, T), the mean over people.
    """
    size = {name: np.abs(values) for name, values in found.items()}
    result = {}
    if "joints" in size:
        joints = size["joints"].reshape(len(size["joints"]), 1, -1).repeat(SAMPLED, axis=1)
        if "frames" in size:
            V = size["joints"].shape[-1]
            joints = joints * np.repeat(size["frames"].transpose(0, 2, 1), V, axis=2)
        result["joints"] = joints
    if "frames" in size:
        result["frames"] = size["frames"].mean(axis=1)
    return result


def copies_logits(model: keras.Model, clips: Any, copies: int, seed: int = 0) -> np.ndarray:
    """float32 (B, classes): log of the mean probability over random copies of each clip.

    Every second copy is cropped; the same seed draws the same copies.

    Args:
        model: A network that begins with `TemporalSampling`.
        clips: (B, T, M, V, 3).
        copies: How many, 1 or more.
        seed: Of the copies.
    """
    sampling = model.get_layer("sampling")
    network = keras.Model(sampling.output, model.output)
    logits = [network(copy, training=False) for copy in sampling.copies(clips, copies, seed)]
    mean = ops.mean(ops.softmax(ops.stack(logits), axis=-1), axis=0)
    return ops.convert_to_numpy(ops.log(mean + 1e-12)).astype(np.float32)


def _entry(name: str) -> ModelEntry:
    spatial, temporal = VARIANTS[name]

    def build(
        skeleton: Skeleton, classes: int, frames: int | None = None, **arguments: Any
    ) -> keras.Model:
        parts = {"spatial": spatial, "temporal": temporal, **arguments}
        return csta_cnn(name, skeleton.size, classes, frames, **parts)

    def preprocess(skeleton: Skeleton, frames: int | None = None, **choices: Any) -> Any:
        return partial(padded, skeleton=skeleton, frames=frames or 300, **choices)

    def frame_index(length: int, frames: int | None = None, **choices: Any) -> np.ndarray:
        shown = padded_rows(length, frames or 300)[:length]
        return shown[segment_rows(len(shown), SAMPLED)]

    return ModelEntry(
        build,
        preprocess,
        frame_index,
        paper="CSTA-CNN (Wang, 2019)",
        sequence=True,
        declares=csta_cnn,
    )


MODELS = {name: _entry(name) for name in VARIANTS}
