"""Attention layers: one idea a file, written in `keras.ops`, registered as serializable."""

from keras_skeleton.layers.augmentation import RandomRotation, RandomScale, RandomTemporalCrop
from keras_skeleton.layers.frame_attention import FrameAttention
from keras_skeleton.layers.frame_gate import FrameGate
from keras_skeleton.layers.grouped import GroupedBiGRU, GroupedDense, PerGroup
from keras_skeleton.layers.tarm import tarm

__all__ = [
    "FrameAttention",
    "FrameGate",
    "GroupedBiGRU",
    "GroupedDense",
    "PerGroup",
    "RandomRotation",
    "RandomScale",
    "RandomTemporalCrop",
    "tarm",
]
