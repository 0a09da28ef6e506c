"""Reads Acclaim motion capture, a skeleton (`.asf`) and its motions (`.amc`), as joint positions.

    :units                      # .asf
      length 0.45
      angle deg
    :root
      order TX TY TZ RX RY RZ
      axis XYZ
      position 0 0 0
      orientation 0 0 0
    :bonedata
      begin
        name lfemur
        direction 0.34 -0.94 0
        length 7.34
        axis 0 0 20 XYZ
        dof rx ry rz
      end
    :hierarchy
      begin
        root lhipjoint rhipjoint lowerback
      end

    :DEGREES                    # .amc
    1                           frame number, then one line for the root and each bone with dof
    root -1.3 17.1 2.1 168.3 -0.6 -174.5
    lfemur -2.1 -1.1 -14.7

Rotations are listed in the order in which they are applied, about fixed axes
(http://graphics.cs.cmu.edu/nsp/course/cs229/info/ACCLAIMdef.html): "dof rx ry rz" is the matrix
M = Rz Ry Rx, and "axis 0 0 20 XYZ" is C = Rz(20) Ry(0) Rx(0), the bone's own frame at rest. A bone
rotates by C M C^-1 relative to its parent. Its end point is the end point of its parent plus
`direction * length`, rotated by all rotations from the root to the bone. "length 0.45" means that
lengths are in inches times 0.45 (http://mocap.cs.cmu.edu/faqs.php); they are converted to meters.

Not supported: bones that move or change length (dof tx, ty, tz, l), a root that is rotated at rest
(its interpretation differs between programs), and skins. None of the available files has them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from keras_skeleton.datasets.formats.line_error import LineError

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

INCH = 0.0254  # meters
MAX_BONES = 1000  # HDM05 has 30
LIMIT = 1e9  # far above any length or angle, and low enough for results in float32


class MotionTextError(LineError):
    """The text does not have the ASF or AMC format."""


class Bone(NamedTuple):
    """One bone, or the root.

    Attributes:
        name: Name in the file; "root" for the root.
        parent: Index of the parent bone; -1 for the root.
        offset: float64 (3,), the bone's vector at rest in meters; for the root its position.
        axis: The bone's own frame at rest.
        channels: The values of a line of motion, in order: "tx ty tz" (only for the root),
            "rx ry rz".
    """

    name: str
    parent: int
    offset: np.ndarray
    axis: Rotation
    channels: tuple[str, ...]


@dataclass(frozen=True)
class Body:
    """The content of an `.asf` file.

    Attributes:
        bones: The V bones: the root, then the others in the file's order.
        order: Indices of all bones, with parents before their children.
        metre: The file's unit of length in meters.
        degrees: Whether the angles of the file and of its motions are in degrees.
    """

    bones: tuple[Bone, ...]
    order: tuple[int, ...]
    metre: float
    degrees: bool

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the V bones."""
        return tuple(bone.name for bone in self.bones)


class Motion(NamedTuple):
    """The content of an `.amc` file.

    Attributes:
        values: float64 (T, D), the channels of all bones in the body's order, in meters and
            radians.
        problems: Line number and error message of each skipped frame.
    """

    values: np.ndarray
    problems: list[tuple[int, str]]


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yields (line number, words) of each line that is not empty or a comment."""
    for line, row in enumerate(text.split("\n"), start=1):
        if words := row.partition("#")[0].split():
            yield line, words


# ---------------------------------------------------------------- .asf


def _numbers(line: int, words: list[str], count: int) -> list[float]:
    """The numbers after the first word of a line."""
    if len(words) != count + 1:
        raise MotionTextError(line, f"'{words[0]}' has {len(words) - 1} values, expected {count}")
    try:
        values = [float(word) for word in words[1:]]
    except ValueError:
        raise MotionTextError(line, f"'{words[0]}' contains a value that is not a number") from None
    if not all(abs(value) < LIMIT for value in values):
        raise MotionTextError(line, f"'{words[0]}' contains NaN, infinity or a number out of range")
    return values


def _turn_order(line: int, word: str) -> str:
    """An order of the three axes, such as 'xyz', in lower case."""
    if sorted(word.lower()) != ["x", "y", "z"]:
        raise MotionTextError(line, f"'{word[:20]}' is not an order of the axes X, Y and Z")
    return word.lower()


def _channels(line: int, words: list[str], allowed: str) -> tuple[str, ...]:
    """The degrees of freedom after the first word of a line."""
    channels = tuple(word.lower() for word in words[1:])
    for channel in channels:
        if channel not in allowed.split():
            raise MotionTextError(line, f"degree of freedom '{channel[:20]}' is not supported")
    if len(set(channels)) < len(channels):
        raise MotionTextError(line, "a degree of freedom is listed twice")
    return channels


class _Rest:
    """A bone at rest, as described by its block in the file."""

    def __init__(self, line: int, name: str = "", channels: tuple[str, ...] = ()) -> None:
        self.line = line
        self.name = name
        self.channels = channels
        self.direction: list[float] | None = None
        self.length: float | None = None
        self.angles = [0.0, 0.0, 0.0]
        self.turns = "xyz"

    def read(self, line: int, words: list[str]) -> None:
        """Parses one line of the block; lines not about the geometry (id, limits) are ignored."""
        key = words[0].lower()
        if key == "name":
            if len(words) != 2:
                raise MotionTextError(line, "'name' is not followed by one word")
            self.name = words[1]
        elif key == "direction":
            self.direction = _numbers(line, words, 3)
        elif key == "length":
            (self.length,) = _numbers(line, words, 1)
        elif key == "axis":
            self.turns = _turn_order(line, words[-1])
            self.angles = _numbers(line, words[:-1], 3)
        elif key == "dof":
            self.channels = _channels(line, words, "rx ry rz")

    def read_root(self, line: int, words: list[str]) -> None:
        """Parses one line of the root's section."""
        key = words[0].lower()
        if key == "order":
            self.channels = _channels(line, words, "tx ty tz rx ry rz")
        elif key == "axis":  # the rotation at rest is zero, so it is only checked
            _turn_order(line, words[-1])
        elif key == "position":
            self.direction = _numbers(line, words, 3)
        elif key == "orientation" and any(_numbers(line, words, 3)):
            raise MotionTextError(line, "a root that is rotated at rest is not supported")

    def bone(self, parent: int, metre: float, degrees: bool) -> Bone:
        """Builds the bone, given its parent and the units."""
        from scipy.spatial.transform import Rotation  # here: it takes 0.3 s

        if self.direction is None or self.length is None:
            raise MotionTextError(self.line, f"bone '{self.name}' has no direction or no length")
        offset = np.array(self.direction) * self.length * metre
        axis = Rotation.from_euler(self.turns, self.angles, degrees=degrees)
        return Bone(self.name, parent, offset, axis, self.channels)


