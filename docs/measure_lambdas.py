"""Stores the attention of the trainings of `sta7`, which Figs. 8 and 9 of STA-LSTM show.

`python docs/measure_lambdas.py --runs runs/reproduce`, after
`keras-skeleton reproduce --table sta7 --train-on all`, writes to `results/attention/sta7`:

    joints.csv   lambda 1, body, joint, attention: mean over frames and test clips (SA-LSTM)
    frames.csv   lambda 2, frame, attention: mean over the test clips of one class, resized to their
                 mean length (TA-LSTM)
    about.json   dataset, protocol, class, seed, number of clips, and the command of each training
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from keras_skeleton.dataset_recognizer import DatasetRecognizer
from keras_skeleton.datasets.registry import load_dataset
from keras_skeleton.evaluation.run_record import ALL_CLIPS
from keras_skeleton.reproduction.tables import Training, read_tables
from keras_skeleton.utils.files import read_json, write_json
from keras_skeleton.viz.attention_plots import mean_attention
from keras_skeleton.zoo.load import on_dataset
from keras_skeleton.zoo.recognizers import load_recognizer

OUT = Path(__file__).resolve().parents[1] / "results" / "attention" / "sta7"
DATASET, CLASS = "synthetic", "answer_phone"  # the paper: NTU RGB+D, drinking water


def trained(runs: Path, model: str, seed: int) -> Iterator[tuple[float, DatasetRecognizer, str]]:
    """The trainings of one network that are there: weight of the penalty, network, command."""
    (table,) = read_tables(["sta7"])
    dataset = load_dataset(DATASET)
    for training in table.trainings:
        folder = runs / f"{training.name}_seed{seed}"
        if _wanted(training, model) and folder.is_dir():
            network = on_dataset(load_recognizer(folder), dataset)
            yield training.settings[0][1], network, read_json(folder / "run.json", "run")["command"]


def _wanted(training: Training, model: str) -> bool:
    of = (training.model, training.dataset, training.train_on)
    return of == (model, DATASET, ALL_CLIPS)


def main() -> None:
    """Writes the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, default=Path("runs/reproduce"), help="run folders")
    parser.add_argument("--seed", type=int, default=0, help="seed of the runs (default 0)")
    args = parser.parse_args()
    joints: list[pd.DataFrame] = []
    frames: list[pd.DataFrame] = []
    about: dict[str, Any] = {"dataset": DATASET, "class": CLASS, "seed": args.seed}
    commands = about["commands"] = []
    for weight, network, command in trained(args.runs, "sa_lstm", args.seed):
        maps = [found["joints"] for found in network.attention(network.test)]
        mean = np.mean([own.mean(axis=0) for own in maps], axis=0)
        names = network.dataset.skeleton.joints
        bodies = len(mean) // len(names)
        rows = {"lambda1": weight, "body": np.repeat(np.arange(bodies) + 1, len(names))}
        joints.append(pd.DataFrame({**rows, "joint": list(names) * bodies, "attention": mean}))
        about["clips"] = len(maps)
        commands.append(command)
    for weight, network, command in trained(args.runs, "ta_lstm", args.seed):
        clips = network.test_clips(CLASS)
        mean = mean_attention([found["frames"] for found in network.attention(clips)])
        rows = {"lambda2": weight, "frame": np.arange(len(mean)), "attention": mean}
        frames.append(pd.DataFrame(rows))
        about["clips_of_the_class"] = len(clips)
        commands.append(command)
    if not joints or not frames:
        parser.error(f"{args.runs} lacks the runs of `reproduce --table sta7 --train-on all`")
    OUT.mkdir(parents=True, exist_ok=True)
    pd.concat(joints).to_csv(OUT / "joints.csv", index=False, float_format="%.5f")
    pd.concat(frames).to_csv(OUT / "frames.csv", index=False, float_format="%.5f")
    write_json(OUT / "about.json", about)


if __name__ == "__main__":
    main()
