"""Train one fold in stages (joint training), each stage in its own folder.

    fold_01/step2/ ...   results of each stage, as written by `fold.py`
    fold_01/features/    cached stream features (`features.py`), deleted when the fold is finished
    fold_01/             results of the last stage, and the history of all stages

If weights are averaged, each stage averages those of the last fifth of its own epochs, and reports
their accuracy. A later stage starts from the last weights of an earlier one, as in the papers'
algorithms, or from the averaged ones where a paper passes on the best epoch (`Stage.keep`).

An interrupted run resumes in the stage where it stopped; finished stages are not trained again.
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
from keras_skeleton.utils.tables import write_table

FIGURES = ("accuracy", "accuracy_last", "best_test_accuracy", "validation_accuracy", "seconds")
RESULTS = ("scores.npz", "best.weights.h5", "last.weights.h5")


def stage_epochs(stage: Stage, clips: int, batch_size: int) -> int:
    """Number of epochs of a stage. If it is given in iterations, they are rounded up to whole
    epochs."""
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
    average: bool = False,
) -> dict[str, Any]:
    """Trains a fold stage by stage and returns the metrics of the last stage.

    Args:
        stages: The stages in order.
        trainers: A trainer for each stage, by stage name.
        inputs: Returns the inputs of a stage; called after the stages before it have finished.
        fold, number, seed, folder: As for `FoldFit`.
        progress: Progress display.
        resume: Keep finished stages and continue an interrupted one.
        load_pretrained: Called with the network of each stage before weights of earlier stages
            are copied into it (for published weights).
        average: Average the weights over the last fifth of each stage's epochs instead of selecting
            an epoch.
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
                average=average,
            ).run(resume)
        history = pd.read_csv(place / "history.csv")
        histories.append(history.assign(stage=stage.name, epoch=history["epoch"] + done))
        steps.append({"name": stage.name, "what": stage.what, **{k: metrics[k] for k in FIGURES}})
        done += epochs

    for name in RESULTS:
        if (place / name).exists():  # there are no scores without test clips
            shutil.copyfile(place / name, folder / name)
    whole = pd.concat(histories)
    write_table(whole, folder / "history.csv", index=False)
    before = done - epochs  # epochs are numbered across all stages
    metrics = {
        **metrics,
        **{
            key: None if metrics[key] is None else metrics[key] + before
            for key in ("epoch_selected", "best_test_epoch")
        },
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
    """Returns a function that copies the weights a stage takes from earlier stages."""
    kept = {earlier.name: earlier.keep for earlier in stages}

    def start(model: Any) -> None:
        load_pretrained(model)
        for name, layers in stage.take:
            earlier = trainers[name].model
            load_weights(earlier, folder / name / f"{kept[name]}.weights.h5")
            take_over(model, earlier, layers)

    return start
