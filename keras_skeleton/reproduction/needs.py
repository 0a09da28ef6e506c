"""What a training needs of this machine: data, videos, weights; how many seeds, how many hours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

from keras_skeleton.datasets.registry import get_source
from keras_skeleton.datasets.source import Source
from keras_skeleton.reproduction.tables import Training

WHOLE = 0.98  # of the published clips: a download may lack a few files, a sample lacks most
STEP = 100  # from seed to seed: fold k of a run takes its seed + k - 1
SEEDS, SHORT = 3, 1.0  # so many where one takes less than so many hours, else one


@dataclass(frozen=True)
class Place:
    """What the user has.

    Attributes:
        data_dir: Folder of a dataset, or with one folder for each by name.
        cache_dir: Where prepared datasets are kept.
        crops: What `run.py crops` has made, or a folder with one such folder for each dataset.
        i3d: Published I3D weights.
    """

    data_dir: Path | None = None
    cache_dir: Path | None = None
    crops: Path | None = None
    i3d: Path | None = None

    def data_of(self, source: Source) -> Path | None:
        """Where the dataset's files are, None where there are none."""
        return source.locate(self.data_dir)

    def crops_of(self, dataset: str) -> Path | None:
        """Where the dataset's crops are."""
        for folder in (self.crops / dataset, self.crops) if self.crops else ():
            if (folder / "crops.csv").is_file():
                return folder
        return None

    def lacks(self, training: Training) -> str:
        """Why the training cannot be run here, in a few words; empty where it can."""
        source = get_source(training.dataset)
        if source.needs_root:
            root = self.data_of(source)
            if root is None:
                return "no data here"
            found = source.count_clips(root)
            if not is_whole(found, source):
                return f"only {found:,} of {source.clips:,} clips here"
        if training.watches and self.crops_of(training.dataset) is None:
            return "no crops here"
        if training.i3d and self.i3d is None:
            return "no I3D weights here"
        return ""


def is_whole(clips: int, source: Source) -> bool:
    """Whether so many clips are the dataset, and not a sample of it."""
    return clips >= WHOLE * source.clips


def missing_seeds(
    there: Mapping[int, object], hours: float | None, number: int | None
) -> list[int]:
    """Seeds still to be run.

    Args:
        there: By the seeds that were run.
        hours: That one takes, if that is known.
        number: How many are wanted; by default `SEEDS` of a short training, else one.
    """
    if number is None:
        number = SEEDS if hours is not None and hours < SHORT else 1
    others: Iterator[int] = (seed for seed in count(0, STEP) if seed not in there)
    return list(islice(others, max(0, number - len(there))))


def mean_hours(hours: Sequence[float | None]) -> float | None:
    """Of those that were measured; None where none was."""
    known = [value for value in hours if value is not None]
    return sum(known) / len(known) if known else None
