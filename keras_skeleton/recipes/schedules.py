"""Learning-rate schedules, as functions of the epoch and the history so far.

A schedule keeps no state of its own: a resumed run computes the same rate from the same
history.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from keras_skeleton.utils.errors import UnknownNameError, UserError


@dataclass(frozen=True)
class Constant:
    """The same rate in all epochs."""

    def factor(self, epoch: int, epochs: int, losses: Sequence[float]) -> float:
        """What the base rate is multiplied with in `epoch` (from 0) of `epochs`.

        `losses` holds the validation loss of the epochs before.
        """
        return 1.0


@dataclass(frozen=True)
class Cosine:
    """Linear warm-up over `warmup` epochs, then half a cosine down to zero."""

    warmup: int = 0

    def factor(self, epoch: int, epochs: int, losses: Sequence[float]) -> float:
        if epoch < self.warmup:
            return (epoch + 1) / (self.warmup + 1)
        done = (epoch - self.warmup) / max(epochs - self.warmup, 1)
        return 0.5 * (1 + math.cos(math.pi * done))


@dataclass(frozen=True)
class Plateau:
    """Lower by `drop` where the validation loss has not improved for `patience` epochs.

    After a drop, `cooldown` epochs are not counted. The rate does not fall below `lowest`
    times the base rate. An improvement is more than `margin`. (As Keras' ReduceLROnPlateau.)
    """

    drop: float = 0.2
    patience: int = 5
    cooldown: int = 3
    lowest: float = 0.01
    margin: float = 1e-4

    def factor(self, epoch: int, epochs: int, losses: Sequence[float]) -> float:
        factor, best, waited, cooling = 1.0, math.inf, 0, 0
        for loss in losses[:epoch]:
            if cooling:
                cooling, waited = cooling - 1, 0
            if loss < best - self.margin:
                best, waited = loss, 0
            elif not cooling:
                waited += 1
                if waited >= self.patience:
                    factor, cooling, waited = max(factor * self.drop, self.lowest), self.cooldown, 0
        return factor


Schedule = Constant | Cosine | Plateau

NAMES: dict[str, type[Schedule]] = {"constant": Constant, "cosine": Cosine, "plateau": Plateau}


def named_schedule(value: Any) -> Schedule:
    """A schedule from `"cosine"` or from `{"name": "cosine", "warmup": 3}`.

    Raises:
        UserError: An unknown name or argument.
    """
    own = {"name": value} if isinstance(value, str) else dict(value)
    name = str(own.pop("name", "")).lower()
    if name not in NAMES:
        raise UnknownNameError("schedule", name, NAMES)
    try:
        return NAMES[name](**own)
    except TypeError as error:
        raise UserError(f"recipe.schedule: {error}") from None
