"""What the zoo holds: `weights/zoo.json`, one entry a training, and its files with their hashes.

    weights/zoo.json                       the entries
    weights/README.md                      made from them
    weights/NAME.weights.h5                a network that recognizes
    weights/NAME/run.json, networks/, ...  one that detects, as the folder of a run

Needs neither Keras nor TensorFlow.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from keras_skeleton.datasets.store import default_cache_dir
from keras_skeleton.evaluation.run_record import upgraded
from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.files import read_json

LIST = "zoo.json"
VARIABLE = "KERAS_SKELETON_WEIGHTS"


def weights_folders() -> list[Path]:
    """Where trained weights are looked for, in this order: the checkout, `$KERAS_SKELETON_WEIGHTS`,
    the cache."""
    own = os.environ.get(VARIABLE)
    return [
        Path(__file__).resolve().parents[2] / "weights",
        *([Path(own)] if own else []),
        default_cache_dir() / "weights",
    ]


ZOO = next(
    (folder for folder in weights_folders() if (folder / LIST).is_file()), weights_folders()[-1]
)


class ZooError(UserError):
    """The zoo has no such weights, or not these; the message says what there is."""


@dataclass(frozen=True)
class Entry:
    """One training and what came of it.

    Attributes:
        name: Also its file's or folder's.
        task: `"recognition"` or `"detection"`.
        files: Path below the zoo's folder to SHA-256.
        model: Name of the model; of a detector, of what proposes intervals.
        arguments: Of `build_model`, beside skeleton, classes and frames.
        frames: T of the input, None for the model's own; of a model that reads clips at their own
            length, the most (longer clips are subsampled), None for no limit.
        preprocessing: Choices of the model's view of a clip.
        views: Sub-sequences of a clip whose mean logits count.
        batch_size: Clips at a time, where they are videos.
        skeleton, classes: What it was trained for.
        dataset, options: Where, and as read with which options.
        protocol, fold, folds: How it was split; folds count from 1.
        recipe: Its variant.
        seed: Of the run (fold k took seed + k - 1).
        command: What made the run.
        note: How to find the weights in the run, where they are not its result.
        figures: Fractions, by name. Of a recognizer: `accuracy` (of these weights, selected on
            validation clips), `accuracy_last` (of the last epoch), `best_test_accuracy` (the
            papers' convention, the best epoch on the test clips), `validation_accuracy`. Of a
            detector: mAP by method and least overlap.
        test_clips: Number of test clips (recordings, of a detector).
        versions: Of Python, TensorFlow, Keras, NumPy, pandas and this package.
        date: Of the run's start.
    """

    name: str
    task: str
    files: Mapping[str, str]
    model: str
    arguments: Mapping[str, Any]
    frames: int | None
    preprocessing: Mapping[str, Any]
    views: int
    batch_size: int
    skeleton: str
    classes: Sequence[str]
    dataset: str
    options: Mapping[str, Any]
    protocol: str
    fold: int
    folds: int
    recipe: str
    seed: int
    command: str
    figures: Mapping[str, float | None]
    test_clips: int
    versions: Mapping[str, str]
    date: str
    note: str = field(default="")

    @property
    def file(self) -> str:
        """The one file of a recognizer."""
        return next(iter(self.files))


def no_weights(folder: Path) -> str:
    """What to say where a folder has no list of weights."""
    if folder != ZOO:
        return f"{folder}: no trained weights here (no {LIST})"
    looked = ", ".join(map(str, weights_folders()))
    return (
        f"no trained weights found in {looked}; copy the folder weights/ of the project's checkout "
        f"to the last one, or name it in {VARIABLE}"
    )


def read_zoo(folder: Path = ZOO) -> list[Entry]:
    """All entries, none where there is no zoo.

    Raises:
        ZooError: A list that cannot be read.
    """
    path = folder / LIST
    if not path.is_file():
        return []
    try:
        return [
            Entry(**_upgraded(entry)) for entry in read_json(path, "a list of weights")["entries"]
        ]
    except (ValueError, TypeError, KeyError) as error:
        raise ZooError(f"{path}: not a list of weights ({error}); get it anew") from None


def _upgraded(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of any version with the names of today."""
    return {("preprocessing" if k == "read" else k): v for k, v in upgraded(entry).items()}


def find_entry(
    model: str,
    dataset: str,
    protocol: str,
    recipe: str | None = None,
    fold: int | None = None,
    folder: Path = ZOO,
    task: str = "recognition",
) -> Entry:
    """The entry for a model on a dataset's protocol; of several the best on validation clips.

    Raises:
        ZooError: There is none; what comes nearest is named, or how to train it.
    """
    entries = [e for e in read_zoo(folder) if e.task == task]
    if not entries:
        raise ZooError(no_weights(folder))
    fits = [
        e
        for e in entries
        if (e.model, e.dataset, e.protocol) == (model, dataset, protocol)
        and recipe in (None, e.recipe)
        and fold in (None, e.fold)
    ]
    if fits:
        return max(fits, key=lambda e: (e.figures.get("validation_accuracy") or 0.0, e.name))
    asked = f"'{model}' on {dataset}, {protocol}"
    asked += f", recipe '{recipe}'" if recipe else ""
    asked += f", fold {fold}" if fold else ""
    near = [e for e in entries if e.model == model and e.dataset == dataset]
    near = near or [e for e in entries if e.model == model or e.dataset == dataset]
    there = ", ".join(e.name for e in near) or "nothing for this model or dataset"
    raise ZooError(
        f"no pretrained weights for {asked}; there are: {there}. To train them, give the same "
        "command without --weights"
    )


def checked_files(entry: Entry, folder: Path = ZOO) -> list[Path]:
    """The entry's files, each compared with its SHA-256.

    Raises:
        ZooError: One that lacks, was changed, or would lie outside of the zoo.
    """
    found = []
    for name, recorded in entry.files.items():
        parts = PurePosixPath(name)
        if parts.is_absolute() or ".." in parts.parts:
            raise ZooError(f"{folder / LIST}: '{name}' lies outside of the zoo; not read")
        path = folder / name
        if not path.is_file():
            raise ZooError(f"{path}: no such file; get it again with the project's checkout")
        if sha256(path) != recorded:
            raise ZooError(
                f"{path}: not the recorded file (its SHA-256 differs); it is damaged or was "
                "changed, get it again with the project's checkout"
            )
        found.append(path)
    return found


def sha256(path: Path) -> str:
    """Of a file's bytes, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
