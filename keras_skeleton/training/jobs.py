"""Train several folds in parallel, each in its own process or on a worker of a Dask cluster.

Small datasets (about 200 clips, small batches) do not use two cores: most of a step is spent
launching small operations sequentially. With one process per core, each core trains one fold.
Every process compiles its networks once.

On a cluster, workers write to the run's folder, which all of them must see. The fold of a worker
that dies is continued by another one from its last saved epoch.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

from keras_skeleton.training.trainer import Trainer
from keras_skeleton.utils.executor import executor
from keras_skeleton.utils.text import clock


class TrainsFolds(Protocol):
    """The part of `Experiment` that a worker process uses."""

    def trainers(self) -> dict[str, Trainer]:
        """Its compiled networks by stage name."""
        ...

    def train_folds(
        self, numbers: Sequence[int], resume: bool, trainers: dict[str, Trainer] | None = None
    ) -> None:
        """Trains folds with these trainers."""
        ...


@dataclass(frozen=True)
class Jobs:
    """Trains folds in parallel processes; pass it to `Experiment.fit`.

    Attributes:
        number: Number of processes; they share the cores. Without effect on a cluster.
        make: Creates the experiment in a worker process. Must be picklable.
        init_process: Called first in each worker process. Must be picklable.
        scheduler: Address of a Dask scheduler whose workers train the folds; None for processes of
            this machine.
        needs: Files that a worker must see, such as the run's `run.json`.

    Example:
        >>> from keras_skeleton.training.jobs import Jobs
        >>> jobs = Jobs(2, make=make_experiment, init_process=init)  # doctest: +SKIP
        >>> result = experiment.fit(jobs=jobs)  # doctest: +SKIP
    """

    number: int
    make: Callable[[], TrainsFolds]
    init_process: Callable[[], None]
    scheduler: str | None = None
    needs: tuple[Path, ...] = ()

    def train(self, folds: Sequence[int], resume: bool, log: Callable[[str], None]) -> None:
        """Trains the given folds. If one fails, the finished ones are kept."""
        start, number = time.monotonic(), min(self.number, len(folds))
        where = f"on the workers of {self.scheduler}" if self.scheduler else f"{number} in parallel"
        log(f"training {len(folds)} folds, {where}")
        init = partial(_open, self.init_process, self.make)
        # A fold whose worker has died is resumed; new ones have nothing to resume.
        work = partial(_train, resume=resume or self.scheduler is not None)
        found = executor(number, self.scheduler).map(init, work, folds, needs=self.needs)
        for done, _ in enumerate(found, 1):
            left = (time.monotonic() - start) / done * (len(folds) - done)
            log(f"{done} of {len(folds)} folds finished, about {clock(left)} left")


class _Opened(NamedTuple):
    experiment: TrainsFolds
    trainers: dict[str, Trainer]


_opened: _Opened | None = None  # shared by all folds of this process


def _open(init_process: Callable[[], None], make: Callable[[], TrainsFolds]) -> None:
    global _opened
    init_process()
    with redirect_stdout(io.StringIO()):  # the parent process has printed these lines
        experiment = make()
    _opened = _Opened(experiment, experiment.trainers())


def _train(number: int, resume: bool) -> None:
    assert _opened is not None
    _opened.experiment.train_folds([number], resume, _opened.trainers)
