"""Labels of one's own clips, from `labels.csv` or from the folders that the clips are in.

labels.csv      file,label and optionally subject, view, split, and start, end (frames) or
                start_s, end_s (seconds): one line per clip or segment of a recording
wave/*.npy      without labels.csv, the folder's name is the label; also train/wave, test/wave
"""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from keras_skeleton.datasets.dataset import ReadReport
from keras_skeleton.datasets.formats.clip_file import ClipError
from keras_skeleton.datasets.formats.openpose import is_clip_folder
from keras_skeleton.datasets.formats.skeleton_toml import FILE as SKELETON
from keras_skeleton.datasets.own_files import SUFFIXES, FoundClip, labels_file, walk_clips
from keras_skeleton.utils.errors import DatasetError
from keras_skeleton.utils.files import FileError, read_text
from keras_skeleton.utils.folders import not_a_file
from keras_skeleton.utils.text import from_spreadsheet_cell

MAX_BYTES = 64 << 20  # of labels.csv; a hundred thousand clips take 10 MB
_LARGER = re.compile("[0-9]{1,9}")  # hours or minutes

REQUIRED = ("file", "label")
TIMES = ("start", "end", "start_s", "end_s")
COLUMNS = (*REQUIRED, "subject", "view", "split", *TIMES)
# Other names that people give to these columns, for the note about unknown ones.
OTHER_NAMES = {
    "person": "subject", "actor": "subject", "performer": "subject", "participant": "subject",
    "subjects": "subject", "user": "subject", "subject_id": "subject", "person_id": "subject",
    "camera": "view", "cam": "view", "views": "view",
    "set": "split", "subset": "split", "partition": "split", "fold": "split", "begin": "start",
    "start_frame": "start", "end_frame": "end", "stop": "end", "start_time": "start_s",
    "end_time": "end_s", "filename": "file", "path": "file", "name": "file", "class": "label",
    "action": "label", "category": "label",
}  # fmt: skip
TRAIN, VALIDATION, TEST = "train", "val", "test"
SPLITS = {
    "train": TRAIN, "training": TRAIN, "val": VALIDATION, "valid": VALIDATION, "dev": VALIDATION,
    "validation": VALIDATION, "test": TEST, "testing": TEST,
}  # fmt: skip

NO_RATE = (
    f"the frame rate is unknown: put fps = N in {SKELETON}, where N is the frames per second of "
    "the camera; it is also the frames of a recording divided by its seconds"
)


class Row(NamedTuple):
    """One clip: a file, or a segment of a recording.

    Attributes:
        file: Path of the file relative to the folder.
        start: First frame of the segment, from 0, or a time in seconds.
        end: End of the segment (excluded); None for the end of the recording.
        seconds: Whether start and end are times.
        path: The file.
        label: The label.
        subject: Name of the subject; empty if there is no such column, as the following.
        view: Name of the view.
        split: `"train"`, `"val"` or `"test"`.
        where: The line of labels.csv, or the file.
        times: Times that stand beside frames, see `formats.annotation_table.Annotation`.
    """

    file: str
    start: float
    end: float | None
    seconds: bool
    path: Path
    label: str
    subject: str = ""
    view: str = ""
    split: str = ""
    where: str = ""
    times: tuple[float, float, float] | None = None

    @property
    def whole(self) -> bool:
        """Whether the clip is the whole file."""
        return self.start == 0 and self.end is None

    def interval(self, fps: float | None) -> tuple[int, int | None]:
        """First frame and end of the clip.

        Raises:
            ClipError: They are times, and the frame rate is unknown.
        """
        if not self.seconds:
            return int(self.start), None if self.end is None else int(self.end)
        if self.whole:
            return 0, None
        if fps is None:
            raise ClipError(f"start_s and end_s are seconds, but {NO_RATE}")
        start = round(self.start * fps)
        return start, None if self.end is None else max(round(self.end * fps), start + 1)


def order(row: Row) -> tuple[str, float, float]:
    """Sorts rows by file and start."""
    return row.file, row.start, math.inf if row.end is None else row.end


