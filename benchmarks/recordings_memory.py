"""Measure the memory that PKU-MMD needs: its store, its clips, and the inputs of two trainings.

    python benchmarks/recordings_memory.py [--before DIR]

Writes recordings in the format of PKU-MMD, of 4,000 frames and two bodies with 20 actions each, and
runs four stages in one process each: prepare the store; read every frame of every clip; keep the
inputs of all clips for sta_lstm (T = 300); keep the recordings as GateNet trains on them. Memory is
the largest anonymous memory of the process (RssAnon, on Linux) above that before the stage. Pages
of mapped files do not count: the system drops them when memory is needed. The slope over two
numbers of recordings is extrapolated to the 1,076 recordings and 21,545 clips of PKU-MMD.
`large_array`, which maps what takes more than 1 GB, maps from 8 MB here.

With `--before`, the package in another checkout is measured, too.
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
from measuring import machine

ROOT = Path(__file__).resolve().parents[1]
RECORDINGS, CLIPS = 1076, 21_545
COUNTS, FRAMES, ACTIONS = (6, 18), 4000, 20
STAGES = ("prepare", "clips", "inputs", "recordings")

MEASURE = """
import json, sys, threading, time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np

stage, data, cache = sys.argv[1:]

def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1e3

peak, done = 0.0, False

def watch():
    global peak
    while not done:
        peak = max(peak, anonymous())
        time.sleep(0.005)

from keras_skeleton.datasets.registry import load_dataset

load = partial(load_dataset, "pku_mmd", data, cache)
if stage != "prepare":
    import keras
    from keras_skeleton.detection import experiment
    from keras_skeleton.models.registry import MODELS
    from keras_skeleton.recipes.registry import get_recipe
    from keras_skeleton.training import inputs, pipeline
    try:
        from keras_skeleton.utils.large_arrays import large_array
    except ModuleNotFoundError:
        pass
    else:
        experiment.large_array = partial(large_array, memory=8 << 20)
        pipeline.large_array = lambda shape, memory: large_array(shape, 8 << 20)
    trimmed, whole = load(clips="trimmed"), load(clips="untrimmed")
    recipes = {"gate_b": get_recipe("gate_b", "pku_mmd", "tuned")}
    own = inputs.clip_inputs("sta_lstm", trimmed, 300, {})
    own.batch(np.arange(1))
    # Not all of Detection: there are too few recordings to hold some out.
    found = SimpleNamespace(dataset=whole, recipes=recipes)
    streams = partial(experiment.Detection.streams, found, part="gate_b")
    streams(np.arange(1))
before = anonymous()
thread = threading.Thread(target=watch)
thread.start()
if stage == "prepare":
    size = len(load(clips="trimmed"))
elif stage == "clips":
    total = sum(float(trimmed.clip(i).sum()) for i in range(len(trimmed)))
elif stage == "inputs":
    for first in range(0, len(trimmed), 32):
        own.batch(np.arange(first, min(first + 32, len(trimmed))))
else:
    kept = streams(np.arange(len(whole)))
done = True
thread.join()
print(json.dumps(max(peak, anonymous()) - before))
"""


def write(folder: Path, count: int) -> None:
    """Writes recordings whose frames repeat: their text is made once."""
    random = np.random.default_rng(0)
    block = random.normal(0, 0.5, (200, 150))
    text = "".join(" ".join(f"{v:.6f}" for v in row) + "\n" for row in block) * (FRAMES // 200)
    span = FRAMES // ACTIONS
    label = "".join(f"{k % 51 + 1},{k * span},{k * span + span // 2},2\n" for k in range(ACTIONS))
    for name in ("skeleton", "label", "split"):
        (folder / name).mkdir(parents=True)
    names = [f"{2 + k // 3:04d}-{'LMR'[k % 3]}" for k in range(count)]
    for name in names:
        (folder / "skeleton" / f"{name}.txt").write_text(text)
        (folder / "label" / f"{name}.txt").write_text(label)
    lists = names[: count // 2], names[count // 2 :]
    for name in ("cross-subject", "cross-view"):
        lines = "training:\n{}\nvalidation:\n{}\n".format(*map(", ".join, lists))
        (folder / "split" / f"{name}.txt").write_text(lines)


def measure(root: Path, stage: str, data: Path, cache: Path) -> float:
    """Megabytes of a stage, with the package in `root`."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, stage, str(data), str(cache)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "TF_CPP_MIN_LOG_LEVEL": "3"},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return float(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--before", type=Path, help="measure the package in this checkout, too")
    options = parser.parse_args()
    roots = {"now": ROOT} | ({"before": options.before.resolve()} if options.before else {})
    units = {"prepare": RECORDINGS, "recordings": RECORDINGS}
    found: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for count in COUNTS:
            data = Path(temporary, f"data{count}")
            write(data, count)
            for which, root in roots.items():
                for stage in STAGES:
                    cache = Path(temporary, f"{which}{count}")
                    value = measure(root, stage, data, cache)
                    found.setdefault((which, stage), []).append(value)
                    print(f"{which}, {stage}, {count} recordings: {value:.0f} MB", flush=True)
    print(f"\n{machine('numpy', 'tensorflow')}\n")
    print(f"Anonymous memory in MB, above that before the stage; {FRAMES} frames a recording\n")
    print(f"| stage | package | {' | '.join(f'{n} recordings' for n in COUNTS)} | PKU-MMD |")
    print("|---|---|---|---|---|")
    for stage in STAGES:
        for which in roots:
            values = found[which, stage]
            step = COUNTS[1] - COUNTS[0]
            slope = (values[1] - values[0]) / (step if stage in units else step * ACTIONS)
            full = values[0] + max(0.0, slope) * units.get(stage, CLIPS)
            cells = [f"{value:.0f}" for value in [*values, full]]
            print(f"| {stage} | {which} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
