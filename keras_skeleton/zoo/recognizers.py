"""`load_recognizer`: load a trained network from the zoo, a run folder or a saved folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from keras_skeleton.evaluation.calibration import FILE as CALIBRATION
from keras_skeleton.evaluation.calibration import read_calibration
from keras_skeleton.evaluation.run_record import about_run, read_record
from keras_skeleton.models.preprocessing import Preprocessing
from keras_skeleton.models.registry import MODELS
from keras_skeleton.recognizer import RECORD, Recognizer, RecognizerError
from keras_skeleton.skeletons import SKELETONS, get_skeleton
from keras_skeleton.utils.errors import UnknownNameError, UserError
from keras_skeleton.zoo.entries import ZOO, Entry, checked_files, no_weights, read_zoo


def load_recognizer(source: str | Path, fold: int | None = None, folder: Path = ZOO) -> Recognizer:
    """Loads a trained network with its preprocessing, skeleton and classes.

    Args:
        source: Name of a network of the zoo, folder of a finished run, or folder written by
            `Recognizer.save`.
        fold: Fold number, counted from 1, for runs with several folds.
        folder: Folder of the zoo.

    Raises:
        UnknownNameError: If the zoo has no such network. The message suggests similar names.
        UserError: If the folder holds neither a run nor a recognizer, or if the fold is not
            finished.

    Example:
        >>> recognizer = load_recognizer("mans9_synthetic_cs")  # doctest: +SKIP
        >>> recognizer.predict(clip).label  # doctest: +SKIP
        'wave_right_hand'
    """
    path = Path(source)
    if (path / RECORD).is_file():
        return Recognizer.load(path)
    if (path / "run.json").is_file():
        return _of_run(path, fold)
    if path.is_dir():
        raise RecognizerError(f"{path}: neither a run (run.json) nor a recognizer ({RECORD})")
    entries = {entry.name: entry for entry in read_zoo(folder)}
    if not entries:
        raise RecognizerError(no_weights(folder))
    if str(source) not in entries:
        raise UnknownNameError("network", str(source), entries, of="the zoo")
    return of_entry(entries[str(source)], folder)


def of_entry(entry: Entry, folder: Path = ZOO) -> Recognizer:
    """Creates the recognizer of a zoo entry.

    Raises:
        RecognizerError: If the entry is a detector, or does not record its number of bodies.
    """
    if entry.task != "recognition":
        raise RecognizerError(f"'{entry.name}' is a detector; use `keras-skeleton detect`")
    bodies = entry.bodies or entry.arguments.get("bodies")
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
            "dataset": entry.dataset,
            "protocol": entry.protocol,
            "fold": entry.fold,
            "recipe": entry.recipe,
            "accuracy": entry.figures.get("accuracy"),
        },
        calibration=None if calibration is None else read_calibration(calibration),
    )


def _of_run(run: Path, fold: int | None) -> Recognizer:
    about = about_run(run)
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
    skeleton = about.get("layout") or about["skeleton"]
    if isinstance(skeleton, str) and skeleton not in SKELETONS:
        raise RecognizerError(
            f"{run}: written by an older version that did not record the joints of '{skeleton}'; "
            "resume it with --resume to record them, or train again"
        )
    entry = MODELS[about["model"]]
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
        about["classes"],
        arguments,
        finished[0],
        name="/".join(finished[0].parts[-3:-1]),
        about={
            **{key: about[key] for key in ("dataset", "protocol", "recipe")},
            "fold": int(finished[0].parent.name[5:]),
            "accuracy": metrics.get("accuracy"),
        },
        calibration=read_calibration(finished[0].parent / CALIBRATION),
    )
