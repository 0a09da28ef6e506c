"""Stages of a joint training: which parts of a network exist, which are trained, and for how long.

A stage builds the network with some of its parts, takes weights from earlier stages by layer name,
freezes the other layers, and trains for a number of iterations or epochs. The results of a fold are
those of its last stage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Stage:
    """One step of a joint training.

    Attributes:
        name: Short name without spaces; also the name of the stage's folder.
        what: Description, shown while the stage runs.
        model: Arguments of `build_model` that differ from the recipe.
        train: Prefixes of the names of trained layers; all other layers are frozen.
        iterations: Number of batches to train on.
        take: Earlier stages, each with the prefixes of the layers whose weights are taken from it.
        epochs: Number of epochs, in place of `iterations`.
        recipe: Fields of the recipe that differ in this stage.
        keep: Weights passed on to later stages: those of the `"last"` epoch, or of the `"best"` on
            validation clips.
        features: The network takes pooled outputs of streams of earlier stages, computed once.
        watch_test: Score test clips after every epoch instead of only at the end. (The last stage,
            whose results a fold reports, always does.)

    Example:
        >>> from keras_skeleton.recipes.stage import Stage
        >>> stage = Stage("step2", "frame gates", {"spatial": False}, ("main",), iterations=1000)
        >>> stage.keep
        'last'
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
