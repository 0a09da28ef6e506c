"""Train one fold. After each epoch, score the validation and test clips and save the state.

One run reports these accuracies:

    accuracy            test accuracy at the epoch with the best validation accuracy (ties are
                        broken by the lowest validation loss): the main result
    accuracy_last       test accuracy after the last epoch
    best_test_accuracy  best test accuracy of any epoch, the convention of the papers; reported
                        only, never used for selection
    accuracy_copies     with `test_copies`: accuracy of the selected weights over random copies of
                        each test clip

If weights are averaged (`FoldFit.average`, for trainings on all clips), no epoch is selected:

    accuracy            test accuracy of the mean of the weights over the last fifth of the epochs;
                        it is saved as `best.weights.h5`, the last epoch as `last.weights.h5`

With several `views` per clip, epochs are scored on one view, and so are the epoch selection and
best_test_accuracy; `accuracy` and `accuracy_last` are then computed over all views. If the test
clips are not scored after every epoch (optional for stages of a joint training),
best_test_accuracy is None.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from keras_skeleton.checkpoints.saving import save_weights
from keras_skeleton.datasets.dataset import Fold
from keras_skeleton.evaluation.scores import Score, score, write_scores
from keras_skeleton.training.averaging import averaged_epochs, with_weights
from keras_skeleton.training.copies import predict_copies
from keras_skeleton.training.pipeline import ClipInputs, evaluation_batches, training_batches
from keras_skeleton.training.state import StateError, TrainingState, delete_state
from keras_skeleton.training.tensorboard import ScalarLog
from keras_skeleton.training.trainer import EVALUATION_BATCH, Trainer, predict, predict_views
from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.files import remove_parts, write_json
from keras_skeleton.utils.tables import write_table

Row = dict[str, float]
SCORES = [field.name for field in fields(Score)]
AVERAGED = "last, averaged"  # which weights a training on all clips ends with
SPARE_BYTES = 64 << 20  # of a saved state, for its history and what the archive adds
SAVE_EVERY = 30.0  # minimum seconds between writes of the training state


class DivergedError(UserError):
    """Raised when the network's outputs become NaN or infinite during training."""


def selected_epoch(history: list[Row]) -> int:
    """Index of the epoch with the best validation accuracy.

    Ties are broken by the lowest validation loss, then by the earliest epoch. Without validation
    clips (accuracy NaN), it is the last epoch.

    Args:
        history: One row per epoch, with `val_accuracy` and `val_loss`.

    Example:
        >>> from keras_skeleton.training.fold import selected_epoch
        >>> selected_epoch([
        ...     {"val_accuracy": 0.5, "val_loss": 1.2},
        ...     {"val_accuracy": 0.8, "val_loss": 0.9},
        ...     {"val_accuracy": 0.8, "val_loss": 0.7},
        ... ])
        2
    """
    if not history or np.isnan(history[0]["val_accuracy"]):
        return len(history) - 1
    return min(
        range(len(history)), key=lambda e: (-history[e]["val_accuracy"], history[e]["val_loss"], e)
    )


def fold_metrics(
    number: int, history: list[Row], test: Score | None, fold: Fold, averaged: int = 0
) -> dict[str, Any]:
    """Metrics of a fold.

    Args:
        number: Fold number, counted from 1.
        history: One row per epoch.
        test: Test score of the weights that the fold ends with; None without test clips, and then
            all figures of test clips are None.
        fold: The clips.
        averaged: Over how many of the last epochs these weights are averaged; 0 if an epoch is
            selected.
    """
    chosen = selected_epoch(history)
    watched = [row["test_accuracy"] for row in history]
    paper = None if np.isnan(watched).any() else int(np.argmax(watched))
    return {
        "fold": number,
        **(dict.fromkeys(SCORES) | {"clips": 0} if test is None else test.as_dict()),
        "accuracy_last": history[-1]["test_accuracy"] if len(fold.test) else None,
        "best_test_accuracy": None if paper is None else watched[paper],
        "validation_accuracy": None
        if np.isnan(history[chosen]["val_accuracy"])
        else history[chosen]["val_accuracy"],
        "epoch_selected": None if averaged else chosen + 1,
        **({"weights": AVERAGED, "epochs_averaged": averaged} if averaged else {}),
        "best_test_epoch": None if paper is None else paper + 1,
        "epochs": len(history),
        "seconds": sum(row["seconds"] for row in history),
        "clips": {
            "train": len(fold.train),
            "validation": len(fold.validation),
            "test": len(fold.test),
        },
    }


class _Evaluator(keras.callbacks.Callback):
    """Sets the learning rate before each epoch, and scores and saves after it."""

    def __init__(self, fit: FoldFit) -> None:
        super().__init__()
        self.fit = fit

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.started = time.perf_counter()
        self.fit.set_learning_rate(epoch)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.fit.finish_epoch(logs or {}, self.started)


