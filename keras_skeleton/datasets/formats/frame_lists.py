"""JSON lists of frames, whose joints are lists of numbers or MediaPipe's {x, y, z, visibility}.

A frame is null or an empty list (nobody), the joints of one person, or a list of people, of whom
some join and some leave; or an object with one of these under a key of `FRAME_KEYS`. MediaPipe's
world landmarks are in metres from the hips, its other landmarks are fractions of the image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from keras_skeleton.datasets.formats.clip_array import (
    ClipArray,
    ClipError,
    Person,
    assemble,
    in_order,
    numbers,
    person_id,
    whole,
)

WORLD_KEYS = (
    "pose_world_landmarks", "poseworldlandmarks", "world_landmarks", "worldlandmarks",
    "hand_world_landmarks", "multi_hand_world_landmarks", "handworldlandmarks",
)  # fmt: skip
IMAGE_KEYS = (
    "pose_landmarks", "poselandmarks", "landmarks", "landmark", "hand_landmarks",
    "multi_hand_landmarks", "handlandmarks", "multihandlandmarks",
)  # fmt: skip
FRAME_KEYS = (
    "skeletons", "skeleton", "people", "persons", "bodies", "keypoints", "key_points", "joints",
    "pose", "poses", "points", "joint_positions", "detections", "instances", "objects",
)  # fmt: skip
CLIP_KEYS = ("skeletons", "frames", "data", "clip", "keypoints", "results")
NUMBERS = ("frame_index", "frame_id", "frame_number", "frame_idx", "frame", "index", "image_id")
TIMES = {
    "timestamp_ms": 1e-3,
    "timestamp_usec": 1e-6,
    "time_ms": 1e-3,
    "timestamp": 0.0,
    "time": 0.0,
}
IDS = ("track_id", "person_id", "tracking_id", "body_id", "id")
CONFIDENCES = ("visibility", "visible", "confidence", "score", "conf", "c", "v")
MAX_JOINTS = 1000
LAYOUTS = {33: "mediapipe33", 21: "mediapipe_hand21"}


def rate(times: list[float], scale: float = 0.0) -> float | None:
    """Frames per second of times in order; steps of more than one are milliseconds.

    Args:
        times: One number a frame.
        scale: Seconds of a unit of time; 0 to judge by the steps.
    """
    steps = np.diff(np.array(times, np.float64))
    steps = steps[np.isfinite(steps) & (steps > 0)]
    if not len(steps):
        return None
    step = float(np.median(steps))
    seconds = step * (scale or (1.0 if step < 2 else 1e-3 if step < 2000 else 1e-6))
    return round(1 / seconds, 3) if 0.1 < 1 / seconds < 10_000 else None


def _lower(frame: dict[str, Any]) -> dict[str, Any]:
    return {str(key).lower(): value for key, value in frame.items()}


def _is_point(value: Any) -> bool:
    return isinstance(value, dict) and {"x", "y"} <= {str(key).lower() for key in value}


def read(data: Any) -> ClipArray:
    """Reads a list of frames, or an object that holds one.

    Raises:
        ClipError: Another structure, or frames that differ in their joints.
    """
    notes: list[str] = []
    said: dict[str, Any] = {}
    if isinstance(data, dict):
        said = {"image_size": image_size_of(data), "fps": _number(_lower(data).get("fps"))}
        data = _clip_of(data, notes)
    if not isinstance(data, list):
        raise ClipError("is neither a list of frames nor an object with such a list")
    array = _rectangle(data)
    clip = ClipArray(array, notes=tuple(notes)) if array is not None else _people(data, notes)
    return replace(clip, **{key: value for key, value in said.items() if value})


def _number(value: Any) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e5
    return float(value) if known else None


def image_size_of(data: dict[str, Any]) -> tuple[float, float] | None:
    """The image's width and height, if an object says it."""
    content = _lower(data)
    for names in (
        ("width", "height"),
        ("image_width", "image_height"),
        ("w", "h"),
        ("canvas_width", "canvas_height"),
    ):
        width, height = (_number(content.get(name)) for name in names)
        if width and height:
            return width, height
    return None


