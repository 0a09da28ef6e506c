"""`SkeletonDataset`: the frames of all clips, a table of clips, and protocols that split them.

Every reader in this folder produces a `SkeletonDataset`, and the rest of the package uses it. This
module is independent of file formats.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from keras_skeleton.datasets.content import content_of
from keras_skeleton.skeletons import Skeleton
from keras_skeleton.utils.errors import DatasetError, UnknownNameError

# One row per clip. `start` is an index into `SkeletonDataset.rows`, `frames` is T and `bodies` is M
# of the clip as stored. A column is 0 if a dataset does not provide it.
SAMPLE_COLUMNS = (
    "name", "label", "subject", "view", "setup", "repetition", "start", "frames", "bodies",
)  # fmt: skip

# One row per annotated action of an untrimmed video: frames `start` to `end` - 1, counted from 0.
# `video` is a value of the column `video` of the samples.
INTERVAL_COLUMNS = ("video", "label", "start", "end")


LISTED = 1000  # most errors listed per file, to limit the memory used for a bad file
SHOWN = 5  # skipped items that are named in the console; the manifest lists all


class Fold(NamedTuple):
    """One split of a dataset into training, validation and test clips.

    Attributes:
        train: int (n,), indices of the training clips in `SkeletonDataset.samples`.
        validation: int (n,), those of the validation clips.
        test: int (n,), those of the test clips. The three sets are disjoint.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.datasets.dataset import Fold
        >>> fold = Fold(np.array([0, 1]), np.array([2]), np.array([3]))
        >>> fold.test
        array([3])
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


# Common names of the cross-subject, cross-view and cross-setup protocols.
PROTOCOL_ALIASES = {"xsub": ("cs", "csub"), "xview": ("cv",), "xset": ("cset",)}


def protocol_name(name: str, known: Collection[str], of: str) -> str:
    """Resolves aliases of a protocol to the dataset's own name.

    Args:
        name: Name or alias.
        known: The dataset's protocols.
        of: The dataset's name, for the error message.

    Raises:
        UnknownNameError: The dataset has no such protocol.

    Example:
        >>> from keras_skeleton.datasets.dataset import protocol_name
        >>> protocol_name("xsub", ["csub", "cset"], of="ntu120")
        'csub'
    """
    for own in (name, *PROTOCOL_ALIASES.get(name, ())):
        if own in known:
            return own
    raise UnknownNameError("protocol", name, known, of=of)


# A protocol maps the table of samples to its folds, always in the same order.
Protocol = Callable[[pd.DataFrame], Iterator[Fold]]


