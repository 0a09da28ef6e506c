"""UESTC RGB-D varying-view: 40 exercises, 118 subjects, 8 fixed views and a moving one.

Y. Ji, F. Xu, Y. Yang, F. Shen, H. T. Shen, W.-S. Zheng, "A large-scale RGB-D database for
arbitrary-view human action recognition", ACM Multimedia 2018.
https://github.com/HRI-UESTC/CFM-HRI-RGB-D-action-database

Layout (one of the folders is sufficient; for clips in both, the .mat file is read):
    mat_from_skeleton/aA_dD_pP_cC_skeleton.mat   'v', T x 75, or, as written by the release's own
                                                 script, 'skel', T x 25 x 3
    skeleton/aA_dD_pP_cC_skeleton.txt            a frame is a line '#' and three lines per joint:
                                                 'x y z 0', then its pixels in the color image
                                                 'x y 1' and in the depth image 'x y 2'
A text file without '#' is read as one line of 75 numbers per frame.

A is the action, 0 to 39. P is the subject, 1 to 118, with two or three digits. C is 1 for the front
camera and 2 for the other one, which is in one of seven directions D = 1 to 7, or moves around the
subject, D = 8. Both record simultaneously. With a third camera on the opposite side, the front
clips of D = 1, 2 and 3 occur again as those of D = 7, 6 and 5.

This layout is from documentation and from public code that reads it; the reader was not tested on
the full download. Clip: (T, 1, 25, 3) in meters at 30 Hz, in Kinect v2 order; 25,600 clips of three
repetitions, about 6 s, or a minute with D = 8. Column `view`: 0 is the front (all clips with
C = 1), 1 to 7 are the fixed directions, 8 is the moving camera. Column `setup`: D.

Protocols:
    cs     train on 51 subjects, test on the other 67: 11,360 and 14,240 clips; validation holds out
           5 subjects
    cv1    cross-view I, 8 folds: train on one fixed view, test on the seven others
    cv2    cross-view II: train on views 1, 3, 5 and 7; test on 0, 2, 4 and 6
    cv2r   cross-view II with training and test views swapped
The papers of this package do not define the two cross-view protocols. They are implemented as in
the public code of Varol et al. (IJCV 2021), which trains on odd views and tests on even ones,
including the front. It is our choice that the single score of CSTA-CNN ("CVII") is `cv2` rather
than `cv2r` or their mean, and that all copies of the front view are used. View 8 is not used in
cross-view protocols. Their validation holds out a twentieth of the pairs of action and subject.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from keras_skeleton.datasets.dataset import Fold, Protocol, ReadReport
from keras_skeleton.datasets.formats.mat_file import MatFileError, read_array
from keras_skeleton.datasets.formats.name_list import read_names
from keras_skeleton.datasets.protocols import group_holdout, split, train_on
from keras_skeleton.datasets.source import Source
from keras_skeleton.datasets.store import StoreWriter
from keras_skeleton.utils.files import read_text, reason

CLASSES = read_names("uestc_classes.txt")
NAME = re.compile(r"a(\d{1,2})_d([1-8])_p(\d{2,3})_c([12])(?:_skeleton|_skl)?")
SUBJECTS = 118
JOINTS = 25
FRONT, ROUND = 0, 8

CS_SUBJECTS = (
    1, 2, 6, 12, 13, 16, 21, 24, 28, 29, 30, 31, 33, 35, 39, 41, 42, 45, 47, 50, 52, 54, 55, 57,
    59, 61, 63, 64, 67, 69, 70, 71, 73, 77, 81, 84, 86, 87, 88, 90, 91, 93, 96, 99, 102, 103, 104,
    107, 108, 112, 113,
)  # fmt: skip
CS_CLIPS = (11_360, 14_240)

LAYOUT = """\
UESTC RGB-D varying-view: ask the authors for access as described at
https://github.com/HRI-UESTC/CFM-HRI-RGB-D-action-database, download the skeletons, as .mat
(5.5 GB) or as .txt (11.7 GB), and unpack them so that there is
  PATH/mat_from_skeleton/a0_d1_p001_c1_skeleton.mat ...   (25,600 files), or
  PATH/skeleton/a0_d1_p001_c1_skeleton.txt ...            (25,600 files)
then give --data-dir PATH."""


def parse_name(stem: str) -> dict[str, int] | None:
    """Parses a clip's name to columns of the table of clips; None for any other name."""
    if (match := NAME.fullmatch(stem)) is None:
        return None
    action, direction, subject, camera = map(int, match.groups())
    if action >= len(CLASSES) or not 1 <= subject <= SUBJECTS:
        return None
    return {
        "label": action,
        "subject": subject,
        "view": FRONT if camera == 1 else direction,
        "setup": direction,
    }


def clip_name(stem: str) -> str:
    """The clip's name with three digits for the subject, such as `a0_d1_p001_c1`."""
    action, direction, subject, camera = stem.split("_")[:4]
    return f"{action}_{direction}_p{int(subject[1:]):03d}_{camera}"


def find_files(root: Path) -> list[Path]:
    """The files of the clips in `root` and its skeleton folders, sorted, .mat before .txt."""
    folders = [root, *sorted(p for p in root.iterdir() if re.search("skel|skl", p.name.lower()))]
    files = [
        path
        for folder in folders
        if folder.is_dir()
        for path in folder.iterdir()
        if path.suffix in (".mat", ".txt") and re.match(r"a\d+_d\d+_p\d+_c\d", path.name)
    ]
    return sorted(files, key=lambda path: (path.name, path))


