"""Measure the memory needed to prepare NTU RGB+D, and the time to open the store.

    python benchmarks/prepare_memory.py

Writes 2,200 `.skeleton` files of the synthetic studio (about 700 MB in the temporary folder),
prepares subsets of increasing size, each in its own process, and extrapolates the peak memory
linearly to the 56,880 files of NTU RGB+D 60.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from keras_skeleton.datasets.ntu import NTU
from keras_skeleton.datasets.synthetic import dataset as synthetic
from keras_skeleton.utils.processes import cores

FULL = 56_880

# Prints the peak resident memory in MB (of this process, and of its largest reader process), the
# seconds to prepare and to open the store, and the size of the store in bytes.
MEASURE = """
import json, resource, sys, time
from pathlib import Path
from keras_skeleton import load_dataset
if __name__ == "__main__":
    start = time.perf_counter()
    load_dataset("ntu", sys.argv[1], sys.argv[2])
    made = time.perf_counter()
    dataset = load_dataset("ntu", sys.argv[1], sys.argv[2])
    opened = time.perf_counter()
    peak = [resource.getrusage(who).ru_maxrss / 1e3
            for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    size = sum(p.stat().st_size for p in Path(dataset.info["store"]).iterdir())
    print(json.dumps({"peak": peak, "prepare": made - start, "open": opened - made,
                      "bytes": size, "clips": len(dataset)}))
"""


def measure(data: Path, cache: Path) -> dict:
    """Prepares a folder in a separate process."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(data), str(cache)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--files", type=int, default=2200)
    files = parser.parse_args().files
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        # 14 actions, 3 cameras and 2 repetitions: 84 files per subject.
        synthetic.write_skeleton_files(folder / "all", subjects=-(-files // 84))
        paths = sorted((folder / "all").rglob("*.skeleton"))[:files]
        rows = []
        for count in (files // 4, files // 2, files):
            part = folder / f"part{count}"
            part.mkdir()
            for path in paths[:count]:
                os.link(path, part / path.name)
            rows.append((count, measure(part, folder / f"cache{count}")))

    print(f"\n{cores()} cores; peak memory in MB, of the main process and of the largest reader")
    print("| files | peak, main | peak, reader | prepare, s | open, s | store, MB |")
    print("|---|---|---|---|---|---|")
    for count, m in rows:
        print(
            f"| {count} | {m['peak'][0]:.0f} | {m['peak'][1]:.0f} | {m['prepare']:.1f} "
            f"| {m['open']:.3f} | {m['bytes'] / 1e6:.0f} |"
        )
    counts = [count for count, _ in rows]
    slope, start = np.polyfit(counts, [m["peak"][0] for _, m in rows], 1)
    readers = cores() * max(m["peak"][1] for _, m in rows)
    print(
        f"\n{FULL} files, extrapolated: main process {start + max(slope, 0) * FULL:.0f} MB, "
        f"all readers at most {readers:.0f} MB"
    )
    last = rows[-1][1]
    print(f"store of {NTU.clips} clips: {last['bytes'] / last['clips'] * NTU.clips / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
