"""Reads one clip from a file or folder as float32 (T, M, V, 3).

Read are .npy, .npz, .json and .csv files and folders of OpenPose's `*_keypoints.json`. JSON files
may be those of pose estimators, see `openpose`, `alphapose`, `mmpose`, `kinetics_skeleton` and
`frame_lists`.

Files may be untrusted: nothing is unpickled, sizes are limited, and any error in a file raises a
`ClipError`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from keras_skeleton.datasets.formats import (
    alphapose,
    frame_lists,
    kinetics_skeleton,
    mmpose,
    openpose,
)
from keras_skeleton.datasets.formats.array_axes import check_axes, to_axes
from keras_skeleton.datasets.formats.clip_array import MAX_CELLS, ClipArray, ClipError, too_many
from keras_skeleton.datasets.formats.clip_csv import read_csv
from keras_skeleton.datasets.formats.joint_names import in_layout
from keras_skeleton.datasets.formats.poses import (
    CAMERA,
    MEDIAPIPE33,
    WHOLE_BODIES,
    looks_like,
    split_coordinates,
    to_kinect_v2,
    turn_up,
)
from keras_skeleton.datasets.formats.skeleton_toml import FILE, MAX_FPS, UNITS, Layout
from keras_skeleton.skeletons import SKELETONS
from keras_skeleton.transforms.geometry import present
from keras_skeleton.transforms.missing import fill_missing
from keras_skeleton.transforms.normalise import per_torso
from keras_skeleton.transforms.tracking import follow_people, is_clearer, take_people
from keras_skeleton.utils.files import (
    FileError,
    check_size,
    load_array,
    open_arrays,
    read_bytes,
    reason,
)

__all__ = ["READERS", "ClipArray", "ClipError", "as_points", "finish_clip", "read_array"]

MAX_BYTES = 256 << 20  # 15 minutes of Kinect v2 take 8 MiB in float32
# Limits of JSON, where a number takes 32 bytes of memory and a list 80; enough for two hours of
# Kinect v2.
MAX_VALUES, MAX_LISTS = 1 << 24, 6 << 20
LARGEST = 1e30  # its square is within float64
NEARLY_ALL, SOME = 0.98, 0.2
CROWD = 200  # more people in a frame are not followed
HANDS = 3.0  # hands move by more than their size from frame to frame
METRIC_SIZE = 20  # a body of the Azure Kinect is larger in mm, and smaller in m


def read_array(path: Path) -> ClipArray:
    """Reads the numbers in a clip's file, or of a folder of OpenPose's frames.

    Raises:
        ClipError: The file is too large, does not match its extension, or contains values that are
            not numbers.
    """
    try:
        if path.is_dir():
            return openpose.read_folder(path)
        check_size(path, "a clip", MAX_BYTES)
        return READERS[path.suffix.lower()](path)
    except UnicodeDecodeError as error:
        raise ClipError(f"is not UTF-8 text: {error}") from None
    except FileError as error:
        raise ClipError(reason(error)) from None
    except ClipError:
        raise
    except Exception as error:  # NumPy, zipfile and tokenize raise errors of many types
        raise ClipError(f"cannot be read: {reason(error)[:200] or type(error).__name__}") from None


def _read_numpy(path: Path) -> ClipArray:
    with path.open("rb") as file:
        zipped = file.read(2) == b"PK"
    fps: float | None = None
    notes: list[str] = []
    if zipped:
        with open_arrays(path, "a clip", MAX_BYTES) as arrays:
            names = [name for name in arrays.files if name != "fps"]
            if not names:
                raise ClipError("contains no array")
            data = arrays["clip" if "clip" in names else names[0]]
            if "fps" in arrays.files:
                fps = _frame_rate(arrays)
                notes = [] if fps else [f"its fps is no number from 0 to {MAX_FPS} and is ignored"]
    else:
        try:
            data = load_array(path, "a clip", MAX_BYTES)
        except ValueError as error:
            if "pickle" not in str(error):
                raise
            raise ClipError("is no array of numbers: a pickled file, or not a .npy file") from None
    if data.dtype.kind not in "fiu":
        raise ClipError(f"contains {data.dtype!s:.40}, not numbers")
    if data.size > MAX_CELLS:  # small types take eight times their bytes as float64
        raise ClipError(
            f"contains {data.size:,} numbers, more than {MAX_CELLS:,}, which an hour of two people "
            "has at 60 frames a second; cut the recording into parts"
        )
    small = data.dtype.kind == "f" and data.dtype.itemsize <= 4  # its numbers are float32
    return ClipArray(
        data.astype(np.float32 if small else np.float64, copy=False), fps=fps, notes=tuple(notes)
    )


def _frame_rate(arrays: np.lib.npyio.NpzFile) -> float | None:
    """The frames per second of an archive of arrays; None if they make no sense."""
    try:
        value = arrays["fps"]
    except ValueError:  # pickled
        return None
    if value.dtype.kind not in "fiu" or value.size != 1 or not 0 < value.item() <= MAX_FPS:
        return None
    return float(value.item())


def _read_json(path: Path) -> ClipArray:
    text = read_bytes(path, "a clip", MAX_BYTES)
    if text.count(b",") > MAX_VALUES or text.count(b"[") + text.count(b"{") > MAX_LISTS:
        raise ClipError(f"contains more than {MAX_VALUES:,} numbers or {MAX_LISTS:,} lists")
    data = _parsed(text.decode("utf-8-sig"))
    inner = [
        data[key] for key in ("frames", "annotations") if isinstance(data, dict) and key in data
    ]
    for content in (data, *inner):
        for source in (kinetics_skeleton, openpose, alphapose, mmpose):
            if source.matches(content):
                return source.read(content)
    return frame_lists.read(data)


def _parsed(text: str) -> Any:
    """The content of JSON, or the list of the contents of its lines."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg != "Extra data":
            raise
    return [json.loads(line) for line in text.splitlines() if line.strip()]


