"""Reading untrusted files within size limits, and writing files atomically.

Datasets, annotations and run folders come from downloads and from other people. A file of the
wrong kind, or a malicious one, raises a short error before it fills the memory.

The limits are far above the largest known files: the longest text file of one clip is that of
UESTC's moving camera (3 MB, 140,000 lines), the longest line is PKU-MMD's list of training videos
(9 kB).
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from keras_skeleton.utils.errors import UserError

TEXT = 16 << 20  # bytes
LINES = 1_000_000
LINE = 1 << 18  # bytes in one line
ARRAYS = 1 << 16  # arrays in an archive


class FileError(UserError, OSError):
    """A file that was rejected; `strerror` holds the reason.

    It is an OSError, so readers that skip unreadable files skip it, too.
    """

    def __str__(self) -> str:
        return f"{self.filename}: {self.strerror}"


def refuse(path: str | Path, why: str) -> FileError:
    """Returns the `FileError` to raise for a file."""
    return FileError(errno.EFBIG, why, str(path))


def reason(error: Exception) -> str:
    """The message of an error; for an OSError without the file's name."""
    return getattr(error, "strerror", None) or str(error)


def size_text(size: int) -> str:
    """A number of bytes as text.

    Example:
        >>> size_text(999), size_text(16 << 20), size_text(1 << 30)
        ('999 bytes', '16 MiB', '1.0 GiB')
    """
    if size < 1 << 20:
        return f"{size:,} bytes"
    return f"{size / 2**30:.1f} GiB" if size >= 1 << 30 else f"{size / 2**20:.3g} MiB"


def check_size(path: str | Path, what: str, most: int = TEXT) -> int:
    """The size of a file in bytes, checked against a limit.

    Args:
        path: The file.
        what: The expected content, for the error message.
        most: Largest size allowed, in bytes.

    Raises:
        FileError: The file is too large, or is a device or a pipe, which may never end.
        OSError: The file does not exist.
    """
    facts = Path(path).stat()
    if not stat.S_ISREG(facts.st_mode) and not stat.S_ISDIR(facts.st_mode):
        raise refuse(path, f"is a device or a pipe, not a file; expected {what}")
    if facts.st_size > most:
        raise refuse(
            path,
            f"{size_text(facts.st_size)} is too large for {what} (at most {size_text(most)}); "
            "is it the right file?",
        )
    return facts.st_size


def read_bytes(path: str | Path, what: str, most: int = TEXT) -> bytes:
    """The content of a file; arguments and errors as in `check_size`."""
    size = check_size(path, what, most)
    with open(path, "rb") as file:
        return file.read(size)


def read_text(
    path: str | Path,
    what: str,
    encoding: str = "utf-8",
    errors: str = "strict",
    most: int = TEXT,
    lines: int = LINES,
) -> str:
    r"""The content of a text file, with every line end as "\n".

    Args:
        path: The file.
        what: The expected content, for the error message.
        encoding: The text's encoding.
        errors: Treatment of undecodable bytes, as in `bytes.decode`.
        most: Largest size allowed, in bytes.
        lines: Largest number of lines allowed.

    Raises:
        FileError: As in `check_size`; also for too many lines or too long a line.
        UnicodeDecodeError: The text is not in this encoding, with `errors="strict"`.
    """
    data = read_bytes(path, what, most)
    if len(data) > LINE:  # shorter files are within both limits
        values = np.frombuffer(data, np.uint8)
        ends = np.flatnonzero((values == ord("\n")) | (values == ord("\r")))
        if len(ends) > 2 * lines:  # a line may end with "\r\n"
            raise refuse(path, f"has more than {lines:,} lines, too many for {what}")
        if np.diff(ends, prepend=-1, append=len(data)).max() > LINE:
            raise refuse(path, f"has a line of more than {LINE:,} bytes, too long for {what}")
    return data.decode(encoding, errors).replace("\r\n", "\n").replace("\r", "\n")


def read_json(path: str | Path, what: str, most: int = TEXT) -> Any:
    """The content of a JSON file.

    Raises:
        FileError: As in `check_size`; also for JSON that is nested too deeply.
        ValueError: The file is not UTF-8 or not JSON.
    """
    try:
        return json.loads(read_bytes(path, what, most).decode("utf-8"))
    except RecursionError:
        raise refuse(path, "is nested too deeply") from None


@contextmanager
def open_arrays(path: str | Path, what: str, most: int) -> Iterator[np.lib.npyio.NpzFile]:
    """Opens an `.npz` archive whose unpacked arrays have at most `most` bytes in total.

    Raises:
        FileError: As in `check_size`; also for an archive that unpacks to more.
        Exception: The archive is damaged; NumPy and zipfile raise errors of many types.
    """
    check_size(path, what, most)
    with open(path, "rb") as file:  # opened here: np.load leaves a broken archive open
        # As a Python object, an entry of the archive's directory takes ten times its bytes.
        if sum(part.count(b"PK\1\2") for part in iter(lambda: file.read(1 << 20), b"")) > ARRAYS:
            raise refuse(path, f"contains more than {ARRAYS:,} arrays, too many for {what}")
        with zipfile.ZipFile(file) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > most:
            raise refuse(
                path,
                f"unpacks to {size_text(size)}, too much for {what} (at most {size_text(most)})",
            )
        file.seek(0)
        with np.load(file, allow_pickle=False) as arrays:
            yield arrays


def plain_name(name: str) -> str:
    """A clip's name as a plain file name, without path separators.

    Example:
        >>> plain_name("../s01/a02"), plain_name("..")
        ('.._s01_a02', '_..')
    """
    plain = re.sub(r"[/\\:\0]", "_", name)
    return plain if plain.strip(".") else f"_{plain}"


def write_atomic(path: str | Path, write: Callable[[Path], object]) -> None:
    """Writes a file atomically: if interrupted, the previous file is unchanged.

    Args:
        path: The file.
        write: Writes the content to the path it is called with, a temporary file in the same
            folder with the same extension.
    """
    path = Path(path)
    part = path.with_name(f".part-{os.getpid()}-{path.name}")
    try:
        write(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def is_part(path: Path) -> bool:
    """Whether a file is a temporary file left by an interrupted `write_atomic` of any version."""
    return path.name.startswith(".part-") or path.suffix == ".part"


def remove_parts(folder: str | Path) -> None:
    """Deletes the temporary files that a killed process has left in a folder; nothing else may be
    writing to it."""
    for path in Path(folder).iterdir():
        if is_part(path):
            path.unlink()


def write_text(path: str | Path, text: str) -> None:
    """Writes UTF-8 text atomically."""
    write_atomic(path, lambda part: part.write_text(text, "utf-8"))


def write_json(path: str | Path, content: Any) -> None:
    """Writes JSON atomically."""
    write_text(path, json.dumps(content, indent=1) + "\n")
