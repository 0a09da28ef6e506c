"""Measure the time of one answer: logits and attention of one clip, and class probabilities over
time.

    python benchmarks/answers.py [--rounds 3]

Networks have random weights, 60 classes and the inputs of NTU RGB+D. The ways to an answer
alternate in one process:

    predict    `predict_on_batch` of the network with all outputs, as recognizers did before
    traced     `traced`, one graph without XLA: a recognizer's first calls
    xla        the same network compiled by XLA: a recognizer's calls after the first 200

Times of one clip are the fastest call, as on a machine without other load, and medians of 40 calls
(lowest to highest over the rounds). `first` is the processor time of the first call, with tracing
and compilation. `60 prefixes` is one call with 60 clips, as an attention page needs it.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import keras
import numpy as np
from measuring import cell, machine, ratios

from keras_skeleton import build_model, compiled
from keras_skeleton.deploy import compiled as deploy
from keras_skeleton.models.attention_maps import attention_outputs

GOALS = {"sta_lstm, T = 100": 15, "csta_cnn, T = 100": 10, "mans9, T = 50": 10}  # milliseconds
CALLS = 40


def ways(network: keras.Model) -> dict[str, Callable[[Any], Any]]:
    deploy.CALLS = 10**9
    return {
        "predict": network.predict_on_batch,
        "traced": deploy.traced(network),
        "xla": compiled(network),
    }


def times(call: Callable[[Any], Any], x: np.ndarray, calls: int) -> list[float]:
    """Milliseconds of each call."""
    found = []
    for _ in range(calls):
        start = time.perf_counter()
        call(x)
        found.append(1e3 * (time.perf_counter() - start))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    rows = []
    for title, goal in GOALS.items():
        name, _, frames = title.partition(", T = ")
        model = build_model(name, "kinect_v2", 60, int(frames))
        network = keras.Model(model.input, {"logits": model.output, **attention_outputs(model)})
        random = np.random.default_rng(0)
        x = random.normal(size=(60, *model.input_shape[1:])).astype(np.float32)
        one: dict[str, list[float]] = {}
        many: dict[str, list[float]] = {}
        first: dict[str, float] = {}
        fastest: dict[str, float] = {}
        calls = ways(network)
        for way, call in calls.items():
            start = time.process_time()
            call(x[:1])
            first[way] = time.process_time() - start
            call(x)
            one[way], many[way], fastest[way] = [], [], math.inf
        for _ in range(rounds):
            for way, call in calls.items():
                found = times(call, x[:1], CALLS)
                one[way].append(statistics.median(found))
                fastest[way] = min(fastest[way], *found)
            for way, call in calls.items():
                many[way].append(min(times(call, x, 3)))
        for way in calls:
            cells = [
                title, way, f"{first[way]:.1f}", f"{fastest[way]:.1f}", str(goal),
                cell(one[way], 1), ratios(one[way], one["predict"], 2), cell(many[way], 0),
            ]  # fmt: skip
            rows.append(f"| {' | '.join(cells)} |")
            print(rows[-1], flush=True)
    print(f"\n{machine('tensorflow', 'keras')}\n")
    print(f"Load of the machine at the end: {os.getloadavg()[0]:.1f}\n")
    titles = ["network", "way", "first, CPU s", "fastest, ms", "goal, ms", "median, ms",
              "ratio to predict", "60 prefixes, ms"]  # fmt: skip
    print(f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
