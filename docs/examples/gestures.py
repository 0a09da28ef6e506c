"""A dataset of gestures in CSV files: the example of `docs/add-a-dataset.md`.

Layout:
    recordings/p01_wave_2.csv   person, gesture, take; one row per frame, 25 x (x, y, z) in
                                millimetres, joints in Kinect v2 order

Clip: (T, 1, 25, 3) in metres, at 30 Hz.

Protocol:
    cs    people with odd numbers train, one of them validates; the others test
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from keras_skeleton.datasets.dataset import Fold
from keras_skeleton.datasets.protocols import group_holdout, split
from keras_skeleton.datasets.source import Source
from keras_skeleton.datasets.store import StoreWriter

CLASSES = ("nod", "point", "wave")
NAME = re.compile(r"p(\d+)_([a-z]+)_(\d+)")
LAYOUT = """\
Gestures: unpack the recordings so that there is
  PATH/recordings/p01_wave_1.csv ...
then give --data-dir PATH."""


def find_files(root: Path) -> list[Path]:
    """The clips' files, sorted."""
    return sorted(root.glob("recordings/*.csv"))


def read(root: Path, writer: StoreWriter) -> None:
    """Adds the clips in the order of their names. Bad files are reported and left out."""
    clips = 0
    for path in find_files(root):
        match = NAME.fullmatch(path.stem)
        if match is None or match[2] not in CLASSES:
            writer.report.skip(path, f"its name is not pNN_GESTURE_N with one of {CLASSES}")
            continue
        try:
            values = np.loadtxt(path, delimiter=",", ndmin=2)
        except ValueError as error:
            writer.report.skip(path, str(error))
            continue
        if values.shape[1] != 75 or not np.isfinite(values).all():
            writer.report.skip(path, f"has {values.shape[1]} columns, expected 75 finite numbers")
            continue
        writer.add(
            values.reshape(-1, 1, 25, 3).astype(np.float32) / 1000,
            name=path.stem,
            label=CLASSES.index(match[2]),
            subject=int(match[1]),
            view=1,
            setup=1,
            repetition=int(match[3]),
        )
        clips += 1
    writer.report.expect("clips", clips, GESTURES.clips)


def cross_subject(samples: pd.DataFrame) -> Iterator[Fold]:
    """One fold: odd people train, even ones test."""
    test = (samples["subject"] % 2 == 0).to_numpy()
    yield split(samples, test, group_holdout("subject"))


GESTURES = Source(
    name="gestures",
    title="Gestures (an example)",
    skeleton="kinect_v2",
    classes=CLASSES,
    protocols={"cs": cross_subject},
    files=find_files,
    read=read,
    layout=LAYOUT,
    clips=24,
    fps=30.0,
)

SOURCES = {"gestures": GESTURES}
