"""Load pretrained networks, and recreate the experiments of zoo entries and finished runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_skeleton.checkpoints.weights import load_weights
from keras_skeleton.dataset_recognizer import DatasetRecognizer
from keras_skeleton.datasets.dataset import SkeletonDataset
from keras_skeleton.models.registry import MODELS, build_model
from keras_skeleton.recipes.recipe import Recipe
from keras_skeleton.recipes.registry import DEFAULT, get_recipe
from keras_skeleton.training.experiment import Experiment
from keras_skeleton.training.inputs import clip_inputs
from keras_skeleton.training.part_inputs import Videos
from keras_skeleton.training.trainer import EVALUATION_BATCH
from keras_skeleton.utils.errors import UnknownNameError
from keras_skeleton.video.crops import Crops
from keras_skeleton.zoo.entries import ZOO, Entry, ZooError, checked_files, find_entry


def pretrained(
    model: str,
    dataset: str,
    protocol: str,
    recipe: str | None = None,
    fold: int | None = None,
    folder: Path = ZOO,
) -> tuple[keras.Model, Entry]:
    """Loads a pretrained network.

    Args:
        model: Model name.
        dataset: Name of the dataset that it was trained on.
        protocol: Protocol name.
        recipe: Recipe name, if there are several.
        fold: Fold number, counted from 1, if there are several.
        folder: Folder of the zoo.

    Returns:
        The network, and its entry with metadata (`entry.classes`, `entry.preprocessing`, ...).

    Raises:
        ZooError: If there are no such weights, or if their file is damaged.

    Example:
        >>> model, entry = pretrained("mans9", "ut_kinect", "cs")  # doctest: +SKIP
    """
    entry = find_entry(model, dataset, protocol=protocol, recipe=recipe, fold=fold, folder=folder)
    path = checked_files(entry, folder)[0]
    network = build_model(
        entry.model,
        entry.skeleton,
        len(entry.classes),
        MODELS[entry.model].built_frames(entry.frames),
        **entry.arguments,
    )
    load_weights(network, path)
    return network, entry


def on_dataset(
    network: keras.Model,
    entry: Entry,
    dataset: SkeletonDataset,
    crops: Crops | None = None,
) -> DatasetRecognizer:
    """Applies a pretrained network to the clips of a dataset.

    Args:
        network: The network from `pretrained`.
        entry: The entry from `pretrained`.
        dataset: The dataset of the entry, or another one with the same skeleton. The result has
            test clips only if the dataset and its classes are those of the entry.
        crops: Videos of hands and body, for networks with video inputs.

    Returns:
        A `DatasetRecognizer` for predictions and attention.

    Raises:
        ZooError: If the dataset has another skeleton.

    Example:
        >>> network, entry = pretrained("sta_lstm", "sbu", "5fold")  # doctest: +SKIP
        >>> recognizer = on_dataset(
        ...     network, entry, load_dataset("sbu", "/data/sbu")
        ... )  # doctest: +SKIP
        >>> clips = recognizer.test_clips("hugging")  # doctest: +SKIP
        >>> recognizer.attention(clips)[0]["joints"].shape  # doctest: +SKIP
        (36, 30)
    """
    if dataset.skeleton.name != entry.skeleton:
        raise ZooError(
            f"'{entry.name}' needs the skeleton {entry.skeleton}, but '{dataset.name}' has "
            f"{dataset.skeleton.name}"
        )
    test = np.arange(0)
    if dataset.name == entry.dataset and tuple(dataset.classes) == tuple(entry.classes):
        test = list(dataset.folds(entry.protocol))[entry.fold - 1].test
    if crops is not None:
        test = test[dataset.samples["name"].iloc[test].isin(crops.frames)]
    longest = int(dataset.samples["frames"].max())
    frames = MODELS[entry.model].input_frames(entry.frames, longest)
    bodies = entry.arguments.get("bodies")
    videos = Videos(crops) if crops is not None else None
    inputs = clip_inputs(
        entry.model,
        dataset,
        frames=frames,
        choices=entry.preprocessing,
        network=network,
        videos=videos,
        bodies=bodies,
    )
    return DatasetRecognizer(
        entry.model,
        network,
        dataset=dataset,
        test=test,
        inputs=inputs,
        frames=frames,
        preprocessing=entry.preprocessing,
        views=entry.views,
        batch_size=entry.batch_size if crops is not None else EVALUATION_BATCH,
        weights_label=entry.name,
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
    check_fit("the run", about["dataset"], about["skeleton"], about["classes"], dataset)
    return Experiment(
        model=about["model"],
        dataset=dataset,
        protocol=about["protocol"],
        recipe=recipe_of_run(about),
        seed=about["seed"],
        folder=folder,
        command=command,
        log=log,
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
    )


def check_fit(
    what: str, trained_on: str, skeleton: str, classes: Sequence[str], dataset: SkeletonDataset
) -> None:
    if (dataset.skeleton.name, list(dataset.classes)) != (skeleton, list(classes)):
        raise ZooError(
            f"{what} was trained on {trained_on} with {len(classes)} classes and the skeleton "
            f"{skeleton}; '{dataset.name}' has {len(dataset.classes)} classes and the skeleton "
            f"{dataset.skeleton.name}"
        )
