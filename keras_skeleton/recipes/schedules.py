"""Learning-rate schedules, as functions of the epoch and the history.

A schedule has no state, so a resumed run computes the same rates from the same history.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from keras_skeleton.utils.errors import UnknownNameError, UserError


@dataclass(frozen=True)
class Constant:
    """A constant learning rate.

    Example:
        >>> from keras_skeleton.recipes.schedules import Constant
        >>> Constant().factor(epoch=3, epochs=10, losses=[])
        1.0
    """

    def factor(self, epoch: int, epochs: int, losses: Sequence[float]) -> float:
        """Factor on the base learning rate.

        Args:
            epoch: The epoch, from 0.
            epochs: Number of epochs.
            losses: Validation losses of the previous epochs.
        """
        return 1.0


@dataclass(frozen=True)
class Cosine:
    """Linear warm-up, then cosine decay to zero.

    Attributes:
        warmup: Epochs of the warm-up.

    Example:
        >>> from keras_skeleton.recipes.schedules import Cosine
        >>> [round(Cosine().factor(epoch, 4, []), 3) for epoch in range(4)]
        [1.0, 0.854, 0.5, 0.146]
    """

    warmup: int = 0

    def factor(self, epoch: int, epochs: int, losses: Sequence[float]) -> float:
        if epoch < self.warmup:
            return (epoch + 1) / (self.warmup + 1)
        done = (epoch - self.warmup) / max(epochs - self.warmup, 1)
        return 0.5 * (1 + math.cos(math.pi * done))


@dataclass(frozen=True)
class Plateau:
    """Lowers the learning rate when the validation loss stops improving, as ReduceLROnPlateau in
    Keras.

    Attributes:
        drop: Factor of each drop.
        patience: Epochs without improvement before a drop.
        cooldown: Epochs after a drop that do not count.
        lowest: Lower limit, as a fraction of the base rate.
        margin: Smallest decrease of the loss that counts as an improvement.

    Example:
        >>> from keras_skeleton.recipes.schedules import Plateau
        >>> Plateau(drop=0.1, patience=2).factor(3, 10, losses=[1.0, 1.1, 1.2])
        0.1
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
    """A schedule from `"cosine"` or `{"name": "cosine", "warmup": 3}`.

    Raises:
        UserError: Unknown name or argument.
    """
    own = {"name": value} if isinstance(value, str) else dict(value)
    name = str(own.pop("name", "")).lower()
    if name not in NAMES:
        raise UnknownNameError("schedule", name, NAMES)
    try:
        return NAMES[name](**own)
    except TypeError as error:
        raise UserError(f"recipe.schedule: {error}") from None
