"""Key points of a film as a file of the folder format, so that filming is recording a dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from keras_skeleton.datasets.formats.skeleton_toml import FILE
from keras_skeleton.film.recording import Recording
from keras_skeleton.utils.files import write_atomic, write_text

KEYPOINTS = """\
# Key points that BlazePose estimated from films, for `--dataset folder`. Each file has its rate.
skeleton = "mediapipe33"
coordinates = "xyzc"  # c: visibility
units = "m"
track = false  # people are followed already
"""


def write_keypoints(recording: Recording, fps: float, path: Path) -> None:
    """Writes the key points in the folder format: a clip (T, M, 33, 4) and the frame rate."""
    path.parent.mkdir(parents=True, exist_ok=True)
    toml = path.parent / FILE
    if not toml.exists():
        write_text(toml, KEYPOINTS)
    used = int(np.flatnonzero((recording.persons != 0).any(axis=0)).max()) + 1
    arrays = {"clip": recording.world[:, :used], "fps": np.float64(fps)}

    def write(part: Path) -> None:
        with part.open("wb") as file:
            np.savez(file, **arrays)

    write_atomic(path, write)
