"""Run one training of a table, like `run.py --model ...` or `run.py detect --table`, in its own
folder. An interrupted training is resumed."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from keras_skeleton.attention.run_attention import write_run_report
from keras_skeleton.datasets.dataset import Fold
from keras_skeleton.datasets.registry import get_source, load_dataset
from keras_skeleton.detection.experiment import Detection
from keras_skeleton.models.registry import MODELS
from keras_skeleton.models.summary import flops
from keras_skeleton.recipes.recipe import Recipe
from keras_skeleton.reproduction.needs import Place, mean_hours
from keras_skeleton.reproduction.stored import CLASSIFIER, Result, recipe_of, recipes_of, seeds_of
from keras_skeleton.reproduction.tables import DETECTORS, Training
from keras_skeleton.training.experiment import Experiment
from keras_skeleton.utils.processes import THREADS
from keras_skeleton.video.crops import open_crops

QUICK_EPOCHS, QUICK_CLIPS = 2, 64  # epochs per stage; maximum clips per split


def train(
    training: Training,
    seed: int,
    place: Place,
    folder: Path,
    log: Callable[[str], None] = print,
    quick: bool = False,
) -> dict[str, Any]:
    """Runs a training.

    Args:
        training: The training.
        seed: Its seed.
        place: Locations of the user's data.
        folder: Run folder; an interrupted run of the same training is resumed.
        log: Called with each line of console output.
        quick: Use only the first fold, few clips and few epochs (for detection all recordings).

    Returns:
        Entries to add to the stored result.
    """
    fresh, begun = not folder.exists(), time.monotonic()
    numbers = [1] if quick else None
    if training.detection:
        _detection(training, seed, place=place, folder=folder, quick=quick, log=log).run(
            numbers, resume=True
        )
    else:
        experiment = experiment_of(training, seed, place, folder, log)
        if quick:
            experiment.recipe = _quick(experiment.recipe)
            experiment.folds[0] = Fold(*(_few(clips) for clips in experiment.folds[0]))
        experiment.fit(numbers, resume=True)
        write_run_report(experiment)
    # Recognition runs record the time of each fold; for detection, the total time is measured here.
    return {"hours": (time.monotonic() - begun) / 3600} if training.detection and fresh else {}


def quick_run(
    training: Training, place: Place, folder: Path, log: Callable[[str], None] = print
) -> None:
    """Runs a short test of a training, from the start each time."""
    shutil.rmtree(folder, ignore_errors=True)
    train(training, 0, place, folder, log, quick=True)


def _dataset(training: Training, place: Place, options: dict[str, Any], log: Any) -> Any:
    source = get_source(training.dataset)
    own = {**options, **dict(training.options)}
    return load_dataset(source.name, place.data_of(source), place.cache_dir, log=log, **own)


def experiment_of(
    training: Training,
    seed: int,
    place: Place,
    folder: Path,
    log: Callable[[str], None] = print,
) -> Experiment:
    """Creates the experiment of a training and loads its dataset."""
    recipe = recipe_of(training)
    own = get_source(training.dataset).protocol_options.get(training.protocol, {})
    crops = place.crops_of(training.dataset) if training.watches else None
    return Experiment(
        model=training.model,
        dataset=_dataset(training, place, {**recipe.dataset, **own}, log),
        protocol=training.protocol,
        recipe=recipe,
        seed=seed,
        folder=folder,
        command=_command(training, seed),
        log=log,
        crops=open_crops(crops) if crops else None,
        published=place.i3d if training.i3d else None,
        streams=place.streams if training.streams else (),
        train_on=training.train_on,
    )


def _detection(
    training: Training, seed: int, place: Place, folder: Path, quick: bool, log: Any
) -> Detection:
    recipes = recipes_of(training)
    if quick:
        recipes = {
            name: replace(recipe, name=f"{recipe.name}, quick", epochs=QUICK_EPOCHS, stages=())
            for name, recipe in recipes.items()
        }
    return Detection(
        dataset=_dataset(training, place, {"clips": "untrimmed"}, log),
        protocol=training.protocol,
        methods=DETECTORS[training.model],
        classifier=CLASSIFIER,
        recipes=recipes,
        seed=seed,
        folder=folder,
        command=_command(training, seed),
        log=log,
    )


def _command(training: Training, seed: int) -> str:
    """The command line to store, without the user's paths, since results may be published."""
    threads = [f"{name}={os.environ[name]}" for name in THREADS if name in os.environ]
    return " ".join([*threads, training.command(seed)])


def _quick(recipe: Recipe) -> Recipe:
    stages = tuple(replace(stage, epochs=QUICK_EPOCHS, iterations=0) for stage in recipe.stages)
    name = f"{recipe.name}, quick"  # another name, so that the result does not count
    return replace(recipe, name=name, epochs=QUICK_EPOCHS, stages=stages)


def _few(clips: np.ndarray) -> np.ndarray:
    """At most `QUICK_CLIPS` clips, evenly spaced, since files are often sorted by class."""
    return clips[:: max(1, -(-len(clips) // QUICK_CLIPS))]


def expected_hours(training: Training, results: Sequence[Result], place: Place) -> float | None:
    """Estimates the hours of one seed of a training.

    The estimate is, in this order: the mean of its stored runs; the time per clip and epoch of the
    same model, if possible on the same dataset; that of another model of the same paper, scaled by
    the ratio of FLOPs. None if there is no such run.

    Args:
        training: A training whose data is available.
        results: All stored results.
        place: Locations of the user's data, from which clips are counted.
    """
    own = [result.hours for result in seeds_of(results, training).values()]
    if (hours := mean_hours(own)) is not None or training.detection:
        return hours

    def nearness(result: Result) -> tuple[bool, bool]:
        about = result.about
        return about["model"] == training.model, about["dataset"] == training.dataset

    paper = MODELS[training.model].paper
    of_it = [name for name, entry in MODELS.items() if entry.paper == paper]
    like = [r for r in results if r.about.get("model") in of_it]
    if not like:
        return None
    nearest = max(like, key=nearness)
    model = nearest.about["model"]
    like = [r for r in like if nearness(r) == nearness(nearest) and r.about["model"] == model]
    rate = float(np.mean([_seconds(result) for result in like]))
    experiment = _plan(training, place)
    if model != training.model:
        other = _plan(replace(training, model=model, settings=()), place)
        rate *= flops(experiment.build()) / flops(other.build())
    work = sum(experiment.epochs(fold) * len(fold.train) for fold in experiment.folds)
    return rate * work / 3600


def _plan(training: Training, place: Place) -> Experiment:
    return experiment_of(training, 0, place, Path(), log=lambda line: None)


def _seconds(result: Result) -> float:
    """Seconds per training clip and epoch."""
    folds = result.about["folds"]
    work = sum(fold["epochs"] * fold["clips"]["train"] for fold in folds)
    return sum(fold["seconds"] for fold in folds) / work
