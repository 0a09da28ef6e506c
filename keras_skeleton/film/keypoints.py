"""Key points of a film as a file of the folder format, so that filming is recording a dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from keras_skeleton.datasets.formats.skeleton_toml import FILE
from keras_skeleton.utils.files import write_atomic, write_text

KEYPOINTS = "keypoints"  # the folder
TOML = """\
# Key points that BlazePose estimated from films, for `--dataset folder`. Each file has its rate.
skeleton = "mediapipe33"
coordinates = "xyzc"  # c: visibility
units = "m"
track = false  # people are followed already
"""


def write_keypoints(world: np.ndarray, fps: float, folder: Path, name: str) -> Path:
    """Writes key points as a clip (T, M, 33, 4) with the frame rate, atomically.

    Args:
        world: float32 (T, M, 33, 4), BlazePose's points in meters with their visibility; zero where
            nobody is. Unused places are left out.
        fps: Frames per second.
        folder: Folder of all key points; a skeleton.toml is put there if there is none.
        name: Name of the clip, also in a folder such as `"wave/film1"`.

    Returns:
        The .npz file.
    """
    path = folder / f"{name}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    toml = folder / FILE
    if not toml.exists():
        write_text(toml, TOML)
    used = [m for m in range(world.shape[1]) if world[:, m].any()]
    clip = world[:, : max(used, default=0) + 1]

    def write(part: Path) -> None:
        with part.open("wb") as file:
            np.savez(file, clip=clip, fps=np.float64(fps))

    write_atomic(path, write)
    return path
