"""The overlay of a film: skeletons whose joints glow with attention, labels, and a timeline."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from keras_skeleton.film.recording import Progress, Recording
from keras_skeleton.film.result import FilmResult, PersonResult
from keras_skeleton.film.segments import NONE, Segment
from keras_skeleton.film.windows import Step
from keras_skeleton.recognizer import Recognizer
from keras_skeleton.utils.files import write_atomic
from keras_skeleton.video.ahead import read_ahead
from keras_skeleton.video.film import Film
from keras_skeleton.video.reading import MOVIE_CODEC, coarse, write_video
from keras_skeleton.viz.overlay import FigureInFilm, Overlay

ROWS = 4  # people in the timeline


def write_overlay(
    film: Film,
    result: FilmResult,
    recording: Recording,
    recognizer: Recognizer,
    path: Path,
    progress: Progress,
    blocks: int | None = None,
) -> None:
    """Draws what was found on the film's frames and writes them as a film, atomically.

    Args:
        film: The film.
        result: What was found.
        recording: The people, frame by frame.
        recognizer: The network.
        path: Output file.
        progress: Called with the share that is drawn.
        blocks: Rows of blocks that hide who the people are; None to show the film as it is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Closed at once if the writing fails: the thread that reads must not go on.
    with contextlib.closing(
        _pictures(film, result, recording, recognizer, progress, blocks)
    ) as pictures:
        write_atomic(
            path,
            partial(write_video, frames=pictures, fps=film.fps, codec=MOVIE_CODEC, compact=True),
        )


def _pictures(
    film: Film,
    result: FilmResult,
    recording: Recording,
    recognizer: Recognizer,
    progress: Progress,
    blocks: int | None,
) -> Generator[np.ndarray, None, None]:
    overlay = Overlay(
        film.size,
        film.fps,
        recognizer.classes,
        recognizer.skeleton,
        duration=result.frames / film.fps,
        rows=min(len(result.people), ROWS),
        attention=any(joints.any() for joints in recording.joints),
    )
    people = {person.person: person for person in result.people}
    cursors = {number: StepCursor(person.steps) for number, person in people.items()}
    timeline = {number: person.segments for number, person in people.items()}
    with contextlib.closing(read_ahead(film.frames())) as frames:
        for frame in frames:
            t = frame.number
            if t >= result.frames:  # a film that can be read further than before
                return
            figures = [
                _figure(number, slot, t, recording, people.get(number), cursors)
                for number, slot in recording.people(t)
            ]
            image = (
                frame.image
                if blocks is None
                else coarse(frame.image[None], min(blocks, len(frame.image)))[0]
            )
            yield overlay.draw(image, figures, frame.time_s, timeline)
            progress((t + 1) / result.frames, f"drawing, frame {t + 1} of {result.frames}")


def _figure(
    number: int,
    slot: int,
    t: int,
    recording: Recording,
    person: PersonResult | None,
    cursors: Mapping[int, StepCursor],
) -> FigureInFilm:
    points = np.asarray(recording.points[t, slot])
    if person is None:  # seen too shortly for a label
        return FigureInFilm(number, points)
    joints = np.asarray(recording.joints[slot][t])
    label, probability, unsure = shown_label(cursors[number].at(t), person.segments, t)
    return FigureInFilm(
        number, points, label, probability, unsure, joints if joints.any() else None
    )


class StepCursor:
    """Finds the step of each frame, for frames in ascending order.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.film.overlay_film import StepCursor
        >>> from keras_skeleton.film.windows import Step
        >>> zero = np.zeros(1)
        >>> cursor = StepCursor([Step(0, 8, zero, zero, "wave"), Step(8, 16, zero, zero, "sit")])
        >>> cursor.at(7).label, cursor.at(8).label, cursor.at(16)
        ('wave', 'sit', None)
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps, self._at = steps, 0

    def at(self, t: int) -> Step | None:
        """The step with frame t; None if there is none."""
        while self._at < len(self._steps) and self._steps[self._at].end <= t:
            self._at += 1
        if self._at == len(self._steps) or self._steps[self._at].start > t:
            return None
        return self._steps[self._at]


def shown_label(
    step: Step | None, segments: Sequence[Segment], t: int
) -> tuple[str, float | None, bool | None]:
    """Label, probability and doubt that are shown in a frame: of the action, else of the step."""
    action = next((found for found in segments if found.start <= t < found.end), None)
    if action is not None:
        return action.label, action.probability, action.unsure
    if step is None or not step.label:
        return "", None, None
    if step.label == NONE:
        return NONE, None, False
    return step.label, step.probability, True