def parse_asf(text: str) -> Body:
    """Parses the text of an `.asf` file.

    Raises:
        MotionTextError: The text is not valid or not supported.
    """
    section = ""
    length, degrees = 1.0, True
    root = _Rest(1, "root", ("tx", "ty", "tz", "rx", "ry", "rz"))
    root.direction, root.length = [0.0, 0.0, 0.0], 1.0
    rests = [root]
    block: _Rest | None = None
    parents: dict[str, tuple[int, str]] = {}  # child -> (line, parent)
    line = 1
    for line, words in _lines(text):
        key = words[0].lower()
        if key.startswith(":"):
            section = key
        elif section == ":units" and key == "length":
            (length,) = _numbers(line, words, 1)
            if length < 1 / LIMIT:
                raise MotionTextError(line, f"invalid unit of length {length}")
        elif section == ":units" and key == "angle":
            unit = words[-1].lower()
            if not unit.startswith(("deg", "rad")):
                raise MotionTextError(line, f"angles are in '{unit[:20]}', not deg or rad")
            degrees = unit.startswith("deg")
        elif section == ":root":
            root.read_root(line, words)
        elif section == ":bonedata":
            if key == "begin":
                block = _Rest(line)
            elif key == "end" and block is not None:
                rests.append(block)
                block = None
                if len(rests) > MAX_BONES:
                    raise MotionTextError(line, f"more than {MAX_BONES} bones")
            elif block is not None:
                block.read(line, words)
        elif section == ":hierarchy" and key not in ("begin", "end"):
            for child in words[1:]:
                if child in parents:
                    raise MotionTextError(line, f"bone '{child}' has two parents")
                parents[child] = (line, words[0])
    if block is not None:
        raise MotionTextError(block.line, "the bone that begins here has no 'end'")
    if len(rests) == 1:
        raise MotionTextError(line, "no bones (':bonedata' is missing or empty)")
    metre = INCH / length
    bones = tuple(
        rest.bone(parent, metre, degrees)
        for rest, parent in zip(rests, _parent_indices(rests, parents), strict=True)
    )
    return Body(bones, _parents_first(bones, line), metre, degrees)


def _parent_indices(rests: list[_Rest], parents: dict[str, tuple[int, str]]) -> list[int]:
    """Index of each bone's parent; -1 for the root."""
    at: dict[str, int] = {}
    for i, rest in enumerate(rests):
        if not rest.name or rest.name in at:
            raise MotionTextError(rest.line, f"bone name '{rest.name}' is empty or not unique")
        at[rest.name] = i
    for child, (line, parent) in parents.items():
        for name in (child, parent):
            if name not in at:
                raise MotionTextError(line, f"unknown bone '{name}' in the hierarchy")
    for rest in rests[1:]:
        if rest.name not in parents:
            raise MotionTextError(rest.line, f"bone '{rest.name}' is not in the hierarchy")
    return [-1] + [at[parents[rest.name][1]] for rest in rests[1:]]


