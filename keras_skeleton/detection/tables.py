"""Detections and ground truth as tables: checked, read and written.

A table has one row an interval: `video`, `label`, `start`, `end` (frames, the end not included)
and, for detections, `score`. Files:

    PKU-MMD      one file a video, NAME.txt; lines of label, start, end, confidence, with commas
    ActivityNet  one JSON file for all; segments in seconds, labels by their names
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.files import plain_name, read_text

INTERVAL = ["video", "label", "start", "end"]
DETECTION = [*INTERVAL, "score"]


class TableError(UserError):
    """Detections or ground truth that cannot be used; the message says what and where."""


def checked(table: pd.DataFrame, what: str, columns: Sequence[str] = INTERVAL) -> pd.DataFrame:
    """The table's columns, of the right kinds.

    Raises:
        TableError: Columns that lack, numbers that are not finite, intervals without length.
    """
    if missing := [name for name in columns if name not in table.columns]:
        raise TableError(f"{what}: lacks the columns {', '.join(missing)}")
    found = table[list(columns)].reset_index(drop=True).copy()
    for name in columns[1:]:
        try:
            found[name] = pd.to_numeric(found[name])
        except (ValueError, TypeError):
            raise TableError(f"{what}: '{name}' holds something else than numbers") from None
        values = found[name].to_numpy(np.float64)
        if bad := np.flatnonzero(~np.isfinite(values)).tolist():
            raise TableError(f"{what}: row {bad[0]} has {name} = {values[bad[0]]}")
    empty = np.flatnonzero(found["end"].to_numpy() <= found["start"].to_numpy())
    if len(empty):
        row = found.iloc[empty[0]]
        raise TableError(
            f"{what}: row {empty[0]} ends at {row['end']:g}, not after its start {row['start']:g}"
        )
    found["video"] = found["video"].astype(str)
    return found


def read_pku_mmd(folder: str | Path) -> pd.DataFrame:
    """A folder of PKU-MMD's result or label files: a table of detections.

    In label files the last number is a mark of quality and not a score.

    Raises:
        TableError: No such folder or files, or a line that is not four numbers.
    """
    folder = Path(folder)
    files = sorted(folder.glob("*.txt"))
    if not files:
        raise TableError(f"{folder}: no result files; expected one NAME.txt a video")
    rows = []
    for path in files:
        try:
            lines = read_text(path, "a video's detections").splitlines()
        except UnicodeDecodeError as error:
            raise TableError(f"{path}: {error}") from None
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                label, start, end, score = map(float, line.replace(",", " ").split())
            except ValueError:
                raise TableError(
                    f"{path}:{number}: '{line.strip()[:40]}' is not label, start, end, confidence"
                ) from None
            rows.append((path.stem, label, start, end, score))
    return checked(pd.DataFrame(rows, columns=DETECTION), str(folder), DETECTION)


def write_pku_mmd(detections: pd.DataFrame, folder: str | Path, videos: Sequence[str] = ()) -> None:
    """Writes a result file for each video, an empty one for those of `videos` with nothing."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    table = checked(detections, "detections", DETECTION)
    lines: dict[str, list[str]] = {str(video): [] for video in videos}
    for row in table.itertuples(index=False):
        line = f"{row.label:g},{row.start:g},{row.end:g},{row.score:.6f}"
        lines.setdefault(row.video, []).append(line)
    for video in lines:
        if plain_name(video) != video:  # ../../x would be written elsewhere
            raise TableError(f"detections: '{video:.80}' cannot be the name of a video's file")
    for video, own in lines.items():
        text = "".join(f"{line}\n" for line in own)
        (folder / f"{video}.txt").write_text(text, "utf-8")


def write_activitynet(
    detections: pd.DataFrame, path: str | Path, classes: Sequence[str], fps: float
) -> None:
    """Writes detections as ActivityNet's evaluation reads them.

    Args:
        detections: Labels are indices into `classes`.
        path: The JSON file.
        classes: Names by label.
        fps: Frames a second.
    """
    table = checked(detections, "detections", DETECTION)
    results: dict[str, list[dict[str, object]]] = {}
    for row in table.itertuples(index=False):
        segment = [row.start / fps, row.end / fps]
        found = {"label": classes[int(row.label)], "score": float(row.score), "segment": segment}
        results.setdefault(row.video, []).append(found)
    content = {"version": "VERSION 1.3", "results": results, "external_data": {"used": False}}
    Path(path).write_text(json.dumps(content, indent=1) + "\n", "utf-8")
