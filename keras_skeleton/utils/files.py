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
import math
import os
import re
import stat
import tokenize
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.full_disk import writing
from keras_skeleton.utils.text import plain

TEXT = 16 << 20  # bytes
LINES = 1_000_000
LINE = 1 << 18  # bytes in one line
ARRAYS = 1 << 16  # arrays in an archive
# In JSON: values take 8 to 60 bytes of memory, lists and objects 60 to 240, and code that walks
# through them calls itself for each level.
JSON_VALUES, JSON_LISTS, JSON_LEVELS = 1 << 22, 1 << 20, 64
_NOT_TEXT = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]+")


class FileError(UserError, OSError):
    """A file that was rejected; `strerror` holds the reason.

    It is an OSError, so readers that skip unreadable files skip it, too.
    """

    def __str__(self) -> str:
        return plain(f"{self.filename}: {self.strerror}")


def refuse(path: str | Path, why: str) -> FileError:
    """Returns the `FileError` to raise for a file."""
    return FileError(errno.EFBIG, why, str(path))


def reason(error: Exception) -> str:
    """The message of an error; for an OSError without the file's name."""
    text = getattr(error, "strerror", None) or str(error)
    # Python's own message names a setting of the interpreter.
    return "a whole number has too many digits" if "set_int_max_str_digits" in text else text


def size_text(size: int) -> str:
    """A number of bytes as text.

    Example:
        >>> from keras_skeleton.utils.files import size_text
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


def read_json(
    path: str | Path,
    what: str,
    most: int = TEXT,
    values: int = JSON_VALUES,
    lists: int = JSON_LISTS,
    encoding: str | None = "utf-8",
) -> Any:
    """The content of a JSON file.

    Args:
        path: The file.
        what: The expected content, for the error message.
        most: Largest size allowed, in bytes.
        values: Largest number of values allowed.
        lists: Largest number of lists and objects allowed.
        encoding: The text's encoding; None for UTF-8, -16 or -32, whichever it is.

    Raises:
        FileError: As in `check_size`; also for JSON that is nested too deeply, or has too many
            values.
        ValueError: The file is not in this encoding, or not JSON.
    """
    data = read_bytes(path, what, most)
    if data.count(b",") + data.count(b":") > values:
        raise refuse(path, f"has more than {values:,} values, too many for {what}")
    if data.count(b"[") + data.count(b"{") > lists:
        raise refuse(path, f"has more than {lists:,} lists and objects, too many for {what}")
    try:
        content = json.loads(data.decode(encoding or json.detect_encoding(data)))
    except RecursionError:
        raise refuse(path, "is nested too deeply") from None
    except ValueError as error:
        if type(error) is ValueError:  # neither UnicodeError nor JSONDecodeError
            raise ValueError(reason(error)) from None
        raise
    level = [content]
    for _ in range(JSON_LEVELS):
        level = [item for value in level if isinstance(value, (dict, list)) for item in
                 (value.values() if isinstance(value, dict) else value)]  # fmt: skip
        if not level:
            return content
    raise refuse(path, "is nested too deeply")


@contextmanager
def open_arrays(path: str | Path, what: str, most: int) -> Iterator[np.lib.npyio.NpzFile]:
    """Opens an `.npz` archive whose unpacked arrays have at most `most` bytes in total.

    Raises:
        FileError: As in `check_size`; also for an archive that unpacks to more, or an array that
            claims a shape larger than its data.
        Exception: The archive is damaged; NumPy and zipfile raise errors of many types.
    """
    check_size(path, what, most)
    with open(path, "rb") as file:  # opened here: np.load leaves a broken archive open
        if not zipfile.is_zipfile(file):  # reads only its end
            raise zipfile.BadZipFile("is not an archive of arrays")
        file.seek(0)
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
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                if not member.filename.endswith(".npy"):  # NumPy would read it as well
                    raise refuse(
                        path, f"contains '{member.filename:.40}', which is no array (.npy)"
                    )
                with archive.open(member) as content:
                    _check_array(path, content, member.file_size)
        file.seek(0)
        with np.load(file, allow_pickle=False) as arrays:
            yield arrays


def load_array(path: str | Path, what: str, most: int) -> np.ndarray:
    """The array in an `.npy` file of at most `most` bytes.

    Raises:
        FileError: As in `check_size`; also for an array that claims a shape larger than the file.
        Exception: The file is damaged; NumPy raises errors of many types.
    """
    size = check_size(path, what, most)
    with open(path, "rb") as file:
        _check_array(path, file, size)
        file.seek(0)
        array: np.ndarray = np.load(file, allow_pickle=False)
        return array


def _check_array(path: str | Path, file: IO[bytes], size: int) -> None:
    """Checks that the shape in an array's header is no larger than its `size` bytes of data."""
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise refuse(path, f"holds an array in version {version} of the format, expected numbers")
    read = np.lib.format.read_array_header_1_0
    try:
        shape, _, kind = (read if version == (1, 0) else np.lib.format.read_array_header_2_0)(file)
    except (ValueError, SyntaxError, TypeError, RecursionError, tokenize.TokenError) as error:
        raise refuse(path, "has an array with a damaged header") from error
    if any(type(length) is not int or length < 0 for length in shape):
        raise refuse(path, "has an array with a damaged header")
    if kind.hasobject:  # refused by NumPy, with the reason
        return
    if math.prod(shape) * max(1, kind.itemsize) > size or max(shape, default=0) > size:
        raise refuse(
            path, f"holds an array of shape {shape!s:.80}, larger than its data: it is cut short"
        )


def plain_name(name: str) -> str:
    """A clip's name as a plain file name, without path separators.

    Example:
        >>> from keras_skeleton.utils.files import plain_name
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

    Raises:
        FullDiskError: There is no space for the file.
    """
    path = Path(path)
    part = path.with_name(f".part-{os.getpid()}-{path.name}")
    try:
        with writing(path):
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
    """Writes UTF-8 text atomically; names that are not UTF-8, and control characters, which a
    terminal obeys, are written as `text.plain` shows them."""
    safe = _NOT_TEXT.sub(lambda found: plain(found[0]), text)
    write_atomic(path, lambda part: part.write_text(safe, "utf-8"))


def write_json(path: str | Path, content: Any) -> None:
    """Writes JSON atomically."""
    write_text(path, json.dumps(content, indent=1) + "\n")
