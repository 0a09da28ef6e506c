"""Trains one fold in the stages of a joint training, each in a folder of its own.

    fold_01/step2/ ...   what `fold.py` leaves of every stage
    fold_01/features/    what fixed streams put out, see `features.py`; gone when the fold is done
    fold_01/             the last stage's results, and the history of all stages

A stopped run goes on in the stage where it stopped: finished stages are not trained again.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from keras_skeleton.checkpoints.weights import load_weights
from keras_skeleton.datasets.dataset import Fold
from keras_skeleton.recipes.stage import Stage
from keras_skeleton.training.fold import FoldFit
from keras_skeleton.training.pipeline import ClipInputs
from keras_skeleton.training.progress import Progress
from keras_skeleton.training.trainer import Trainer
from keras_skeleton.training.transfer import take_over
from keras_skeleton.utils.files import read_json, write_json

FIGURES = ("accuracy", "accuracy_last", "best_test_accuracy", "validation_accuracy", "seconds")
RESULTS = ("scores.npz", "best.weights.h5", "last.weights.h5")


def stage_epochs(stage: Stage, clips: int, batch_size: int) -> int:
    """The stage's epochs, or passes over the training clips that make at least its iterations."""
    if stage.epochs:
        return stage.epochs
    steps = -(-clips // batch_size)
    return -(-stage.iterations // steps)


def train_stages(
    stages: tuple[Stage, ...],
    trainers: Mapping[str, Trainer],
    inputs: Callable[[Stage], ClipInputs],
    fold: Fold,
    number: int,
    seed: int,
    folder: Path,
    progress: Progress,
    resume: bool = False,
    load_pretrained: Callable[[Any], None] = lambda model: None,
) -> dict[str, Any]:
    """Trains a fold stage by stage; returns the last stage's metrics.

    Args:
        stages: In order.
        trainees: A network for each stage, by its name.
        inputs: Gives what a stage reads; called when the stages before it are finished.
        fold, number, seed, folder: As for `FoldFit`.
        progress: Told which stage is at work.
        resume: Keep finished stages and continue a stopped one.
        load_pretrained: Called with a stage's network before it takes anything over (for published
            weights).
    """
    done, histories, metrics, steps = 0, [], {}, []
    for stage in stages:
        trainer, place = trainers[stage.name], folder / stage.name
        epochs = stage_epochs(stage, len(fold.train), trainer.recipe.batch_size)
        progress.on_fold_start(number, f"{stage.name}: {stage.what}", epochs, done)
        if resume and (place / "metrics.json").exists():
            metrics = read_json(place / "metrics.json", "a stage's figures")
        else:
            start = _taking(stage, stages, trainers, folder, load_pretrained)
            metrics = FoldFit(
                trainer,
                inputs(stage),
                fold=fold,
                number=number,
                seed=seed,
                folder=place,
                on_epoch_end=progress.epoch,
                epochs=epochs,
                start=start,
                watch_test=stage.watch_test or stage is stages[-1],
            ).run(resume)
        history = pd.read_csv(place / "history.csv")
        histories.append(history.assign(stage=stage.name, epoch=history["epoch"] + done))
        steps.append({"name": stage.name, "what": stage.what, **{k: metrics[k] for k in FIGURES}})
        done += epochs

    for name in RESULTS:
        shutil.copyfile(place / name, folder / name)
    whole = pd.concat(histories)
    whole.to_csv(folder / "history.csv", index=False)
    before = done - epochs  # epochs are counted over all stages
    metrics = {
        **metrics,
        "epoch_selected": metrics["epoch_selected"] + before,
        "best_test_epoch": metrics["best_test_epoch"] + before,
        "epochs": done,
        "seconds": float(whole["seconds"].sum()),
        "stages": steps,
    }
    write_json(folder / "metrics.json", metrics)
    return metrics


def _taking(
    stage: Stage,
    stages: tuple[Stage, ...],
    trainers: Mapping[str, Trainer],
    folder: Path,
    load_pretrained: Callable[[Any], None],
) -> Callable[[Any], None]:
    """Loads what the stage takes from earlier ones."""
    kept = {earlier.name: earlier.keep for earlier in stages}

    def start(model: Any) -> None:
        load_pretrained(model)
        for name, layers in stage.take:
            earlier = trainers[name].model
            load_weights(earlier, folder / name / f"{kept[name]}.weights.h5")
            take_over(model, earlier, layers)

    return start
