"""Merge the finished folds of an experiment into tables, figures and one HTML page.

Input files, as written by training:

    RUN/run.json                configuration: model, dataset, protocol, recipe, seed, ...
    RUN/fold_01/metrics.json    written last: a fold without it is unfinished and not counted
    RUN/fold_01/history.csv     one row per epoch
    RUN/fold_01/scores.npz      logits of the test clips, see `scores.ClipScores`
    RUN/attention/*.png         attention figures, if any
    RUN/fold_01/swap_clips.csv  the swap test, if attention was scored, see `swap_test`

Folds are counted from 1. Several run folders (for example of a job array, with some of the folds
each) are merged if they are parts of the same experiment.

The main result is the accuracy of the checkpoint selected on validation clips or, in runs on all
training clips, of the weights averaged over the last epochs. The accuracy of the last epoch and the
papers' convention, the best epoch on the test clips, are reported separately.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import pandas as pd

from keras_skeleton.evaluation.page import SPLITS, html_page, summary, title_of
from keras_skeleton.evaluation.run_record import (
    ALL_CLIPS,
    MAY_DIFFER,
    differences,
    experiment_differences,
    not_recorded,
    read_record,
)
from keras_skeleton.evaluation.scores import (
    ClipScores,
    ResultsError,
    confusion_matrix,
    per_class_table,
    read_scores,
    score,
    write_scores,
)
from keras_skeleton.evaluation.swap_test import SUMMARY, read_clips, summarize
from keras_skeleton.utils.files import plain_name, reason, write_text
from keras_skeleton.utils.lock import locked
from keras_skeleton.utils.tables import read_table, write_table
from keras_skeleton.utils.text import percent
from keras_skeleton.viz.accuracy_plots import confusion_figure, curves_figure
from keras_skeleton.viz.style import save_figure

ACCURACIES = ("accuracy", "accuracy_last", "best_test_accuracy", "validation_accuracy")
MOST_FOLDS = 10_000
CURVES = (
    "Share of wrong answers after every epoch: (a) of the training clips; (b) of the test clips "
    "and, dashed, of the validation clips if there are any. A dot marks the selected epoch."
)
CONFUSION = (
    "Confusion matrix of all test clips: rows are the true classes, columns the predicted ones, "
    "numbers are clips."
)
REQUIRED = ("model", "dataset", "protocol", "recipe", "seed", "classes", "folds_total")
KINDS: dict[str, type] = {  # of entries of run.json
    **dict.fromkeys(("model", "dataset", "protocol", "command", "device", "started"), str),
    **dict.fromkeys(("settings", "options", "versions"), dict),
    **dict.fromkeys(("classes", "not_published"), list),
}
LONGEST = {"command": 100_000}  # characters of a text
MOST_CLASSES = 5000  # their confusion matrix takes 200 MB
COLUMNS = {"attention.csv": ("joints", "joints_uniform", "frames", "frames_uniform")}
WORDS: dict[type, str] = {str: "a text", dict: "an object", list: "a list"}
MOST = 1e12  # seconds, epochs or clips


@dataclass(frozen=True)
class FoldResult:
    """A finished fold: its folder, the content of `metrics.json`, and its test scores."""

    folder: Path
    metrics: dict[str, Any]
    scores: ClipScores

    @property
    def number(self) -> int:
        """The fold's number, counted from 1."""
        return self.metrics["fold"]


@dataclass(frozen=True)
class StoredExperiment:
    """Stored results of one experiment, from one or more run folders.

    Attributes:
        run: `run.json` of the first folder.
        runs: `run.json` of every folder.
        folds: Finished folds, sorted by number.
        unfinished: Numbers of folds that were started but not finished.
    """

    run: dict[str, Any]
    runs: dict[Path, dict[str, Any]]
    folds: list[FoldResult]
    unfinished: list[int]


def _read_run(folder: Path) -> dict[str, Any]:
    path = folder / "run.json"
    run = read_record(path)
    if missing := [key for key in REQUIRED if key not in run]:
        raise ResultsError(f"{path}: missing keys: {', '.join(missing)}")
    total = run["folds_total"]
    if type(total) is not int or not 1 <= total <= MOST_FOLDS:
        raise ResultsError(f"{path}: folds_total is {total!r:.40}, expected 1 to {MOST_FOLDS:,}")
    for key, kind in KINDS.items():
        if key in run and not isinstance(run[key], kind):
            raise ResultsError(f"{path}: {key} is {run[key]!r:.40}, expected {WORDS[kind]}")
        if kind is str and len(run.get(key, "")) > LONGEST.get(key, 1000):
            raise ResultsError(f"{path}: {key} is {run[key][:40]!r}..., too long")
    if len(run["classes"]) > MOST_CLASSES:
        raise ResultsError(
            f"{path}: has {len(run['classes']):,} classes; a report is made of up to "
            f"{MOST_CLASSES:,}"
        )
    return run