def read_mat(path: Path) -> np.ndarray:
    """Reads a .mat file: float64 (T, 25, 3); raises MatFileError."""
    name, values = read_array(path, ["v", "skel"])
    if values.size and values.shape[1:] not in ((JOINTS * 3,), (JOINTS, 3)):
        raise MatFileError(
            f"'{name}' has shape {values.shape}, expected (T, {JOINTS * 3}) or (T, {JOINTS}, 3)"
        )
    return values.reshape(-1, JOINTS, 3)


def read_lines(path: Path, report: ReadReport) -> np.ndarray:
    """Reads a .txt file: float64 (T, 25, 3); bad frames are skipped and reported."""
    lines = read_text(path, "a clip", "ascii", "replace").split("\n")
    starts = [i for i, text in enumerate(lines) if text.strip().startswith("#")]
    frames = []
    if starts:
        for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
            frame = read_block(lines[start + 1 : end], f"{path}:{start + 1}", report)
            if frame is not None:
                frames.append(frame)
    else:
        for line, text in enumerate(lines, start=1):
            words = text.replace(",", " ").split()
            if not words:
                continue
            if len(words) != JOINTS * 3:
                report.skip(f"{path}:{line}", f"{len(words)} numbers, expected 75 (25 x x y z)")
                continue
            try:
                frames.append(np.array(words, np.float64).reshape(JOINTS, 3))
            except ValueError:
                report.skip(f"{path}:{line}", "contains a value that is not a number")
    return np.stack(frames) if frames else np.zeros((0, JOINTS, 3))


def read_block(lines: Sequence[str], where: str, report: ReadReport) -> np.ndarray | None:
    """Parses the lines after a '#' at `where`: float64 (25, 3); None if they are bad."""
    rows = [text.replace(",", " ").split() for text in lines if text.strip()]
    if len(rows) != JOINTS * 3:
        report.skip(where, f"{len(rows)} lines in this frame, expected 75 (3 per joint)")
        return None
    points = rows[::3]
    if any(len(point) != 4 or point[3] != "0" for point in points):
        report.skip(where, "a joint of this frame does not begin with a line 'x y z 0'")
        return None
    try:
        return np.array([point[:3] for point in points], np.float64)
    except ValueError:
        report.skip(where, "this frame contains a value that is not a number")
        return None


def read_clip(path: Path, report: ReadReport) -> np.ndarray | None:
    """Reads a clip: float32 (T, 1, 25, 3) in meters; an unusable clip is reported, returns None."""
    try:
        frames = read_mat(path) if path.suffix == ".mat" else read_lines(path, report)
    except (MatFileError, OSError) as error:
        report.skip(path, reason(error))
        return None
    usable = (np.abs(frames) < 1e9).all(axis=(1, 2))  # also False for NaN
    if not usable.all():
        first = int(np.argmin(usable)) + 1
        report.skip(path, f"frame {first} contains NaN or a number out of range")
        return None
    if not frames.any():
        report.skip(path, f"no skeleton in any of its {len(frames)} frames")
        return None
    return frames.astype(np.float32)[:, None]


def read(root: Path, writer: StoreWriter) -> None:
    """Adds the clips in order of their names."""
    files: dict[str, Path] = {}
    for path in find_files(root):
        if parse_name(path.stem) is None:
            writer.report.skip(path, "its name is not aA_dD_pPPP_cC of a known action and subject")
        elif (name := clip_name(path.stem)) not in files:
            files[name] = path
        elif path.suffix == ".mat" or files[name].suffix == ".txt":
            writer.report.skip(path, f"is the same clip as {files[name]}")
    clips, training = 0, 0
    for name, path in files.items():
        clip = read_clip(path, writer.report)
        if clip is None:
            continue
        columns = parse_name(name) or {}
        writer.add(clip, None, name=name, **columns)
        clips += 1
        training += columns["subject"] in CS_SUBJECTS
    writer.report.expect("usable clips", clips, UESTC.clips)
    writer.report.expect("training clips of cs", training, CS_CLIPS[0])
    writer.report.expect("test clips of cs", clips - training, CS_CLIPS[1])


def views(*folds: tuple[Sequence[int], Sequence[int]]) -> Protocol:
    """A protocol with one fold per pair of (training views, test views)."""
    holdout = group_holdout(["label", "subject"], groups=80)  # of 1,600

    def protocol(samples: pd.DataFrame) -> Iterator[Fold]:
        for number, (train, test) in enumerate(folds):
            fold = split(samples, ~samples["view"].isin(train).to_numpy(), holdout, number)
            yield fold._replace(test=np.flatnonzero(samples["view"].isin(test)))

    return protocol


ODD, EVEN = (1, 3, 5, 7), (FRONT, 2, 4, 6)
PROTOCOLS = {
    "cs": train_on("subject", CS_SUBJECTS, group_holdout("subject", groups=5)),
    "cv1": views(*(([v], [w for w in range(ROUND) if w != v]) for v in range(ROUND))),
    "cv2": views((ODD, EVEN)),
    "cv2r": views((EVEN, ODD)),
}

UESTC = Source(
    name="uestc",
    title="UESTC RGB-D varying-view (Ji et al., 2018)",
    skeleton="kinect_v2",
    classes=CLASSES,
    protocols=PROTOCOLS,
    files=find_files,
    read=read,
    layout=LAYOUT,
    clips=25_600,
)

SOURCES = {"uestc": UESTC}
