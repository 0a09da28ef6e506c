"""Measure how well `unsure` finds clips that are unlike the training clips.

    python benchmarks/unsure.py --data-dir PATH

For every calibrated network of the zoo trained on real data: the test clips of its fold are known;
unknown are clips of the two other datasets, mapped by joint names (left out where that is
impossible), and, for networks of UT-Kinect, windows between the annotated actions of the test
recordings. Two scores are compared, 1 - probability and the distance to the training clips, and the
share of clips that `Prediction.unsure` marks. One row per network and kind of unknown clips; all
shares and scores are between 0 and 1. Takes some minutes on one core.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from keras_skeleton import load_dataset, load_recognizer
from keras_skeleton.datasets.dataset import SkeletonDataset
from keras_skeleton.evaluation.calibration import auroc
from keras_skeleton.evaluation.scores import softmax
from keras_skeleton.recognizer import Prediction, Recognizer
from keras_skeleton.skeletons import SkeletonMapError, joint_map
from keras_skeleton.zoo.entries import Entry, read_zoo

OUT = Path("results/benchmarks/unsure.csv")
REAL = ("ut_kinect", "sbu", "nucla")
OPTIONS: dict[str, dict[str, Any]] = {"sbu": {"units": "metres"}}
BETWEEN = "between actions"
MOST = 300  # clips of another dataset
WINDOW = 30  # frames of a window between actions
BINS = 15


def calibration_error(right: np.ndarray, probability: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error: the mean distance of accuracy and probability in equal bins.

    Args:
        right: Whether each prediction is right, bool (n,).
        probability: Probability of each predicted class, (n,).
        bins: Number of bins of equal width from 0 to 1.
    """
    edges = np.linspace(0, 1, bins + 1)[1:-1]
    bin_of = np.digitize(probability, edges, right=True)
    gaps = [abs((right[own].mean() - probability[own].mean()) * own.mean())
            for own in (bin_of == k for k in np.unique(bin_of))]  # fmt: skip
    return float(sum(gaps))


def windows_between(
    length: int, intervals: Sequence[tuple[int, int]], size: int = WINDOW
) -> Iterator[tuple[int, int]]:
    """Yields windows (start, end) of `size` frames, one after another, that overlap no interval.

    Args:
        length: Number of frames of the recording.
        intervals: Annotated actions (start, end), the end excluded.
        size: Number of frames of a window.
    """
    free = 0
    for start, end in sorted([*intervals, (length, length)]):
        while free + size <= start:
            yield free, free + size
            free += size
        free = max(free, end)


def between_actions(dataset: SkeletonDataset, protocol: str, number: int) -> list[np.ndarray]:
    """Windows between the actions of the test recordings, each (T, M, V, 3).

    Recordings in which an action is not annotated are left out: it would be among the windows.

    Args:
        dataset: The untrimmed recordings.
        protocol: Name of the protocol.
        number: Number of the fold, counted from 1.
    """
    found = []
    for i in list(dataset.folds(protocol))[number - 1].test:
        own = dataset.intervals[dataset.intervals["video"] == dataset.samples["video"].iloc[i]]
        if own["label"].nunique() < len(dataset.classes):
            continue
        length = int(dataset.samples["frames"].iloc[i])
        spans = list(zip(own["start"], own["end"], strict=True))
        clips = (dataset.clip(i, *span) for span in windows_between(length, spans))
        found += [clip for clip in clips if clip.any()]
    return found


def drawn(dataset: SkeletonDataset, seed: int, most: int = MOST) -> list[np.ndarray]:
    """At most `most` clips of a dataset, each (T, M, V, 3)."""
    chosen = np.random.default_rng(seed).permutation(len(dataset))[:most]
    return [dataset.clip(i) for i in np.sort(chosen)]


def scores(predictions: Sequence[Prediction]) -> pd.DataFrame:
    """One row per clip: label, probability, distance, unsure."""
    keys = ("label", "probability", "distance", "unsure")
    return pd.DataFrame([{key: getattr(p, key) for key in keys} for p in predictions])


