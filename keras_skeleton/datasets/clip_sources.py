"""Reads unlabeled clips for recognition from files, folders and patterns.

Supported are the files of `--dataset folder` (.npy, .npz, .json and .csv, and folders of OpenPose's
`*_keypoints.json`, with the joint layout in a skeleton.toml in their folder, if the files do not
say it), .skeleton files of NTU RGB+D and .pkl files of PYSKL.
"""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from keras_skeleton.datasets import ntu, pyskl
from keras_skeleton.datasets.formats.array_axes import check_axes
from keras_skeleton.datasets.formats.clip_array import ClipArray
from keras_skeleton.datasets.formats.clip_file import READERS, ClipError, finish_clip, read_array
from keras_skeleton.datasets.formats.joint_names import layouts_with
from keras_skeleton.datasets.formats.openpose import is_clip_folder, is_frame_file
from keras_skeleton.datasets.formats.poses import WHOLE_BODIES, layouts_of
from keras_skeleton.datasets.formats.skeleton_toml import (
    FILE,
    Layout,
    known_layout,
    read_layout,
    read_partial,
)
from keras_skeleton.datasets.own_files import LABELS, find_clips, left_out
from keras_skeleton.skeletons import KINECT_V2, Skeleton
from keras_skeleton.utils.errors import DatasetError
from keras_skeleton.utils.folders import is_there, walk_files

SUFFIXES = (*READERS, ".skeleton", ".pkl")
FPS = 30.0  # of the Kinect
PIXELS = 20  # joints of the Kinect are nearer than 20 m


@dataclass(frozen=True)
class SourceClip:
    """An unlabeled clip.

    Attributes:
        source: Path of the file, with the name of the clip for files with several clips.
        clip: float32 (T, M, V, 3).
        skeleton: The joint layout.
        fps: Frames per second; None if unknown.
        notes: Assumptions of the reader, such as the layout.
        from_film: Whether the joints are 3D key points of a pose estimator, in meters.
        numbers: Numbers of the frames on a clock of their own, int (T,) and ascending, where the
            file says them and they are not even.
    """

    source: str
    clip: np.ndarray
    skeleton: Skeleton
    fps: float | None = None
    notes: tuple[str, ...] = ()
    from_film: bool = False
    numbers: np.ndarray | None = None


def find_sources(words: Iterable[str]) -> list[Path]:
    """Returns the distinct files, and folders that are one clip, of paths, folders and patterns.

    Raises:
        DatasetError: A path does not exist, a folder has no clips, or a file has another format.
    """
    found: list[Path] = []
    for word in words:
        path = Path(word)
        if path.is_dir():
            files = [path] if is_clip_folder(path) else _inside(path)
            if not files:
                raise DatasetError(
                    f"{path}: contains no films and no clips ({', '.join(SUFFIXES)})"
                )
            found += files
        elif path.is_file():
            if path.suffix.lower() not in SUFFIXES:
                raise DatasetError(f"{path}: clips must be {', '.join(SUFFIXES)} files")
            found.append(path)
        elif files := [Path(name) for name in sorted(glob.glob(word, recursive=True))]:  # noqa: PTH207
            found += [
                p
                for p in files
                if (p.suffix.lower() in SUFFIXES and p.is_file() and p.name != LABELS)
                or is_clip_folder(p)
            ]
        else:
            raise DatasetError(f"{word}: no such file or folder")
    if not found:
        raise DatasetError("no clips were found")
    return _join_frames(list(dict.fromkeys(found)))


def unreadable(words: Iterable[str]) -> list[tuple[Path, str]]:
    """What is named as a clip in the folders among `words` and cannot be read, and why."""
    folders = [path for path in map(Path, words) if path.is_dir() and not is_clip_folder(path)]
    return list(dict.fromkeys(found for folder in folders for found in left_out(folder)))


def _inside(folder: Path) -> list[Path]:
    found = find_clips(folder)
    return found + sorted(
        p for p in walk_files(folder) if p.suffix.lower() in (".skeleton", ".pkl")
    )


def _join_frames(paths: list[Path]) -> list[Path]:
    """Replaces several frames of OpenPose in one folder by the folder."""
    frames = Counter(path.parent for path in paths if is_frame_file(path))
    joined = [
        path.parent if is_frame_file(path) and frames[path.parent] > 1 else path for path in paths
    ]
    return list(dict.fromkeys(joined))


def read_clips(
    path: str | Path,
    skeleton: str | None = None,
    track: bool = True,
    image_size: tuple[float, float] | None = None,
) -> Iterator[SourceClip]:
    """Yields the clips of a file: one, or several of a .pkl file.

    Args:
        path: The file, or a folder of OpenPose's frames.
        skeleton: Name of the joint layout; by default that of a skeleton.toml in the file's folder
            or a parent folder, else what the file says, else the known layout with this number of
            joints.
        track: Whether people of pose estimators are followed, see `transforms.tracking`.
        image_size: Width and height of the image, for key points from 0 to 1.

    Raises:
        DatasetError: The file is unusable; the message states the file and the reason.
    """
    path = Path(path)
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
        notes: list[str] = []
        try:
            array = read_array(path)
            layout = layout_of(path, array, skeleton, notes)
            layout = replace(
                layout,
                track=layout.track and track,
                image_size=image_size or layout.image_size,
            )
            clip, filled = finish_clip(array, layout, notes)
        except ClipError as error:
            line = f":{error.line}" if error.line else ""
            raise DatasetError(f"{path}{line}: {error}") from None
        notes += filled_notes(filled)
        fps = layout.fps or array.fps
        from_film = layout.pose is not None and bool(np.ptp(clip[..., 2]) > 0)
        yield SourceClip(str(path), clip, layout.skeleton, fps, tuple(notes), from_film)


