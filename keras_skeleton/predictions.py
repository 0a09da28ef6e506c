"""Rows of predictions for clips and films: a table, predictions.csv and predictions.json."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_skeleton.recognizer import Prediction, Recognizer
from keras_skeleton.utils.files import write_json, write_text
from keras_skeleton.utils.text import plain, spreadsheet_cell

COLUMNS = (
    "source", "person", "start", "end", "start_s", "end_s", "label", "probability", "unsure",
    "label_2", "probability_2", "label_3", "probability_3",
)  # fmt: skip
PLACE = COLUMNS[:6]


@dataclass(frozen=True)
class Row:
    """The prediction for a clip or film, or for a part or person of it.

    Attributes:
        source: The clip or film.
        person: Number of the person; None for all.
        start: First frame.
        end: End (excluded).
        start_s: The same in seconds; None without a frame rate.
        end_s: The same in seconds.
        prediction: What the network says.
        notes: Changes made to the clip, and assumptions.
    """

    source: str
    person: int | None
    start: int
    end: int
    start_s: float | None
    end_s: float | None
    prediction: Prediction
    notes: tuple[str, ...] = ()


def make_row(
    source: str,
    person: int | None,
    start: int,
    end: int,
    fps: float | None,
    prediction: Prediction,
    notes: tuple[str, ...] = (),
) -> Row:
    """A row with its times in seconds, where the frame rate is known."""
    first, last = (None, None) if fps is None else (start / fps, end / fps)
    return Row(source, person, start, end, first, last, prediction, notes)


def predictions_table(rows: Sequence[Row], top: int = 3) -> str:
    """A table of sources, frames and best classes, as text, and the notes.

    Args:
        rows: The predictions.
        top: Number of classes shown.
    """
    lines = [["source", "frames", "seconds", "label", "probability", "", "next"]]
    for row in rows:
        prediction = row.prediction
        who = "" if row.person is None else f", person {row.person}"
        after = ", ".join(f"{label} {100 * p:.0f} %" for label, p in prediction.ranking[1:top])
        lines.append(
            [
                row.source + who,
                f"{row.start}-{row.end - 1}",
                "" if row.start_s is None else f"{row.start_s:.1f}-{row.end_s:.1f}",
                prediction.label,
                f"{100 * prediction.probability:.1f} %",
                f"unsure: {', '.join(prediction.doubts)}" if prediction.unsure else "",
                after,
            ]
        )
    kept = [k for k in range(7) if any(line[k] for line in lines[1:])] or [0, 1, 3, 4]
    lines = [[plain(line[k], lines=False) for k in kept] for line in lines]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    notes = dict.fromkeys(f"note: {note}" for row in rows for note in row.notes)
    return "\n".join([*text, *notes])


def write_predictions(
    folder: Path, recognizer: Recognizer, rows: Sequence[Row], more: dict[str, Any] | None = None
) -> None:
    """Writes predictions.csv and predictions.json.

    Args:
        folder: Output folder, created if it does not exist.
        recognizer: The network.
        rows: The predictions.
        more: Further entries of predictions.json.
    """
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([spreadsheet_cell(cell) for cell in _cells(row)] for row in rows)
    write_text(folder / "predictions.csv", buffer.getvalue())
    write_json(
        folder / "predictions.json",
        {
            "weights": recognizer.name,
            "classes": list(recognizer.classes),
            **_thresholds(recognizer),
            "predictions": [describe_row(row, recognizer.classes) for row in rows],
            **(more or {}),
        },
    )


def describe_row(row: Row, classes: Sequence[str]) -> dict[str, Any]:
    """A row with the probabilities of all classes as plain values, for JSON."""
    found = row.prediction
    return {
        **{key: getattr(row, key) for key in PLACE},
        "label": found.label,
        "probability": round(found.probability, 6),
        "unsure": found.unsure,
        "distance": found.distance,
        "doubts": list(found.doubts),
        "probabilities": {
            str(name): round(float(p), 6)
            for name, p in zip(classes, found.probabilities, strict=True)
        },
        "notes": list(row.notes),
    }


def _cells(row: Row) -> list[str]:
    ranking = [*row.prediction.ranking, ("", None), ("", None)][:3]
    place = [
        row.source,
        *("" if value is None else str(value) for value in (row.person, row.start, row.end)),
        *("" if value is None else f"{value:.3f}" for value in (row.start_s, row.end_s)),
    ]
    told = [text for label, p in ranking for text in (label, "" if p is None else f"{p:.4f}")]
    unsure = "" if row.prediction.unsure is None else str(row.prediction.unsure).lower()
    return [*place, *told[:2], unsure, *told[2:]]


def _thresholds(recognizer: Recognizer) -> dict[str, float]:
    """The numbers that decide what is unsure; none without a calibration."""
    own = recognizer.calibration
    if own is None:
        return {}
    names = ("temperature", "min_probability", "max_distance")
    return {name: getattr(own, name) for name in names}
