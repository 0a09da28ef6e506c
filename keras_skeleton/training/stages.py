"""Joint training in stages: which parts of a network exist, which are trained, for how long.

A stage builds the network with some of its parts, takes weights over from earlier stages by the
names of layers, freezes what it does not train, and trains for a number of iterations. What a
fold reports is the last stage's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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


EVERYTHING = ("",)
CLASSIFIER = "Conv3d_6a_1x1_conv"


def pose_joint_training(
    streams: Mapping[str, Any], pose: Mapping[str, Any], n1: int = 10, n2: int = 25
) -> tuple[Stage, ...]:
    """Algorithm 1 of Das et al. (WACV 2019), its steps 2 to 6; 1 and 4 are initializations.

    In step 5 the streams are fixed, as in the released code, so their outputs are computed once;
    in step 6 the pose LSTMs are. Every step goes on from the best epoch on validation ("early
    stopping", Sec. 4). Paper: N1 = 10, N2 = 25, which we read as epochs.

    Args:
        streams: Fields of the recipe for step 2, `epochs` among them.
        pose: The same for step 3.
        n1, n2: Epochs of steps 5 and 6.
    """

    def alone(name: str, what: str, recipe: Mapping[str, Any]) -> Stage:
        other = {key: value for key, value in recipe.items() if key != "epochs"}
        only = {"only": name}
        return Stage(
            name, what, only, EVERYTHING, epochs=recipe["epochs"], recipe=other, keep="best",
            watch_test=False,
        )  # fmt: skip

    return (
        alone("left_hand", "step 2, I3D on the left hand", streams),
        alone("right_hand", "step 2, I3D on the right hand", streams),
        alone("full_body", "step 2, I3D on the full body", streams),
        alone("pose", "step 3, LSTMs on the skeleton", pose),
        Stage(
            "fixed_streams", "step 5, attention and pose LSTMs, streams fixed",
            {"features": True}, EVERYTHING, 0, (("pose", ("pose_lstm",)),), n1, features=True,
            keep="best", watch_test=False,
        ),
        Stage(
            "whole", "step 6, everything but the pose LSTMs",
            {}, ("i3d_", "part_attention", "Conv3d_"), 0,
            (
                ("left_hand", ("i3d_",)), ("right_hand", ("i3d_",)), ("full_body", ("i3d_",)),
                ("fixed_streams", ("pose_lstm", "part_attention", CLASSIFIER)),
            ),
            n2, keep="best",
        ),
    )  # fmt: skip


def aggregated(stages: tuple[Stage, ...], aggregate: str) -> tuple[Stage, ...]:
    """What is left of `pose_joint_training` in another row of Table 1, see `models.pose_i3d`.

    A track alone is one stage. Plain sums need no pose network; those inside the streams
    (`sum_1`, `sum_2`) have no features to compute once.
    """
    if aggregate == "attention":
        return stages
    by_name = {stage.name: stage for stage in stages}
    if aggregate == "full_image":
        only = replace(by_name["full_body"], name=aggregate, model={"only": aggregate})
        return (replace(only, what="step 2, I3D on the full image"),)
    if aggregate in by_name:
        return (by_name[aggregate],)
    gone = {"pose", *(["fixed_streams"] if aggregate in ("sum_1", "sum_2") else [])}
    what = {"fixed_streams": "step 5, classifier, streams fixed", "whole": "step 6, everything"}
    return tuple(
        replace(
            stage,
            what=what.get(stage.name, stage.what),
            take=tuple((name, layers) for name, layers in stage.take if name not in gone),
        )
        for stage in stages
        if stage.name not in gone
    )


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
            if isinstance(layer, keras.Model):  # a stream, which may end earlier here
                take_over(layer, there[layer.name], ("",))
            else:
                layer.set_weights(there[layer.name].get_weights())
            taken.append(layer.name)
    return taken