def check_content(path: Path) -> None:
    """Looks for the commonest damage without reading a file: no bytes, or an array of no frames.

    Raises:
        DatasetError: The file is empty.
    """
    if not path.is_file():
        return
    if not path.stat().st_size:
        raise DatasetError(f"{path}: the file is empty (0 bytes); copy or download it again")
    if path.suffix.lower() != ".npy":
        return
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            first = version == (1, 0)
            header = (
                np.lib.format.read_array_header_1_0
                if first
                else np.lib.format.read_array_header_2_0
            )
            shape = header(file)[0]
    except Exception:  # of many types; the reader says what is wrong
        return
    if 0 in shape:
        raise DatasetError(
            f"{path}: the array has shape {shape}, so it is empty; expected (T, V, 3) or "
            "(T, M, V, 3)"
        )


def filled_notes(filled: np.ndarray) -> list[str]:
    """A note on missing joints that were filled, bool (T, M, V), if there are any."""
    if not filled.any():
        return []
    frames = int(filled.any(axis=(1, 2)).sum())
    return [
        f"{filled.sum()} missing joints were filled from other frames or joints, in {frames} of "
        f"{len(filled)} frames"
    ]


def layout_of(path: Path, array: ClipArray, skeleton: str | None, notes: list[str]) -> Layout:
    """The joint layout of a file; adds the assumptions made to the notes.

    A skeleton.toml that names no joints says the rest: the joints are those without it.
    """
    whole = path.resolve()
    folders = [whole, *whole.parents] if path.is_dir() else list(whole.parents)
    root = next((folder for folder in folders if is_there(folder / FILE)), path.parent)
    partial = read_partial(root) if skeleton is None else None
    if partial is None and (skeleton is not None or is_there(root / FILE)):
        return read_layout(root, skeleton)
    name = _name_of(path, array, notes, partial or {})
    return known_layout(name) if partial is None else read_layout(root, name)


def _name_of(path: Path, array: ClipArray, notes: list[str], partial: Mapping[str, Any]) -> str:
    """Name of the layout that a file's joints show; `partial` is what a skeleton.toml says without
    naming it."""
    joints = array.shape[-2] if array.ndim > 2 else array.shape[-1] // 3
    axes = partial.get("axes")
    if array.coordinates is None and isinstance(axes, str) and len(axes) == array.ndim > 2:
        joints = array.shape[axes.find("V")]
    elif array.coordinates is None and array.ndim > 2 and not layouts_of(joints):
        for size in array.shape:
            if layouts_of(size) or size in WHOLE_BODIES:
                _check_axes(path, array.shape, size)
    if array.joints is not None:
        names = layouts_with(array.joints)
        if not names:
            raise DatasetError(
                f"{path}: its joints ({', '.join(array.joints[:5])}, ...) are those of no known "
                f"layout; name it in a {FILE} in the folder, or with --skeleton"
            )
    elif joints in WHOLE_BODIES:
        names = [WHOLE_BODIES[joints][1].name]
    elif array.layout is not None:
        names = [array.layout]
    else:
        names = layouts_of(joints)
    if not names:
        raise DatasetError(
            f"{path}: no known layout has {joints} joints; describe them in a {FILE} in the "
            f"folder, or set the layout with --skeleton (known: {_known()})"
        )
    if len(names) > 1:
        names = [_likely(path, array, names, partial.get("units") in ("m", "cm", "mm"))]
    notes.append(f"{joints} joints were read as {names[0]}")
    return names[0]


def _check_axes(path: Path, shape: tuple[int, ...], joints: int) -> None:
    try:
        check_axes(shape, joints)
    except ClipError as error:
        raise DatasetError(f"{path}: {error}") from None


def _likely(path: Path, array: ClipArray, names: list[str], metric: bool) -> str:
    """The layout that coordinates show, among those with the same number of joints."""
    flat = (array.ndim > 2 and array.shape[-1] == 2) or array.coordinates in ("xy", "xyc")
    pixels = not metric and float(np.nanmax(np.abs(array.array), initial=0)) > PIXELS
    if names[0] == KINECT_V2.name and not flat and not pixels:
        return names[0]
    if names[0] == "coco17" and flat:
        return names[0]
    raise DatasetError(
        f"{path}: its joints may be those of {' or '.join(names)}; say which with --skeleton, or "
        f"in a {FILE} in the folder"
    )


def _known() -> str:
    return ", ".join(f"{name} {size}" for size in range(1, 40) for name in layouts_of(size))
