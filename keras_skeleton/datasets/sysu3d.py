"""SYSU 3D Human-Object Interaction: 12 actions, 40 subjects, one Kinect v1.

J.-F. Hu, W.-S. Zheng, J. Lai, J. Zhang, "Jointly learning heterogeneous features for RGB-D
activity recognition", CVPR 2015. https://www.isee-ai.cn/~hujianfang/ProjectJOULE.html

Layout:
    3DvideoNorm/<subject>/video<1-12>/sklWorld.mat   the variable SW, 20 x 3 x T: positions in
                                                     meters, joints in Kinect v1 order

This layout is from documentation and from public code that reads it; the reader was not tested on
the full download. Clip: (T, 1, 20, 3) in meters; 480 clips. Subjects are the folders of any name,
numbered from 1 in order of their names. video<N> is assumed to be action N of
`lists/sysu3d_classes.txt`.

Protocols, each with 30 splits whose mean is reported (Hu et al.; the MANs paper uses the second,
Sec. 3.1):
    setting1    train on half of the clips of each action, test on the others
    setting2    train on half of the subjects, test on the others
The splits of the papers are not published; these are drawn with a fixed seed. Results are
comparable as the mean over the 30 splits, not split by split. Validation holds out a tenth of the
training clips of each action in setting1, and two training subjects in setting2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from keras_skeleton.datasets.dataset import Fold
from keras_skeleton.datasets.formats.mat_file import MatFileError, read_array
from keras_skeleton.datasets.formats.name_list import read_names
from keras_skeleton.datasets.protocols import group_holdout, random_holdout, split
from keras_skeleton.datasets.source import Source
from keras_skeleton.datasets.store import StoreWriter
from keras_skeleton.utils.files import reason

CLASSES = read_names("sysu3d_classes.txt")
SUBJECTS = 40
SPLITS = 30
SEED = 2015
JOINTS = 20

LAYOUT = """\
SYSU 3D HOI: download the skeletons from the page of the ISEE lab of Sun Yat-sen University
(https://www.isee-ai.cn/~hujianfang/ProjectJOULE.html) and unpack them so that there is
  PATH/3DvideoNorm/<subject>/video1/sklWorld.mat ... video12/sklWorld.mat   (40 subjects, 480 files)
then give --data-dir PATH."""


def clips_folder(root: Path) -> Path:
    """The folder with one subfolder per subject: `root/3DvideoNorm`, or `root` itself."""
    for folder in (root / "3DvideoNorm", root / "SYSU3DAction" / "3DvideoNorm"):
        if folder.is_dir():
            return folder
    return root


def find_files(root: Path) -> list[Path]:
    """The files of the clips, sorted by subject and action; numbers are sorted numerically."""

    def order(path: Path) -> list[tuple[int, str]]:
        words = re.split(r"(\d+)", "/".join(path.parts[-3:-1]))
        return [(int(word), "") if word.isdecimal() else (0, word) for word in words]

    return sorted(clips_folder(root).glob("*/video*/sklWorld.mat"), key=order)


def read_clip(path: Path) -> np.ndarray:
    """Reads a clip: float32 (T, 1, 20, 3) in meters.

    Raises:
        MatFileError: The file is unusable.
        OSError: The file cannot be read.
    """
    _, values = read_array(path, ["SW"])
    if values.ndim == 2:  # MATLAB omits the third axis if T is 1
        values = values[..., None]
    if values.ndim != 3 or values.shape[:2] != (JOINTS, 3):
        raise MatFileError(f"SW has shape {values.shape}, expected ({JOINTS}, 3, T)")
    frames = values.transpose(2, 0, 1)[:, None]
    usable = (np.abs(frames) < 1e9).all(axis=(1, 2, 3))  # also False for NaN
    if not usable.all():
        raise MatFileError(
            f"frame {int(np.argmin(usable)) + 1} contains NaN or a number out of range"
        )
    if not frames.any():
        raise MatFileError(f"no skeleton in any of its {len(frames)} frames")
    return frames.astype(np.float32)


def read(root: Path, writer: StoreWriter) -> None:
    """Adds the clips in order of subjects and actions."""
    files = find_files(root)
    subjects = list(dict.fromkeys(path.parts[-3] for path in files))
    clips = 0
    for path in files:
        subject, video = path.parts[-3:-1]
        match = re.fullmatch(r"video(\d+)", video)
        if match is None or not 1 <= int(match[1]) <= len(CLASSES):
            writer.report.skip(path, f"its folder is not video1 to video{len(CLASSES)}")
            continue
        try:
            clip = read_clip(path)
        except (MatFileError, OSError) as error:
            writer.report.skip(path, reason(error))
            continue
        writer.add(
            clip,
            name=f"{subject}_{video}",
            label=int(match[1]) - 1,
            subject=subjects.index(subject) + 1,
            view=1,
            setup=1,
            repetition=1,
        )
        clips += 1
    writer.report.expect("usable clips", clips, SYSU3D.clips)
    writer.report.expect("subjects", len(subjects), SUBJECTS)


def half_of_each_class(samples: pd.DataFrame) -> Iterator[Fold]:
    """Setting 1: trains on a random half of the clips of each action, rounded down."""
    labels = samples["label"].to_numpy()
    for fold in range(SPLITS):
        rng = np.random.default_rng((SEED, 1, fold))
        test = np.ones(len(samples), bool)
        for label in np.unique(labels):
            members = rng.permutation(np.flatnonzero(labels == label))
            test[members[: len(members) // 2]] = False
        yield split(samples, test, random_holdout(0.1), fold)


def half_of_the_subjects(samples: pd.DataFrame) -> Iterator[Fold]:
    """Setting 2: trains on a random half of the subjects, rounded down."""
    subjects = np.unique(samples["subject"])
    for fold in range(SPLITS):
        rng = np.random.default_rng((SEED, 2, fold))
        train = rng.permutation(subjects)[: len(subjects) // 2]
        test = ~samples["subject"].isin(train).to_numpy()
        yield split(samples, test, group_holdout("subject", groups=2), fold)


SYSU3D = Source(
    name="sysu3d",
    title="SYSU 3D Human-Object Interaction (Hu et al., 2015)",
    skeleton="kinect_v1",
    classes=CLASSES,
    protocols={"setting1": half_of_each_class, "setting2": half_of_the_subjects},
    files=find_files,
    read=read,
    layout=LAYOUT,
    clips=480,
)

SOURCES = {"sysu3d": SYSU3D}
