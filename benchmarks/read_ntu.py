"""How fast NTU RGB+D `.skeleton` files are read, and how large their store becomes.

    python benchmarks/read_ntu.py --data-dir PATH     the release, or a part of it
    python benchmarks/read_ntu.py                     on generated files of 300 kB

Three measurements, in one run:
    parse     text to arrays, one core, beside a plain reader that goes line by line. Each file is
              parsed by both in turn, so that a busy machine slows both; medians count
    prepare   files to a store on disk, by one process and by one a core. Small sets are read
              several times over (from the system's cache, then)
    store     bytes a clip, and what 56,578 clips of that length take
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from measuring import machine

from keras_skeleton.datasets import ntu
from keras_skeleton.datasets.formats.ntu_text import parse_skeleton
from keras_skeleton.datasets.store import StoreWriter

KILOBYTES = 300  # the size of file that times are given for


def plain_reader(data: bytes) -> list[list[tuple[int, np.ndarray]]]:
    """The straightforward way: a line, its words, float() of three of them."""
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


def generate(folder: Path, files: int) -> None:
    """Writes files of one person and about 300 kB, with numbers as the Kinect writes them."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for i in range(files):
        T = 107
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


def measure_parsing(paths: list[Path], rounds: int) -> tuple[float, float, float, float]:
    """Median ms a 300 kB file, of parsing, parsing with pixels and the plain reader; mean kB."""
    texts = [path.read_bytes() for path in paths[:: max(1, len(paths) // 20)][:20]]
    readers: list[Callable[[bytes], object]] = [
        parse_skeleton,
        lambda data: parse_skeleton(data, (0, 1, 2, 5, 6)),
        plain_reader,
    ]
    times: list[list[float]] = [[] for _ in readers]
    for turn in range(rounds + 1):
        for data in texts:
            for reader, taken in zip(readers, times, strict=True):
                value = seconds(lambda reader=reader, data=data: reader(data))  # type: ignore[misc]
                if turn:  # the first is a warm-up
                    taken.append(value * 1e3 * KILOBYTES * 1e3 / len(data))
    ours, pixels, plain = (statistics.median(taken) for taken in times)
    return ours, pixels, plain, statistics.mean(len(data) for data in texts) / 1e3


def measure_preparing(
    paths: list[Path], processes: int, folder: Path
) -> tuple[float, float, float]:
    """Seconds until the first clip, clips a second from then on, and store bytes a clip."""
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
    parser.add_argument("--data-dir", type=Path, help="folder of the release")
    parser.add_argument("--files", type=int, default=3000, help="files to prepare (at least)")
    parser.add_argument("--rounds", type=int, default=15, help="times that each file is parsed")
    options = parser.parse_args()

    print(machine("numpy"))
    with tempfile.TemporaryDirectory() as temporary:
        root = options.data_dir
        if root is None:
            root = Path(temporary) / "generated"
            print("no --data-dir: writing 30 generated files")
            generate(root, 30)
        paths = ntu.NTU120.find(root)
        print(f"{len(paths)} files in {root}")
        ours, pixels, plain, size = measure_parsing(paths, options.rounds)
        many = paths[: options.files]
        many = (many * -(-options.files // len(many)))[: options.files]
        prepared = {
            n: measure_preparing(many, n, Path(temporary)) for n in sorted({1, ntu.cores()})
        }

    print(f"\nparsing, one core, ms a {KILOBYTES} kB file (median; files of {size:.0f} kB):")
    print("| reader | ms | times as fast |")
    print("|---|---|---|")
    print(f"| line by line | {plain:.2f} | 1 |")
    print(f"| parse_skeleton, positions | {ours:.3f} | {plain / ours:.1f} |")
    print(f"| parse_skeleton, positions and colour pixels | {pixels:.3f} | {plain / pixels:.1f} |")
    print(f"\npreparing {len(many)} files:")
    print("| processes | seconds to the first clip | clips a second after it | times as fast |")
    print("|---|---|---|---|")
    for n, (first, rate, _) in prepared.items():
        print(f"| {n} | {first:.2f} | {rate:.0f} | {rate / prepared[1][1]:.2f} |")
    per_clip = prepared[1][2]
    print(f"\nstore: {per_clip:,.0f} bytes a clip")
    print(f"NTU RGB+D (56,578 clips) at that length: {per_clip * ntu.NTU.clips / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
