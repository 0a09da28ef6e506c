"""Checks of a store's files: sizes always, contents once for each time stamp.

A version of a store is verified when it is first opened after a change of its files: their SHA-256
must be those of the manifest, and all numbers must be finite. `verified.json` in its folder holds
the sizes and times of the files that were verified, so the next opening reads no contents.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import tokenize
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from keras_skeleton.utils.errors import DatasetError
from keras_skeleton.utils.files import read_json, write_json

RECORD = "verified.json"
CHUNK = 1 << 24  # numbers that are checked at a time
UNREADABLE = (ValueError, OSError, EOFError, SyntaxError, MemoryError, tokenize.TokenError)
_verified: set[tuple[str, str]] = set()  # in this process, for folders that cannot be written to


def again(
    name: str = "",
    root: Path | None = None,
    cache: Path | None = None,
    options: Mapping[str, Any] | None = None,
) -> str:
    """How to make a damaged store again.

    Args:
        name: Name of the dataset.
        root: Folder of its raw files; None if it has none.
        cache: Folder of the stores; None for the default one.
        options: Reader options that are not the default.

    Example:
        >>> from pathlib import Path
        >>> from keras_skeleton.datasets.store_check import again
        >>> again("sbu", Path("/data/sbu"))
        'write the store again: keras-skeleton prepare --dataset sbu --data-dir /data/sbu --force'
    """
    words = ["keras-skeleton", "prepare", *(["--dataset", name] if name else [])]
    words += [] if root is None else ["--data-dir", str(root)]
    words += [] if cache is None else ["--cache-dir", str(cache)]
    for key, value in (options or {}).items():
        words += ["--option", f"{key}={value}"]
    return f"write the store again: {shlex.join([*words, '--force'])}"


def sha256(path: Path) -> str:
    """SHA-256 of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_array(path: Path, kind: str, way: str = "") -> np.ndarray:
    """Opens an array of a store as a memory map.

    Args:
        path: The `.npy` file.
        kind: Allowed kinds of NumPy dtypes, such as `"f"`; `"f4"` for float32 only.
        way: What to do about a damaged file, for the error message.

    Raises:
        DatasetError: The file is damaged, holds Python objects, or has another dtype.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except UNREADABLE as error:
        raise DatasetError(f"{path}: damaged ({error}); {way or again()}") from None
    wrong = array.dtype != np.dtype("<f4") if kind == "f4" else array.dtype.kind not in kind
    if wrong:
        wanted = "float32" if kind == "f4" else "numbers"
        raise DatasetError(f"{path}: has {array.dtype}, expected {wanted}; {way or again()}")
    return array


def check_sizes(folder: Path, files: Mapping[str, Mapping[str, Any]], way: str) -> None:
    """Compares the sizes of files with the manifest.

    Raises:
        DatasetError: A file is missing or has another size.
    """
    for name, facts in files.items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != facts["bytes"]:
            raise DatasetError(f"{path}: missing, or its size is not {facts['bytes']} bytes; {way}")


def check_contents(folder: Path, files: Mapping[str, Mapping[str, Any]], way: str) -> None:
    """Compares the SHA-256 of files with the manifest, and looks for NaN and infinity.

    Raises:
        DatasetError: A file has changed since it was written, or has numbers that are not finite.
    """
    for name, facts in files.items():
        path = folder / name
        try:
            found = sha256(path)
        except OSError as error:
            raise DatasetError(f"{path}: not readable ({error.strerror}); {way}") from None
        if found != facts["sha256"]:
            raise DatasetError(f"{path}: changed since it was written; {way}")
        if path.suffix == ".npy":
            _check_finite(path, way)


def _check_finite(path: Path, way: str) -> None:
    array = open_array(path, "fiubU", way)
    if array.dtype.kind != "f" or not array.size:
        return
    flat = array.reshape(-1)
    for start in range(0, len(flat), CHUNK):
        if not np.isfinite(flat[start : start + CHUNK]).all():
            raise DatasetError(f"{path}: has NaN or infinite values; {way}")


def _stamps(folder: Path, files: Mapping[str, Any]) -> dict[str, list[int]]:
    facts = {name: (folder / name).stat() for name in sorted(files)}
    return {name: [stat.st_size, stat.st_mtime_ns] for name, stat in facts.items()}


def _record(folder: Path, files: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "files": _stamps(folder, files),
        "sha256": {name: facts["sha256"] for name, facts in files.items()},
    }


def record_verified(folder: Path, files: Mapping[str, Mapping[str, Any]]) -> None:
    """Writes `verified.json` for files that were just written."""
    write_json(folder / RECORD, _record(folder, files))


def verify_once(folder: Path, files: Mapping[str, Mapping[str, Any]], way: str) -> None:
    """Verifies the contents of a version's files, unless that was done since they last changed.

    Args:
        folder: Folder of the version.
        files: `bytes` and `sha256` of its files.
        way: What to do about a damaged file, for the error message.

    Raises:
        DatasetError: As for `check_contents`.
    """
    record = _record(folder, files)
    key = str(folder.resolve()), json.dumps(record, sort_keys=True)
    if key in _verified:
        return
    with suppress(OSError, ValueError):
        if read_json(folder / RECORD, "the record of a verification") == record:
            return
    check_contents(folder, files, way)
    _verified.add(key)
    with suppress(OSError):
        write_json(folder / RECORD, record)
