"""Follows people through a film with BlazePose.

A person who was found is looked for where the key points of the frame before say. The detector
looks for new people a few times a second, and in every frame while nobody is followed; closer where
somebody was lost a moment ago, and into parts of the frame while nobody is found at all. At a cut
of the film everybody is new.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from PIL import Image

from keras_skeleton.transforms.one_euro import OneEuro
from keras_skeleton.video.blazepose import MARGIN, Landmarks, Region, region_between

PRESENCE = 0.5  # of the landmark network; below it the person is lost
LOOK = 1 / 3  # seconds between two looks of the detector while there is room for more people
COUNT = 1.0  # the same while there is none, only to say that there are more
REMEMBER = 1.0  # seconds for which a lost person keeps the identity
NEAR = 0.5  # a detection is a known person within this share of the circle's radius ...
SPEED = 2.0  # ... and this one for each second since the person was lost
# Where the detector looks closer while nobody is found: shares of the way to the right and down.
PARTS = ((0.5, 0.5), (0.0, 0.5), (1.0, 0.5))
AROUND = 2.0  # side of the square that is searched for a lost person, in sides of the region
SAME = 0.15  # two people are one if their points are this close, relative to the circle's radius
VISIBLE = 0.5  # points below are guesses
# MediaPipe's filters of points, in sizes of the body, and of points in metres.
POINTS, WORLD = (0.05, 80.0), (0.1, 40.0)
REGION = (0.01, 10.0)  # of the region: little, so that the picture of a person at rest is at rest
SMALL = (32, 24)  # pixels of the pictures that are compared to find cuts
CHANGE, TIMES = 18.0, 4.0  # least change of grey levels at a cut; the same in medians of changes
RECENT = 15  # frames of the median


class Estimator(Protocol):
    """What the tracker needs of a pose estimator; `BlazePose` is one."""

    def detect(self, image: np.ndarray) -> list[Region]:
        """Regions of the people in an image, the surest first."""

    def landmarks(self, image: np.ndarray, region: Region) -> Landmarks:
        """Key points of the person in a region."""


@dataclass(frozen=True)
class PersonPose:
    """A person in one frame.

    Attributes:
        person: Number of the person, from 0; never used again for somebody else.
        slot: Place from 0 to `people` - 1. It is free for at least one frame before another person
            gets it.
        points: float32 (33, 3): x and y in pixels, and the visibility, 0 to 1.
        world: float32 (33, 4): x to the right, y down and z away from the camera in meters, with
            the origin between the hips, and the visibility.
        presence: Probability that this is a person.
    """

    person: int
    slot: int
    points: np.ndarray
    world: np.ndarray
    presence: float


@dataclass
class _Track:
    person: int
    slot: int
    region: Region
    seen: float  # time of the last frame with this person
    frame: int  # its number
    points: OneEuro = field(default_factory=lambda: OneEuro(*POINTS))
    world: OneEuro = field(default_factory=lambda: OneEuro(*WORLD))
    ends: OneEuro = field(default_factory=lambda: OneEuro(*REGION))


class PeopleTracker:
    """Follows the people of a film or camera from frame to frame.

    Args:
        pose: The pose estimator.
        people: Number of people followed at a time.
        smooth: Whether points are smoothed in time.

    Attributes:
        cuts: Numbers of the frames after a cut.
        crowded: Number of looks in which the detector saw more people than are followed.
        known: Number of people so far.

    Raises:
        ValueError: `people` is not positive.

    Example:
        >>> from keras_skeleton.video.people import PeopleTracker
        >>> tracker = PeopleTracker(BlazePose(find_pose_models()))  # doctest: +SKIP
        >>> for frame in open_film("film.mp4").frames():  # doctest: +SKIP
        ...     poses = tracker.step(frame.image, frame.time_s)
    """

    def __init__(self, pose: Estimator, people: int = 2, smooth: bool = True) -> None:
        if people < 1:
            raise ValueError(f"people={people} must be at least 1")
        self.pose, self.people, self.smooth = pose, people, smooth
        self.cuts: list[int] = []
        self.crowded = 0
        self.known = 0
        self._frame = -1
        self._tracks: list[_Track] = []
        self._lost: list[_Track] = []
        self._freed = [-2] * people  # last frame in which a slot was used
        self._looked = -np.inf
        self._cut = Cuts()
        self._part = -1

    def step(self, image: np.ndarray, time_s: float) -> list[PersonPose]:
        """Finds the people of the next frame.

        Args:
            image: uint8 (H, W, 3), RGB.
            time_s: Time of the frame in seconds.

        Returns:
            The people, by slot. The first frame after a cut has nobody.
        """
        self._frame += 1
        if self._cut(image):
            self.cuts.append(self._frame)
            self._tracks, self._lost, self._looked = [], [], -np.inf
            return []
        self._lost = [track for track in self._lost if time_s - track.seen <= REMEMBER]
        found: list[tuple[_Track, Landmarks]] = []
        for track in sorted(self._tracks, key=lambda track: track.person):
            seen = self._look(image, track.region)
            if seen is not None and not any(is_same(seen, other) for _, other in found):
                found.append((track, seen))
            else:
                self._lost.append(track)
        room = self.people - len(found)
        if room and (not found or time_s - self._looked >= LOOK):
            self._looked = time_s
            found += self._newcomers(image, [seen for _, seen in found], room, time_s)
        elif not room and time_s - self._looked >= COUNT:
            self._looked = time_s
            self._count(self.pose.detect(image))
        self._tracks = [track for track, _ in found]
        people = [self._pose(track, seen, time_s) for track, seen in found]
        return sorted(people, key=lambda person: person.slot)

    def _count(self, regions: list[Region]) -> None:
        self.crowded += len(regions) > self.people

    def _look(self, image: np.ndarray, region: Region) -> Landmarks | None:
        height, width = image.shape[:2]
        reach = region.side / 2
        if not (-reach < region.x < width + reach and -reach < region.y < height + reach):
            return None
        seen = self.pose.landmarks(image, region)
        return seen if seen.presence >= PRESENCE else None

    def _newcomers(
        self, image: np.ndarray, known: list[Landmarks], room: int, time_s: float
    ) -> list[tuple[_Track, Landmarks]]:
        """People who are not followed yet, or were lost a moment ago."""
        regions = self.pose.detect(image)
        self._count(regions)
        for track in self._lost:
            if not any(_apart(region, track.region) < NEAR for region in regions):
                regions += self._detect_in(image, track.region, AROUND)
        if not regions and not known:
            regions = self._detect_in(image, self._next_part(image), 1.0)
        found: list[tuple[_Track, Landmarks]] = []
        for region in regions:
            if len(found) == room:
                break
            if any(_apart(region, other.region) < NEAR for other in known):
                continue
            seen = self._look(image, region)
            if seen is None or any(is_same(seen, other) for other in known):
                continue
            who = self._old_track(region, time_s) or self._new_track(region)
            if who is not None:
                found.append((who, seen))
                known = [*known, seen]
        return found

    def _detect_in(self, image: np.ndarray, place: Region, larger: float) -> list[Region]:
        """Looks at a part of the image, which finds people who are small in it."""
        reach = place.side * larger / 2
        left, top = (max(0, int(middle - reach)) for middle in (place.x, place.y))
        part = image[top : int(place.y + reach) + 1, left : int(place.x + reach) + 1]
        if 0 in part.shape:
            return []
        found = self.pose.detect(part)
        return [near._replace(x=near.x + left, y=near.y + top) for near in found]

    def _next_part(self, image: np.ndarray) -> Region:
        """One after the other of the squares that are looked at while nobody is found."""
        height, width = image.shape[:2]
        side = 0.6 * max(height, width)
        self._part = (self._part + 1) % len(PARTS)
        x, y = PARTS[self._part]
        reach = min(side / 2, width / 2), min(side / 2, height / 2)
        return Region(
            reach[0] + x * (width - 2 * reach[0]), reach[1] + y * (height - 2 * reach[1]), side, 0.0
        )

    def _old_track(self, region: Region, time_s: float) -> _Track | None:
        """The lost person who was last seen here, or near here some time ago."""
        near = [
            track
            for track in self._lost
            if _apart(region, track.region) < NEAR + SPEED * (time_s - track.seen)
        ]
        if not near:
            return None
        track = min(near, key=lambda track: _apart(region, track.region))
        self._lost.remove(track)
        if self._freed[track.slot] > track.frame:
            return None  # somebody else has been in this slot
        self._freed[track.slot] = self._frame
        return track

    def _new_track(self, region: Region) -> _Track | None:
        free = [slot for slot in range(self.people) if self._freed[slot] < self._frame - 1]
        if not free:
            self._looked = -np.inf  # a slot is free in the next frame
            return None
        track = _Track(self.known, free[0], region, 0.0, self._frame)
        self.known += 1
        self._freed[track.slot] = self._frame
        return track

    def _pose(self, track: _Track, seen: Landmarks, time_s: float) -> PersonPose:
        if track.frame < self._frame - 1:  # lost in between: nothing to smooth with
            track.points, track.world = OneEuro(*POINTS), OneEuro(*WORLD)
            track.ends = OneEuro(*REGION)
        size = seen.region.side / MARGIN  # of the person
        track.region = region_between(*track.ends(seen.region.ends(), time_s, size))
        track.seen, track.frame = time_s, self._frame
        self._freed[track.slot] = self._frame
        points, world = seen.points.copy(), seen.world.copy()
        if self.smooth:
            points[:, :2] = track.points(points[:, :2], time_s, size)
            world[:, :3] = track.world(world[:, :3], time_s)
        return PersonPose(track.person, track.slot, points, world, seen.presence)


def is_same(a: Landmarks, b: Landmarks) -> bool:
    """Whether two people are one, found twice: their points lie on each other."""
    radius = max(a.region.side, b.region.side) / 2.5
    apart = np.linalg.norm(a.points[:, :2] - b.points[:, :2], axis=1)
    return float(np.median(apart)) < SAME * radius


def _apart(a: Region, b: Region) -> float:
    """Distance of two regions in radii of the smaller circle."""
    return float(np.hypot(a.x - b.x, a.y - b.y)) / (min(a.side, b.side) / 2.5)


class Cuts:
    """Finds cuts: a picture that differs from the one before, and more than pictures did lately.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.video.people import Cuts
        >>> is_cut = Cuts()
        >>> dark, light = np.zeros((48, 64, 3), np.uint8), np.full((48, 64, 3), 200, np.uint8)
        >>> [is_cut(image) for image in (dark, dark, light, light)]
        [False, False, True, False]
    """

    def __init__(self) -> None:
        self._before: np.ndarray | None = None
        self._changes: deque[float] = deque(maxlen=RECENT)

    def __call__(self, image: np.ndarray) -> bool:
        """Whether a cut lies between this image and the one before."""
        step = max(1, min(image.shape[:2]) // 96)
        small = Image.fromarray(np.ascontiguousarray(image[::step, ::step]))
        grey = np.asarray(small.resize(SMALL, Image.Resampling.BOX).convert("L"), np.float32)
        before, self._before = self._before, grey
        if before is None:
            return False
        change = float(np.abs(grey - before).mean())
        usual = float(np.median(self._changes)) if self._changes else 0.0
        cut = change > CHANGE and change > TIMES * usual
        if cut:
            self._changes.clear()
        self._changes.append(change)  # of the cut, too: a shaking camera is no series of cuts
        return cut
