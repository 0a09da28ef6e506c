"""Reads a clip from a .csv file: one row per frame, or per person or joint of a frame.

The header is obeyed. Columns are `x0, y0, z0, x1, ...` in any order, `nose_x`, `x_nose` or `0_x`,
with the confidence as `c`, `v`, `visibility`, `score` or `confidence`; or x, y, z once, with a
column `joint`. Columns for the frame, the time and the person order the rows. Others are refused.
A file without a header has one row per frame.
"""

from __future__ import annotations

import re
from array import array
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise
from pathlib import Path

import numpy as np

from keras_skeleton.datasets.formats.clip_array import (
    MAX_CELLS,
    ClipArray,
    ClipError,
    Person,
    assemble,
    in_order,
)
from keras_skeleton.datasets.formats.frame_lists import rate
from keras_skeleton.datasets.formats.skeleton_toml import MAX_JOINTS
from keras_skeleton.utils.files import read_text

KINDS = {
    **dict.fromkeys("xyz", ""),
    **dict.fromkeys(("c", "v", "vis", "visibility", "conf", "confidence", "score", "s"), "c"),
    **dict.fromkeys(("presence", "pres", "p"), "ignored"),
}
FRAMES = (
    "frame", "frame_id", "frame_idx", "frame_index", "frame_number", "frame_no", "frameid",
    "frame_num", "framenumber", "image_id",
)  # fmt: skip
TIMES = {
    "timestamp_ms": 1e-3, "time_ms": 1e-3, "timestamp_us": 1e-6, "time_s": 1.0, "seconds": 1.0,
    "timestamp": 0.0, "time": 0.0, "t": 0.0,
}  # fmt: skip
PEOPLE = ("person", "person_id", "track_id", "body", "body_id", "subject_id", "id")
JOINTS = (
    "joint", "joint_id", "joint_name", "joint_index", "landmark", "landmark_id", "landmark_index",
    "landmark_name", "keypoint", "keypoint_id", "name",
)  # fmt: skip
INDEX = ("", "index", "unnamed: 0", "row")
DIGITS = 9  # of a joint's number
PREFIXES = ("joint", "j", "kp", "keypoint", "landmark", "point", "pt", "lm")


def read_csv(path: Path, most: int) -> ClipArray:
    """Reads a .csv file of at most `most` bytes.

    Raises:
        ClipError: Not a table of numbers, or a column that is not known; `line` is set.
    """
    content = read_text(path, "a clip", "utf-8-sig", most=most)
    values = array("d")
    header: _Header | None = None
    texts: dict[int, list[str]] = defaultdict(list)  # columns of joint names
    columns, separator, first = 0, None, True
    for line, text in enumerate(content.splitlines(), start=1):
        if not text.strip():
            continue
        if first:
            separator = next((mark for mark in ";\t," if mark in text), None)
        words = [word.strip().strip('"').strip() for word in text.split(separator)]
        if first:
            first = False
            if _is_header(words):
                try:
                    header = _read_header(words)
                except ClipError as error:
                    raise ClipError(str(error), line) from None
                columns = len(words)
                named = [k for k, word in enumerate(words) if word.lower() in JOINTS]
                continue
            named = []
        row = [0.0 if k in named else _number(word, separator) for k, word in enumerate(words)]
        if None in row:
            word = words[row.index(None)]
            hint = "" if columns else "; is it a header? Then each column needs a name"
            raise ClipError(f"'{word[:40]}' is not a number{hint}", line)
        columns = columns or len(row)
        if len(row) != columns:
            raise ClipError(f"{len(row)} columns, but {columns} in the previous lines", line)
        if len(values) > most // values.itemsize:
            raise ClipError(f"contains more than {len(values):,} numbers", line)
        values.extend(number for number in row if number is not None)
        for k in named:
            texts[k].append(words[k])
    if not len(values):
        raise ClipError("contains no frames")
    table = np.array(values).reshape(-1, columns)
    return ClipArray(table) if header is None else _with_header(header, table, texts)


def _number(word: str, separator: str | None) -> float | None:
    if separator in (";", "\t") and "," in word:  # decimal commas
        word = word.replace(",", ".")
    try:
        return float(word or "nan")
    except ValueError:
        return None


def _is_header(words: Sequence[str]) -> bool:
    """Whether a first line names columns; pandas writes 0, 1, 2, ..., perhaps after an index."""
    plain = [_number(word, None) for word in words]
    counted = [number for word, number in zip(words, plain, strict=True) if word]
    if len(counted) > 2 and counted == list(range(len(counted))):
        return True
    return bool(counted) and all(number is None for number in counted)


@dataclass(frozen=True)
class _Column:
    """A column of coordinates: x, y, z or c of a joint, which is a number or a name."""

    kind: str
    joint: str
    at: int