READERS: dict[str, Callable[[Path], ClipArray]] = {
    ".npy": _read_numpy,
    ".npz": _read_numpy,
    ".json": _read_json,
    ".csv": lambda path: read_csv(path, MAX_BYTES),
}


def as_points(
    source: np.ndarray | ClipArray, layout: Layout, notes: list[str] | None = None
) -> tuple[np.ndarray, str]:
    """Reshapes a file's array to points (T, M, K, C); also returns the C coordinates' names.

    Args:
        source: What `read_array` returns.
        layout: The joints.
        notes: A list to which notes are added.

    Raises:
        ClipError: The shape does not fit the layout.
    """
    source = source if isinstance(source, ClipArray) else ClipArray(np.asarray(source))
    notes = [] if notes is None else notes
    array, K, coordinates = source.array, layout.size, layout.coordinates
    known = source.coordinates is not None or source.listed  # the reader has set the axes
    if layout.axes is not None and not known and array.ndim > 2:
        array, known = to_axes(array, layout.axes), True
    if array.size == 0 or not 2 <= array.ndim <= 5:
        raise ClipError(f"has shape {array.shape}; expected (T, {K}, 3) or (T, M, {K}, 3)")
    if array.ndim == 2:  # one row per frame
        array = _rows(array, K, coordinates)
    else:
        array = _body_part(array, K, notes)
        if not known:
            check_axes(array.shape, K)
        array = array[:, None] if array.ndim == 3 else array
    if source.joints is not None:
        array = array[:, :, in_layout(source.joints, layout)]
    C = array.shape[3]
    if array.shape[2] != K:
        raise ClipError(_other_joints(array.shape[2], source, layout))
    if source.layout not in (None, layout.name) and layout.name in SKELETONS:
        raise ClipError(
            f"holds the {K} joints of {source.layout}, but the layout is {layout.name}: set "
            f'skeleton = "{source.layout}" in {FILE}'
        )
    if source.coordinates is not None:
        if coordinates and len(coordinates) == C and coordinates != source.coordinates:
            raise ClipError(
                f"its numbers are {source.coordinates}, but {FILE} says coordinates = "
                f'"{coordinates}": remove that line'
            )
        coordinates = source.coordinates
    elif coordinates is None:
        coordinates = _coordinates(array, layout, notes)
    if len(coordinates) != C:
        raise ClipError(f"has {C} numbers per joint, expected {len(coordinates)} ({coordinates})")
    return array, coordinates