def read_labels(
    root: Path,
    report: ReadReport,
    found: Sequence[FoundClip] | None = None,
    lost: dict[str, str] | None = None,
) -> list[Row]:
    """Reads the clips listed in `labels.csv`, sorted by name; bad lines are skipped and reported.

    Args:
        root: The folder.
        report: Receives bad lines and notes.
        found: The clips in the folder; by default it is searched.
        lost: Receives the clips named in bad lines, and the first such line and what is wrong.

    Raises:
        DatasetError: The file cannot be read, or lacks a column.
    """
    path = labels_file(root)
    if path is None:
        raise DatasetError(f"{root}: has no labels.csv")
    try:
        text = read_text(path, "a list of clips", "utf-8-sig", most=MAX_BYTES)
    except FileError as error:
        raise DatasetError(str(error)) from None
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: {error}; save it as UTF-8") from None
    clips = _Clips(root, walk_clips(root) if found is None else found)
    first = text.split("\n", 1)[0]
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True
    )
    rows: list[Row] = []
    seen: dict[tuple[Path, float, float | None], int] = {}
    spellings: dict[tuple[str, str], set[str]] = defaultdict(set)
    try:
        header = _header(path, next(reader, []), report)
        for words in reader:
            where = f"{path}:{reader.line_num}"
            if not any(word.strip() for word in words):
                continue
            if len(words) != len(header):
                why = f"{len(words)} fields, expected {len(header)}"
                report.skip(where, why)
                if lost is not None:
                    at = header.index("file")
                    file = words[at] if at == 0 else ""  # fields behind the fault have moved
                    lost.setdefault(clips.name_of(file), f"{where}: {why}")
                continue
            entry = {
                column: from_spreadsheet_cell(word.strip())
                for column, word in zip(header, words, strict=True)
                if column in COLUMNS
            }
            try:
                row = _row(entry, clips, where)
            except ClipError as error:
                report.skip(where, str(error))
                if lost is not None:
                    lost.setdefault(clips.name_of(entry["file"]), f"{where}: {error}")
                continue
            key = row.path, row.start, row.end
            if key in seen:
                report.skip(where, f"{_shown(row)} is already listed in line {seen[key]}")
                continue
            seen[key] = reader.line_num
            rows.append(row)
            for column, word in zip(header, words, strict=True):
                if column in ("label", "subject", "view"):
                    spellings[column, word.strip()].add(word)
    except csv.Error as error:
        raise DatasetError(f"{path}:{reader.line_num}: {error}") from None
    for (column, text), words_of in spellings.items():
        if len(words_of) > 1:
            listed = " and ".join(f"'{word}'" for word in sorted(words_of))
            report.note(f"{column}s {listed} are read as '{text}', without the spaces around it")
    rows.sort(key=order)
    _name_overlaps(rows, report)
    return rows


def _header(path: Path, words: Sequence[str], report: ReadReport) -> list[str]:
    """The columns; a DatasetError if they cannot be used."""
    header = [column.strip().lower() for column in words]
    if missing := [column for column in REQUIRED if column not in header]:
        near = [f"'{c}' for '{OTHER_NAMES[c]}'" for c in header if OTHER_NAMES.get(c) in missing]
        raise DatasetError(
            f"{path}:1: missing columns {missing}; the first line must name the columns"
            + (f" (it has {', '.join(near)}: rename)" if near else "")
        )
    if twice := [c for c, count in Counter(header).items() if count > 1 and c in COLUMNS]:
        raise DatasetError(f"{path}:1: columns {twice} occur more than once; remove one of each")
    for frames in ("start", "end"):
        if frames in header and f"{frames}_s" in header:
            raise DatasetError(
                f"{path}:1: has both '{frames}' (frames) and '{frames}_s' (seconds); remove one"
            )
    if {"start", "end"} & set(header) and {"start_s", "end_s"} & set(header):
        raise DatasetError(f"{path}:1: 'start' and 'end' must both be frames or both seconds (_s)")
    if unknown := [column for column in header if column not in COLUMNS]:
        named = [
            f"'{column:.40}'" + (f" (rename it to '{use}'?)" if use not in (None, *header) else "")
            for column in unknown[:20]
            for use in [OTHER_NAMES.get(column)]
        ]
        report.note(
            f"{path.name}: columns that are not used: {', '.join(named)}; known are "
            f"{', '.join(COLUMNS)}"
        )
    return header


def _row(entry: Mapping[str, str], clips: _Clips, where: str) -> Row:
    """One line as a row; a ClipError says what is wrong with it."""
    needed = ("file", "label", "subject", "view", "split")
    if empty := [column for column in needed if entry.get(column) == ""]:
        raise ClipError(f"empty field {', '.join(empty)}")
    name, path = clips.locate(entry["file"])
    split = entry.get("split", "")
    if split and split.lower() not in SPLITS:
        raise ClipError(f"split '{split:.40}' is not one of {', '.join(SPLITS)}")
    seconds = "start_s" in entry or "end_s" in entry
    unit = "_s" if seconds else ""
    start, end = _number(entry, "start" + unit) or 0, _number(entry, "end" + unit)
    if end is not None and end <= start:
        raise ClipError(f"the segment ends at {end:g}, but starts at {start:g}")
    return Row(
        file=name,
        start=start,
        end=end,
        seconds=seconds,
        path=path,
        label=entry["label"],
        subject=entry.get("subject", ""),
        view=entry.get("view", ""),
        split=SPLITS[split.lower()] if split else "",
        where=where,
    )


