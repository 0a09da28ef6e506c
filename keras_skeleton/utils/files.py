"""Opens files that may be anything: what they may hold is bounded before any of it is believed.

Data, annotations and folders of results are downloaded or passed on. A file of the wrong kind, or
one that was made to do harm, is refused in one sentence before it fills the memory.

The bounds are far above what is known: the longest text of one clip is UESTC's camera that goes
round (3 MB, 140,000 lines), the longest line PKU-MMD's list of training videos (9 kB).
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
ARRAYS = 1 << 16  # members of an archive


class FileError(UserError, OSError):
    """A file that is not read; `strerror` says why. An OSError, so that a reader leaves it out as
    any other file that cannot be read."""

    def __str__(self) -> str:
        return f"{self.filename}: {self.strerror}"


def refuse(path: str | Path, why: str) -> FileError:
    """The error to raise for a file."""
    return FileError(errno.EFBIG, why, str(path))


def reason(error: Exception) -> str:
    """What an error says, without the file's name where it is an OSError."""
    return getattr(error, "strerror", None) or str(error)


def size_text(size: int) -> str:
    """`"1.0 GiB"`, `"16 MiB"`."""
    if size < 1 << 20:
        return f"{size:,} bytes"
    return f"{size / 2**30:.1f} GiB" if size >= 1 << 30 else f"{size / 2**20:.3g} MiB"


def check_size(path: str | Path, what: str, most: int = TEXT) -> int:
    """A file's bytes, no more than `most`; `what` it should be is for people.

    Raises:
        FileError: It is too large, or a device or a pipe, which may never end.
        OSError: It is not there.
    """
    facts = Path(path).stat()
    if not stat.S_ISREG(facts.st_mode) and not stat.S_ISDIR(facts.st_mode):
        raise refuse(path, f"is no file but a device or a pipe, expected {what}")
    if facts.st_size > most:
        raise refuse(
            path,
            f"{size_text(facts.st_size)} is too large for {what} (at most {size_text(most)}); "
            "is it the right file?",
        )
    return facts.st_size


def read_bytes(path: str | Path, what: str, most: int = TEXT) -> bytes:
    """A whole file; errors as `check_size`."""
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
    r"""A whole text, with "\n" for every end of a line.

    Raises:
        FileError: As `check_size`, or too many lines, or a line that is too long.
        UnicodeDecodeError: With `errors="strict"`.
    """
    data = read_bytes(path, what, most)
    if len(data) > LINE:  # anything shorter is within all bounds
        values = np.frombuffer(data, np.uint8)
        ends = np.flatnonzero((values == ord("\n")) | (values == ord("\r")))
        if len(ends) > 2 * lines:  # a line may end with both
            raise refuse(path, f"has more than {lines:,} lines, too many for {what}")
        if np.diff(ends, prepend=-1, append=len(data)).max() > LINE:
            raise refuse(path, f"has a line of more than {LINE:,} bytes, too long for {what}")
    return data.decode(encoding, errors).replace("\r\n", "\n").replace("\r", "\n")


def read_json(path: str | Path, what: str, most: int = TEXT) -> Any:
    """The content of a JSON file.

    Raises:
        FileError: As `check_size`, or lists within lists beyond any sense.
        ValueError: It is not UTF-8, or no JSON.
    """
    try:
        return json.loads(read_bytes(path, what, most).decode("utf-8"))
    except RecursionError:
        raise refuse(path, "is nested too deeply") from None


@contextmanager
def open_arrays(path: str | Path, what: str, most: int) -> Iterator[np.lib.npyio.NpzFile]:
    """An `.npz` whose arrays have no more than `most` bytes together, unpacked.

    Raises:
        FileError: As `check_size`, or it unpacks to more.
        Exception: It is damaged; NumPy and zipfile raise a dozen kinds of errors.
    """
    check_size(path, what, most)
    with open(path, "rb") as file:  # opened here: np.load leaves a broken archive open
        # Each member of the archive's list costs ten times its bytes as a Python object.
        if sum(part.count(b"PK\1\2") for part in iter(lambda: file.read(1 << 20), b"")) > ARRAYS:
            raise refuse(path, f"holds more than {ARRAYS:,} arrays, too many for {what}")
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
    """A clip's name as the name of one file: it leads into no other folder."""
    plain = re.sub(r"[/\\:\0]", "_", name)
    return plain if plain.strip(".") else f"_{plain}"


def write_atomic(path: str | Path, write: Callable[[Path], object]) -> None:
    """Writes a file whole or not at all: a stop in between leaves what was there before.

    Args:
        path: The file.
        write: Writes to the path that it is called with, in the same folder and with the same
            ending.
    """
    path = Path(path)
    part = path.with_name(f".part-{os.getpid()}-{path.name}")
    try:
        write(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def is_part(path: Path) -> bool:
    """Whether a file is what `write_atomic`, stopped, has left (or an earlier version's)."""
    return path.name.startswith(".part-") or path.suffix == ".part"


def write_text(path: str | Path, text: str) -> None:
    """Writes UTF-8 text whole or not at all."""
    write_atomic(path, lambda part: part.write_text(text, "utf-8"))


def write_json(path: str | Path, content: Any) -> None:
    """Writes JSON whole or not at all."""
    write_text(path, json.dumps(content, indent=1) + "\n")
