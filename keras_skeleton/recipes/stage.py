"""Joint training in stages: which parts of a network exist, which are trained, for how long.

A stage builds the network with some of its parts, takes weights over from earlier stages by the
names of layers, freezes what it does not train, and trains for a number of iterations. What a
fold reports is the last stage's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Stage:
    """One step of a joint training.

    Attributes:
        name: Short, without spaces: also the name of its folder.
        what: What happens in it, for people.
        model: Arguments of `build_model` that differ from the recipe's.
        train: Beginnings of the names of the layers that are trained; all others are frozen.
        iterations: Batches to train on.
        take: Earlier stages and the beginnings of the names of the layers taken from each.
        epochs: In place of iterations.
        recipe: Fields of the recipe that differ in this stage.
        keep: Which of its weights later stages take: those of its `"last"` epoch, or the `"best"`
            on validation.
        features: Its network reads what the streams of earlier stages put out, computed once.
        watch_test: Test clips are scored after each of its epochs, and not only at its end. (In
            the last stage, whose results a fold reports, they always are.)
    """

    name: str
    what: str
    model: Mapping[str, Any]
    train: tuple[str, ...]
    iterations: int = 0
    take: tuple[tuple[str, tuple[str, ...]], ...] = field(default_factory=tuple)
    epochs: int = 0
    recipe: Mapping[str, Any] = field(default_factory=dict)
    keep: str = "last"
    features: bool = False
    watch_test: bool = True
