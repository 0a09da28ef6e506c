"""Key points of OpenPose: a folder of `*_keypoints.json`, or a JSON with `people` in each frame.

Each person has `pose_keypoints_2d` (`pose_keypoints` in version 1.0), which is x, y and confidence
of 25 or 18 points, or `pose_keypoints_3d` with x, y, z and confidence. Missing points are zero.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

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
from keras_skeleton.datasets.formats.frame_lists import image_size_of
from keras_skeleton.utils.files import read_json, reason

SUFFIX = "_keypoints.json"
NUMBER = re.compile(r"(.*?)_?(\d{1,12})" + re.escape(SUFFIX), re.IGNORECASE)
KEYS = ("pose_keypoints_2d", "pose_keypoints", "keypoints", "joints")
KEY_3D = "pose_keypoints_3d"
NUMBERS = ("frame_index", "frame_id", "frame_number", "frame_idx", "frame")
LAYOUTS = {25: "openpose_body25", 18: "openpose_coco18"}
MAX_FRAME = 16 << 20  # bytes of the file of one frame; a hundred people take 300 kB
MAX_FOLDER = 256 << 20


def is_frame_file(path: Path) -> bool:
    """Whether a file is named like one frame of OpenPose."""
    return path.name.lower().endswith(SUFFIX) and not path.name.startswith(".")


def is_clip_folder(folder: Path) -> bool:
    """Whether a folder holds `*_keypoints.json` files of OpenPose, so that it is one clip."""
    return folder.is_dir() and any(is_frame_file(path) for path in folder.iterdir())


def read_folder(folder: Path) -> ClipArray:
    """Reads a folder of `NAME_000000000012_keypoints.json` as one clip.

    The numbers order the frames; where one is missing, nobody is seen.

    Raises:
        ClipError: No such files, several films, a damaged file, or nobody in any frame.
    """
    files = sorted(path for path in folder.iterdir() if is_frame_file(path))
    if not files:
        raise ClipError(f"is a folder without files *{SUFFIX}")
    if sum(path.stat().st_size for path in files) > MAX_FOLDER:
        raise ClipError(f"its files are larger than {MAX_FOLDER >> 20} MiB")
    names: dict[int, Path] = {}
    films: set[str] = set()
    for path in files:
        found = NUMBER.fullmatch(path.name)
        if found is None:
            raise ClipError(f"{path.name}: no frame number before {SUFFIX}")
        films.add(found[1])
        number = int(found[2])
        if number in names and len(films) == 1:
            raise ClipError(f"{path.name} and {names[number].name} have the same frame number")
        names[number] = path
    if len(films) > 1:
        listed = ", ".join(sorted(films)[:5])
        raise ClipError(f"holds frames of {len(films)} films ({listed}): put each into a folder")
    frames = {}
    for number, path in names.items():
        content = _frame_file(path)
        if "people" not in content:
            raise ClipError(f"{path.name}: has no 'people'")
        frames[number] = content["people"]
    return _assemble(frames, {number: path.name for number, path in names.items()})


def _frame_file(path: Path) -> dict[str, Any]:
    try:
        content = read_json(path, "a frame of OpenPose", MAX_FRAME, encoding="utf-8-sig")
    except ValueError as error:
        raise ClipError(f"{path.name}: is no JSON: {reason(error)[:100]}") from None
    if not isinstance(content, dict):
        raise ClipError(f"{path.name}: expected an object with 'people'")
    return content


def matches(data: Any) -> bool:
    """Whether a JSON holds frames with `people`."""
    frames = data if isinstance(data, list) else [data]
    known = [frame for frame in frames if frame]
    return bool(known) and all(isinstance(f, dict) and "people" in f for f in known)


def read(data: Any) -> ClipArray:
    """Reads one frame, or a list of frames, that hold `people`."""
    frames = data if isinstance(data, list) else [data]
    numbered: dict[int, Any] = {}
    for t, frame in enumerate(frames):
        number = next((n for k in NUMBERS if frame and (n := whole(frame.get(k))) is not None), t)
        if number in numbered:
            raise ClipError(f"two frames have the number {number}")
        numbered[number] = frame["people"] if frame else []
    size = next((image_size_of(frame) for frame in frames if frame), None)
    return _assemble(numbered, {number: f"frame {number}" for number in numbered}, size)


def _assemble(
    frames: dict[int, Any], where: dict[int, str], image_size: tuple[float, float] | None = None
) -> ClipArray:
    people = []
    for number, frame in frames.items():
        if frame is not None and not isinstance(frame, list):
            raise ClipError(f"{where[number]}: 'people' is not a list")
        for person in frame or []:
            if not isinstance(person, dict):
                raise ClipError(f"{where[number]}: a person is {str(person)[:40]!r}, not an object")
            people.append(person)
    solid = bool(people) and all(person.get(KEY_3D) for person in people)
    key = KEY_3D if solid else next((k for k in KEYS if any(p.get(k) for p in people)), "")
    if people and not key:
        raise ClipError(
            f"people have none of {', '.join((*KEYS, KEY_3D))}, but {', '.join(people[0])[:100]}"
        )
    count = 4 if solid else 3
    read_frames = {
        number: [
            Person(
                points_of(person[key], count, f"{where[number]}: person {m}"),
                where[number],
                person_id(person.get("person_id", person.get("idx"))),
            )
            for m, person in enumerate(frame or [])
            if person.get(key)  # without body points: only a face or a hand was seen
        ]
        for number, frame in frames.items()
    }
    ordered, notes = in_order(read_frames)
    found = next((len(p.points) for f in ordered for p in f), 0)
    return assemble(
        ordered,
        "xyzc" if solid else "xyc",
        layout=LAYOUTS.get(found),
        pixels=not solid,
        image_size=image_size,
        first=min(frames),
        notes=notes,
    )
