"""Measure the speed of reading NTU RGB+D `.skeleton` files, and the size of their store.

    python benchmarks/read_ntu.py --data-dir PATH     with the dataset, or a part of it
    python benchmarks/read_ntu.py                     with generated files of 300 kB

Measurements of one run:

    parse     parsing on one core, compared with two plain readers. Each file is parsed by all
              readers alternately, so that other load affects all of them; medians are reported.
              `lines` converts three words of each line to numbers. `dictionaries` converts every
              word to a number and stores the 12 numbers of each joint in a dictionary, before
              collecting the positions. This is the approach of public preparation scripts for this
              dataset (MMAction2, ST-GCN), reimplemented here
    profile   the steps of `parse_skeleton`, by Python's profiler
    prepare   preparing a store, with one process and with one per core. Small datasets are read
              several times (from the page cache)
    store     bytes per clip, and the size of 56,578 clips of that length
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from measuring import machine

from keras_skeleton.datasets import ntu
from keras_skeleton.datasets.formats.ntu_text import parse_skeleton
from keras_skeleton.datasets.store import StoreWriter

KILOBYTES = 300  # times are scaled to this file size
GOAL, TIMES = 0.45, 10  # goals: ms per file of that size, and speed-up over `dictionaries`
FRAMES = 107  # frames of a file of one person of about 300 kB
BODY = (
    "tracking_id", "clipped_edges", "left_confidence", "left_state", "right_confidence",
    "right_state", "restricted", "lean_x", "lean_y", "tracking",
)  # fmt: skip
JOINT = (
    "x", "y", "z", "depth_x", "depth_y", "color_x", "color_y", "w", "turn_x", "turn_y", "turn_z",
)  # fmt: skip


def plain_reader(data: bytes) -> list[list[tuple[int, np.ndarray]]]:
    """A straightforward reader: splits each line and converts three words by float()."""
    lines = iter(data.decode("ascii").splitlines())
    frames = []
    for _ in range(int(next(lines))):
        bodies = []
        for _ in range(int(next(lines))):
            tracking_id = int(next(lines).split()[0])
            joints = np.zeros((int(next(lines)), 3), np.float32)
            for joint in joints:
                joint[:] = [float(word) for word in next(lines).split()[:3]]
            bodies.append((tracking_id, joints))
        frames.append(bodies)
    return frames


def dictionaries(data: bytes) -> np.ndarray:
    """A reader that stores every number in a dictionary first, float32 (T, M, V, 3)."""
    lines = iter(data.decode("ascii").splitlines())
    frames: list[list[dict[str, Any]]] = []
    for _ in range(int(next(lines))):
        bodies = []
        for _ in range(int(next(lines))):
            first, *words = next(lines).split()
            body: dict[str, Any] = dict(zip(BODY[1:], map(float, words), strict=True))
            body["tracking_id"] = int(first)
            body["joints"] = []
            for _ in range(int(next(lines))):
                *values, state = next(lines).split()
                joint: dict[str, float] = dict(zip(JOINT, map(float, values), strict=True))
                joint["state"] = int(state)
                body["joints"].append(joint)
            bodies.append(body)
        frames.append(bodies)
    most = max(map(len, frames))
    clip = np.zeros((len(frames), most, 25, 3), np.float32)
    for t, bodies in enumerate(frames):
        for m, body in enumerate(bodies):
            for v, joint in enumerate(body["joints"]):
                clip[t, m, v] = joint["x"], joint["y"], joint["z"]
    return clip


def generate(folder: Path, files: int, T: int = FRAMES) -> None:
    """Writes files of one person and T frames, with numbers formatted as in the dataset."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for i in range(files):
        values = rng.normal(0, 0.4, (1, 25, 12)) + rng.normal(0, 0.01, (T, 25, 12)).cumsum(axis=0)
        values[..., 2] += 3.5
        values[..., 3:7] = values[..., 3:7] * 100 + 500
        lines = [str(T)]
        for frame in values.astype(np.float32):
            lines += ["1", "72057594037931101 0 1 1 1 1 0 0.02764709 0.05745083 2", "25"]
            for joint in frame:
                words = [f"{x:.7g}".replace("e", "E") for x in joint[:11]]
                lines.append(" ".join([*words, "2"]))
        name = f"S001C{i % 3 + 1:03d}P{i // 3 % 40 + 1:03d}R001A{i % 60 + 1:03d}.skeleton"
        (folder / name).write_text("\n".join(lines) + "\n")


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


READERS: dict[str, Callable[[bytes], object]] = {
    "dictionaries": dictionaries,
    "lines": plain_reader,
    "parse_skeleton, positions": parse_skeleton,
    "parse_skeleton, positions and colour pixels": partial(parse_skeleton, columns=(0, 1, 2, 5, 6)),
}


