"""Finds, follows and labels the people of a film, frame by frame; what grows lies on disk."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from keras_skeleton.datasets.formats.poses import MEDIAPIPE33
from keras_skeleton.film.people_labels import PeopleLabeler, PersonLabels
from keras_skeleton.film.rows_on_disk import RowsOnDisk
from keras_skeleton.film.windows import Step
from keras_skeleton.recognizer import Recognizer
from keras_skeleton.video.ahead import read_ahead
from keras_skeleton.video.film import Film
from keras_skeleton.video.people import Estimator, PeopleTracker, PersonPose

Progress = Callable[[float, str], None]


@dataclass
class Recording:
    """The people of a film, frame by frame; arrays are maps of files.

    Attributes:
        world: float32 (T, M, 33, 4), BlazePose's points in meters; zero where nobody is.
        points: float32 (T, M, 33, 3), in pixels.
        persons: int32 (T, M), number of the person in each place plus 1; 0 where nobody is.
        joints: Attention to the network's joints, float32 (T, V) for each place; 1 is equal
            attention, zero where there is none.
        frames: Attention to the frames, float32 (T,) for each place.
        labels: What is known of everybody.
        cuts: First frame after each cut.
        crowded: Number of looks that saw more people than are followed.
    """

    world: np.ndarray
    points: np.ndarray
    persons: np.ndarray
    joints: list[np.ndarray]
    frames: list[np.ndarray]
    labels: list[PersonLabels]
    cuts: list[int]
    crowded: int

    def people(self, t: int) -> Iterator[tuple[int, int]]:
        """Numbers and places of the people in a frame."""
        for slot in np.flatnonzero(self.persons[t]):
            yield int(self.persons[t, slot]) - 1, int(slot)


def record_film(
    film: Film,
    recognizer: Recognizer,
    pose: Estimator,
    people: int,
    folder: Path,
    progress: Progress,
) -> Recording:
    """Finds, follows and labels the people of a film."""
    tracker = PeopleTracker(pose, people)
    labeler = PeopleLabeler(recognizer, film.fps, film.size)
    V, K = recognizer.skeleton.size, MEDIAPIPE33.size
    with contextlib.ExitStack() as files:  # open files cannot be deleted on Windows

        def rows(name: str, shape: tuple[int, ...], dtype: type = np.float32) -> RowsOnDisk:
            return files.enter_context(contextlib.closing(RowsOnDisk(folder / name, shape, dtype)))

        world, points = rows("world", (people, K, 4)), rows("points", (people, K, 3))
        persons = rows("persons", (people,), np.int32)
        joints = [rows(f"joints{m}", (V,)) for m in range(people)]
        frames = [rows(f"frames{m}", ()) for m in range(people)]

        def keep(found: Sequence[tuple[PersonLabels, Step]]) -> None:
            for who, step in found:
                if step.joints is not None:
                    joints[who.slot].write(step.start, step.joints[:, 0])
                if step.frames is not None:
                    frames[who.slot].write(step.start, step.frames)
                who.steps.append(replace(step, joints=None, frames=None))

        T = 0
        # Closed at once if the work is stopped: the thread must not go on reading.
        with contextlib.closing(read_ahead(film.frames())) as images:
            for frame in images:
                found = tracker.step(frame.image, frame.time_s)
                _keep_poses(T, found, world, points, persons)
                keep(labeler.push(found))
                T += 1
                share = min(T / film.frames_expected, 1.0) if film.frames_expected else 0.0
                progress(share, f"looking for people, frame {T}")
        keep(labeler.finish())
        progress(1.0, f"looking for people, frame {T}")
        return Recording(
            world.read(T),
            points.read(T),
            persons.read(T),
            [own.read(T) for own in joints],
            [own.read(T) for own in frames],
            list(labeler.people.values()),
            tracker.cuts,
            tracker.crowded,
        )


def _keep_poses(
    t: int,
    found: Sequence[PersonPose],
    world: RowsOnDisk,
    points: RowsOnDisk,
    persons: RowsOnDisk,
) -> None:
    for rows, values in (
        (world, [(pose.slot, pose.world) for pose in found]),
        (points, [(pose.slot, pose.points) for pose in found]),
        (persons, [(pose.slot, pose.person + 1) for pose in found]),
    ):
        row = np.zeros((1, *rows.shape), rows.dtype)
        for slot, value in values:
            row[0, slot] = value
        rows.write(t, row)
