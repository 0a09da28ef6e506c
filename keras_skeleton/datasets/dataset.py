"""`SkeletonDataset`: ragged frames and a table of clips, cut into folds by a protocol.

Every reader in this folder ends here, and everything downstream starts here.
Nothing in this file knows a file format.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from keras_skeleton.skeletons import Skeleton
from keras_skeleton.utils.errors import DatasetError, UnknownNameError

# One row a clip. `start` counts rows of `SkeletonDataset.rows`, `frames` is T, `bodies` is M of
# the clip as stored. A column that a dataset does not know holds 0.
SAMPLE_COLUMNS = (
    "name", "label", "subject", "view", "setup", "repetition", "start", "frames", "bodies",
)  # fmt: skip

# One row an annotated action of an untrimmed video: its frames from `start` to `end` - 1, counted
# from 0. `video` is a value of the samples' column of that name.
INTERVAL_COLUMNS = ("video", "label", "start", "end")


LISTED = 1000  # bad places in one file: a file of nothing else would fill the memory


class Fold(NamedTuple):
    """Index arrays into `SkeletonDataset.samples`; no clip is in two of them."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


# Other names of protocols, as they are called elsewhere: cross-subject, cross-view, cross-setup.
PROTOCOL_ALIASES = {"xsub": ("cs", "csub"), "xview": ("cv",), "xset": ("cset",)}


def protocol_name(name: str, known: Collection[str], of: str) -> str:
    """A dataset's own name of a protocol, which may be given by an alias.

    Raises:
        UnknownNameError: It has no such protocol.

    Example:
        >>> protocol_name("xsub", ["csub", "cset"], of="ntu120")
        'csub'
    """
    for own in (name, *PROTOCOL_ALIASES.get(name, ())):
        if own in known:
            return own
    raise UnknownNameError("protocol", name, known, of=of)


# A protocol maps the samples' table to its folds, always in the same order.
Protocol = Callable[[pd.DataFrame], Iterator[Fold]]


@dataclass
class SkeletonDataset:
    """Clips of one dataset.

    Attributes:
        name: `"ntu"`, `"ut_kinect"`, ...
        skeleton: The joint layout.
        classes: C class names; a label is an index into them.
        rows: float32 (R, V, 3), every body of every frame, one after the other; often a memory
            map. A clip of T frames and m bodies is T * m consecutive rows, frames outermost.
        samples: One row a clip, with at least `SAMPLE_COLUMNS`. Clips may share rows.
        protocols: Maps a protocol's name to the function that splits `samples`.
        extras: More arrays with one row a clip (the synthetic set's ground truth, for example).
        info: Where it came from: the store's manifest.
        intervals: What happens when in untrimmed videos, with `INTERVAL_COLUMNS`; no rows where
            nothing is known. It is the same whether the samples are clips or whole videos.
    """

    name: str
    skeleton: Skeleton
    classes: tuple[str, ...]
    rows: np.ndarray
    samples: pd.DataFrame
    protocols: dict[str, Protocol]
    extras: dict[str, np.ndarray] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)
    intervals: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(columns=list(INTERVAL_COLUMNS))
    )

    def __post_init__(self) -> None:
        missing = [c for c in SAMPLE_COLUMNS if c not in self.samples.columns]
        if missing:
            raise DatasetError(f"dataset '{self.name}': samples lack the columns {missing}")
        if self.rows.ndim != 3 or self.rows.shape[1:] != (self.skeleton.size, 3):
            raise DatasetError(
                f"dataset '{self.name}': rows have shape {self.rows.shape}, "
                f"expected (R, {self.skeleton.size}, 3)"
            )
        table = self.samples
        if len(table):
            end = int((table["start"] + table["frames"] * table["bodies"]).max())
            if end > len(self.rows) or int(table["start"].min()) < 0:
                raise DatasetError(
                    f"dataset '{self.name}': clips reach to row {end}, there are {len(self.rows)}"
                )
            low, high = int(table["label"].min()), int(table["label"].max())
            if low < 0 or high >= len(self.classes):
                raise DatasetError(
                    f"dataset '{self.name}': labels run from {low} to {high}, "
                    f"there are {len(self.classes)} classes"
                )
        # Plain arrays: indexing a table by row costs more than copying a clip.
        self._start = table["start"].to_numpy(np.int64)
        self._frames = table["frames"].to_numpy(np.int64)
        self._bodies = table["bodies"].to_numpy(np.int64)

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def max_bodies(self) -> int:
        """M, the largest number of bodies in a clip."""
        return int(self._bodies.max()) if len(self) else 1

    @property
    def labels(self) -> np.ndarray:
        """int64 (n,): the label of every clip."""
        return self.samples["label"].to_numpy(np.int64)

    def clip(self, i: int, first: int = 0, last: int | None = None) -> np.ndarray:
        """float32 (T, M, V, 3) of clip `i`, in the dataset's unit; absent bodies are zero.

        With `first` and `last` only these of its frames are read, the last one not included.
        """
        start, frames, bodies = self._start[i], self._frames[i], self._bodies[i]
        first, last, _ = slice(first, last).indices(frames)
        begin, frames = start + first * bodies, max(last - first, 0)
        stored = np.asarray(self.rows[begin : begin + frames * bodies], np.float32)
        stored = stored.reshape(frames, bodies, *self.rows.shape[1:])
        if bodies == self.max_bodies:
            return stored
        clip = np.zeros((frames, self.max_bodies, *self.rows.shape[1:]), np.float32)
        clip[:, :bodies] = stored
        return clip

    def folds(self, protocol: str) -> Iterator[Fold]:
        """Yields the (train, validation, test) index arrays of a protocol's folds."""
        yield from self.protocols[self.check_protocol(protocol)](self.samples)

    def check_protocol(self, protocol: str) -> str:
        """The protocol's own name, or a DatasetError that lists the right ones."""
        try:
            return protocol_name(protocol, self.protocols, of=self.name)
        except UnknownNameError as error:
            raise DatasetError(str(error)) from None


class SkippedFile(NamedTuple):
    """One file (or clip) that was left out: its path with a line number if known, and why."""

    where: str
    why: str


@dataclass
class ReadReport:
    """What a reader kept and what it left out.

    With `strict`, the first thing left out stops the reading with a DatasetError instead. Of one
    file no more than `LISTED` bad places are listed, the last with a remark that there are more.
    """

    strict: bool = False
    skipped: list[SkippedFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _places: Counter[str] = field(default_factory=Counter)

    def skip(self, where: str | Path, why: str) -> None:
        """Records what was left out, or stops with `strict`."""
        if self.strict:
            raise DatasetError(f"{where}: {why}")
        file = re.sub(r":\d+$", "", str(where))
        self._places[file] += 1
        if self._places[file] > LISTED:
            return
        if self._places[file] == LISTED:
            why += " (further bad places in this file are not listed)"
        self.skipped.append(SkippedFile(str(where), why))

    def note(self, text: str) -> None:
        """Records a remark about the data as a whole (a count that differs, say)."""
        self.notes.append(text)

    def expect(self, what: str, found: int, published: int) -> None:
        """Notes a count that differs from the published one."""
        if found != published:
            self.note(f"{what}: {found} found, {published} published")
