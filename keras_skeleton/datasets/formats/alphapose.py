"""Results of AlphaPose: one JSON list of people with `image_id` and `keypoints`.

`image_id` is the image's name or number and orders the frames. `idx` is the person's number if
AlphaPose ran with a tracker; without one it is the same for all and not used. The formats of
`--format open` and `--format cmu`, objects with an image's name as key, have COCO's 18 points.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from keras_skeleton.datasets.formats.clip_array import (
    ClipArray,
    ClipError,
    Person,
    assemble,
    in_order,
    person_id,
    points_of,
    whole,
)

LAYOUTS = {17: "coco17", 18: "openpose_coco18", 26: "halpe26", 136: "halpe136"}


def natural(name: str) -> list[tuple[int, int, str]]:
    """Sort key under which `frame10` comes after `frame9`."""
    parts = re.findall(r"\d+|\D+", name)
    return [(0, int(p), "") if p.isdecimal() and len(p) < 20 else (1, 0, p) for p in parts]


def matches(data: Any) -> bool:
    """Whether a JSON is a list of people with `image_id`, or images with `people` or `bodies`."""
    if isinstance(data, list):
        return bool(data) and all(isinstance(row, dict) and "image_id" in row for row in data)
    return (
        isinstance(data, dict)
        and bool(data)
        and all(isinstance(v, dict) and ("people" in v or "bodies" in v) for v in data.values())
    )


def read(data: Any) -> ClipArray:
    """Reads a JSON for which `matches` is true."""
    images: dict[Any, list[Person]] = defaultdict(list)
    rows = data if isinstance(data, list) else _rows(data)
    for i, row in enumerate(rows):
        where = f"image {str(row['image_id'])[:60]}" if isinstance(data, dict) else f"entry {i}"
        if not isinstance(row["image_id"], str | int | float):
            raise ClipError(f"{where}: image_id {str(row['image_id'])[:40]!r} is no name or number")
        if row.get("keypoints") is None:
            raise ClipError(f"{where}: has no 'keypoints', but {', '.join(row)[:100]}")
        person = Person(
            _points(row["keypoints"], where),
            f"image {str(row['image_id'])[:60]}",
            person_id(row.get("idx", row.get("track_id"))),
        )
        images[row["image_id"]].append(person)
    if isinstance(data, dict):
        for name in data:
            images[name]  # nobody in this image
    frames = _numbered(images)
    ordered, notes = in_order(frames, "image")
    shape = next((p.points.shape for f in ordered for p in f), (0, 3))
    return assemble(
        ordered,
        "xyc"[: shape[1]],
        layout=LAYOUTS.get(shape[0]),
        pixels=True,
        first=min(frames),
        notes=notes,
    )


def _points(values: Any, where: str) -> np.ndarray:
    """x, y and confidence in a row, or a list of joints, which may lack the confidence."""
    pairs = isinstance(values, list) and values and isinstance(values[0], list)
    return points_of(values, 2 if pairs and len(values[0]) == 2 else 3, where)


def _rows(data: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for name, image in data.items():
        people = image.get("people", image.get("bodies")) or []
        if not isinstance(people, list):
            raise ClipError(f"image {name[:60]}: {str(people)[:40]!r} is not a list of people")
        for person in people:
            if not isinstance(person, dict):
                raise ClipError(f"image {name[:60]}: a person is not an object")
            points = person.get("pose_keypoints_2d", person.get("joints"))
            rows.append({"image_id": name, "keypoints": points, "idx": person.get("idx")})
    return rows


def _numbered(images: dict[Any, list[Person]]) -> dict[int, list[Person]]:
    """Images by number: the last digits of their names; by natural order if these repeat."""
    found: dict[int, list[Person]] = {}
    for name, people in images.items():
        number = whole(name)
        if number is None:
            digits = re.findall(r"\d{1,12}", PurePosixPath(str(name)).stem)
            number = int(digits[-1]) if digits else None
        if number is None or number in found:
            order = sorted(images, key=lambda name: natural(str(name)))
            return dict(enumerate(images[name] for name in order))
        found[number] = people
    return found