def _coordinate(name: str, at: int) -> _Column | None:
    """Reads a name such as x0, y_12, nose_x, x.3 or landmark_4_visibility."""
    words = [word for word in re.split(r"[\s_.\-:/()\[\]]+", name) if word]
    if len(words) == 1:
        found = re.fullmatch(r"([A-Za-z]+?)(\d+)", words[0])
        back = re.fullmatch(r"(\d+)([A-Za-z]+)", words[0])
        camel = re.fullmatch(r"([A-Za-z0-9]*[a-z0-9])([XYZ])", words[0])
        if found and found[1].lower() in KINDS:
            words = [found[1], found[2]]
        elif back and back[2].lower() in KINDS:
            words = [back[1], back[2]]
        elif camel:
            words = [camel[1], camel[2]]
    if not words:
        return None
    for kind, rest in ((words[-1], words[:-1]), (words[0], words[1:])):
        if kind.lower() in KINDS:
            letter = KINDS[kind.lower()] or kind.lower()
            if len(rest) > 1 and rest[0].lower() in PREFIXES and rest[1].isdecimal():
                rest = rest[1:]
            if len(rest) == 1 and (
                found := re.fullmatch(rf"(?:{'|'.join(PREFIXES)})?(\d+)", rest[0].lower())
            ):
                rest = [found[1]]
            return _Column(letter, "_".join(rest), at)
    return None


@dataclass(frozen=True)
class _Header:
    """The names of the columns.

    Attributes:
        first: The first column of coordinates, if they are only counted; else 0.
        roles: Columns of the frame, the time, the person and the joint.
        time: Seconds of a unit of time; 0 if unknown.
        names: Names of the joints.
        places: Columns of each joint's coordinates, int (K, C).
        coordinates: Meaning of the C coordinates.
    """

    first: int = 0
    roles: Mapping[str, int] = field(default_factory=dict)
    time: float = 0.0
    names: Sequence[str] = ()
    places: np.ndarray | None = None
    coordinates: str = ""


def _read_header(header: list[str]) -> _Header:
    roles: dict[str, int] = {}
    columns: list[_Column] = []
    unknown = []
    rest = [word for k, word in enumerate(header) if not (k == 0 and word.lower() in INDEX)]
    if rest == [str(k) for k in range(len(rest))]:  # counted columns: the index is the only name
        return _Header(len(header) - len(rest))
    for at, word in enumerate(header):
        name = _plain(word)
        role = next(
            (
                role
                for role, names in (
                    ("frame", FRAMES), ("time", tuple(TIMES)), ("person", PEOPLE),
                    ("joint", JOINTS), ("index", INDEX),
                )
                if name in names or word.lower() in names
            ),
            None,
        )  # fmt: skip
        if role is not None:
            if role in roles and role != "index":
                raise ClipError(f"columns '{header[roles[role]]}' and '{word}' are both the {role}")
            roles[role] = at
        elif column := _coordinate(word, at):
            columns.append(column)
        else:
            unknown.append(word)
    if unknown:
        listed = ", ".join(f"'{word[:40]}'" for word in unknown[:10])
        raise ClipError(
            f"unknown column{'s' if len(unknown) > 1 else ''} {listed}: expected names such as "
            "x0, y0, z0 or nose_x, and frame, timestamp or person; delete or rename"
        )
    columns = _repeated([column for column in columns if column.kind != "ignored"])
    coordinates = "".join(k for k in "xyzc" if any(column.kind == k for column in columns))
    if not coordinates.startswith("xy"):
        raise ClipError(f"has columns for '{coordinates}' only, expected x and y")
    names, places = _grid(columns, coordinates)
    if "joint" in roles and len(names) != 1:
        raise ClipError(f"has a column of joints, and columns for {len(names)} joints")
    if "joint" in roles and not {"frame", "time"} & set(roles):
        raise ClipError("has a row for each joint, but no column 'frame'")
    if "person" in roles and not {"frame", "time"} & set(roles):
        raise ClipError("has a column for the person, but none for the frame")
    time = TIMES[_plain(header[roles["time"]])] if "time" in roles else 0.0
    return _Header(0, roles, time, names, places, coordinates)


def _plain(word: str) -> str:
    return re.sub(r"[\s\-]+", "_", word.lower())


def _with_header(header: _Header, table: np.ndarray, texts: dict[int, list[str]]) -> ClipArray:
    if header.places is None:
        return ClipArray(table[:, header.first :])
    roles, joints, places = header.roles, header.names, header.places
    cells = table[:, places.ravel()].reshape(len(table), *places.shape)  # (rows, K, C)
    if "joint" in roles:
        joints, cells, table = _by_joint(cells, table, roles, texts)
    known: dict[str, object] = {
        "joints": None if all(name.isdecimal() for name in joints) else tuple(joints)
    }
    if "time" in roles:
        known["fps"] = rate(np.unique(table[:, roles["time"]]).tolist(), header.time)
    return _by_frame(cells, table, roles, header.coordinates, known)


