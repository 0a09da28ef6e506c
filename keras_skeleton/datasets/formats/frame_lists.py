"""JSON lists of frames, whose joints are lists of numbers or MediaPipe's {x, y, z, visibility}.

A frame is null or an empty list (nobody), the joints of one person, or a list of people, of whom
some join and some leave; or an object with one of these under a key of `FRAME_KEYS`. MediaPipe's
world landmarks are in metres from the hips, its other landmarks are fractions of the image.
"""

from __future__ import annotations

from collections.abc import Iterator
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
    "pose", "poses", "points",
)  # fmt: skip
CLIP_KEYS = ("skeletons", "frames", "data", "clip", "keypoints", "results")
NUMBERS = ("frame_index", "frame_id", "frame_number", "frame_idx", "frame", "index", "image_id")
TIMES = {"timestamp_ms": 1e-3, "time_ms": 1e-3, "timestamp": 0.0, "time": 0.0}
IDS = ("track_id", "person_id", "tracking_id", "body_id", "id")
CONFIDENCES = ("visibility", "confidence", "score", "conf", "c", "v")
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
    if isinstance(data, dict):
        data = _clip_of(data, notes)
    if not isinstance(data, list):
        raise ClipError("is neither a list of frames nor an object with such a list")
    array = _rectangle(data)
    if array is not None:
        return ClipArray(array, notes=tuple(notes))
    return _people(data, notes)


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
    if content and all(whole(key) is not None for key in content):  # frames by number
        return [{"frame": key, "points": value} for key, value in content.items()]
    why = "is neither a list of frames nor an object with the key 'skeletons'"
    if data:
        why += f", {', '.join(CLIP_KEYS[1:])}; its keys are {', '.join(map(str, data))[:200]}"
    raise ClipError(why)


def _rectangle(data: list[Any]) -> np.ndarray | None:
    """The frames as one array if they are lists of the same shape, else None.

    A null frame between rows of numbers becomes NaN.
    """
    rows = [frame for frame in data if frame]
    if rows and all(
        isinstance(row, list) and _depth(row) == 1 and not _is_point(row[0]) for row in rows
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
            frame = _frame_of(content, number, shape)
        if number in numbered:
            raise ClipError(f"two frames have the number {number}")
        numbered[number] = list(_persons(frame, number, shape))
    if not numbered:
        raise ClipError("contains no frames")
    ordered, more = in_order(numbered)
    coordinates = shape.get("coordinates")
    if coordinates is None:
        found = next((p for f in ordered for p in f), None)
        if found is None:
            raise ClipError(f"no body in any of the {len(ordered)} frames")
        array = assemble(ordered, "?" * found.points.shape[1], notes=(*notes, *more))
        return ClipArray(
            array.array, listed=True, ids=array.ids, first=min(numbered), notes=array.notes,
            fps=rate(times, scale),
        )  # fmt: skip
    count = next((len(p.points) for f in ordered for p in f), 0)
    world = bool(shape.get("world"))
    if world and shape.get("both"):
        notes.append("world landmarks (metres) were read, not those of the image")
    return assemble(
        ordered,
        coordinates,
        layout=LAYOUTS.get(count),
        unit="m" if world else None,
        fps=rate(times, scale),
        first=min(numbered),
        notes=(*notes, *more),
    )


def _frame_of(content: dict[str, Any], number: int, shape: dict[str, Any]) -> Any:
    """The people of a frame that is an object."""
    for world, keys in ((True, WORLD_KEYS), (False, IMAGE_KEYS), (False, FRAME_KEYS)):
        found = [key for key in keys if key in content]
        if found and (content[found[0]] or not world or shape.get("world")):
            if world and any(content.get(key) for key in IMAGE_KEYS):
                shape["both"] = True
            if content[found[0]] and shape.setdefault("world", world) != world:
                raise ClipError(f"frame {number}: has no world landmarks, unlike other frames")
            return content[found[0]]
    if content and all(_is_point(value) or value is None for value in content.values()):
        return content  # joints by name
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
    if isinstance(frame, dict):
        frame = list(frame.values())
    if not isinstance(frame, list):
        raise ClipError(f"{where}: {str(frame)[:40]!r} is not a list of joints")
    own = _depth(frame)
    people = frame if own == 3 or any(_holds_joints(person) for person in frame) else [frame]
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


def _holds_joints(person: Any) -> bool:
    return isinstance(person, dict) and any(
        str(key).lower() in (*WORLD_KEYS, *IMAGE_KEYS, *FRAME_KEYS) for key in person
    )


def _points(person: Any, where: str, shape: dict[str, Any]) -> np.ndarray:
    """One person's joints, (K, C)."""
    if not isinstance(person, list):
        raise ClipError(f"{where}: {str(person)[:40]!r} is not a list of joints")
    if not any(isinstance(joint, dict) for joint in person):
        known = next((len(joint) for joint in person if isinstance(joint, list)), 0)
        points = numbers(
            [[None] * known if joint is None or joint == [] else joint for joint in person], where
        )
        if points.ndim != 2 or points.shape[1] not in (2, 3, 4):
            raise ClipError(f"{where}: has shape {points.shape}, expected joints of 2 to 4 numbers")
        return points
    first = next(_lower(joint) for joint in person if isinstance(joint, dict))
    if "keys" not in shape:
        confidence = [key for key in CONFIDENCES if key in first][:1]
        if not {"x", "y"} <= set(first):
            raise ClipError(f"{where}: a joint has no x and y, but {', '.join(first)[:100]}")
        depth = ["z"] if "z" in first else []
        shape["keys"] = ["x", "y", *depth, *confidence]
        shape["coordinates"] = "xy" + "z" * len(depth) + "c" * len(confidence)
    keys: list[str] = shape["keys"]
    rows = []
    for k, joint in enumerate(person):
        if joint is None or joint == {}:
            rows.append([None] * len(keys))
            continue
        if not isinstance(joint, dict):
            raise ClipError(
                f"{where}: joint {k} is {str(joint)[:40]!r}, not an object with x and y"
            )
        content = _lower(joint)
        if missing := [key for key in keys if key not in content]:
            raise ClipError(f"{where}: joint {k} has no {', '.join(missing)}, unlike others")
        rows.append([content[key] for key in keys])
    return numbers(rows, where)
