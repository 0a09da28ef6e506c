"""Datasets: one module each, imported on first use, that reads raw files to a `SkeletonDataset`."""

from typing import TYPE_CHECKING

from keras_skeleton.utils.lazy import lazy_names

if TYPE_CHECKING:
    from keras_skeleton.datasets.dataset import Fold, SkeletonDataset
    from keras_skeleton.datasets.registry import SOURCES, get_source, load_dataset
    from keras_skeleton.utils.errors import DatasetError

__all__ = ["SOURCES", "DatasetError", "Fold", "SkeletonDataset", "get_source", "load_dataset"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "SOURCES": "keras_skeleton.datasets.registry",
        "DatasetError": "keras_skeleton.utils.errors",
        "Fold": "keras_skeleton.datasets.dataset",
        "SkeletonDataset": "keras_skeleton.datasets.dataset",
        "get_source": "keras_skeleton.datasets.registry",
        "load_dataset": "keras_skeleton.datasets.registry",
    },
)
