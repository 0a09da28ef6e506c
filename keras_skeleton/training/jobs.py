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
from typing import TYPE_CHECKING, NamedTuple

from keras_skeleton.apart import side_by_side
from keras_skeleton.training.progress import clock

if TYPE_CHECKING:
    from keras_skeleton.training.experiment import Experiment
    from keras_skeleton.training.trainee import Trainee


@dataclass(frozen=True)
class Jobs:
    """How folds are trained at the same time.

    Attributes:
        number: How many; they share the cores.
        make: The experiment, in a process of its own.
        begin: What such a process starts with. Both can be pickled.
    """

    number: int
    make: Callable[[], Experiment]
    begin: Callable[[], None]

    def train(self, folds: Sequence[int], resume: bool, say: Callable[[str], None]) -> None:
        """Trains these folds; what is finished stays when one of them fails."""
        start, number = time.monotonic(), min(self.number, len(folds))
        say(f"{len(folds)} folds, {number} at a time")
        begin, work = partial(_open, self.begin, self.make), partial(_train, resume=resume)
        for done, _ in enumerate(side_by_side(number, begin, work, folds), 1):
            left = (time.monotonic() - start) / done * (len(folds) - done)
            say(f"{done} of {len(folds)} folds done, about {clock(left)} left")


class _Opened(NamedTuple):
    experiment: Experiment
    trainees: dict[str, Trainee]


_opened: _Opened | None = None  # of this process, for all its folds


def _open(begin: Callable[[], None], make: Callable[[], Experiment]) -> None:
    global _opened
    begin()
    with redirect_stdout(io.StringIO()):  # the first process has said what is loaded
        experiment = make()
    _opened = _Opened(experiment, experiment.trainees())


def _train(number: int, resume: bool) -> None:
    assert _opened is not None
    _opened.experiment.train_folds([number], resume, _opened.trainees)