def _read_fold(folder: Path, run: Mapping[str, Any]) -> FoldResult:
    path = folder / "metrics.json"
    metrics = read_record(path)
    number = metrics.get("fold")
    if number != _fold_number(folder):
        raise ResultsError(f"{path}: fold is {number!r}, which does not match the folder's name")
    if number > run["folds_total"]:
        raise ResultsError(f"{path}: fold is {number}, but run.json has {run['folds_total']} folds")
    clips = metrics.get("clips", {})
    if metrics.get("accuracy", 0) is None and isinstance(clips, dict) and not clips.get("test"):
        raise ResultsError(
            f"{folder}: has no test clips to report (trained on all clips, with --final); train "
            "with a split for a report"
        )
    for key in (*ACCURACIES, "accuracy_copies"):
        value = metrics.get(key)
        if (value is not None or key == "accuracy") and not (_is_number(value) and 0 <= value <= 1):
            raise ResultsError(f"{path}: {key} is {value!r}, expected a fraction from 0 to 1")
    clips = metrics.get("clips", {})
    if not isinstance(clips, dict):
        raise ResultsError(f"{path}: clips is {clips!r}, expected the number of clips per split")
    counts = {f"clips.{part}": clips.get(part) for part in SPLITS}
    counts |= {key: metrics.get(key) for key in ("epochs", "epoch_selected", "best_test_epoch")}
    for key, value in (counts | {"seconds": metrics.get("seconds")}).items():
        if value is not None and not (_is_number(value) and 0 <= value < MOST):
            raise ResultsError(f"{path}: {key} is {value!r:.40}, expected a number")
    scores = read_scores(folder / "scores.npz")
    if list(scores.classes) != [str(name) for name in run["classes"]]:
        raise ResultsError(f"{folder / 'scores.npz'}: its classes differ from those in run.json")
    if not len(scores.labels):
        raise ResultsError(f"{folder / 'scores.npz'}: contains no clips")
    return FoldResult(folder, metrics, scores)


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _fold_number(folder: Path) -> int:
    return int(folder.name.removeprefix("fold_"))


def _fold_folders(run_dir: Path) -> list[Path]:
    folders = [
        p for p in run_dir.glob("fold_*") if p.is_dir() and re.fullmatch(r"fold_\d+", p.name)
    ]
    return sorted(folders, key=_fold_number)


def read_experiment(run_dirs: str | Path | Iterable[str | Path]) -> StoredExperiment:
    """Reads and checks the run folders of one experiment; raises the errors of `merge_runs`."""
    if isinstance(run_dirs, (str, Path)):
        run_dirs = [run_dirs]
    folders = list({Path(folder).resolve(): Path(folder) for folder in run_dirs}.values())
    if not folders:
        raise ResultsError("no run folder given")
    runs: dict[Path, dict[str, Any]] = {}
    folds: dict[int, FoldResult] = {}
    begun: list[int] = []
    for folder in folders:
        if not folder.is_dir():
            raise ResultsError(f"{folder}: no such folder")
        runs[folder] = _read_run(folder)
        if different := experiment_differences(runs[folders[0]], runs[folder]):
            listed = "".join(f"\n  {line}" for line in different)
            raise ResultsError(f"{folders[0]} and {folder} are different experiments:{listed}")
        for place in _fold_folders(folder):
            if not (place / "metrics.json").exists():
                begun.append(_fold_number(place))
                continue
            fold = _read_fold(place, runs[folder])
            if fold.number in folds:
                raise ResultsError(
                    f"fold {fold.number} occurs twice: {folds[fold.number].folder} and {place}; "
                    "omit one of them"
                )
            folds[fold.number] = fold
    if not folds:
        where = ", ".join(map(str, folders))
        why = "started folds have no metrics.json yet" if begun else "there is no fold_01, ..."
        raise ResultsError(f"{where}: no finished fold ({why})")
    return StoredExperiment(
        run=runs[folders[0]],
        runs=runs,
        folds=[folds[number] for number in sorted(folds)],
        unfinished=sorted(set(begun) - set(folds)),
    )


