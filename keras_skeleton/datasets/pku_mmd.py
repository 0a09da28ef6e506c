"""PKU-MMD phase 1: 51 actions in 1,076 untrimmed videos, 66 subjects, three Kinect v2.

C. Liu, Y. Hu, Y. Li, S. Song, J. Liu, "PKU-MMD: A large scale benchmark for continuous multi-modal
human action understanding", ACM Multimedia workshop, 2017.
https://github.com/ECHO960/PKU-MMD

Layout (the folders may also have the names of the archives, see `FOLDERS`):
    skeleton/XXXX-V.txt       a line per frame at 30 Hz: 2 bodies x 25 joints x (x, y, z) in meters,
                              in Kinect v2 order; zeros for absent bodies. V is L, M or R: left,
                              middle or right camera (`view` 1, 2 or 3)
    label/XXXX-V.txt          a line per action: class (1 to 51), start, end, confidence, separated
                              by commas or spaces. Frames are counted from 0, the end is excluded
    split/cross-subject.txt   line 2 lists the training videos, line 4 the validation videos,
    split/cross-view.txt      separated by commas

This layout is from documentation and from public code that reads it; the reader was not tested on
the full download. In a few labels of the release the start is after the end; they are swapped.

The store contains each video once, (T, m, 25, 3), where m is 1 if there is no second body in the
whole video. A clip is a part of a video. Reader option `clips`:
    trimmed     (default) one clip per annotated action, for recognition: 21,545 clips according to
                the release's readme
    untrimmed   one clip per video, for detection; its label is 0 and has no meaning
In both cases, `dataset.intervals` has all annotated actions, and the column `video` of the samples
refers to its column of the same name. The subjects of the videos are not published: `subject` is 0.

Protocols (numbers of training and test videos):
    cs    train on the videos of 57 of 66 subjects     944 and 132
    cv    train on the middle and right cameras        717 and 359
Both are read from the release's split files; the numbers of videos were not verified. Validation
holds out 16 sequences with all of their views.
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
# Limits of a recording. Those of the release have four minutes (10 MB); an hour is also supported.
MAX_BYTES, MAX_FRAMES = 256 << 20, 250_000

# Folders of the files, in the simplest layout and as unpacked from the archives.
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
    """An annotated action, the frames `start` to `end` - 1 of a video, counted from 0."""

    label: int
    start: int
    end: int
    line: int


def files_in(root: Path, kind: str) -> dict[str, Path]:
    """The skeleton or label files by video, sorted, from the first folder that has any."""
    for name in FOLDERS[kind]:
        if (root / name).is_dir():
            files = [p for p in sorted((root / name).iterdir()) if NAME.fullmatch(p.stem)]
            if files := [p for p in files if p.suffix in (".txt", f".{kind}")]:
                return {path.stem: path for path in files}
    return {}


def split_file(root: Path, protocol: str) -> Path | None:
    """The split file of a protocol."""
    paths = [root / folder / SPLIT_FILES[protocol] for folder in FOLDERS["split"]]
    return next((path for path in paths if path.is_file()), None)


def find_files(root: Path) -> list[Path]:
    """All skeleton, label and split files; empty without skeletons."""
    skeletons = files_in(root, "skeleton")
    if not skeletons:
        return []
    splits = [path for name in SPLIT_FILES if (path := split_file(root, name)) is not None]
    return [*skeletons.values(), *files_in(root, "label").values(), *splits]


def read_frames(path: Path, report: ReadReport) -> np.ndarray:
    """Reads the frames of a video: float32 (T, 2, 25, 3) in meters.

    A bad line is reported with its number and becomes a frame without bodies, so that the numbers
    of later frames do not change.
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
    """Parses a file line by line, to find its bad lines."""
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
        elif not (np.abs(given) < 1e9).all():  # also False for NaN
            report.skip(f"{path}:{line}", "contains a value that is not a number in meters")
        else:
            values = given
        frames.append(values)
    return np.stack(frames)


def read_intervals(path: Path, frames: int, report: ReadReport) -> list[Interval]:
    """Reads the annotated actions of a video with `frames` frames; bad lines are reported."""
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
            report.note(f"{where}: start and end were swapped: {end} and {start}")
        if not 1 <= number <= len(CLASSES):
            report.skip(where, f"unknown class {number}: classes are 1 to {len(CLASSES)}")
        elif start >= min(end, frames):
            report.skip(where, f"has no frames: {start} to {end} of {frames}")
        else:
            if end > frames:
                report.note(f"{where}: ends at {end}, but the video has {frames} frames")
            intervals.append(Interval(number - 1, start, min(end, frames), line))
    return intervals


def read_split(path: Path, report: ReadReport) -> dict[str, int]:
    """Reads a split file, which maps videos to TRAIN or TEST; bad entries are reported."""
    lines = read_text(path, "a list of videos", "ascii", "replace").split("\n")
    members: dict[str, int] = {}
    for line, part in ((2, TRAIN), (4, TEST)):
        if line > len(lines):
            report.skip(f"{path}:{line}", "is missing: lines 2 and 4 must list videos")
            continue
        for entry in filter(None, re.split(r"[,\s]+", lines[line - 1])):
            video = entry.removesuffix(".txt")
            if not NAME.fullmatch(video):
                report.skip(f"{path}:{line}", f"'{entry:.60}' is not a video like 0002-L")
            elif members.setdefault(video, part) != part:
                report.skip(f"{path}:{line}", f"{video} is also in line 2; used for training")
    return members


def read(root: Path, writer: StoreWriter, clips: str = "trimmed") -> None:
    """Adds the videos in order of their names, and their clips."""
    if clips not in CLIPS:
        raise DatasetError(f"clips='{clips}' is unknown; choose one of {', '.join(CLIPS)}")
    report = writer.report
    skeletons, labels = files_in(root, "skeleton"), files_in(root, "label")
    for video in sorted(labels.keys() - skeletons.keys()):
        report.skip(labels[video], "has no skeleton file")
    splits = {}
    for protocol in SPLIT_FILES:
        path = split_file(root, protocol)
        if path is None:
            report.note(f"{SPLIT_FILES[protocol]} is missing: no protocol '{protocol}'")
        splits[protocol] = read_split(path, report) if path else {}

    videos, actions = 0, 0
    for video, path in skeletons.items():
        if video not in labels:
            report.skip(path, "has no label file")
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
        f"'{column}' needs {SPLIT_FILES[column]}, which was missing or listed none of the videos "
        f"when the store was prepared.\n{LAYOUT}"
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
