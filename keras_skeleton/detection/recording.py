"""Read a single recording from a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from keras_skeleton.datasets.dataset import SAMPLE_COLUMNS, ReadReport, SkeletonDataset
from keras_skeleton.datasets.formats.clip_file import READERS, ClipError, finish_clip, read_array
from keras_skeleton.datasets.formats.skeleton_toml import Layout
from keras_skeleton.datasets.pku_mmd import read_frames
from keras_skeleton.datasets.ut_kinect import SEQUENCE, read_sequence
from keras_skeleton.skeletons import Skeleton
from keras_skeleton.utils.errors import DatasetError


def read_recording(
    path: Path, skeleton: Skeleton, bodies: int, classes: Sequence[str]
) -> SkeletonDataset:
    """Reads a recording from a file, as a dataset with one sample.

    Args:
        path: `joints_sXX_eYY.txt` of UT-Kinect, another `.txt` in the format of PKU-MMD, or an
            array (T, V, 3) or (T, M, V, 3) as `.npy`, `.npz`, `.json` or `.csv` (see
            `datasets.folder`).
        skeleton: Skeleton of the detector.
        bodies: Number of bodies M of the detector's input. Further bodies are dropped; missing
            bodies are zero.
        classes: Class names of the detector.

    Raises:
        DatasetError: If the file is missing, damaged, of an unknown format, or has another number
            of joints or no body.

    Example:
        >>> import tempfile
        >>> from keras_skeleton.skeletons import get_skeleton
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "walk.npy"
        ...     np.save(path, np.ones((40, 25, 3)))
        ...     dataset = read_recording(path, get_skeleton("kinect_v2"), 2, ["walk"])
        >>> dataset.clip(0).shape
        (40, 2, 25, 3)
    """
    if not path.is_file():
        raise DatasetError(f"{path}: no such file")
    report = ReadReport(strict=True)
    if path.suffix == ".txt":
        kinect_v1 = SEQUENCE.fullmatch(path.name) is not None
        clip = read_sequence(path, report)[1] if kinect_v1 else read_frames(path, report)
    elif path.suffix.lower() in READERS:
        try:
            clip, _ = finish_clip(read_array(path), Layout(skeleton))
        except ClipError as error:
            raise DatasetError(f"{path}: {error}") from error
    else:
        raise DatasetError(f"{path}: unknown file format; expected .txt, {', '.join(READERS)}")
    if clip.shape[2] != skeleton.size:
        raise DatasetError(
            f"{path}: has {clip.shape[2]} joints, but the detector was trained on "
            f"{skeleton.size} joints ('{skeleton.name}')"
        )
    if not clip.any():
        raise DatasetError(f"{path}: no body in any of its {len(clip)} frames")
    own = np.zeros((len(clip), bodies, skeleton.size, 3), np.float32)
    people = min(bodies, clip.shape[1])
    own[:, :people] = clip[:, :people]
    row = dict.fromkeys(SAMPLE_COLUMNS, 0) | {
        "name": path.stem,
        "video": path.stem,
        "frames": len(own),
        "bodies": bodies,
    }
    rows = own.reshape(-1, *own.shape[2:])
    return SkeletonDataset(
        path.stem,
        skeleton,
        classes=tuple(classes),
        rows=rows,
        samples=pd.DataFrame([row]),
        protocols={},
    )
