"""Raw files to `SkeletonDataset`: one file a dataset, and `load_dataset` over all of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_skeleton.datasets.dataset import DatasetError, Fold, SkeletonDataset
from keras_skeleton.datasets.folder import FOLDER
from keras_skeleton.datasets.hdm05 import HDM05
from keras_skeleton.datasets.ntu import NTU, NTU120
from keras_skeleton.datasets.nucla import NUCLA
from keras_skeleton.datasets.pku_mmd import PKU_MMD
from keras_skeleton.datasets.pyskl import PYSKL
from keras_skeleton.datasets.sbu import SBU
from keras_skeleton.datasets.source import Source, load
from keras_skeleton.datasets.synthetic import SYNTHETIC
from keras_skeleton.datasets.sysu3d import SYSU3D
from keras_skeleton.datasets.uestc import UESTC
from keras_skeleton.datasets.ut_kinect import UT_KINECT
from keras_skeleton.errors import UnknownNameError

SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        NTU, NTU120, PYSKL, SBU, UT_KINECT, NUCLA, HDM05, SYSU3D, PKU_MMD, UESTC, SYNTHETIC, FOLDER,
    )
}  # fmt: skip


def get_source(name: str) -> Source:
    """The dataset of that name; a ValueError that suggests the nearest one."""
    if name not in SOURCES:
        raise UnknownNameError("dataset", name, SOURCES)
    return SOURCES[name]


def load_dataset(
    name: str,
    root: str | Path | None = None,
    cache_dir: str | Path | None = None,
    strict: bool = False,
    force: bool = False,
    say: Callable[[str], None] = lambda text: None,
    **options: Any,
) -> SkeletonDataset:
    """Loads a dataset by name: `load_dataset("ut_kinect", "/data/UTKinect")`.

    The first call reads the raw files into a compact store in the cache; later calls
    memory-map it. See `source.load` for the arguments and errors.
    """
    return load(get_source(name), root, cache_dir, strict, force, say, **options)


__all__ = ["SOURCES", "DatasetError", "Fold", "SkeletonDataset", "get_source", "load_dataset"]
