"""SBU Kinect Interaction: 8 two-person interactions, 7 actors in 21 ordered pairs, one Kinect.

K. Yun, J. Honorio, D. Chattopadhyay, T. L. Berg, D. Samaras, "Two-person interaction detection
using body-pose features and multiple instance learning", CVPRW 2012.
https://www3.cs.stonybrook.edu/~kyun/research/kinect_interaction/index.html

Layout:
    sXXsYY/CC/NNN/skeleton_pos.txt   pair of actors, class, take; a line per frame: its number, then
                                     two people x 15 joints x (x, y, z), separated by commas

282 clips of 10 to 46 frames, 6,822 frames in total (in the public release; the papers count 230 and
6,614). Clip: (T, 2, 15, 3), people in the file's order, joints in the order of the layout 'sbu'.

The files contain x' and y' as fractions of the image, with y' pointing down, and a scaled z'.
According to the release, they are inverted by x = 1280 - 2560 x', y = 960 - 1920 y',
z = 10000 z' / 7.8125. No unit is given, but the results are consistent with millimeters along all
three axes: thighs are 426 long and shins 410 in every direction, and the distance from head to feet
is 1,425.

Reader option `units`:
    metres      x, y and z as above, divided by 1000: y up, right-handed (default). Bone lengths do
                not change when people turn, so preprocessing can rotate clips
    normalised  the numbers in the files, for comparison with work that uses them; each axis has
                its own scale, and y points down

Protocol:
    5fold   the release's five folds of whole pairs: 55, 52, 56, 54 and 65 clips. The same actors
            occur in several pairs. Validation holds out two pairs of the training folds

The column `subject` is the number of the pair in `PAIRS`, from 1; `actor1` and `actor2` are XX and
YY.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from keras_skeleton.datasets.dataset import Fold, ReadReport
from keras_skeleton.datasets.protocols import group_holdout, split
from keras_skeleton.datasets.source import Source
from keras_skeleton.datasets.store import StoreWriter
from keras_skeleton.utils.errors import DatasetError, UnknownNameError
from keras_skeleton.utils.files import read_text

CLASSES = (
    "approaching", "departing", "kicking", "pushing",
    "shaking hands", "hugging", "exchanging objects", "punching",
)  # fmt: skip
FOLDS = (
    ("s01s02", "s03s04", "s05s02", "s06s04"),
    ("s02s03", "s02s07", "s03s05", "s05s03"),
    ("s01s03", "s01s07", "s07s01", "s07s03"),
    ("s02s01", "s02s06", "s03s02", "s03s06"),
    ("s04s02", "s04s03", "s04s06", "s06s02", "s06s03"),
)
PAIRS = tuple(sorted(pair for fold in FOLDS for pair in fold))
UNITS = ("metres", "normalised")
VALUES = 1 + 2 * 15 * 3  # per line
FRAMES = 6822

LAYOUT = """\
SBU Kinect Interaction: download the 21 sets (clean version) from
https://www3.cs.stonybrook.edu/~kyun/research/kinect_interaction/index.html
and unpack them all into one folder, so that there is
  PATH/s01s02/01/001/skeleton_pos.txt ...   (21 folders of pairs, 282 files)
then give --data-dir PATH."""


def find_files(root: Path) -> list[Path]:
    """The files of the clips, sorted."""
    return sorted(root.glob("s*s*/*/*/skeleton_pos.txt"))


def read_clip(path: Path, report: ReadReport) -> np.ndarray:
    """Reads the numbers of a file, float64 (T, 2, 15, 3).

    Bad lines are skipped and reported with their number.
    """
    frames: list[np.ndarray] = []
    last = -np.inf
    content = read_text(path, "a clip", "ascii", "replace")
    for line, text in enumerate(content.splitlines(), start=1):
        if not text.strip():
            continue
        words = text.split(",")
        if len(words) != VALUES:
            report.skip(
                f"{path}:{line}", f"{len(words)} numbers, expected {VALUES} (frame, 30 x x y z)"
            )
            continue
        try:
            values = np.array(words, np.float64)
        except ValueError:
            report.skip(f"{path}:{line}", "contains a value that is not a number")
            continue
        if not (np.abs(values) < 1e9).all():  # also False for NaN
            report.skip(f"{path}:{line}", "contains NaN, infinity or a number out of range")
        elif values[0] <= last:
            report.skip(f"{path}:{line}", f"frame {values[0]:g} comes after {last:g}")
        else:
            last = values[0]
            frames.append(values[1:].reshape(2, 15, 3))
    return np.stack(frames) if frames else np.zeros((0, 2, 15, 3))


def to_metres(normalised: np.ndarray) -> np.ndarray:
    """Converts the files' numbers (..., 3) to meters: x sideways, y up, z away from the Kinect."""
    scale = np.array([-2560, -1920, 10000 / 7.8125])
    return (np.array([1280, 960, 0]) + normalised * scale) / 1000


def read(root: Path, writer: StoreWriter, units: str = "metres") -> None:
    """Adds the clips in order of their paths."""
    if units not in UNITS:
        raise DatasetError(str(UnknownNameError("units", units, UNITS, of="sbu")))
    clips, frames = 0, 0
    for path in find_files(root):
        pair, kind, take = path.parts[-4:-1]
        if pair not in PAIRS or not kind.isdecimal() or not take.isdecimal():
            writer.report.skip(path, "its folders are not sXXsYY/CC/NNN of a known pair")
            continue
        if not 1 <= int(kind) <= len(CLASSES):
            writer.report.skip(path, f"unknown class {kind}: classes are 01 to 08")
            continue
        try:
            clip = read_clip(path, writer.report)
        except OSError as error:
            writer.report.skip(path, error.strerror or str(error))
            continue
        if not len(clip):
            writer.report.skip(path, "has no frames")
            continue
        writer.add(
            to_metres(clip) if units == "metres" else clip,
            name=f"{pair}_{kind}_{take}",
            label=int(kind) - 1,
            subject=PAIRS.index(pair) + 1,
            view=1,
            setup=1,
            repetition=int(take),
            actor1=int(pair[1:3]),
            actor2=int(pair[4:6]),
        )
        clips += 1
        frames += len(clip)
    writer.report.expect("usable clips", clips, SBU.clips)
    writer.report.expect("frames", frames, FRAMES)


def five_folds(samples: pd.DataFrame) -> Iterator[Fold]:
    """The release's five folds; each tests on its own pairs and trains on the others."""
    for fold, pairs in enumerate(FOLDS):
        subjects = [PAIRS.index(pair) + 1 for pair in pairs]
        test = samples["subject"].isin(subjects).to_numpy()
        yield split(samples, test, group_holdout("subject", groups=2), fold)


SBU = Source(
    name="sbu",
    title="SBU Kinect Interaction (Yun et al., 2012)",
    skeleton="sbu",
    classes=CLASSES,
    protocols={"5fold": five_folds},
    files=find_files,
    read=read,
    layout=LAYOUT,
    clips=282,
    test_clips={"5fold": (55, 52, 56, 54, 65)},
    options={"units": "metres"},
)

SOURCES = {"sbu": SBU}
