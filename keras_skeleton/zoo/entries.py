"""Entries of the zoo: `weights/zoo.json` with one entry per trained network, and its files.

    weights/zoo.json                       the entries, with checksums of all files
    weights/README.md                      generated from the entries
    weights/NAME.weights.h5                weights of a recognition network
    weights/NAME/run.json, networks/, ...  a detector, in the layout of a run folder

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
from keras_skeleton.evaluation.run_record import PART, upgraded
from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.files import read_json

LIST = "zoo.json"
VARIABLE = "KERAS_SKELETON_WEIGHTS"


def weights_folders() -> list[Path]:
    """Folders that are searched for pretrained weights, in order: the checkout that the package is
    in, the current folder and its parent (for notebooks) if they are one,
    `$KERAS_SKELETON_WEIGHTS`, and the cache."""
    own = os.environ.get(VARIABLE)
    here = [folder / "weights" for folder in (Path.cwd(), Path.cwd().parent)]
    return [
        Path(__file__).resolve().parents[2] / "weights",
        *(folder for folder in here if (folder / LIST).is_file()),
        *([Path(own)] if own else []),
        default_cache_dir() / "weights",
    ]


ZOO = next(
    (folder for folder in weights_folders() if (folder / LIST).is_file()), weights_folders()[-1]
)


class ZooError(UserError):
    """Raised if pretrained weights do not exist, do not fit, or are damaged."""


@dataclass(frozen=True)
class Entry:
    """A trained network of the zoo.

    Attributes:
        name: Name of the entry and of its file or folder.
        task: `"recognition"` or `"detection"`.
        files: SHA-256 by path relative to the zoo's folder.
        model: Model name; for a detector, that of the proposal network.
        arguments: Arguments of `build_model` other than skeleton, classes and frames.
        frames: Number of input frames T; None for the model's default. For models that process
            clips at their original length, the maximum (longer clips are subsampled); None for no
            limit.
        preprocessing: Preprocessing options of the model.
        views: Number of views per clip over which logits are averaged.
        batch_size: Batch size for video inputs.
        skeleton: Name of the skeleton.
        classes: Class names.
        dataset: Name of the dataset.
        options: Reader options of the dataset.
        protocol: Name of the protocol.
        fold: Fold number, counted from 1.
        folds: Number of folds.
        recipe: Name of the recipe.
        seed: Seed of the run (fold k used seed + k - 1).
        command: Command line of the run.
        note: Remark, for example if the weights are those of a stage of the run.
        figures: Scores by name, as fractions. For recognition: `accuracy` (these weights, selected
            on validation clips), `accuracy_last` (last epoch), `best_test_accuracy` (best epoch on
            the test clips, the papers' convention), `validation_accuracy`. For detection: mAP by
            method and overlap threshold.
        test_clips: Number of test clips, or of test recordings for a detector.
        versions: Versions of Python, TensorFlow, Keras, NumPy, pandas and this package.
        date: Date on which the run was started.
        bodies: Number of people M in the training clips; 0 if not recorded.
        train_on: `"part"`, or `"all"` if no validation clips were held out (`train --train-on`);
            then the weights are averaged over the last epochs.

    Example:
        >>> from keras_skeleton.zoo.entries import find_entry
        >>> entry = find_entry("mans9", "ut_kinect", "cs")  # doctest: +SKIP
        >>> entry.name, entry.figures["accuracy"]  # doctest: +SKIP
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
    bodies: int = 0
    train_on: str = PART

    @property
    def file(self) -> str:
        """The weights file of a recognition network."""
        return next(iter(self.files))


def no_weights(folder: Path) -> str:
    """Error message for a folder without pretrained weights."""
    if folder != ZOO:
        return f"{folder}: no pretrained weights (no {LIST})"
    looked = ", ".join(map(str, weights_folders()))
    return (
        f"no pretrained weights found in {looked}; copy the folder weights/ of the project's "
        f"checkout to the last of these, or set {VARIABLE} to its path"
    )


def read_zoo(folder: Path = ZOO) -> list[Entry]:
    """Reads all entries of a zoo; an empty list if the folder has no `zoo.json`.

    Raises:
        ZooError: If `zoo.json` is damaged.

    Example:
        >>> from pathlib import Path
        >>> from keras_skeleton.zoo.entries import read_zoo
        >>> read_zoo(Path("no_such_folder"))
        []
    """
    path = folder / LIST
    if not path.is_file():
        return []
    try:
        entries = [
            Entry(**_upgraded(entry)) for entry in read_json(path, "a list of weights")["entries"]
        ]
        for entry in entries:
            _check_types(entry)
        return entries
    except (ValueError, TypeError, OverflowError, KeyError, AttributeError) as error:
        raise ZooError(
            f"{path}: damaged ({error!s:.300}); copy it again from the checkout"
        ) from None


def _check_types(entry: Entry) -> None:
    """Raises a TypeError if a value of an entry has another type than an entry's."""
    kinds: dict[type, tuple[str, ...]] = {
        str: ("name", "task", "model", "skeleton", "dataset", "protocol", "recipe", "command",
              "date", "note", "train_on"),
        dict: ("files", "arguments", "preprocessing", "options", "figures", "versions"),
        list: ("classes",),
        int: ("views", "batch_size", "fold", "folds", "seed", "test_clips", "bodies"),
    }  # fmt: skip
    for kind, names in kinds.items():
        for name in names:
            if type(value := getattr(entry, name)) is not kind:
                raise TypeError(f"{name} is {value!r:.40}, expected {kind.__name__}")
    texts = [*entry.files, *entry.files.values(), *entry.classes]
    if not entry.files or not all(type(text) is str for text in texts):
        raise TypeError(f"the files or classes of '{entry.name:.40}' are no names")
    if not all(value is None or type(value) in (int, float) for value in entry.figures.values()):
        raise TypeError(f"the figures of '{entry.name:.40}' are no numbers")
    if entry.frames is not None and type(entry.frames) is not int:
        raise TypeError(f"frames is {entry.frames!r:.40}, expected int")


def _upgraded(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Converts an entry of any version to the current names."""
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
    """Finds the entry of a model on a dataset and protocol.

    Of several matching entries, the one with the best validation accuracy is returned.

    Args:
        model: Model name.
        dataset: Dataset name.
        protocol: Protocol name.
        recipe: Recipe name; any by default.
        fold: Fold number, counted from 1; any by default.
        folder: Folder of the zoo.
        task: `"recognition"` or `"detection"`.

    Raises:
        ZooError: If there is no such entry. The message lists similar entries.

    Example:
        >>> from keras_skeleton.zoo.entries import find_entry
        >>> find_entry("mans9", "ut_kinect", "cs").name  # doctest: +SKIP
        'mans9_ut_kinect_cs_tuned'
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
    there = ", ".join(e.name for e in near) or "none for this model or dataset"
    raise ZooError(
        f"no pretrained weights for {asked}; available: {there}. To train them, run the same "
        "command without --weights"
    )


def entry_of_file(path: Path, folder: Path = ZOO) -> Entry | None:
    """The entry that a file belongs to, also under another name: it is known by its SHA-256."""
    entries = read_zoo(folder)
    digest = sha256(path) if entries else ""
    return next((entry for entry in entries if digest in entry.files.values()), None)


def checked_files(entry: Entry, folder: Path = ZOO) -> list[Path]:
    """Returns the paths of an entry's files after verifying their checksums.

    Raises:
        ZooError: If a file is missing or changed, or its path is outside the zoo's folder.
    """
    found = []
    for name, recorded in entry.files.items():
        parts = PurePosixPath(name)
        if parts.is_absolute() or ".." in parts.parts:
            raise ZooError(f"{folder / LIST}: file '{name}' is outside the zoo's folder")
        path = folder / name
        if not path.is_file():
            raise ZooError(f"{path}: no such file; copy it again from the project's checkout")
        if sha256(path) != recorded:
            raise ZooError(
                f"{path}: damaged or changed (its SHA-256 differs from the recorded one); copy it "
                "again from the project's checkout"
            )
        found.append(path)
    return found


def sha256(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
