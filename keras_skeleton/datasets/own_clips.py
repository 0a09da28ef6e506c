"""Reads one clip of one's own, of any supported kind, and segments of it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_skeleton.datasets import ntu
from keras_skeleton.datasets.dataset import ReadReport
from keras_skeleton.datasets.formats.clip_file import ClipError, finish_clip, read_array
from keras_skeleton.datasets.formats.skeleton_toml import FILE, Layout
from keras_skeleton.datasets.own_files import KINECT
from keras_skeleton.skeletons import KINECT_V2
from keras_skeleton.transforms.bodies import motion
from keras_skeleton.transforms.geometry import present

KINECT_FPS = 30.0


class Recording(NamedTuple):
    """The content of one file.

    Attributes:
        clip: float32 (T, M, V, 3).
        filled: bool (T, M, V), joints that were missing and were filled.
        fps: Frames per second; None if unknown.
        notes: What was assumed or changed.
    """

    clip: np.ndarray
    filled: np.ndarray
    fps: float | None = None
    notes: tuple[str, ...] = ()

    def segment(self, start: int, end: int | None) -> Recording:
        """The frames `start` to `end` - 1, with the bodies that are present there.

        Raises:
            ClipError: The segment is not inside the recording, or nobody is there.
        """
        frames = len(self.clip)
        if start == 0 and end is None:
            return self
        if (last := frames if end is None else end) > frames or start >= frames:
            what = "end" if start < frames else "start"
            raise ClipError(
                f"{what} {last if start < frames else start} is beyond the recording, which has "
                f"{frames} frames"
            )
        clip, filled = self.clip[start:last], self.filled[start:last]
        bodies = present(clip).any(axis=0)
        if not bodies.any():
            raise ClipError(f"no body in any of the frames {start} to {last - 1}")
        return self._replace(clip=clip[:, bodies], filled=filled[:, bodies])

    def most_active(self, people: int) -> Recording:
        """The `people` bodies with the most motion, in their order."""
        if self.clip.shape[1] <= people:
            return self
        most = np.sort(np.argsort(-motion(self.clip), kind="stable")[:people])
        return self._replace(clip=self.clip[:, most], filled=self.filled[:, most])


def read_recording(path: Path, layout: Layout) -> Recording:
    """Reads a file or folder that is one clip.

    `.skeleton` files of the Kinect need no description: their joints, unit and frame rate are
    known.

    Raises:
        ClipError: The file cannot be used.
    """
    if path.suffix.lower() == KINECT and path.is_file():
        return _read_kinect(path, layout)
    notes: list[str] = []
    array = read_array(path)
    clip, filled = finish_clip(array, layout, notes)
    return Recording(clip, filled, layout.fps or array.fps, tuple(notes))


def _read_kinect(path: Path, layout: Layout) -> Recording:
    if layout.skeleton != KINECT_V2 or layout.pose is not None or layout.scale == "torso":
        own = layout.pose.name if layout.pose else layout.skeleton.name
        how = ' in torso lengths (scale = "torso")' if layout.scale == "torso" else ""
        raise ClipError(
            f"holds joints of kinect_v2 in metres, but {FILE} says that clips are {own}{how}; put "
            "other kinds of clips into a folder of their own"
        )
    found = ntu.read_clip(path)
    if found.frames is None:
        line = found.where.removeprefix(f"{path}:")
        raise ClipError(found.why, int(line) if line.isdigit() else 0)
    filled = np.zeros(found.frames.shape[:3], bool)
    return Recording(found.frames, filled, layout.fps or KINECT_FPS)


class ClipNotes:
    """Collects what was assumed in reading the clips, and their frame rates."""

    def __init__(self) -> None:
        self.notes: dict[str, tuple[str, str]] = {}
        self.counts: Counter[str] = Counter()
        self.rates: set[float | None] = set()

    def add(self, path: Path, recording: Recording) -> None:
        """Adds the notes of one file."""
        self.rates.add(recording.fps)
        for note in recording.notes:
            kind = re.sub(r"[0-9]+", "0", note)  # notes that differ only in numbers
            self.notes.setdefault(kind, (path.name, note))
            self.counts[kind] += 1

    @property
    def fps(self) -> float | None:
        """The frame rate of all files; None if it is unknown or differs."""
        return next(iter(self.rates)) if len(self.rates) == 1 else None

    def add_notes(self, report: ReadReport) -> None:
        """Adds each kind of note once, with its first file."""
        for kind, (name, note) in self.notes.items():
            count = self.counts[kind]
            others = f" (and {count - 1} more)" if count > 1 else ""
            report.note(f"'{name}'{others}: {note}")
