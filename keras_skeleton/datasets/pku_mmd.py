"""PKU-MMD phase 1: 51 actions in 1,076 untrimmed videos, 66 subjects, three Kinect v2.

C. Liu, Y. Hu, Y. Li, S. Song, J. Liu, "PKU-MMD: A large scale benchmark for continuous multi-modal
human action understanding", ACM Multimedia workshop, 2017.
https://github.com/ECHO960/PKU-MMD

Layout (the folders may also have the names of the archives, see `FOLDERS`):
    skeleton/XXXX-V.txt       a line a frame at 30 Hz: 2 bodies x 25 joints x (x, y, z) in metres,
                              in Kinect v2 order; zeros where there is nobody. V is L, M or R:
                              left, middle or right camera (`view` 1, 2 or 3)
    label/XXXX-V.txt          a line an action: class (1 to 51), start, end, confidence, with commas
                              or spaces between them. Frames count from 0, the end is not included
    split/cross-subject.txt   line 2 has the training videos, line 4 the validation videos, with
    split/cross-view.txt      commas between them

This layout is from documentation and from public code that reads it; the reader was not run on
the full download. A few labels of the release have their start after their end: these two are
exchanged.

The store holds each video once, (T, m, 25, 3); m is 1 where nobody is second in the whole video. A
clip is a part of it. Reader option `clips`:
    trimmed     a clip an annotated action, for recognition: 21,545 by the release's readme
    untrimmed   a clip a whole video, for detection; its label is 0 and means nothing
Either way `dataset.intervals` has all annotated actions, and the samples' column `video` says to
which of its rows a clip belongs. Who acts in a video is not told: `subject` is 0.

Protocols (validation holds out 16 sequences, with all of their views):
    cs    the videos of 57 of 66 subjects train     944 and 132 videos
    cv    the middle and right cameras train        717 and 359 videos
Both are read from the release's split files; the counts of videos are from memory.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from keras_skeleton.datasets.dataset import ReadReport
from keras_skeleton.datasets.formats.name_list import read_names
from keras_skeleton.datasets.protocols import NEITHER, TEST, TRAIN, group_holdout, listed
from keras_skeleton.datasets.source import Source
from keras_skeleton.datasets.store import StoreWriter
from keras_skeleton.utils.errors import DatasetError
from keras_skeleton.utils.files import read_text

CLASSES = read_names("pku_mmd_classes.txt")
NAME = re.compile(r"(\d{4})-([LMR])")
VIEWS = "LMR"
BODIES, JOINTS = 2, 25
NUMBERS = BODIES * JOINTS * 3
VIDEOS = 1076
SPLIT_FILES = {"cs": "cross-subject.txt", "cv": "cross-view.txt"}
SPLIT_VIDEOS = {"cs": (944, 132), "cv": (717, 359)}
CLIPS = ("trimmed", "untrimmed")
# Of a recording; the release's take four minutes, 10 MB, but streams of an hour are read, too.
MAX_BYTES, MAX_FRAMES = 256 << 20, 250_000

# Where the files may lie, first in the simplest layout, then as the archives unpack.
FOLDERS = {
    "skeleton": ("skeleton", "Data/PKU_Skeleton_Renew", "PKU_Skeleton_Renew", "Data"),
    "label": ("label", "Label/Train_Label_PKU_final", "Train_Label_PKU_final", "Label"),
    "split": ("split", "Split", "."),
}

LAYOUT = """\
PKU-MMD phase 1: download the skeletons, the labels and the splits by the links in
https://github.com/ECHO960/PKU-MMD and unpack them so that there is
  PATH/skeleton/0002-L.txt ...          (1,076 files; or PATH/Data/PKU_Skeleton_Renew)
  PATH/label/0002-L.txt ...             (1,076 files; or PATH/Label/Train_Label_PKU_final)
  PATH/split/cross-subject.txt, PATH/split/cross-view.txt     (or PATH/Split)
