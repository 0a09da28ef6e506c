"""The datasets by name: one file each, `load_dataset` over all of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_skeleton.datasets.dataset import SkeletonDataset
from keras_skeleton.datasets.source import Source, load
from keras_skeleton.utils.errors import UnknownNameError
from keras_skeleton.utils.registry import Registry

SOURCES: Registry[Source] = Registry("keras_skeleton.datasets", Path(__file__).parent, "SOURCES")


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
    log: Callable[[str], None] = lambda text: None,
    **options: Any,
) -> SkeletonDataset:
    """Loads a dataset by name: `load_dataset("ut_kinect", "/data/UTKinect")`.

    The first call reads the raw files into a compact store in the cache; later calls
    memory-map it. See `source.load` for the arguments and errors.
    """
    return load(get_source(name), root, cache_dir, strict, force, log, **options)
