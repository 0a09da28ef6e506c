"""Locks an output folder, so that two commands do not write to it at the same time.

The lock is the operating system's on the open file `.lock` in the folder (`flock`; on Windows
`msvcrt.locking`). It ends with the process that holds it, however that ends, so the file alone
locks nothing. While it is held, the file says who holds it; that is why no package is used, whose
lock file could not hold that.

On NFS, `flock` works between hosts if the server has a lock service. Where a file system has no
locks, the folder is used without one, and a note says so.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import socket
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.files import is_part, read_json
from keras_skeleton.utils.full_disk import writing
from keras_skeleton.utils.text import plain

LOCK = ".lock"
MOST = 1 << 16  # bytes of the file
TRIES = 100
FAR = 1 << 30  # the byte that Windows locks: those before can be read
HELD = frozenset({errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK})
NO_LOCKS = frozenset({errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL})
PART = re.compile(r"\.part-\d+-.+")  # of `files.write_atomic`

_held: dict[str, _Held] = {}  # folders that this process has locked
_guard = Lock()


class InUseError(UserError):
    """Another process writes to a folder."""


@dataclass
class _Held:
    file: int | None  # the open file; None if the file system has no locks
    made: list[Path]  # folders that were created
    times: int = 0


@contextmanager
def locked(
    folder: str | Path,
    option: str = "--out",
    log: Callable[[str], None] = print,
) -> Iterator[Path]:
    """Locks an output folder for this process, and creates it if it does not exist.

    Temporary files that a killed process has left in the folder are deleted. At the end, a folder
    that was created and is still empty is deleted. A process may lock a folder several times.

    Args:
        folder: The folder.
        option: The option that sets the folder, for the message.
        log: Called with a note if the file system has no locks.

    Raises:
        InUseError: Another process has locked the folder.
        OSError: The folder cannot be created or written to.

    Example:
        >>> from pathlib import Path
        >>> from keras_skeleton.utils.lock import locked
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as place, locked(Path(place) / "run") as folder:
        ...     [path.name for path in folder.iterdir()]
        ['.lock']
    """
    folder = Path(folder)
    key = os.path.realpath(folder)
    with _guard:
        if key not in _held:
            made: list[Path] = []
            _held[key] = _Held(_lock(folder, option, made, log), made)
            _remove_parts(folder)
        held = _held[key]
        held.times += 1
    owner = os.getpid()
    try:
        yield folder
    finally:
        if os.getpid() == owner:  # a forked child has a copy of everything here
            with _guard:
                held.times -= 1
                if not held.times:
                    del _held[key]
                    _unlock(folder / LOCK, held.file)
                    _discard(held.made)


def holds_nothing(folder: Path) -> bool:
    """Whether there is nothing in a folder but a lock and what killed processes have left."""
    return all(is_part(path) or path.name == LOCK for path in folder.iterdir())


def _lock(folder: Path, option: str, made: list[Path], log: Callable[[str], None]) -> int | None:
    """Locks a folder; returns the open file, or None if the file system has no locks."""
    path = folder / LOCK
    # No link, which may lead elsewhere, and no pipe, which would wait.
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    for tries_left in reversed(range(TRIES)):
        missing = [place for place in (folder, *folder.parents) if not place.exists()]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            made += [place for place in missing if place not in made]
            file = os.open(path, flags, 0o644)
        except FileNotFoundError:  # another process has failed and removed the empty folder
            if not tries_left:
                raise
            continue
        except OSError:
            _discard(made)
            if path.is_symlink() or path.is_dir():
                raise UserError(f"{path}: is not a file; delete it") from None
            raise
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise UserError(f"{path}: is not a file; delete it")
            if not _acquire(file):
                raise InUseError(_message(folder, option))
            if not _is_at(file, path):  # deleted by the process that had it
                os.close(file)
                continue
            with writing(path):
                os.ftruncate(file, 0)
                os.write(file, json.dumps(_about(), indent=1).encode())
        except OSError as error:
            os.close(file)
            with suppress(OSError):
                path.unlink()
            if error.errno not in NO_LOCKS:
                _discard(made)
                raise
            log(
                f"note: {folder} is on a file system without locks; start no second command that "
                "writes to it"
            )
            return None
        except BaseException:
            os.close(file)
            raise
        return file
    raise InUseError(_message(folder, option))


def _acquire(file: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(file, FAR, os.SEEK_SET)
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
            os.lseek(file, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in HELD:
            return False
        raise
    return True


def _unlock(path: Path, file: int | None) -> None:
    """Deletes the file and closes it, which ends the lock."""
    if file is None:
        return
    if sys.platform != "win32":
        with suppress(OSError):
            if _is_at(file, path):
                path.unlink()
        os.close(file)
    else:  # open files cannot be deleted, also not those of the next process
        os.close(file)
        with suppress(OSError):
            path.unlink()


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.lstat())
    except FileNotFoundError:
        return False


def _discard(made: list[Path]) -> None:
    for path in made:
        with suppress(OSError):  # it is not empty
            path.rmdir()


def _about() -> dict[str, Any]:
    return {
        "process": os.getpid(),
        "host": socket.gethostname(),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])[:300],
        "since": time.strftime("%Y-%m-%d %H:%M:%S%z"),
    }


def _message(folder: Path, option: str) -> str:
    try:
        about = read_json(folder / LOCK, "a lock", most=MOST)
        who = "process {process} on {host}, since {since} ({command})".format_map(about)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        who = "another process"  # which has not written yet who it is
    return (
        f"{folder} is in use by {plain(who, lines=False):.600}; wait until it ends, stop it, or "
        f"choose another folder with {option}"
    )


def _remove_parts(folder: Path) -> None:
    """Deletes temporary files in a folder and its subfolders; killed processes have left them, as
    no other process writes here."""
    for pattern in ("*", "*/*", "*/*/*"):
        for path in folder.glob(pattern):
            if PART.fullmatch(path.name) and path.is_file():
                with suppress(OSError):
                    path.unlink()