def merge_runs(run_dirs: str | Path | Iterable[str | Path]) -> dict[str, Any]:
    """Merges the finished folds of one experiment into one set of metrics.

    Args:
        run_dirs: One run folder, or several with parts of the same experiment.

    Returns:
        A dictionary for JSON. All accuracies are fractions.

        - `accuracy`, `accuracy_last`, `best_test_accuracy`, `validation_accuracy`: means over the
          folds, each with its population standard deviation over the folds (`..._std`). None if
          a fold has no value.
        - `accuracy_pooled`, `top5`, `mean_class_accuracy`, `loss`: computed over the test clips of
          all folds, with the weights of the main result.
        - `train_on`: `"all"` if no validation clips were held out; then `weights` says which
          weights the folds ended with.
        - `test_clips`: number of test clips of all folds; `fold_clips`: smallest and largest
          number of clips per split of a fold.
        - `folds`: metrics of every fold; `folds_done`, `folds_total`, `folds_missing`, `complete`.
        - `hours`: total training time of all folds.
        - `command` (one line per folder), `versions`, and all other entries of `run.json`.
        - `notes`: warnings, such as software versions that differ between the folders.

    Raises:
        ResultsError: If the folders hold different experiments or the same fold twice, if no fold
            is finished, or if files are missing or damaged.

    Example:
        >>> from keras_skeleton.evaluation.report import merge_runs
        >>> merge_runs("runs/mans9_ntu_cs")["accuracy"]  # doctest: +SKIP
        0.83
    """
    return _merge(read_experiment(run_dirs))


def _merge(experiment: StoredExperiment) -> dict[str, Any]:
    run, folds = experiment.run, experiment.folds
    done = [fold.number for fold in folds]
    missing = sorted(set(range(1, run["folds_total"] + 1)) - set(done))
    merged: dict[str, Any] = {key: value for key, value in run.items() if key not in MAY_DIFFER}
    for key in ACCURACIES:
        values = [fold.metrics[key] for fold in folds if fold.metrics.get(key) is not None]
        whole = len(values) == len(folds)
        merged[key] = float(np.mean(values)) if whole else None
        merged[key + "_std"] = float(np.std(values)) if whole else None
    copies = [value for fold in folds if (value := fold.metrics.get("accuracy_copies")) is not None]
    if len(copies) == len(folds):
        merged["accuracy_copies"] = float(np.mean(copies))
    if weights := _distinct(fold.metrics.get("weights") for fold in folds):
        merged["weights"] = ", ".join(weights)
    pooled = _pool(folds)
    together = score(pooled.labels, pooled.logits)
    merged |= {
        "accuracy_pooled": together.accuracy,
        "top5": together.top5,
        "mean_class_accuracy": together.mean_class_accuracy,
        "loss": together.loss,
        "test_clips": together.clips,
        "fold_clips": _clip_counts(folds),
        "folds": [fold.metrics for fold in folds],
        "folds_done": len(folds),
        "folds_missing": missing,
        "complete": not missing,
        "hours": sum(fold.metrics.get("seconds") or 0 for fold in folds) / 3600,
        "command": "\n".join(_distinct(r.get("command", "") for r in experiment.runs.values())),
        "versions": run.get("versions", {}),
        "notes": _notes(experiment),
    }
    if "accuracy_copies" in merged:
        merged["notes"].append(
            "Accuracy of the weights of the main result, averaged over random copies of each "
            f"test clip (test_copies={run.get('settings', {}).get('test_copies')}): "
            f"{percent(merged['accuracy_copies'])}."
        )
    return merged


def _distinct(values: Iterable[Any]) -> list[str]:
    return list(dict.fromkeys(str(value) for value in values if value))


def _clip_counts(folds: Sequence[FoldResult]) -> dict[str, dict[str, int]]:
    counts = {}
    for part in SPLITS:
        found = [fold.metrics.get("clips", {}).get(part) for fold in folds]
        if None not in found:
            counts[part] = {"least": min(found), "most": max(found)}
    return counts


