"""Measure the speed of reading NTU RGB+D `.skeleton` files, and the size of their store.

    python benchmarks/read_ntu.py --data-dir PATH     with the dataset, or a part of it
    python benchmarks/read_ntu.py                     with generated files of 300 kB

Measurements of one run:

    parse     parsing on one core, compared with two plain readers and with readers of libraries.
              The readers take turns, so that other load affects all of them. In its turn a reader
              parses 20 files one after the other, as in preparing: after another reader, caches
              hold nothing of it. Medians are reported. `lines` converts three words of each line
              to numbers. `dictionaries` converts every word to a number and stores the 12 numbers
              of each joint in a dictionary, before collecting the positions. This is the approach
              of public preparation scripts for this dataset (MMAction2, ST-GCN), reimplemented
              here. The libraries read positions only: they keep the lines of 12 values, and check
              neither counts nor order. pyarrow and fastnumbers are optional. On a processor with
              AVX-512, processes with all features of NumPy alternate with processes without AVX-512
    profile   the steps of `parse_skeleton`, by Python's profiler
    prepare   preparing a store, with one process and with one per core. Small datasets are read
              several times (from the page cache)
    store     bytes per clip, and the size of 56,578 clips of that length
"""

from __future__ import annotations

import argparse
import cProfile
import importlib
import io
import json
import os
import pstats
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pandas as pd
from measuring import in_own_process, machine
from numpy._core import _multiarray_umath as numpy_build

from keras_skeleton.datasets import ntu
from keras_skeleton.datasets.formats.ntu_text import parse_skeleton
from keras_skeleton.datasets.store import StoreWriter

KILOBYTES = 300  # times are scaled to this file size
ALL, WITHOUT = "all features", "without AVX-512"
GOALS = {ALL: 0.45, WITHOUT: 1.0}  # ms per file of that size
TIMES = 10  # goal: speed-up over `dictionaries`
TURNS = 3  # processes of each kind
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


def joint_lines(data: bytes) -> list[bytes]:
    return [line for line in data.split(b"\n") if line.count(b" ") == len(JOINT)]


def numpy_loadtxt(data: bytes) -> np.ndarray:
    return np.loadtxt(joint_lines(data), usecols=(0, 1, 2)).astype(np.float32)


def pandas_csv(data: bytes) -> np.ndarray:
    """Reads all lines as rows of 12 columns; shorter ones have no last value."""
    columns = {"names": range(12), "usecols": [0, 1, 2, 11]}
    table = pd.read_csv(io.BytesIO(data), sep=" ", engine="c", **columns).to_numpy(np.float64)
    return table[~np.isnan(table[:, 3]), :3].astype(np.float32)


def pyarrow_csv(data: bytes) -> np.ndarray:
    """Reads all lines and skips those that do not have 12 values."""
    pa, csv = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.csv")
    names = [*JOINT, "state"]
    table = csv.read_csv(
        pa.BufferReader(data),
        csv.ReadOptions(use_threads=False, column_names=names),
        csv.ParseOptions(delimiter=" ", quote_char=False, invalid_row_handler=lambda row: "skip"),
        csv.ConvertOptions(include_columns=names[:3], column_types=dict.fromkeys(JOINT, "double")),
    )
    return np.stack([column.to_numpy() for column in table.columns], 1).astype(np.float32)


def fast_float(data: bytes) -> np.ndarray:
    """Splits lines and converts words by the fast_float of the fastnumbers package."""
    words = [word for line in joint_lines(data) for word in line.decode().split(" ", 3)[:3]]
    values = importlib.import_module("fastnumbers").try_array(words, dtype=np.float64)
    return values.astype(np.float32).reshape(-1, 3)


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


OURS = "parse_skeleton, positions"
READERS: dict[str, Callable[[bytes], object]] = {
    "dictionaries": dictionaries,
    "lines": plain_reader,
    OURS: parse_skeleton,
    "parse_skeleton, positions and colour pixels": partial(parse_skeleton, columns=(0, 1, 2, 5, 6)),
}
LIBRARIES: dict[str, Callable[[bytes], np.ndarray]] = {
    "numpy.loadtxt": numpy_loadtxt,
    "pandas.read_csv": pandas_csv,
}
if find_spec("pyarrow"):
    LIBRARIES["pyarrow.csv"] = pyarrow_csv
if find_spec("fastnumbers"):
    LIBRARIES["fastnumbers"] = fast_float
READERS |= LIBRARIES


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


