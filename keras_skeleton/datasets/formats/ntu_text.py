"""Parses the text of an NTU RGB+D `.skeleton` file.

    103                              frames
    1                                bodies in this frame
    72057594037931101 0 1 ... 2      10 values of a body; the first is its tracking id
    25                               joints
    0.2181153 0.1725972 ... 2        12 values of a joint: x y z (meters), depth x y, color x y
                                     (pixels), orientation w x y z, tracking state
    ...

Lines end in LF or CRLF; trailing blanks and blank lines at the end are ignored.

A file has 300 kB of decimal numbers, of which three in twelve are needed, and there are 114,480
files. Therefore there are two parsers of the same format. `_read_fast` parses all lines at once
with NumPy and returns None for any irregularity. `_read_carefully` then parses line by line, and
either succeeds or raises an error with the line number. Both check the whole structure and the
number of values in each line, and convert only the requested columns.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from keras_skeleton.datasets.formats.line_error import LineError

JOINTS = 25
BODY_VALUES = 10  # on the line that starts a body
JOINT_VALUES = 12  # on the line of a joint
POSITION = (0, 1, 2)  # columns of x, y, z
COLOR = (5, 6)  # columns of the pixel in the 1920 x 1080 color frame
STATE = 11  # column of the tracking state: 0 not tracked, 1 inferred, 2 tracked

_LINE, _SPACE, _RETURN, _MINUS, _POINT, _ZERO = b"\n \r-.0"
_NUMBER = re.compile(rb"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?|[-+]?(nan|inf(inity)?)", re.I)
_FLOAT32_END = 2.0**128 - 2.0**103  # the smallest number that is infinite in float32
_COUNT_DIGITS = 18  # more than any file needs, and safe for int()
_ID_DIGITS = 20  # an unsigned 64-bit number


# glibc returns large freed blocks to the system, and allocating them again costs a page fault per
# 4 kB: half of the reading time. It keeps blocks smaller than the largest one freed so far
# (mallopt(3), "dynamic mmap threshold"), so one large block is allocated and freed here, untouched.
_ = np.empty(1 << 24, np.uint8)
del _


class SkeletonTextError(LineError):
    """The text does not have the format of a `.skeleton` file."""


class SkeletonText(NamedTuple):
    """The content of a file: B = `bodies.sum()` bodies, frame by frame, in the file's order.

    Attributes:
        bodies: int64 (T,), the number of bodies in each frame.
        ids: The B tracking ids.
        values: float32 (B, 25, C), the C requested columns.
    """

    bodies: np.ndarray
    ids: list[int]
    values: np.ndarray


def parse_skeleton(data: bytes, columns: Sequence[int] = POSITION) -> SkeletonText:
    """Parses the text of a `.skeleton` file.

    Each value is the float32 nearest to `float(token)`.

    Args:
        data: The content of the file.
        columns: The requested columns of the 12 values of a joint, in order. Positions (0, 1, 2)
            must be finite; other columns may be NaN or infinite, which the sensor writes for
            missing pixels.

    Raises:
        SkeletonTextError: The text is invalid; the message states the line, what was found and
            what was expected.
    """
    if any(not 0 <= column < JOINT_VALUES for column in columns):
        raise ValueError(f"columns {list(columns)} are not all from 0 to {JOINT_VALUES - 1}")
    text = _read_fast(data, columns)
    return text if text is not None else _read_carefully(data, columns)


# ---------------------------------------------------------------- all lines at once


class _Tokens(NamedTuple):
    """The positions of the tokens of a text.

    Attributes:
        data: The text; every line ends in LF.
        stop: int64, the position of the separator after each token.
        first: int64 (lines,), the number of each line's first token.
        size: int64 (lines,), the number of tokens in each line.
        cr: bool (lines,), whether the line ends in CR LF; the CR is part of the last token.
    """

    data: bytes
    stop: np.ndarray
    first: np.ndarray
    size: np.ndarray
    cr: np.ndarray

    def start(self, token: np.ndarray) -> np.ndarray:
        """Position of the first byte of these tokens (not of token 0)."""
        return self.stop[token - 1] + 1


def _read_fast(data: bytes, columns: Sequence[int]) -> SkeletonText | None:
    """Parses a regular file; returns None for any other file."""
    if (tokens := _find_tokens(data)) is None or (places := _find_bodies(tokens)) is None:
        return None
    bodies, line, joints = places
    B, C = len(line), len(columns)
    if B == 0:
        return SkeletonText(bodies, [], np.zeros((0, JOINTS, C), np.float32))

    token = tokens.first[line]
    ends = zip(tokens.start(token).tolist(), tokens.stop[token].tolist(), strict=True)
    names = [tokens.data[a:b] for a, b in ends]
    if not all(name.isdigit() and len(name) <= _ID_DIGITS for name in set(names)):
        return None
    ids = {name: int(name) for name in set(names)}

    token = tokens.first[joints][:, None] + np.array(columns, np.int64)
    end = tokens.stop[token]
    if tokens.cr.any():
        end -= tokens.cr[joints][:, None] & np.equal(columns, JOINT_VALUES - 1)
    values = _numbers(tokens.data, tokens.start(token).reshape(-1), end.reshape(-1))
    if values is None:
        return None
    values = values.reshape(B, JOINTS, C)
    finite = np.isfinite(values)
    if not finite.all():
        positions = [i for i, column in enumerate(columns) if column in POSITION]
        if not finite[:, :, positions].all():
            return None
    return SkeletonText(bodies, [ids[name] for name in names], values)


def _find_tokens(data: bytes) -> _Tokens | None:
    """Splits a text whose tokens are separated by single spaces or line ends; None for others."""
    if not data.endswith(b"\n") or data[-2:].isspace():
        data = data.rstrip() + b"\n"
    text = np.frombuffer(data, np.uint8)
    crlf = b"\r" in data
    separators = text <= _SPACE
    if crlf:
        separators &= text != _RETURN
    stop = np.flatnonzero(separators)
    kind = text.take(stop)
    newline = kind == _LINE
    if not (newline | (kind == _SPACE)).all():
        return None  # tabs, control characters
    if stop[0] == 0 or (stop[1:] - stop[:-1] == 1).any():
        return None  # two separators in a row
    last = np.flatnonzero(newline)
    first = np.concatenate(([0], last[:-1] + 1))
    end = stop[last]
    cr = text.take(end - 1) == _RETURN
    if crlf and (
        np.count_nonzero(text == _RETURN) != np.count_nonzero(cr)
        or (text.take(end - 2, mode="clip")[cr] <= _SPACE).any()
    ):
        return None  # a CR inside a line, or in an empty line
    return _Tokens(data, stop, first, last - first + 1, cr)


def _find_bodies(tokens: _Tokens) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Finds the lines of bodies and joints.

    Returns:
        The number of bodies in each frame, int64 (T,), the lines where bodies start, int64 (B,),
        and the lines of their joints, int64 (B * 25,); None if any line is misplaced or has the
        wrong number of values.
    """
    text = np.frombuffer(tokens.data, np.uint8)
    frames = tokens.data[: tokens.stop[0]].rstrip(b"\r")
    # Lines of one token are the frame count, body counts and joint counts. The body counts
    # determine the position of all lines, including the joint counts.
    single = np.flatnonzero(tokens.size == 1)
    if single[:1].tolist() != [0] or not frames.isdigit() or len(frames) > _COUNT_DIGITS:
        return None
    single = single[1:]
    start = tokens.start(tokens.first[single])
    digits = tokens.stop[tokens.first[single]] - tokens.cr[single] - start
    high, low = text.take(start) - _ZERO, text.take(start + 1) - _ZERO
    if not ((high <= 9) & ((digits == 1) | ((digits == 2) & (low <= 9)))).all():
        return None
    counts = np.where(digits == 1, high, high * 10 + low).astype(np.int64)
    is_joints = counts == JOINTS
    bodies = counts[~is_joints]
    T, B, lines = len(bodies), int(bodies.sum()), 2 + JOINTS  # lines per body
    if int(frames) != T or len(tokens.size) != 1 + T + lines * B:
        return None  # checked before allocating memory for B bodies
    before = np.cumsum(bodies) - bodies
    frame_line = 1 + np.arange(T) + lines * before
    body_line = np.repeat(frame_line + 1 - lines * before, bodies) + lines * np.arange(B)
    joints = np.flatnonzero(tokens.size == JOINT_VALUES)
    # If all other lines are in place, this number of joint lines accounts for the rest.
    if (
        not np.array_equal(single[~is_joints], frame_line)
        or not np.array_equal(single[is_joints], body_line + 1)
        or (tokens.size[body_line] != BODY_VALUES).any()
        or len(joints) != JOINTS * B
    ):
        return None
    return bodies, body_line, joints