def _clip_of(data: dict[str, Any], notes: list[str]) -> Any:
    """The list of frames in an object."""
    content = _lower(data)
    lists = {key: value for key, value in content.items() if isinstance(value, list) and value}
    if keys := [key for key in WORLD_KEYS if key in lists]:
        # An object of lists by key, all frames under each: as frames of objects.
        return [{keys[0]: frame} for frame in lists[keys[0]]]
    if keys := [key for key in IMAGE_KEYS if key in lists]:
        return [{keys[0]: frame} for frame in lists[keys[0]]]
    if keys := [key for key in (*CLIP_KEYS, *FRAME_KEYS) if key in lists]:
        if len(keys) > 1 and "skeletons" not in keys:
            notes.append(f"the frames were read from '{keys[0]}', not from {', '.join(keys[1:])}")
        return lists[keys[0]]
    for frames in (content.get("frames"), content):
        if isinstance(frames, dict) and frames and all(whole(k) is not None for k in frames):
            return [{"frame": key, "points": value} for key, value in frames.items()]
    why = "is neither a list of frames nor an object with the key 'skeletons'"
    if data:
        why += f", {', '.join(CLIP_KEYS[1:])}; its keys are {', '.join(map(str, data))[:200]}"
    raise ClipError(why)


def _rectangle(data: list[Any]) -> np.ndarray | None:
    """The frames as one array if they are lists of the same shape, else None.

    A null frame between rows of numbers becomes NaN.
    """
    rows = [frame for frame in data if frame]
    if (
        rows
        and not any(isinstance(row, list) and isinstance(row[0], dict) for row in rows)
        and all(
            isinstance(row, list) and _depth(row) == 1 and not _is_point(row[0]) for row in rows
        )
    ):
        sizes = {len(row): t for t, row in reversed(list(enumerate(data))) if row}
        if len(sizes) > 1:
            (a, s), (b, t) = list(sizes.items())[:2]
            raise ClipError(f"frame {s} has {a} numbers, but frame {t} has {b}")
        data = [row or [None] * len(rows[0]) for row in data]
        return numbers(data, "a frame")
    try:
        array = np.array(data, np.float64)
    except (ValueError, TypeError, OverflowError):
        return None
    return array if array.ndim > 1 and array.size else None


def _people(data: list[Any], notes: list[str]) -> ClipArray:
    shape: dict[str, Any] = {}  # what the first frame shows: keys of points, world landmarks
    numbered: dict[int, list[Person]] = {}
    times: list[float] = []
    scale = 0.0
    for t, frame in enumerate(data):
        number = t
        if isinstance(frame, dict) and not _is_point(frame):
            content = _lower(frame)
            given = next((n for key in NUMBERS if (n := whole(content.get(key))) is not None), None)
            number = t if given is None else given
            time = next((key for key in TIMES if isinstance(content.get(key), int | float)), None)
            if time is not None:
                times.append(float(content[time]))
                scale = TIMES[time]
            frame = _frame_of(frame, number, shape)
        if number in numbered:
            raise ClipError(f"two frames have the number {number}")
        numbered[number] = list(_persons(frame, number, shape))
    if not numbered:
        raise ClipError("contains no frames")
    joints: list[str] | None = shape.get("joints")
    if joints is not None:  # people of the first frames may lack joints that came later
        numbered = {n: [_padded(p, len(joints)) for p in people] for n, people in numbered.items()}
    ordered, more = in_order(numbered)
    found = next((p for f in ordered for p in f), None)
    if found is None:
        raise ClipError(f"no body in any of the {len(ordered)} frames")
    coordinates = shape.get("coordinates")
    world = bool(shape.get("world"))
    if world and shape.get("both"):
        notes.append("world landmarks (metres) were read, not those of the image")
    clip = assemble(
        ordered,
        coordinates or "?" * found.points.shape[1],
        layout=LAYOUTS.get(len(found.points)) if coordinates else None,
        joints=None if joints is None else tuple(joints),
        unit="m" if world else None,
        fps=rate(times, scale),
        first=min(numbered),
        notes=(*notes, *more),
    )
    return clip if coordinates else replace(clip, coordinates=None)


