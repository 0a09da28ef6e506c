"""GateNet: a frame gate that is trained on whole recordings, to detect actions. Our own network.

The frame gate of STA-LSTM (Song et al., TIP 2018, Eq. 6) learns from clips that hold nothing but
actions, so nothing teaches it what lies between them. Here the gate is the probability that an
action is going on, learned from whole recordings; the class scores of every frame are weighted
by it.

    features    positions from the hips and motion over a few frames        `PoseMotion`
    context     dense layers and residual blocks with growing gaps         `DilatedBlock`
    gate        beta(t) in [0, 1], the layer `frame_attention`
    labels      beta(t) times the softmax of the class scores; 1 - beta(t) for no action
    ends        probabilities that an action starts and ends near the frame

A frame's outputs depend on a fixed number of frames before it and, unless the network is causal,
after it (`reach`). So a stream of any length is processed in parts, or frame by frame, with the
same result and constant memory.
"""

from __future__ import annotations

import keras
from keras import layers

from keras_skeleton.layers.dilated_block import DilatedBlock
from keras_skeleton.layers.gated_labels import GatedLabels
from keras_skeleton.layers.pose_motion import PoseMotion
from keras_skeleton.layers.sequence import FrameMask

GATE = "frame_attention"


def gate_net(
    joints: int,
    classes: int,
    bodies: int = 1,
    frames: int | None = None,
    root: int = 0,
    causal: bool = False,
    ahead: int = 0,
    hidden: int = 128,
    width: int = 96,
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 32),
    span: int = 4,
    dropout: float = 0.3,
) -> keras.Model:
    """Builds the network: sequences (B, T, M * V, 3) in camera coordinates to outputs per frame.

    Our own network; its gate is that of STA-LSTM (Song et al., TIP 2018, Eq. 6) as a probability.
    Outputs, by name:

        labels    (B, T, C + 1), log-probabilities; the last class is "no action"
        ends      (B, T, 2) in [0, 1], probabilities that an action starts and ends near the frame

    Args:
        joints: V, the joints of a body.
        classes: C, without the class for no action.
        bodies: Number of bodies M.
        frames: T; None for any length.
        root: Index of the root joint.
        causal: See no later frames (`gate_u`); by default both sides (`gate_b`).
        ahead: Number of first blocks that see both sides even if `causal`. The outputs of a frame
            then depend on a few later frames: on nine with `ahead=3`.
        hidden: Width of the dense layer that takes the features of a frame.
        width: Features of a frame in every block.
        dilations: Gaps of the blocks, in frames.
        span: Frames over which motion is taken.
        dropout: Dropout rate of the features and in the blocks; 1.5 times as much before the
            outputs.

    Raises:
        ValueError: `classes` is below 1.

    Example:
        >>> from keras_skeleton.models.gate_net import gate_net, reach
        >>> model = gate_net(joints=20, classes=10, causal=True)
        >>> {name: output.shape for name, output in model.output.items()}
        {'labels': (None, None, 11), 'ends': (None, None, 2)}
        >>> reach(model)
        (130, 0)
    """
    if classes < 1:
        raise ValueError(f"classes={classes} must be at least 1")
    x = keras.Input((frames, bodies * joints, 3), name="skeleton")
    mask = FrameMask(name="mask")(x)
    h = PoseMotion(joints, root, span, ahead=not causal or ahead > 0, name="features")(x)
    h = layers.Dense(hidden, activation="relu", name="poses")(h)
    h = layers.Dropout(dropout, name="dropout")(h)
    h = layers.Dense(width, name="frames")(h)
    for i, dilation in enumerate(dilations, start=1):
        past = causal and i > ahead
        h = DilatedBlock(width, dilation, past, dropout, name=f"block_{i}")(h, mask)
    h = layers.LayerNormalization(name="norm")(h)
    h = layers.Dropout(1.5 * dropout, name="dropout_last")(h)
    z = layers.Dense(classes, dtype="float32", name="scores")(h)
    gate = layers.Dense(1, activation="sigmoid", dtype="float32", name="gate")(h)
    beta = layers.Reshape((-1,), dtype="float32", name=GATE)(gate)  # (B, T)
    labels = GatedLabels(dtype="float32", name="labels")(z, beta)
    ends = layers.Dense(2, activation="sigmoid", dtype="float32", name="ends")(h)
    return keras.Model(x, {"labels": labels, "ends": ends}, name="gate_net")


def reach(model: keras.Model) -> tuple[int, int]:
    """Number of frames before and after a frame on which the outputs of a network depend.

    Args:
        model: A network built by `gate_net`.
    """
    parts = [layer.reach for layer in model.layers if isinstance(layer, DilatedBlock | PoseMotion)]
    return sum(before for before, _ in parts), sum(after for _, after in parts)
