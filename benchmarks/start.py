"""Measure how long commands take to answer: help, wrong names, the first prediction, a page.

    python benchmarks/start.py [--before DIR] [--rounds 3] [--command 'attention page']

Each command runs in its own process, with the processor time (user and system) and the time on the
clock. Other load on the machine changes the processor time less than that on the clock; commands
use one core, but for the network. With `--before`, the package in another checkout is measured in
alternation, and the table has the ratio per round.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from measuring import cell, machine, ratios

ROOT = Path(__file__).resolve().parents[1]
TRAIN = "train --model mans9 --dataset synthetic --protocol cs"
COMMANDS = {
    "import keras_skeleton": "",
    "--help": "--help",
    "train --help": "train --help",
    "predict --help": "predict --help",
    "list": "list",
    "wrong command": "prepair",
    "wrong weights": "predict CLIP --weights nope",
    "wrong dataset": "inspect --dataset nope",
    "wrong protocol": "train --model mans9 --dataset hdm05 --protocol nope",
    "wrong setting": f"{TRAIN} --set model.nope=3",
    "wrong run": "report nope",
    "predict, mans9": "predict CLIP --weights mans9_ut_kinect_cs",
    "predict, sta_lstm": "predict CLIP --weights sta_lstm_ut_kinect_cs",
    "predict, csta_cnn": "predict CLIP --weights csta_cnn_ut_kinect_cs",
    "attention page": "attention --weights sta_lstm_synthetic_cs_tuned --out PAGE",
}


def measure(root: Path, words: list[str]) -> tuple[float, float]:
    """Processor time and time on the clock of a command, with the package in `root`."""
    command = [str(root / "run.py"), *words] if words else ["-c", "import keras_skeleton"]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, *command],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        check=False,
        capture_output=True,
    )
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent, wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--before", type=Path, help="measure the package in this checkout, too")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--command", action="append", choices=COMMANDS, help="measure only this")
    options = parser.parse_args()
    roots = {"now": ROOT} | ({"before": options.before.resolve()} if options.before else {})
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        random = np.random.default_rng(0)
        clip = random.normal(0, 0.3, (20, 3)) + np.cumsum(random.normal(0, 0.01, (60, 20, 3)), 0)
        np.save(Path(temporary, "clip.npy"), clip.astype(np.float32))
        names = {"CLIP": f"{temporary}/clip.npy", "PAGE": f"{temporary}/page.html"}
        for title, text in COMMANDS.items():
            if title not in (options.command or COMMANDS):
                continue
            words = [names.get(word, word) for word in text.split()]
            spent: dict[str, list[float]] = {which: [] for which in roots}
            wall: dict[str, list[float]] = {which: [] for which in roots}
            for which in roots:
                measure(roots[which], words)  # files are then in memory
            for _ in range(options.rounds):
                for which, root in roots.items():
                    cpu, clock = measure(root, words)
                    spent[which].append(cpu)
                    wall[which].append(clock)
            cells = [cell(spent["now"], 2), cell(wall["now"], 2)]
            if "before" in roots:
                cells += [cell(spent["before"], 2), ratios(spent["now"], spent["before"], 2)]
            rows.append(f"| {title} | {' | '.join(cells)} |")
            print(rows[-1], flush=True)
    print(f"\n{machine('tensorflow', 'keras')}\n")
    print(f"Load of the machine at the end: {os.getloadavg()[0]:.1f}\n")
    more = ["before, CPU s", "ratio of CPU s"] if "before" in roots else []
    titles = ["command", "CPU s", "clock s", *more]
    print(f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