def _padded(person: Person, joints: int) -> Person:
    missing = joints - len(person.points)
    if missing < 0:
        raise ClipError(f"{person.where}: {len(person.points)} joints, but {joints} have names")
    return person._replace(points=np.pad(person.points, ((0, missing), (0, 0)),
                                         constant_values=np.nan))  # fmt: skip


def _frame_of(frame: dict[str, Any], number: int, shape: dict[str, Any]) -> Any:
    """The people of a frame that is an object."""
    content = _lower(frame)
    for world, keys in ((True, WORLD_KEYS), (False, IMAGE_KEYS), (False, FRAME_KEYS)):
        found = [key for key in keys if key in content]
        if found and (content[found[0]] or not world or shape.get("world")):
            if world and any(content.get(key) for key in IMAGE_KEYS):
                shape["both"] = True
            if content[found[0]] and shape.setdefault("world", world) != world:
                raise ClipError(f"frame {number}: has no world landmarks, unlike other frames")
            return content[found[0]]
    if _has_names(frame):
        return frame
    raise ClipError(
        f"frame {number}: has none of the keys {', '.join((*IMAGE_KEYS[:1], *FRAME_KEYS[:6]))}, "
        f"but {', '.join(content)[:100]}"
    )


def _depth(value: Any) -> int:
    """How many lists are inside one another; an object with x and y counts as a list of numbers."""
    if _is_point(value):
        return 1
    if not isinstance(value, list):
        return 0
    return 1 + max(map(_depth, value[:8]), default=0)


def _persons(frame: Any, number: int, shape: dict[str, Any]) -> Iterator[Person]:
    where = f"frame {number}"
    if isinstance(frame, dict) and "landmark" in frame:  # protobuf's own JSON
        frame = frame["landmark"]
    if not frame:
        return
    if _has_names(frame):
        frame = [frame]
    if not isinstance(frame, list):
        raise ClipError(f"{where}: {str(frame)[:40]!r} is not a list of joints")
    own = _depth(frame)
    people = frame if own == 3 or _is_person(next(filter(None, frame), None)) else [frame]
    for m, person in enumerate(people):
        spot, identity = f"{where}: person {m}" if len(people) > 1 else where, -1
        if _holds_joints(person):
            content = _lower(person)
            identity = next((i for k in IDS if (i := person_id(content.get(k))) >= 0), -1)
            person = next(
                content[k] for k in (*WORLD_KEYS, *IMAGE_KEYS, *FRAME_KEYS) if k in content
            )
        if not person:
            continue
        yield Person(_points(person, spot, shape), where, identity)


def _is_person(value: Any) -> bool:
    return _holds_joints(value) or _has_names(value)


def _has_names(value: Any) -> bool:
    """Whether an object holds joints by name: {"nose": {"x": 1, "y": 2}, ...} or lists."""
    return (
        isinstance(value, dict)
        and bool(value)
        and not _holds_joints(value)
        and any(v is not None for v in value.values())
        and all(
            v is None or _is_point(v) or (isinstance(v, list) and 2 <= len(v) <= 4)
            for v in value.values()
        )
        and not {"x", "y"} <= {str(key).lower() for key in value}
    )


def _holds_joints(person: Any) -> bool:
    return isinstance(person, dict) and any(
        str(key).lower() in (*WORLD_KEYS, *IMAGE_KEYS, *FRAME_KEYS) for key in person
    )


def _joint(joint: dict[str, Any]) -> dict[str, Any]:
    """A joint's numbers by name; PoseNet writes x and y under `position`."""
    content = _lower(joint)
    place = content.get("position")
    return {**content, **_lower(place)} if isinstance(place, dict) else content


