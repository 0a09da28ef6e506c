"""Tables of detections and ground truth: check, read and write.

A table has one row per interval with `video`, `label`, `start`, `end` (frames, end excluded) and,
for detections, `score`. File formats:

    PKU-MMD      one file per video, NAME.txt, with lines of label, start, end, confidence
    ActivityNet  one JSON file, with segments in seconds and class names as labels
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.files import plain_name, read_text, write_json, write_text

INTERVAL = ["video", "label", "start", "end"]
DETECTION = [*INTERVAL, "score"]


class TableError(UserError):
    """Raised if a table of detections or ground truth cannot be used."""


def checked(table: pd.DataFrame, what: str, columns: Sequence[str] = INTERVAL) -> pd.DataFrame:
    """Checks a table and returns a copy of the given columns with numeric types.

    Raises:
        TableError: If columns are missing, values are not finite numbers, or intervals are empty.
    """
    if missing := [name for name in columns if name not in table.columns]:
        raise TableError(f"{what}: missing columns: {', '.join(missing)}")
    found = table[list(columns)].reset_index(drop=True).copy()
    for name in columns[1:]:
        try:
            found[name] = pd.to_numeric(found[name])
        except (ValueError, TypeError, OverflowError):
            raise TableError(f"{what}: column '{name}' is not numeric") from None
        values = found[name].to_numpy(np.float64)
        if bad := np.flatnonzero(~np.isfinite(values)).tolist():
            raise TableError(f"{what}: row {bad[0]} has {name} = {values[bad[0]]}")
    empty = np.flatnonzero(found["end"].to_numpy() <= found["start"].to_numpy())
    if len(empty):
        row = found.iloc[empty[0]]
        raise TableError(
            f"{what}: row {empty[0]} is empty, it ends at {row['end']:g} and starts at "
            f"{row['start']:g}"
        )
    found["video"] = found["video"].astype(str)
    return found


def read_pku_mmd(folder: str | Path) -> pd.DataFrame:
    """Reads a folder of PKU-MMD result or label files as a table of detections.

    In label files, the last number of a line is a quality rating instead of a score.

    Raises:
        TableError: If there are no files, or a line does not have four numbers.

    Example:
        >>> import pandas as pd
        >>> from keras_skeleton.detection.tables import DETECTION, read_pku_mmd, write_pku_mmd
        >>> import tempfile
        >>> table = pd.DataFrame([["0001-L", 3, 10, 50, 0.9]], columns=DETECTION)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_pku_mmd(table, folder)
        ...     read_pku_mmd(folder).values.tolist()
        [['0001-L', 3.0, 10.0, 50.0, 0.9]]
    """
    folder = Path(folder)
    files = sorted(folder.glob("*.txt"))
    if not files:
        raise TableError(f"{folder}: no result files; expected one NAME.txt per video")
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
                    f"{path}:{number}: expected label, start, end, confidence, got "
                    f"'{line.strip()[:40]}'"
                ) from None
            rows.append((path.stem, label, start, end, score))
    return checked(pd.DataFrame(rows, columns=DETECTION), str(folder), DETECTION)


def write_pku_mmd(detections: pd.DataFrame, folder: str | Path, videos: Sequence[str] = ()) -> None:
    """Writes PKU-MMD result files, one per video.

    Args:
        detections: Table with `video`, `label`, `start`, `end`, `score`.
        folder: Output folder, created if it does not exist.
        videos: Videos that get a file even without detections.

    Raises:
        TableError: If the table is invalid, or a video name is not a valid file name.

    Example:
        >>> import pandas as pd
        >>> from pathlib import Path
        >>> from keras_skeleton.detection.tables import DETECTION, write_pku_mmd
        >>> import tempfile
        >>> table = pd.DataFrame([["0001-L", 3, 10, 50, 0.9]], columns=DETECTION)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_pku_mmd(table, folder)
        ...     print((Path(folder) / "0001-L.txt").read_text(), end="")
        3,10,50,0.900000
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    table = checked(detections, "detections", DETECTION)
    lines: dict[str, list[str]] = {str(video): [] for video in videos}
    for row in table.itertuples(index=False):
        line = f"{row.label:g},{row.start:g},{row.end:g},{row.score:.6f}"
        lines.setdefault(row.video, []).append(line)
    for video in lines:
        if plain_name(video) != video:  # e.g. ../../x, which is outside the folder
            raise TableError(f"detections: video '{video:.80}' is not a valid file name")
    for video, own in lines.items():
        text = "".join(f"{line}\n" for line in own)
        write_text(folder / f"{video}.txt", text)


def write_activitynet(
    detections: pd.DataFrame,
    path: str | Path,
    classes: Sequence[str],
    fps: float,
    videos: Sequence[str] = (),
) -> None:
    """Writes detections to a JSON file in the format of the ActivityNet evaluation.

    Args:
        detections: Table with `video`, `label` (index into `classes`), `start`, `end`, `score`.
        path: Output file.
        classes: Class names.
        fps: Frames per second.
        videos: Videos that are listed even without detections.

    Example:
        >>> import pandas as pd
        >>> from pathlib import Path
        >>> from keras_skeleton.detection.tables import DETECTION, write_activitynet
        >>> import json, tempfile
        >>> table = pd.DataFrame([["a", 0, 30, 60, 0.9]], columns=DETECTION)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_activitynet(table, Path(folder) / "a.json", ["wave"], fps=30)
        ...     json.loads((Path(folder) / "a.json").read_text())["results"]
        {'a': [{'label': 'wave', 'score': 0.9, 'segment': [1.0, 2.0]}]}
    """
    table = checked(detections, "detections", DETECTION)
    results: dict[str, list[dict[str, object]]] = {str(video): [] for video in videos}
    for row in table.itertuples(index=False):
        segment = [row.start / fps, row.end / fps]
        found = {"label": classes[int(row.label)], "score": float(row.score), "segment": segment}
        results.setdefault(row.video, []).append(found)
    content = {"version": "VERSION 1.3", "results": results, "external_data": {"used": False}}
    write_json(path, content)
