"""Choose settings of GateNet by leaving out one training subject of UT-Kinect `cs` at a time.

    python benchmarks/gate_loso.py --data-dir PATH --method gate_b
    python benchmarks/gate_loso.py --data-dir PATH --method gate_u --set model.ahead=1
    python benchmarks/gate_loso.py --data-dir PATH --method gate_b --set settings.pull=0
    python benchmarks/gate_loso.py --summary

For every training subject, a network learns from the recordings of the others, and detects in those
of the subject. Test recordings are neither learned from nor scored. `--set` changes the network
(`model.KEY=VALUE`), its training (`recipe.KEY=VALUE`) or how intervals are made from its outputs
(`settings.KEY=VALUE`); the last needs no new training if `--work` holds the network. Overlaps are
scored by the paper's rule, over the actions of each subject on its own.

Rows that the output holds are not computed again. A training takes about two minutes on one core.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from keras_skeleton import load_dataset
from keras_skeleton.datasets.dataset import Fold, SkeletonDataset
from keras_skeleton.detection.detect import GateSettings
from keras_skeleton.detection.detector import GATES, Detector
from keras_skeleton.detection.experiment import Detection
from keras_skeleton.detection.scoring import THETAS, evaluate
from keras_skeleton.evaluation.run_record import open_run
from keras_skeleton.recipes.recipe import Recipe
from keras_skeleton.recipes.registry import get_recipe

OUT = Path("results/benchmarks/gate_loso.csv")
PROTOCOL, INNER = "cs", "loso"
KEY = ["method", "variant", "subject", "seed"]
USUAL = "recipe"  # the variant without changes
AHEAD, AT, MOST_LOST = "model.ahead", (0.5, 0.7), 0.1  # how the look-ahead of gate_u is chosen
Changes = dict[str, dict[str, Any]]


def parsed(words: Sequence[str]) -> Changes:
    """Changes by what they change, from words such as `model.ahead=1`.

    Raises:
        ValueError: A word of another form, or of an unknown field.
    """
    known = {
        "model": None,
        "recipe": {field.name: field.type for field in fields(Recipe)},
        "settings": {field.name: field.type for field in fields(GateSettings)},
    }
    changes: Changes = {owner: {} for owner in known}
    for word in words:
        name, _, text = word.partition("=")
        owner, _, key = name.partition(".")
        names = known.get(owner, {})
        if not text or (names is not None and key not in names):
            raise ValueError(f"--set {word}: expected model., recipe. or settings.KEY=VALUE")
        number = float(text)
        changes[owner][key] = int(number) if number.is_integer() and "." not in text else number
    return changes


def leave_one_out(dataset: SkeletonDataset) -> tuple[dict[int, int], list[Fold]]:
    """Subjects with the number of their fold, and the folds, each of which tests on one of the
    training subjects of `PROTOCOL`; its test recordings are in no fold."""
    outer = next(iter(dataset.folds(PROTOCOL)))
    own = np.sort(np.concatenate([outer.train, outer.validation]))
    subject = dataset.samples["subject"].to_numpy()
    subjects = sorted(set(subject[own].tolist()))
    none = np.zeros(0, int)
    folds = [Fold(own[subject[own] != s], none, own[subject[own] == s]) for s in subjects]
    return {s: k for k, s in enumerate(subjects, start=1)}, folds


def measure(
    dataset: SkeletonDataset, method: str, changes: Changes, number: int, seed: int, folder: Path
) -> pd.DataFrame:
    """Trains the network of a fold, unless `folder` holds it, and scores what it detects.

    Returns:
        The scores by the paper's rule, a row for each overlap of `THETAS`.
    """
    recipes = {name: get_recipe(name, dataset.name) for name in ("tap_lstm", "sta_lstm", "jcr_rnn")}
    usual = get_recipe(method, dataset.name, "tuned")
    model = {**usual.model, **changes["model"]}
    recipes[method] = replace(usual, **changes["recipe"], model=model)
    detection = Detection(dataset, INNER, [method], "sta_lstm", recipes, seed, folder, command="")
    open_run(folder, detection.describe(), [], resume=True)
    detection.train_on_recordings(method, number)
    detector, test = Detector(folder, number), detection.folds[number - 1].test
    settings = detection.settings(method, detector)
    assert isinstance(settings, GateSettings)
    settings = replace(settings, **changes["settings"])
    found = detector.detect_all(method, dataset, test.tolist(), settings)
    truth = dataset.intervals
    truth = truth[truth["video"].isin(detection.videos(test))]
    return evaluate(found, truth, THETAS, "paper", detection.classes).table


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over subjects and seeds, and over which subjects."""
    keys = ["method", "variant", "overlap"]
    groups = rows.groupby(keys, sort=False)
    table = groups[["map", "f1"]].mean()
    table["subjects"] = groups["subject"].agg(lambda own: " ".join(map(str, sorted(set(own)))))
    return table.round(3).reset_index()