def _notes(experiment: StoredExperiment) -> list[str]:
    notes = []
    if differs := experiment.run.get("not_published"):
        notes.append(f"Not the published data: {'; '.join(map(str, differs))}.")
    if len(experiment.runs) > 1 and (
        unknown := {key for run in experiment.runs.values() for key in not_recorded(run)}
    ):
        notes.append(
            f"A run folder does not record {', '.join(sorted(unknown))} of its clips (earlier "
            "version), so that they are not compared."
        )
    first, *others = [(run.get("versions") or {}) for run in experiment.runs.values()]
    for versions in others:
        notes += [
            f"The run folders were created with different software versions: {line}."
            for line in differences(first, versions, "versions")
        ]
    for fold in experiment.folds:
        own = score(fold.scores.labels, fold.scores.logits).accuracy
        # Less than half a clip is rounding; more means another checkpoint.
        if abs(own - fold.metrics["accuracy"]) * len(fold.scores.labels) > 0.5:
            notes.append(
                f"Fold {fold.number}: the accuracy is {percent(fold.metrics['accuracy'])} in "
                f"metrics.json, but {percent(own)} from the logits in scores.npz."
            )
    averaged = experiment.run.get("train_on") == ALL_CLIPS
    blind = [f.number for f in experiment.folds if not (averaged or _validated(f))]
    if blind:
        notes.append(
            "No validation clips, so the last epoch is used instead of a selected one: fold "
            f"{', '.join(map(str, blind))}."
        )
    if experiment.unfinished:
        begun = ", ".join(map(str, experiment.unfinished))
        notes.append(f"Started but not finished: fold {begun}.")
    return list(dict.fromkeys(notes))


def _validated(fold: FoldResult) -> bool:
    return fold.metrics.get("validation_accuracy") is not None


