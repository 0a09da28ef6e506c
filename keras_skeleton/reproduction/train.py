"""Runs one training of a table as `run.py --model ...` or `run.py detect --table` would: in a
folder of its own, going on where it was stopped."""

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
from keras_skeleton.detection.detector import METHODS
from keras_skeleton.detection.experiment import Detection
from keras_skeleton.models.registry import MODELS
from keras_skeleton.models.summary import flops
from keras_skeleton.recipes.recipe import Recipe
from keras_skeleton.reproduction.needs import Place, mean_hours
from keras_skeleton.reproduction.stored import CLASSIFIER, Result, recipe_of, recipes_of, seeds_of
from keras_skeleton.reproduction.tables import Training
from keras_skeleton.training.experiment import Experiment
from keras_skeleton.utils.processes import THREADS
from keras_skeleton.video.crops import open_crops

QUICK_EPOCHS, QUICK_CLIPS = 2, 64  # of each stage; of training, validation and test clips each


def train(
    training: Training,
    seed: int,
    place: Place,
    folder: Path,
    log: Callable[[str], None] = print,
    quick: bool = False,
) -> dict[str, Any]:
    """Trains it; returns what should be added to the notes of its result.

    Args:
        training: What is trained.
        seed: Of the run.
        place: Where its data is.
        folder: Of the run: `folder` of the same training that was stopped is continued.
        log: Receives lines for the console.
        quick: Only the first fold, few clips and few epochs; of a detection all recordings.
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
    # A run's folds are timed by the run itself; the hours of a detection only from start to end.
    return {"hours": (time.monotonic() - begun) / 3600} if training.detection and fresh else {}


def quick_run(
    training: Training, place: Place, folder: Path, log: Callable[[str], None] = print
) -> None:
    """Trains it in a folder for trials, anew each time."""
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
    """The experiment that stands for a training, its dataset loaded."""
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
        methods=list(METHODS),
        classifier=CLASSIFIER,
        recipes=recipes,
        seed=seed,
        folder=folder,
        command=_command(training, seed),
        log=log,
    )


def _command(training: Training, seed: int) -> str:
    """For the record, without the user's own folders: what is kept may be published."""
    threads = [f"{name}={os.environ[name]}" for name in THREADS if name in os.environ]
    return " ".join([*threads, training.command(seed)])


def _quick(recipe: Recipe) -> Recipe:
    stages = tuple(replace(stage, epochs=QUICK_EPOCHS, iterations=0) for stage in recipe.stages)
    name = f"{recipe.name}, quick"  # no stored result of the recipe itself
    return replace(recipe, name=name, epochs=QUICK_EPOCHS, stages=stages)


def _few(clips: np.ndarray) -> np.ndarray:
    """At most so many, from all over: files are often sorted by class."""
    return clips[:: max(1, -(-len(clips) // QUICK_CLIPS))]


def expected_hours(training: Training, results: Sequence[Result], place: Place) -> float | None:
    """Hours of one seed: as stored, or as long for each clip and epoch as the same network took, on
    the same dataset if it can be; or else as another network of the same paper, by the ratio of
    their FLOPs. None where nothing like it was run.

    Args:
        training: What; its data is there.
        results: All that are stored.
        place: Where its data is, for the number of clips.
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
    """For each training clip and epoch."""
    folds = result.about["folds"]
    work = sum(fold["epochs"] * fold["clips"]["train"] for fold in folds)
    return sum(fold["seconds"] for fold in folds) / work
