"""Weights of body parts beside the accuracy of each part, class by class (Das et al., Figs. 4, 5).

The pose-driven network is trained in stages, the first of which are the parts alone
(`recipes.pose_i3d.pose_joint_training`). A finished run therefore has what the figures show, except
for the plain sum of the parts (the paper's "aggregation"), which is a run of its own.

    RUN/parts_by_class.csv    one row per class
    RUN/parts_by_class.png    (a) weights, (b) accuracies
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from keras_skeleton.evaluation.run_record import read_record
from keras_skeleton.evaluation.scores import ClipScores, ResultsError, read_scores
from keras_skeleton.transforms.glimpses import PARTS
from keras_skeleton.utils.tables import read_table, write_table
from keras_skeleton.viz.part_plots import part_bars_figure
from keras_skeleton.viz.style import save_figure

POSE, ATTENTION, AGGREGATION = "pose", "attention", "aggregation"
TABLE = "parts_by_class.csv"


def parts_by_class(run: Path, aggregation: Path | None = None) -> pd.DataFrame:
    """Mean weights of the parts, and accuracies of the networks of a run, by class.

    Args:
        run: Folder of a finished run of `pose_i3d`, with its stages.
        aggregation: Folder of a run without attention, such as one with `--set
            model.aggregate=sum_0`, on the same test clips.

    Returns:
        One row per class that has test clips, sorted by what attention adds over the best part:
        `class`, `clips`, `weight_PART`, `accuracy_PART`, `accuracy_pose` (the skeleton alone),
        `accuracy_aggregation` (if given) and `accuracy_attention`, fractions from 0 to 1.

    Raises:
        ResultsError: If the run has no weights or stages of parts, or if test clips differ.

    Example:
        >>> from keras_skeleton.attention.parts_by_class import parts_by_class
        >>> parts_by_class("runs/pose_i3d_ntu_cs", "runs/pose_i3d_ntu_cs_sum_0")  # doctest: +SKIP
    """
    run = Path(run)
    folds = sorted(path.parent for path in run.glob("fold_*/parts.csv"))
    if not folds:
        raise ResultsError(
            f"{run}: no fold has parts.csv; give a finished run of pose_i3d with attention"
        )
    rows = [_fold_table(fold, _fold_of(aggregation, fold.name)) for fold in folds]
    table = pd.concat(rows)
    means = table.groupby("class", sort=False).apply(_weighted, include_groups=False)
    means = means.reset_index()
    means["clips"] = means["clips"].astype(int)
    best = means[[f"accuracy_{part}" for part in PARTS]].max(axis=1)
    order = (means[f"accuracy_{ATTENTION}"] - best).sort_values(ascending=False, kind="stable")
    return means.loc[order.index].reset_index(drop=True)


def write_parts_by_class(
    run: Path,
    out: Path,
    aggregation: Path | None = None,
    classes: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Writes `parts_by_class.csv` and `.png` of a run; returns the table.

    Args:
        run, aggregation: As for `parts_by_class`.
        out: Output folder.
        classes: Classes of the figure; by default those in which attention adds and loses most.

    Raises:
        ResultsError: As for `parts_by_class`, or if there is no such class.
    """
    table = parts_by_class(run, aggregation)
    if missing := sorted(set(classes or ()) - set(table["class"])):
        raise ResultsError(f"{run}: no test clips of class {', '.join(missing)}")
    Path(out).mkdir(parents=True, exist_ok=True)
    write_table(table, Path(out) / TABLE, index=False, float_format="%.4f")
    shown = table.set_index("class")
    if classes:
        shown = shown.loc[list(classes)]
    elif len(shown) > 10:  # the paper shows five of each
        shown = pd.concat([shown.iloc[:5], shown.iloc[-5:]])
    about = read_record(Path(run) / "run.json")
    title = f"{about['model']} on {about['dataset']}, {about['protocol']}: body parts by class"
    figure = part_bars_figure(
        shown.filter(like="weight_").rename(columns=_bare),
        shown.filter(like="accuracy_").rename(columns=_bare),
        title,
    )
    save_figure(figure, Path(out) / "parts_by_class.png")
    return table


def _bare(name: str) -> str:
    return name.partition("_")[2]


def _fold_of(run: Path | None, name: str) -> Path | None:
    return None if run is None else Path(run) / name


def _fold_table(fold: Path, aggregation: Path | None) -> pd.DataFrame:
    """The table of one fold; `clips` are its test clips."""
    scored = {f"accuracy_{name}": fold / name / "scores.npz" for name in (*PARTS, POSE)}
    if aggregation is not None:
        scored[f"accuracy_{AGGREGATION}"] = aggregation / "scores.npz"
    whole = read_scores(fold / "scores.npz")
    weights = read_table(fold / "parts.csv", "weights of parts").set_index("class")
    clips = np.bincount(whole.labels, minlength=len(whole.classes))
    found = pd.DataFrame({"class": whole.classes, "clips": clips})
    for part in PARTS:
        found[f"weight_{part}"] = found["class"].map(weights[part])
    for column, path in scored.items():
        found[column] = _recall(_checked(read_scores(path), whole, path))
    found[f"accuracy_{ATTENTION}"] = _recall(whole)
    return found[found["clips"] > 0]


def _checked(scores: ClipScores, whole: ClipScores, path: Path) -> ClipScores:
    if sorted(scores.names) != sorted(whole.names) or list(scores.classes) != list(whole.classes):
        raise ResultsError(f"{path}: scores of other test clips or classes than the run's")
    return scores


def _recall(scores: ClipScores) -> np.ndarray:
    """Accuracy by class, NaN without clips."""
    right = scores.logits.argmax(axis=1) == scores.labels
    C = len(scores.classes)
    count = np.bincount(scores.labels, minlength=C)
    correct = np.bincount(scores.labels[right], minlength=C)
    return np.divide(correct, count, out=np.full(C, np.nan), where=count > 0)


def _weighted(rows: pd.DataFrame) -> pd.Series:
    """Mean over folds, weighted by their clips."""
    clips = rows.pop("clips")
    return pd.Series({"clips": clips.sum(), **rows.mul(clips, axis=0).sum() / clips.sum()})
