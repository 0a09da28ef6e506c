"""Score the detections of a run, and write tables, files for other tools, and figures."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from keras_skeleton.datasets.dataset import SkeletonDataset
from keras_skeleton.datasets.formats.eaf import write_eaf
from keras_skeleton.detection.detect import Settings, read_settings
from keras_skeleton.detection.figures import attention_figure, proposal_recall_figure
from keras_skeleton.detection.outputs import frame_labels, named, timed_labels
from keras_skeleton.detection.scoring import FINE, RULES, THETAS, evaluate, precision_recall
from keras_skeleton.detection.tables import (
    DETECTION,
    TableError,
    checked,
    write_activitynet,
    write_pku_mmd,
)
from keras_skeleton.detection.training_free import CURVES, training_free_curves
from keras_skeleton.evaluation.calibration import auroc
from keras_skeleton.evaluation.run_record import read_record
from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.files import (
    FileError,
    open_arrays,
    plain_name,
    reason,
    refuse,
    write_text,
)
from keras_skeleton.utils.tables import read_table, write_table
from keras_skeleton.viz.detection_plots import precision_recall_figure, timeline_figure
from keras_skeleton.viz.style import save_figure

TITLES = {
    "svm_sw": "SVM-SW", "sta_lstm_sw": "STA-LSTM-SW", "jcr_rnn": "JCR-RNN",
    "sta_lstm_jcr": "STA-LSTM-JCR", "tap_u": "TAP-U", "tap_u_m": "TAP-U-M", "tap_b": "TAP-B",
    "tap_b_m": "TAP-B-M", "gate_u": "GATE-U", "gate_b": "GATE-B",
}  # fmt: skip
WITH_ATTENTION = ("tap_u", "tap_b", "gate_u", "gate_b")
DETECTIONS = {"video": str}
MAX_BYTES = 256 << 20  # limit for detections and curves; an hour of attention takes 0.5 MB


def write_report(
    folder: Path, intervals: pd.DataFrame, dataset: SkeletonDataset | None = None
) -> str:
    """Scores the detections of every method over all stored folds; writes tables and figures.

    Args:
        folder: Folder of a run, see `detection.experiment`.
        intervals: Annotated actions, with `video`, `label`, `start`, `end`.
        dataset: The recordings. With them, `attention.csv` has rows of the training-free curves
            `pose_speed` and `pose_distance`, see `detection.training_free`.

    Returns:
        The table of scores by the paper's rule, as text.
    """
    run = read_record(folder / "run.json")
    found: dict[str, pd.DataFrame] = {}
    tested: dict[str, dict[str, int]] = {}  # number of frames by test recording
    for method in TITLES:
        places = sorted(folder.glob(f"fold_*/{method}/detections.csv"))
        if places:
            tables = [_read_detections(path, len(run["classes"])) for path in places]
            found[method] = pd.concat(tables, ignore_index=True)
            tested[method] = {}
            for path in places:
                tested[method] |= read_settings(path.parent / "settings.json")[1]
    for method, table in found.items():
        if tested[method]:
            _write_files(folder, method, table, tested[method], run)
    everyone = {video for videos in tested.values() for video in videos}
    if not intervals["video"].isin(everyone).any():
        why = "the test recordings have no annotated action"
        text = f"{why if everyone else 'there are no test recordings'}, so nothing was scored"
        write_text(folder / "scores.txt", text + "\n")
        return text
    rows = []
    for method, table in found.items():
        videos = list(tested[method])
        truth = intervals[intervals["video"].isin(videos)]
        for rule in RULES:
            scores = evaluate(table, truth, THETAS, rule, run["classes_scored"])
            own = scores.table.reset_index().assign(ap_2d=scores.ap_2d, ap_2d_thresholds=len(FINE))
            own.insert(0, "rule", rule)
            own.insert(0, "method", method)
            rows.append(own.assign(detections=len(table), intervals=len(truth)))
    everything = pd.concat(rows, ignore_index=True)
    write_table(everything, folder / "scores.csv", index=False)
    text = table_of(everything, "paper")
    counts = {TITLES[method]: len(videos) for method, videos in tested.items()}
    if len({tuple(videos) for videos in tested.values()}) > 1:
        own = ", ".join(f"{title} {n}" for title, n in counts.items())
        text += f"\nnot comparable: methods were tested on different recordings ({own})"
    if differs := run.get("not_published"):
        text += f"\nnot the published data: {'; '.join(map(str, differs))}"
    write_text(folder / "scores.txt", text + "\n")
    _draw(folder, run, found, tested, intervals)
    _write_attention(folder, found, tested, intervals, dataset)
    return text


def table_of(scores: pd.DataFrame, rule: str) -> str:
    """Formats the scores of one rule as text: mAP and F1 by overlap threshold."""
    own = scores[scores["rule"] == rule]
    thetas = sorted(own["theta"].unique())
    lines = [
        f"{'':<14}{'mAP':<{8 * len(thetas)}}F1",
        f"{'overlap':<14}" + "".join(f"{theta:<8g}" for theta in [*thetas, *thetas]),
    ]
    for method, part in own.groupby("method", sort=False):
        part = part.set_index("theta")
        values = [*part["map_action"][thetas], *part["f1"][thetas]]
        lines.append(f"{TITLES[str(method)]:<14}" + "".join(f"{v:<8.3f}" for v in values))
    return "\n".join(line.rstrip() for line in lines)


def _read_detections(path: Path, classes: int) -> pd.DataFrame:
    """Reads `detections.csv` of a method; raises TableError if it is damaged."""
    try:
        table = read_table(path, "detections", most=MAX_BYTES, dtype=DETECTIONS)
    except ValueError as error:  # pandas raises ValueErrors
        raise TableError(f"{path}: not readable ({error})") from None
    table = checked(table, str(path), DETECTION)
    if not table["label"].isin(range(classes)).all():
        raise TableError(f"{path}: labels must be from 0 to {classes - 1}")
    return table


@contextmanager
def _curves(path: Path) -> Iterator[Any]:
    """Opens `curves.npz` of a method; raises UserError if it is damaged."""
    try:
        with open_arrays(path, "curves", MAX_BYTES) as arrays:
            yield arrays
    except FileError:
        raise
    except (
        OSError,
        ValueError,
        KeyError,
        EOFError,
        MemoryError,
        NotImplementedError,
        RuntimeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise UserError(f"{path}: damaged ({reason(error)})") from None


def _write_files(
    run_folder: Path,
    method: str,
    table: pd.DataFrame,
    tested: Mapping[str, int],
    run: Mapping[str, Any],
) -> None:
    """Writes the detections of a method: with names and seconds, the label of every frame, as
    PKU-MMD files, with labels from 1, as an ActivityNet file, with segments in seconds (in frames
    for datasets without a constant frame rate, such as UT-Kinect), and, with a frame rate, for
    ELAN."""
    folder = run_folder / method
    folder.mkdir(exist_ok=True)
    classes, fps = run["classes"], run["fps"]
    own = {video: table[table["video"] == video] for video in tested}
    tables = [named(rows, video, classes, fps) for video, rows in own.items()]
    if tables:
        write_table(pd.concat(tables), folder / "detections.csv", index=False)
    (folder / "frames").mkdir(exist_ok=True)
    for video, probability in _probabilities(run_folder, method, tested, len(classes)):
        frames = frame_labels(own[video], tested[video], classes, fps, probability)
        write_table(frames, folder / "frames" / f"{plain_name(video)}.csv", index=False)
    write_pku_mmd(table.assign(label=table["label"] + 1), folder / "pku_mmd", list(tested))
    write_activitynet(table, folder / "activitynet.json", classes, fps or 1.0, list(tested))
    if fps:
        (folder / "elan").mkdir(exist_ok=True)
        for video, rows in own.items():
            labels = timed_labels(rows, classes, fps)
            write_eaf(labels, folder / "elan" / f"{plain_name(video)}.eaf", classes=classes)


def _probabilities(
    run_folder: Path, method: str, tested: Mapping[str, int], classes: int
) -> Iterator[tuple[str, np.ndarray | None]]:
    """Test recordings with their probabilities per frame, where the run has stored them."""
    left = dict(tested)
    for path in sorted(run_folder.glob(f"fold_*/{method}/probabilities.npz")):
        with _curves(path) as data:
            for video in [name for name in data if name in left]:
                probability = np.asarray(data[video], np.float64)
                if probability.shape != (left.pop(video), classes + 1):
                    raise UserError(f"{path}: damaged (the size of '{video}')")
                yield video, probability
    yield from ((video, None) for video in left)


def _draw(
    folder: Path,
    run: Mapping[str, Any],
    found: Mapping[str, pd.DataFrame],
    tested: Mapping[str, Mapping[str, int]],
    intervals: pd.DataFrame,
) -> None:
    where = f"{run['dataset']}, {run['protocol']}"
    panels = {}
    for method, table in found.items():
        truth = intervals[intervals["video"].isin(list(tested[method]))]
        panels[TITLES[method]] = {t: precision_recall(table, truth, t) for t in THETAS}
    weights = f"weights of run {folder.resolve().name}"
    title = f"Detection on {where}: precision and recall over all classes\n{weights}"
    save_figure(precision_recall_figure(panels, title), folder / "precision_recall.png")

    if attention := [method for method in WITH_ATTENTION if method in found]:
        _draw_attention(folder, run, attention, intervals, weights)
    video, length = next(iter(next(iter(tested.values())).items()))
    lines = {"annotated": intervals[intervals["video"] == video]}
    for method, table in found.items():
        if video in tested[method]:
            lines[TITLES[method]] = table[table["video"] == video]
    title = f"{where}: test recording {video}\n{weights}"
    figure = timeline_figure(lines, length, run["classes"], title, run["fps"])
    save_figure(figure, folder / "timeline.png")


def _write_attention(
    folder: Path,
    methods: Iterable[str],
    tested: Mapping[str, Mapping[str, int]],
    intervals: pd.DataFrame,
    dataset: SkeletonDataset | None,
) -> None:
    """Writes `attention.csv`: a row for each method with attention, and for the training-free
    curves, which need the recordings; without these, their rows stay as they are."""
    attention = [method for method in WITH_ATTENTION if method in methods]
    if not attention:
        return
    table = pd.DataFrame([_separation(folder, name, intervals) for name in attention])
    if dataset is not None:
        videos = dict.fromkeys(video for method in attention for video in tested[method])
        table = with_training_free(table, dataset, list(videos), intervals)
    elif (path := folder / "attention.csv").is_file():
        table = pd.concat([table, _training_free_rows(path)], ignore_index=True)
    write_table(table, folder / "attention.csv", index=False)


def _training_free_rows(path: Path) -> pd.DataFrame:
    try:
        known = read_table(path, "attention of a detection run")
        return known[known["method"].isin(list(CURVES))]
    except (ValueError, KeyError) as error:
        raise refuse(path, f"damaged ({reason(error)}); delete it to write it again") from None


def with_training_free(
    table: pd.DataFrame, dataset: SkeletonDataset, videos: Sequence[str], actions: pd.DataFrame
) -> pd.DataFrame:
    """Adds the rows of the training-free curves to a table of attention, or computes them again.

    Args:
        table: Content of `attention.csv`, with the column `method` and those of `separation`.
        dataset: The recordings.
        videos: Names of the test recordings.
        actions: Annotated actions, with `video`, `start`, `end`.
    """
    curves = training_free_curves(dataset, videos)
    free = [{"method": name, **separation(own, actions)} for name, own in curves.items()]
    kept = table[~table["method"].isin(list(curves))]
    return pd.concat([kept, pd.DataFrame(free)], ignore_index=True)


def frames_of_actions(actions: pd.DataFrame, video: str, length: int) -> np.ndarray:
    """Whether each frame of a recording lies within an annotated action, bool (T,).

    Args:
        actions: Annotated actions, with `video`, `start`, `end`.
        video: Name of the recording.
        length: Number of its frames T.

    Example:
        >>> import pandas as pd
        >>> from keras_skeleton.detection.report import frames_of_actions
        >>> actions = pd.DataFrame([("a", 1, 3), ("b", 0, 2)], columns=["video", "start", "end"])
        >>> frames_of_actions(actions, "a", 4)
        array([False,  True,  True, False])
    """
    busy = np.zeros(length, bool)
    for start, end in actions[actions["video"] == video][["start", "end"]].to_numpy(int).tolist():
        busy[start:end] = True
    return busy


def separation(curves: Mapping[str, np.ndarray], actions: pd.DataFrame) -> dict[str, float]:
    """Compares the values of frames within and between actions, over all recordings together.

    Args:
        curves: A value for each frame, (T,), by recording.
        actions: Annotated actions, with `video`, `start`, `end`.

    Returns:
        The means `in_actions` and `between`, and `higher_in_actions`, the probability that the
        value of a frame within an action is higher than that of one between (area under the ROC
        curve; ties count half). NaN where there are no such frames.

    Example:
        >>> import numpy as np
        >>> import pandas as pd
        >>> from keras_skeleton.detection.report import separation
        >>> actions = pd.DataFrame([("a", 1, 3)], columns=["video", "start", "end"])
        >>> separation({"a": np.array([0.2, 0.9, 0.3, 0.4])}, actions)["higher_in_actions"]
        0.75
    """
    values = np.concatenate([np.asarray(curve, np.float64) for curve in curves.values()])
    action = np.concatenate(
        [frames_of_actions(actions, video, len(curve)) for video, curve in curves.items()]
    )
    both = action.any() and not action.all()
    return {
        "in_actions": float(values[action].mean()) if action.any() else np.nan,
        "between": float(values[~action].mean()) if not action.all() else np.nan,
        "higher_in_actions": auroc(values[~action], values[action]) if both else np.nan,
    }


def _separation(folder: Path, method: str, intervals: pd.DataFrame) -> dict[str, Any]:
    """`separation` by the attention of a method in all test recordings."""
    curves: dict[str, np.ndarray] = {}
    for path in sorted(folder.glob(f"fold_*/{method}/curves.npz")):
        with _curves(path) as data:
            curves |= {video: data[video] for video in data}
    return {"method": method, **separation(curves, intervals)}


def _draw_attention(
    folder: Path,
    run: Mapping[str, Any],
    methods: Sequence[str],
    intervals: pd.DataFrame,
    weights: str,
) -> None:
    """Draws Figs. 11 and 12 for the first fold that all methods have in common."""
    places = [{path.parent for path in folder.glob(f"fold_*/{method}")} for method in methods]
    common = set.intersection(*places)
    if not common:
        return
    place = min(common)
    where = f"{run['dataset']}, {run['protocol']}"
    curves, chosen = {}, {}
    for method in methods:
        name = TITLES[method]
        settings, tested = read_settings(place / method / "settings.json")
        # The gate of GateNet is a probability, and needs neither a filter nor a chosen threshold.
        gate = Settings(window=1, epsilon=0.5, omega=0, scales=False)
        chosen[name] = settings if isinstance(settings, Settings) else gate
        with _curves(place / method / "curves.npz") as data:
            own = {video: np.asarray(data[video], np.float64) for video in tested}
        shown = next(iter(own))
        curves[name] = own[shown]
        if settings is not chosen[name]:
            continue
        title = f"{where}: proposals of {name}, {weights}"
        figure = proposal_recall_figure(own, chosen[name], intervals, title)
        save_figure(figure, folder / f"recall_{method}.png")
    truth = intervals[intervals["video"] == shown]
    title = f"{where}: attention in test recording {shown}\n{weights}"
    figure = attention_figure(curves, chosen, truth, title, run["fps"])
    save_figure(figure, folder / "attention.png")
