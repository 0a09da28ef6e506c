"""STA-LSTM: spatial and temporal attention gates around an LSTM network.

Song et al., "Spatio-Temporal Attention-Based LSTM Networks for 3D Action Recognition and
Detection", IEEE Transactions on Image Processing 2018 (and AAAI 2017).

    lstm       main LSTM network only
    sa_lstm    with joint-selection gates (spatial attention)
    ta_lstm    with frame-selection gates (temporal attention)
    sta_lstm   with both
    tap_lstm   frame-selection gates and one main layer; proposes intervals of untrimmed recordings

The joints of all bodies are gated together: K = M * V. Sequences keep their length and are
zero-padded at the end; padded frames are masked in all layers.

The options from `motion` on are ours, not the paper's. They make attention say more of what the
network uses (recipe `faithful`), and are off by default.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
import numpy as np
from keras import initializers, layers, regularizers

from keras_skeleton.layers.attention_penalties import (
    AttentionEntropy,
    EqualJointAttention,
    FrameAttentionNorm,
)
from keras_skeleton.layers.frame_gate import FrameGate
from keras_skeleton.layers.gate_noise import GateNoise
from keras_skeleton.layers.joint_gate import JointGate
from keras_skeleton.layers.joint_units import JointUnits
from keras_skeleton.layers.lstm import LSTM
from keras_skeleton.layers.sequence import (
    FrameDifference,
    FrameMask,
    RelativeGates,
    ScoreAccumulation,
)
from keras_skeleton.models.entry import ModelEntry
from keras_skeleton.skeletons import Skeleton
from keras_skeleton.transforms.padded import padded, padded_rows
from keras_skeleton.transforms.smooth import savitzky_golay

# Name: (spatial attention, temporal attention).
VARIANTS = {
    "lstm": (False, False),
    "sa_lstm": (True, False),
    "ta_lstm": (False, True),
    "sta_lstm": (True, True),
    "tap_lstm": (False, True),
}


def sta_lstm(
    name: str,
    joints: int,
    classes: int,
    frames: int | None = None,
    spatial: bool = True,
    temporal: bool = True,
    main_layers: int = 3,
    units: int = 100,
    hidden: int | None = None,
    dropout: float = 0.5,
    gate_gain: str = "paper",
    score_stddev: float | None = None,
    lambda1: float = 0.0,
    lambda2: float = 0.0,
    lambda3: float = 0.0,
    bidirectional: bool = False,
    motion: int = 0,
    joint_units: bool = False,
    gates_see: str = "past",
    joint_gates: str = "frame",
    frame_gates: str = "scores",
    gate_noise: float = 0.0,
    joint_entropy: float = 0.0,
    frame_entropy: float = 0.0,
) -> keras.Model:
    """Builds the network: sequences (B, T, K, 3) to logits (B, classes).

    Source: Song et al., TIP 2018, Eqs. 2 to 7. Sequences are zero-padded at the end; padded frames
    are masked. Arguments from `motion` on are ours, not the paper's (recipe `faithful`).

    Args:
        name: Name of the model.
        joints: K, the joints of all bodies together.
        classes: Number of classes.
        frames: T; None for any length.
        spatial: With joint-selection gates (Eqs. 2 and 3); otherwise alpha = 1.
        temporal: With frame-selection gates (Eq. 6); otherwise beta = 1.
        main_layers: Number of LSTM layers in the main network.
        units: Units of every LSTM layer.
        hidden: Width of the tanh layer of the joint gates; `units` by default, because the paper
            gives a width for the LSTMs only. With two Kinect v2 bodies and 60 classes, 50 gives
            483,411 parameters and 100 gives 498,461; the MANs paper quotes 0.5M.
        dropout: Dropout rate after every LSTM layer of the main network.
        gate_gain: `"paper"`: x' = alpha x, as printed. `"joints"`: K alpha in place of alpha, in x'
            and in the penalty, so that equal attention to all K joints leaves the input unchanged
            and costs nothing. With `"paper"` the initial input is K times smaller, the gates
            concentrate on a few joints to compensate, and the penalty hardly prevents it.
        score_stddev: Standard deviation of the Gaussian initialization of the weights of z, which
            Algorithm 1 (step 1) leaves open; Glorot uniform (about 0.1) by default. Scores are
            summed over all frames, so in long clips the initial logits are large enough for the
            first steps to close the frame gates for good; 0.01 avoids that.
        lambda1: Weight of the penalty on joint attention (Eq. 7).
        lambda2: Weight of the penalty on frame attention (Eq. 7).
        lambda3: Weight of the L1 norm of all connection matrices, without biases (Eq. 7).
        bidirectional: Use bidirectional LSTMs in the frame gates and the main network (TAP-B).
        motion: Read the change of each joint over this many frames, in place of its position; 0
            reads positions. A joint at rest and a frame in which nothing moves then say nothing.
        joint_units: Read each joint in units of its own spread, learned in training; see
            `layers.joint_units`. Adds 2 K weights that are not trained.
        gates_see: `"past"`, as in the paper, or `"clip"`: gates also depend on later frames.
        joint_gates: `"frame"`, as in the paper, or `"clip"`: all frames of a clip share one alpha.
            Where frame gates are closed, alpha of that frame alone has no effect and is not
            trained.
        frame_gates: `"scores"`: beta weights the class scores, Eq. 4. `"input"`: beta, relative to
            its mean over the clip, weights what goes into the main network, and scores of all
            frames count the same; the scores of a frame hold what the LSTMs remember of earlier
            frames, so weights on scores do not say which frames matter. `"both"` does both.
        gate_noise: Standard deviation of noise that is added to the gated input in training; see
            `layers.gate_noise`. With `joint_units` it is in units of each joint's own spread.
        joint_entropy: Weight of the entropy of alpha in the loss, in place of `lambda1`.
        frame_entropy: Weight of the entropy of beta in the loss, in place of `lambda2`.

    Returns:
        The network. The layers `joint_attention` and `frame_attention` output alpha (B, T, K) and
        beta (B, T).

    Raises:
        ValueError: Unknown `gate_gain`, `gates_see`, `joint_gates` or `frame_gates`, or an entropy
            together with the penalty that it replaces.

    Example:
        >>> from keras_skeleton.models.sta_lstm import sta_lstm
        >>> model = sta_lstm("sta_lstm", joints=50, classes=60)
        >>> model.count_params()
        498461
    """
    _check("gate_gain", gate_gain, ("paper", "joints"))
    _check("gates_see", gates_see, ("past", "clip"))
    _check("joint_gates", joint_gates, ("frame", "clip"))
    _check("frame_gates", frame_gates, ("scores", "input", "both"))
    gain = joints if gate_gain == "joints" else 1
    l1 = regularizers.L1(lambda3) if lambda3 else None
    inputs = keras.Input((frames, joints, 3), name="skeleton")
    mask = FrameMask(name="mask")(inputs)  # (B, T)
    x = FrameDifference(motion, name="motion")(inputs) if motion else inputs
    if joint_units:
        x = JointUnits(name="joint_units")(x)
    h = x
    if spatial:
        equal = EqualJointAttention(lambda1, gain) if lambda1 else None
        alpha = JointGate(  # Eqs. 2 and 3: (B, T, K)
            units,
            hidden,
            penalty=_one_of(equal, joint_entropy, "lambda1", "joint_entropy"),
            kernel_regularizer=l1,
            bidirectional=gates_see == "clip",
            per_clip=joint_gates == "clip",
            name="joint_attention",
        )(x, mask=mask)
        weights = layers.Reshape((-1, joints, 1), name="joint_weights")(alpha)
        h = layers.Multiply(name="modulated")([x, weights])  # x'(t,k) = alpha(t,k) x(t,k)
        if gain != 1:
            h = layers.Rescaling(gain, name="gate_gain")(h)

    def frame_gate() -> Any:
        return FrameGate(  # Eq. 6: (B, T)
            units,
            penalty=_one_of(
                FrameAttentionNorm(lambda2) if lambda2 else None,
                frame_entropy,
                "lambda2",
                "frame_entropy",
            ),
            kernel_regularizer=l1,
            bidirectional=bidirectional or gates_see == "clip",
            name="frame_attention",
        )(layers.Reshape((-1, joints * 3), name="frames")(x), mask=mask)

    beta = mask
    if temporal and frame_gates != "scores":
        relative = RelativeGates(name="relative_frames")(frame_gate(), mask)
        weights = layers.Reshape((-1, 1, 1), name="frame_weights")(relative)
        h = layers.Multiply(name="modulated_frames")([h, weights])
        beta = relative if frame_gates == "both" else mask
    if gate_noise:
        h = GateNoise(gate_noise, name="gate_noise")(h, x)

    h = layers.Reshape((-1, joints * 3), name="flat")(h)  # (B, T, 3K)
    for i in range(1, main_layers + 1):
        lstm = LSTM(
            units,
            kernel_regularizer=l1,
            recurrent_regularizer=l1,
            use_cudnn=False,  # see FrameMask
            name=f"main_lstm_{i}",
        )
        if bidirectional:
            lstm = layers.Bidirectional(lstm, name=f"main_lstm_{i}")
        h = lstm(h, mask=mask)
        h = layers.Dropout(dropout, name=f"main_dropout_{i}")(h)
    start = initializers.RandomNormal(stddev=score_stddev) if score_stddev else "glorot_uniform"
    z = layers.Dense(classes, kernel_initializer=start, kernel_regularizer=l1, name="main_scores")(
        h
    )  # (B, T, C)

    if temporal and frame_gates == "scores":
        beta = frame_gate()
    logits = ScoreAccumulation(name="logits", dtype="float32")(z, beta)  # g, Eq. 4: (B, C)
    return keras.Model(inputs, logits, name=name)  # the softmax of Eq. 5 is in the loss


def _check(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        one = ", ".join(f"'{k}'" for k in known[:-1])
        raise ValueError(f"{name}='{value}' is unknown; expected {one} or '{known[-1]}'")


def _one_of(penalty: Any, entropy: float, penalized: str, entropic: str) -> Any:
    """The penalty of a gate: that of Eq. 7, or entropy, which asks for the opposite."""
    if penalty is not None and entropy:
        raise ValueError(f"{penalized} and {entropic} cannot both be set; set one of them to 0")
    return AttentionEntropy(entropy) if entropy else penalty


def sequence(
    clip: np.ndarray,
    skeleton: Skeleton,
    frames: int,
    smooth: bool = False,
    **choices: Any,
) -> np.ndarray:
    """Preprocesses a clip (T, M, V, 3): float32 (frames, M * V, 3), zero-padded at the end.

    Args:
        clip: Positions; absent bodies are zero.
        skeleton: The joint layout.
        frames: Length after padding. Longer clips are subsampled evenly.
        smooth: First apply a Savitzky-Golay filter over five frames (as the paper does for SBU).
        **choices: Coordinates, unit and tilt; see `transforms.padded`.
    """
    clip = savitzky_golay(clip) if smooth else clip
    return padded(clip, skeleton, frames, **choices).reshape(frames, -1, 3)


def _entry(name: str) -> ModelEntry:
    spatial, temporal = VARIANTS[name]

    def build(
        skeleton: Skeleton,
        classes: int,
        frames: int | None = None,
        bodies: int = 2,
        **arguments: Any,
    ) -> keras.Model:
        parts = {"spatial": spatial, "temporal": temporal, **arguments}
        if name == "tap_lstm":
            parts.setdefault("main_layers", 1)
        return sta_lstm(name, bodies * skeleton.size, classes, frames, **parts)

    def preprocess(skeleton: Skeleton, frames: int | None = None, **choices: Any) -> Any:
        return partial(sequence, skeleton=skeleton, frames=frames or 300, **choices)

    def frame_index(length: int, frames: int | None = None, **choices: Any) -> np.ndarray:
        return padded_rows(length, frames or 300)

    return ModelEntry(
        build,
        preprocess,
        frame_index,
        paper="STA-LSTM (Song et al., TIP 2018)",
        sequence=True,
        declares=sta_lstm,
    )


MODELS = {name: _entry(name) for name in VARIANTS}
