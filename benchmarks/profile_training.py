"""Profile a training step by kinds of operations.

    python benchmarks/profile_training.py [--model csta_cnn] [--rounds 3]

TensorFlow's profiler records the time of each operation of a step. The table has the shares of the
kinds of operations in their total time, measured alternately with and without oneDNN kernels
(`TF_ENABLE_ONEDNN_OPTS=0`). The cases are those of throughput.py that train with large batches: a
step with a small batch is compiled by XLA and is a single operation for TensorFlow.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from measuring import cell, in_own_process, machine
from throughput import CASES, STEPS, network

from keras_skeleton.training.trainer import FEW, Trainer

WARM, CALLS = 1, 1  # TensorFlow calls, each of up to 16 steps
ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
KERNELS = {"1": "oneDNN", "0": "TensorFlow"}
# An operation belongs to the kind of the first pattern that its name matches.
KINDS = {
    "convolutions, weight gradients": r"Conv2DBackpropFilter",
    "convolutions, input gradients": r"Conv2DBackpropInput",
    "convolutions, forward": r"Conv2D",
    "pooling, gradients": r"PoolGrad",
    "pooling, forward": r"Pool",
    "matrix products": r"MatMul|Einsum",
    "random numbers": r"Random",
    "element-wise": (
        r"^(Mul|Add|AddV2|AddN|Sub|RealDiv|Square|SquaredDifference|Select|SelectV2|Greater|Greater"
        r"Equal|Equal|Maximum|Minimum|Sqrt|Rsqrt|Neg|Exp|Tanh|TanhGrad|Sigmoid|SigmoidGrad|Relu"
        r"|ReluGrad|_UnaryOpsComposition|Cast|Softmax)$"
    ),
    "reductions": r"^(Sum|Mean|Max|Prod|BiasAddGrad)$",
    "optimizer updates": r"VariableOp$",
    "copies": r"",
}
# Their time is that of the operations they call.
CALLERS = {"While", "If", "PartitionedCall", "StatefulPartitionedCall"}
OPERATION = re.compile(r"^[\w./-]+:(?:_MklNative|_Mkl)?(\w+)$")  # Mkl: operations of oneDNN


def kind(operation: str) -> str:
    """The kind of an operation."""
    return next(name for name, pattern in KINDS.items() if re.search(pattern, operation))


def operations(folder: Path) -> Iterator[tuple[str, float]]:
    """Yields the name and seconds of each profiled operation."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    (path,) = folder.rglob("*.xplane.pb")
    for plane in xplane_pb2.XSpace.FromString(path.read_bytes()).planes:
        names = {key: value.name for key, value in plane.event_metadata.items()}
        for line in plane.lines:
            for event in line.events:
                found = OPERATION.match(names[event.metadata_id])
                if found and found[1] not in CALLERS:
                    yield found[1], event.duration_ps / 1e12


def step(number: int) -> tuple[float, dict[str, float]]:
    """Wall-clock seconds per step, and total seconds by kind of operation."""
    import tensorflow as tf

    case = CASES[number]
    trainer = Trainer(lambda: network(case), case.recipe, [STEPS * case.batch])
    untuned = tf.data.Options()  # as in our pipeline: with autotuning, the last step may be delayed
    untuned.autotune.enabled = False
    data = tf.data.Dataset.from_tensors(case.data()).repeat().with_options(untuned)

    def fit(calls: int) -> None:
        steps = calls * trainer.steps_per_execution
        trainer.training_model.fit(data, steps_per_epoch=steps, verbose=0)

    fit(WARM)
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            start = time.perf_counter()
            fit(CALLS)
            took = time.perf_counter() - start
        sums: Counter[str] = Counter()
        for operation, seconds in operations(Path(folder)):
            sums[kind(operation)] += seconds
    return took / (CALLS * trainer.steps_per_execution), sums


def main() -> None:
    large = [n for n, case in enumerate(CASES) if case.what == "train" and case.batch > FEW]
    models = [CASES[n].model for n in large]
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--model", action="append", choices=models)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(step(int(options.measure))))
        return

    lines = []
    for number in large:
        case = CASES[number]
        if case.model not in (options.model or models):
            continue
        found: dict[str, list[tuple[float, dict[str, float]]]] = {choice: [] for choice in KERNELS}
        for _, choice in product(range(options.rounds), KERNELS):
            os.environ[ONEDNN] = choice
            found[choice].append(in_own_process(__file__, number))
        title = f"{case.title}, {case.batch}"
        clocks = [cell([1e3 * took for took, _ in rounds]) for rounds in found.values()]
        lines.append(f"| {title} | **milliseconds per step** | {' | '.join(clocks)} |")
        for name in KINDS:
            shares = [
                100
                * statistics.median(sums.get(name, 0) / sum(sums.values()) for _, sums in rounds)
                for rounds in found.values()
            ]
            if max(shares) >= 0.5:
                cells = " | ".join(f"{share:.0f}" for share in shares)
                lines.append(f"| {title} | {name}, % | {cells} |")
    print(f"{machine('tensorflow', 'keras')}\n")
    print("Medians over the rounds (lowest to highest); % of the operations' time\n")
    print(f"| network, batch | operations | {' | '.join(KERNELS.values())} |\n|---|---|---|---|")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
