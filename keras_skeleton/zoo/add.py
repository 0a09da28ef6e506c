"""Add the weights of a run to the zoo, after verifying their recorded scores."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
import pandas as pd

from keras_skeleton.checkpoints.saving import save_weights
from keras_skeleton.checkpoints.weights import load_weights
from keras_skeleton.datasets.dataset import SkeletonDataset
from keras_skeleton.detection.detector import GATES, NETWORKS, TAP, WEIGHTS
from keras_skeleton.evaluation.run_record import ALL_CLIPS, PART, about_run, read_record
from keras_skeleton.models.own_code import is_file, recorded_model
from keras_skeleton.models.registry import MODELS, build_model
from keras_skeleton.utils.files import write_atomic
from keras_skeleton.video.crops import Crops
from keras_skeleton.zoo.calibrate import calibrate_entry
from keras_skeleton.zoo.check import OVERLAPS, compared, figure_name, score_entry
from keras_skeleton.zoo.entries import ZOO, Entry, ZooError, read_zoo, sha256
from keras_skeleton.zoo.page import write_zoo

FIGURES = ("accuracy", "accuracy_last", "best_test_accuracy", "validation_accuracy")
STAGES = {"ta_lstm": "step4", "sa_lstm": "step7"}  # networks trained by steps of Algorithm 1
HALF = "weights stored in half precision"
LARGEST = 10_000_000  # maximum size of a file in bytes


def add_run(
    run: Path,
    dataset: SkeletonDataset,
    scratch: Path,
    number: int = 1,
    part: str | None = None,
    crops: Crops | None = None,
    folder: Path = ZOO,
    log: Callable[[str], None] = print,
) -> Entry:
    """Adds one fold of a run to the zoo, or replaces its entry.

    The weights are scored first; they are added only if the result equals the recorded one.

    Args:
        run: Folder of a finished recognition or detection run.
        dataset: The run's dataset, loaded with the same options.
        scratch: An empty folder for temporary results.
        number: Fold number, counted from 1.
        part: `"ta_lstm"` or `"sa_lstm"`, to add the network of step 4 or 7 of an STA-LSTM trained
            in stages; its weights are those of a separate training. `"gate_u"` or `"gate_b"`, to
            add our own detector of a detection run instead of those of the paper.
        crops: Videos of hands and body, for networks with video inputs.
        folder: Folder of the zoo.
        log: Called with each line of console output.

    Returns:
        The new entry.

    Raises:
        ZooError: If the run is not finished, a file is too large, or the scores differ from the
            recorded ones.

    Example:
        >>> from pathlib import Path
        >>> from keras_skeleton.zoo.add import add_run
        >>> entry = add_run(Path("runs/mans9_ntu_cs"), dataset, Path("scratch"))  # doctest: +SKIP
    """
    about = about_run(run)
    if isinstance(about.get("model"), str) and is_file(about["model"]):
        raise ZooError(
            f"{run}: is of {about['model']:.200}, but only models of the package can be in the "
            "zoo; add yours first (docs/add-a-model.md, section 5)"
        )
    folder.mkdir(parents=True, exist_ok=True)
    # Files are prepared and scored in a temporary folder, so that the zoo stays intact on errors.
    with TemporaryDirectory(prefix=".adding-", dir=folder) as name:
        made = Path(name)
        if about["task"] == "detection":
            entry = _detector(run, about, dataset, number, part, made)
        else:
            entry = _recognizer(
                run, about, dataset=dataset, number=number, part=part, crops=crops, folder=made
            )
        said, same = compared(
            entry, *score_entry(entry, dataset, scratch, crops=crops, folder=made)
        )
        log(f"{entry.name}: {said}")
        if not same:
            raise ZooError(f"{run}: the scores differ from those recorded by the run; not added")
        entry = calibrate_entry(entry, dataset, made, scratch)
        if large := [file for file in entry.files if (made / file).stat().st_size > LARGEST]:
            raise ZooError(f"{large[0]} is larger than {LARGEST // 10**6} MB; not added")
        take_files(entry, made, folder)
    return entry


def take_files(entry: Entry, made: Path, folder: Path = ZOO) -> None:
    """Moves the files of an entry from the folder `made` into the zoo, and writes the entry."""
    shutil.rmtree(folder / entry.name, ignore_errors=True)  # previous files of a detector
    for file in entry.files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (made / file).replace(folder / file)
    write_zoo([*(e for e in read_zoo(folder) if e.name != entry.name), entry], folder)


def _name(about: dict[str, Any], model: str, number: int) -> str:
    words = [model, about["dataset"], *(["part"] if about.get("not_published") else [])]
    words += [about["protocol"]]
    words += [about["recipe"]] if about["recipe"] != "paper" else []
    words += [f"fold{number}"] if about["folds_total"] > 1 else []
    words += [f"seed{about['seed']}"] if about["seed"] else []
    words += ["all_clips"] if about.get("train_on") == ALL_CLIPS else []
    return "_".join(words)


def _common(about: dict[str, Any], dataset: SkeletonDataset, number: int) -> dict[str, Any]:
    return {
        "skeleton": about["skeleton"],
        "classes": about["classes"],
        "dataset": about["dataset"],
        "options": dict(dataset.info.get("options", {})),
        "protocol": about["protocol"],
        "fold": number,
        "folds": about["folds_total"],
        "recipe": about["recipe"],
        "seed": about["seed"],
        "command": about["command"],
        "versions": about["versions"],
        "date": about["started"][:10],
    }


def _recognizer(
    run: Path,
    about: dict[str, Any],
    dataset: SkeletonDataset,
    number: int,
    part: str | None,
    crops: Crops | None,
    folder: Path,
) -> Entry:
    model, place = recorded_model(about["model"]), run / f"fold_{number:02d}"
    few = about.get("not_published", [])
    note = f"trained on a part of the dataset ({'; '.join(few)})" if few else ""
    if part is not None:
        if model != "sta_lstm" or part not in STAGES:
            raise ZooError(
                f"{run}: --part '{part}' does not exist for '{model}'; sta_lstm has {list(STAGES)}"
            )
        model, place = part, place / STAGES[part]
        stage = f"{STAGES[part]} of this STA-LSTM training; equals a separate training"
        note = "; ".join(filter(None, (note, stage)))
    metrics = read_record(place / "metrics.json")
    recipe = about["settings"]
    size = None if crops is None else crops.size
    arguments = {**recipe["model"], **MODELS[model].dataset_arguments(dataset.max_bodies, size)}
    frames = recipe["frames"]
    network = build_model(
        model,
        about["skeleton"],
        len(about["classes"]),
        MODELS[model].built_frames(frames),
        **arguments,
    )
    load_weights(network, place / "best.weights.h5")
    name = _name(about, model, number)
    file = f"{name}.weights.h5"
    save_weights(network, folder / file)  # saved again without the optimizer's state
    if (folder / file).stat().st_size > LARGEST:
        halve(folder / file)
        note = halved_note(note)
    return Entry(
        name=name,
        task="recognition",
        files={file: sha256(folder / file)},
        model=model,
        arguments=arguments,
        bodies=dataset.max_bodies,
        frames=frames,
        preprocessing=recipe["preprocessing"],
        views=recipe["views"],
        batch_size=recipe["batch_size"],
        figures={key: metrics[key] for key in FIGURES},
        test_clips=metrics["clips"]["test"],
        note=note,
        train_on=about.get("train_on", PART),
        **_common(about, dataset, number),
    )


def halved_note(note: str) -> str:
    """The note of an entry whose weights `halve` has rewritten."""
    return "; ".join([*([note] if note else []), HALF])


def halve(path: Path) -> None:
    """Rewrites a weights file with float16 instead of float32, which halves its size.

    Networks can load it as before. The caller must check that their scores are unchanged.
    """

    content = io.BytesIO()  # HDF5 crashes if a disk is full
    with h5py.File(path, "r") as whole, h5py.File(content, "w") as file:

        def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Group):
                made = file.require_group(name)
            else:
                kind = np.float16 if item.dtype == np.float32 else item.dtype
                made = file.create_dataset(name, data=item[()].astype(kind))
            made.attrs.update(item.attrs)

        file.attrs.update(whole.attrs)
        whole.visititems(copy)
    write_atomic(path, partial(Path.write_bytes, data=content.getbuffer()))


def _detector(
    run: Path,
    about: dict[str, Any],
    dataset: SkeletonDataset,
    number: int,
    part: str | None,
    folder: Path,
) -> Entry:
    if part is not None and part not in GATES:
        raise ZooError(f"{run}: --part '{part}' does not exist in detection; choose from {GATES}")
    model, fold = part or "tap_lstm", f"fold_{number:02d}"
    name = _name(about, model, number)
    methods = [part] if part else [m for m in TAP if (run / fold / m).is_dir()]
    if not methods:
        raise ZooError(f"{run}: has no TAP-LSTM; add --part gate_u or --part gate_b")
    parts = [part] if part else ["classifier", *sorted({TAP[m] for m in methods})]
    wanted = [
        Path("run.json"),
        *(Path(NETWORKS, part, fold, WEIGHTS) for part in parts),
        *(Path(fold, method, "settings.json") for method in methods),
    ]
    for path in wanted:
        if not (run / path).is_file():
            raise ZooError(f"{run / path}: missing; only finished runs can be added")
        (folder / name / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(run / path, folder / name / path)
    scores = pd.read_csv(run / "scores.csv", float_precision="round_trip")
    scores = scores[(scores["rule"] == "paper") & scores["theta"].isin(OVERLAPS)]
    figures = {
        figure_name(row.method, row.theta): float(row.map_action)
        for row in scores[scores["method"].isin(methods)].itertuples()
    }
    tested = read_record(run / fold / methods[0] / "settings.json")["test"]
    return Entry(
        name=name,
        task="detection",
        files={f"{name}/{p.as_posix()}": sha256(folder / name / p) for p in wanted},
        model=model,
        arguments=about["recipes"][model]["model"],
        frames=None,
        preprocessing=about["recipes"][model]["preprocessing"],
        views=1,
        batch_size=about["recipes"][model]["batch_size"],
        figures=figures,
        test_clips=len(tested),
        **_common(about, dataset, number),
    )
