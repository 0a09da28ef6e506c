"""UT-Kinect-Action3D: 10 actions, 10 subjects, each action twice, one Kinect v1.

L. Xia, C.-C. Chen, J. K. Aggarwal, "View invariant human action recognition using
histograms of 3D joints", CVPRW 2012. http://cvrc.ece.utexas.edu/KinectDatasets/HOJ3D.html

Layout:
    joints/joints_sXX_eYY.txt   a frame number, then 20 x (x, y, z) in meters, Kinect v1 order
    joints/actionLabel.txt      the name of a sequence, then ten lines 'action: start end'
    joints/actionLabel_modified.txt   the same with seven corrected intervals; used if it exists

Intervals are in frame numbers, not in rows, with both ends included. Some frame numbers are missing
or repeated; the first row of each number is kept. Clip: (T, 1, 20, 3) in meters, 5 to 110 frames
(170 with the uncorrected labels). The files are untrimmed; about half of their frames belong to no
action. 199 clips are usable: the interval of 'carry' in s10_e02 is 'NaN NaN'.

Reader option `clips`:
    trimmed     (default) one clip per action
    untrimmed   one clip per sequence, for detection; its label is 0 and has no meaning. The actions
                are in `dataset.intervals`

Protocols:
    loocv   leave one sequence out, 20 folds (Xia et al.; the MANs paper, Sec. 3.1)
    cs      train on subjects 1 to 5, test on 6 to 10
    l2so    leave two subjects out (1 and 2, 3 and 4, ...), 5 folds; our own, for detection in all
            recordings
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from keras_skeleton.datasets.dataset import Fold, ReadReport
from keras_skeleton.datasets.protocols import group_holdout, leave_one_out, split, train_on
from keras_skeleton.datasets.source import Source
from keras_skeleton.datasets.store import StoreWriter
from keras_skeleton.utils.errors import DatasetError
from keras_skeleton.utils.files import FileError, read_text, reason

CLASSES = (
    "walk", "sitDown", "standUp", "pickUp", "carry",
    "throw", "push", "pull", "waveHands", "clapHands",
)  # fmt: skip
CLIPS = ("trimmed", "untrimmed")
SEQUENCE = re.compile(r"joints_s(\d\d)_e(\d\d)\.txt")
MAX_BYTES = 64 << 20  # of a sequence; all twenty have 20 MB

LAYOUT = """\
UT-Kinect-Action3D: download the joint positions (joints.zip, about 20 MB) from
http://cvrc.ece.utexas.edu/KinectDatasets/HOJ3D.html and unpack them so that there is
  PATH/joints/joints_s01_e01.txt ... joints_s10_e02.txt   (20 files)
  PATH/joints/actionLabel.txt
