"""Labels for everybody in a film or in front of a camera: one stream of poses for each person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from keras_skeleton.datasets.formats.poses import MEDIAPIPE33, image_to_camera
from keras_skeleton.film.windows import Step, StreamLabeler
from keras_skeleton.recognizer import Recognizer, RecognizerError
from keras_skeleton.skeletons import KINECT_V2
from keras_skeleton.video.people import REMEMBER, VISIBLE, PersonPose

# Coordinates that need to know where people are in the room, which key points in metres do not say.
PLACED = ("camera", "first_spine", "actor_displacement", "pair")


@cache
def _weights() -> np.ndarray:
    """The Kinect v2 joints as sums of BlazePose's points, float64 (25, 33)."""
    out = np.zeros((KINECT_V2.size, MEDIAPIPE33.size))
    for joint, (first, *_) in MEDIAPIPE33.table.items():  # all points are always estimated
        for point, weight in first.items():
            out[KINECT_V2.index(joint), point] = weight
    return out


def kinect_pose(world: np.ndarray) -> np.ndarray:
    """The Kinect v2 joints of a person, float32 (25, 3) in meters, y upward, from the hips.

    Args:
        world: BlazePose's points (33, 3 or more): x right, y down, z away, in meters.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.film.people_labels import kinect_pose
        >>> kinect_pose(np.ones((33, 4)))[0].tolist()
        [-1.0, -1.0, 1.0]
    """
    return image_to_camera(_weights() @ world[:, :3]).astype(np.float32)


@dataclass
class PersonLabels:
    """What is known of one person.

    Attributes:
        person: Number of the person.
        slot: Place among the people who are followed at a time.
        first: First frame with this person.
        last: Last frame with this person.
        frames: Number of frames with this person.
        unseen: Number of frames in which each of the 33 key points was a guess, int (33,).
        steps: Steps so far, without attention.
    """

    person: int
    slot: int
    first: int
    last: int
    frames: int = 0
    unseen: np.ndarray = field(default_factory=lambda: np.zeros(MEDIAPIPE33.size, np.int64))
    steps: list[Step] = field(default_factory=list)
    _labeler: StreamLabeler | None = None


class PeopleLabeler:
    """Labels the people of a stream, each in windows of the own poses.

    Args:
        recognizer: The network; it must take one body and no film.
        fps: Frames per second of the stream.
        size: Height and width of the frames in pixels.
        attention: Whether steps have attention.

    Attributes:
        people: Everybody so far, by number.

    Raises:
        RecognizerError: The network takes two bodies: their distance is unknown here.

    Example:
        >>> from keras_skeleton.film.people_labels import PeopleLabeler
        >>> labeler = PeopleLabeler(recognizer, 30, (480, 640))  # doctest: +SKIP
        >>> for frame in film.frames():  # doctest: +SKIP
        ...     for who, step in labeler.push(tracker.step(frame.image, frame.time_s)):
        ...         print(who.person, step.label)
    """

    def __init__(
        self, recognizer: Recognizer, fps: float, size: tuple[int, int], attention: bool = True
    ) -> None:
        if recognizer.preprocessing.bodies > 1:
            raise RecognizerError(
                f"{recognizer.name} labels {recognizer.preprocessing.bodies} people together, but "
                "key points from film do not say how far people are from each other; choose a "
                "network of one person (trained on key points of `predict --people 1`, for example)"
            )
        self.recognizer, self.fps, self.size, self.attention = recognizer, fps, size, attention
        self.people: dict[int, PersonLabels] = {}
        self._open: dict[int, PersonLabels] = {}
        self._frame = 0
        self._first = self._labeler(0)  # refuses a network that does not fit

    @property
    def delay(self) -> int:
        """Frames from the end of a block to its step."""
        return self._first.delay

    def _labeler(self, first: int) -> StreamLabeler:
        return StreamLabeler(
            self.recognizer, self.fps, KINECT_V2, attention=self.attention, first=first
        )

    def warm_up(self) -> None:
        """Compiles the network before a live stream starts."""
        self._first.warm_up()

    def push(self, people: Sequence[PersonPose]) -> list[tuple[PersonLabels, Step]]:
        """Takes the people of the next frame; returns the steps that are known with it."""
        found: list[tuple[PersonLabels, Step]] = []
        now = {pose.person: pose for pose in people}
        for number in now.keys() - self._open.keys():
            who = PersonLabels(number, now[number].slot, self._frame, self._frame)
            who._labeler = self._labeler(self._frame)
            self.people[number] = self._open[number] = who
        for number, who in list(self._open.items()):
            there = now.get(number)
            if there is None:
                if self._frame - who.last > REMEMBER * self.fps + 1:
                    found += self._close(who)
                    continue
                found += self._push(who, np.zeros((KINECT_V2.size, 3), np.float32))
                continue
            who.last, who.slot = self._frame, there.slot
            who.frames += 1
            who.unseen += ~is_visible(there.points, self.size)
            found += self._push(who, kinect_pose(there.world))
        self._frame += 1
        return found

    def finish(self) -> list[tuple[PersonLabels, Step]]:
        """Ends the stream; returns the last steps of everybody."""
        return [pair for who in list(self._open.values()) for pair in self._close(who)]

    def _push(self, who: PersonLabels, pose: np.ndarray) -> list[tuple[PersonLabels, Step]]:
        assert who._labeler is not None
        return [(who, step) for step in who._labeler.push(pose)]

    def _close(self, who: PersonLabels) -> list[tuple[PersonLabels, Step]]:
        del self._open[who.person]
        labeler, who._labeler = who._labeler, None
        assert labeler is not None
        return [(who, step) for step in labeler.finish()]


def is_visible(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Which key points were seen and not guessed: visible, and inside the image; bool (33,).

    Args:
        points: (33, 3): x and y in pixels, and the visibility.
        size: Height and width of the image.
    """
    x, y, visibility = points.T
    inside = (x >= 0) & (x < size[1]) & (y >= 0) & (y < size[0])
    return inside & (visibility >= VISIBLE)
