"""Reads unlabeled clips for recognition from files, folders and patterns.

Supported are the files of `--dataset folder` (.npy, .npz, .json and .csv, with the joint layout in
a skeleton.toml in their folder), .skeleton files of NTU RGB+D and .pkl files of PYSKL.
"""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_skeleton.datasets import ntu, pyskl
from keras_skeleton.datasets.formats.clip_file import READERS, ClipError, finish_clip, read_array
from keras_skeleton.datasets.formats.skeleton_toml import FILE, Layout, read_layout
from keras_skeleton.datasets.own_files import LABELS, find_clips
from keras_skeleton.skeletons import KINECT_V2, SKELETONS, Skeleton
from keras_skeleton.utils.errors import DatasetError

SUFFIXES = (*READERS, ".skeleton", ".pkl")
FPS = 30.0  # of the Kinect


@dataclass(frozen=True)
class SourceClip:
    """An unlabeled clip.

    Attributes:
        source: Path of the file, with the name of the clip for files with several clips.
        clip: float32 (T, M, V, 3).
        skeleton: The joint layout.
        fps: Frames per second; None if unknown.
        notes: Assumptions of the reader, such as the layout.
    """

    source: str
    clip: np.ndarray
    skeleton: Skeleton
    fps: float | None = None
    notes: tuple[str, ...] = ()


def find_sources(words: Iterable[str]) -> list[Path]:
    """Returns the distinct files of paths, folders and patterns.

    Raises:
        DatasetError: A path does not exist, a folder has no clips, or a file has another format.
    """
    found: list[Path] = []
    for word in words:
        path = Path(word)
        if path.is_dir():
            files = find_clips(path)
            files += sorted(p for p in path.rglob("*") if p.suffix in (".skeleton", ".pkl"))
            if not files:
                raise DatasetError(f"{path}: contains no clips ({', '.join(SUFFIXES)})")
            found += files
        elif path.is_file():
            if path.suffix.lower() not in SUFFIXES:
                raise DatasetError(f"{path}: clips must be {', '.join(SUFFIXES)} files")
            found.append(path)
        elif files := [Path(name) for name in sorted(glob.glob(word, recursive=True))]:  # noqa: PTH207
            found += [p for p in files if p.suffix.lower() in SUFFIXES and p.name != LABELS]
        else:
            raise DatasetError(f"{word}: no such file or folder")
    if not found:
        raise DatasetError("no clips were found")
    return list(dict.fromkeys(found))


def read_clips(path: Path, skeleton: str | None = None) -> Iterator[SourceClip]:
    """Yields the clips of a file: one, or several of a .pkl file.

    Args:
        path: The file.
        skeleton: Name of the joint layout; by default that of a skeleton.toml in the file's folder
            or a parent folder, else the known layout with this number of joints.

    Raises:
        DatasetError: The file is unusable; the message states the file and the reason.
    """
    kind = path.suffix.lower()
    if kind == ".skeleton":
        found = ntu.read_clip(path)
        if found.frames is None:
            raise DatasetError(f"{found.where}: {found.why}")
        yield SourceClip(str(path), found.frames, KINECT_V2, FPS)
    elif kind == ".pkl":
        for number, annotation in enumerate(pyskl.read_annotations(path)[1]):
            unlabeled = {**annotation, "label": 0} if isinstance(annotation, dict) else annotation
            clip = pyskl.read_clip(unlabeled)
            if isinstance(clip, str):
                raise DatasetError(f"{path}: annotations[{number}] {clip}")
            yield SourceClip(f"{path}:{annotation['frame_dir']}", clip, KINECT_V2, FPS)
    else:
        try:
            array = read_array(path)
            layout, notes = _layout(path, array, skeleton)
            clip, filled = finish_clip(array, layout)
        except ClipError as error:
            line = f":{error.line}" if error.line else ""
            raise DatasetError(f"{path}{line}: {error}") from None
        if filled.any():
            notes.append(
                f"{filled.sum()} missing joints were filled, {100 * filled.mean():.1f} % of all"
            )
        yield SourceClip(str(path), clip, layout.skeleton, None, tuple(notes))


def _layout(path: Path, array: np.ndarray, skeleton: str | None) -> tuple[Layout, list[str]]:
    """The joint layout of a file, and the assumptions made."""
    folders = path.resolve().parents
    root = next((folder for folder in folders if (folder / FILE).is_file()), path.parent)
    if skeleton is not None or (root / FILE).is_file():
        return read_layout(root, skeleton), []
    joints = array.shape[-2] if array.ndim > 2 else array.shape[-1] // 3
    fitting = [layout for layout in SKELETONS.values() if layout.size == joints]
    if not fitting:
        known = ", ".join(f"{layout.name} {layout.size}" for layout in SKELETONS.values())
        raise DatasetError(
            f"{path}: no known layout has {joints} joints; put a {FILE} in the folder, or set the "
            f"layout with --skeleton (known: {known})"
        )
    return Layout(fitting[0]), [f"{joints} joints were read as {fitting[0].name}"]
