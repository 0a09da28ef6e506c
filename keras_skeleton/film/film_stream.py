"""The joints of one person of a film, as a recording for detection."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_skeleton.datasets.clip_sources import SourceClip
from keras_skeleton.film.people_labels import PLACED, kinect_pose
from keras_skeleton.film.result import NobodyError, nobody_in
from keras_skeleton.skeletons import KINECT_V2
from keras_skeleton.video.ahead import read_ahead
from keras_skeleton.video.film import open_film
from keras_skeleton.video.people import Estimator, PeopleTracker


@dataclass(frozen=True)
class FilmPoses:
    """The joints of one person of a film.

    Attributes:
        clip: The joints of the Kinect v2 in meters, float32 (T, 1, 25, 3), from the hips; zero
            where the person was not found. With frame rate and notes.
        person: Number of the person.
        seen: Number of frames of every person, by number.
    """

    clip: SourceClip
    person: int
    seen: dict[int, int]


def film_poses(
    path: str | Path,
    pose: Estimator,
    person: int | None = None,
    people: int = 2,
    progress: Callable[[float, str], None] | None = None,
) -> FilmPoses:
    """Finds and follows the people of a film; returns the joints of one.

    Args:
        path: The film.
        pose: The pose estimator.
        person: Number of the person, from 0 in the order of appearance; by default the one who is
            seen in most frames.
        people: Number of people who are followed at a time.
        progress: Called with the share that is done, 0 to 1, and what is being done.

    Raises:
        VideoError: The film cannot be read.
        NobodyError: Nobody was found, or not this person.

    Example:
        >>> from keras_skeleton.film.film_stream import film_poses
        >>> poses = film_poses("film.mp4", BlazePose(find_pose_models()))  # doctest: +SKIP
        >>> poses.clip.clip.shape, poses.clip.fps  # doctest: +SKIP
        ((124, 1, 25, 3), 29.97)
    """
    film = open_film(path)
    tracker = PeopleTracker(pose, people)
    joints: dict[int, dict[int, np.ndarray]] = {}
    T = 0
    with contextlib.closing(read_ahead(film.frames())) as images:
        for frame in images:
            for found in tracker.step(frame.image, frame.time_s):
                joints.setdefault(found.person, {})[T] = kinect_pose(found.world)
            T += 1
            if progress is not None:
                expected = max(film.frames_expected or 0, T + 1)
                progress(min(T / expected, 1.0), f"looking for people, frame {T}")
    seen = {number: len(frames) for number, frames in sorted(joints.items())}
    if not seen:
        raise nobody_in(path, T)
    listed = ", ".join(f"{number} ({count} frames)" for number, count in seen.items())
    if person is not None and person not in seen:
        raise NobodyError(f"{path}: has no person {person}; its people are {listed}")
    chosen = max(seen, key=lambda number: seen[number]) if person is None else person
    clip = np.zeros((T, 1, KINECT_V2.size, 3), np.float32)
    for t, pose_of in joints[chosen].items():
        clip[t, 0] = pose_of
    notes = [*film.notes]
    if len(seen) > 1:
        notes.append(f"of the people {listed}, person {chosen} was taken (--person takes another)")
    if lost := T - seen[chosen]:
        notes.append(f"person {chosen} was not found in {lost} of {T} frames")
    if tracker.cuts:
        notes.append(f"{len(tracker.cuts)} cuts: people are numbered anew after each")
    source = SourceClip(str(path), clip, KINECT_V2, film.fps, tuple(notes))
    return FilmPoses(source, chosen, seen)


def place_note(coordinates: str) -> str | None:
    """A note on coordinates that key points from film do not have; None for others.

    Example:
        >>> from keras_skeleton.film.film_stream import place_note
        >>> place_note("hips") is None
        True
    """
    if coordinates not in PLACED:
        return None
    return (
        f"the detector was trained with people's way through the room (coordinates '{coordinates}')"
        ", which key points from film do not have"
    )
