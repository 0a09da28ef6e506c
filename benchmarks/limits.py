"""Compare the compute rate of the networks with that of large matrix products.

    python benchmarks/limits.py [--rounds 3] [--seconds 5]

The first table has, for each case of throughput.py, the compute rate: clips per second times the
FLOPs of a clip (`models.summary.flops`; three times for a training step: forward pass, input
gradients, weight gradients). It is compared with the rate of one large matrix product, measured in
the same round. The difference is due to small products, memory traffic, element-wise operations,
and the overhead of launching operations.

The second table has the time of each stage of a network, for inference with the largest batch. It
is the difference of the times of the network up to the end and up to the start of the stage, all
measured alternately.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from itertools import product
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from measuring import cell, in_own_process, machine
from throughput import CASES, Case, network, ours

SIZE, PRODUCTS = 2048, 20
TURNS = 20  # rounds of the stages
LARGEST = 40  # batch size of inference
# Stages with their last layers, by the names in the first network of a process. The last stage ends
# with the network.
STAGES: dict[str, dict[str, list[str]]] = {
    "mans9": {
        "TARM": ["tarm"],
        "5 x 5 convolution": ["re_lu"],
        "convolutions, 25 x 25": ["re_lu_4"],
        "convolutions, 13 x 13": [],
    },
    "sta_lstm": {
        "joint gates": ["modulated"],
        "three LSTMs": ["main_scores"],
        "frame gates": [],
    },
    "csta_cnn": {
        "coupled attention": ["position_transformer", "motion_transformer"],
        "first convolutions, pooling": ["position_conv1_pool", "motion_conv1_pool"],
        "second": ["position_conv2_activation", "motion_conv2_activation"],
        "third": ["position_conv3_activation", "motion_conv3_activation"],
        "dense layers": [],
    },
}


def large_product() -> float:
    """GFLOP/s of a product of two square matrices, the best of several runs."""
    import tensorflow as tf

    a, b = tf.random.normal((SIZE, SIZE)), tf.random.normal((SIZE, SIZE))
    multiply = tf.function(lambda: tf.matmul(a, b))
    multiply()
    times = []
    for _ in range(PRODUCTS):
        start = time.perf_counter()
        multiply()
        times.append(time.perf_counter() - start)
    return 2 * SIZE**3 / min(times) / 1e9


def case(number: int, seconds: float) -> tuple[float, float]:
    """Clips per second, and GFLOP per clip."""
    from keras_skeleton.models.summary import flops

    times = 3 if CASES[number].what == "train" else 1
    work = times * flops(network(CASES[number])) / 1e9
    return ours(CASES[number], seconds)[0], work


def up_to(whole: Any, ends: list[str]) -> Any:
    """The network up to some layers, with the mean of each as output, whose cost is negligible."""
    import keras

    if not ends:
        return whole
    outputs = [whole.get_layer(name).output for name in ends]
    means = [keras.ops.mean(x, axis=range(1, len(x.shape)), keepdims=True) for x in outputs]
    flat = [keras.ops.reshape(x, (-1, 1)) for x in means]
    # `whole.input` is a copy in networks whose sampling layer was removed.
    inputs = whole.layers[1].input
    return keras.Model(inputs, keras.ops.concatenate(flat) if len(flat) > 1 else flat[0])


def stages(number: int, seconds: float) -> dict[str, tuple[float, float]]:
    """Milliseconds and GFLOP per batch up to the end of each stage."""
    from keras_skeleton import compiled
    from keras_skeleton.models.summary import flops

    case, whole = CASES[number], network(CASES[number])
    networks = {name: up_to(whole, ends) for name, ends in STAGES[case.model].items()}
    x, _ = case.data()
    forward = {name: compiled(one) for name, one in networks.items()}
    for one in forward.values():
        one(x)
    times: dict[str, list[float]] = {name: [] for name in forward}
    for _, (name, one) in product(range(TURNS), forward.items()):
        one(x)
        start, calls = time.perf_counter(), 0
        while time.perf_counter() < start + seconds / TURNS:
            one(x)
            calls += 1
        times[name].append((time.perf_counter() - start) / calls)
    return {
        name: (1e3 * statistics.median(times[name]), case.batch * flops(one) / 1e9)
        for name, one in networks.items()
    }


def stage_lines(case: Case, found: dict[str, tuple[float, float]], peak: float) -> list[str]:
    """Lines of the second table."""
    whole = found[list(found)[-1]][0]
    lines, before = [], (0.0, 0.0)
    for name, (end, work) in found.items():
        took, gflop = end - before[0], work - before[1]
        rate = 1e3 * gflop / took if took > 0 else 0.0
        lines.append(
            f"| {case.title} | {name} | {took:.1f} | {100 * took / whole:.0f} "
            f"| {rate:.0f} | {100 * rate / peak:.0f} |"
        )
        before = end, work
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5, help="set the time per measurement")
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        what, *words = options.measure
        measure = {"case": case, "stages": stages}
        found = measure[what](int(words[0]), float(words[1])) if words else large_product()
        print(json.dumps(found))
        return

    lines, parts = [], []
    for number, chosen in enumerate(CASES):
        peaks, speeds, shares = [], [], []
        for _ in range(options.rounds):
            peaks.append(in_own_process(__file__, "product"))
            rate, gflop = in_own_process(__file__, "case", number, options.seconds)
            speeds.append(rate * gflop)
            shares.append(100 * rate * gflop / peaks[-1])
        lines.append(
            f"| {chosen.title} | {chosen.what} | {chosen.batch} "
            f"| {cell(speeds)} | {statistics.median(peaks):.0f} | {cell(shares)} |"
        )
        print(lines[-1], file=sys.stderr, flush=True)
        if (chosen.what, chosen.batch) == ("infer", LARGEST):
            found = in_own_process(__file__, "stages", number, options.seconds)
            parts += stage_lines(chosen, found, statistics.median(peaks))
    print(machine("tensorflow", "keras"))
    print("\nMedian over the rounds (lowest to highest)\n")
    print("| network | what | batch | GFLOP/s | large product, GFLOP/s | % of it |")
    print("|---|---|---|---|---|---|")
    print("\n".join(lines))
    print(f"\nInference by stages, batches of {LARGEST}\n")
    print("| network | stage | ms per batch | % of the time | GFLOP/s | % of a large product |")
    print("|---|---|---|---|---|---|")
    print("\n".join(parts))


if __name__ == "__main__":
    main()