# Decimals are decoded as integers: "-0.2181153" is -2181153 / 10**7. Both are exact in float64
# (below 2**53 and 10**22), so their quotient is the float64 nearest to the decimal, which is what
# float() returns.
_WHOLE = 4  # most digits before the point: pixels have up to four, meters one
_FRACTION = 11  # most digits after it: 4 + 11 digits stay below 2**53
_POWERS = 10.0 ** np.arange(_FRACTION + 1)
_SIGNS = np.array([1.0, -1.0])
_FEW = 16  # number of tokens for which float() is faster than setting up arrays


def _numbers(data: bytes, start: np.ndarray, end: np.ndarray) -> np.ndarray | None:
    """Decodes the tokens data[start:end] to float32 (n,); None if one is not a number."""
    text = np.frombuffer(data, np.uint8)
    negative = text.take(start) == _MINUS
    begin = start + negative
    values, regular = _decimals(data, begin, end, 1)
    rest = np.flatnonzero(~regular)
    for whole in range(2, _WHOLE + 1):
        if len(rest) <= _FEW:
            break
        values[rest], regular = _decimals(data, begin[rest], end[rest], whole)
        rest = rest[~regular]
    values *= _SIGNS.take(negative)
    # The rest has an exponent, no point or too many digits, or is not a number.
    tokens = zip(rest.tolist(), start[rest].tolist(), end[rest].tolist(), strict=True)
    for i, a, b in tokens:
        number = _number(data[a:b])
        if number is None:
            return None
        values[i] = number
    return _to_float32(values)