def chosen_ahead(rows: pd.DataFrame) -> int | None:
    """The look-ahead of `gate_u`: the smallest that loses at most `MOST_LOST` against `gate_b`.

    What may be lost is the mean of mAP and F1, at each overlap of `AT`, on average over the
    subjects and seeds that all variants have.

    Returns:
        The number of blocks that see both sides, or None if none is good enough.
    """
    scores = rows.assign(score=rows[["map", "f1"]].mean(axis=1))
    scores = scores[scores["overlap"].isin(AT)]
    ahead = {f"{AHEAD}={n}": n for n in range(10)}
    both = scores[(scores["method"] == "gate_b") & (scores["variant"] == USUAL)]
    past = scores[(scores["method"] == "gate_u") & scores["variant"].isin(list(ahead))]
    case = ["subject", "seed", "overlap"]
    table = past.pivot_table(index=case, columns="variant", values="score")
    table["gate_b"] = both.set_index(case)["score"]
    means = table.dropna().groupby("overlap").mean()
    lost = (-means.sub(means.pop("gate_b"), axis=0)).max()
    good = [ahead[str(name)] for name, value in lost.items() if value <= MOST_LOST]
    return min(good, default=None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, help="UT-Kinect")
    parser.add_argument("--cache-dir", type=Path)
    parser.add_argument("--method", choices=GATES, default="gate_b")
    parser.add_argument("--set", dest="words", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--subjects", type=int, nargs="+", help="default: all training subjects")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("runs/gate_loso"), help="the networks")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--summary", action="store_true", help="print means, train nothing")
    args = parser.parse_args()
    rows = pd.read_csv(args.out) if args.out.exists() else pd.DataFrame()
    if args.summary:
        print(summary(rows).to_string(index=False))
        print(f"{AHEAD} of gate_u: {chosen_ahead(rows)}")
        return
    changes = parsed(args.words)
    trained = [word for word in args.words if not word.startswith("settings.")]
    dataset = load_dataset("ut_kinect", args.data_dir, args.cache_dir, clips="untrimmed")
    numbers, folds = leave_one_out(dataset)
    dataset.protocols[INNER] = lambda samples: iter(folds)
    variant = " ".join(sorted(args.words)) or USUAL
    name = "_".join([args.method, *sorted(trained), f"seed{args.seed}"])
    command = ["python", "benchmarks/gate_loso.py", "--data-dir", "PATH", "--method", args.method]
    command += [part for word in args.words for part in ("--set", word)]
    for subject in args.subjects or sorted(numbers):
        case = dict(zip(KEY, (args.method, variant, subject, args.seed), strict=True))
        if len(rows) and (rows[KEY] == pd.Series(case)).all(axis=1).any():
            continue
        table = measure(
            dataset, args.method, changes, numbers[subject], args.seed, args.work / name
        )
        own = [*command, "--subjects", str(subject), "--seed", str(args.seed)]
        new = [
            {
                **{key: case[key] for key in KEY[:3]},
                "overlap": theta,
                "map": row["map_action"],
                "f1": row["f1"],
                "command": shlex.join(own),
                "seed": args.seed,
            }
            for theta, row in table.iterrows()
        ]
        print(pd.DataFrame(new).drop(columns="command").to_string(index=False), flush=True)
        rows = pd.concat([rows, pd.DataFrame(new)], ignore_index=True)
        args.out.parent.mkdir(parents=True, exist_ok=True)
        rows.to_csv(args.out, index=False, float_format="%.4g", lineterminator="\n")


if __name__ == "__main__":
    main()
