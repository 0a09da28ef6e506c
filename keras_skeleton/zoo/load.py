"""Apply a trained network to a dataset, and recreate the experiments of zoo entries and runs."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from keras_skeleton.dataset_recognizer import DatasetRecognizer
from keras_skeleton.datasets.dataset import SkeletonDataset
from keras_skeleton.evaluation.run_record import PART, other_data
from keras_skeleton.models.own_code import recorded_model
from keras_skeleton.models.registry import MODELS
from keras_skeleton.recipes.recipe import Recipe
from keras_skeleton.recipes.registry import DEFAULT, get_recipe
from keras_skeleton.recognizer import Recognizer
from keras_skeleton.training.experiment import Experiment
from keras_skeleton.training.inputs import clip_inputs
from keras_skeleton.training.part_inputs import Videos
from keras_skeleton.training.run_facts import about_dataset
from keras_skeleton.training.trainer import EVALUATION_BATCH
from keras_skeleton.utils.errors import UnknownNameError
from keras_skeleton.video.crops import Crops
from keras_skeleton.zoo.entries import Entry, ZooError


def on_dataset(
    recognizer: Recognizer, dataset: SkeletonDataset, crops: Crops | None = None
) -> DatasetRecognizer:
    """Applies a trained network to the clips of a dataset.

    Args:
        recognizer: The network, from `pretrained` or `load_recognizer`.
        dataset: The dataset that it was trained on, or another one with the same skeleton. The
            result has test clips only if the dataset and its classes are those of the training. A
            warning says if, with the same reader options, its clips are known to be others; then
            none are test clips.
        crops: Videos of hands and body, for networks with video inputs.

    Returns:
        A `DatasetRecognizer` for predictions and attention.

    Raises:
        ZooError: If the dataset has another skeleton.

    Example:
        >>> from keras_skeleton.zoo.load import on_dataset
        >>> import keras_skeleton as ks
        >>> network = ks.pretrained("sta_lstm", "sbu", "5fold")  # doctest: +SKIP
        >>> recognizer = on_dataset(
        ...     network, ks.load_dataset("sbu", "/data/sbu")
        ... )  # doctest: +SKIP
        >>> clips = recognizer.test_clips("hugging")  # doctest: +SKIP
        >>> recognizer.attention(clips)[0]["joints"].shape  # doctest: +SKIP
        (36, 30)
    """
    own, about = recognizer.preprocessing, recognizer.about
    if dataset.skeleton.joints != own.skeleton.joints:
        raise ZooError(
            f"'{recognizer.name}' needs the skeleton {own.skeleton.name}, but '{dataset.name}' has "
            f"{dataset.skeleton.name}"
        )
    test = np.arange(0)
    if dataset.name == about.get("dataset") and tuple(dataset.classes) == tuple(recognizer.classes):
        changed = other_data(about, about_dataset(dataset))
        # With other reader options, others are asked for.
        if changed and not any(what.startswith("options") for what in changed):
            warnings.warn(
                f"'{recognizer.name}' was trained on other clips of '{dataset.name}' "
                f"({'; '.join(changed)}), so none of these are known to be its test clips",
                stacklevel=2,
            )
        else:
            test = list(dataset.folds(about["protocol"]))[about["fold"] - 1].test
    if crops is not None:
        test = test[dataset.samples["name"].iloc[test].isin(crops.frames)]
    longest = int(dataset.samples["frames"].max())
    frames = MODELS[own.model].input_frames(own.frames, longest)
    inputs = clip_inputs(
        own.model,
        dataset,
        frames=frames,
        choices=own.choices,
        network=recognizer.model,
        videos=Videos(crops) if crops is not None else None,
        bodies=recognizer.arguments.get("bodies"),
    )
    return DatasetRecognizer(
        recognizer,
        dataset=dataset,
        test=test,
        inputs=inputs,
        frames=frames,
        views=about.get("views", 1),
        batch_size=about["batch_size"] if crops is not None else EVALUATION_BATCH,
    )


def recipe_of(entry: Entry) -> Recipe:
    """The recipe of an entry, with the recorded settings that scoring depends on."""
    return replace(
        get_recipe(entry.model, entry.dataset, entry.recipe),
        model={k: v for k, v in entry.arguments.items() if k not in ("bodies", "size")},
        preprocessing=entry.preprocessing,
        frames=entry.frames,
        views=entry.views,
        batch_size=entry.batch_size,
        test_copies=0,
        stages=(),
    )


def recipe_of_run(about: Mapping[str, Any]) -> Recipe:
    """The recorded recipe of a run, as far as scoring needs it: it may have changed since."""
    names = ("model", "preprocessing", "frames", "views", "batch_size")
    recorded = {name: about["settings"][name] for name in names}
    try:
        recipe = get_recipe(about["model"], about["dataset"], about["recipe"])
    except UnknownNameError:  # a recipe that is gone, or a trial's
        recipe = replace(DEFAULT, name=about["recipe"])
    return replace(recipe, **recorded, test_copies=0, stages=())


def experiment_of_run(
    about: Mapping[str, Any],
    dataset: SkeletonDataset,
    folder: Path,
    command: str,
    log: Callable[[str], None] = print,
) -> Experiment:
    """Recreates the experiment of a finished run, to evaluate its networks.

    Args:
        about: The run's record, from `evaluation.run_record.about_run`.
        dataset: The run's dataset, loaded with its options.
        folder: Output folder, other than the run's.
        command: Command line stored with the results.
        log: Called with each line of console output.

    Raises:
        ZooError: If the dataset has other classes or another skeleton.
    """
    joints = (about.get("layout") or {}).get("joints")
    check_fit("the run", about["dataset"], about["skeleton"], about["classes"], dataset, joints)
    if found := other_data(about, about_dataset(dataset)):
        log(f"note: the run was trained on other clips (then and now, {'; '.join(found)})")
    return Experiment(
        model=recorded_model(about["model"]),
        dataset=dataset,
        protocol=about["protocol"],
        recipe=recipe_of_run(about),
        seed=about["seed"],
        folder=folder,
        command=command,
        log=log,
        train_on=about.get("train_on", PART),
    )


def experiment_of(
    entry: Entry,
    dataset: SkeletonDataset,
    folder: Path,
    command: str,
    crops: Crops | None = None,
    log: Callable[[str], None] = print,
) -> Experiment:
    """Recreates the experiment of a recognition entry, to score its weights.

    Args:
        entry: The entry.
        dataset: The entry's dataset, loaded with its options.
        folder: Output folder for scores.
        command: Command line stored with the scores.
        crops: Videos of hands and body, for networks with video inputs.
        log: Called with each line of console output.

    Raises:
        ZooError: If the dataset has other classes or another skeleton.
    """
    check_fit(f"'{entry.name}'", entry.dataset, entry.skeleton, entry.classes, dataset)
    return Experiment(
        model=entry.model,
        dataset=dataset,
        protocol=entry.protocol,
        recipe=recipe_of(entry),
        seed=entry.seed,
        folder=folder,
        command=command,
        log=log,
        crops=crops,
        train_on=entry.train_on,
    )


def check_fit(
    what: str,
    trained_on: str,
    skeleton: str,
    classes: Sequence[str],
    dataset: SkeletonDataset,
    joints: Sequence[str] | None = None,
) -> None:
    """Checks that a dataset has the classes and joints that weights were trained on.

    Args:
        what: Name of the weights, in messages.
        trained_on: Name of their dataset.
        skeleton: Name of their skeleton.
        classes: Their classes.
        dataset: The dataset.
        joints: Names of their joints, if they are recorded.

    Raises:
        ZooError: It has others.
    """
    if (dataset.skeleton.name, list(dataset.classes)) != (skeleton, list(classes)):
        raise ZooError(
            f"{what} was trained on {trained_on} with {len(classes)} classes and the skeleton "
            f"{skeleton}; '{dataset.name}' has {len(dataset.classes)} classes and the skeleton "
            f"{dataset.skeleton.name}{_first_difference('class', classes, dataset.classes)}"
        )
    if joints is not None and list(joints) != list(dataset.skeleton.joints):
        raise ZooError(
            f"{what} was trained on {trained_on} with {len(joints)} joints; '{dataset.name}' has "
            f"{dataset.skeleton.size}{_first_difference('joint', joints, dataset.skeleton.joints)}"
        )


def _first_difference(what: str, theirs: Sequence[str], own: Sequence[str]) -> str:
    for k, (one, other) in enumerate(zip(theirs, own, strict=False), 1):
        if one != other:
            return f" ({what} {k} is '{one}' there, '{other}' here)"
    return ""
