"""A dataset with the joints of another layout."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from keras_skeleton.datasets.dataset import SkeletonDataset
from keras_skeleton.skeletons import Skeleton, joint_map

JOINT_EXTRAS = ("informative_joints",)  # extras whose last axis is the joints


class MappedRows:
    """The rows (R, V, 3) of a store with other joints; only what is indexed is read.

    Args:
        rows: (R, V, 3), usually a memory map.
        order: int (W,), the joint of `rows` at each place.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.datasets.mapped import MappedRows
        >>> rows = MappedRows(np.arange(12.0).reshape(2, 2, 3), np.array([1]))
        >>> rows.shape, rows[0:1].tolist()
        ((2, 1, 3), [[[3.0, 4.0, 5.0]]])
    """

    def __init__(self, rows: np.ndarray, order: np.ndarray) -> None:
        self.stored, self._order = rows, order
        self.shape = (rows.shape[0], len(order), *rows.shape[2:])
        self.ndim, self.dtype = rows.ndim, rows.dtype

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, key: Any) -> np.ndarray:
        if isinstance(key, tuple):
            raise IndexError("only rows can be indexed")
        return self.stored[key][..., self._order, :]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype)


def with_skeleton(dataset: SkeletonDataset, skeleton: Skeleton) -> SkeletonDataset:
    """The dataset with its joints mapped by name to another layout.

    Args:
        dataset: The clips.
        skeleton: The layout that is needed.

    Raises:
        SkeletonMapError: The dataset lacks some of the joints.

    Example:
        >>> from keras_skeleton.datasets.mapped import with_skeleton
        >>> from keras_skeleton.datasets.registry import load_dataset
        >>> from keras_skeleton.skeletons import get_skeleton
        >>> dataset = load_dataset("synthetic", subjects=2, repetitions=1)  # kinect_v2
        >>> with_skeleton(dataset, get_skeleton("kinect_v1")).clip(0).shape[1:]
        (2, 20, 3)
    """
    if dataset.skeleton.joints == skeleton.joints:
        return dataset
    order = joint_map(dataset.skeleton, skeleton)
    rows: Any = MappedRows(dataset.rows, order)
    extras = {
        key: values[..., order] if key in JOINT_EXTRAS else values
        for key, values in dataset.extras.items()
    }
    return replace(dataset, skeleton=skeleton, rows=rows, extras=extras)
