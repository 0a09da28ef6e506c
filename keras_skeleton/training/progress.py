"""What a person sees while folds train: where things stand and how long it still takes."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any, TextIO

from keras_skeleton.utils.text import clock, percent

EVERY = 10.0  # seconds between lines where the output is a file and a line cannot be overwritten


class Progress:
    """Prints a line an epoch, over the last one on a terminal.

    Args:
        epochs: Epochs of each fold that is trained in this run, of all its steps together.
        out: Where to print; standard output by default.
    """

    def __init__(self, epochs: Sequence[int], out: TextIO | None = None) -> None:
        self.epochs = list(epochs)
        self.out = out or sys.stdout
        self.terminal = self.out.isatty()
        self.finished = 0
        self.number = 0
        self.step_epochs = 0
        self.before = 0
        self.trained = 0  # epochs trained in this run, not those of a run that is continued
        self.spent = 0.0
        self.step_trained, self.step_spent = 0, 0.0  # the same, of the present step
        self.printed = 0.0

    def on_fold_start(
        self, number: int, step: str = "", epochs: int | None = None, before: int = 0
    ) -> None:
        """A fold starts, or a step of it that takes `epochs` after `before` epochs of others."""
        self.number = number
        self.step_epochs, self.before = epochs or self.epochs[self.finished], before
        self.step_trained, self.step_spent = 0, 0.0
        if step:
            self.out.write(f"{self._over()}fold {number}, {step}, {self.step_epochs} epochs\n")
            self.printed = 0.0

    def _over(self) -> str:
        return "\r\x1b[K" if self.terminal else ""

    def time_left(self, epoch: int) -> float:
        """Seconds still to go after `epoch` of the present step: the step at its own pace, which
        may differ much from others', the rest at the mean pace so far."""
        later = sum(self.epochs[self.finished :]) - self.before - self.step_epochs
        mean = self.spent / max(self.trained, 1)
        own = self.step_spent / self.step_trained if self.step_trained else mean
        return (self.step_epochs - epoch) * own + later * mean

    def epoch(self, row: dict[str, float]) -> None:
        """An epoch is done; `row` is its line of the history."""
        epoch = int(row["epoch"])
        self.spent += row["seconds"]
        self.trained += 1
        self.step_spent += row["seconds"]
        self.step_trained += 1
        now = time.monotonic()
        last = epoch == self.step_epochs
        if not self.terminal and not last and self.printed and now - self.printed < EVERY:
            return
        self.printed = now
        line = (
            f"fold {self.number}  epoch {epoch}/{self.step_epochs}  loss {row['loss']:.3f}  "
            f"train {percent(row['accuracy'])}  validation {percent(row['val_accuracy'])}  "
            f"{row['seconds']:.1f} s an epoch  {clock(self.time_left(epoch))} left"
        )
        self.out.write(f"{self._over()}{line}" + ("" if self.terminal else "\n"))
        self.out.flush()

    def end(self, metrics: dict[str, Any]) -> None:
        """A fold is done."""
        self.finished += 1
        last = f"{percent(metrics['accuracy_last'], digits=2)} after the last epoch"
        line = f"fold {self.number} done: test {last} (no validation clips)"
        if metrics["validation_accuracy"] is not None:
            line = (
                f"fold {self.number} done: test {percent(metrics['accuracy'], digits=2)} "
                f"(epoch {metrics['epoch_selected']}, selected on validation), {last}"
            )
        self.out.write(f"{self._over()}{line}\n")
        self.out.flush()
