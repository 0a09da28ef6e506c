"""Progress display of training, with an estimate of the remaining time."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, TextIO

from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from keras_skeleton.utils.terminal import plain_streams, raw_stream
from keras_skeleton.utils.text import clock, percent, plain

EVERY = 10.0  # seconds between lines if the output is not a terminal
BUILDS = "building the network"
COMPILES = "compiling the training step, up to a minute"
STARTS = "first epoch"


def _averaged(metrics: dict[str, Any]) -> str:
    return f"the last {metrics['epochs_averaged']} of {metrics['epochs']} epochs"


class Progress:
    """Shows a live progress line on a terminal, or prints a line every few seconds otherwise.

    Use it as a context manager, which restores the terminal on exit and on errors.

    Args:
        epochs: Number of epochs of each fold trained in this run, summed over its stages.
        out: Output stream; standard output by default.
    """

    def __init__(self, epochs: Sequence[int], out: TextIO | None = None) -> None:
        self.epochs = list(epochs)
        self.out = raw_stream(out or sys.stdout)  # the bar moves the cursor
        self.terminal = self.out.isatty()
        self.finished = 0
        self.number = 0
        self.step_epochs = 0
        self.before = 0
        # Timed epochs. The first epoch of a stage is excluded, since it includes compilation.
        self.timed, self.spent = 0, 0.0
        self.step_timed, self.step_spent, self.step_first = 0, 0.0, True
        self.printed = 0.0
        self._compiled: set[str] = set()  # stages whose training step is compiled
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Progress:
        self._show(BUILDS, 0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def on_fold_start(
        self, number: int, step: str = "", epochs: int | None = None, before: int = 0
    ) -> None:
        """Announces a fold, or a stage of it (`step`) with `epochs` epochs that follows `before`
        epochs of earlier stages."""
        self.number = number
        self.step_epochs, self.before = epochs or self.epochs[self.finished], before
        self.step_timed, self.step_spent, self.step_first = 0, 0.0, True
        if step:
            self._stop()
            self._line(f"fold {number}, {step}, {self.step_epochs} epochs")
            self.printed = 0.0
        name = step.partition(":")[0]
        self._show(f"fold {number}: {STARTS if name in self._compiled else COMPILES}", 0)
        self._compiled.add(name)

    def time_left(self, epoch: int) -> float | None:
        """Estimated seconds left after `epoch` of the current stage.

        The rest of the stage is estimated from its own time per epoch, which may differ greatly
        between stages; later stages and folds from the mean so far. None until an epoch has been
        timed.
        """
        later = sum(self.epochs[self.finished :]) - self.before - self.step_epochs
        if not self.timed:
            return None
        mean = self.spent / self.timed
        own = self.step_spent / self.step_timed if self.step_timed else mean
        return (self.step_epochs - epoch) * own + later * mean

    def epoch(self, row: dict[str, float]) -> None:
        """Reports a finished epoch; `row` is its row of the history."""
        epoch = int(row["epoch"])
        if self.step_first:
            self.step_first = False
        else:
            self.spent += row["seconds"]
            self.timed += 1
            self.step_spent += row["seconds"]
            self.step_timed += 1
        left = self.time_left(epoch)
        still = "" if left is None else f"{clock(left)} left  "
        line = (
            f"fold {self.number}  epoch {epoch}/{self.step_epochs}  {still}loss {row['loss']:.3f}  "
            f"train {percent(row['accuracy'])}  validation {percent(row['val_accuracy'])}  "
            f"{row['seconds']:.1f} s"
        )
        if self.terminal:
            self._show(line, epoch)
            return
        now = time.monotonic()
        if epoch != self.step_epochs and self.printed and now - self.printed < EVERY:
            return
        self.printed = now
        self._line(line)

    def end(self, metrics: dict[str, Any]) -> None:
        """Reports a finished fold."""
        self._stop()
        self.finished += 1
        if metrics["accuracy_last"] is None:
            held = metrics["validation_accuracy"]
            kept = (
                f"weights are averaged over {_averaged(metrics)}"
                if "epochs_averaged" in metrics
                else "the last epoch is kept"
                if held is None
                else (f"validation {percent(held, digits=2)} (epoch {metrics['epoch_selected']})")
            )
            self._line(f"fold {self.number} done: no test clips; {kept}")
            return
        last = f"{percent(metrics['accuracy_last'], digits=2)} after the last epoch"
        line = f"fold {self.number} done: test {last} (no validation clips)"
        if metrics["validation_accuracy"] is not None:
            line = (
                f"fold {self.number} done: test {percent(metrics['accuracy'], digits=2)} "
                f"(epoch {metrics['epoch_selected']}, selected on validation), {last}"
            )
        elif "epochs_averaged" in metrics:
            line = (
                f"fold {self.number} done: test {percent(metrics['accuracy'], digits=2)} (all "
                f"training clips, weights averaged over {_averaged(metrics)}), {last}"
            )
        self._line(line)

    def _line(self, text: str) -> None:
        self.out.write(plain(text) + "\n")
        self.out.flush()

    def _show(self, text: str, epoch: int) -> None:
        """Updates the live line: elapsed time and the current progress."""
        if not self.terminal:
            if not epoch:
                self._line(text)
            return
        if self._bar is None:
            self._bar = Bar(
                SpinnerColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.description}"),
                console=Console(file=self.out),
                transient=True,
            )
            self._task = self._bar.add_task("", total=self.step_epochs)
            self._bar.start()
            plain_streams()  # the bar has replaced them, so that lines appear above it
        assert self._task is not None
        self._bar.update(
            self._task, description=plain(text), completed=epoch, total=self.step_epochs
        )

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