STEPS = {  # steps of parse_skeleton with their functions in formats/ntu_text.py
    "finding tokens": "_find_tokens",
    "finding bodies": "_find_bodies",
    "converting digits": "_numbers",
}


def profile_parsing(texts: list[bytes], rounds: int) -> dict[str, float]:
    """Shares of the steps in the time of `parse_skeleton`, in percent."""
    with cProfile.Profile() as profile:
        for data in texts * rounds:
            parse_skeleton(data)
    found = pstats.Stats(profile).get_stats_profile().func_profiles
    taken = {name: row.cumtime for name, row in found.items()}
    return {step: 100 * taken[name] / taken["parse_skeleton"] for step, name in STEPS.items()}


def measure_parsing(texts: list[bytes], rounds: int) -> tuple[dict[str, list[float]], float]:
    """Milliseconds per 300 kB file of every reader, by file and round; and the mean size in kB."""
    times: dict[str, list[float]] = {name: [] for name in READERS}
    for turn in range(rounds + 1):
        for data in texts:
            for name, reader in READERS.items():
                value = seconds(partial(reader, data))
                if turn:  # the first round is a warm-up
                    times[name].append(value * 1e3 * KILOBYTES * 1e3 / len(data))
    return times, statistics.mean(len(data) for data in texts) / 1e3


def measure_preparing(
    paths: list[Path], processes: int, folder: Path
) -> tuple[float, float, float]:
    """Seconds until the first clip, clips per second after that, and store bytes per clip."""
    clips = 0
    first = start = time.perf_counter()
    with StoreWriter(folder / f"store{processes}", "kinect_v2", ntu.CLASSES) as writer:
        for clip in ntu.read_clips(paths, processes=processes):
            if clip.frames is None:
                continue
            if not clips:
                first = time.perf_counter()
            columns = ntu.parse_name(Path(clip.path).stem) or {}
            writer.add(clip.frames, name=Path(clip.path).stem, **columns)
            clips += 1
    end = time.perf_counter()
    size = sum(file.stat().st_size for file in writer.path.iterdir())
    return first - start, clips / (end - first), size / clips


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data-dir", type=Path, help="read the dataset from this folder")
    parser.add_argument("--files", type=int, default=3000, help="prepare at least N files")
    parser.add_argument("--rounds", type=int, default=15, help="parse each file N times")
    options = parser.parse_args()

    print(machine("numpy"))
    with tempfile.TemporaryDirectory() as temporary:
        root = options.data_dir
        if root is None:
            root = Path(temporary) / "generated"
            print("no --data-dir: writing 30 generated files")
            generate(root, 30)
        paths = ntu.find_files(root, 120)
        print(f"{len(paths)} files")
        texts = [path.read_bytes() for path in paths[:: max(1, len(paths) // 20)][:20]]
        times, size = measure_parsing(texts, options.rounds)
        shares = profile_parsing(texts, options.rounds)
        many = paths[: options.files]
        many = (many * -(-options.files // len(many)))[: options.files]
        prepared = {
            n: measure_preparing(many, n, Path(temporary)) for n in sorted({1, ntu.cores()})
        }

    print(f"\nparsing, one core, ms per {KILOBYTES} kB file (median; files of {size:.0f} kB):")
    print("| reader | ms | times as fast as lines | times as fast as dictionaries | goal |")
    print("|---|---|---|---|---|")

    def times_as_fast(name: str, peer: str) -> float:
        return statistics.median(b / a for a, b in zip(times[name], times[peer], strict=True))

    for name, taken in times.items():
        ms, faster = statistics.median(taken), times_as_fast(name, "dictionaries")
        goal = ""
        if READERS[name] is parse_skeleton:
            met = "met" if ms <= GOAL and faster >= TIMES else "missed"
            goal = f"{GOAL} ms, {TIMES} times as fast as dictionaries: {met}"
        print(f"| {name} | {ms:.3f} | {times_as_fast(name, 'lines'):.1f} | {faster:.1f} | {goal} |")
    print("\nparse_skeleton, positions: % of its time")
    print("| " + " | ".join(shares) + " |\n" + "|---" * len(shares) + "|")
    print("| " + " | ".join(f"{share:.0f}" for share in shares.values()) + " |")
    print(f"\npreparing {len(many)} files:")
    print("| processes | seconds to the first clip | clips per second after it | speed-up |")
    print("|---|---|---|---|")
    for n, (first, rate, _) in prepared.items():
        print(f"| {n} | {first:.2f} | {rate:.0f} | {rate / prepared[1][1]:.2f} |")
    per_clip = prepared[1][2]
    print(f"\nstore: {per_clip:,.0f} bytes per clip")
    print(f"NTU RGB+D (56,578 clips) at that length: {per_clip * ntu.NTU.clips / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
