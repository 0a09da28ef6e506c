"""The two networks of BlazePose, which are not part of this project.

They lie in the wheel of MediaPipe 0.10.21 (Apache-2.0), which need not be installed, and cannot be
beside this TensorFlow: pip fetches it as an archive. `fetch_pose_models` takes the two files out,
compares their SHA-256 and keeps them in the cache with their license.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from keras_skeleton.datasets.store import default_cache_dir
from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.files import read_bytes, write_atomic
from keras_skeleton.utils.program import program

PACKAGE = "mediapipe==0.10.21"
# The files are the same in the wheels of all systems; this one exists for every pip.
DOWNLOAD = (
    "pip", "download", "--no-deps", "--only-binary=:all:", "--python-version", "3.12",
    "--platform", "manylinux_2_28_x86_64", PACKAGE,
)  # fmt: skip
SECONDS = 600  # for the download of 36 MB
DIST_INFO, LICENSE = "mediapipe-0.10.21.dist-info", "LICENSE"
# File: its folder in the wheel, and its SHA-256.
FILES = {
    "pose_detection.tflite": (
        "mediapipe/modules/pose_detection",
        "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
    ),
    "pose_landmark_full.tflite": (
        "mediapipe/modules/pose_landmark",
        "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
    ),
}
# RuntimeError: an archive with a password, or with a compression that is unknown.
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, OSError, RuntimeError)
MOST = 16 << 20  # bytes of a file; the larger one has 6.4 MB


class PoseModelsError(UserError):
    """The networks of BlazePose are missing or damaged; the message says how to get them."""


class PoseModelsMissingError(PoseModelsError):
    """The networks of BlazePose have not been fetched yet."""


@dataclass(frozen=True)
class PoseModels:
    """The files of BlazePose's two networks.

    Attributes:
        detector: Finds people in an image.
        landmarks: Estimates the 33 key points of one person.
    """

    detector: Path
    landmarks: Path


def pose_models_folder() -> Path:
    """The folder of the cache that keeps the files."""
    return default_cache_dir() / "blazepose"


def find_pose_models(place: str | Path | None = None) -> PoseModels:
    """Returns BlazePose's files after a check of their SHA-256.

    Args:
        place: The folder with the two files, or a wheel of MediaPipe, whose files are taken into
            the cache; by default the cache.

    Raises:
        PoseModelsMissingError: They are not in the cache; fetch them with `fetch_pose_models`.
        PoseModelsError: `place` does not hold them, or they are damaged.

    Example:
        >>> from keras_skeleton.video.pose_models import find_pose_models
        >>> find_pose_models("models").landmarks.name  # doctest: +SKIP
        'pose_landmark_full.tflite'
    """
    if place is not None:
        place = Path(place)
        if place.is_file():
            return _unpack(place)
        folders = [place, *(place / folder for folder, _ in FILES.values())]
        return _checked(folders, f"{place}: ")
    folder = pose_models_folder()
    if not all((folder / name).is_file() for name in FILES):
        raise PoseModelsMissingError(
            "films need the pose estimator BlazePose (Apache-2.0, 9 MB), which is not here yet; "
            f"fetch it once with: {program()} pose-models"
        )
    return _checked([folder], "")


def fetch_pose_models() -> PoseModels:
    """Fetches BlazePose's files with pip into the cache; 36 MB are downloaded.

    Raises:
        PoseModelsError: The download failed; the message says what to fetch by hand.
    """
    with TemporaryDirectory(prefix="keras-skeleton-") as name:
        command = [sys.executable, "-m", *DOWNLOAD, "--quiet", "--dest", name]
        try:
            done = subprocess.run(  # noqa: S603 - constant words and a new folder
                command, capture_output=True, text=True, timeout=SECONDS, check=False
            )
            words = done.stderr.strip().splitlines()
        except (OSError, subprocess.TimeoutExpired) as error:
            words = [str(error)]
        wheels = sorted(Path(name).glob("mediapipe-*.whl"))
        if not wheels:
            lines = [line for line in words if line.strip()] or ["pip fetched nothing"]
            why = next((line for line in reversed(lines) if line.startswith("ERROR")), lines[-1])
            raise PoseModelsError(
                f"BlazePose could not be fetched: {why.strip():.200}\n"
                f"On a computer with a network, run\n  {' '.join(DOWNLOAD)}\n"
                "copy the .whl file here, and give its path:\n"
                f"  {program()} pose-models --pose-models FILE.whl"
            )
        return _unpack(wheels[0])


def _unpack(wheel: Path) -> PoseModels:
    """Takes the files out of a wheel of MediaPipe into the cache."""
    folder = pose_models_folder()
    try:
        with zipfile.ZipFile(wheel) as archive:
            content = {
                name: _member(archive, f"{inside}/{name}") for name, (inside, _) in FILES.items()
            }
            content[LICENSE] = _member(archive, f"{DIST_INFO}/LICENSE")
    except DAMAGED as error:
        raise PoseModelsError(
            f"{wheel}: no wheel of {PACKAGE} ({error}); fetch it with: {' '.join(DOWNLOAD)}"
        ) from None
    for name, (_, digest) in FILES.items():
        if hashlib.sha256(content[name]).hexdigest() != digest:
            raise PoseModelsError(
                f"{wheel}: its {name} is not that of {PACKAGE} (its SHA-256 differs); "
                f"fetch it with: {' '.join(DOWNLOAD)}"
            )
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in content.items():
        write_atomic(folder / name, partial(Path.write_bytes, data=data))
    return find_pose_models()


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as file:
        return file.read(MOST)


def _checked(folders: list[Path], where: str) -> PoseModels:
    found = []
    for name, (_, digest) in FILES.items():
        path = next((f / name for f in folders if (f / name).is_file()), None)
        if path is None:
            raise PoseModelsError(
                f"{where}{name} is missing; a folder with {' and '.join(FILES)}, or the wheel of "
                f"{PACKAGE}, is needed"
            )
        if hashlib.sha256(read_bytes(path, "a network of BlazePose", MOST)).hexdigest() != digest:
            raise PoseModelsError(
                f"{path}: is not the file of {PACKAGE} (its SHA-256 differs); delete it and run: "
                f"{program()} pose-models"
            )
        found.append(path)
    return PoseModels(*found)