then give --data-dir PATH."""


class Interval(NamedTuple):
    """An annotated action of a sequence, in frame numbers, with both ends included."""

    action: str
    start: int
    end: int
    line: int


def joints_folder(root: Path) -> Path:
    """The folder with the files: `root/joints`, or `root` itself."""
    return root / "joints" if (root / "joints").is_dir() else root


def find_files(root: Path) -> list[Path]:
    """The files of the sequences, sorted."""
    folder = joints_folder(root)
    return sorted(path for path in folder.iterdir() if SEQUENCE.fullmatch(path.name))


def label_files(root: Path) -> list[Path]:
    """The files with the intervals of all actions; the first that exists is read."""
    return [joints_folder(root) / name for name in ("actionLabel_modified.txt", "actionLabel.txt")]


def read_sequence(path: Path, report: ReadReport) -> tuple[np.ndarray, np.ndarray]:
    """Reads a sequence; bad lines are skipped and reported with their number.

    Returns:
        Frame numbers, int64 (T,), ascending, and positions, float32 (T, 1, 20, 3), in meters.
    """
    return read_rows(path, report)[:2]


def read_rows(path: Path, report: ReadReport) -> tuple[np.ndarray, np.ndarray, int]:
    """As `read_sequence`, and how many lines were left out because they repeat a frame number."""
    repeated = 0
    numbers: list[int] = []
    frames: list[np.ndarray] = []
    content = read_text(path, "a sequence", "ascii", "replace", most=MAX_BYTES)
    for line, text in enumerate(content.splitlines(), start=1):
        words = text.split()
        if not words:
            continue
        if len(words) != 61:
            report.skip(f"{path}:{line}", f"{len(words)} numbers, expected 61 (frame, 20 x x y z)")
            continue
        try:
            values = np.array(words, np.float64)
        except ValueError:
            report.skip(f"{path}:{line}", "contains a value that is not a number")
            continue
        if not (np.abs(values) < 1e9).all():  # also False for NaN
            report.skip(f"{path}:{line}", "contains NaN, infinity or a number out of range")
            continue
        number = int(values[0])
        if numbers and number <= numbers[-1]:
            if number < numbers[-1]:
                report.skip(f"{path}:{line}", f"frame {number} comes after {numbers[-1]}")
            repeated += number == numbers[-1]
            continue  # repeated numbers are normal in this dataset; the first row is kept
        numbers.append(number)
        frames.append(values[1:].reshape(1, 20, 3))
    if not frames:
        return np.zeros(0, np.int64), np.zeros((0, 1, 20, 3), np.float32), repeated
    return np.array(numbers), np.stack(frames).astype(np.float32), repeated


def read_labels(path: Path, report: ReadReport) -> dict[str, list[Interval]]:
    """Reads the annotated intervals of all sequences: `{"s01_e01": [Interval, ...]}`."""
    labels: dict[str, list[Interval]] = {}
    sequence = None
    content = read_text(path, "a file of labels", "ascii", "replace")
    for line, text in enumerate(content.splitlines(), start=1):
        text = text.strip()
        if not text:
            continue
        if re.fullmatch(r"s\d\d_e\d\d", text):
            sequence = text
            labels[sequence] = []
            continue
        match = re.fullmatch(r"(\w+):\s*(\S+)\s+(\S+)", text)
        if match is None or sequence is None:
            report.skip(
                f"{path}:{line}", f"'{text[:60]}' is neither 'sXX_eYY' nor 'action: start end'"
            )
            continue
        action, start, end = match.groups()
        if (start, end) == ("NaN", "NaN"):
            report.note(f"{path.name}:{line}: {sequence} has no interval for '{action}' (NaN)")
        elif action not in CLASSES:
            report.skip(f"{path}:{line}", f"unknown action '{action:.40}'")
        elif not re.fullmatch(r"\d{1,9} \d{1,9}", f"{start} {end}") or int(start) > int(end):
            report.skip(
                f"{path}:{line}", f"'{start:.20} {end:.20}' is not an interval of frame numbers"
            )
        else:
            labels[sequence].append(Interval(action, int(start), int(end), line))
    return labels


def sequences(
    root: Path, report: ReadReport
) -> Iterator[tuple[str, np.ndarray, np.ndarray, list[Interval]]]:
    """Yields (name, frame numbers, positions, intervals) of each untrimmed sequence."""
    folder = joints_folder(root)
    label_file = folder / "actionLabel_modified.txt"
    if not label_file.is_file():
        label_file = folder / "actionLabel.txt"
        report.note("actionLabel_modified.txt is missing: seven known wrong intervals remain")
    if not label_file.is_file():
        raise DatasetError(f"{label_file}: missing.\n{LAYOUT}")
    labels = read_labels(label_file, report)
    for path in find_files(root):
        name = path.stem.removeprefix("joints_")
        if name not in labels:
            report.skip(path, f"{label_file.name} has no entry for {name}")
            continue
        try:
            numbers, frames = read_sequence(path, report)
        except FileError as error:
            report.skip(path, reason(error))
            continue
        kept = []
        for interval in labels[name]:
            if not ((numbers >= interval.start) & (numbers <= interval.end)).any():
                report.skip(
                    f"{label_file}:{interval.line}",
                    f"{name} {interval.action}: no frame from {interval.start} to {interval.end}",
                )
            else:
                kept.append(interval)
        yield name, numbers, frames, kept


def read(root: Path, writer: StoreWriter, clips: str = "trimmed") -> None:
    """Adds the sequences, and clips as parts of them."""
    if clips not in CLIPS:
        raise DatasetError(f"clips='{clips}' is unknown; choose one of {', '.join(CLIPS)}")
    actions = 0
    for name, numbers, frames, intervals in sequences(root, writer.report):
        columns: dict[str, Any] = {
            "subject": int(name[1:3]), "view": 1, "setup": 1, "repetition": int(name[5:7]),
            "bodies": 1, "video": name,
        }  # fmt: skip
        row = writer.add_rows(frames)
        for interval in intervals:
            label = CLASSES.index(interval.action)
            start = int(np.searchsorted(numbers, interval.start))
            end = int(np.searchsorted(numbers, interval.end, side="right"))
            writer.add_interval(name, label, start, end)
            if clips == "trimmed":
                writer.add_sample(
                    name=f"{name}_{interval.action}",
                    label=label,
                    start=row + start,
                    frames=end - start,
                    **columns,
                )
        if clips == "untrimmed":
            writer.add_sample(name=name, label=0, start=row, frames=len(frames), **columns)
        actions += len(intervals)
    writer.report.expect("usable clips", actions, UT_KINECT.clips)


def count(root: Path) -> int:
    """The number of annotated intervals of the existing sequences."""
    folder = joints_folder(root)
    there = {path.stem.removeprefix("joints_") for path in find_files(root)}
    for name in ("actionLabel_modified.txt", "actionLabel.txt"):
        if (folder / name).is_file():
            labels = read_labels(folder / name, ReadReport())
            return sum(len(intervals) for key, intervals in labels.items() if key in there)
    return 0


def two_subjects_out(samples: pd.DataFrame) -> Iterator[Fold]:
    """Tests on subjects 1 and 2, then on 3 and 4, and so on, and trains on all others."""
    subject = samples["subject"].to_numpy()
    for fold, first in enumerate(range(1, 11, 2)):
        test = np.isin(subject, (first, first + 1))
        yield split(samples, test, group_holdout("subject"), fold)


_SEQUENCE_COLUMNS = ["subject", "repetition"]
PROTOCOLS = {
    "loocv": leave_one_out(_SEQUENCE_COLUMNS, group_holdout(_SEQUENCE_COLUMNS, groups=2)),
    "cs": train_on("subject", range(1, 6), group_holdout("subject")),
    "l2so": two_subjects_out,
}


UT_KINECT = Source(
    name="ut_kinect",
    title="UT-Kinect-Action3D (Xia et al., 2012)",
    skeleton="kinect_v1",
    classes=CLASSES,
    protocols=PROTOCOLS,
    files=find_files,
    read=read,
    layout=LAYOUT,
    clips=199,
    options={"clips": "trimmed"},
    further_files=label_files,
    test_clips={"loocv": (*[10] * 19, 9)},
    count=count,
)

SOURCES = {"ut_kinect": UT_KINECT}