def measure(
    entry: Entry, open_dataset: Callable[..., SkeletonDataset], seed: int
) -> Iterator[dict[str, Any]]:
    """Yields the rows of a network."""
    recognizer: Recognizer = load_recognizer(entry.name)
    own = open_dataset(entry.dataset, **entry.options)
    test = list(own.folds(entry.protocol))[entry.fold - 1].test
    predictions = recognizer.predict([own.clip(i) for i in test])
    known = scores(predictions)
    right = known["label"].to_numpy() == np.array(own.classes)[own.labels[test]]
    marked = known["unsure"].to_numpy(bool)
    raw = softmax(np.stack([p.logits for p in predictions]))
    scaled = np.stack([p.probabilities for p in predictions])
    truth = np.arange(len(test)), own.labels[test]

    for name in (*(name for name in REAL if name != entry.dataset), BETWEEN):
        if name == BETWEEN:
            if entry.dataset != "ut_kinect":
                continue
            dataset = open_dataset("ut_kinect", clips="untrimmed")
            clips = between_actions(dataset, entry.protocol, entry.fold)
        else:
            dataset = open_dataset(name, **OPTIONS.get(name, {}))
            try:
                joint_map(dataset.skeleton, recognizer.skeleton)
            except SkeletonMapError:
                continue
            clips = drawn(dataset, seed)
        unknown = scores(recognizer.predict(clips, skeleton=dataset.skeleton))
        yield {
            "weights": entry.name,
            "model": entry.model,
            "dataset": entry.dataset,
            "unknown": name,
            "clips_known": len(known),
            "clips_unknown": len(unknown),
            "auroc_probability": auroc(1 - known["probability"], 1 - unknown["probability"]),
            "auroc_distance": auroc(known["distance"], unknown["distance"]),
            "unsure_known": marked.mean(),
            "unsure_unknown": unknown["unsure"].mean(),
            "right_if_unsure": right[marked].mean() if marked.any() else np.nan,
            "right_if_sure": right[~marked].mean() if not marked.all() else np.nan,
            "accuracy": right.mean(),
            # before and after division by the temperature
            "calibration_error_before": calibration_error(right, raw.max(axis=1)),
            "calibration_error": calibration_error(right, scaled.max(axis=1)),
            "cross_entropy_before": -np.log(raw[truth]).mean(),
            "cross_entropy": -np.log(scaled[truth]).mean(),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--cache-dir", type=Path)
    parser.add_argument("--names", nargs="+", help="networks of the zoo (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="draw clips of other datasets")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    entries = [
        entry
        for entry in read_zoo()
        if entry.task == "recognition"
        and entry.dataset in REAL
        and any(file.endswith("calibration.npz") for file in entry.files)
        and (args.names is None or entry.name in args.names)
    ]
    if args.names and (lacking := {*args.names} - {entry.name for entry in entries}):
        sys.exit(f"not a calibrated network of real data: {', '.join(sorted(lacking))}")
    open_dataset = cache(partial(load_dataset, root=args.data_dir, cache_dir=args.cache_dir))
    rows: list[dict[str, Any]] = []
    words = ["--data-dir", "PATH", *(["--names", *args.names] if args.names else [])]
    command = shlex.join(["python", "benchmarks/unsure.py", *words, "--seed", str(args.seed)])
    for entry in entries:
        for row in measure(entry, open_dataset, args.seed):
            rows.append(row)
            print(
                f"{row['weights']}, {row['unknown']}: AUROC {row['auroc_probability']:.3f} by "
                f"probability, {row['auroc_distance']:.3f} by distance; unsure "
                f"{100 * row['unsure_known']:.0f} % of known, "
                f"{100 * row['unsure_unknown']:.0f} % of unknown clips",
                flush=True,
            )
    args.out.parent.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame(rows).to_csv(index=False, float_format="%.6f", lineterminator="\n")
    args.out.write_text(f"# {command}\n{table}", "utf-8")


if __name__ == "__main__":
    main()