class FoldFit:
    """Trains one fold and writes its results to a folder.

    Args:
        trainer: The compiled network; `run` resets it or restores it from the folder's state.
        inputs: Preprocessed inputs of all clips.
        fold: Indices of the training, validation and test clips.
        number: Fold number, counted from 1.
        seed: Seed of the weights, dropout and shuffling.
        folder: Output folder for `history.csv`, `scores.npz`, `metrics.json` and the weights.
        on_epoch_end: Called after every epoch with its row of the history.
        epochs: Number of epochs, if not the recipe's.
        start: Called with the network before the first epoch, e.g. to copy pretrained weights.
        watch_test: Score the test clips after every epoch, not only at the end. Always on if
            there are no validation clips and weights are not averaged.
        average: Average the weights over the last fifth of the epochs instead of selecting an
            epoch.

    Example:
        >>> from pathlib import Path
        >>> from keras_skeleton.training.fold import FoldFit
        >>> fold = dataset.folds("cs")[0]  # doctest: +SKIP
        >>> fit = FoldFit(
        ...     trainer, inputs, fold, number=1, seed=0, folder=Path("fold_01")
        ... )  # doctest: +SKIP
        >>> fit.run()["accuracy"]  # doctest: +SKIP
    """

    def __init__(
        self,
        trainer: Trainer,
        inputs: ClipInputs,
        fold: Fold,
        number: int,
        seed: int,
        folder: Path,
        on_epoch_end: Callable[[Row], None] = lambda row: None,
        epochs: int | None = None,
        start: Callable[[keras.Model], object] = lambda model: None,
        watch_test: bool = True,
        average: bool = False,
    ) -> None:
        self.trainer = trainer
        self.inputs = inputs
        self.fold = fold
        self.number = number
        self.seed = seed
        self.folder = folder
        self.on_epoch_end = on_epoch_end
        self.epochs = epochs or trainer.recipe.epochs
        self.start = start
        self.state_file = folder / "state.npz"
        self.averaged = averaged_epochs(self.epochs) if average else 0
        watch = watch_test or not (average or len(fold.validation))
        self.watched = fold.test if watch else fold.test[:0]
        self.evaluated = np.concatenate([fold.validation, self.watched])
        # Videos are large: use no larger batches than training does.
        most = trainer.recipe.batch_size if isinstance(inputs.shape, dict) else EVALUATION_BATCH
        self.size = max(1, min(most, len(fold.validation) + len(fold.test)))
        self.batches = evaluation_batches(inputs, self.evaluated, self.size)
        self.saved = time.perf_counter()

    def set_learning_rate(self, epoch: int) -> None:
        """Sets the optimizer's learning rate for an epoch, from the validation losses so far, or
        the training losses if there are no validation clips."""
        recipe = self.trainer.recipe
        watched = "val_loss" if len(self.fold.validation) else "loss"
        losses = [row[watched] for row in self.state.history]
        factor = recipe.schedule.factor(epoch, self.epochs, losses)
        self.rate = recipe.learning_rate * factor
        self.trainer.optimizer.learning_rate = self.rate

    def finish_epoch(self, logs: dict[str, float], started: float) -> None:
        """Scores validation and test clips, adds a row to the history, selects or averages the
        weights, and saves periodically."""
        logits = np.zeros((0, len(self.inputs.dataset.classes)), np.float32)
        if len(self.evaluated):
            logits = predict(self.trainer.forward, self.batches, len(self.evaluated))
        if not np.isfinite(logits if len(self.evaluated) else logs["loss"]).all():
            raise DivergedError(
                f"fold {self.number}: the network's outputs are NaN or infinite after epoch "
                f"{len(self.state.history) + 1} (learning rate {self.rate:g}); try another "
                "--seed, a larger --batch-size or another --recipe"
            )
        labels = self.inputs.labels[self.evaluated]
        held = len(self.fold.validation)
        validation = score(labels[:held], logits[:held]) if held else None
        test = score(labels[held:], logits[held:]) if len(self.watched) else None
        row: Row = {
            "epoch": len(self.state.history) + 1,
            "loss": float(logs["loss"]),
            "accuracy": float(logs["accuracy"]),
            "val_loss": validation.loss if validation else float("nan"),
            "val_accuracy": validation.accuracy if validation else float("nan"),
            "test_loss": test.loss if test else float("nan"),
            "test_accuracy": test.accuracy if test else float("nan"),
            "learning_rate": self.rate,
            "seconds": time.perf_counter() - started,
        }
        self.state.history.append(row)
        if self.averaged:
            count = len(self.state.history) - (self.epochs - self.averaged)
            if count > 0:
                weights = self.trainer.weights()
                self.state.best_weights = with_weights(self.state.best_weights, weights, count)
        elif selected_epoch(self.state.history) == len(self.state.history) - 1:
            self.state.best_weights = self.trainer.weights()
            self.state.best_logits = logits[held:]
        self.log.write(
            int(row["epoch"]), **{name: value for name, value in row.items() if name != "epoch"}
        )
        if time.perf_counter() - self.saved > SAVE_EVERY:
            self.save()
        self.on_epoch_end(row)

    def save(self) -> None:
        """Writes the training state and the history."""
        self.state.variables = self.trainer.values()
        self.state.save(self.state_file)
        write_table(pd.DataFrame(self.state.history), self.folder / "history.csv", index=False)
        self.saved = time.perf_counter()

    def run(self, resume: bool = False) -> dict[str, Any]:
        """Trains to the last epoch and returns the fold's metrics.

        Args:
            resume: Continue from the state saved in the folder, if there is one.

        Returns:
            The content of `metrics.json`; accuracies are fractions from 0 to 1.

        Raises:
            DivergedError: If the network's outputs become NaN or infinite.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_parts(self.folder)
        recipe, devices = self.trainer.recipe, self.trainer.devices
        self.trainer.reset(self.seed)
        self.start(self.trainer.model)
        self.state = TrainingState(self.trainer.values())
        if resume and (kept := TrainingState.latest(self.state_file, most=self.most_bytes())):
            self.state = kept
            try:
                self.trainer.restore(kept.variables)
            except ValueError as error:
                raise StateError(f"{self.state_file}: {error}") from None
        done = len(self.state.history)
        batches, steps = training_batches(
            self.inputs,
            self.fold.train,
            recipe.batch_size,
            self.seed,
            first_epoch=done,
            part=(devices.process, devices.processes),
        )
        if steps % self.trainer.steps_per_execution:
            raise ValueError(
                f"{steps} steps per epoch are not divisible by steps_per_execution="
                f"{self.trainer.steps_per_execution}"
            )
        with ScalarLog(self.folder / "tensorboard") as self.log:
            if done < self.epochs:
                self.trainer.training_model.fit(
                    batches,
                    steps_per_epoch=steps,
                    initial_epoch=done,
                    epochs=self.epochs,
                    callbacks=[_Evaluator(self)],
                    shuffle=False,  # the pipeline shuffles
                    verbose=0,
                )
        return self.finish()

    def most_bytes(self) -> int:
        """A bound on the size of the saved state: a larger file is not this training's."""
        logits = 4 * (len(self.fold.test) + 1) * len(self.inputs.dataset.classes)
        return 4 * sum(np.asarray(v).nbytes for v in self.state.variables) + logits + SPARE_BYTES

    def finish(self) -> dict[str, Any]:
        """Writes weights, scores and metrics. `metrics.json` is written last and marks the fold
        as finished."""
        self.save()
        model, recipe = self.trainer.model, self.trainer.recipe
        test = self.fold.test
        save_weights(model, self.folder / "last.weights.h5")
        last = self.score_test()
        model.set_weights(self.state.best_weights)
        save_weights(model, self.folder / "best.weights.h5")
        if self.averaged:
            best = self.predict_test() if len(test) else None
        elif selected_epoch(self.state.history) == len(self.state.history) - 1:
            best = last
        else:
            best = self.score_test()
        if best is not None:
            self.state.best_logits = best
        result = self.write_test_scores() if len(test) else None
        metrics = fold_metrics(
            self.number, self.state.history, result, self.fold, averaged=self.averaged
        )
        if last is not None:
            metrics["accuracy_last"] = score(self.inputs.labels[test], last).accuracy
        if recipe.views > 1:
            metrics["views"] = recipe.views
        if len(test) and recipe.test_copies:
            logits = predict_copies(self.trainer.alone(), self.inputs, test, recipe, self.seed)
            metrics["accuracy_copies"] = score(self.inputs.labels[test], logits).accuracy
        write_json(self.folder / "metrics.json", metrics)
        delete_state(self.state_file)
        return metrics

    def write_test_scores(self) -> Score:
        """Writes `scores.npz` and returns the score of the selected checkpoint."""
        dataset, test = self.inputs.dataset, self.fold.test
        write_scores(
            self.folder / "scores.npz",
            names=dataset.samples["name"].to_numpy(str)[test],
            labels=self.inputs.labels[test],
            logits=self.state.best_logits,
            classes=dataset.classes,
            fold=self.number,
        )
        return score(self.inputs.labels[test], self.state.best_logits)

    def score_test(self) -> np.ndarray | None:
        """Mean logits of the test clips over the recipe's views; None if there are none, or if
        there is one view and they were scored after every epoch."""
        views = self.trainer.recipe.views
        if not len(self.fold.test) or (views == 1 and len(self.watched)):
            return None
        return self.predict_test()

    def predict_test(self) -> np.ndarray:
        """Mean logits of the test clips over the recipe's views, float32 (n, C)."""
        views = self.trainer.recipe.views
        return predict_views(self.trainer.forward, self.inputs, self.fold.test, self.size, views)