def _parents_first(bones: tuple[Bone, ...], line: int) -> tuple[int, ...]:
    """Indices of all bones, with parents before their children."""
    children: dict[int, list[int]] = {}
    for j, bone in enumerate(bones):
        children.setdefault(bone.parent, []).append(j)
    order = [0]
    for i in order:
        order += children.get(i, [])
    if len(order) < len(bones):
        reached = set(order)
        lost = next(bone.name for i, bone in enumerate(bones) if i not in reached)
        raise MotionTextError(line, f"the hierarchy does not connect '{lost}' to the root")
    return tuple(order)


# ---------------------------------------------------------------- .amc


def _frames(text: str) -> Iterator[list[tuple[int, list[str]]]]:
    """Yields the lines as `_lines` does, in groups: the header, then one group per frame."""
    group: list[tuple[int, list[str]]] = []
    for line, words in _lines(text):
        if len(words) == 1 and words[0].isdecimal() and len(words[0]) < 10:
            yield group
            group = []
        group.append((line, words))
    yield group


def _frame_values(frame: list[tuple[int, list[str]]], counts: dict[str, int]) -> list[float]:
    """The values of one frame, bone by bone in the order of `counts`."""
    start, (number,) = frame[0]
    found: dict[str, list[str]] = {}
    for line, (name, *values) in frame[1:]:
        if name not in counts:
            raise MotionTextError(line, f"frame {number}: '{name[:20]}' is not a movable bone")
        if name in found:
            raise MotionTextError(line, f"frame {number}: '{name}' occurs twice")
        if len(values) != counts[name]:
            raise MotionTextError(
                line, f"frame {number}: '{name}' has {len(values)} values, expected {counts[name]}"
            )
        found[name] = values
    try:
        return [float(value) for name in counts for value in found[name]]
    except KeyError as error:
        raise MotionTextError(start, f"frame {number} has no line for {error}") from None
    except ValueError:
        why = f"frame {number} contains a value that is not a number"
        raise MotionTextError(start, why) from None


def parse_amc(text: str, body: Body) -> Motion:
    """Parses the text of an `.amc` file; bad frames are skipped.

    Args:
        text: The content of the file.
        body: The skeleton to which the motion belongs.
    """
    counts = {bone.name: len(bone.channels) for bone in body.bones if bone.channels}
    degrees = body.degrees
    problems: list[tuple[int, str]] = []
    rows: list[list[float]] = []
    starts: list[tuple[int, int]] = []  # (line, frame number) of each row
    frames = _frames(text)
    for line, words in next(frames):
        if not words[0].startswith(":"):
            problems.append((line, f"'{words[0][:20]}' comes before the first frame"))
        elif words[0].upper() in (":DEGREES", ":RADIANS"):
            degrees = words[0].upper() == ":DEGREES"
    for frame in frames:
        line, number = frame[0][0], int(frame[0][1][0])
        if starts and number <= starts[-1][1]:
            problems.append((line, f"frame {number} comes after {starts[-1][1]}"))
            continue
        try:
            rows.append(_frame_values(frame, counts))
        except MotionTextError as error:
            problems.append((error.line, error.message))
        else:
            starts.append((line, number))

    values = np.array(rows, np.float64).reshape(len(rows), sum(counts.values()))
    usable = (np.abs(values) < LIMIT).all(1)  # False for NaN, too
    for i in np.flatnonzero(~usable):
        line, number = starts[i]
        problems.append((line, f"frame {number} contains NaN, infinity or a number out of range"))
    angle = np.pi / 180 if degrees else 1.0
    scale = [
        angle if channel[0] == "r" else body.metre for b in body.bones for channel in b.channels
    ]
    return Motion(values[usable] * scale, sorted(problems))


def positions(body: Body, values: np.ndarray) -> np.ndarray:
    """Forward kinematics of a motion: float64 (T, V, 3) in meters.

    Args:
        body: The skeleton.
        values: (T, D), `Motion.values`.

    Returns:
        The positions of the root and of the end points of all bones, in the order of `body.bones`.
    """
    from scipy.spatial.transform import Rotation

    T = len(values)
    points = np.zeros((T, len(body.bones), 3))
    if T == 0:
        return points
    ends = np.cumsum([len(bone.channels) for bone in body.bones])
    turned: dict[int, Rotation] = {}
    for i in body.order:
        bone = body.bones[i]
        own = values[:, ends[i] - len(bone.channels) : ends[i]]
        turns = [k for k, channel in enumerate(bone.channels) if channel[0] == "r"]
        local = Rotation.identity()
        if turns:
            sequence = "".join(bone.channels[k][1] for k in turns)  # lower case: fixed axes
            motion = Rotation.from_euler(sequence, own[:, turns])
            local = bone.axis * motion * bone.axis.inv()
        if bone.parent < 0:
            points[:, i] = bone.offset
            for k, channel in enumerate(bone.channels):
                if channel[0] == "t":
                    points[:, i, "xyz".index(channel[1])] += own[:, k]
            turned[i] = local
        else:
            turned[i] = turned[bone.parent] * local
            points[:, i] = points[:, bone.parent] + turned[i].apply(bone.offset)
    return points
