"""What the page shows for a film or key-point file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keras_skeleton.film.segments import NONE, Segment
from keras_skeleton.recognizer import Prediction

# The files of an answer, with what is put behind the name of the uploaded file.
FILES = {
    "overlay": "_overlay.mp4",
    "csv": "_predictions.csv",
    "json": "_predictions.json",
    "keypoints": "_keypoints.zip",
}


@dataclass(frozen=True)
class Part:
    """One person of a film, or one clip of a key-point file.

    Attributes:
        title: Who or what it is; empty if there is only one.
        start: First frame.
        end: End (excluded).
        fps: Frames per second; None if unknown.
        prediction: One prediction for all of it.
        segments: Actions with their times.
        page: Attention page; None if there is none.
    """

    title: str
    start: int
    end: int
    fps: float | None
    prediction: Prediction
    segments: tuple[Segment, ...] = ()
    page: Path | None = None


@dataclass(frozen=True)
class Answer:
    """What was found in a file.

    Attributes:
        parts: People or clips, at least one.
        frames: Number of frames of the film, or of the longest clip.
        notes: What was changed, assumed or not seen well.
        files: Written files by kind, a key of `FILES`.
    """

    parts: tuple[Part, ...]
    frames: int
    notes: tuple[str, ...] = ()
    files: Mapping[str, Path] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """The first label in a few words, for a list of results."""
        found = self.parts[0].prediction
        label = "none of its actions" if found.label == NONE else found.label
        more = f", {len(self.parts) - 1} more" if len(self.parts) > 1 else ""
        return f"{'unsure: ' if found.unsure else ''}{label} {100 * found.probability:.0f} %{more}"


def describe_answer(answer: Answer) -> dict[str, Any]:
    """An answer as plain values, for JSON; times are frames and, where known, seconds."""
    return {
        "frames": answer.frames,
        "notes": list(answer.notes),
        "files": {kind: suffix for kind, suffix in FILES.items() if kind in answer.files},
        "parts": [
            {
                "title": part.title,
                **_place(part.start, part.end, part.fps),
                **_described(part.prediction),
                "ranking": [[label, round(p, 4)] for label, p in part.prediction.ranking],
                "doubts": list(part.prediction.doubts),
                "segments": [
                    {**_place(found.start, found.end, part.fps), **_described(found)}
                    for found in part.segments
                ],
                "page": part.page is not None,
            }
            for part in answer.parts
        ],
    }


def _place(start: int, end: int, fps: float | None) -> dict[str, Any]:
    seconds = (None, None) if fps is None else (round(start / fps, 3), round(end / fps, 3))
    return {"start": start, "end": end, "start_s": seconds[0], "end_s": seconds[1]}


def _described(found: Prediction | Segment) -> dict[str, Any]:
    return {
        "label": found.label,
        "none": found.label == NONE,
        "probability": round(found.probability, 4),
        "unsure": found.unsure,
    }
