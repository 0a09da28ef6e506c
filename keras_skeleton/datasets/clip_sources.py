"""Clips in files, folders and patterns, without labels: what is to be recognized.

Reads every kind of file that `--dataset folder` reads (.npy, .npz, .json, .csv, with the joint
layout in a skeleton.toml beside them), NTU RGB+D's .skeleton and PYSKL's .pkl.
"""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_skeleton.datasets import ntu, pyskl
from keras_skeleton.datasets.folder import LABELS, find_clips
from keras_skeleton.datasets.formats.clip_file import READERS, ClipError, finish_clip, read_array
from keras_skeleton.datasets.formats.skeleton_toml import FILE, Layout, read_layout
from keras_skeleton.skeletons import KINECT_V2, SKELETONS, Skeleton
from keras_skeleton.utils.errors import DatasetError

SUFFIXES = (*READERS, ".skeleton", ".pkl")
FPS = 30.0  # of a Kinect


@dataclass(frozen=True)
class SourceClip:
    """A clip to be recognized.

    Attributes:
        source: Where it comes from: a path, with the clip's name for files that hold several.
        clip: float32 (T, M, V, 3).
        skeleton: Its joint layout.
        fps: Frames per second, where they are known.
        notes: What a reader assumed, such as the layout.
    """

    source: str
    clip: np.ndarray
    skeleton: Skeleton
    fps: float | None = None
    notes: tuple[str, ...] = ()


def find_sources(words: Iterable[str]) -> list[Path]:
    """The files that paths, folders and patterns name, each once.

    Raises:
        DatasetError: A path that does not exist, a folder without clips, or a file of another kind.
    """
    found: list[Path] = []
    for word in words:
        path = Path(word)
        if path.is_dir():
            files = find_clips(path)
            files += sorted(p for p in path.rglob("*") if p.suffix in (".skeleton", ".pkl"))
            if not files:
                raise DatasetError(f"{path}: holds no clips ({', '.join(SUFFIXES)})")
            found += files
        elif path.is_file():
            if path.suffix.lower() not in SUFFIXES:
                raise DatasetError(f"{path}: clips are {', '.join(SUFFIXES)} files")
            found.append(path)
        elif files := [Path(name) for name in sorted(glob.glob(word, recursive=True))]:  # noqa: PTH207
            found += [p for p in files if p.suffix.lower() in SUFFIXES and p.name != LABELS]
        else:
            raise DatasetError(f"{word}: no such file or folder")
    if not found:
        raise DatasetError("no clips were found")
    return list(dict.fromkeys(found))


def read_clips(path: Path, skeleton: str | None = None) -> Iterator[SourceClip]:
    """The clips of a file: one, or several of a .pkl.

    Args:
        path: Of the file.
        skeleton: Name of the joint layout; by default what a skeleton.toml in the file's folder or
            one above it says, else the known layout with that number of joints.

    Raises:
        DatasetError: A file that cannot be used; names it and says why.
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
            notes.append(f"{100 * filled.mean():.0f} % of the joints were missing and are filled")
        yield SourceClip(str(path), clip, layout.skeleton, None, tuple(notes))


def _layout(path: Path, array: np.ndarray, skeleton: str | None) -> tuple[Layout, list[str]]:
    """The joint layout of a file, and what was assumed."""
    folders = path.resolve().parents
    root = next((folder for folder in folders if (folder / FILE).is_file()), path.parent)
    if skeleton is not None or (root / FILE).is_file():
        return read_layout(root, skeleton), []
    joints = array.shape[-2] if array.ndim > 2 else array.shape[-1] // 3
    fitting = [layout for layout in SKELETONS.values() if layout.size == joints]
    if not fitting:
        known = ", ".join(f"{layout.name} {layout.size}" for layout in SKELETONS.values())
        raise DatasetError(
            f"{path}: has {joints} joints, of which layout? Put a {FILE} beside it, or name the "
            f"layout with --skeleton (known: {known})"
        )
    return Layout(fitting[0]), [f"{joints} joints were read as {fitting[0].name}"]