def _decimals(
    data: bytes, begin: np.ndarray, end: np.ndarray, whole: int
) -> tuple[np.ndarray, np.ndarray]:
    """Decodes unsigned tokens that have `whole` digits, a point and 1 to 11 more digits.

    Returns:
        The values, float64 (n,), and bool (n,), the tokens of that form; other values are invalid.
    """
    text = np.frombuffer(data, np.uint8)
    fraction = end - begin - (whole + 1)
    regular = text.take(begin + whole, mode="clip") == _POINT
    regular &= (fraction >= 1) & (fraction <= _FRACTION)
    values = np.zeros(len(begin))
    for i in range(whole):
        digit = text.take(begin + i, mode="clip") - _ZERO  # wraps around below '0'
        regular &= digit <= 9
        values = values * 10.0 + digit

    power = _POWERS.take(fraction, mode="clip")
    values = values * power
    low, digits = _last_digits(data, end, fraction)
    values += low
    regular &= digits
    if len(long := np.flatnonzero(fraction > 8)):
        high, digits = _last_digits(data, end[long] - 8, fraction[long] - 8)
        values[long] += high * 1e8
        regular[long] &= digits
    values /= power
    return values, regular


def _repeat(value: int, size: int) -> np.uint64:
    """A 64-bit word that repeats `value` every `size` bytes."""
    return np.uint64(sum(value << shift for shift in range(0, 64, 8 * size)))


_ZEROS, _NINE_FITS, _HIGH_BITS = _repeat(_ZERO, 1), _repeat(0x80 - 10, 1), _repeat(0x80, 1)
_LOW_1, _LOW_2, _LOW_4 = _repeat(0xFF, 2), _repeat(0xFFFF, 4), _repeat(0xFFFFFFFF, 8)
_KEEP = np.array([(1 << 64) - (1 << 8 * (8 - n)) for n in range(9)], np.uint64)


