"""Reads an array of numbers from a MATLAB file ("MAT-File Level 5 Format").

`scipy.io.loadmat` crashes on some damaged files with a segmentation fault. This reader supports
only real floating-point arrays, compressed or not, and checks all sizes in a file.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_skeleton.utils.files import read_bytes

MAX_BYTES = 64 * 2**20  # of a file and of its unpacked data; a minute of Kinect takes 1 MB

MAX_VARIABLES, LISTED = 10_000, 20

_MATRIX, _COMPRESSED = 14, 15
_NUMBERS = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip
_CLASSES = (
    "?", "cell", "struct", "object", "char", "sparse", "double", "single",
    "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
)  # fmt: skip
_FLOATS = ("double", "single")
_COMPLEX = 0x0800


class MatFileError(ValueError):
    """The file is not a MATLAB file, is damaged, or does not contain the array."""


def read_array(path: str | Path, names: Sequence[str]) -> tuple[str, np.ndarray]:
    """Reads the first of the named variables that is in the file.

    Returns:
        The variable's name and its float64 values.

    Raises:
        MatFileError: The file is not a MATLAB file, is damaged, or has none of the variables.
        OSError: The file cannot be read.
    """
    data = read_bytes(path, "a clip's MAT-file", MAX_BYTES)
    if data[:10] != b"MATLAB 5.0" or data[126:128] not in (b"IM", b"MI"):
        hint = " (HDF5: save it with -v7)" if data[:10] == b"MATLAB 7.3" else ""
        raise MatFileError(f"is not a MATLAB 5.0 MAT-file{hint}")
    order = "<" if data[126:128] == b"IM" else ">"
    try:
        found: dict[str, _Variable] = {}
        others: list[str] = []
        for number, variable in enumerate(_variables(data, order)):
            if number >= MAX_VARIABLES:
                raise MatFileError(f"has more than {MAX_VARIABLES:,} variables")
            if variable.name in names:
                found[variable.name] = variable
            elif len(others) < LISTED:
                others.append(variable.name)
        name = next((name for name in names if name in found), None)
        if name is None:
            has = ascii(", ".join(others))[1:-1][:60] or "nothing"
            raise MatFileError(f"has no variable {' or '.join(map(repr, names))}, only {has}")
        return name, _values(found[name], order)
    except (struct.error, zlib.error) as error:
        raise MatFileError(f"is damaged ({error})") from None


class _Variable(NamedTuple):
    """An array; `parts` are the data elements after its name, starting with its numbers."""

    name: str
    flags: int
    shape: tuple[int, ...]
    parts: Iterator[tuple[int, memoryview]]


def _elements(data: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Yields the type and content of each data element in `data`."""
    position = 0
    while position < len(data):
        kind, size = struct.unpack_from(order + "II", data, position)
        start = position + 8
        if kind >> 16:  # up to four bytes are stored in the tag itself
            kind, size, start = kind & 0xFFFF, kind >> 16, position + 4
        if size > len(data) - start or (start == position + 4 and size > 4):
            raise MatFileError(f"is damaged (an element of {size} bytes does not fit)")
        yield kind, data[start : start + size]
        # Elements are aligned to eight bytes, except after a compressed one.
        end = start + size
        position = end if kind == _COMPRESSED else end + -end % 8


def _next(elements: Iterator[tuple[int, memoryview]]) -> tuple[int, memoryview]:
    if (element := next(elements, None)) is None:
        raise MatFileError("is damaged (a part of an array is missing)")
    return element


def _variables(data: bytes, order: str) -> Iterator[_Variable]:
    """Yields all arrays of the file."""
    left = MAX_BYTES
    for kind, content in _elements(memoryview(data)[128:], order):
        if kind == _COMPRESSED:
            unpacker = zlib.decompressobj()
            unpacked = unpacker.decompress(content, left + 1)
            left -= len(unpacked)
            if left < 0:
                raise MatFileError(f"unpacks to more than {MAX_BYTES} bytes")
            if not unpacker.eof:
                raise MatFileError("is damaged (a compressed element is truncated)")
            kind, content = _next(_elements(memoryview(unpacked), order))
        if kind != _MATRIX or not content:
            continue
        parts = _elements(content, order)
        (flags,) = struct.unpack_from(order + "I", _next(parts)[1])
        if flags & 0xFF >= len(_CLASSES):
            continue  # function handles and similar types have no shape
        shape = tuple(n for (n,) in struct.iter_unpack(order + "i", _next(parts)[1]))
        name = _next(parts)[1].tobytes().decode("ascii", "replace")
        yield _Variable(name, flags, shape, parts)


def _values(variable: _Variable, order: str) -> np.ndarray:
    name, flags, shape, parts = variable
    kind = "complex " * bool(flags & _COMPLEX) + _CLASSES[flags & 0xFF]
    if kind not in _FLOATS:
        raise MatFileError(f"'{name}' is of type {kind}, expected real floats")
    stored, content = _next(parts)  # integers may be stored in fewer bytes
    if stored not in _NUMBERS or len(content) % np.dtype(_NUMBERS[stored]).itemsize:
        raise MatFileError(f"is damaged ('{name}' has {len(content)} bytes of type {stored})")
    numbers = np.frombuffer(content, order + _NUMBERS[stored])
    if not 2 <= len(shape) <= 32 or min(shape) < 0 or math.prod(shape) != len(numbers):
        raise MatFileError(f"is damaged ('{name}' has {len(numbers)} numbers for {shape!s:.60})")
    if not len(numbers):
        shape = (0, 0)  # regardless of the other axes
    return numbers.astype(np.float64).reshape(shape, order="F")
