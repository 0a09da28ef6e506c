"""Files of the detections of one recording, for people, tools and players.

    NAME.csv          file, label, start, end (frames, the end excluded), start_s, end_s, score; it
                      is also an intervals.csv, so that detections can be corrected and trained on
    NAME.frames.csv   frame, time_s, label and probability of every frame
    NAME.eaf          for ELAN
    NAME.vtt          subtitles (WebVTT), which players show over the film of the same name
    pku_mmd/NAME.txt, NAME.activitynet.json    formats of the benchmarks
    NAME.png          a timeline

All have the recording's name, so that a folder may hold those of several recordings. Files with
times need the frame rate: without it, NAME.eaf, NAME.vtt and NAME.activitynet.json are left out,
and columns of seconds are empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from keras_skeleton.datasets.formats.eaf import TimedLabel, write_eaf
from keras_skeleton.detection.clips import NO_ACTION
from keras_skeleton.detection.tables import write_activitynet, write_pku_mmd
from keras_skeleton.utils.files import write_text
from keras_skeleton.utils.tables import write_table
from keras_skeleton.viz.detection_plots import timeline_figure
from keras_skeleton.viz.style import save_figure

PARTS = ("{}.csv", "{}.frames.csv", "pku_mmd/{}.txt", "{}.activitynet.json", "{}.eaf", "{}.vtt",
         "{}.png")  # fmt: skip
COLUMNS = ["file", "label", "start", "end", "start_s", "end_s", "score"]
DIGITS = 3  # of seconds


def existing_outputs(folder: Path, name: str) -> list[Path]:
    """Files in a folder that `write_outputs` would replace or delete.

    Args:
        folder: The folder.
        name: Name of the recording.

    Example:
        >>> from pathlib import Path
        >>> from keras_skeleton.detection.outputs import existing_outputs
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = (Path(folder) / "rec1.eaf").write_text("corrected by hand")
        ...     [path.name for path in existing_outputs(Path(folder), "rec1")]
        ['rec1.eaf']
    """
    paths = [folder / part.format(name) for part in PARTS]
    return [path for path in paths if path.exists()]


def seconds_at(
    frames: npt.ArrayLike, fps: float | None, times: np.ndarray | None = None
) -> np.ndarray:
    """Seconds of frames; NaN if the frame rate is unknown.

    Args:
        frames: Frames from 0, int of any shape.
        fps: Frames per second.
        times: Seconds of all frames and of the end, (T + 1,), where they are not even; they are
            taken instead of the rate.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.detection.outputs import seconds_at
        >>> seconds_at([0, 30], 20).tolist()
        [0.0, 1.5]
        >>> seconds_at([0, 2], None, np.array([0, 0.1, 0.4])).tolist()
        [0.0, 0.4]
    """
    frames = np.asarray(frames)
    if times is not None:
        return np.asarray(times[frames.astype(int)], float)
    return frames / fps if fps else np.full(frames.shape, np.nan)


def named(
    found: pd.DataFrame,
    file: str,
    classes: Sequence[str],
    fps: float | None,
    times: np.ndarray | None = None,
) -> pd.DataFrame:
    """Detections with names and seconds, as in NAME.csv.

    Args:
        found: Detections, with `label`, `start`, `end`, `score`.
        file: The recording.
        classes: Class names.
        fps: Frames per second; without it, seconds are empty.
        times: Seconds of uneven frames, see `seconds_at`.

    Example:
        >>> import pandas as pd
        >>> from keras_skeleton.detection.outputs import named
        >>> found = pd.DataFrame([[0, 30, 60, 0.9]], columns=["label", "start", "end", "score"])
        >>> named(found, "rec1.npy", ["wave"], fps=20).values.tolist()
        [['rec1.npy', 'wave', 30, 60, 1.5, 3.0, 0.9]]
    """
    seconds = {
        f"{side}_s": seconds_at(found[side], fps, times).round(DIGITS) for side in ("start", "end")
    }
    labels = [classes[int(k)] for k in found["label"]]
    score = found["score"].astype(float).round(4)
    return found.assign(file=file, label=labels, score=score, **seconds)[COLUMNS]


def frame_labels(
    found: pd.DataFrame,
    frames: int,
    classes: Sequence[str],
    fps: float | None = None,
    probability: np.ndarray | None = None,
    times: np.ndarray | None = None,
) -> pd.DataFrame:
    """The label of every frame: that of the detection with the highest score, or no action.

    Args:
        found: Detections, with `label`, `start`, `end`, `score`.
        frames: Number of frames T.
        classes: Class names.
        fps: Frames per second.
        probability: Probabilities of the classes and of no action, (T, C + 1), of methods that have
            them.
        times: Seconds of uneven frames, see `seconds_at`.

    Returns:
        A table with `frame`, `time_s`, `label` and `probability` (that of the label).

    Example:
        >>> import pandas as pd
        >>> from keras_skeleton.detection.outputs import frame_labels
        >>> found = pd.DataFrame([[0, 1, 3, 0.9]], columns=["label", "start", "end", "score"])
        >>> frame_labels(found, 4, ["wave"])["label"].tolist()
        ['no_action', 'wave', 'wave', 'no_action']
    """
    label = np.full(frames, len(classes))
    for row in found.sort_values("score", kind="stable").itertuples():
        label[int(row.start) : int(row.end)] = int(row.label)
    names = np.array([*classes, NO_ACTION])
    t = np.arange(frames)
    own = np.full(frames, np.nan) if probability is None else probability[t, label]
    time = seconds_at(t, fps, times).round(DIGITS)
    return pd.DataFrame(
        {"frame": t, "time_s": time, "label": names[label], "probability": own.round(4)}
    )


def write_vtt(labels: Sequence[TimedLabel], path: Path) -> None:
    """Writes labels as subtitles (WebVTT).

    Example:
        >>> from pathlib import Path
        >>> from keras_skeleton.datasets.formats.eaf import TimedLabel
        >>> from keras_skeleton.detection.outputs import write_vtt
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "film.vtt"
        ...     write_vtt([TimedLabel("wave", 1.5, 3.0)], path)
        ...     print(path.read_text())
        WEBVTT
        <BLANKLINE>
        1
        00:00:01.500 --> 00:00:03.000
        wave
        <BLANKLINE>
    """
    blocks = ["WEBVTT\n"]
    for number, one in enumerate(sorted(labels, key=lambda one: (one.start, one.end)), start=1):
        text = " ".join(one.label.replace("-->", "->").split())
        text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        end = max(one.end, one.start + 0.001)
        blocks.append(f"{number}\n{_clock(one.start)} --> {_clock(end)}\n{text}\n")
    write_text(path, "\n".join(blocks))


def _clock(seconds: float) -> str:
    whole = round(1000 * seconds)
    hours, rest = divmod(whole, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


def write_outputs(
    folder: Path,
    name: str,
    found: pd.DataFrame,
    frames: int,
    classes: Sequence[str],
    title: str,
    fps: float | None = None,
    file: str | None = None,
    media: Path | None = None,
    probability: np.ndarray | None = None,
    times: np.ndarray | None = None,
) -> list[Path]:
    """Writes all files of the detections of a recording.

    Files of the same name are replaced, or deleted if they are not written now.

    Args:
        folder: The folder.
        name: Name of the recording, a plain file name.
        found: Detections, with `label`, `start`, `end`, `score`.
        frames: Number of frames T.
        classes: Class names.
        title: Title of the timeline.
        fps: Frames per second.
        file: The recording's file, for the column `file`; by default the name.
        media: The film, for ELAN.
        probability: Probabilities of every frame, see `frame_labels`.
        times: Seconds of uneven frames, see `seconds_at`.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    own = [folder / part.format(name) for part in PARTS]
    csv, frame_csv, pku_mmd, activitynet, eaf, vtt, png = own
    table = named(found, file or name, classes, fps, times)
    write_table(table, csv, index=False)
    labels_of_frames = frame_labels(found, frames, classes, fps, probability, times)
    write_table(labels_of_frames, frame_csv, index=False)
    of_video = found.assign(video=name)
    write_pku_mmd(of_video.assign(label=of_video["label"] + 1), pku_mmd.parent, [name])
    paths = [csv, frame_csv, pku_mmd]
    if times is not None:  # seconds are places at one frame a second
        sides = {side: seconds_at(found[side], fps, times) for side in ("start", "end")}
        found, fps = found.assign(**sides), 1.0
    if fps:
        write_activitynet(found.assign(video=name), activitynet, classes, fps, [name])
        labels = timed_labels(found, classes, fps)
        write_eaf(labels, eaf, media, classes=classes)
        write_vtt(labels, vtt)
        paths += [activitynet, eaf, vtt]
    length = frames if times is None else float(times[-1])
    figure = timeline_figure({"detected": found}, length, classes, title, fps)
    paths.append(save_figure(figure, png))
    for path in existing_outputs(folder, name):
        if path not in paths:
            path.unlink()
    return paths


def timed_labels(found: pd.DataFrame, classes: Sequence[str], fps: float) -> list[TimedLabel]:
    """Detections as labels in seconds."""
    return [
        TimedLabel(classes[int(row.label)], row.start / fps, row.end / fps)
        for row in found.itertuples()
    ]
