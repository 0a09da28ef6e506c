"""A network of the zoo, ready to use; and the experiment that its entry came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_skeleton.checkpoints.weights import load_weights
from keras_skeleton.datasets.dataset import SkeletonDataset
from keras_skeleton.models.registry import MODELS, build_model
from keras_skeleton.recipes.recipe import Recipe
from keras_skeleton.recipes.registry import get_recipe
from keras_skeleton.recognizer import Recognizer
from keras_skeleton.training.experiment import Experiment
from keras_skeleton.training.inputs import clip_inputs
from keras_skeleton.training.part_inputs import Videos
from keras_skeleton.training.trainer import EVALUATION_BATCH
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
    """A trained network, and what is known of it (`entry.classes`, `entry.preprocessing`, ...).

    Args:
        model, dataset, protocol: Names as on the command line.
        recipe, fold: Where there are several.
        folder: Of the zoo.

    Raises:
        ZooError: There is none, or its file was changed.

    Example:
        >>> model, entry = pretrained("mans9", "ut_kinect", "cs")
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
) -> Recognizer:
    """A network of the zoo beside clips: its answers to them, and what it attends to.

    Args:
        network, entry: From `pretrained`.
        dataset: The one that the network was trained on; or another one with the same joints, whose
            clips are no test clips, as its classes are not the network's.
        crops: For a network that watches videos.

    Raises:
        ZooError: The dataset has other joints.

    Example:
        >>> network, entry = pretrained("sta_lstm", "sbu", "5fold")
        >>> trained = on_dataset(network, entry, load_dataset("sbu", "/data/sbu"))
        >>> trained.attention(trained.test_clips("hugging"))[0]["joints"].shape
        (36, 30)
    """
    if dataset.skeleton.name != entry.skeleton:
        raise ZooError(
            f"'{entry.name}' reads the joints of {entry.skeleton}; {dataset.name} has those of "
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
    return Recognizer(
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
    """The entry's recipe as far as scoring needs it: as recorded, whatever has become of it."""
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


def experiment_of_run(
    about: Mapping[str, Any],
    dataset: SkeletonDataset,
    folder: Path,
    command: str,
    log: Callable[[str], None] = print,
) -> Experiment:
    """What a finished run was, to look at its networks again.

    Args:
        about: Its record, from `evaluation.run_record.about_run`.
        dataset: Read with its options.
        folder: Where results go; not the run's own.
        command: For the record.
        log: Receives lines for the console.

    Raises:
        ZooError: The dataset has other classes or joints.
    """
    _check_fit("the run", about["dataset"], about["skeleton"], about["classes"], dataset)
    names = ("model", "preprocessing", "frames", "views", "batch_size")
    recorded = {name: about["settings"][name] for name in names}
    recipe = get_recipe(about["model"], about["dataset"], about["recipe"])
    return Experiment(
        model=about["model"],
        dataset=dataset,
        protocol=about["protocol"],
        recipe=replace(recipe, **recorded, test_copies=0, stages=()),
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
    """What the entry came from, to score its weights again.

    Args:
        entry: Of a network that recognizes.
        dataset: Read with the entry's options.
        folder: Where scores go.
        command: For the record.
        crops: For a network that watches videos.
        log: Receives lines for the console.

    Raises:
        ZooError: The dataset has other classes or joints.
    """
    _check_fit(f"'{entry.name}'", entry.dataset, entry.skeleton, entry.classes, dataset)
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


def _check_fit(
    what: str, trained_on: str, skeleton: str, classes: Sequence[str], dataset: SkeletonDataset
) -> None:
    if (dataset.skeleton.name, list(dataset.classes)) != (skeleton, list(classes)):
        raise ZooError(
            f"{what} was trained on {trained_on} with {len(classes)} classes and the skeleton "
            f"{skeleton}; this dataset has {len(dataset.classes)} classes and "
            f"{dataset.skeleton.name}"
        )
