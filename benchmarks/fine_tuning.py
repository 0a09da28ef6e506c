"""Compare fine-tuning with training from scratch on few clips of each class.

    python benchmarks/fine_tuning.py --data-dir PATH --models csta_cnn

For every case, the same command trains a network once from random weights and once from weights of
the zoo: the same training clips, epochs, optimizer and augmentation. The accuracy after the last
epoch is recorded, so no validation or test clip selects anything. Rows are appended to the output
file as they are computed, and rows that it holds are not computed again; --summary prints the
table of the documentation.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

RUN = Path(__file__).resolve().parents[1] / "run.py"
OUT = Path("results/benchmarks/fine_tuning.csv")
EPOCHS = 60
SEEDS = (0, 100, 200)
# Trained on, dataset, protocol, fold, numbers of clips of each class (UT-Kinect has eight for
# training). Where preprocessing comes from was decided on fold 1 of SBU; fold 2 has other people.
CASES = (
    ("nucla", "ut_kinect", "cs", 1, (5,)),
    ("nucla", "sbu", "5fold", 2, (5, 10, 20)),
    ("nucla", "sbu", "5fold", 1, (5, 10, 20)),
    ("ut_kinect", "nucla", "cv", 1, (5, 10, 20)),
)
WEIGHTS = {"nucla": "{}_nucla_cv", "ut_kinect": "{}_ut_kinect_cs"}
KEY = ["model", "start", "rate", "dataset", "protocol", "fold", "clips_per_class", "seed"]


def command(row: dict[str, object]) -> list[str]:
    """The command of a row, without the folders of data and results."""
    words = f"train --model {row['model']} --dataset {row['dataset']} --protocol {row['protocol']}"
    words += (
        f" --fold {row['fold']} --clips-per-class {row['clips_per_class']} --seed {row['seed']}"
    )
    words += f" --set recipe.stages=none --epochs {EPOCHS}"
    if row["start"] != "scratch":
        words += f" --init-weights {row['start']} --init-rate {row['rate']}"
    return shlex.split(words)


def rows(models: list[str], rates: list[float]) -> list[dict[str, object]]:
    """All rows, those of one seed first."""
    found = []
    for seed in SEEDS:
        for model in models:
            for source, dataset, protocol, fold, counts in CASES:
                if model.startswith("mans") and dataset == "sbu":
                    continue  # its images have no weights for single joints
                for count in counts:
                    own = {"model": model, "dataset": dataset, "protocol": protocol, "fold": fold}
                    own |= {"clips_per_class": count, "seed": seed}
                    found.append({**own, "start": "scratch", "rate": 1.0})
                    name = WEIGHTS[source].format(model)
                    found += [{**own, "start": name, "rate": rate} for rate in rates]
    return found


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation over seeds of the accuracy after the last epoch, in percent."""
    table = table.assign(accuracy=100 * table["accuracy_last"])
    table["start"] = table["start"].where(
        table["start"] == "scratch", table["start"] + ", rate " + table["rate"].astype(str)
    )
    groups = table.groupby(["dataset", "fold", "model", "clips_per_class", "start"])["accuracy"]
    return groups.agg(["mean", "std", "count"]).round(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--models", nargs="+", default=["csta_cnn", "sta_lstm", "mans9"])
    parser.add_argument("--rates", nargs="+", type=float, default=[1.0, 0.1])
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--summary", action="store_true", help="only print the table")
    args = parser.parse_args()
    table = pd.read_csv(args.out) if args.out.exists() else pd.DataFrame(columns=KEY)
    if args.summary:
        print(summary(table).to_string())
        return
    for row in rows(args.models, args.rates):
        there = (table[KEY].astype(str) == pd.Series(row)[KEY].astype(str)).all(axis=1)
        if there.any():
            continue
        words = command(row)
        with TemporaryDirectory() as folder:
            out = Path(folder) / "run"
            data = ["--data-dir", str(args.data_dir), "--out", str(out)]
            subprocess.run([sys.executable, RUN, *words, *data], check=True, capture_output=True)
            metrics = json.loads(
                (out / f"fold_{row['fold']:02d}" / "metrics.json").read_text("utf-8")
            )
        names = ("accuracy_last", "accuracy", "validation_accuracy", "seconds")
        row |= {name: metrics[name] for name in names}
        row["command"] = shlex.join(["keras-skeleton", *words])
        table = pd.concat([table, pd.DataFrame([row])], ignore_index=True)
        args.out.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(args.out, index=False)
        print(row["command"], f"{100 * metrics['accuracy_last']:.1f} %", flush=True)


if __name__ == "__main__":
    main()
