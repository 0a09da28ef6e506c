"""One person in front of a camera, as a stream of joints for detection, in constant memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keras_skeleton.film.people_labels import kinect_pose
from keras_skeleton.film.ticks import Ticks
from keras_skeleton.skeletons import KINECT_V2
from keras_skeleton.video.film import FilmFrame
from keras_skeleton.video.people import REMEMBER, Estimator, PeopleTracker, PersonPose


@dataclass(frozen=True)
class LivePose:
    """What is known of the person at one moment.

    Attributes:
        joints: The joints of the Kinect v2 in meters, float32 (25, 3), from the hips; zero where
            the person was not found.
        found: The person's key points; None where the person was not found.
        person: Number of the person who is followed; None before somebody was seen.
    """

    joints: np.ndarray
    found: PersonPose | None
    person: int | None


class LivePerson:
    """Follows one person of a camera and gives the joints at a constant rate.

    This is the person who was seen first. Who is gone for more than a second is given up; then it
    is the one of those in sight who was seen first.

    Args:
        pose: The pose estimator.
        fps: Poses per second, whatever rate the pictures have.
        person: Follow this person only, from 0 in the order of appearance.
        people: Number of people who are kept apart at a time.

    Attributes:
        person: Number of the person who is followed; None before somebody was seen.
        first_s: Time of the first picture, which is that of the first pose; None before it.

    Example:
        >>> from keras_skeleton.film.live_person import LivePerson
        >>> with open_camera("0") as camera:  # doctest: +SKIP
        ...     person = LivePerson(BlazePose(find_pose_models()), fps=15)
        ...     for frame in camera.frames():
        ...         for pose in person.push(frame):
        ...             live.push(pose.joints[None])
    """

    def __init__(
        self, pose: Estimator, fps: float, person: int | None = None, people: int = 2
    ) -> None:
        self.person: int | None = None
        self.first_s: float | None = None
        self._only = person
        self._tracker = PeopleTracker(pose, people)
        self._ticks = Ticks(fps)
        self._patience = REMEMBER * fps
        self._unseen = 0

    def push(self, frame: FilmFrame) -> list[LivePose]:
        """Takes the next picture; returns the poses since the one before."""
        if self.first_s is None:
            self.first_s = frame.time_s
        found = self._tracker.step(frame.image, frame.time_s)
        return [self._pose(people) for people in self._ticks.push(frame.time_s, found)]

    def _pose(self, people: list[PersonPose]) -> LivePose:
        there = {pose.person: pose for pose in people}
        if self._only is not None:
            there = {number: pose for number, pose in there.items() if number == self._only}
        if self.person not in there:
            self._unseen += 1
            if there and (self.person is None or self._unseen > self._patience):
                self.person = min(there)
        if self.person not in there:
            return LivePose(np.zeros((KINECT_V2.size, 3), np.float32), None, self.person)
        self._unseen = 0
        found = there[self.person]
        return LivePose(kinect_pose(found.world), found, self.person)