def sample(root: Path) -> list[bytes]:
    """The texts of 20 files."""
    paths = ntu.find_files(root, 120)
    return [path.read_bytes() for path in paths[:: max(1, len(paths) // 20)][:20]]


def features() -> list[str]:
    """The features of the processor that NumPy uses beyond its baseline."""
    used = numpy_build.__cpu_features__
    return [name for name in numpy_build.__cpu_dispatch__ if used[name]]


def measure_parsing(root: Path, rounds: int) -> dict[str, Any]:
    """NumPy's features, and milliseconds per 300 kB file of every reader, by file and round."""
    texts = sample(root)
    times: dict[str, list[float]] = {name: [] for name in READERS}
    for turn in range(rounds + 1):
        for name, reader in READERS.items():
            for data in texts:
                value = seconds(partial(reader, data))
                if turn:  # the first round is a warm-up
                    times[name].append(value * 1e3 * KILOBYTES * 1e3 / len(data))
    return {"features": features(), "times": times}


def compare_parsing(root: Path, rounds: int) -> dict[str, dict[str, Any]]:
    """The measurements with all features and without AVX-512, in alternating processes."""
    avx512 = [name for name in features() if name == "X86_V4" or name.startswith("AVX512")]
    switched_off = {ALL: "", WITHOUT: " ".join(avx512)} if avx512 else {WITHOUT: ""}
    found: dict[str, dict[str, Any]] = {}
    for _ in range(TURNS):
        for kind, names in switched_off.items():
            os.environ["NPY_DISABLE_CPU_FEATURES"] = names  # for NumPy in the new process
            measured = in_own_process(__file__, root, "--rounds", -(-rounds // TURNS))
            before = found.setdefault(kind, measured)
            if before is not measured:
                for name, taken in measured["times"].items():
                    before["times"][name] += taken
    del os.environ["NPY_DISABLE_CPU_FEATURES"]
    return found


def equal_numbers(texts: list[bytes]) -> dict[str, float]:
    """Percent of the positions that are, bit by bit, float32(float(word)), by array reader."""
    truth = [
        np.concatenate([joints for frame in plain_reader(data) for _, joints in frame])
        for data in texts
    ]
    found = {OURS: [parse_skeleton(data).values.reshape(-1, 3) for data in texts]}
    found |= {name: [reader(data) for data in texts] for name, reader in LIBRARIES.items()}
    wanted = np.concatenate(truth).view(np.uint32)
    return {
        name: 100 * float((np.concatenate(values).view(np.uint32) == wanted).mean())
        for name, values in found.items()
    }


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
    size = sum(file.stat().st_size for file in writer.version.iterdir())
    return first - start, clips / (end - first), size / clips


def times_as_fast(times: dict[str, list[float]], name: str) -> float:
    """The speed-up over `dictionaries`, the median over files and rounds."""
    pairs = zip(times[name], times["dictionaries"], strict=True)
    return statistics.median(theirs / mine for mine, theirs in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data-dir", type=Path, help="read the dataset from this folder")
    parser.add_argument("--files", type=int, default=3000, help="prepare at least N files")
    parser.add_argument("--rounds", type=int, default=15, help="parse each file N times")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure_parsing(options.measure, options.rounds)))
        return

    print(machine("numpy", "pandas", "pyarrow", "fastnumbers"))
    with tempfile.TemporaryDirectory() as temporary:
        root = options.data_dir
        if root is None:
            root = Path(temporary) / "generated"
            print("no --data-dir: writing 30 generated files")
            generate(root, 30)
        paths = ntu.find_files(root, 120)
        print(f"{len(paths)} files")
        texts = sample(root)
        size = statistics.mean(map(len, texts)) / 1e3
        measured = compare_parsing(root, options.rounds)
        equal = equal_numbers(texts)
        shares = profile_parsing(texts, options.rounds)
        many = paths[: options.files]
        many = (many * -(-options.files // len(many)))[: options.files]
        prepared = {
            n: measure_preparing(many, n, Path(temporary)) for n in sorted({1, ntu.cores()})
        }

    print(f"\nparsing, one core, ms per {KILOBYTES} kB file (median; files of {size:.0f} kB)")
    for kind, found in measured.items():
        print(f"{kind}: NumPy uses {', '.join(found['features']) or 'its baseline'}")
    print("| reader " + "".join(f"| {kind}, ms | times dictionaries " for kind in measured), end="")
    print("| numbers equal, % |\n|---|" + "---|---|" * len(measured) + "---|")
    for name in READERS:
        cells = [name]
        for found in measured.values():
            times = found["times"]
            cells += [f"{statistics.median(times[name]):.3f}", f"{times_as_fast(times, name):.1f}"]
        print("| " + " | ".join([*cells, f"{equal[name]:.6g}" if name in equal else ""]) + " |")
    for kind, found in measured.items():
        ms, faster = statistics.median(found["times"][OURS]), times_as_fast(found["times"], OURS)
        met = [("missed", "met")[ok] for ok in (ms <= GOALS[kind], faster >= TIMES)]
        print(
            f"goals of {OURS}, {kind}: {GOALS[kind]} ms: {met[0]};"
            f" {TIMES} times as fast as dictionaries: {met[1]}"
        )
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
