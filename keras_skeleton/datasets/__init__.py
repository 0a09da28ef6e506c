"""Raw files to `SkeletonDataset`: one file a dataset, and `load_dataset` over all of them."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from keras_skeleton.datasets import ntu, synthetic, ut_kinect
from keras_skeleton.datasets.dataset import DatasetError, Fold, SkeletonDataset
from keras_skeleton.datasets.source import Source, load

SOURCES: dict[str, Source] = {
    source.name: source
    for source in (ntu.NTU, ntu.NTU120, synthetic.SYNTHETIC, ut_kinect.UT_KINECT)
}


def get_source(name: str) -> Source:
    """The dataset of that name; a ValueError that suggests the nearest one."""
    if name not in SOURCES:
        near = get_close_matches(name, SOURCES, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise ValueError(f"unknown dataset '{name}'.{hint} Known: {', '.join(SOURCES)}.")
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
