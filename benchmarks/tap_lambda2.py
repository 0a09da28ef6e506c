"""Choose lambda 2, the penalty on the frame gate of TAP-LSTM, on validation recordings.

    python benchmarks/tap_lambda2.py --data-dir PATH
    python benchmarks/tap_lambda2.py --dataset synthetic --protocol untrimmed

For every value, direction and seed, TAP-LSTM is trained by the recipe `paper` on the actions of the
training recordings. The settings of its proposals are chosen on the validation recordings, as by
`detect`; their recall there chooses lambda 2 (`--summary`). What the test recordings give stands
beside it and chooses nothing. Their proposals are classified by the STA-LSTM of the ready-made
detector, the same for all rows.

A second file says what the gate is within the actions of the test recordings: its mean in each
class, in the first and in the last fifth of the frames of an action, and between actions.

Rows that the output holds are not computed again. A training takes about a minute on one core.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from keras_skeleton import load_dataset
from keras_skeleton.datasets.dataset import SkeletonDataset
from keras_skeleton.detection.detector import NETWORKS, PROPOSALS, Detector
from keras_skeleton.detection.experiment import CHOSEN_BY, Detection
from keras_skeleton.detection.report import frames_of_actions, separation
from keras_skeleton.detection.scoring import THETAS, average_recall, evaluate
from keras_skeleton.evaluation.run_record import open_run
from keras_skeleton.recipes.recipe import Recipe
from keras_skeleton.recipes.registry import get_recipe
from keras_skeleton.zoo.entries import weights_folders

OUT = Path("results/benchmarks")
VALUES = (0.001, 0.01, 0.1, 1.0)
SEEDS = (0, 100, 200)
WAYS = ("tap_u", "tap_b")
CLASSIFIER = "sta_lstm"
BETWEEN = "between actions"
KEY = ["dataset", "protocol", "method", "lambda2", "seed"]
PART = 5  # of an action: the first and the last fifth


def with_lambda2(recipe: Recipe, value: float) -> Recipe:
    """The recipe with another lambda 2."""
    return replace(recipe, model={**recipe.model, "lambda2": value})


def gate_by_class(
    curves: Mapping[str, np.ndarray], actions: pd.DataFrame, classes: tuple[str, ...]
) -> Iterator[dict[str, Any]]:
    """Yields a row for each class: the gate's mean over its actions, and over the first and the
    last fifth of their frames; at last a row for the frames of no action.

    Args:
        curves: The gate (T,) of each recording, by its name.
        actions: Annotated actions, with `video`, `label`, `start`, `end`.
        classes: Names of the classes.
    """
    for label, name in enumerate(classes):
        own = actions[(actions["label"] == label) & actions["video"].isin(list(curves))]
        spans = own[["video", "start", "end"]].itertuples(index=False)
        pieces = [np.asarray(curves[video][start:end], float) for video, start, end in spans]
        if not pieces:
            continue
        short = [max(len(piece) // PART, 1) for piece in pieces]
        yield {
            "class": name,
            "actions": len(pieces),
            "mean": np.mean([piece.mean() for piece in pieces]),
            "first": np.mean([p[:n].mean() for p, n in zip(pieces, short, strict=True)]),
            "last": np.mean([p[-n:].mean() for p, n in zip(pieces, short, strict=True)]),
        }
    free = [
        curve[~frames_of_actions(actions, video, len(curve))] for video, curve in curves.items()
    ]
    between = np.concatenate(free)
    if len(between):
        yield {"class": BETWEEN, "mean": between.mean()}


def measure(
    dataset: SkeletonDataset, key: Mapping[str, Any], classifier: Path, folder: Path
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Trains one network; returns its row, and the rows of its classes."""
    method, protocol = str(key["method"]), str(key["protocol"])
    recipes = {
        name: get_recipe(name, dataset.name, "paper") for name in (PROPOSALS, CLASSIFIER, "jcr_rnn")
    }
    recipes[PROPOSALS] = with_lambda2(recipes[PROPOSALS], key["lambda2"])
    detection = Detection(
        dataset, protocol, [method], CLASSIFIER, recipes, key["seed"], folder, command=""
    )
    open_run(folder, detection.describe(), [], resume=True)
    detection.parts[method].fit([1], resume=detection.parts[method].folder.exists())
    shutil.copytree(classifier, folder / NETWORKS / "classifier", dirs_exist_ok=True)
    detector, fold = Detector(folder), detection.folds[0]
    settings = detection.settings(method, detector)
    row: dict[str, Any] = dict(key)
    curves: dict[str, np.ndarray] = {}
    for part, recordings in (("validation", fold.validation), ("test", fold.test)):
        videos = detection.videos(recordings)
        truth = dataset.intervals[dataset.intervals["video"].isin(videos)]
        found = detector.proposals(method, dataset, recordings.tolist(), settings)
        curves = {
            video: detector.attention(method, dataset, i)
            for i, video in zip(recordings.tolist(), videos, strict=True)
        }
        row[f"recall_{part}"] = average_recall(found, truth, CHOSEN_BY) if len(found) else 0.0
        row[f"auc_{part}"] = separation(curves, truth)["higher_in_actions"]
        row[f"actions_{part}"], row[f"proposals_{part}"] = len(truth), len(found)
    row |= {name: getattr(settings, name) for name in ("window", "epsilon", "omega")}
    for scales, suffix in ((False, ""), (True, "_m")):
        own = replace(settings, scales=scales)
        found = detector.detect_all(method + suffix, dataset, fold.test.tolist(), own)
        table = evaluate(found, truth, THETAS, "paper", detection.classes).table
        row |= {f"map{suffix}_{theta:g}": table["map_action"][theta] for theta in THETAS}
    actions = dataset.intervals
    return row, [{**key, **own} for own in gate_by_class(curves, actions, dataset.classes)]


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds; `chosen` is where the mean recall on validation recordings is highest."""
    keys = [name for name in KEY if name != "seed"]
    table = rows.groupby(keys, as_index=False).mean(numeric_only=True).drop(columns="seed")
    table["seeds"] = rows.groupby(keys).size().to_numpy()
    best = table.groupby(["dataset", "protocol", "method"])["recall_validation"].idxmax()
    table["chosen"] = table.index.isin(best)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="ut_kinect")
    parser.add_argument("--protocol", default="cs")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--cache-dir", type=Path)
    parser.add_argument("--values", type=float, nargs="+", default=VALUES)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--methods", nargs="+", default=WAYS, choices=WAYS)
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the two tables")
    parser.add_argument("--summary", action="store_true", help="print means, train nothing")
    args = parser.parse_args()
    files = args.out / "tap_lambda2.csv", args.out / "tap_gate_by_class.csv"
    tables = [pd.read_csv(path) if path.exists() else pd.DataFrame() for path in files]
    if args.summary:
        print(summary(tables[0]).round(3).to_string(index=False))
        return
    dataset = load_dataset(
        args.dataset, root=args.data_dir, cache_dir=args.cache_dir, clips="untrimmed"
    )
    name = f"tap_lstm_{args.dataset}_{args.protocol}"
    places = [place / name / NETWORKS / "classifier" for place in weights_folders()]
    classifier = next(place for place in places if place.exists())
    cases = [
        dict(zip(KEY, (args.dataset, args.protocol, method, value, seed), strict=True))
        for seed in args.seeds
        for method in args.methods
        for value in args.values
    ]
    args.out.mkdir(parents=True, exist_ok=True)
    for case in cases:
        if len(tables[0]) and (tables[0][KEY] == pd.Series(case)).all(axis=1).any():
            continue
        with TemporaryDirectory() as folder:
            row, classes = measure(dataset, case, classifier, Path(folder) / "run")
        print(row, flush=True)
        new = pd.DataFrame([row]), pd.DataFrame(classes)
        tables = [pd.concat([old, own]) for old, own in zip(tables, new, strict=True)]
        for path, table in zip(files, tables, strict=True):
            table = table.sort_values(KEY, kind="stable", ignore_index=True)
            table.to_csv(path, index=False, float_format="%.6g", lineterminator="\n")


if __name__ == "__main__":
    main()