def _last_digits(data: bytes, end: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Decodes the `count` bytes (at most 8) before `end` as integers.

    Eight bytes are one 64-bit word, whose lowest byte is the leftmost digit.

    Returns:
        The integers, uint64 (n,), and bool (n,), whether all of the bytes are digits.
    """
    words = np.ndarray(len(data) - 7, "<u8", data, strides=(1,))
    x = words[end - 8]  # lines of joints never start within the first 8 bytes
    x ^= _ZEROS
    x &= _KEEP.take(count, mode="clip")  # earlier bytes become leading zeros
    digits = ((x + _NINE_FITS | x) & _HIGH_BITS) == 0
    x = (x * np.uint64(10) + (x >> np.uint64(8))) & _LOW_1  # four pairs
    x = (x * np.uint64(100) + (x >> np.uint64(16))) & _LOW_2  # two groups of four
    x = (x * np.uint64(10_000) + (x >> np.uint64(32))) & _LOW_4
    return x, digits


# ---------------------------------------------------------------- line by line


def _number(token: bytes) -> float | None:
    """`float(token)`, or None if it is not a number (float() also accepts '1_0')."""
    return float(token) if _NUMBER.fullmatch(token) else None


def _show(token: bytes) -> str:
    """A token for an error message, quoted, shortened and printable."""
    text = token.decode("ascii", errors="backslashreplace")
    return repr(text if len(text) <= 40 else text[:40] + "...")


class _Lines:
    """Iterates over the lines' tokens and keeps the line number."""

    def __init__(self, data: bytes) -> None:
        self.lines = data.rstrip().split(b"\n") if data.strip() else []
        self.number = 0  # of the current line, from 1

    def error(self, found: str, expected: str) -> SkeletonTextError:
        return SkeletonTextError(self.number, f"found {found}, expected {expected}")

    def values(self, count: int, expected: str) -> list[bytes]:
        """The tokens of the next line, which must have `count` of them."""
        self.number += 1
        if self.number > len(self.lines):
            raise self.error("the end of the file", expected)
        line = self.lines[self.number - 1]
        tokens = line.removesuffix(b"\r").replace(b"\t", b" ").split(b" ")
        tokens = [token for token in tokens if token]
        if len(tokens) != count:
            found = f"{len(tokens)} values" if tokens else "an empty line"
            if len(tokens) == 1:
                found = _show(tokens[0])
            raise self.error(found, expected)
        return tokens

    def count(self, expected: str) -> int:
        """The next line, which must be an integer."""
        (token,) = self.values(1, expected)
        if not token.isdigit() or len(token) > _COUNT_DIGITS:
            raise self.error(_show(token), expected)
        return int(token)


def _read_carefully(data: bytes, columns: Sequence[int]) -> SkeletonText:
    """Parses a file line by line; the first error raises a SkeletonTextError."""
    lines = _Lines(data)
    bodies: list[int] = []
    ids: list[int] = []
    values: list[list[list[float]]] = []
    # No memory is allocated from the counts, which may be wrong.
    T = lines.count("the number of frames")
    while len(bodies) < T:
        place = f"frame {len(bodies) + 1} of {T}"
        M = lines.count(f"the number of bodies in {place}")
        for m in range(M):
            body = f"body {m + 1} of {M} in {place}"
            wanted = f"{BODY_VALUES} values that start with the tracking id of {body}"
            tracking_id = lines.values(BODY_VALUES, wanted)[0]
            if not tracking_id.isdigit() or len(tracking_id) > _ID_DIGITS:
                raise lines.error(_show(tracking_id), f"the tracking id of {body}")
            ids.append(int(tracking_id))
            if (joints := lines.count(f"{JOINTS} joints of {body}")) != JOINTS:
                raise lines.error(f"{joints} joints", f"{JOINTS} joints of {body}")
            values.append([_read_joint(lines, j, body, columns) for j in range(JOINTS)])
        bodies.append(M)
    if lines.number < len(lines.lines):
        found = _show(lines.lines[lines.number].strip())
        lines.number += 1
        raise lines.error(found, f"the end of the file after {T} frames")
    return SkeletonText(
        np.array(bodies, np.int64),
        ids,
        _to_float32(values).reshape(len(ids), JOINTS, len(columns)),
    )


def _read_joint(lines: _Lines, j: int, body: str, columns: Sequence[int]) -> list[float]:
    """The values of the line of one joint."""
    joint = f"joint {j + 1} of {body}"
    tokens = lines.values(JOINT_VALUES, f"{JOINT_VALUES} values of {joint}")
    values = []
    for column in columns:
        value = _number(tokens[column])
        wanted = "a number"
        if column in POSITION and value is not None:
            wanted = "a finite number"
            if not -_FLOAT32_END < value < _FLOAT32_END:
                value = None
        if value is None:
            raise lines.error(_show(tokens[column]), f"{wanted} in column {column + 1} of {joint}")
        values.append(value)
    return values


def _to_float32(values: object) -> np.ndarray:
    """Converts to float32; values that are too large become infinite, without a warning."""
    with np.errstate(over="ignore"):
        return np.array(values, np.float64).astype(np.float32)
