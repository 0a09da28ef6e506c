"""CSTA-CNN: coupled spatial-temporal attention in a two-stream CNN.

J. Wang, "Learning Coupled Spatial-Temporal Attention for Skeleton-Based Action Recognition", 2019.

    csta_cnn          coupled attention on both streams of the base network
    sa_cnn            spatial attention only (Table 3, "Without T")
    ta_cnn            temporal attention only (Table 3, "Without S")
    two_stream_cnn    the base network only (Table 3, "Without ST"): Li et al., "Skeleton-based
                      action recognition with convolutional neural networks", ICMEW 2017

The base network is known in two topologies, selected by `topology`:

    late     three convolutions per stream, then the streams are joined before the dense layers, as
             the paper says: "U and U' are concatenated and fed into three fc layers" (Sec. 2.3).
             The default
    early    one convolution per stream, then two more on the joined streams, as in the public
             implementation by the authors of the base network (hikvision-research/skelact)

The paper states neither layer sizes nor regularization. The filters (64, 128, 256), the 30
interpolated joints and the dense layers (256, 128) are common to both public versions of the base
network. Dropout, PReLU, the orthogonal initialization of the skeleton transformer and the maximum
over bodies follow skelact.
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
    """Attention on one stream (B, T, M, V, 3), Sec. 2.2; either or both may be off (Table 3)."""
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
    """A 3 x 3 convolution over time and joints, 2 x 2 max pooling, PReLU and dropout.

    Args:
        x: (B * M, T, V, C).
        name: Prefix of the layers' names.
        filters: Number of filters.
        padding: `"valid"`, or `"time"`: zero padding of the time axis only.
        active: Apply PReLU.
        dropout: Dropout rate; 0 for none.
        l2: Regularizer of the kernel.
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
    fixed_copies: int = 0,
) -> keras.Model:
    """Builds the network: clips (B, T, M, V, 3), zero-padded at the end, to logits (B, classes).

    Source: Wang, 2019, arXiv:1909.10214, Eqs. 1 to 3 and Sec. 2.3. Sizes and regularization, which
    the paper does not state, follow public code of its base network (Li et al., ICMEW 2017).

    Args:
        name: Name of the model.
        skeleton_size: Number of joints V of a body.
        classes: Number of classes.
        frames: T of the input; None for any length. The first layer samples 30 frames.
        bodies: Number of bodies M.
        spatial: With joint attention (Table 3).
        temporal: With frame attention (Table 3).
        activation: Activation of the attention scores, sigma of Eq. 1; see `JointScores`.
        bias: Biases of the attention scores, `"each"` or `"shared"`; see `JointScores`.
        topology: `"late"`: three convolutions per stream, then the streams are joined, as the paper
            says. `"early"`: they are joined after the first convolution, as in the code of the base
            network.
        crop: Smallest and largest share of a clip that random cropping keeps in training (Sec.
            3.1).
        interpolated: Number of joints after the skeleton transformer.
        dropout: Dropout rate after convolutions and dense layers.
        l2: Weight decay of convolutions and dense layers; ten times as much for the first dense
            layer.
        fixed_copies: Train on this many copies of each clip, drawn once (the paper: 8, half of them
            cropped), in place of a new copy in every epoch; see `training.fixed_copies`.

    Returns:
        The network. The layers `position_joints` (B, M, V) and `position_frames` (B, M, 30) output
        the signed scores of the position stream, `motion_joints` and `motion_frames` those of the
        motion stream.

    Raises:
        ValueError: Unknown `topology`, `bias` or `activation`.

    Example:
        >>> from keras_skeleton.models.csta_cnn import csta_cnn
        >>> model = csta_cnn("csta_cnn", skeleton_size=25, classes=60)
        >>> model.input_shape, model.output_shape
        ((None, None, 2, 25, 3), (None, 60))
    """
    if topology not in TOPOLOGIES:
        raise ValueError(f"topology='{topology}' is unknown; expected one of {TOPOLOGIES}")
    decay = regularizers.L2(l2)
    conv = partial(convolution, l2=decay)
    clips = keras.Input((frames, bodies, skeleton_size, 3), name="skeleton")
    position = TemporalSampling(SAMPLED, crop, random=not fixed_copies, name="sampling")(
        clips
    )  # X: (B, 30, M, V, 3)
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
    """Converts the outputs of the position stream's attention layers to the package's maps.

    Scores have signs; their absolute value is the importance of a joint or frame (Fig. 4).

    Args:
        found: `"joints"` (B, M, V) and `"frames"` (B, M, T), or one of them.

    Returns:
        `"joints"` (B, T, M * V), the coupled map, and `"frames"` (B, T), the mean over bodies.
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
    """Log of the mean class probability over random copies of each clip.

    Every second copy is cropped, the others are sampled.

    Args:
        model: A network whose first layer is a `TemporalSampling`.
        clips: (B, T, M, V, 3).
        copies: Number of copies, at least 1.
        seed: The same seed gives the same copies.

    Returns:
        float32 (B, classes).
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