def _rows(array: np.ndarray, K: int, coordinates: str | None) -> np.ndarray:
    columns = array.shape[1]
    C = len(coordinates) if coordinates else columns // K
    if C not in (2, 3, 4) or columns % (C * K) or (coordinates is None and C == 4):
        first = array[:, 0]
        index = (columns - 1) % K == 0 and len(first) > 1 and (np.diff(first) == 1).all()
        other = [
            f"{columns // c} joints of {name} have {columns} columns ({axes}); "
            for c, axes in ((3, "x, y, z"), (2, "x, y"))
            if columns % c == 0 and (name := looks_like(columns // c))
        ]
        if len(array) in (2 * K, 3 * K):
            other = [f"its {len(array)} rows are those columns: transpose it, a.T; "]
        raise ClipError(
            f"has {columns} columns; {K} joints have {2 * K} (x, y) or {3 * K} (x, y, z); "
            + "".join(other[:1])
            + ("the first column counts frames: give it a header; " if index else "")
            + f"for other formats set 'coordinates' in {FILE}"
        )
    return array.reshape(len(array), -1, K, C)


def _body_part(array: np.ndarray, K: int, notes: list[str]) -> np.ndarray:
    """The body's key points of a whole body."""
    joints = array.shape[-2]
    if joints not in WHOLE_BODIES or joints == K or array.ndim > 4:
        return array
    name, pose = WHOLE_BODIES[joints]
    if pose.size != K and not (pose.points[:K] == WHOLE_BODIES[133][1].points and K == 17):
        return array
    notes.append(f"of the {joints} key points of {name} the body's {K} were taken")
    return array[..., :K, :]


def _other_joints(joints: int, source: ClipArray, layout: Layout) -> str:
    text = f"has {joints} joints, expected {layout.size} of {layout.name}"
    if source.coordinates is None:
        text += f" (shape {source.shape})"
        shape = source.shape
        if len(shape) > 2 and shape[0] in (2, 3) and (names := looks_like(shape[2])):
            order = "(C, T, V)" if len(shape) == 3 else "(C, T, V, M)"
            text += f"; as {order}, it has {shape[2]} joints, those of {names}"
    if names := looks_like(joints):
        text += f"; {joints} joints are {names}"
    if joints in WHOLE_BODIES:
        return f'{text}: set skeleton = "{WHOLE_BODIES[joints][1].name}" in {FILE}'
    name = source.layout if source.layout not in (None, layout.name) else None
    return f'{text}: set skeleton = "{name}" in {FILE}' if name else text


def _coordinates(array: np.ndarray, layout: Layout, notes: list[str]) -> str:
    """The meaning of the C numbers of a joint where neither the file nor skeleton.toml says it."""
    C = array.shape[3]
    if C == 3 and layout.pose not in (None, MEDIAPIPE33):
        third = array[..., 2][~np.isnan(array[..., 2])]
        high = np.nanmax(np.abs(array[..., :2]), initial=0)
        share = bool(len(third)) and third.min() >= 0 and third.max() <= 1
        if share and high > 10:
            notes.append("x, y and a third number from 0 to 1 were read as xyc (confidence)")
            return "xyc"
        if not share and layout.name.startswith("openpose") and len(third):
            notes.append("the third number is no confidence from 0 to 1: read as xyz")
            return "xyz"
        raise ClipError(
            "three numbers per keypoint may be x, y, z or x, y, confidence: "
            f'set coordinates = "xyz" or "xyc" in {FILE}'
        )
    return {2: "xy", 3: "xyz", 4: "xyzc"}.get(C, "xyz")


def finish_clip(
    array: np.ndarray | ClipArray, layout: Layout, notes: list[str] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Converts a file's array to a clip.

    Args:
        array: What `read_array` returns.
        layout: The joints.
        notes: A list to which notes on assumptions and changes are added.

    Returns:
        The clip, float32 (T, M, V, 3), and the joints that were filled, bool (T, M, V).

    Raises:
        ClipError: Wrong shape, infinity, no body in any frame, or a torso of length 0.
    """
    source = array if isinstance(array, ClipArray) else ClipArray(np.asarray(array))
    notes = [] if notes is None else notes
    notes += source.notes
    points, coordinates = as_points(source, layout, notes)
    if points.dtype not in (np.float32, np.float64):
        points = points.astype(np.float64)
    T, M, K, C = points.shape
    if T * M * max(K * C, 3 * layout.skeleton.size) > MAX_CELLS:
        raise ClipError(too_many(T, M, K))
    if (infinite := np.isinf(points)).any():
        raise ClipError(f"contains infinity, first in frame {np.argwhere(infinite)[0, 0]}")
    if ((points > LARGEST) | (points < -LARGEST)).any():  # NaN is not
        raise ClipError("contains a number that is too large")
    # From here on, `clip` is an array of its own: what follows may change it, to save copies.
    clip = split_coordinates(points, coordinates, layout.min_confidence)
    clip = _without_zeros(clip, source.listed or layout.image, layout)
    clip, fractions = _pixels(clip, source, layout, notes)
    if layout.track and (source.listed or layout.image):
        clip = _tracked(clip, source, layout, notes)
    unit = _unit(clip, source, layout, notes)
    clip = to_kinect_v2(clip, layout.pose) if layout.pose else clip
    if layout.up:
        clip = turn_up(clip, layout.up)
    elif layout.down:
        clip *= CAMERA
    clip, filled = fill_missing(clip, layout.skeleton)
    bodies = present(clip).any(axis=0)
    if not bodies.any():
        raise ClipError("no body in any frame: all joints are zero or missing")
    if not bodies.all():
        clip, filled = clip[:, bodies], filled[:, bodies]
    no_lengths = layout.pose is not None and ("z" not in coordinates or fractions)
    if (layout.scale or ("torso" if no_lengths else "none")) == "torso":
        try:
            clip = per_torso(clip, layout.skeleton)
        except ValueError as error:
            raise ClipError(f'{error}; set scale = "none" in {FILE} to keep the unit') from None
    with np.errstate(over="ignore"):
        clip *= UNITS[unit]
        clip = clip.astype(np.float32)
    if not np.isfinite(clip).all():
        raise ClipError("contains a number that is too large")
    return clip, filled


def _without_zeros(clip: np.ndarray, estimator: bool, layout: Layout) -> np.ndarray:
    """Sets joints at (0, 0, 0) that were not seen to NaN, in place."""
    zero = (clip == 0).all(axis=-1)
    if estimator or layout.zeros == "missing":
        clip[zero] = np.nan
        return clip
    if layout.zeros == "kept" or layout.skeleton.name in SKELETONS:
        return clip
    there = (~zero & ~np.isnan(clip).any(axis=-1)).any(axis=-1)  # (T, M)
    missing = zero & there[:, :, None]
    for m in range(clip.shape[1]):
        own = missing[there[:, m], m]
        if own.any():
            # Zero in all frames, or in the first one only, it may be the origin.
            missing[:, m, own.all(axis=0) | (own[0] & ~own[1:].any(axis=0))] = False
    clip[missing] = np.nan
    return clip


def _looks_normalised(clip: np.ndarray) -> bool:
    """Whether x and y look like fractions of an image: nearly all near 0 to 1, not around 0.

    Metres from the hips are negative for half of the joints, in x and in y.
    """
    plane = clip[..., :2]
    seen = ~np.isnan(plane).any(axis=-1) & (clip != 0).any(axis=-1)
    values = plane[seen]
    if not len(values) or np.ptp(values, axis=0).max() == 0:
        return False
    inside = ((values >= -0.5) & (values <= 1.5)).all(axis=1).mean() >= NEARLY_ALL
    near = (np.abs(clip[..., 2][seen]) <= 2).mean() >= NEARLY_ALL
    return bool(inside and near and (values < 0).mean(axis=0).min() <= SOME)


def _around_zero(clip: np.ndarray, layout: Layout) -> bool:
    """Whether flat points look like fractions of an image from -0.5 to 0.5, as for ST-GCN.

    Points that are centred on the hips have a unit of their own.
    """
    hips = [k for k, name in enumerate(layout.names) if name in ("left_hip", "right_hip", "pelvis")]
    seen = (clip[..., :2] != 0).any(axis=-1) & ~np.isnan(clip[..., :2]).any(axis=-1)
    if layout.pose is None or not seen.any() or clip[..., 2][seen].any():
        return False
    if (np.abs(clip[..., :2][seen]) <= 0.55).all(axis=1).mean() < NEARLY_ALL:
        return False
    there = seen[:, :, hips].all(axis=2)
    middle = np.abs(clip[:, :, hips, :2][there].mean(axis=1))
    return bool(len(middle)) and float((middle > 1e-3).any(axis=1).mean()) > 0.5


def _pixels(
    clip: np.ndarray, source: ClipArray, layout: Layout, notes: list[str]
) -> tuple[np.ndarray, bool]:
    """Multiplies fractions of an image by its size; also whether they were fractions."""
    if not layout.image or source.unit == "m" or layout.unit in ("m", "cm", "mm"):
        return clip, False
    if not (source.normalised or _looks_normalised(clip) or _around_zero(clip, layout)):
        if source.pixels and np.nanmax(np.abs(clip[..., :2]), initial=0) <= 1.5:
            raise ClipError(
                "x and y go from -1 to 1, which changes the shape of people; write pixels, with "
                "OpenPose by --keypoint_scale 0"
            )
        return clip, False
    size = layout.image_size or source.image_size
    if size is None:
        raise ClipError(
            "x and y are fractions of the image, not pixels, which squeezes people by its shape: "
            f"set image_size = [1920, 1080] (width and height of the image) in {FILE}, or units = "
            '"m" if they are metres'
        )
    if layout.image_size is None:
        notes.append(
            f"x and y are fractions of an image, read as {size[0]:g} x {size[1]:g} pixels; "
            f"image_size in {FILE} sets another size"
        )
    return clip * (size[0], size[1], size[0]), True


def _tracked(clip: np.ndarray, source: ClipArray, layout: Layout, notes: list[str]) -> np.ndarray:
    """Follows people from frame to frame; a single person of an array stays as it is."""
    if clip.shape[1] == 1 and not source.listed:
        return clip
    if clip.shape[1] > CROWD:
        notes.append(f"{clip.shape[1]} people in a frame are too many to be followed")
        return clip
    limit = None if layout.skeleton.hips else HANDS
    order, changes = follow_people(clip, source.ids, limit)
    if changes and not source.listed and not is_clearer(clip, order):
        return clip
    if order.shape == clip.shape[:2] and not changes:
        alike = order == np.where(order < 0, -1, np.arange(order.shape[1]))
        if alike.all():
            return clip
    if changes:
        notes.append(
            f"people changed places in {changes} frame{'s' * (changes > 1)} and were followed by "
            f"their joints (track = false in {FILE} keeps the order of the file)"
        )
    return take_people(clip, order)


def _unit(clip: np.ndarray, source: ClipArray, layout: Layout, notes: list[str]) -> str:
    if source.unit is not None and "units" not in layout.declared:
        return source.unit
    if layout.name == "azure_kinect" and layout.unit == "mm" and "units" not in layout.declared:
        there = ~np.isnan(clip).all(axis=(2, 3))
        with np.errstate(invalid="ignore"):
            bodies = clip[there]
            size = np.median(np.nanmax(bodies, axis=1) - np.nanmin(bodies, axis=1), axis=0).max(
                initial=0
            )
        if size < METRIC_SIZE:
            notes.append("bodies of the Azure Kinect are read as metres, not as millimetres")
            return "m"
    return layout.unit
