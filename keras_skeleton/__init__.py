"""Attention models for human actions from skeletons, in Keras.

The names below are loaded on first use: reading data needs neither Keras nor TensorFlow.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# TensorFlow reads this when it is loaded. By itself it takes oneDNN's kernels only on processors
# with AVX-512 VNNI or the like; they are faster on others, too (results/profile_training.txt).
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

_HOMES = {
    "load_dataset": "keras_skeleton.datasets",
    "SkeletonDataset": "keras_skeleton.datasets",
    "build_model": "keras_skeleton.models",
    "attention_maps": "keras_skeleton.models",
    "compiled": "keras_skeleton.inference",
    "load_weights": "keras_skeleton.weights",
    "pretrained": "keras_skeleton.zoo.load",
    "transforms": "keras_skeleton.transforms",
}

if TYPE_CHECKING:
    from keras_skeleton import transforms
    from keras_skeleton.datasets import SkeletonDataset, load_dataset
    from keras_skeleton.inference import compiled
    from keras_skeleton.models import attention_maps, build_model
    from keras_skeleton.weights import load_weights
    from keras_skeleton.zoo.load import pretrained

__all__ = [
    "SkeletonDataset", "attention_maps", "build_model", "compiled", "load_dataset",
    "load_weights", "pretrained", "transforms",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'keras_skeleton' has no attribute '{name}'")
    module = import_module(_HOMES[name])
    return module if _HOMES[name].endswith("." + name) else getattr(module, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
