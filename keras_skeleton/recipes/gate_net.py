"""Recipes of GateNet, our own detector: `gate_u` (causal) and `gate_b` (both ways)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from keras_skeleton.recipes.recipe import Recipe
from keras_skeleton.recipes.schedules import Cosine
from keras_skeleton.skeletons import get_skeleton

_CHOSEN = (
    "chosen on UT-Kinect by leaving out one of the five training subjects of `cs` at a time; test "
    "recordings were not looked at"
)
_SOURCES = {
    "all": f"our choice, {_CHOSEN}",
    "preprocessing": "our choice: coordinates of the camera, since the network itself takes "
    "positions from the hips and needs the motion of the root; units of 0.2 m, as for STA-LSTM",
    "augment": "our choice: what may differ between recordings: the direction of the person, the "
    "side of the body that acts, proportions, and noise of the sensor (2 cm)",
    "speed": "our choice: people act faster or slower",
    "model": "our choice: gate_u labels a frame 9 frames later (0.3 s at 30 frames per second), "
    "because the first frame of an action hardly shows that it starts",
}


def _mirror(layout: str) -> tuple[str, dict[str, object]]:
    order = [int(v) for v in get_skeleton(layout).mirror]
    return "RandomSymmetry", {"order": order, "signs": (-1, 1, 1)}


def _recipe(layout: str | None = None) -> Recipe:
    mirror = (_mirror(layout),) if layout else ()
    return Recipe(
        optimizer="adam",
        learning_rate=2e-3,
        schedule=Cosine(warmup=10),
        batch_size=16,
        epochs=150,
        clipnorm=1.0,
        preprocessing={"coordinates": "camera", "unit": 0.2},
        frames=160,
        speed=1.33,
        augment=(
            ("RandomRotation", {"degrees": (0, 30, 0)}),
            *mirror,
            ("RandomScale", {"amount": 0.15}),
            ("RandomJitter", {"stddev": 0.1}),
        ),
        sources=_SOURCES,
    )


_MODEL: dict[str, dict[str, Any]] = {
    "gate_u": {"causal": True, "ahead": 3},
    "gate_b": {"causal": False},
}

# Windows of recordings in an epoch: 50 on UT-Kinect, 1,200 on the synthetic dataset.
_GATE = {
    "ut_kinect": _recipe("kinect_v1"),
    "synthetic": replace(_recipe(), epochs=10, schedule=Cosine(warmup=1)),
    "*": replace(_recipe(), epochs=20, schedule=Cosine(warmup=1)),
}

STEPS = 600  # of training on UT-Kinect; few recordings need as many


def with_enough_steps(recipe: Recipe, frames: int) -> Recipe:
    """The recipe with so many epochs that there are at least 600 steps.

    Args:
        recipe: A recipe of GateNet.
        frames: Number of frames of all recordings.

    Example:
        >>> from keras_skeleton.recipes.gate_net import RECIPES, with_enough_steps
        >>> with_enough_steps(RECIPES["gate_b", "*", "tuned"], frames=4000).epochs
        300
    """
    windows = math.ceil(frames / (recipe.frames or 1))
    steps = max(math.ceil(windows / recipe.batch_size), 1)
    return replace(recipe, epochs=max(recipe.epochs, math.ceil(STEPS / steps)))


RECIPES = {
    (model, dataset, "tuned"): replace(recipe, model={**recipe.model, **own})
    for dataset, recipe in _GATE.items()
    for model, own in _MODEL.items()
}
