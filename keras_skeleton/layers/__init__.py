"""Attention, recurrent and augmentation layers, written in `keras.ops` and serializable."""

from keras_skeleton.layers.attention_penalties import EqualJointAttention, FrameAttentionNorm
from keras_skeleton.layers.augmentation import (
    RandomAmplitude,
    RandomBoneLength,
    RandomDroppedLimb,
    RandomFrameRate,
    RandomJitter,
    RandomRotation,
    RandomScale,
    RandomSmoothNoise,
    RandomSymmetry,
    RandomTemporalCrop,
)
from keras_skeleton.layers.dilated_block import DilatedBlock
from keras_skeleton.layers.frame_attention import FrameAttention
from keras_skeleton.layers.frame_gate import FrameGate
from keras_skeleton.layers.gated_labels import GatedLabels
from keras_skeleton.layers.grouped import GroupedDense, PerGroup
from keras_skeleton.layers.grouped_gru import GroupedBiGRU
from keras_skeleton.layers.joint_gate import JointGate
from keras_skeleton.layers.lstm import LSTM
from keras_skeleton.layers.pose_motion import PoseMotion
from keras_skeleton.layers.scale import Scale
from keras_skeleton.layers.sequence import FrameMask, ScoreAccumulation
from keras_skeleton.layers.tarm import tarm

__all__ = [
    "LSTM",
    "DilatedBlock",
    "EqualJointAttention",
    "FrameAttention",
    "FrameAttentionNorm",
    "FrameGate",
    "FrameMask",
    "GatedLabels",
    "GroupedBiGRU",
    "GroupedDense",
    "JointGate",
    "PerGroup",
    "PoseMotion",
    "RandomAmplitude",
    "RandomBoneLength",
    "RandomDroppedLimb",
    "RandomFrameRate",
    "RandomJitter",
    "RandomRotation",
    "RandomScale",
    "RandomSmoothNoise",
    "RandomSymmetry",
    "RandomTemporalCrop",
    "Scale",
    "ScoreAccumulation",
    "tarm",
]
