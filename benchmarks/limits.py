"""How near the networks come to what the processor can do.

    python benchmarks/limits.py [--rounds 3] [--seconds 5]

For each case of throughput.py: clips a second of ours, times the multiplications and additions of a
clip (`models.summary.flops`; a training step takes them three times: forwards, and backwards to
inputs and to weights), beside those a second of one large matrix product, measured in the same
round. What is left over to the product's rate are small products, memory, operations element by
element, and the start of each.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from measuring import cell, in_own_process, machine
from throughput import CASES, network, ours

SIZE, PRODUCTS = 2048, 20


def product() -> float:
    """GFLOP/s of a product of two square matrices: the best of some."""
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
    """Clips a second, and GFLOP of a clip."""
    from keras_skeleton.models.summary import flops

    times = 3 if CASES[number].what == "train" else 1
    work = times * flops(network(CASES[number])) / 1e9
    return ours(CASES[number], seconds)[0], work


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5, help="that each measurement takes")
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        what, *words = options.measure
        found = product() if what == "product" else case(int(words[0]), float(words[1]))
        print(json.dumps(found))
        return

    lines = []
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
    print(machine("tensorflow", "keras"))
    print("\nMedian over the rounds (lowest to highest)\n")
    print("| network | what | batch | GFLOP/s | of a large product | % of it |")
    print("|---|---|---|---|---|---|")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
