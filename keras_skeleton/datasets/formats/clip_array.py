"""`ClipArray`: the numbers of a clip's file, with what the file itself says about them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from keras_skeleton.datasets.formats.poses import looks_like

# Numbers of a clip, in the file and after the conversion to other joints: an hour of two people
# with 25 joints at 60 frames a second has 32 million. Reading them takes up to 0.75 GiB, to label
# such a clip 2 GiB.
MAX_CELLS = 1 << 25
STRIDE_FRAMES = 3  # fewer frames do not show that only every n-th one was written


class ClipError(Exception):
    """The file of a clip cannot be used; `line` is 0 if there is no line number."""

    def __init__(self, why: str, line: int = 0) -> None:
        super().__init__(why)
        self.line = line


@dataclass(frozen=True)
class ClipArray:
    """The numbers of a clip's file.

    Attributes:
        array: float32 or float64, in the shape of the file; (T, M, K, C) if `coordinates` is given.
        coordinates: Meaning of the C numbers of a joint, such as `"xyc"`; None if the file does not
            say it.
        layout: Name of the joint layout that the file says or shows; None if unknown.
        joints: The K joint names of the file; None if it has none.
        listed: Whether the people of each frame are listed in any order, and absent joints are
            zero, as pose estimators write them.
        ids: Numbers that the estimator gave to the people, int (T, M), -1 for none.
        unit: A key of `skeleton_toml.UNITS`; None if unknown.
        image_size: Width and height for coordinates from 0 to 1; None if unknown.
        normalised: Whether x and y are fractions of the image; None if the file does not say it.
        pixels: Whether x and y ought to be pixels.
        fps: Frames per second; None if unknown.
        first: Number of the first frame in the file's own count.
        label: The label written in the file; None if there is none.
        notes: What was done to the numbers.
    """

    array: np.ndarray
    coordinates: str | None = None
    layout: str | None = None
    joints: tuple[str, ...] | None = None
    listed: bool = False
    ids: np.ndarray | None = None
    unit: str | None = None
    image_size: tuple[float, float] | None = None
    normalised: bool | None = None
    pixels: bool = False
    fps: float | None = None
    first: int = 0
    label: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""
        return self.array.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.array.ndim

    @property
    def dtype(self) -> np.dtype:
        """The type of the numbers."""
        return self.array.dtype

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, frames: slice) -> ClipArray:
        """A part of the recording; the first axis must be time."""
        ids = None if self.ids is None else self.ids[frames]
        return replace(self, array=self.array[frames], ids=ids)


def too_many(frames: int, people: int, joints: int, up_to: str = "of ") -> str:
    """What is said of a clip with more numbers than `MAX_CELLS`, and the way out."""
    who = "person" if people == 1 else "people"
    return (
        f"{frames:,} frames {up_to}{people} {who} with {joints} joints are too many (more than "
        f"{MAX_CELLS:,} numbers; an hour of two people is less); cut the recording into parts"
    )


class Person(NamedTuple):
    """One person in one frame: points (K, C), the estimator's number, and where it was read."""

    points: np.ndarray
    where: str
    id: int = -1


Frames = Sequence[Sequence[Person]]


def numbers(values: Any, where: str) -> np.ndarray:
    """A list of numbers, or of lists of them, as float64; null becomes NaN.

    Raises:
        ClipError: Something is not a number, or the lists differ in length.
    """
    try:
        array = np.array(values, np.float64)
    except (ValueError, TypeError, OverflowError):
        for value in _leaves(values):
            try:
                float(math.nan if value is None else value)
            except (ValueError, TypeError, OverflowError):
                raise ClipError(f"{where}: {str(value)[:40]!r} is not a number") from None
        sizes = {len(value) if isinstance(value, list) else 0 for value in values}
        raise ClipError(
            f"{where}: joints have different numbers of coordinates: {sorted(sizes)}"
        ) from None
    if not isinstance(values, list):
        raise ClipError(f"{where}: expected a list, not {str(values)[:40]!r}")
    return array


