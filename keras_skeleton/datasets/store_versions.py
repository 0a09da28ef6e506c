"""Versions of a store: complete folders that never change, and a file that names the current one.

    STORE/current           the name of the current version
    STORE/3f0c...           a version, named by the hash of its content
    STORE/.3f0c....part     a version that is being written

A new version gets a folder of its own, and `current` is replaced atomically. So processes that
prepare the same store do not disturb each other, and a reader has one whole version open. Versions
that are no longer current are deleted when nobody has opened them for a month.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from keras_skeleton.utils.errors import DatasetError
from keras_skeleton.utils.files import FileError, read_text, reason

POINTER = "current"
DAY = 24 * 3600
STALE = 30 * DAY  # seconds since a version was last opened
ABANDONED = DAY  # seconds since a killed process last wrote to its folder
_NAME = re.compile(r"[0-9a-f]{16}(-\d{1,3})?")
_PART = re.compile(r"\.[0-9a-f]{32}\.part")
MOST = 100  # folders that are tried for one content


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns an OSError of writing a store into a DatasetError that names the way out."""
    try:
        yield
    except FileError:
        raise
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        way = "free some space" if full else "make its folder writable"
        raise DatasetError(
            f"{error.filename or path}: the store in {path} cannot be written ({reason(error)}); "
            f"{way}, or choose another folder with --cache-dir (cache_dir= in Python)"
        ) from error


def current_version(path: str | Path) -> Path:
    """The folder of the current version of a store; `path` itself if it has no versions.

    Raises:
        DatasetError: The file that names the version is damaged.
    """
    path = Path(path)
    file = path / POINTER
    try:
        name = read_text(file, "the name of a version", most=64).strip()
    except (FileNotFoundError, NotADirectoryError):
        return path
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{file}: not readable ({reason(error)}); delete this file") from None
    if not _NAME.fullmatch(name):  # it must not lead out of the folder
        raise DatasetError(f"{file}: not the name of a version; delete this file")
    return path / name


def new_version(path: Path) -> Path:
    """Creates a folder in which a version is written."""
    part = path / f".{uuid.uuid4().hex}.part"
    with writing(path):
        for tries_left in reversed(range(MOST)):
            path.mkdir(parents=True, exist_ok=True)
            try:
                part.mkdir()
                break
            except FileNotFoundError:  # another process has failed and removed the empty folder
                if not tries_left:
                    raise
    return part


def discard(part: Path) -> None:
    """Deletes a version that was not completed, and the store's folder if nothing else is in it."""
    remove(part)
    with suppress(OSError):
        part.parent.rmdir()


def publish(part: Path, path: Path, digest: str, whole: Callable[[Path], bool]) -> Path:
    """Moves a complete version to its place and makes it the current one.

    Args:
        part: Folder of the version, see `new_version`.
        path: Folder of the store.
        digest: Hash of the version's content, 16 hexadecimal digits.
        whole: Whether an existing folder holds this content undamaged.

    Returns:
        The folder of the version: an existing one if another process was faster.

    Raises:
        DatasetError: It cannot be written.
    """
    with writing(path):
        for number in range(MOST):
            version = path / (f"{digest}-{number}" if number else digest)
            try:
                os.replace(part, version)
                break
            except OSError:
                # Only a folder that is there and has the same content is as good as this one.
                if not version.is_dir() or number == MOST - 1:
                    raise
                if whole(version):
                    remove(part)
                    break
        _point(path, version.name)
        sweep(path)
    return version


def _point(path: Path, name: str) -> None:
    part = path / f".{uuid.uuid4().hex}.part"
    try:
        part.write_text(name + "\n", "ascii")
        os.replace(part, path / POINTER)
    finally:
        part.unlink(missing_ok=True)


def mark_used(version: Path) -> None:
    """Marks a version as used today, so that it is not deleted; its content stays the same."""
    with suppress(OSError):  # a cache that cannot be written to is not cleaned either
        if time.time() - version.stat().st_mtime > DAY:
            os.utime(version)


def sweep(path: Path) -> None:
    """Deletes old versions that are not used any more, and what killed processes have left."""
    keep, now = current_version(path).name, time.time()
    for entry in list(os.scandir(path)):
        part = _PART.fullmatch(entry.name) is not None
        if entry.name == keep or not (part or _NAME.fullmatch(entry.name)):
            continue
        with suppress(OSError):  # another process may be faster
            age = now - entry.stat(follow_symlinks=False).st_mtime
            if age > (ABANDONED if part else STALE):
                remove(Path(entry.path))


def remove(folder: Path) -> None:
    """Deletes a folder or a file; it disappears at once, even if deleting takes long."""
    with suppress(OSError):
        gone = folder.with_name(f".{uuid.uuid4().hex}.part")
        os.replace(folder, gone)
        if gone.is_dir() and not gone.is_symlink():
            shutil.rmtree(gone, ignore_errors=True)
        else:
            gone.unlink()
