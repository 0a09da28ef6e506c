"""What one clip costs the whole pose-driven network at full size: seconds and memory.

    python benchmarks/pose_i3d_step.py [--frames 64] [--size 224] [--rounds 3]

Three I3D streams on random videos of the three crops, three LSTMs of 512 on 20 frames of two
skeletons, attention, classifier; a batch of one clip. A forward pass, and a training step of
everything with Adam. The first of each (tracing) is left out. Memory is the largest resident size
of the process.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import keras
import numpy as np
from measuring import cell

from keras_skeleton.models.pose_i3d import pose_i3d
from keras_skeleton.transforms.glimpses import PARTS

STEPS, VALUES, CLASSES = 20, 150, 60


def seconds(work: Callable[[], object], rounds: int) -> list[float]:
    """Seconds of each round, after one that is not counted."""
    work()
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return found


def peak() -> float:
    """Largest resident size of this process so far, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()

    random = np.random.default_rng(0)
    shape = (1, arguments.frames, arguments.size, arguments.size, 3)
    x = {part: random.uniform(-1, 1, shape).astype(np.float32) for part in PARTS}
    x["skeleton"] = random.normal(size=(1, STEPS, VALUES)).astype(np.float32)
    y = np.array([7])
    model = pose_i3d(
        STEPS, VALUES, CLASSES, arguments.frames, arguments.size, lambda1=1e-5, lambda2=1e-3
    )
    model.compile(
        keras.optimizers.Adam(5e-4),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    before = peak()
    rows = [("forward", seconds(lambda: model.predict_on_batch(x), arguments.rounds), peak())]
    rows.append(
        ("training step", seconds(lambda: model.train_on_batch(x, y), arguments.rounds), peak())
    )

    print(
        f"\n{arguments.frames} frames of {arguments.size} x {arguments.size}, one clip, three parts"
    )
    print(f"{model.count_params():,} parameters; {before:.1f} GB before the first pass")
    print("| | seconds a clip: median (lowest to highest) | peak memory, GB |")
    print("|---|---|---|")
    for name, found, memory in rows:
        print(f"| {name} | {cell(found, 1)} | {memory:.1f} |")


if __name__ == "__main__":
    main()
