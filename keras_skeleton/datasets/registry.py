"""Registry of the datasets by name."""

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
    """Returns the description of a dataset by name.

    Raises:
        UnknownNameError: There is no dataset of this name; the message suggests the most similar.

    Example:
        >>> from keras_skeleton.datasets.registry import get_source
        >>> source = get_source("ntu")
        >>> source.title, list(source.protocols)
        ('NTU RGB+D (Shahroudy et al., 2016)', ['cs', 'cv'])
    """
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
    """Loads a dataset by name.

    The first call converts the raw files to a compact store in the cache; later calls memory-map
    the store.

    Args:
        name: Name of the dataset, such as `"ut_kinect"`.
        root: Folder with the raw files as downloaded, or a folder that contains it under the
            dataset's name; by default `$KERAS_SKELETON_DATA`. It is not written to.
        cache_dir: Folder of the stores; by default `$KERAS_SKELETON_CACHE`, else `keras_skeleton`
            in `$XDG_CACHE_HOME` or `~/.cache`.
        strict: Raise an error for the first bad file instead of skipping it.
        force: Prepare the store again even if it is up to date.
        log: Receives progress messages.
        **options: Reader options of the dataset, described on the page of its module.

    Raises:
        UnknownNameError: There is no dataset of this name.
        DatasetError: There are no files or no usable clips; with `strict`, a file is bad.

    Example:
        >>> from keras_skeleton import load_dataset
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as cache:
        ...     dataset = load_dataset("synthetic", cache_dir=cache, subjects=1, repetitions=1)
        >>> len(dataset), dataset.classes[0], dataset.clip(0).shape[1:]
        (42, 'wave_right_hand', (2, 25, 3))
    """
    return load(get_source(name), root, cache_dir, strict, force, log, **options)