def _repeated(columns: list[_Column]) -> list[_Column]:
    """Numbers the joints of x, y, z, x, y, z, ..., also as pandas writes them: x, y, x.1, y.1."""
    if not any(column.joint == "" for column in columns):
        return columns
    if all(column.joint == "" for column in columns):
        seen: dict[str, int] = defaultdict(int)
        out = []
        for column in columns:
            out.append(_Column(column.kind, str(seen[column.kind]), column.at))
            seen[column.kind] += 1
        return out
    return [_Column(c.kind, c.joint or "0", c.at) for c in columns]


def _grid(columns: list[_Column], coordinates: str) -> tuple[list[str], np.ndarray]:
    """Joint names, and the column of each joint's coordinates, int (K, C)."""
    places: dict[tuple[str, str], int] = {}
    for column in columns:
        key = (column.joint, column.kind)
        if key in places:
            raise ClipError(f"two columns are {column.kind} of joint '{column.joint}'")
        places[key] = column.at
    joints = list(dict.fromkeys(column.joint for column in columns))
    if len(joints) > MAX_JOINTS:
        raise ClipError(f"has columns of {len(joints):,} joints, more than {MAX_JOINTS:,}")
    if all(joint.isdecimal() for joint in joints):
        if long := [joint for joint in joints if len(joint) > DIGITS]:
            raise ClipError(f"'{long[0]:.40}' is not the number of a joint")
        joints.sort(key=int)
        numbers = [int(joint) for joint in joints]
        between = (n for a, b in pairwise(numbers) for n in range(a + 1, b))
        if gaps := list(islice(between, 10)):  # a file may say any number
            raise ClipError(f"joints are numbered to {numbers[-1]}, but {gaps} are missing")
        if numbers[0] > 1:
            raise ClipError(f"joints are numbered from {numbers[0]}, expected from 0 or 1")
    for joint in joints:
        if missing := [kind for kind in coordinates if (joint, kind) not in places]:
            raise ClipError(f"joint '{joint}' has no column for {', '.join(missing)}")
    at = np.array([[places[joint, kind] for kind in coordinates] for joint in joints])
    return joints, at


def _by_joint(
    cells: np.ndarray,
    table: np.ndarray,
    roles: Mapping[str, int],
    texts: dict[int, list[str]],
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Joins rows of one joint each to rows of one person: names, (rows, K, C), other columns."""
    words = texts[roles["joint"]]
    joints = list(dict.fromkeys(words))
    if len(joints) > MAX_JOINTS:
        raise ClipError(f"has rows of {len(joints):,} joints, more than {MAX_JOINTS:,}")
    if all(word.isdecimal() and len(word) <= DIGITS for word in joints):
        joints.sort(key=int)
    place = {joint: k for k, joint in enumerate(joints)}
    by = roles.get("frame", roles.get("time", 0))
    rows: dict[tuple[float, float], np.ndarray] = {}
    others: dict[tuple[float, float], np.ndarray] = {}
    for i, word in enumerate(words):
        key = (table[i, by], table[i, roles["person"]] if "person" in roles else 0.0)
        if key not in rows:
            if len(rows) * len(joints) * cells.shape[2] > MAX_CELLS:
                raise ClipError(f"has more than {len(rows):,} frames of {len(joints)} joints")
            rows[key] = np.full((len(joints), cells.shape[2]), np.nan)
            others[key] = table[i]
        rows[key][place[word]] = cells[i, 0]
    return joints, np.stack(list(rows.values())), np.stack(list(others.values()))


def _by_frame(
    cells: np.ndarray,
    table: np.ndarray,
    roles: Mapping[str, int],
    coordinates: str,
    known: dict[str, object],
) -> ClipArray:
    by = roles.get("frame")
    if by is None and "time" in roles:
        by = roles["time"]
        table = table.copy()
        finite = np.isfinite(table[:, by])
        if not finite.all():
            raise ClipError("a time is missing", 2 + int(np.argmin(finite)))
        table[:, by] = np.unique(table[:, by], return_inverse=True)[1].ravel()
    if by is None:
        return ClipArray(cells[:, None], coordinates, **known)  # type: ignore[arg-type]
    frames: dict[int, list[Person]] = defaultdict(list)
    for i, number in enumerate(table[:, by]):
        if not np.isfinite(number) or number != int(number):
            raise ClipError(f"frame {number} is not a whole number", i + 2)
        if np.isnan(cells[i]).all():
            frames[int(number)]  # nobody
            continue
        person = table[i, roles["person"]] if "person" in roles else np.nan
        who = int(person) if np.isfinite(person) and 0 <= person < 1 << 53 else -1
        frames[int(number)].append(Person(cells[i], f"frame {int(number)}", who))
    ordered, notes = in_order(frames)
    return assemble(ordered, coordinates, first=min(frames), notes=notes, **known)