def _number(entry: Mapping[str, str], column: str) -> float | None:
    """A frame, or a time in a column that ends in `_s`."""
    text = entry.get(column, "")
    if not text:
        return None
    *larger, last = text.split(":") if column.endswith("_s") else [text]  # 1:30 is 90 seconds
    try:
        value = float(last.replace(",", "."))
        if len(larger) > 2 or not all(_LARGER.fullmatch(part.strip()) for part in larger):
            value = math.nan
        elif larger:
            value += sum(60 * 60**i * int(part) for i, part in enumerate(reversed(larger)))
    except ValueError:
        value = math.nan
    if not 0 <= value < 1e9:
        what = "time in seconds" if column.endswith("_s") else "frame"
        raise ClipError(f"{column} '{text:.40}' is not a {what} of at least 0")
    if not column.endswith("_s") and value != int(value):
        raise ClipError(
            f"{column} '{text:.40}' is not a whole frame; for seconds, name the column {column}_s"
        )
    return value


def _name_overlaps(rows: Sequence[Row], report: ReadReport) -> None:
    """Adds a note about segments of a recording that share frames; rows are sorted."""
    found = []
    last: Row | None = None
    for row in rows:
        if last is not None and last.file != row.file:
            last = None
        if last is not None and (last.end is None or row.start < last.end):
            found.append((last, row))
        if last is None or (last.end is not None and (row.end is None or row.end > last.end)):
            last = row
    if found:
        a, b = found[0]
        report.note(
            f"{len(found)} segments overlap another one of their recording, first "
            f"{_shown(a)} and {_shown(b)} ({b.where})"
        )


def _shown(row: Row) -> str:
    if row.whole:
        return f"'{row.file}'"
    return f"'{row.file}:{row.start:g}-{'' if row.end is None else format(row.end, 'g')}'"


def _stem(name: str) -> str:
    """A file name without folder and the suffix of a clip, in lower case."""
    path = PurePosixPath(name.lower())
    return path.stem if path.suffix in SUFFIXES else path.name


class _Clips:
    """The clips of a folder by name."""

    def __init__(self, root: Path, found: Iterable[FoundClip]) -> None:
        self.root = root
        self.resolved = root.resolve()
        self.known = {clip.name: self.resolved / clip.name for clip in found if not clip.link}

    @cached_property
    def alike(self) -> dict[str, str]:
        """A clip for each file name without folder and suffix."""
        return {_stem(name): name for name in reversed(self.known)}

    def name_of(self, file: str) -> str:
        """Name of a clip; that in the list if there is none."""
        try:
            return self.locate(file)[0] if file else ""
        except ClipError:
            return file

    def locate(self, file: str) -> tuple[str, Path]:
        """Name and path of a clip listed in labels.csv.

        It must be inside the folder, or be found in a folder that a link in it leads to.
        """
        name = os.path.normpath(file.replace("\\", "/"))
        if (path := self.known.get(name)) is not None:
            return name, path
        try:
            path = (self.root / name).resolve()
            if not path.is_relative_to(self.resolved):
                raise ClipError(f"'{file:.80}' is outside the folder")
            folder = path.is_dir()
            if not folder and (why := not_a_file(path)):
                raise ClipError(f"'{file:.80}' {why}")
            if not folder and not path.is_file():
                near = self.alike.get(_stem(name))
                hint = f"; did you mean '{near}'?" if near else ""
                raise ClipError(f"'{file:.80}' does not exist{hint}")
        except (OSError, ValueError, RuntimeError) as error:  # too long, null byte, loop of links
            raise ClipError(f"'{file[:80]}' is not a valid file name: {error}") from None
        if folder and not is_clip_folder(path):
            raise ClipError(f"'{file:.80}' is a folder without files of one clip in it")
        if not folder and path.suffix.lower() not in SUFFIXES:
            raise ClipError(f"'{file:.80}': clips must be {', '.join(SUFFIXES)} files")
        return name, path


def has_times(path: Path) -> bool:
    """Whether a labels.csv has a column of times."""
    return bool(set(TIMES) & set(_columns(path)))


def has_split(path: Path) -> bool:
    """Whether a labels.csv has a column `split`."""
    return "split" in _columns(path)


def _columns(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            first = file.readline(1 << 16)
    except OSError:
        return []
    return [word.strip(' "\r\n').lower() for word in re.split("[,;\t]", first)]
