"""What the frame gate of a ready-made TAP-LSTM is in the actions of its test recordings.

    python benchmarks/tap_gate.py --data-dir PATH

For every class: the mean of the gate over the frames of an action, and over the first and the last
fifth of them, averaged over actions; at last its mean over the frames between actions. PATH holds
the datasets under their names. Takes some seconds.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from keras_skeleton import load_dataset
from keras_skeleton.detection.detector import Detector
from keras_skeleton.detection.report import frames_of_actions
from keras_skeleton.zoo.entries import weights_folders

OUT = Path("results/benchmarks/tap_gate.csv")
NETWORKS = ("tap_lstm_ut_kinect_cs",)
METHOD = "tap_u"
BETWEEN = "between actions"
PART = 5  # of an action: the first and the last fifth


def gate_by_class(
    curves: Mapping[str, np.ndarray], actions: pd.DataFrame, classes: Sequence[str]
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


def measure(name: str, folder: Path, **where: Any) -> pd.DataFrame:
    """The rows of a ready-made detector.

    Args:
        name: Its name.
        folder: Its folder.
        **where: Places of the data, see `load_dataset`.
    """
    detector = Detector(folder)
    dataset = load_dataset(detector.run["dataset"], clips="untrimmed", **where)
    test = list(dataset.folds(detector.run["protocol"]))[detector.number - 1].test
    curves = {
        str(dataset.samples["video"].iloc[i]): detector.attention(METHOD, dataset, i)
        for i in test.tolist()
    }
    rows = gate_by_class(curves, dataset.intervals, dataset.classes)
    return pd.DataFrame([{"network": name, **row} for row in rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--cache-dir", type=Path)
    parser.add_argument("--names", nargs="+", default=NETWORKS)
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    tables = []
    for name in args.names:
        folder = next(place / name for place in weights_folders() if (place / name).is_dir())
        tables.append(measure(name, folder, root=args.data_dir, cache_dir=args.cache_dir))
    table = pd.concat(tables)
    print(table.round(2).to_string(index=False))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(args.out, index=False, float_format="%.4f", lineterminator="\n")


if __name__ == "__main__":
    main()
