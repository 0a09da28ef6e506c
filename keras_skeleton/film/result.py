"""What was found in a film: people, their actions with times, and what was not seen well."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_skeleton.datasets.formats.poses import MEDIAPIPE33
from keras_skeleton.film.people_labels import PLACED, PersonLabels
from keras_skeleton.film.recording import Recording
from keras_skeleton.film.segments import Segment, action_prediction, main_label, segments
from keras_skeleton.film.windows import Step, whole
from keras_skeleton.predictions import Row, make_row
from keras_skeleton.recognizer import Prediction, Recognizer
from keras_skeleton.utils.errors import UserError
from keras_skeleton.video.film import Film

SHORT = 0.5  # seconds; who is seen for less is not labeled
HIDDEN = 0.5  # a limb is out of sight if its points are guesses in this share of the frames
LIMBS = {
    "legs": ("left_knee", "right_knee", "left_ankle", "right_ankle"),
    "left arm": ("left_elbow", "left_wrist"),
    "right arm": ("right_elbow", "right_wrist"),
}


class NobodyError(UserError):
    """Nobody was found in a film."""


def nobody_in(film: str | Path, frames: int, how: str = "") -> NobodyError:
    """Returns the error to raise for a film without people."""
    return NobodyError(
        f"{film}: nobody was found in its {frames} frame{'s' if frames > 1 else ''}{how}; people "
        "must be large enough in the frame, upright and lit"
    )


@dataclass(frozen=True)
class PersonResult:
    """One person of a film.

    Attributes:
        person: Number of the person.
        start: First frame with this person.
        end: End of the frames with this person (excluded).
        frames: Number of frames in which the person was found.
        prediction: What the person does most of the time; for all frames together if no window
            has a clear label.
        segments: Actions with their times.
        steps: What the network said about each block of frames.
    """

    person: int
    start: int
    end: int
    frames: int
    prediction: Prediction
    segments: tuple[Segment, ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class FilmResult:
    """What `label_film` found and wrote.

    Attributes:
        source: Path of the film.
        fps: Frames per second that were used.
        frames: Number of frames.
        size: Height and width of a frame.
        people: Everybody who was seen long enough, who was seen most first.
        rows: Actions with their times as rows of predictions.csv.
        notes: What was changed, what was not seen well.
        keypoints: File of the key points; None if nothing was written.
        page: Attention page of the first person; None if not wanted.
        overlay: Film with skeletons and labels; None if not wanted.
    """

    source: str
    fps: float
    frames: int
    size: tuple[int, int]
    people: tuple[PersonResult, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    keypoints: Path | None = None
    page: Path | None = None
    overlay: Path | None = None

    @property
    def prediction(self) -> Prediction:
        """The prediction for the person who was seen most."""
        return self.people[0].prediction

    def __str__(self) -> str:
        return f"{self.source}: {self.prediction}"


def film_result(film: Film, recognizer: Recognizer, recording: Recording) -> FilmResult:
    source, T = str(film.path), len(recording.persons)
    notes = [*film.notes]
    if recording.cuts:
        seconds = ", ".join(f"{t / film.fps:.1f}" for t in recording.cuts[:10])
        more = ", ..." if len(recording.cuts) > 10 else ""
        notes.append(f"cuts at {seconds}{more} s: people are numbered anew after each")
    if recording.crowded:
        M = recording.world.shape[1]
        notes.append(f"more than {M} people were in sight; {M} at a time were followed")
    found, short = [], []
    for who in recording.labels:
        if who.frames < SHORT * film.fps and SHORT * film.fps <= T:
            short.append(who)
        elif (prediction := whole(who.steps, recognizer)) is not None:
            found.append((who, prediction))
    if not found:
        raise nobody_in(source, T, f" for {SHORT:g} s" if short else "")
    found.sort(key=lambda pair: -pair[0].frames)
    people = []
    rows: list[Row] = []
    for who, prediction in found:
        actions = tuple(segments(who.steps))
        if (most := main_label(who.steps, actions, recognizer.classes)) is not None:
            prediction = action_prediction(most, recognizer.classes)
        end = who.last + 1
        people.append(
            PersonResult(
                who.person, who.first, end, who.frames, prediction, actions, tuple(who.steps)
            )
        )
        rows += _rows(source, film.fps, people[-1], recognizer)
        notes += seen_badly(who, end)
    if short:
        notes.append(
            f"{len(short)} more {'person was' if len(short) == 1 else 'people were'} seen for less "
            f"than {SHORT:g} s and not labeled"
        )
    nobody = int((~(recording.persons != 0).any(axis=1)).sum())
    if nobody:
        notes.append(f"nobody was found in {nobody} of {T} frames")
    if (used := recognizer.preprocessing.choices.get("coordinates")) in PLACED:
        notes.append(
            f"{recognizer.name} was trained with people's way through the room (coordinates "
            f"'{used}'), which key points from film do not have"
        )
    return FilmResult(source, film.fps, T, film.size, tuple(people), tuple(rows), tuple(notes))


def seen_badly(who: PersonLabels, end: int) -> Iterator[str]:
    """What was not seen well of a person, up to this frame (excluded)."""
    span = end - who.first
    if who.frames < 0.9 * span:
        yield f"person {who.person} was lost in {span - who.frames} of {span} frames"
    share = who.unseen / who.frames
    hidden = [
        limb
        for limb, points in LIMBS.items()
        if np.mean([share[MEDIAPIPE33.points.index(point)] for point in points]) > HIDDEN
    ]
    if hidden:
        limbs = " and ".join(hidden)
        yield f"{limbs} of person {who.person} mostly out of sight, and guessed"


def _rows(source: str, fps: float, person: PersonResult, recognizer: Recognizer) -> Iterator[Row]:
    """The actions of a person as rows; one row for all frames if there is no action."""
    if not person.segments:
        yield make_row(source, person.person, person.start, person.end, fps, person.prediction)
    for action in person.segments:
        prediction = action_prediction(action, recognizer.classes)
        yield make_row(source, person.person, action.start, action.end, fps, prediction)