then give --data-dir PATH."""


class Interval(NamedTuple):
    """One annotated action: frames `start` to `end` - 1 of a video, counted from 0."""

    label: int
    start: int
    end: int
    line: int


def files_in(root: Path, kind: str) -> dict[str, Path]:
    """The skeleton or label files by video, sorted; of the first folder that has any."""
    for name in FOLDERS[kind]:
        if (root / name).is_dir():
            files = [p for p in sorted((root / name).iterdir()) if NAME.fullmatch(p.stem)]
            if files := [p for p in files if p.suffix in (".txt", f".{kind}")]:
                return {path.stem: path for path in files}
    return {}


def split_file(root: Path, protocol: str) -> Path | None:
    """The file that says which videos train in that protocol."""
    paths = [root / folder / SPLIT_FILES[protocol] for folder in FOLDERS["split"]]
    return next((path for path in paths if path.is_file()), None)


def find_files(root: Path) -> list[Path]:
    """Everything that is read: skeletons, labels and splits; empty without skeletons."""
    skeletons = files_in(root, "skeleton")
    if not skeletons:
        return []
    splits = [path for name in SPLIT_FILES if (path := split_file(root, name)) is not None]
    return [*skeletons.values(), *files_in(root, "label").values(), *splits]


def read_frames(path: Path, report: ReadReport) -> np.ndarray:
    """float32 (T, 2, 25, 3) in metres.

    A bad line is reported with its number and gives a frame without bodies, so that the frames
    after it keep their numbers.
    """
    text = read_text(path, "a recording", "ascii", "replace", MAX_BYTES, MAX_FRAMES)
    lines = [line for line in text.split("\n") if line and not line.isspace()]
    if not lines:
        return np.zeros((0, BODIES, JOINTS, 3), np.float32)
    try:
        frames = np.loadtxt(lines, np.float64, comments=None, ndmin=2)
    except ValueError:
        frames = np.zeros((0, 0))
    if frames.shape != (len(lines), NUMBERS) or not (np.abs(frames) < 1e9).all():
        frames = _read_lines(text, path, report)
    return frames.astype(np.float32).reshape(-1, BODIES, JOINTS, 3)


def _read_lines(content: str, path: Path, report: ReadReport) -> np.ndarray:
    """The same line by line, for files in which one is bad."""
    frames = []
    for line, text in enumerate(content.split("\n"), start=1):
        if not (words := text.split()):
            continue
        values = np.zeros(NUMBERS)
        try:
            given = np.array(words, np.float64)
        except ValueError:
            given = np.array([np.nan])
        if len(words) != NUMBERS:
            report.skip(
                f"{path}:{line}",
                f"{len(words)} numbers, expected {NUMBERS} (2 bodies x 25 x x y z)",
            )
        elif not (np.abs(given) < 1e9).all():  # False for NaN, too
            report.skip(f"{path}:{line}", "holds something that is not a number in metres")
        else:
            values = given
        frames.append(values)
    return np.stack(frames)


def read_intervals(path: Path, frames: int, report: ReadReport) -> list[Interval]:
    """The annotated actions of a video of that many frames; bad lines are reported."""
    intervals = []
    content = read_text(path, "a video's labels", "ascii", "replace")
    for line, text in enumerate(content.split("\n"), start=1):
        where = f"{path}:{line}"
        words = text.replace(",", " ").split()
        if not words:
            continue
        if len(words) not in (3, 4) or not all(re.fullmatch(r"\d{1,9}", word) for word in words):
            report.skip(where, f"'{text.strip():.60}' is not 'class,start,end,confidence'")
            continue
        number, start, end = map(int, words[:3])
        if start > end:
            start, end = end, start
            report.note(f"{where}: start and end are exchanged: {end} and {start}")
        if not 1 <= number <= len(CLASSES):
            report.skip(where, f"there is no class {number}: they are 1 to {len(CLASSES)}")
        elif start >= min(end, frames):
            report.skip(where, f"has no frame: {start} to {end} of {frames}")
        else:
            if end > frames:
                report.note(f"{where}: ends at {end}, the video has {frames} frames")
            intervals.append(Interval(number - 1, start, min(end, frames), line))
    return intervals


def read_split(path: Path, report: ReadReport) -> dict[str, int]:
    """Maps the videos of a split file to TRAIN or TEST; bad entries are reported."""
    lines = read_text(path, "a list of videos", "ascii", "replace").split("\n")
    members: dict[str, int] = {}
    for line, part in ((2, TRAIN), (4, TEST)):
        if line > len(lines):
            report.skip(f"{path}:{line}", "is missing: lines 2 and 4 name videos")
            continue
        for entry in filter(None, re.split(r"[,\s]+", lines[line - 1])):
            video = entry.removesuffix(".txt")
            if not NAME.fullmatch(video):
                report.skip(f"{path}:{line}", f"'{entry:.60}' is not a video like 0002-L")
            elif members.setdefault(video, part) != part:
                report.skip(f"{path}:{line}", f"{video} is named in line 2, too: it trains")
    return members


def read(root: Path, writer: StoreWriter, clips: str = "trimmed") -> None:
    """Adds the videos in the order of their names, and their clips."""
    if clips not in CLIPS:
        raise DatasetError(f"clips='{clips}' is not known; choose one of {', '.join(CLIPS)}")
    report = writer.report
    skeletons, labels = files_in(root, "skeleton"), files_in(root, "label")
    for video in sorted(labels.keys() - skeletons.keys()):
        report.skip(labels[video], "there is no skeleton file for it")
    splits = {}
    for protocol in SPLIT_FILES:
        path = split_file(root, protocol)
        if path is None:
            report.note(f"{SPLIT_FILES[protocol]} is not there: no protocol '{protocol}'")
        splits[protocol] = read_split(path, report) if path else {}

    videos, actions = 0, 0
    for video, path in skeletons.items():
        if video not in labels:
            report.skip(path, "there is no label file for it")
            continue
        try:
            frames = read_frames(path, report)
            intervals = read_intervals(labels[video], len(frames), report)
        except OSError as error:
            report.skip(error.filename or path, error.strerror or str(error))
            continue
        if not frames.any():
            report.skip(path, f"no skeleton in any of its {len(frames)} frames")
            continue
        bodies = BODIES if frames[:, 1].any() else 1
        row = writer.add_rows(frames[:, :bodies])
        sequence, view = video.split("-")
        columns: dict[str, Any] = {
            "view": VIEWS.index(view) + 1,
            "bodies": bodies,
            "video": video,
            "sequence": int(sequence),
            **{protocol: part.get(video, NEITHER) for protocol, part in splits.items()},
        }
        for interval in intervals:
            writer.add_interval(video, interval.label, interval.start, interval.end)
            if clips == "trimmed":
                writer.add_sample(
                    name=f"{video}_{interval.line:02d}",
                    label=interval.label,
                    start=row + interval.start * bodies,
                    frames=interval.end - interval.start,
                    **columns,
                )
        if clips == "untrimmed":
            writer.add_sample(name=video, label=0, start=row, frames=len(frames), **columns)
        videos += 1
        actions += len(intervals)
    report.expect("videos", videos, VIDEOS)
    report.expect("annotated actions", actions, PKU_MMD.clips)
    for protocol, members in splits.items():
        if members:
            parts = [list(members.values()).count(part) for part in (TRAIN, TEST)]
            for what, found, known in zip(
                ("training", "validation"), parts, SPLIT_VIDEOS[protocol], strict=True
            ):
                report.expect(f"{what} videos of {protocol}", found, known)


def _absent(column: str) -> str:
    return (
        f"'{column}' needs {SPLIT_FILES[column]}, which was not there or names no video that is, "
        f"when the store was made.\n{LAYOUT}"
    )


PROTOCOLS = {
    name: listed(name, group_holdout("sequence", groups=16), _absent(name)) for name in SPLIT_FILES
}

PKU_MMD = Source(
    name="pku_mmd",
    title="PKU-MMD phase 1 (Liu et al., 2017)",
    skeleton="kinect_v2",
    classes=CLASSES,
    protocols=PROTOCOLS,
    files=find_files,
    read=read,
    layout=LAYOUT,
    clips=21_545,
    options={"clips": "trimmed"},
)

SOURCES = {"pku_mmd": PKU_MMD}
