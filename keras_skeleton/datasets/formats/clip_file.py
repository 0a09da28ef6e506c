"""Reads one clip from a .npy, .npz, .json or .csv file as float32 (T, M, V, 3).

Files may be untrusted: nothing is unpickled, sizes are limited, and any error in a file raises a
`ClipError`.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from array import array
from collections.abc import Callable
from pathlib import Path

import numpy as np

from keras_skeleton.datasets.formats.poses import (
    MEDIAPIPE33,
    image_to_camera,
    split_coordinates,
    to_kinect_v2,
    turn_up,
)
from keras_skeleton.datasets.formats.skeleton_toml import FILE, UNITS, Layout
from keras_skeleton.transforms.geometry import present
from keras_skeleton.transforms.missing import fill_missing
from keras_skeleton.transforms.normalise import per_torso
from keras_skeleton.utils.files import FileError, open_arrays, read_bytes, read_text, reason

MAX_BYTES = 256 << 20  # 15 minutes of Kinect v2 take 8 MiB in float32
# Limits of JSON, where a number takes 32 bytes of memory and a list 80; enough for two hours of
# Kinect v2.
MAX_VALUES, MAX_LISTS = 1 << 24, 6 << 20


class ClipError(Exception):
    """The file of a clip cannot be used; `line` is 0 if there is no line number."""

    def __init__(self, why: str, line: int = 0) -> None:
        super().__init__(why)
        self.line = line


def read_array(path: Path) -> np.ndarray:
    """Reads the numbers in a clip's file as float64, in their original shape.

    Raises:
        ClipError: The file is too large, does not match its extension, or contains values that are
            not numbers.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ClipError(f"larger than {MAX_BYTES >> 20} MiB")
        return READERS[path.suffix.lower()](path)
    except UnicodeDecodeError as error:
        raise ClipError(f"is not UTF-8 text: {error}") from None
    except FileError as error:
        raise ClipError(reason(error)) from None
    except (
        OSError,
        ValueError,
        TypeError,
        EOFError,
        MemoryError,
        OverflowError,
        KeyError,
        RuntimeError,
        SyntaxError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise ClipError(f"cannot be read: {str(error)[:200] or type(error).__name__}") from None


def _read_numpy(path: Path) -> np.ndarray:
    with path.open("rb") as file:
        zipped = file.read(2) == b"PK"
    if zipped:
        with open_arrays(path, "a clip", MAX_BYTES) as arrays:
            if not arrays.files:
                raise ClipError("contains no array")
            data = arrays["clip" if "clip" in arrays.files else arrays.files[0]]
    else:
        data = np.load(path, allow_pickle=False)
    if data.dtype.kind not in "fiu":
        raise ClipError(f"contains {data.dtype!s:.40}, not numbers")
    return data.astype(np.float64)


def _read_json(path: Path) -> np.ndarray:
    text = read_bytes(path, "a clip", MAX_BYTES)
    if text.count(b",") > MAX_VALUES or text.count(b"[") + text.count(b"{") > MAX_LISTS:
        raise ClipError(f"contains more than {MAX_VALUES:,} numbers or {MAX_LISTS:,} lists")
    data = json.loads(text.decode("utf-8-sig"))
    if isinstance(data, dict):
        if "skeletons" not in data:
            raise ClipError("is neither a list of frames nor an object with the key 'skeletons'")
        data = data["skeletons"]
    try:
        return np.array(data, np.float64)  # null becomes NaN
    except (ValueError, TypeError):
        raise ClipError("frames differ in shape, or contain a value that is not a number") from None


def _read_csv(path: Path) -> np.ndarray:
    values = array("d")
    columns = 0
    separator: str | None = None
    header = True  # whether the next line may be a header
    content = read_text(path, "a clip", "utf-8-sig", most=MAX_BYTES)
    for line, text in enumerate(content.splitlines(), start=1):
        if not text.strip():
            continue
        if header:
            separator = next((mark for mark in ";\t," if mark in text), None)
        words = [word.strip() for word in text.split(separator)]
        numbers = [_number(word) for word in words]
        if header:
            header = False
            # Column names, or 0, 1, 2, ... as pandas writes them.
            counted = len(numbers) > 2 and numbers == list(range(len(numbers)))
            if counted or all(number is None for number in numbers):
                continue
        if None in numbers:
            raise ClipError(f"'{words[numbers.index(None)][:40]}' is not a number", line)
        columns = columns or len(numbers)
        if len(numbers) != columns:
            raise ClipError(f"{len(numbers)} columns, but {columns} in the previous lines", line)
        if len(values) > MAX_BYTES // values.itemsize:
            raise ClipError(f"contains more than {len(values):,} numbers", line)
        values.extend(number for number in numbers if number is not None)
    if not columns:
        raise ClipError("contains no frames")
    return np.array(values).reshape(-1, columns)


def _number(word: str) -> float | None:
    try:
        return float(word or "nan")
    except ValueError:
        return None


READERS: dict[str, Callable[[Path], np.ndarray]] = {
    ".npy": _read_numpy,
    ".npz": _read_numpy,
    ".json": _read_json,
    ".csv": _read_csv,
}


def as_points(array: np.ndarray, layout: Layout) -> tuple[np.ndarray, str]:
    """Reshapes a file's array to points (T, M, K, C); also returns the C coordinates' names.

    Raises:
        ClipError: The shape does not fit the layout.
    """
    K, coordinates = layout.size, layout.coordinates
    if array.size == 0 or not 2 <= array.ndim <= 4:
        raise ClipError(f"has shape {array.shape}; expected (T, {K}, 3) or (T, M, {K}, 3)")
    if array.ndim == 2:  # one row per frame
        columns = array.shape[1]
        C = len(coordinates) if coordinates else columns // K
        if C not in (2, 3, 4) or columns % (C * K) or (coordinates is None and C == 4):
            raise ClipError(
                f"has {columns} columns; {K} joints have {2 * K} (x, y) or {3 * K} (x, y, z); "
                f"for other formats set 'coordinates' in {FILE}"
            )
        array = array.reshape(len(array), -1, K, C)
    elif array.ndim == 3:
        array = array[:, None]
    C = array.shape[3]
    if array.shape[2] != K:
        raise ClipError(f"has {array.shape[2]} joints, expected {K}")
    if coordinates is None:
        if C == 3 and layout.pose not in (None, MEDIAPIPE33):
            raise ClipError(
                "three numbers per keypoint may be x, y, z or x, y, confidence: "
                f'set coordinates = "xyz" or "xyc" in {FILE}'
            )
        coordinates = {2: "xy", 3: "xyz", 4: "xyzc"}.get(C, "xyz")
    if len(coordinates) != C:
        raise ClipError(f"has {C} numbers per joint, expected {len(coordinates)} ({coordinates})")
    return array, coordinates


def finish_clip(array: np.ndarray, layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Converts a file's array to a clip.

    Returns:
        The clip, float32 (T, M, V, 3), and the joints that were filled, bool (T, M, V).

    Raises:
        ClipError: Wrong shape, infinity, no body in any frame, or a torso of length 0.
    """
    points, coordinates = as_points(array, layout)
    if (infinite := np.isinf(points)).any():
        raise ClipError(f"contains infinity, first in frame {np.argwhere(infinite)[0, 0]}")
    clip = split_coordinates(points, coordinates, layout.min_confidence)
    if layout.zeros == "missing":
        clip[(clip == 0).all(axis=-1)] = np.nan
    clip = to_kinect_v2(clip, layout.pose) if layout.pose else clip
    if layout.up:
        clip = turn_up(clip, layout.up)
    elif layout.down:
        clip = image_to_camera(clip)
    clip, filled = fill_missing(clip, layout.skeleton)
    bodies = present(clip).any(axis=0)
    if not bodies.any():
        raise ClipError("no body in any frame: all joints are zero or missing")
    clip, filled = clip[:, bodies], filled[:, bodies]
    flat_pose = layout.pose is not None and "z" not in coordinates
    if (layout.scale or ("torso" if flat_pose else "none")) == "torso":
        try:
            clip = per_torso(clip, layout.skeleton)
        except ValueError as error:
            raise ClipError(f'{error}; set scale = "none" in {FILE} to keep the unit') from None
    with np.errstate(over="ignore"):
        clip = (clip * UNITS[layout.unit]).astype(np.float32)
    if not np.isfinite(clip).all():
        raise ClipError("contains a number that is too large")
    return clip, filled
