"""Compare networks of the zoo in float32 and bfloat16: accuracy on test clips, and speed.

    python benchmarks/bfloat16.py --data-dir DIR [--cache-dir DIR] [--name csta_cnn_ut_kinect_cs]
                                  [--rounds 5]

Each way is `keras_skeleton.compiled`: by XLA, on LiteRT, and in bfloat16. Accuracy and changed
classes are of the test clips of the entry's fold. Speed is given relative to XLA, in batches of 40
test clips; the ways alternate. bfloat16 is only fast on processors with AMX (`amx_bf16` in
/proc/cpuinfo).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from measuring import machine, ratios

import keras_skeleton as ks
from keras_skeleton.zoo.entries import read_zoo
from keras_skeleton.zoo.load import on_dataset

NAMES = ["csta_cnn_ut_kinect_cs", "mans9_ut_kinect_cs", "sta_lstm_ut_kinect_cs"]
WAYS: dict[str, dict[str, Any]] = {
    "XLA": {},
    "LiteRT": {"runtime": "litert"},
    "bfloat16": {"precision": "bfloat16"},
}
BATCH = 40
CALLS = 10


def logits(forward: Callable[[Any], Any], x: np.ndarray) -> np.ndarray:
    """Logits of all clips, in batches of the same size."""
    padded = np.concatenate([x, np.repeat(x[:1], -len(x) % BATCH, axis=0)])
    parts = np.split(padded, len(padded) // BATCH)
    return np.concatenate([forward(part) for part in parts])[: len(x)]


def seconds(forward: Callable[[Any], Any], x: np.ndarray) -> float:
    """Median time of a batch."""
    found = []
    for _ in range(CALLS):
        start = time.perf_counter()
        forward(x)
        found.append(time.perf_counter() - start)
    return float(np.median(found))


def lines(name: str, options: argparse.Namespace) -> Iterator[str]:
    """The rows of an entry."""
    entry = next(entry for entry in read_zoo() if entry.name == name)
    dataset = ks.load_dataset(
        entry.dataset, options.data_dir, options.cache_dir, **dict(entry.options)
    )
    network = on_dataset(ks.load_recognizer(name), dataset)
    x, labels = network.inputs.batch(network.test), network.inputs.labels[network.test]
    ways = {way: ks.compiled(network.model, **chosen) for way, chosen in WAYS.items()}
    found = {way: logits(forward, x) for way, forward in ways.items()}
    batch = np.resize(x, (BATCH, *x.shape[1:]))
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(options.rounds):
        for way, forward in ways.items():
            times[way].append(seconds(forward, batch))
    classes = found["XLA"].argmax(1)
    for way, values in found.items():
        accuracy = 100 * (values.argmax(1) == labels).mean()
        changed = (values.argmax(1) != classes).sum()
        difference = np.abs(values - found["XLA"]).max() / np.abs(found["XLA"]).max()
        yield (
            f"| {name} | {way} | {accuracy:.2f} | {changed} of {len(x)} | {difference:.1e} "
            f"| {ratios(times['XLA'], times[way], 2)} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--cache-dir", type=Path)
    parser.add_argument("--name", action="append")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(f"{machine('tensorflow', 'keras')}\n")
    print("| network | way | accuracy, % | other classes | largest difference of a logit | speed |")
    print("|---|---|---|---|---|---|")
    for name in options.name or NAMES:
        for line in lines(name, options):
            print(line, flush=True)


if __name__ == "__main__":
    main()
