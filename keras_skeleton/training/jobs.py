"""Folds in processes of their own, several at a time.

A fold of 200 clips and small batches does not fill two cores: most of a step is the start of small
operations, one after the other. A process for each core trains as many folds at once, each on one
core; the networks are compiled once in each.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

from keras_skeleton.training.trainer import Trainer
from keras_skeleton.utils.processes import map_processes
from keras_skeleton.utils.text import clock


class TrainsFolds(Protocol):
    """What a process of its own works with: an `Experiment`."""

    def trainers(self) -> dict[str, Trainer]:
        """Its networks, made ready."""
        ...

    def train_folds(
        self, numbers: Sequence[int], resume: bool, trainers: dict[str, Trainer] | None = None
    ) -> None:
        """Trains folds with them."""
        ...


@dataclass(frozen=True)
class Jobs:
    """How folds are trained at the same time.

    Attributes:
        number: How many; they share the cores.
        make: The experiment, in a process of its own.
        init_process: What such a process starts with. Both can be pickled.
    """

    number: int
    make: Callable[[], TrainsFolds]
    init_process: Callable[[], None]

    def train(self, folds: Sequence[int], resume: bool, log: Callable[[str], None]) -> None:
        """Trains these folds; what is finished stays when one of them fails."""
        start, number = time.monotonic(), min(self.number, len(folds))
        log(f"{len(folds)} folds, {number} at a time")
        init = partial(_open, self.init_process, self.make)
        work = partial(_train, resume=resume)
        for done, _ in enumerate(map_processes(number, init, work, folds), 1):
            left = (time.monotonic() - start) / done * (len(folds) - done)
            log(f"{done} of {len(folds)} folds done, about {clock(left)} left")


class _Opened(NamedTuple):
    experiment: TrainsFolds
    trainers: dict[str, Trainer]


_opened: _Opened | None = None  # of this process, for all its folds


def _open(init_process: Callable[[], None], make: Callable[[], TrainsFolds]) -> None:
    global _opened
    init_process()
    with redirect_stdout(io.StringIO()):  # the first process has said what is loaded
        experiment = make()
    _opened = _Opened(experiment, experiment.trainers())


def _train(number: int, resume: bool) -> None:
    assert _opened is not None
    _opened.experiment.train_folds([number], resume, _opened.trainers)
