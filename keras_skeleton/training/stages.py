"""Joint training in stages: which parts of a network exist, which are trained, for how long.

A stage builds the network with some of its parts, takes weights over from earlier stages by the
names of layers, freezes what it does not train, and trains for a number of iterations. What a
fold reports is the last stage's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras


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
    """

    name: str
    what: str
    model: Mapping[str, Any]
    train: tuple[str, ...]
    iterations: int
    take: tuple[tuple[str, tuple[str, ...]], ...] = field(default_factory=tuple)


MAIN, SPATIAL, TEMPORAL = "main", "joint_attention", "frame_attention"


def sta_joint_training(n1: int = 1000, n2: int = 500) -> tuple[Stage, ...]:
    """Algorithm 1 of STA-LSTM (Song et al., TIP 2018); its step 1 is the initialization.

    Steps 2 and 5 have no number of iterations in the paper and take `n1`. In step 8 the main
    network goes on from step 7, the latest one.
    """
    temporal_only = {"spatial": False}
    spatial_only = {"temporal": False}
    return (
        Stage(
            "step2", "frame gates with one main layer",
            {**temporal_only, "main_layers": 1}, (MAIN, TEMPORAL), n1,
        ),
        Stage(
            "step3", "three main layers, frame gates fixed",
            temporal_only, (MAIN,), n1, (("step2", (MAIN, TEMPORAL)),),
        ),
        Stage(
            "step4", "frame gates and main network",
            temporal_only, (MAIN, TEMPORAL), n2, (("step3", (MAIN, TEMPORAL)),),
        ),
        Stage(
            "step5", "joint gates with one main layer",
            {**spatial_only, "main_layers": 1}, (MAIN, SPATIAL), n1,
        ),
        Stage(
            "step6", "three main layers, joint gates fixed",
            spatial_only, (MAIN,), n1, (("step5", (MAIN, SPATIAL)),),
        ),
        Stage(
            "step7", "joint gates and main network",
            spatial_only, (MAIN, SPATIAL), n2, (("step6", (MAIN, SPATIAL)),),
        ),
        Stage(
            "step8", "main network, both gates fixed",
            {}, (MAIN,), n1, (("step4", (TEMPORAL,)), ("step7", (MAIN, SPATIAL))),
        ),
        Stage(
            "step9", "the whole network",
            {}, (MAIN, SPATIAL, TEMPORAL), n2, (("step8", (MAIN, SPATIAL, TEMPORAL)),),
        ),
    )  # fmt: skip


def without(stages: tuple[Stage, ...], spatial: bool, temporal: bool) -> tuple[Stage, ...]:
    """The steps that are left of Algorithm 1 where the network has only one attention, or none."""
    if spatial and temporal:
        return stages
    wanted = ("step2", "step3", "step4") if temporal else ("step5", "step6", "step7")
    return tuple(s for s in stages if s.name in wanted) if spatial or temporal else ()


def freeze(model: keras.Model, train: tuple[str, ...]) -> keras.Model:
    """Freezes every layer whose name begins with none of `train`; returns the model."""
    for layer in model.layers:
        layer.trainable = layer.name.startswith(train)
    return model


def take_over(model: keras.Model, earlier: keras.Model, layers: tuple[str, ...]) -> list[str]:
    """Copies the weights of layers that both have and whose names begin as given; their names."""
    there = {layer.name: layer for layer in earlier.layers}
    taken = []
    for layer in model.layers:
        if layer.name in there and layer.name.startswith(layers) and layer.weights:
            layer.set_weights(there[layer.name].get_weights())
            taken.append(layer.name)
    return taken
