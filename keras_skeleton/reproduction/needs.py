"""Requirements of trainings: data, crops, weights, number of seeds, and time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

from keras_skeleton.datasets.registry import get_source
from keras_skeleton.datasets.source import Source
from keras_skeleton.reproduction.tables import Training

WHOLE = 0.98  # minimum fraction of the published clips: a few files may be missing
STEP = 100  # distance between seeds, since fold k of a run uses seed + k - 1
SEEDS, SHORT = 3, 1.0  # number of seeds for trainings below SHORT hours; one for longer ones


@dataclass(frozen=True)
class Place:
    """Locations of the user's data.

    Attributes:
        data_dir: Folder of a dataset, or parent folder of datasets.
        cache_dir: Folder of prepared datasets.
        crops: Folder written by `keras-skeleton crops`, or parent folder of such folders by dataset
            name.
        i3d: Path of published I3D weights.
        streams: Run folders of pose_i3d whose streams others start from.
    """

    data_dir: Path | None = None
    cache_dir: Path | None = None
    crops: Path | None = None
    i3d: Path | None = None
    streams: tuple[Path, ...] = ()

    def data_of(self, source: Source) -> Path | None:
        """Folder of a dataset, or None."""
        return source.locate(self.data_dir)

    def crops_of(self, dataset: str) -> Path | None:
        """Folder of a dataset's crops, or None."""
        for folder in (self.crops / dataset, self.crops) if self.crops else ():
            if (folder / "crops.csv").is_file():
                return folder
        return None

    def lacks(self, training: Training) -> str:
        """The reason why a training cannot be run, in a few words; empty if it can."""
        source = get_source(training.dataset)
        if source.needs_root:
            root = self.data_of(source)
            if root is None:
                return "no data"
            found = source.count_clips(root)
            if not training.options and not is_whole(found, source):
                return f"only {found:,} of {source.clips:,} clips"
        if training.watches and self.crops_of(training.dataset) is None:
            return "no crops"
        if training.i3d and self.i3d is None:
            return "no I3D weights"
        if training.streams and not self.streams:
            return f"no streams trained on {training.streams}"
        return ""


def is_whole(clips: int, source: Source) -> bool:
    """Whether this number of clips is the whole dataset, not a sample of it."""
    return clips >= WHOLE * source.clips


def missing_seeds(
    there: Mapping[int, object], hours: float | None, number: int | None
) -> list[int]:
    """Seeds that are still to be run.

    Args:
        there: A mapping whose keys are the finished seeds.
        hours: Hours per training, if known.
        number: Required number of seeds; by default `SEEDS` for short trainings, else one.
    """
    if number is None:
        number = SEEDS if hours is not None and hours < SHORT else 1
    others: Iterator[int] = (seed for seed in count(0, STEP) if seed not in there)
    return list(islice(others, max(0, number - len(there))))


def mean_hours(hours: Sequence[float | None]) -> float | None:
    """Mean of the known hours; None if there are none."""
    known = [value for value in hours if value is not None]
    return sum(known) / len(known) if known else None
