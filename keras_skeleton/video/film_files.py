"""Finds films among the sources of a command."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Sequence
from pathlib import Path

from keras_skeleton.utils.files import plain_name
from keras_skeleton.utils.folders import walk_files

SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".3gp", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".gif",
)  # fmt: skip
OVERLAY, PAGE = "_overlay.mp4", "_attention.html"  # ends of the names of results


def find_films(words: Iterable[str]) -> tuple[list[Path], list[str]]:
    """Returns the distinct films of paths, folders and patterns, and the words without films.

    Overlays that lie in the folders, from labeling their films, are left out.

    Example:
        >>> from keras_skeleton.video.film_files import find_films
        >>> find_films(["walk.mp4", "clip.npy"])
        ([PosixPath('walk.mp4')], ['clip.npy'])
    """
    films: list[Path] = []
    others = []
    for word in words:
        path = Path(word)
        if path.is_dir():
            found = sorted(p for p in walk_files(path) if _is_source(p))
        elif is_film(path) and (path.is_file() or not glob.has_magic(word)):
            found = [path]
        else:
            found = [Path(p) for p in sorted(glob.glob(word, recursive=True))]  # noqa: PTH207
            found = [p for p in found if _is_source(p)]
        films += found
        others += [] if found else [word]
    return list(dict.fromkeys(films)), others


def _is_source(path: Path) -> bool:
    """Whether a path is a film, and not an overlay with its attention page."""
    own = path.name.endswith(OVERLAY)
    page = path.with_name(path.name.removesuffix(OVERLAY) + PAGE)
    return is_film(path) and path.is_file() and not (own and page.is_file())


def film_names(films: Sequence[Path], words: Iterable[str]) -> list[str]:
    """Names for the results of films, all different: "wave/clip_1" for a film in a folder's folder.

    Args:
        films: The films, from `find_films`.
        words: The words in which they were found.

    Example:
        >>> from pathlib import Path
        >>> from keras_skeleton.video.film_files import film_names
        >>> film_names([Path("a/walk.mp4"), Path("b/walk.mp4"), Path("sit.mov")], [])
        ['walk', 'walk_2', 'sit']
    """
    folders = [Path(word) for word in words if Path(word).is_dir()]
    names: list[str] = []
    for film in films:
        inside = next((folder for folder in folders if film.is_relative_to(folder)), film.parent)
        parts = film.relative_to(inside).with_suffix("").parts
        name = own = "/".join(map(plain_name, parts))
        number = 1
        while name in names:
            number += 1
            name = f"{own}_{number}"
        names.append(name)
    return names


def is_film(path: str | Path) -> bool:
    """Whether a path has the suffix of a film.

    Example:
        >>> from keras_skeleton.video.film_files import is_film
        >>> is_film("WALK.MP4"), is_film("walk.npy")
        (True, False)
    """
    return Path(path).suffix.lower() in SUFFIXES
