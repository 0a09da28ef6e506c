"""Attention models for skeleton-based action recognition, in Keras.

The names below are imported on first use, so that reading data needs neither Keras nor TensorFlow.
"""

import os
from typing import TYPE_CHECKING

from keras_skeleton.utils._version import __version__
from keras_skeleton.utils.lazy import lazy_names

# TensorFlow reads this on import. By default it uses the oneDNN kernels only on processors with
# AVX-512 VNNI or similar; they are faster on others, too (benchmarks/profile_training.py).
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

if TYPE_CHECKING:
    from keras_skeleton import transforms
    from keras_skeleton.attention.run_attention import write_run_report
    from keras_skeleton.checkpoints.weights import load_weights
    from keras_skeleton.datasets.dataset import SkeletonDataset
    from keras_skeleton.datasets.registry import load_dataset
    from keras_skeleton.deploy.compiled import compiled
    from keras_skeleton.film.label import label_film
    from keras_skeleton.models.attention_maps import attention_maps
    from keras_skeleton.models.registry import build_model
    from keras_skeleton.recognizer import Recognizer
    from keras_skeleton.training.experiment import Experiment
    from keras_skeleton.zoo.fine_tune import fine_tune
    from keras_skeleton.zoo.recognizers import load_recognizer, pretrained

__all__ = [
    "Experiment",
    "Recognizer",
    "SkeletonDataset",
    "__version__",
    "attention_maps",
    "build_model",
    "compiled",
    "fine_tune",
    "label_film",
    "load_dataset",
    "load_recognizer",
    "load_weights",
    "pretrained",
    "transforms",
    "write_run_report",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Experiment": "keras_skeleton.training.experiment",
        "Recognizer": "keras_skeleton.recognizer",
        "SkeletonDataset": "keras_skeleton.datasets.dataset",
        "attention_maps": "keras_skeleton.models.attention_maps",
        "build_model": "keras_skeleton.models.registry",
        "compiled": "keras_skeleton.deploy.compiled",
        "fine_tune": "keras_skeleton.zoo.fine_tune",
        "label_film": "keras_skeleton.film.label",
        "load_dataset": "keras_skeleton.datasets.registry",
        "load_recognizer": "keras_skeleton.zoo.recognizers",
        "load_weights": "keras_skeleton.checkpoints.weights",
        "pretrained": "keras_skeleton.zoo.recognizers",
        "transforms": "keras_skeleton.transforms",
        "write_run_report": "keras_skeleton.attention.run_attention",
    },
)
