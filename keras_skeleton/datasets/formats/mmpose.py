"""Predictions of MMPose and RTMPose: frames with `instances` of `keypoints` and `keypoint_scores`.

The JSON is an object with `instance_info` (and `meta_info`), one with `predictions`, or the list of
frames alone. MMPose's 3D key points have z up, x to the image's left and y away from the camera.
"""

from __future__ import annotations

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

LAYOUTS = {17: "coco17", 26: "halpe26", 133: "wholebody133", 136: "halpe136"}
FEWEST = 8  # a list of fewer instances may be the people of one image
LIST_HELP = "write a list for each frame, [[instance, ...], ...]"


def _is_instance(value: Any) -> bool:
    return isinstance(value, dict) and "keypoints" in value and "keypoint_scores" in value


def _is_frame(value: Any) -> bool:
    if isinstance(value, dict):
        return "instances" in value and isinstance(value["instances"], list | None)
    return isinstance(value, list) and all(_is_instance(v) for v in value)


def _frames(data: Any) -> Any:
    if isinstance(data, dict):
        data = data.get("instance_info", data.get("predictions", data if _is_frame(data) else None))
        data = [data] if isinstance(data, dict) else data
    # The inferencer wraps the people of an image in one more list.
    while (
        isinstance(data, list)
        and len(data) == 1
        and isinstance(data[0], list)
        and data[0]
        and all(_is_frame(frame) and not _is_instance(frame) for frame in data[0])
    ):
        data = data[0]
    return data


def matches(data: Any) -> bool:
    """Whether a JSON holds instances of MMPose."""
    if isinstance(data, dict) and "instance_info" in data:
        return True
    frames = _frames(data)
    if not isinstance(frames, list) or not any(frames):
        return False
    return all(_is_frame(f) or f is None for f in frames) or all(map(_is_instance, frames))


def read(data: Any) -> ClipArray:
    """Reads a JSON for which `matches` is true."""
    frames, notes = _frames(data), []
    if not isinstance(frames, list):
        raise ClipError("'instance_info' is not a list of frames")
    if frames and all(map(_is_instance, frames)):
        if len(frames) < FEWEST:
            raise ClipError(
                f"lists {len(frames)} instances, which may be frames or the people of one frame: "
                + LIST_HELP
            )
        notes.append(f"the {len(frames)} instances were read as frames with one person each")
        frames = [[instance] for instance in frames]
    numbered: dict[int, list[Person]] = {}
    for t, frame in enumerate(frames):
        number, instances = t, frame
        if isinstance(frame, dict):
            given = whole(frame.get("frame_id"))
            number, instances = t if given is None else given, frame.get("instances")
        if number in numbered:
            raise ClipError(f"two frames have the frame_id {number}")
        if not isinstance(instances, list | None):
            raise ClipError(f"frame {number}: {str(instances)[:40]!r} is not a list of instances")
        numbered[number] = [
            _person(instance, f"frame {number}: instance {m}", f"frame {number}")
            for m, instance in enumerate(instances or [])
        ]
    ordered, more = in_order(numbered)
    first = next((p for f in ordered for p in f), None)
    count, solid = (0, False) if first is None else (len(first.points), first.points.shape[1] == 4)
    if solid:
        notes.append("MMPose's 3D key points were read with z up")
    layout = "h36m17" if solid and count == 17 else LAYOUTS.get(count)
    return assemble(
        ordered,
        "xyzc" if solid else "xyc",
        layout=layout,
        pixels=not solid,
        first=min(numbered),
        notes=(*notes, *more),
    )


def _person(instance: Any, where: str, frame: str) -> Person:
    if not _is_instance(instance):
        raise ClipError(f"{where}: needs 'keypoints' and 'keypoint_scores'")
    points = numbers(instance["keypoints"], where)
    scores = numbers(instance["keypoint_scores"], where)
    if points.ndim == 3 and len(points) == 1:
        points, scores = points[0], scores.reshape(-1)
    if points.ndim != 2 or points.shape[1] not in (2, 3) or scores.shape != points.shape[:1]:
        raise ClipError(
            f"{where}: key points {points.shape} with scores {scores.shape}; expected (K, 2) or "
            "(K, 3) with (K,)"
        )
    if points.shape[1] == 3:  # to the axes of images: x right, y down, z away
        points = np.stack([-points[:, 0], -points[:, 2], points[:, 1]], axis=1)
    joined = np.concatenate([points, scores[:, None]], axis=1)
    return Person(joined, frame, person_id(instance.get("track_id")))
