"""The papers' networks: one paper a file, `build_model` over all of them."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_skeleton.errors import UnknownNameError
from keras_skeleton.models import csta_cnn, mans, pose_i3d, sta_lstm
from keras_skeleton.models.entry import ModelEntry
from keras_skeleton.skeletons import Skeleton, get_skeleton

MODELS: dict[str, ModelEntry] = {
    **mans.MODELS,
    **sta_lstm.MODELS,
    **csta_cnn.MODELS,
    **pose_i3d.MODELS,
}

# Which layer's output is which attention, for every model that has it.
ATTENTION_LAYERS = {
    "joints": "joint_attention",
    "frames": "frame_attention",
    "parts": "part_attention",
}
COUPLED_LAYERS = {"joints": "position_joints", "frames": "position_frames"}  # of CSTA-CNN


def check_model(name: str) -> str:
    """The name, or a ValueError that suggests the nearest one."""
    if name not in MODELS:
        raise UnknownNameError("model", name, MODELS)
    return name


def build_model(
    name: str,
    skeleton: str | Skeleton = "kinect_v2",
    classes: int = 60,
    frames: int | None = None,
    **arguments: Any,
) -> keras.Model:
    """Builds a network that puts out logits (B, classes).

    Args:
        name: A key of `MODELS`.
        skeleton: The joint layout of the clips.
        classes: Number of classes, at least 2.
        frames: T of the model's input; the paper's choice by default.
        **arguments: The model's own, see its file (`attention="none"` for MANs, say).

    Raises:
        ValueError: Unknown model, skeleton or choice.
        TypeError: An argument that the model does not have.

    Example:
        >>> model = build_model("mans9", classes=10)
        >>> attention_maps(model, images)["frames"].shape
        (8, 50, 3)
    """
    if classes < 2:
        raise ValueError(f"classes={classes}: a classifier needs at least 2")
    entry = MODELS[check_model(name)]
    return entry.build(get_skeleton(skeleton), classes, frames, **arguments)


def attention_maps(model: keras.Model, batch: Any) -> dict[str, np.ndarray]:
    """What the model attends to in a batch of its inputs.

    Returns:
        Those that the model has of `"joints"` (B, T, V), `"frames"` (B, T), or (B, T, 3) where
        the coordinates have attention of their own, and `"parts"` (B, K).
    """
    names = {layer.name for layer in model.layers}
    coupled = names & set(COUPLED_LAYERS.values())
    wanted = COUPLED_LAYERS if coupled else ATTENTION_LAYERS
    outputs = {key: model.get_layer(name).output for key, name in wanted.items() if name in names}
    if not outputs:
        return {}
    maps = keras.Model(model.input, outputs)(batch, training=False)
    found = {key: keras.ops.convert_to_numpy(value) for key, value in maps.items()}
    return csta_cnn.maps(found) if coupled else found


__all__ = ["MODELS", "ModelEntry", "attention_maps", "build_model", "check_model"]
