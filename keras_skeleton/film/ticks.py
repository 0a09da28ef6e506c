"""Poses of a camera, which come when they come, at a constant rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from keras_skeleton.video.people import PersonPose

LONGEST = 0.5  # seconds between two pictures; nobody is known in a longer gap


class Ticks:
    """Resamples the people of a live stream: linear between pictures, by person.

    Who is in one of two pictures only is there in the half of the time that is nearer to it.

    Args:
        fps: Ticks per second.

    Example:
        >>> from keras_skeleton.film.ticks import Ticks
        >>> ticks = Ticks(10)
        >>> [len(ticks.push(time_s, [])) for time_s in (0.0, 0.05, 0.3)]
        [1, 0, 3]
    """

    def __init__(self, fps: float) -> None:
        self.fps = fps
        self._first: float | None = None
        self._time = 0.0
        self._people: dict[int, PersonPose] = {}
        self._count = 0

    def push(self, time_s: float, people: Sequence[PersonPose]) -> list[list[PersonPose]]:
        """Takes the people of a picture; returns those of all ticks since the picture before.

        Args:
            time_s: When the picture was taken, in seconds; it never runs backwards.
            people: The people in it.
        """
        if self._first is None:
            self._first = self._time = time_s
        before, now = self._people, {pose.person: pose for pose in people}
        span = time_s - self._time
        out = []
        while (tick := self._first + self._count / self.fps) <= time_s + 1e-9:
            part = 1.0 if span <= 0 else (tick - self._time) / span
            out.append([] if 0 < part < 1 and span > LONGEST else _between(before, now, part))
            self._count += 1
        self._time, self._people = time_s, now
        return out


def _between(
    before: dict[int, PersonPose], now: dict[int, PersonPose], part: float
) -> list[PersonPose]:
    near = now if part >= 0.5 else before
    found = []
    for number, pose in near.items():
        if number in before and number in now:
            one, two = before[number], now[number]
            pose = replace(
                pose,
                points=_mixed(one.points, two.points, part),
                world=_mixed(one.world, two.world, part),
            )
        found.append(pose)
    return sorted(found, key=lambda pose: pose.slot)


def _mixed(one: np.ndarray, two: np.ndarray, part: float) -> np.ndarray:
    return ((1 - part) * one + part * two).astype(np.float32)