def _pool(folds: Sequence[FoldResult]) -> ClipScores:
    parts = [fold.scores for fold in folds]
    return ClipScores(
        names=np.concatenate([part.names for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        logits=np.concatenate([part.logits for part in parts]),
        classes=parts[0].classes,
        fold=np.concatenate([np.full(len(fold.scores.labels), fold.number) for fold in folds]),
    )


def read_history(path: str | Path) -> pd.DataFrame:
    """Reads `history.csv` of a fold; raises ResultsError if it is missing or damaged."""
    try:
        table = _read_table(path)
        if lost := [name for name in ("epoch", "accuracy") if name not in table]:
            raise ResultsError(f"{path}: has no column {' and '.join(lost)}; not a run's history")
        curves = [name for name in ("test_accuracy", "val_accuracy") if name in table]
        table = table.astype(dict.fromkeys(["epoch", "accuracy", *curves], float))
    except FileNotFoundError:
        raise ResultsError(f"{path}: missing") from None
    except (ValueError, OverflowError, OSError) as error:  # pandas raises ValueErrors
        raise ResultsError(f"{path}: not readable ({reason(error)})") from None
    epochs = table["epoch"].to_numpy()
    if not len(epochs) or not ((epochs >= 0) & (epochs < MOST)).all():
        raise ResultsError(f"{path}: has no epochs, or ones that are no numbers of epochs")
    shares = table[["accuracy", *curves]].to_numpy()
    if not (np.isnan(shares) | ((shares >= 0) & (shares <= 1))).all():
        raise ResultsError(f"{path}: has accuracies that are no fractions from 0 to 1")
    return table


def _read_table(path: str | Path) -> pd.DataFrame:
    return read_table(path, "a run's table")


def _json_ready(value: Any) -> Any:
    """Replaces NaN and infinity by None, since JSON has neither."""
    if isinstance(value, dict):
        return {key: _json_ready(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_json_ready(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def merge_tables(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Merges the tables of several folds (columns `class`, `clips`, then values) by averaging the
    values over all clips of a class."""
    whole = pd.concat(tables)
    columns = list(whole.columns)
    values = columns[2:]
    weights = whole[values].notna().mul(whole["clips"], axis=0)
    by = {"by": whole["class"], "sort": False}
    clips = whole["clips"].groupby(**by).sum()
    merged = (whole[values] * weights).groupby(**by).sum(min_count=1) / weights.groupby(**by).sum()
    merged.insert(0, "clips", clips)
    return merged.reset_index()[columns]


def _merged_table(experiment: StoredExperiment, out: Path, name: str) -> pd.DataFrame | None:
    """Merges the folds' tables of this name and writes the result to `out`; None if no fold has
    one."""
    found = [path for fold in experiment.folds if (path := fold.folder / name).exists()]
    if not found:
        return None
    try:
        tables = [_read_table(path) for path in found]
        for path, own in zip(found, tables, strict=True):
            wanted = ("class", "clips", *COLUMNS.get(name, ()))
            if lost := [column for column in wanted if column not in own]:
                raise ResultsError(f"{path}: has no column {', '.join(lost)}")
        table = merge_tables(tables)
    except (ValueError, KeyError, TypeError, OverflowError, OSError) as error:
        raise ResultsError(
            f"{found[0].parents[1]}: {name} not readable ({reason(error)})"
        ) from None
    write_table(table, out / name, index=False, float_format="%.4f")
    return table


def _swap(experiment: StoredExperiment, out: Path) -> pd.DataFrame | None:
    """Summarizes the swap test of all folds and writes it to `out`; None if no fold has one."""
    clips = read_clips(fold.folder for fold in experiment.folds)
    if clips is None:
        return None
    summary = summarize(clips)
    write_table(summary, out / SUMMARY, index=False, float_format="%.5f")
    return summary


def _attention_pictures(experiment: StoredExperiment, scores: ClipScores) -> list[tuple[Path, str]]:
    """The attention figures of all runs, with captions: class, clip, and what it was taken for."""
    known = {plain_name(str(name)): i for i, name in enumerate(scores.names)}
    found = []
    for run in experiment.runs:
        for path in sorted((run / "attention").glob("*.png")):
            caption = f"Clip {path.stem}."
            if (i := known.get(path.stem)) is not None:
                true, said = (
                    str(scores.classes[k]) for k in (scores.labels[i], scores.logits[i].argmax())
                )
                how = "recognized" if true == said else f"taken for {said}"
                caption = f"{true}, {how}. Test clip {path.stem}."
            found.append((path, caption))
    return found


def write_report(run_dirs: str | Path | Iterable[str | Path], out: str | Path) -> str:
    """Writes tables, figures and an HTML page of an experiment to a folder.

    The folder receives `metrics.json` (see `merge_runs`; written last), `confusion.csv` and
    `confusion.png`, `per_class.csv`, `curves.png`, `scores.npz` with the test clips of all folds,
    and `report.html`, one self-contained page with all of it.

    Args:
        run_dirs: One run folder, or several with parts of the same experiment.
        out: Output folder, created if it does not exist; may be a run folder.

    Returns:
        A short table for the console.

    Raises:
        ResultsError: As for `merge_runs`, or if `history.csv` is missing or damaged.
        InUseError: Another process writes to the output folder.

    Example:
        >>> from keras_skeleton.evaluation.report import write_report
        >>> print(write_report("runs/mans9_ntu_cs", "report"))  # doctest: +SKIP
    """
    with locked(out):
        return _write_report(run_dirs, Path(out))


def _write_report(run_dirs: str | Path | Iterable[str | Path], out: Path) -> str:
    experiment = read_experiment(run_dirs)
    histories = [read_history(fold.folder / "history.csv") for fold in experiment.folds]
    merged = _merge(experiment)
    pooled = _pool(experiment.folds)
    classes = [str(name) for name in pooled.classes]
    matrix = confusion_matrix(pooled.labels, pooled.logits.argmax(axis=1), len(classes))
    table = per_class_table(pooled.labels, pooled.logits, classes)
    title = title_of(merged)

    write_scores(
        out / "scores.npz",
        pooled.names,
        labels=pooled.labels,
        logits=pooled.logits,
        classes=classes,
        fold=pooled.fold,
    )
    counts = pd.DataFrame(matrix, index=pd.Index(classes, name="true class"), columns=classes)
    write_table(counts, out / "confusion.csv")
    write_table(table, out / "per_class.csv", index=False)
    save_figure(confusion_figure(matrix, classes, title), out / "confusion.png")
    model = str(merged["model"])
    epochs = [fold.metrics.get("epoch_selected") or -1 for fold in experiment.folds]
    save_figure(curves_figure({model: histories}, title, {model: epochs}), out / "curves.png")
    shares = _merged_table(experiment, out, "attention.csv")
    parts = _merged_table(experiment, out, "parts.csv")
    swap = _swap(experiment, out)
    page = html_page(
        merged,
        table,
        figures={CURVES: out / "curves.png", CONFUSION: out / "confusion.png"},
        attention=_attention_pictures(experiment, pooled),
        shares=shares,
        parts=parts,
        swap=swap,
    )
    write_text(out / "report.html", page)
    text = json.dumps(_json_ready(merged), indent=1, allow_nan=False) + "\n"
    write_text(out / "metrics.json", text)
    return summary(merged)
