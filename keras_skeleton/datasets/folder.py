"""Your own clips: a folder with `labels.csv`, `skeleton.toml` and one file per clip.

    labels.csv      columns file and label, optionally subject and view
    skeleton.toml   the joints; see `formats/skeleton_toml.py`
    *.npy *.npz *.json *.csv   the clips, also in subfolders

A clip is an array (T, V, 3), or (T, M, V, 3) for M people, or (T, V, 2) for 2D poses (z = 0), or
(T, V * 3) with all joints of a frame in a row. A `.npz` file contains it as `clip`, otherwise its
first array is used. A `.json` file contains a list of frames, or an object with such a list as
`skeletons`. A `.csv` file contains one row per frame, with or without a header. Nothing is ever
unpickled. A body that is absent in a frame is all zeros or NaN. A missing joint is NaN (an empty
field in CSV, null in JSON); it is interpolated from other frames. The fraction of filled joints is
reported and stored in the column `filled` of the table of clips.

Classes are the labels in alphabetical order, or in numerical order if all are numbers. Subjects and
views that are not numbers are numbered from 1 in alphabetical order. Clips are sorted by name.

Reader option `skeleton`: a known layout or pose format that replaces the joints in skeleton.toml.

Protocols:
    cs      train on the first half of the subjects (rounded up), test on the others; without
            subjects a random split, as 'random'
    loso    leave one subject out: one fold per subject
    cv      leave one view out: one fold per view
    random  train on 70 % of each class, test on 30 %; always the same split
Validation holds out one training subject in cs and loso. In the other protocols, and if there is
only one training subject, it holds out a tenth of each class. Protocols that need two subjects or
views raise an error if there is only one.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from keras_skeleton.datasets.dataset import Fold, ReadReport
from keras_skeleton.datasets.formats.clip_file import READERS, ClipError, finish_clip, read_array
from keras_skeleton.datasets.formats.skeleton_toml import EXAMPLE, read_layout
from keras_skeleton.datasets.formats.skeleton_toml import FILE as SKELETON
from keras_skeleton.datasets.protocols import (
    group_holdout,
    leave_one_out,
    random_holdout,
    split,
    train_on,
)
from keras_skeleton.datasets.source import Source
from keras_skeleton.datasets.store import StoreWriter
from keras_skeleton.skeletons import KINECT_V2, Skeleton
from keras_skeleton.transforms.geometry import present
from keras_skeleton.utils.errors import DatasetError
from keras_skeleton.utils.files import FileError, read_text

LABELS = "labels.csv"
MAX_BYTES = 64 << 20  # of labels.csv; a hundred thousand clips take 10 MB

LAYOUT = f"""\
A folder of your own clips:
  PATH/labels.csv        file,label,subject,view   (subject and view are optional)
                         jump/ann_01.npy,jump,ann,front
  PATH/jump/ann_01.npy   (T, V, 3) or (T, M, V, 3); also .npz, .json, .csv
  PATH/skeleton.toml     the joints:
{EXAMPLE}
then give --data-dir PATH."""


# ---------------------------------------------------------------- labels.csv


class Row(NamedTuple):
    """One line of labels.csv; `subject` and `view` are '' if there is no such column."""

    name: str
    path: Path
    label: str
    subject: str
    view: str


def read_labels(root: Path, report: ReadReport) -> list[Row]:
    """Reads the clips listed in `labels.csv`, sorted by name; bad lines are skipped and reported.

    Raises:
        DatasetError: The file cannot be read.
    """
    path = root / LABELS
    try:
        text = read_text(path, "a list of clips", "utf-8-sig", most=MAX_BYTES)
    except FileError as error:
        raise DatasetError(str(error)) from None
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: {error}; save it as UTF-8") from None
    first = text.split("\n", 1)[0]
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True
    )
    rows: list[Row] = []
    seen: dict[Path, int] = {}
    try:
        header = [column.strip().lower() for column in next(reader, [])]
        if missing := [column for column in ("file", "label") if column not in header]:
            raise DatasetError(
                f"{path}:1: missing columns {missing}; the first line must name the columns"
            )
        for words in reader:
            where, words = f"{path}:{reader.line_num}", [word.strip() for word in words]
            if not any(words):
                continue
            if len(words) != len(header):
                report.skip(where, f"{len(words)} fields, expected {len(header)}")
                continue
            entry = dict(zip(header, words, strict=True))
            if empty := [c for c in ("file", "label", "subject", "view") if entry.get(c) == ""]:
                report.skip(where, f"empty field {', '.join(empty)}")
                continue
            try:
                name, clip = _locate(root, entry["file"])
            except ClipError as error:
                report.skip(where, str(error))
                continue
            if clip in seen:
                report.skip(where, f"'{name}' is already listed in line {seen[clip]}")
                continue
            seen[clip] = reader.line_num
            subject, view = entry.get("subject", ""), entry.get("view", "")
            rows.append(Row(name, clip, entry["label"], subject, view))
    except csv.Error as error:
        raise DatasetError(f"{path}:{reader.line_num}: {error}") from None
    return sorted(rows)


def _locate(root: Path, file: str) -> tuple[str, Path]:
    """Name and path of a clip listed in labels.csv, which must be inside the folder."""
    name = os.path.normpath(file.replace("\\", "/"))
    try:
        path = (root / name).resolve()
        if not path.is_relative_to(root.resolve()):
            raise ClipError(f"'{file:.80}' is outside the folder")
        if not path.is_file():
            raise ClipError(f"'{file:.80}' does not exist")
    except (OSError, ValueError, RuntimeError) as error:  # too long, a null byte, a loop of links
        raise ClipError(f"'{file[:80]}' is not a valid file name: {error}") from None
    if path.suffix.lower() not in READERS:
        raise ClipError(f"'{file:.80}': clips must be {', '.join(READERS)} files")
    return name, path


def _numbers(texts: Sequence[str], what: str, report: ReadReport) -> dict[str, int]:
    """Maps texts to numbers: their values if all are numbers, 0 for no texts, else 1, 2, ..."""
    known = sorted(set(texts))
    if known == [""]:
        return {"": 0}
    if all(re.fullmatch(r"[0-9]{1,9}", text) and int(text) for text in known):
        return {text: int(text) for text in known}
    listed = ", ".join(f"{i} = {text}" for i, text in enumerate(known[:20], start=1))
    more = f" and {len(known) - 20} more" if len(known) > 20 else ""
    report.note(f"{what} are numbered: {listed}{more}")
    return {text: i for i, text in enumerate(known, start=1)}


def _class_names(labels: Sequence[str]) -> list[str]:
    """The distinct labels, in numerical order if all are numbers, else in alphabetical order."""
    known = set(labels)
    if all(re.fullmatch(r"[0-9]{1,9}", label) for label in known):
        return sorted(known, key=lambda label: (int(label), label))
    return sorted(known)


# ---------------------------------------------------------------- the folder


def find_files(root: Path) -> list[Path]:
    """labels.csv, skeleton.toml and all files that may be clips; empty without labels.csv."""
    if not (root / LABELS).is_file():
        return []
    settings = [path for path in (root / LABELS, root / SKELETON) if path.is_file()]
    return settings + find_clips(root)


def find_clips(root: Path) -> list[Path]:
    """All files that may be clips, in the folder and its subfolders, sorted."""
    found = []
    for folder, inside, files in os.walk(root):
        inside[:] = [name for name in inside if not name.startswith(".")]
        found += [
            Path(folder, name)
            for name in files
            if not name.startswith(".") and Path(name).suffix.lower() in READERS
        ]
    return sorted(path for path in found if path != root / LABELS and path.is_file())


def read(root: Path, writer: StoreWriter, skeleton: str | None = None) -> None:
    """Adds all clips listed in labels.csv, sorted by name."""
    layout = read_layout(root, skeleton)
    report = writer.report
    rows = read_labels(root, report)
    listed = {row.path for row in rows}
    for path in find_clips(root):
        if path.resolve() not in listed:
            report.skip(path, f"not listed in {LABELS}, or in a bad line")
    classes = _class_names([row.label for row in rows])
    subjects = _numbers([row.subject for row in rows], "subjects", report)
    views = _numbers([row.view for row in rows], "views", report)
    writer.declare(layout.skeleton, classes)
    gaps = _Gaps(layout.skeleton)
    clips = np.zeros(len(classes), int)
    for row in rows:
        try:
            clip, filled = finish_clip(read_array(row.path), layout)
        except ClipError as error:
            report.skip(f"{row.path}:{error.line}" if error.line else row.path, str(error))
            continue
        label = classes.index(row.label)
        writer.add(
            clip,
            name=row.name,
            label=label,
            subject=subjects[row.subject],
            view=views[row.view],
            filled=gaps.add(row.name, clip, filled),
        )
        clips[label] += 1
    gaps.add_notes(report)
    if empty := [classes[i] for i in np.flatnonzero(clips == 0)]:
        report.note(f"classes without usable clips: {', '.join(empty)}")
    if set(subjects.values()) == {0}:
        report.note(f"{LABELS} has no subjects: protocol 'cs' is a random split")


class _Gaps:
    """Counts missing joints, which were filled."""

    def __init__(self, skeleton: Skeleton) -> None:
        self.skeleton = skeleton
        self.shares: dict[str, float] = {}
        self.never: Counter[str] = Counter()

    def add(self, name: str, clip: np.ndarray, filled: np.ndarray) -> float:
        """Counts one clip; returns the fraction of its joints that were filled (T, M, V)."""
        there = present(clip)
        share = float(filled.sum() / (there.sum() * self.skeleton.size))
        self.shares[name] = share
        never = filled.sum(axis=0) == there.sum(axis=0)[:, None]  # (M, V)
        joints = np.flatnonzero(np.any(never, axis=0))
        self.never.update(self.skeleton.joints[j] for j in joints)
        return round(share, 4)

    def add_notes(self, report: ReadReport) -> None:
        """Adds notes about filled joints to the report."""
        gaps = {name: share for name, share in self.shares.items() if share}
        if gaps:
            worst = max(gaps, key=lambda name: gaps[name])
            report.note(
                f"{len(gaps)} of {len(self.shares)} clips had missing joints, which were "
                f"interpolated from other frames (most in '{worst}': {gaps[worst]:.0%})"
            )
        if self.never:
            joints = ", ".join(f"{joint} ({n})" for joint, n in self.never.most_common(20))
            report.note(
                "joints missing in all frames of a clip were placed on the nearest known joint "
                f"(number of clips): {joints}"
            )


# ---------------------------------------------------------------- protocols


def _groups(samples: pd.DataFrame, column: str, protocol: str) -> np.ndarray:
    """The sorted subjects or views; a DatasetError if there are fewer than two."""
    groups = np.unique(samples[column].to_numpy())
    if len(groups) < 2:
        have = f"has no {column}s" if not groups.any() else f"has one {column}"
        raise DatasetError(
            f"protocol '{protocol}' needs at least two {column}s, but {LABELS} {have}; use 'random'"
        )
    return groups


def _hold_people(samples: pd.DataFrame, train: np.ndarray, fold: int) -> np.ndarray:
    """Holds out a training subject, or a tenth of each class if there is only one."""
    alone = samples["subject"].iloc[train].nunique() < 2
    holdout = random_holdout() if alone else group_holdout("subject")
    return holdout(samples, train, fold)


def cross_subject(samples: pd.DataFrame) -> Iterator[Fold]:
    """One fold that trains on the first half of the subjects; a random split without subjects."""
    if not samples["subject"].any():
        yield from random_split(samples)
        return
    people = _groups(samples, "subject", "cs")
    yield from train_on("subject", people[: (len(people) + 1) // 2], _hold_people)(samples)


def leave_subject_out(samples: pd.DataFrame) -> Iterator[Fold]:
    """One fold per subject, in order, which tests on that subject."""
    _groups(samples, "subject", "loso")
    yield from leave_one_out("subject", _hold_people)(samples)


def leave_view_out(samples: pd.DataFrame) -> Iterator[Fold]:
    """One fold per view, in order, which tests on that view."""
    _groups(samples, "view", "cv")
    yield from leave_one_out("view", random_holdout())(samples)


def random_split(samples: pd.DataFrame) -> Iterator[Fold]:
    """One fold that tests on 30 % of each class, drawn with a fixed seed."""
    test = random_holdout(0.3)(samples, np.arange(len(samples)), 0)
    yield split(samples, test, random_holdout(seed=1))


FOLDER = Source(
    name="folder",
    title="Your own clips",
    skeleton=KINECT_V2.name,  # until skeleton.toml is read
    classes=(),
    protocols={
        "cs": cross_subject,
        "loso": leave_subject_out,
        "cv": leave_view_out,
        "random": random_split,
    },
    files=find_files,
    read=read,
    layout=LAYOUT,
    clips=0,
    options={"skeleton": None},
    watch=True,
)

SOURCES = {"folder": FOLDER}
