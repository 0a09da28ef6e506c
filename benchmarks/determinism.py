"""Measure the cost of `--deterministic`, and check that results are bit-identical.

    python benchmarks/determinism.py [--rounds 3] [--models mans9 sta_lstm csta_cnn]

Each model is trained for a few epochs on synthetic clips with its recipe (without stages),
alternately with and without the flag, each time in its own process and from the same seed. The
table has the seconds per epoch (the fastest epoch, excluding the first, which compiles), their
ratio per round, and the number of different final weights over the rounds; 1 means bit-identical.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from measuring import cell, in_own_process, ratios

MODELS, EPOCHS = ("mans9", "sta_lstm", "csta_cnn"), 4


def measure(model: str, deterministic: bool) -> tuple[float, str]:
    """Seconds of the fastest epoch, and a hash of the final weights."""
    if deterministic:
        from keras_skeleton.training.pipeline import make_deterministic

        make_deterministic()
    import pandas as pd

    from keras_skeleton import load_dataset
    from keras_skeleton.recipes.registry import get_recipe
    from keras_skeleton.training.experiment import Experiment

    recipe = replace(get_recipe(model, "synthetic"), epochs=EPOCHS, stages=())
    dataset = load_dataset("synthetic", **recipe.dataset)
    with tempfile.TemporaryDirectory() as folder:
        run = Experiment(
            model, dataset, "cs", recipe, 0, Path(folder) / "run", "", log=lambda line: None
        )
        run.open([1], resume=False)
        sys.stdout = sys.stderr  # progress lines
        run.train_folds([1], resume=False)
        sys.stdout = sys.__stdout__
        history = pd.read_csv(run.fold_folder(1) / "history.csv")
        network = run.build()
        network.load_weights(run.fold_folder(1) / "last.weights.h5")
    digest = hashlib.sha256(b"".join(w.tobytes() for w in network.get_weights())).hexdigest()
    return float(history["seconds"][1:].min()), digest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(args.measure[0], args.measure[1] == "with")))
        return
    rows = []
    for model in args.models:
        found: dict[str, list[tuple[float, str]]] = {"without": [], "with": []}
        for _ in range(args.rounds):
            for way, results in found.items():
                results.append(in_own_process(__file__, model, way))
                print(f"{model} {way}: {results[-1][0]:.2f} s", file=sys.stderr)
        seconds = {way: [s for s, _ in results] for way, results in found.items()}
        bits = {way: len({digest for _, digest in results}) for way, results in found.items()}
        rows.append(
            f"{model:<12}{cell(seconds['without'], 2):<24}{cell(seconds['with'], 2):<24}"
            f"{ratios(seconds['with'], seconds['without'], 2):<24}"
            f"{bits['without']:<16}{bits['with']}"
        )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"\nseconds per epoch, synthetic clips, {args.rounds} rounds, {cores} cores")
    print(f"{'':<12}{'without':<24}{'--deterministic':<24}{'ratio':<24}{'ends, without':<16}with")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
