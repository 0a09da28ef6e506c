"""Finds films among the sources of a command."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path

SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".3gp", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".gif",
)  # fmt: skip


def find_films(words: Iterable[str]) -> tuple[list[Path], list[str]]:
    """Returns the distinct films of paths, folders and patterns, and the words without films.

    Example:
        >>> find_films(["walk.mp4", "clip.npy"])
        ([PosixPath('walk.mp4')], ['clip.npy'])
    """
    films: list[Path] = []
    others = []
    for word in words:
        path = Path(word)
        if path.is_dir():
            found = sorted(p for p in path.rglob("*") if is_film(p) and p.is_file())
        elif is_film(path) and (path.is_file() or not glob.has_magic(word)):
            found = [path]
        else:
            found = [Path(p) for p in sorted(glob.glob(word, recursive=True))]  # noqa: PTH207
            found = [p for p in found if is_film(p) and p.is_file()]
        films += found
        others += [] if found else [word]
    return list(dict.fromkeys(films)), others


def is_film(path: str | Path) -> bool:
    """Whether a path has the suffix of a film.

    Example:
        >>> is_film("WALK.MP4"), is_film("walk.npy")
        (True, False)
    """
    return Path(path).suffix.lower() in SUFFIXES
