"""Choose lambda 2, the penalty on the frame gate of TAP-LSTM, on validation recordings.

    python benchmarks/tap_lambda2.py --data-dir PATH
    python benchmarks/tap_lambda2.py --dataset synthetic --protocol untrimmed

For every value, direction and seed, TAP-LSTM is trained by the recipe `paper` on the actions of the
training recordings. The settings of its proposals are chosen on the validation recordings, as by
`detect`; their recall there chooses lambda 2 (`--summary`). What the test recordings give stands
beside it and chooses nothing. Their proposals are classified by the STA-LSTM of the ready-made
detector, the same for all rows.

Rows that the output holds are not computed again. A training takes two to four minutes
on one core.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from keras_skeleton import load_dataset
from keras_skeleton.datasets.dataset import SkeletonDataset
from keras_skeleton.detection.detector import NETWORKS, PROPOSALS, Detector
from keras_skeleton.detection.experiment import CHOSEN_BY, Detection
from keras_skeleton.detection.report import separation
from keras_skeleton.detection.scoring import THETAS, average_recall, evaluate
from keras_skeleton.evaluation.run_record import open_run
from keras_skeleton.recipes.recipe import Recipe
from keras_skeleton.recipes.registry import get_recipe
from keras_skeleton.zoo.entries import weights_folders

OUT = Path("results/benchmarks/tap_lambda2.csv")
VALUES = (0.001, 0.01, 0.1, 1.0)
SEEDS = (0, 100, 200)
WAYS = ("tap_u", "tap_b")
CLASSIFIER = "sta_lstm"
PRESENT = {"method": "tap_u", "lambda2": 0.1, "seed": 0}  # of the ready-made detectors
KEY = ["dataset", "protocol", "method", "lambda2", "seed"]


def with_lambda2(recipe: Recipe, value: float) -> Recipe:
    """The recipe with another lambda 2."""
    return replace(recipe, model={**recipe.model, "lambda2": value})


def measure(
    dataset: SkeletonDataset,
    key: Mapping[str, Any],
    ready_made: Path,
    folder: Path,
    train: bool = True,
) -> dict[str, Any]:
    """Trains one network, or takes that of the ready-made detector; returns its row.

    Args:
        dataset: The recordings.
        key: What is trained, by the names of `KEY`.
        ready_made: Folder of the ready-made detector, whose classifier is used.
        folder: Folder for the run.
        train: Whether to train the network of proposals.
    """
    method, protocol = str(key["method"]), str(key["protocol"])
    recipes = {
        name: get_recipe(name, dataset.name, "paper") for name in (PROPOSALS, CLASSIFIER, "jcr_rnn")
    }
    recipes[PROPOSALS] = with_lambda2(recipes[PROPOSALS], key["lambda2"])
    detection = Detection(
        dataset, protocol, [method], CLASSIFIER, recipes, key["seed"], folder, command=""
    )
    open_run(folder, detection.describe(), [], resume=True)
    if train:
        detection.parts[method].fit([1])
    for part in ("classifier",) if train else ("classifier", method):
        shutil.copytree(ready_made / NETWORKS / part, folder / NETWORKS / part)
    detector, fold = Detector(folder), detection.folds[0]
    settings = detection.settings(method, detector)
    row: dict[str, Any] = {**key, "trained": "here" if train else ready_made.name}
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
    return row


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
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument(
        "--ready-made",
        action="store_true",
        help="take the ready-made detector for its own value, direction and seed; do not train it",
    )
    parser.add_argument("--summary", action="store_true", help="print means, train nothing")
    args = parser.parse_args()
    table = pd.read_csv(args.out) if args.out.exists() else pd.DataFrame(columns=KEY)
    if args.summary:
        print(summary(table).round(3).to_string(index=False))
        return
    dataset = load_dataset(
        args.dataset, root=args.data_dir, cache_dir=args.cache_dir, clips="untrimmed"
    )
    name = f"tap_lstm_{args.dataset}_{args.protocol}"
    ready_made = next(place / name for place in weights_folders() if (place / name).is_dir())
    cases = [
        dict(zip(KEY, (args.dataset, args.protocol, method, value, seed), strict=True))
        for seed in args.seeds
        for method in args.methods
        for value in args.values
    ]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    for case in cases:
        if (table[KEY] == pd.Series(case)).all(axis=1).any():
            continue
        with TemporaryDirectory() as folder:
            # The ready-made detector is the training of this recipe with seed 0.
            known = args.ready_made and case | PRESENT == case
            row = measure(dataset, case, ready_made, Path(folder) / "run", train=not known)
        print(row, flush=True)
        rows = [*table.to_dict("records"), row]
        table = pd.DataFrame(rows).sort_values(KEY, kind="stable", ignore_index=True)
        table.to_csv(args.out, index=False, float_format="%.6g", lineterminator="\n")


if __name__ == "__main__":
    main()
