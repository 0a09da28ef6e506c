"""What detection costs: a stream of an hour, and the scoring of ten thousand detections.

    python benchmarks/detect_stream.py [--minutes 6 60] [--rounds 3]

The stream is made by the synthetic studio (one person, 20 actions in 3 to 4 minutes, over and
over), lies in a file on disk, and is read piece by piece, as a prepared dataset is. Networks have
the paper's sizes and random weights, and read poses as Shahroudy et al. do. Three steps, each for
streams of several lengths: the attention curve (TAP-LSTM forwards, and both ways), proposals from
it, and the classification of nine candidates each by STA-LSTM; as many proposals as there are
actions. For every length a process of its own, whose largest resident size is its memory: what the
longest takes beyond the shortest is what length costs.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pandas as pd
from measuring import cell

FPS = 30


def stream(folder: Path, minutes: int) -> tuple[Path, list[tuple[int, int]]]:
    """Writes the stream's rows (T, 25, 3); returns the file and the actions' intervals."""
    from keras_skeleton.datasets.synthetic.dataset import ACTIONS, PAUSE, untrimmed

    path, total, spans = folder / "rows.npy", minutes * 60 * FPS, []
    rows = np.lib.format.open_memmap(path, "w+", np.float32, (total, 25, 3))
    done, take = 0, 0
    while done < total:
        take += 1
        piece = untrimmed(0, 1 + take % 9, take, 1, ACTIONS, PAUSE)
        joints = piece.joints[: total - done, 0]
        rows[done : done + len(joints)] = joints
        spans += [(done + a.start, done + a.end) for a in piece.actions if a.end <= len(joints)]
        done += len(joints)
    rows.flush()
    return path, spans


def measure(path: Path, spans: list[tuple[int, int]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each step, and this process' largest resident size in GB."""
    import keras

    from keras_skeleton.datasets.dataset import SAMPLE_COLUMNS, SkeletonDataset
    from keras_skeleton.detection.curve import along, gates_of
    from keras_skeleton.detection.proposals import multiscale, propose, smooth
    from keras_skeleton.detection.streams import classifier_of, frames_of
    from keras_skeleton.models.registry import build_model
    from keras_skeleton.skeletons import KINECT_V2

    rows = np.load(path, mmap_mode="r")
    sample = dict.fromkeys(SAMPLE_COLUMNS, 0) | {"name": "s", "frames": len(rows), "bodies": 1}
    dataset = SkeletonDataset(
        "stream", KINECT_V2, ("none",), rows, pd.DataFrame([sample]), protocols={}
    )
    keras.utils.set_random_seed(0)
    choices = {"coordinates": "actor"}
    frames = frames_of(dataset, 0, "tap_lstm", choices)
    sizes = {"bodies": 1}
    networks = {
        "curve, forwards": build_model("tap_lstm", classes=51, **sizes),
        "curve, both ways": build_model("tap_lstm", classes=51, bidirectional=True, **sizes),
    }
    classify = classifier_of(
        dataset, 0, build_model("sta_lstm", classes=52, **sizes), "sta_lstm", choices, 300
    )
    found = multiscale(np.array(spans), len(rows))
    curve = np.zeros(len(rows))
    for start, end in spans:
        curve[start:end] = 1.0
    steps = {
        name: partial(along, gates_of(network), frames, len(rows))
        for name, network in networks.items()
    } | {
        "proposals": lambda: multiscale(propose(smooth(curve), 0.1), len(rows)),
        "classification": lambda: classify(found),
    }
    spent: dict[str, list[float]] = {}
    for name, step in steps.items():
        step()  # traces
        for _ in range(rounds):
            start_time = time.perf_counter()
            step()
            spent.setdefault(name, []).append(time.perf_counter() - start_time)
    spent["memory"] = [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6]
    return spent


def scoring(rounds: int) -> list[float]:
    """Seconds that `evaluate` takes for 10,000 detections, all measures, of 51 classes."""
    from keras_skeleton.detection.scoring import evaluate

    random = np.random.default_rng(0)

    def intervals(n: int) -> pd.DataFrame:
        start = random.integers(0, 5000, n)
        return pd.DataFrame(
            {
                "video": random.integers(0, 132, n).astype(str),
                "label": random.integers(0, 51, n),
                "start": start,
                "end": start + random.integers(20, 200, n),
            }
        )

    truth, found = intervals(2640), intervals(10_000)
    found["score"] = random.uniform(size=len(found))
    spent = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        evaluate(found, truth)
        spent.append(time.perf_counter() - start)
    return spent[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=int, nargs="+", default=[6, 60])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one is not None:
        path, spans = json.loads(args.one.read_text())
        print(json.dumps(measure(Path(path), spans, args.rounds)))
        return
    found = {}
    with TemporaryDirectory() as name:
        for minutes in args.minutes:
            order = Path(name) / f"{minutes}.json"
            path, spans = stream(Path(name), minutes)
            order.write_text(json.dumps([str(path), spans]))
            words = [sys.executable, __file__, "--one", str(order), "--rounds", str(args.rounds)]
            done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
            found[minutes] = json.loads(done.stdout.splitlines()[-1])
            path.unlink()
    print(f"{'':<28}" + "".join(f"{f'{m} min':>20}" for m in found))
    steps = [step for step in found[args.minutes[0]] if step != "memory"]
    for step in steps:
        print(
            f"{step + ', s':<28}" + "".join(f"{cell(own[step], 2):>20}" for own in found.values())
        )
    for way in ("forwards", "both ways"):
        cells = ""
        for minutes, own in found.items():
            parts = (f"curve, {way}", "proposals", "classification")
            cells += f"{60 * minutes / sum(float(np.median(own[p])) for p in parts):>20.0f}"
        print(f"{'times real time, ' + way:<28}{cells}")
    memory = "".join(f"{own['memory'][0]:>20.2f}" for own in found.values())
    print(f"{'largest resident size, GB':<28}{memory}")
    print(f"scoring 10,000 detections: {cell(scoring(args.rounds), 2)} s")


if __name__ == "__main__":
    main()