@dataclass
class SkeletonDataset:
    """A dataset of skeleton clips.

    Attributes:
        name: Name of the dataset, such as `"ntu"`.
        skeleton: The joint layout.
        classes: The C class names; a label is an index into them.
        rows: float32 (R, V, 3), all bodies of all frames, in the dataset's unit; usually a memory
            map. A clip of T frames and m bodies is T * m consecutive rows, ordered by frame, then
            by body.
        samples: Table with one row per clip and at least the columns name, label, subject, view,
            setup, repetition, start, frames and bodies. Clips may share rows.
        protocols: Maps a protocol's name to the function that splits `samples`.
        extras: Further arrays with one row per clip, such as the ground truth of the synthetic
            dataset.
        info: The manifest of the store from which the dataset was opened.
        intervals: Annotated actions of untrimmed videos, with the columns video, label, start and
            end (frames, the end excluded); empty if there are none. It is the same whether the
            samples are clips or whole videos.

    Raises:
        DatasetError: Columns are missing, or the arrays do not fit together.

    Example:
        >>> import numpy as np
        >>> import pandas as pd
        >>> from keras_skeleton import SkeletonDataset
        >>> from keras_skeleton.skeletons import get_skeleton
        >>> samples = pd.DataFrame({
        ...     "name": ["clip1", "clip2"], "label": [0, 1], "subject": [1, 2], "view": 1,
        ...     "setup": 1, "repetition": 1, "start": [0, 30], "frames": 30, "bodies": 1})
        >>> rows = np.zeros((60, 25, 3), np.float32)
        >>> dataset = SkeletonDataset(
        ...     "toy", get_skeleton("kinect_v2"), ("wave", "nod"), rows, samples, protocols={})
        >>> len(dataset), dataset.clip(1).shape
        (2, (30, 1, 25, 3))
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
            raise DatasetError(f"dataset '{self.name}': missing columns in samples: {missing}")
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
                    f"dataset '{self.name}': clips extend to row {end} of {len(self.rows)}"
                )
            low, high = int(table["label"].min()), int(table["label"].max())
            if low < 0 or high >= len(self.classes):
                raise DatasetError(
                    f"dataset '{self.name}': labels range from {low} to {high}, "
                    f"but there are {len(self.classes)} classes"
                )
        # Plain arrays, because indexing a table by row takes longer than copying a clip.
        self._start = table["start"].to_numpy(np.int64)
        self._frames = table["frames"].to_numpy(np.int64)
        self._bodies = table["bodies"].to_numpy(np.int64)

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def max_bodies(self) -> int:
        """The largest number of bodies M in a clip."""
        return int(self._bodies.max()) if len(self) else 1

    @property
    def fingerprint(self) -> str | None:
        """SHA-256 over the stored clips, labels and splits; None for a dataset without a store."""
        files = self.info.get("files")
        if not files:
            return None
        text = "".join(f"{name} {files[name]['sha256']}\n" for name in sorted(files))
        return hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def content(self) -> dict[str, int | str]:
        """Numbers of clips and frames, and hashes of the rows and of the table of clips."""
        return content_of(self.rows, self.samples, self.info)

    @property
    def labels(self) -> np.ndarray:
        """The labels of all clips, int64 (n,)."""
        return self.samples["label"].to_numpy(np.int64)

    def clip(self, i: int, first: int = 0, last: int | None = None) -> np.ndarray:
        """Reads a clip: float32 (T, M, V, 3) in the dataset's unit; absent bodies are zero.

        Args:
            i: Index of the clip in `samples`.
            first: First frame to read.
            last: End of the frames to read (excluded); by default the end of the clip.
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
        """Yields the folds of a protocol.

        Args:
            protocol: Name or alias of the protocol.

        Raises:
            DatasetError: There is no such protocol, or the clips cannot be split by it.
        """
        yield from self.protocols[self.check_protocol(protocol)](self.samples)

    def check_protocol(self, protocol: str) -> str:
        """Returns the protocol's own name; a DatasetError lists the known ones."""
        try:
            return protocol_name(protocol, self.protocols, of=self.name)
        except UnknownNameError as error:
            raise DatasetError(str(error)) from None


class SkippedFile(NamedTuple):
    """A file or clip that was skipped: its path, with a line number if known, and the reason."""

    where: str
    why: str


def first_skipped(skipped: Sequence[Sequence[str]]) -> list[str]:
    """Lines about the first of the skipped items, each a place and a reason.

    Example:
        >>> from keras_skeleton.datasets.dataset import first_skipped
        >>> first_skipped([("a.npy", "is empty")])
        ['  a.npy: is empty']
    """
    lines = [f"  {where}: {why}" for where, why in skipped[:SHOWN]]
    more = [f"  and {len(skipped) - SHOWN} more"] if len(skipped) > SHOWN else []
    return lines + more


@dataclass
class ReadReport:
    """Collects the items that a reader skips, and its notes about the data.

    Attributes:
        strict: Raise a DatasetError instead of skipping an item.
        skipped: The skipped items; at most 1,000 per file are listed.
        notes: Remarks about the dataset.
        published: Counts that differ from the published ones, in words.

    Example:
        >>> from keras_skeleton.datasets.dataset import ReadReport
        >>> report = ReadReport()
        >>> report.skip("clips/a.txt:12", "3 numbers, expected 75")
        >>> report.skipped[0].why
        '3 numbers, expected 75'
    """

    strict: bool = False
    skipped: list[SkippedFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    published: list[str] = field(default_factory=list)
    _places: Counter[str] = field(default_factory=Counter)

    def skip(self, where: str | Path, why: str) -> None:
        """Records a skipped item; with `strict` raises a DatasetError."""
        if self.strict:
            raise DatasetError(f"{where}: {why}")
        file = re.sub(r":\d+$", "", str(where))
        self._places[file] += 1
        if self._places[file] > LISTED:
            return
        if self._places[file] == LISTED:
            why += " (further errors in this file are not listed)"
        self.skipped.append(SkippedFile(str(where), why))

    def first(self) -> list[str]:
        """Lines for people about the first skipped items, and how many more there are."""
        return first_skipped([(item.where, item.why) for item in self.skipped])

    def note(self, text: str) -> None:
        """Records a remark about the dataset."""
        self.notes.append(text)

    def expect(self, what: str, found: int, published: int) -> None:
        """Adds a note if a count differs from the published one."""
        if found != published:
            text = f"{what}: {found} found, {published} published"
            self.published.append(text)
            self.note(text)
