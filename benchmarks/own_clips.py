"""Measure how the time to read a folder of one's own clips grows with their number.

    python benchmarks/own_clips.py

Writes folders of 2,000 and 20,000 small clips (40 frames, one file each) with labels.csv, prepares
them alternately, each time in its own process, and opens the stores again. The last lines are the
ratios of the times per round; 10 is proportional growth. Measured besides are 20 recordings with as
many segments in total, and as many classes as clips.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from measuring import cell, in_own_process, machine, ratios

KINDS = ("files", "segments", "classes")


def write(folder: Path, count: int, kind: str) -> None:
    """Writes `count` clips of 20 subjects; of 20 classes, or each of its own."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    clip = rng.normal(0, 0.3, (40, 25, 3)).astype(np.float32)
    (folder / "skeleton.toml").write_text('skeleton = "kinect_v2"\n')
    lines = ["file,label,subject,start,end" if kind == "segments" else "file,label,subject"]
    if kind == "segments":
        for person in range(20):
            np.save(folder / f"s{person}.npy", np.tile(clip, (count // 80, 1, 1)))
        for i in range(count):
            start = 10 * (i // 20)
            lines.append(f"s{i % 20}.npy,c{i // 20 % 20},s{i % 20},{start},{start + 10}")
    else:
        classes = 20 if kind == "files" else count
        for i in range(count):
            name = f"s{i % 20}/{i:06}.npy"
            (folder / name).parent.mkdir(exist_ok=True)
            np.save(folder / name, clip)
            lines.append(f"{name},c{i % classes},s{i % 20}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")


def measure(folder: str, cache: str) -> dict[str, float]:
    """Seconds to prepare and split the clips of a folder, and to open the store again."""
    from keras_skeleton.datasets.folder import FOLDER
    from keras_skeleton.datasets.source import load

    start = time.perf_counter()
    dataset = load(FOLDER, folder, cache)
    made = time.perf_counter()
    list(dataset.folds("folds"))
    split = time.perf_counter()
    load(FOLDER, folder, cache)
    opened = time.perf_counter()
    return {"prepare": made - start, "split": split - made, "open": opened - split}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--clips", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", nargs=2, metavar=("FOLDER", "CACHE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        import json

        print(json.dumps(measure(*args.measure)))
        return
    print(machine("numpy", "pandas"))
    counts = (args.clips // 10, args.clips)
    for kind in KINDS:
        with TemporaryDirectory() as temporary:
            times: dict[int, list[dict[str, float]]] = {count: [] for count in counts}
            for count in counts:
                write(Path(temporary, str(count)), count, kind)
            for number in range(args.rounds):
                for count in counts:
                    cache = Path(temporary, f"cache{count}_{number}")
                    found = in_own_process(__file__, Path(temporary, str(count)), cache)
                    times[count].append(found)
        for what in ("prepare", "split", "open"):
            small, large = ([t[what] for t in times[count]] for count in counts)
            print(
                f"{kind}, {what}: {counts[0]} in {cell(small, 2)} s, {counts[1]} in "
                f"{cell(large, 2)} s, ratio {ratios(large, small, 1)}"
            )


if __name__ == "__main__":
    main()
