"""Labels people in front of a camera while they act, in constant memory.

Each picture is drawn when it comes. Labels are later: a window must end before it can be labeled,
and an action is known one step after that. `LivePicture.delay_s` and `Event.delay_s` say how late.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import numpy as np

from keras_skeleton.datasets.formats.poses import MEDIAPIPE33
from keras_skeleton.film.keypoints import KEYPOINTS, write_keypoints
from keras_skeleton.film.overlay_film import shown_label
from keras_skeleton.film.people_labels import PeopleLabeler, PersonLabels
from keras_skeleton.film.rows_on_disk import RowsOnDisk
from keras_skeleton.film.segments import Segment, SegmentBuilder
from keras_skeleton.film.ticks import Ticks
from keras_skeleton.film.windows import FPS, Step
from keras_skeleton.recognizer import Recognizer
from keras_skeleton.utils.files import write_atomic
from keras_skeleton.video.film import FilmFrame
from keras_skeleton.video.film_files import OVERLAY
from keras_skeleton.video.people import Estimator, PeopleTracker, PersonPose
from keras_skeleton.video.reading import MOVIE_CODEC, write_video
from keras_skeleton.viz.overlay import LIVE_WINDOW, FigureInFilm, Overlay

RECENT = 32  # pictures over which the rate is measured


class Source(Protocol):
    """What is labeled live; `video.camera.Camera` is one."""

    size: tuple[int, int]

    def frames(self) -> Iterator[FilmFrame]:
        """The newest picture, again and again."""


@dataclass(frozen=True)
class Event:
    """An action starts or ends.

    Attributes:
        kind: `"start"` or `"end"`.
        person: Number of the person.
        segment: The action, in frames of 30 per second from the start; at its start, as far as it
            is known.
        delay_s: Seconds between the moment that is announced and the announcement.
    """

    kind: str
    person: int
    segment: Segment
    delay_s: float


@dataclass(frozen=True)
class LivePicture:
    """A picture with what is known when it is shown.

    Attributes:
        image: uint8 (H, W, 3), with overlay.
        time_s: Seconds since the start.
        labels: What is shown of each person: label, probability and whether it is unsure.
        events: Actions that started or ended with this picture.
        fps: Pictures per second, lately.
        delay_s: Seconds by which the labels are behind the picture.
    """

    image: np.ndarray
    time_s: float
    labels: dict[int, tuple[str, float | None, bool | None]]
    events: tuple[Event, ...]
    fps: float
    delay_s: float


@dataclass
class _Person:
    builder: SegmentBuilder = field(default_factory=SegmentBuilder)
    step: Step | None = None
    joints: np.ndarray | None = None
    ended: deque[Segment] = field(default_factory=deque)
    announced: bool = False
    seen: int = 0  # last tick


class LiveLabeler:
    """Labels a camera.

    Args:
        recognizer: A network of one person.
        pose: The pose estimator.
        size: Height and width of the pictures.
        people: Number of people who are followed at a time.

    Attributes:
        ticks: Number of frames so far, 30 per second.
        picture_size: Height and width of the pictures with their timeline.
        label_delay_s: Seconds from a moment to the label of the windows around it, without the time
            of computing.

    Raises:
        RecognizerError: The network takes two bodies.

    Example:
        >>> from keras_skeleton.film.live import LiveLabeler
        >>> with open_camera("0") as camera:  # doctest: +SKIP
        ...     labeler = LiveLabeler(recognizer, pose, camera.size)
        ...     for picture in labeler.run(camera):
        ...         print(picture.time_s, picture.labels)
    """

    def __init__(
        self,
        recognizer: Recognizer,
        pose: Estimator,
        size: tuple[int, int],
        people: int = 2,
    ) -> None:
        self.size = size
        self._labeler = PeopleLabeler(recognizer, FPS, size)
        self._labeler.warm_up()
        self._tracker = PeopleTracker(pose, people)
        self._ticks = Ticks(FPS)
        self._overlay = Overlay(size, FPS, recognizer.classes, recognizer.skeleton, rows=people)
        self.picture_size = self._overlay.size
        self._people: dict[int, _Person] = {}
        self._times: deque[float] = deque(maxlen=RECENT)
        self.ticks = 0
        self.label_delay_s = self._labeler.delay / FPS

    def run(
        self, source: Source, keep: Callable[[int, list[PersonPose]], None] | None = None
    ) -> Iterator[LivePicture]:
        """Yields a picture for each one of the source, until it ends.

        Args:
            source: The camera.
            keep: Called with the number of each tick and the people in it.
        """
        for frame in source.frames():
            begin = time.perf_counter()
            found = self._tracker.step(frame.image, frame.time_s)
            events: list[Event] = []
            for people in self._ticks.push(frame.time_s, found):
                if keep is not None:
                    keep(self.ticks, people)
                self.ticks += 1
                for who, step in self._labeler.push(people):
                    events += self._take(who, step, begin)
            self._forget()
            yield self._picture(frame, found, tuple(events), begin)

    def finish(self) -> list[Event]:
        """Ends the stream: the last actions end."""
        begin = time.perf_counter()
        events = [
            event for who, step in self._labeler.finish() for event in self._take(who, step, begin)
        ]
        for number, person in self._people.items():
            events += [
                event
                for segment in person.builder.finish()
                for event in self._ended(number, person, segment, begin)
            ]
        return events

    def _take(self, who: PersonLabels, step: Step, begin: float) -> list[Event]:
        person = self._people.setdefault(who.person, _Person())
        person.step, person.seen = step, self.ticks
        person.joints = None if step.joints is None else step.joints[-1, 0]
        events: list[Event] = []
        for segment in person.builder.push(step):
            events += self._ended(who.person, person, segment, begin)
        current = person.builder.current
        if current is not None and not person.announced:
            person.announced = True
            events.append(self._event("start", who.person, current, current.start, begin))
        return events

    def _ended(self, number: int, person: _Person, segment: Segment, begin: float) -> list[Event]:
        events = []
        if not person.announced:  # it was over before it was known
            events.append(self._event("start", number, segment, segment.start, begin))
        person.announced = False
        person.ended.append(segment)
        return [*events, self._event("end", number, segment, segment.end, begin)]

    def _event(self, kind: str, person: int, segment: Segment, at: int, begin: float) -> Event:
        late = (self.ticks - at) / FPS + time.perf_counter() - begin
        return Event(kind, person, segment, late)

    def _forget(self) -> None:
        """Drops what the timeline does not show any more."""
        oldest = self.ticks - LIVE_WINDOW * FPS
        for number, person in list(self._people.items()):
            while person.ended and person.ended[0].end < oldest:
                person.ended.popleft()
            if not person.ended and person.seen < oldest:
                del self._people[number]
        for number, who in list(self._labeler.people.items()):
            if who.last < oldest and number not in self._people:
                del self._labeler.people[number]

    def _picture(
        self, frame: FilmFrame, found: list[PersonPose], events: tuple[Event, ...], begin: float
    ) -> LivePicture:
        figures, labels = [], {}
        for pose in found:
            person = self._people.get(pose.person, _Person())
            current = person.builder.current
            shown = (
                shown_label(person.step, [], self.ticks)
                if current is None
                else (current.label, current.probability, current.unsure)
            )
            labels[pose.person] = shown
            figures.append(FigureInFilm(pose.person, pose.points, *shown, person.joints))
        self._times.append(time.perf_counter())
        span = self._times[-1] - self._times[0]
        fps = (len(self._times) - 1) / span if span > 0 else 0.0
        delay = self.label_delay_s + self._times[-1] - begin
        image = self._overlay.draw(
            frame.image,
            figures,
            self.ticks / FPS,
            {number: self._timeline(person) for number, person in self._people.items()},
            [f"{fps:.0f} pictures a second, labels {delay:.1f} s behind"],
        )
        return LivePicture(image, frame.time_s, labels, events, fps, delay)

    def _timeline(self, person: _Person) -> list[Segment]:
        current = person.builder.current
        return [*person.ended] if current is None else [*person.ended, current]


@dataclass
class LiveResult:
    """What `record_live` wrote.

    Attributes:
        seconds: How long it ran.
        pictures: Number of pictures.
        segments: Actions with their times: person and action.
        keypoints: File of the key points; None if nobody was seen.
        overlay: The film; None if not wanted.
        error: What ended the camera's pictures; None if nothing did. What was seen before is there.
    """

    seconds: float = 0.0
    pictures: int = 0
    segments: list[tuple[int, Segment]] = field(default_factory=list)
    keypoints: Path | None = None
    overlay: Path | None = None
    error: Exception | None = None


def record_live(
    labeler: LiveLabeler,
    source: Source,
    out: Path,
    name: str,
    show: Callable[[LivePicture], bool],
    people: int = 2,
    overlay: bool = True,
    seconds: float | None = None,
) -> LiveResult:
    """Labels a camera until it ends, `show` returns False, or Ctrl-C; then writes what it saw.

    Args:
        labeler: The labeler.
        source: The camera.
        out: Output folder: `NAME_overlay.mp4` and `keypoints/NAME.npz`.
        name: Name of the files.
        show: Called with each picture.
        people: Number of people who are followed at a time.
        overlay: Whether the film is written, 30 frames per second.
        seconds: Stop after this time.

    Returns:
        What was written; with its `error`, if the camera failed after the first picture.
    """
    result = LiveResult()
    with contextlib.ExitStack() as files:
        folder = files.enter_context(
            TemporaryDirectory(prefix="keras-skeleton-", ignore_cleanup_errors=True)
        )
        world = files.enter_context(
            contextlib.closing(
                RowsOnDisk(Path(folder) / "world", (people, MEDIAPIPE33.size, 4), np.float32)
            )
        )

        def keep(tick: int, found: list[PersonPose]) -> None:
            row = np.zeros((1, *world.shape), np.float32)
            for pose in found:
                row[0, pose.slot] = pose.world
            world.write(tick, row)

        def pictures() -> Iterator[np.ndarray]:
            try:
                yield from taken()
            except KeyboardInterrupt:
                return
            except Exception as error:
                if not result.pictures:
                    raise
                result.error = error

        def taken() -> Iterator[np.ndarray]:
            for picture in labeler.run(source, keep):
                result.pictures += 1
                result.seconds = picture.time_s
                _collect(result, picture.events)
                for _ in range(labeler.ticks - written[0]):
                    written[0] += 1
                    yield picture.image
                if not show(picture) or (seconds is not None and picture.time_s >= seconds):
                    return

        written = [0]
        out.mkdir(parents=True, exist_ok=True)
        if overlay:
            result.overlay = out / f"{name}{OVERLAY}"
            write_atomic(
                result.overlay,
                lambda part: write_video(part, pictures(), FPS, MOVIE_CODEC, compact=True),
            )
        else:
            for _ in pictures():
                pass
        _collect(result, labeler.finish())
        clip = world.read(labeler.ticks)
        if clip.any():
            result.keypoints = write_keypoints(clip, FPS, out / KEYPOINTS, name)
    return result


def _collect(result: LiveResult, events: tuple[Event, ...] | list[Event]) -> None:
    result.segments += [(event.person, event.segment) for event in events if event.kind == "end"]
