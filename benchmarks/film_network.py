"""Train the networks for film and score them on people that they have not seen.

    python benchmarks/film_network.py --data-dir PATH

PATH holds `ut_kinect` and `nucla`. For every network and seed, the command of the row trains on
the dataset `film`, protocol `cs`; the weights are those of the epoch selected on validation clips.
Scored are the test clips (whole, and windows of 16, 32 and 64 frames in their middle; shorter clips
as they are), separately for the actions of UT-Kinect, those of N-UCLA, and what is no action. For
comparison, the networks of the zoo that were trained on UT-Kinect alone are scored on the same
clips of UT-Kinect, in the rows of the recording, half as many for a window. Rows are appended to
the output file as they are computed, and rows that it holds are not computed again.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from keras_skeleton import load_dataset, load_recognizer
from keras_skeleton.datasets.dataset import SkeletonDataset
from keras_skeleton.datasets.film import NONE, NUCLA, UT
from keras_skeleton.recognizer import Recognizer
from keras_skeleton.zoo.entries import read_zoo

RUN = Path(__file__).resolve().parents[1] / "run.py"
OUT = Path("results/benchmarks/film_network.csv")
RECIPES = {"csta_cnn": "paper", "mans9": "tuned"}
SEEDS = (0, 1, 2)
WHOLE = 0
WINDOWS = (WHOLE, 16, 32, 64)  # frames of film
ROWS = 2  # frames of film in a row of UT-Kinect, on average


def command(model: str, recipe: str, seed: int) -> list[str]:
    """The command that trains a network, without the folders of data and results."""
    return shlex.split(
        f"train --model {model} --dataset film --protocol cs --recipe {recipe} --seed {seed}"
    )


def middle(clip: np.ndarray, size: int) -> np.ndarray:
    """The `size` frames in the middle of a clip (T, ...); the whole clip for 0 or if it is shorter.

    Example:
        >>> middle(np.arange(9), 3)
        array([3, 4, 5])
    """
    start = (len(clip) - size) // 2
    return clip[start : start + size] if 0 < size < len(clip) else clip


def parts(dataset: SkeletonDataset, clips: np.ndarray) -> dict[str, np.ndarray]:
    """Whether each clip belongs to each part of the test clips: bool (n,) by name."""
    table = dataset.samples.iloc[clips]
    action = (table["label"] != dataset.classes.index(NONE)).to_numpy()
    setup = table["setup"].to_numpy()
    return {
        "all": np.ones(len(clips), bool),
        "UT-Kinect": action & (setup == UT),
        "N-UCLA": action & (setup == NUCLA),
        NONE: ~action,
    }


def scored(
    recognizer: Recognizer, clips: Sequence[np.ndarray], truth: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Whether each label is right, and whether it is marked as unsure: two arrays bool (n,)."""
    found = recognizer.predict(list(clips))
    right = np.array([p.label == name for p, name in zip(found, truth, strict=True)])
    return right, np.array([bool(p.unsure) for p in found])


def rows_of(
    recognizer: Recognizer, dataset: SkeletonDataset, clips: np.ndarray, ratio: int = 1
) -> Iterator[dict[str, object]]:
    """The rows of a network: one for each window and part of the test clips."""
    truth = [dataset.classes[k] for k in dataset.labels[clips]]
    own = parts(dataset, clips) if ratio == 1 else {"UT-Kinect": np.ones(len(clips), bool)}
    for window in WINDOWS:
        cut = [middle(dataset.clip(i), window // ratio) for i in clips]
        right, unsure = scored(recognizer, cut, truth)
        for part, inside in own.items():
            yield {
                "window": window,
                "part": part,
                "clips": int(inside.sum()),
                "accuracy": round(float(right[inside].mean()), 4),
                "unsure": round(float(unsure[inside].mean()), 4),
            }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--models", nargs="+", default=["csta_cnn"], choices=RECIPES)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the trainings")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    table = pd.read_csv(args.out) if args.out.exists() else pd.DataFrame(columns=["network"])

    def add(network: str, seed: int, found: Iterator[dict[str, object]], words: str) -> None:
        nonlocal table
        head = {"network": network, "seed": seed}
        new = pd.DataFrame([{**head, **row, "command": words} for row in found])
        table = pd.concat([table, new], ignore_index=True) if len(table) else new
        args.out.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(args.out, index=False)
        print(new[new["window"] == WHOLE].drop(columns="command").to_string(), flush=True)

    def there(network: str, seed: int) -> bool:
        same = table["network"] == network
        return bool((same & (table["seed"] == seed)).any()) if len(table) else False

    film = load_dataset("film", args.data_dir)
    (fold,) = film.folds("cs")
    for seed in SEEDS:
        for model in args.models:
            recipe = RECIPES[model]
            network = f"{model}_film_cs" + ("_tuned" if recipe == "tuned" else "")
            if there(network, seed):
                continue
            words = command(model, recipe, seed)
            folder = args.runs / f"{network}_seed{seed}"
            if not (folder / "fold_01" / "metrics.json").exists():
                places = ["--data-dir", str(args.data_dir), "--out", str(folder)]
                places += ["--resume"] if folder.exists() else []
                subprocess.run([sys.executable, RUN, *words, *places], check=True)
            add(
                network,
                seed,
                rows_of(load_recognizer(folder), film, fold.test),
                shlex.join(["keras-skeleton", *words]),
            )
    kinect = load_dataset("ut_kinect", args.data_dir)
    (fold,) = kinect.folds("cs")
    for entry in read_zoo():
        if (entry.task, entry.dataset, entry.protocol) != ("recognition", "ut_kinect", "cs"):
            continue
        if not there(entry.name, entry.seed):
            found = rows_of(load_recognizer(entry.name), kinect, fold.test, ratio=ROWS)
            add(entry.name, entry.seed, found, entry.command.split("; ")[-1])


if __name__ == "__main__":
    main()
