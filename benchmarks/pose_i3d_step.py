"""Measure the time and memory of the whole pose-driven network at full size, for one clip.

    python benchmarks/pose_i3d_step.py [--data-dir NTU] [--frames 64] [--size 224] [--rounds 3]

The network has three I3D streams on videos of the three crops, three LSTMs of 512 units on 20
frames of two skeletons, attention and a classifier. The batch is one clip: the first recording with
video and skeletons in a folder of NTU RGB+D, or random numbers without a folder. Cropping, a
forward pass, and a training step of all weights with Adam are timed; the first pass and step
(tracing) are excluded. Memory is the maximum resident size of the process.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import keras
import numpy as np
from measuring import cell

from keras_skeleton.datasets.dataset import ReadReport
from keras_skeleton.datasets.registry import load_dataset
from keras_skeleton.models.pose_i3d import pose_i3d
from keras_skeleton.models.registry import MODELS
from keras_skeleton.training.part_inputs import PartInputs, Videos
from keras_skeleton.transforms.glimpses import PARTS
from keras_skeleton.video.crops import crop_recording, find_pairs, open_crops, prepare_crops

STEPS, VALUES, CLASSES = 20, 150, 60


def seconds(work: Callable[[], object], rounds: int) -> list[float]:
    """Seconds of each round, after a warm-up round."""
    work()
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return found


def peak() -> float:
    """Maximum resident size of this process so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


Batch = dict[str, np.ndarray]


def made_up(shapes: dict[str, tuple[int, ...]]) -> Batch:
    """Random videos and a random skeleton."""
    random = np.random.default_rng(0)
    return {name: random.uniform(-1, 1, (1, *s)).astype("f") for name, s in shapes.items()}


def recorded(shapes: dict[str, tuple[int, ...]], root: Path, rounds: int) -> tuple[Batch, list]:
    """Inputs of the first recording, and the seconds of cropping it."""
    with TemporaryDirectory() as name:
        folder, size = Path(name), shapes[PARTS[0]][1]
        pair = find_pairs(root, ReadReport())[0]
        only = folder / "recording"
        only.mkdir()
        for file in pair.skeleton, pair.video:
            (only / file.name).symlink_to(file.resolve())
        spent = seconds(lambda: crop_recording(pair, folder / "again", size), rounds)
        prepare_crops(only, folder / "crops", size)
        dataset = load_dataset("ntu", only, folder / "cache")
        read = MODELS["pose_i3d"].preprocess(dataset.skeleton, coordinates="actor")
        crops = Videos(open_crops(folder / "crops"))
        (clip,) = np.flatnonzero(dataset.samples["name"] == pair.name)
        batch = PartInputs(dataset, shapes, read, crops).batch(np.array([clip]))
    joints = batch["skeleton"]  # padded to two bodies, of which one is present
    batch["skeleton"] = np.pad(joints, ((0, 0), (0, 0), (0, VALUES - joints.shape[-1])))
    return batch, spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()

    y = np.array([7])
    model = pose_i3d(
        STEPS, VALUES, CLASSES, arguments.frames, arguments.size, lambda1=1e-5, lambda2=1e-3
    )
    model.compile(
        keras.optimizers.Adam(5e-4),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    shapes = {name: tuple(tensor.shape[1:]) for name, tensor in model.input.items()}
    rows = []
    if arguments.data_dir is None:
        x = made_up(shapes)
    else:
        x, spent = recorded(shapes, arguments.data_dir, arguments.rounds)
        rows.append(("cropping the recording", spent, peak()))
    before = peak()
    rows += [("forward", seconds(lambda: model.predict_on_batch(x), arguments.rounds), peak())]
    rows.append(
        ("training step", seconds(lambda: model.train_on_batch(x, y), arguments.rounds), peak())
    )

    print(
        f"\n{arguments.frames} frames of {arguments.size} x {arguments.size}, one clip, three parts"
    )
    print(f"{model.count_params():,} parameters; {before:.1f} GB before the first pass")
    print("| | seconds per clip: median (lowest to highest) | peak memory, GB |")
    print("|---|---|---|")
    for name, found, memory in rows:
        print(f"| {name} | {cell(found, 1)} | {memory:.1f} |")


if __name__ == "__main__":
    main()
