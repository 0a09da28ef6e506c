"""Finds the clips in a folder of one's own: files, and folders that are one clip.

The folder is walked once, and every clip is known by its path relative to the folder, so that a
list of labels needs no further look at the disk.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from keras_skeleton.datasets.formats.clip_file import READERS
from keras_skeleton.datasets.formats.openpose import is_clip_folder
from keras_skeleton.utils.folders import Links, is_there, not_a_file

LABELS = "labels.csv"
INTERVALS = re.compile(r"(intervals|annotations)\.(csv|tsv|txt)", re.IGNORECASE)
KINECT = ".skeleton"
# Columns of the tables that `detect` writes.
DETECTED = {
    "file", "label", "start", "end", "start_s", "end_s", "score", "frame", "time_s", "probability"
}  # fmt: skip
ELSEWHERE = "is a link to a folder that is searched elsewhere"
GONE = "was deleted while the folder was searched"
SUFFIXES = tuple(dict.fromkeys((*READERS, KINECT)))


class FoundClip(NamedTuple):
    """A file or folder that may be a clip.

    Attributes:
        name: Path relative to the data folder, with `/` between its parts.
        path: The path.
        link: Whether it is a symbolic link, which may lead outside the folder.
        folder: Whether it is a folder.
        why: Why it cannot be read; empty if nothing is known against it.
    """

    name: str
    path: Path
    link: bool = False
    folder: bool = False
    why: str = ""


def walk_clips(root: Path) -> list[FoundClip]:
    """All clips in a folder and its subfolders, sorted by name; hidden ones are left out, those
    that cannot be read (see `left_out`), and what `detect` wrote.

    Links to folders are followed, see `utils.folders.Links`. A folder that is a clip is not
    searched further.
    """
    found = [clip for clip in _walk(root, "", Links(root)) if not clip.why]
    count = Counter(PurePosixPath(clip.name).stem for clip in found)
    return sorted(clip for clip in found if not _is_output(clip, count))


def _is_output(clip: FoundClip, count: Mapping[str, int]) -> bool:
    """Whether a file was written by the command `detect`.

    Args:
        clip: The file.
        count: Number of clips by the name without suffix. The tables of detections have the name
            of their recording; others need not be opened.
    """
    name = PurePosixPath(clip.name.lower())
    if clip.folder or name.suffix not in (".csv", ".json"):
        return False
    if name.suffix == ".json":
        return name.name == "activitynet.json" or name.name.endswith(".activitynet.json")
    of_frames = name.name == "frames.csv" or name.name.endswith(".frames.csv")
    if not of_frames and count[PurePosixPath(clip.name).stem] < 2:
        return False
    try:
        with clip.path.open(encoding="utf-8-sig", errors="replace") as file:
            columns = {word.strip(' "\r\n') for word in file.readline(1 << 12).split(",")}
    except OSError:
        return False
    return "label" in columns and columns <= DETECTED


def left_out(root: Path) -> list[tuple[Path, str]]:
    """What is named as a clip and cannot be read, and why: links that lead nowhere, pipes, folders
    without clips, and names that are not UTF-8, as some programs unpack them from archives.
    """
    found = _walk(root, "", Links(root))
    return sorted((clip.path, clip.why) for clip in found if clip.why)


def _why_name(name: str) -> str:
    """What is wrong with a name; empty if nothing is."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8; rename it"
    return ""


def _walk(folder: Path, prefix: str, links: Links) -> Iterator[FoundClip]:
    """All clips, also those that cannot be read."""
    try:
        with os.scandir(folder) as listed:
            entries = [entry for entry in listed if not entry.name.startswith(".")]
        if prefix and is_clip_folder(folder):
            name = prefix.rstrip("/")
            yield FoundClip(name, folder, folder=True, why=_why_name(name))
            return
    except OSError:
        return
    for entry in entries:
        name, path = prefix + entry.name, Path(entry.path)
        named = path.suffix.lower() in SUFFIXES and not is_table(name)
        if _is_folder(entry):
            searched = not entry.is_symlink() or links.follows(path)
            inside = list(_walk(path, name + "/", links)) if searched else []
            yield from inside
            if named and not inside:
                why = "is a folder without clips" if searched else ELSEWHERE
                yield FoundClip(name, path, entry.is_symlink(), True, why)
        elif named and _is_file(entry):
            yield FoundClip(name, path, entry.is_symlink(), why=_why_name(name))
        elif named or (not path.suffix and _is_lost(entry)):  # maybe of a folder of clips
            yield FoundClip(name, path, entry.is_symlink(), why=not_a_file(path) or GONE)


def is_intervals_file(name: str) -> bool:
    """Whether a file of this name, in the data folder, holds the actions of its recordings."""
    return INTERVALS.fullmatch(name) is not None


def is_table(name: str) -> bool:
    """Whether a file holds labels or intervals instead of a clip, by its path in the folder.

    Example:
        >>> from keras_skeleton.datasets.own_files import is_table
        >>> is_table("intervals.csv"), is_table("anna/rec1.intervals.csv"), is_table("rec1.csv")
        (True, True, False)
    """
    name = name.lower()
    return name == LABELS or is_intervals_file(name) or name.endswith(".intervals.csv")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a loop of links
        return False


def _is_lost(entry: os.DirEntry[str]) -> bool:
    """Whether it is a link that leads nowhere."""
    return entry.is_symlink() and not _is_file(entry) and bool(not_a_file(Path(entry.path)))


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a loop of links
        return False


def find_clips(root: Path) -> list[Path]:
    """All files and folders that may be clips, in the folder and its subfolders, sorted.

    `.skeleton` files are left out: they need no description of their joints.
    """
    found = walk_clips(root)
    return sorted(clip.path for clip in found if clip.path.suffix.lower() != KINECT)


def labels_file(root: Path) -> Path | None:
    """The folder's `labels.csv`, in whatever case; None if there is none.

    Raises:
        DatasetError: It is no file that can be read.
    """
    if is_there(exact := root / LABELS):
        return exact
    try:
        others = sorted(path for path in root.iterdir() if path.name.lower() == LABELS)
    except OSError:
        return None
    return next((path for path in others if is_there(path)), None)