def _points(person: Any, where: str, shape: dict[str, Any]) -> np.ndarray:
    """One person's joints, (K, C), in the order of their names if they have some."""
    names: list[str] | None = None
    joints = person
    if isinstance(person, dict):
        content = {k: v for k, v in _lower(person).items() if isinstance(v, list)}
        if {"x", "y"} <= set(content):  # lists by coordinate
            if len({len(values) for values in content.values()}) > 1:
                raise ClipError(f"{where}: lists of x, y, ... differ in length")
            rows = zip(*content.values(), strict=True)
            joints = [dict(zip(content, row, strict=True)) for row in rows]
        elif _has_names(person):
            names, joints = list(map(str, person)), list(person.values())
    if not isinstance(joints, list):
        raise ClipError(f"{where}: {str(person)[:40]!r} is not a list of joints")
    if not any(isinstance(joint, dict) for joint in joints):
        known = next((len(joint) for joint in joints if isinstance(joint, list)), 0)
        points = numbers(
            [[None] * known if joint is None or joint == [] else joint for joint in joints], where
        )
        if points.ndim != 2 or points.shape[1] not in (2, 3, 4):
            raise ClipError(f"{where}: has shape {points.shape}, expected joints of 2 to 4 numbers")
        return _by_name(points, names, where, shape)
    first = next(_joint(joint) for joint in joints if isinstance(joint, dict))
    if "keys" not in shape:
        confidence = [key for key in CONFIDENCES if key in first][:1]
        if not {"x", "y"} <= set(first):
            raise ClipError(f"{where}: a joint has no x and y, but {', '.join(first)[:100]}")
        depth = ["z"] if "z" in first else []
        shape["keys"] = ["x", "y", *depth, *confidence]
        shape["coordinates"] = "xy" + "z" * len(depth) + "c" * len(confidence)
        spelled = {str(k).lower(): k for j in joints if isinstance(j, dict) for k in j}
        shape["spelled"] = [spelled.get(key, key) for key in shape["keys"]]
    keys: list[str] = shape["keys"]
    if not {"name", "part", "position"} & set(first):
        try:  # as the first person's: much faster
            plain = [[joint[key] for key in shape["spelled"]] for joint in joints]
            return _by_name(numbers(plain, where), names, where, shape)
        except (KeyError, TypeError):
            pass
    table: list[list[Any]] = []
    for k, joint in enumerate(joints):
        if joint is None or joint == {}:
            table.append([None] * len(keys))
            continue
        if not isinstance(joint, dict):
            raise ClipError(
                f"{where}: joint {k} is {str(joint)[:40]!r}, not an object with x and y"
            )
        content = _joint(joint)
        if missing := [key for key in keys if key not in content]:
            raise ClipError(f"{where}: joint {k} has no {', '.join(missing)}, unlike others")
        table.append([content[key] for key in keys])
    if names is None and all(isinstance(joint, dict) for joint in joints):
        own = [_joint(joint).get("name", _joint(joint).get("part")) for joint in joints]
        names = list(map(str, own)) if all(isinstance(n, str) and n for n in own) else None
    return _by_name(numbers(table, where), names, where, shape)


def _by_name(
    points: np.ndarray, names: list[str] | None, where: str, shape: dict[str, Any]
) -> np.ndarray:
    """Joints (K, C) in the order of the first frame with names; NaN for those without."""
    if names is None:
        return points
    if len(set(names)) < len(names):
        raise ClipError(f"{where}: two joints have the same name")
    order: list[str] = shape.setdefault("joints", list(names))
    if names == order:
        return points
    order += [name for name in names if name not in order]
    if len(order) > MAX_JOINTS:
        raise ClipError(f"{where}: more than {MAX_JOINTS} names of joints")
    out = np.full((len(order), points.shape[1]), np.nan)
    out[[order.index(name) for name in names]] = points
    return out
