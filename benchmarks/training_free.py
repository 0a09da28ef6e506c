"""Add the training-free curves to `attention.csv` of stored detection runs.

    python benchmarks/training_free.py --data-dir PATH

`detect` writes the rows `pose_speed` and `pose_distance` by itself; this adds them to runs that
were stored before, and computes them again where they are there. They need no network and no seed,
only the test recordings of the run. Other rows stay as they are. PATH holds the datasets under
their names. Takes some seconds a run.
"""

from __future__ import annotations

import argparse
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd

from keras_skeleton import load_dataset
from keras_skeleton.datasets.dataset import SkeletonDataset
from keras_skeleton.detection.report import with_training_free
from keras_skeleton.evaluation.run_record import read_record

RUNS = Path("results/runs")


def test_videos(dataset: SkeletonDataset, protocol: str) -> list[str]:
    """Names of the test recordings of all folds of a protocol."""
    tests = np.concatenate([fold.test for fold in dataset.folds(protocol)])
    return [str(video) for video in dataset.samples["video"].iloc[np.unique(tests)]]


def add_rows(folder: Path, dataset: SkeletonDataset, protocol: str) -> pd.DataFrame:
    """Writes the rows of a run; returns the table."""
    path = folder / "attention.csv"
    table = pd.read_csv(path)
    table = with_training_free(table, dataset, test_videos(dataset, protocol), dataset.intervals)
    table.to_csv(path, index=False, lineterminator="\n")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--cache-dir", type=Path)
    parser.add_argument("--runs", type=Path, default=RUNS, help="folder with the stored runs")
    args = parser.parse_args()
    open_dataset = cache(
        partial(load_dataset, root=args.data_dir, cache_dir=args.cache_dir, clips="untrimmed")
    )
    for path in sorted(args.runs.glob("detect_*/attention.csv")):
        run = read_record(path.with_name("run.json"))
        table = add_rows(path.parent, open_dataset(run["dataset"]), run["protocol"])
        print(f"\n{path.parent.name}\n{table.to_string(index=False)}", flush=True)


if __name__ == "__main__":
    main()