def _leaves(values: Any) -> Iterable[Any]:
    if isinstance(values, list):
        for value in values:
            yield from _leaves(value)
    else:
        yield values


def whole(value: Any) -> int | None:
    """A number without a fraction, also as text or as the only value of a list; else None."""
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return int(number) if math.isfinite(number) and number == int(number) else None


def person_id(value: Any) -> int:
    """The number of a person as an estimator writes it; -1 for none."""
    number = whole(value)
    return -1 if number is None or not 0 <= number < 1 << 62 else number


def in_order(
    frames: Mapping[int, Sequence[Person]], what: str = "frame"
) -> tuple[list[Sequence[Person]], tuple[str, ...]]:
    """Frames by their numbers: in missing ones nobody is seen; also notes.

    If all numbers are multiples of a step apart, as in every fifth image of a film, the step counts
    as one frame.
    """
    if not frames:
        raise ClipError("contains no frames")
    known = sorted(frames)
    step, notes = 1, []
    if len(known) >= STRIDE_FRAMES:
        step = math.gcd(*(b - a for a, b in pairwise(known)))
        if step > 1:
            notes.append(f"{what} numbers are {step} apart: read as one frame each")
    T = (known[-1] - known[0]) // step + 1
    if T > MAX_CELLS >> 4:
        raise ClipError(f"{what} numbers go from {known[0]} to {known[-1]}: too many frames")
    if len(known) < T:
        notes.append(f"{T - len(known)} of {T} {what}s are not in the file: nobody is seen there")
    return [frames.get(known[0] + t * step, ()) for t in range(T)], tuple(notes)


def assemble(frames: Frames, coordinates: str, **known: Any) -> ClipArray:
    """Puts the people of all frames in an array (T, M, K, C), NaN where there is nobody.

    Args:
        frames: The people of each frame.
        coordinates: Meaning of the C numbers.
        **known: Further fields of `ClipArray`.

    Raises:
        ClipError: People differ in their number of joints, or nobody is in any frame.
    """
    first = next((person for people in frames for person in people), None)
    if first is None:
        raise ClipError(f"no body in any of the {len(frames)} frames")
    M = max(map(len, frames))
    if len(frames) * M * first.points.size > MAX_CELLS:
        raise ClipError(too_many(len(frames), M, len(first.points), "of up to "))
    K, C = first.points.shape
    array = np.full((len(frames), M, K, C), np.nan)
    ids = np.full((len(frames), M), -1, np.int64)
    for t, people in enumerate(frames):
        for m, person in enumerate(people):
            if person.points.shape != first.points.shape:
                k, c = person.points.shape
                raise ClipError(
                    f"{person.where}: {k} joints of {c} numbers, but {K} of {C} in "
                    f"{first.where}" + _known(k) + _known(K)
                )
            array[t, m], ids[t, m] = person.points, person.id
    if len(coordinates) != C:
        raise ClipError(
            f"{first.where}: {C} numbers for each joint, expected {len(coordinates)} "
            f"({coordinates})"
        )
    return ClipArray(
        array,
        coordinates,
        listed=True,
        ids=ids if (ids >= 0).any() else None,
        **known,
    )


def _known(joints: int) -> str:
    names = looks_like(joints)
    return f"; {joints} joints are {names}" if names else ""


def points_of(values: Any, count: int, where: str) -> np.ndarray:
    """A flat list x1, y1, c1, x2, ... or a list of joints, as points (K, count).

    Raises:
        ClipError: Not a list of numbers, or not a multiple of `count`.
    """
    array = numbers(values, where)
    if array.ndim == 2 and array.shape[1] == count:
        return array
    if array.ndim != 1 or array.size % count or not array.size:
        raise ClipError(
            f"{where}: {array.size} numbers, expected a multiple of {count} for each joint"
        )
    return array.reshape(-1, count)
