"""Tables of the zoo for the console and for `weights/README.md`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from keras_skeleton.evaluation.page import ALL, BEST, LAST, SELECTED
from keras_skeleton.evaluation.run_record import ALL_CLIPS, PART
from keras_skeleton.utils.files import write_json, write_text
from keras_skeleton.utils.text import markdown_table, percent
from keras_skeleton.zoo.card import FOLDER, write_cards
from keras_skeleton.zoo.entries import LIST, ZOO, Entry, ZooError, checked_files

# Datasets of the papers that are available on request only, with protocols and models.
WANTED = {
    "ntu": (
        ("cs", "cv"),
        ("mans9", "lstm", "sa_lstm", "ta_lstm", "sta_lstm", "csta_cnn", "pose_i3d"),
    ),
    "pku_mmd": (("cs", "cv"), ("tap_lstm",)),
}
COLUMNS = {"accuracy_last": LAST, "best_test_accuracy": BEST}


def recognizers(entries: Sequence[Entry], folder: Path = ZOO) -> pd.DataFrame:
    """A table with one row per recognition network."""
    names = {PART: SELECTED, ALL_CLIPS: ALL}
    used = [own for own in reversed(names) if any(e.train_on == own for e in entries)]
    return pd.DataFrame(
        [
            {
                "name": e.name,
                "model": e.model,
                "dataset, protocol": f"{e.dataset}, {e.protocol}",
                "fold": f"{e.fold} of {e.folds}",
                "recipe": e.recipe,
                **{
                    names[own]: percent(
                        e.figures.get("accuracy") if e.train_on == own else None, unit=""
                    )
                    for own in used
                },
                **{title: percent(e.figures.get(key), unit="") for key, title in COLUMNS.items()},
                "test clips": e.test_clips,
                "MB": f"{size(e, folder) / 1e6:.1f}",
            }
            for e in entries
            if e.task == "recognition"
        ]
    )


def detectors(entries: Sequence[Entry], folder: Path = ZOO) -> pd.DataFrame:
    """A table with one row per detector and method: mAP in percent by overlap threshold."""
    return pd.DataFrame(
        [
            {
                "name": e.name,
                "dataset, protocol": f"{e.dataset}, {e.protocol}",
                "fold": f"{e.fold} of {e.folds}",
                "method": method,
                **{
                    f"mAP at {title.partition(' at ')[2]}": percent(value, unit="")
                    for title, value in e.figures.items()
                    if title.partition(" at ")[0] == method
                },
                "test recordings": e.test_clips,
                "MB": f"{size(e, folder) / 1e6:.1f}",
            }
            for e in entries
            if e.task == "detection"
            for method in dict.fromkeys(title.partition(" at ")[0] for title in e.figures)
        ]
    ).fillna("-")


def size(entry: Entry, folder: Path = ZOO) -> int:
    """Total size of an entry's files in bytes."""
    return sum((folder / name).stat().st_size for name in entry.files if (folder / name).exists())


def absent(entries: Sequence[Entry]) -> list[str]:
    """Commands that train the networks of `WANTED` that are not in the zoo."""
    there = {(e.model, e.dataset, e.protocol) for e in entries}
    lines = []
    for dataset, (protocols, models) in WANTED.items():
        for model in models:
            lacking = [p for p in protocols if (model, dataset, p) not in there]
            for protocol in lacking:
                lines.append(command_for(model, dataset, protocol))
    return lines


def command_for(model: str, dataset: str, protocol: str) -> str:
    """The command that trains a model on a dataset."""
    start = "python run.py detect" if model == "tap_lstm" else f"python run.py --model {model}"
    end = " --crops FOLDER" if model == "pose_i3d" else ""
    return f"{start} --dataset {dataset} --protocol {protocol} --data-dir PATH{end}"


def listing(entries: Sequence[Entry], folder: Path = ZOO) -> str:
    """The text printed by `keras-skeleton zoo`."""
    parts = []
    for table in (recognizers(entries, folder), detectors(entries, folder)):
        if len(table):
            parts.append(table.to_string(index=False))
    damaged = []
    for entry in entries:
        try:
            checked_files(entry, folder)
        except ZooError as error:
            damaged.append(str(error))
    parts.append(
        "\n".join(damaged) if damaged else f"{len(entries)} entries; all files match their SHA-256"
    )
    return "\n\n".join(parts)


def markdown(table: pd.DataFrame) -> str:
    """Formats a table of text as Markdown."""
    return markdown_table(list(table.columns), table.astype(str).to_numpy().tolist())


def readme(entries: Sequence[Entry], folder: Path = ZOO) -> str:
    """The content of `weights/README.md`."""
    found = recognizers(entries, folder).assign(
        name=[f"`{e.name}`" for e in entries if e.task == "recognition"]
    )
    parts = [
        "# Pretrained weights",
        "Generated from `zoo.json` by `python run.py zoo --add RUN_DIR`; do not edit. Accuracies "
        "are in percent, on the test clips of the fold: of these weights (the epoch selected on "
        "validation clips; of networks trained on all clips, the mean over the last epochs), after "
        "the last epoch, and of the best epoch on test clips (the papers' convention, which is "
        "biased upwards). `zoo.json` has the SHA-256 of every file, the "
        "network's arguments, classes, seed, versions and training command. These are separate "
        "trainings: `results/` may have other numbers for the same configuration, since other "
        "processors round sums in a different order, which has the effect of another seed. "
        f"`{FOLDER}/NAME.md` is the card of a network: its uses, training data, figures and "
        "limits.",
        "```sh\n"
        "python run.py zoo                                    # list entries, verify checksums\n"
        "python run.py zoo --check --data-dir PATH            # verify the accuracy of entries\n"
        "python run.py --model mans9 --dataset ut_kinect --protocol cs --data-dir PATH "
        "--weights pretrained\n```",
    ]
    if len(found):
        parts += ["## Recognition", markdown(found)]
    detecting = detectors(entries, folder)
    if len(detecting):
        parts += [
            "## Detection",
            "TAP-LSTM and its classifier, and GateNet, our own detector: mAP in percent by the "
            "paper's rule, by minimum overlap with the annotated action.",
            markdown(detecting.assign(name=[f"`{name}`" for name in detecting["name"]])),
            "```sh\npython run.py detect --weights weights/NAME --stream RECORDING\n```",
        ]
    if notes := [f"- `{e.name}`: {e.note}" for e in entries if e.note]:
        parts += ["## Notes", "\n".join(notes)]
    parts += ["## Commands", "\n".join(f"- `{e.name}`: `{e.command}`" for e in entries)]
    if lacking := absent(entries):
        parts += [
            "## Missing weights",
            "NTU RGB+D and PKU-MMD are available on request only and were not available for these "
            "trainings. If you have the data, train with these commands and add the runs with "
            "`python run.py zoo --add`:",
            "```sh\n" + "\n".join(lacking) + "\n```",
        ]
    return "\n\n".join(parts) + "\n"


def write_zoo(entries: Sequence[Entry], folder: Path = ZOO) -> None:
    """Writes `zoo.json`, sorted by name, `README.md` and the cards."""
    ordered = sorted(entries, key=lambda entry: entry.name)
    write_json(folder / LIST, {"entries": [_written(entry) for entry in ordered]})
    write_text(folder / "README.md", readme(ordered, folder))
    write_cards(ordered, folder)


def _written(entry: Entry) -> dict[str, Any]:
    """The entry in `zoo.json`; `train_on` only if it is not the default."""
    content = asdict(entry)
    if entry.train_on == PART:
        del content["train_on"]
    return content
