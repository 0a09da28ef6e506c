"""Whether a protocol on the files at hand is the published one."""

from __future__ import annotations

from keras_skeleton.datasets.dataset import SkeletonDataset
from keras_skeleton.datasets.registry import SOURCES


def published_differences(dataset: SkeletonDataset, protocol: str) -> list[str]:
    """What differs from the published dataset and protocol, one line each.

    Args:
        dataset: The dataset.
        protocol: Name of one of its protocols.

    Example:
        >>> from keras_skeleton.datasets.published import published_differences
        >>> import keras_skeleton as ks
        >>> published_differences(ks.load_dataset("synthetic", subjects=4, repetitions=1), "cs")
        []
    """
    found = [str(line) for line in dataset.info.get("published", [])]
    if not found or dataset.name not in SOURCES:  # a complete one is checked when it is loaded
        return found
    published = SOURCES[dataset.name].test_clips.get(protocol)
    if published is None:
        return found
    own = [len(fold.test) for fold in dataset.folds(protocol)]
    if len(own) != len(published):
        found.append(f"folds of {protocol}: {len(own)} found, {len(published)} published")
    elif own != list(published):
        found.append(
            f"test clips of {protocol}: {', '.join(map(str, own))} found, "
            f"{', '.join(map(str, published))} published"
        )
    return found


def not_published(dataset: SkeletonDataset, protocol: str) -> dict[str, list[str]]:
    """The entry of `run.json` for `published_differences`; empty without differences."""
    found = published_differences(dataset, protocol)
    return {"not_published": found} if found else {}
