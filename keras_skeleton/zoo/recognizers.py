"""`load_recognizer`: load a trained network from the zoo, a run folder or a saved folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from keras_skeleton.evaluation.calibration import FILE as CALIBRATION
from keras_skeleton.evaluation.calibration import read_calibration
from keras_skeleton.evaluation.run_record import READ, about_run, read_record, run_folder
from keras_skeleton.evaluation.swap_test import read_rows
from keras_skeleton.models.own_code import recorded_model
from keras_skeleton.models.preprocessing import Preprocessing
from keras_skeleton.models.registry import MODELS
from keras_skeleton.recognizer import RECORD, Recognizer, RecognizerError
from keras_skeleton.skeletons import SKELETONS, get_skeleton
from keras_skeleton.utils.errors import UnknownNameError, UserError
from keras_skeleton.zoo.entries import (
    ZOO,
    Entry,
    checked_files,
    entry_of_file,
    find_entry,
    no_weights,
    read_zoo,
)
from keras_skeleton.zoo.swaps import recorded_swap

MOST_BODIES = 50  # people; far more than any network reads
ABOUT = (
    "dataset", "options", "protocol", "fold", "folds", "recipe", "seed", "views", "batch_size",
    "test_clips", "command", "date",
)  # fmt: skip


def pretrained(
    model: str,
    dataset: str,
    protocol: str,
    recipe: str | None = None,
    fold: int | None = None,
    folder: Path = ZOO,
) -> Recognizer:
    """Loads the network of the zoo that was trained with this model, dataset and protocol.

    Args:
        model: Model name.
        dataset: Name of the dataset that it was trained on.
        protocol: Protocol name.
        recipe: Recipe name, if there are several.
        fold: Fold number, counted from 1, if there are several.
        folder: Folder of the zoo.

    Raises:
        ZooError: If there are no such weights, or if their file is damaged.

    Example:
        >>> from keras_skeleton import pretrained
        >>> recognizer = pretrained("mans9", "ut_kinect", "cs")  # doctest: +SKIP
        >>> recognizer.name, recognizer.about["accuracy"]  # doctest: +SKIP
    """
    entry = find_entry(model, dataset, protocol=protocol, recipe=recipe, fold=fold, folder=folder)
    return of_entry(entry, folder)


def load_recognizer(source: str | Path, fold: int | None = None, folder: Path = ZOO) -> Recognizer:
    """Loads a trained network with its preprocessing, skeleton and classes.

    Args:
        source: Name of a network of the zoo, folder of a finished run, folder written by
            `Recognizer.save`, or a weights file of the zoo or of a run.
        fold: Fold number, counted from 1, for runs with several folds.
        folder: Folder of the zoo.

    Raises:
        UnknownNameError: If the zoo has no such network. The message suggests similar names.
        UserError: If the folder holds neither a run nor a recognizer, if the fold is not finished,
            or if the classes of a file are unknown.

    Example:
        >>> from keras_skeleton import load_recognizer
        >>> recognizer = load_recognizer("mans9_synthetic_cs")  # doctest: +SKIP
        >>> recognizer.predict(clip).label  # doctest: +SKIP
        'wave_right_hand'
    """
    path = Path(source)
    if (path / RECORD).is_file():
        return Recognizer.load(path)
    if path.is_file():
        return _of_file(path, folder)
    if (path / "run.json").is_file():
        return _of_run(path, fold)
    if path.is_dir():
        raise RecognizerError(f"{path}: neither a run (run.json) nor a recognizer ({RECORD})")
    entries = {entry.name: entry for entry in read_zoo(folder)}
    if not entries:
        raise RecognizerError(no_weights(folder))
    if str(source) not in entries:
        raise UnknownNameError("file, folder or network", str(source), entries, of="the zoo")
    return of_entry(entries[str(source)], folder)


def of_entry(entry: Entry, folder: Path = ZOO) -> Recognizer:
    """Creates the recognizer of a zoo entry.

    Raises:
        RecognizerError: If the entry is a detector, or does not record its number of bodies.
    """
    if entry.task != "recognition":
        raise RecognizerError(f"'{entry.name}' is a detector; use `keras-skeleton detect`")
    bodies = entry.arguments.get("bodies") or entry.bodies
    if not bodies:
        raise RecognizerError(
            f"'{entry.name}' does not record its number of bodies; add it again with "
            "`keras-skeleton zoo --add`"
        )
    weights, *others = checked_files(entry, folder)
    calibration = next((path for path in others if path.name.endswith(CALIBRATION)), None)
    return Recognizer.build(
        Preprocessing(
            entry.model,
            get_skeleton(entry.skeleton),
            bodies=bodies,
            frames=entry.frames,
            choices=entry.preprocessing,
        ),
        entry.classes,
        entry.arguments,
        weights,
        name=entry.name,
        about={
            **{name: getattr(entry, name) for name in ABOUT},
            "accuracy": entry.figures.get("accuracy"),
            "swap": recorded_swap(entry, folder),
        },
        calibration=None if calibration is None else read_calibration(calibration),
    )


def _of_file(path: Path, folder: Path) -> Recognizer:
    if entry := entry_of_file(path, folder):
        return of_entry(entry, folder)
    run, fold = run_folder(path) or (None, None)
    if run is None or fold is None or path.name != "best.weights.h5":
        raise RecognizerError(
            f"{path}: its classes and preprocessing are unknown; only files of the zoo and the "
            "best.weights.h5 of a run can be used alone"
        )
    return _of_run(run, fold)


def _of_run(run: Path, fold: int | None) -> Recognizer:
    about = about_run(run)
    try:
        return _recorded(run, about, fold)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        if isinstance(error, UserError):
            raise
        raise RecognizerError(f"{run / 'run.json'}: damaged ({error})") from error


def _recorded(run: Path, about: dict[str, Any], fold: int | None) -> Recognizer:
    if about["task"] != "recognition":
        raise RecognizerError(f"{run} is a detection run; use `keras-skeleton detect`")
    finished = sorted(run.glob("fold_*/best.weights.h5"))
    if fold is not None:
        finished = [path for path in finished if path.parent.name == f"fold_{fold:02d}"]
    if len(finished) != 1:
        raise UserError(
            f"{run}: {len(finished)} folds have weights; choose one with --fold (fold= in Python)"
        )
    metrics: dict[str, Any] = {}
    if (path := finished[0].parent / "metrics.json").is_file():
        metrics = read_record(path)
    settings = about["settings"]
    bodies = about.get("bodies")
    if not bodies:
        raise RecognizerError(
            f"{run}: written by an older version that did not record the number of bodies; resume "
            "it with --resume to record it, or train again"
        )
    if not isinstance(bodies, int) or not 0 < bodies <= MOST_BODIES:
        raise RecognizerError(
            f"{run / 'run.json'}: damaged ({bodies!r:.40} is no number of people)"
        )
    classes = about["classes"]
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise RecognizerError(f"{run / 'run.json'}: damaged (its classes are no names)")
    skeleton = about.get("layout") or about["skeleton"]
    if isinstance(skeleton, str) and skeleton not in SKELETONS:
        raise RecognizerError(
            f"{run}: written by an older version that did not record the joints of '{skeleton}'; "
            "resume it with --resume to record them, or train again"
        )
    entry = MODELS[recorded_model(about["model"])]
    preprocessing = Preprocessing.from_description(
        {
            "model": about["model"],
            "skeleton": skeleton,
            "bodies": bodies,
            "frames": settings["frames"],
            "choices": settings["preprocessing"],
            "unit": about.get("unit", "m"),
        }
    )
    stages = settings.get("stages") or [{"model": {}}]
    arguments = {
        **settings["model"],
        **stages[-1]["model"],
        **entry.dataset_arguments(bodies, about.get("crops")),
    }
    return Recognizer.build(
        preprocessing,
        classes,
        arguments,
        finished[0],
        name="/".join(finished[0].parts[-3:-1]),
        about={
            **{key: about[key] for key in ("dataset", "options", "protocol", "recipe", "seed")},
            **{key: about.get(key) for key in READ},
            "fold": int(finished[0].parent.name[5:]),
            "folds": about["folds_total"],
            "views": settings["views"],
            "batch_size": settings["batch_size"],
            "accuracy": metrics.get("accuracy"),
            "swap": read_rows(finished[0].parent),
        },
        calibration=read_calibration(finished[0].parent / CALIBRATION),
    )
