"""Small folders of one's own clips for tests: standing people of Kinect v2, and their labels."""

from pathlib import Path

import numpy as np

from keras_skeleton.datasets.folder import FOLDER
from keras_skeleton.datasets.source import load
from keras_skeleton.skeletons import KINECT_V2

TOML = 'skeleton = "kinect_v2"\n'


def standing(T=20, M=1, seed=0, height=1.7):
    """People (T, M, 25, 3) who stand 2.5 m before the sensor, in metres, y up."""
    up = {
        "head": 1.0, "neck": 0.9, "spine_shoulder": 0.84, "shoulder": 0.82, "spine_mid": 0.7,
        "elbow": 0.65, "spine_base": 0.54, "hip": 0.52, "wrist": 0.5, "hand": 0.46, "thumb": 0.45,
        "knee": 0.28, "ankle": 0.05, "foot": 0.01,
    }  # fmt: skip
    rng = np.random.default_rng(seed)
    rest = np.zeros((25, 3))
    for v, joint in enumerate(KINECT_V2.joints):
        key = next((k for k in up if joint == k), None) or next(k for k in up if k in joint)
        side = 0.1 if "left" in joint else -0.1 if "right" in joint else 0.0
        rest[v] = side * height, (up[key] - 0.5) * height, 2.5
    people = rest + 0.7 * np.arange(M)[:, None, None] * [1, 0, 0]
    return people + rng.normal(0, 0.01, (T, M, 25, 3))


def write(folder: Path, lines, toml=TOML, clip=standing):
    """A folder with these lines of labels.csv, and a clip for each file in them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "labels.csv").write_text("\n".join(lines) + "\n", "utf-8")
    if toml is not None:
        (folder / "skeleton.toml").write_text(toml, "utf-8")
    for i, line in enumerate(lines[1:]):
        path = folder / line.split(",")[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            np.save(path, clip(seed=i))
    return folder


def read(folder: Path, cache: Path, **options):
    """The dataset of a folder, and all that was said."""
    said: list[str] = []
    dataset = load(FOLDER, folder, cache, log=said.append, **options)
    return dataset, "\n".join(said)


def skipped(dataset):
    """Where (without the folder) and why items were skipped."""
    return [f"{where.rsplit('/', 1)[-1]}: {why}" for where, why in dataset.info["skipped"]]
