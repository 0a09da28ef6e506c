"""Recipes of pose-driven attention over I3D streams: Das et al., WACV 2019."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from keras_skeleton.recipes.recipe import Recipe
from keras_skeleton.recipes.schedules import Cosine, Plateau
from keras_skeleton.recipes.stage import Stage
from keras_skeleton.utils.errors import UnknownNameError

EVERYTHING = ("",)
CLASSIFIER = "Conv3d_6a_1x1_conv"


def pose_joint_training(
    streams: Mapping[str, Any],
    pose: Mapping[str, Any],
    n1: int = 10,
    n2: int = 25,
    head: tuple[str, ...] = (CLASSIFIER,),
    pose_model: Mapping[str, Any] | None = None,
) -> tuple[Stage, ...]:
    """Algorithm 1 of Das et al. (WACV 2019): the stages for steps 2, 3, 5 and 6.

    Steps 1 and 4 are initializations. In step 5 the streams are frozen, as in the released code, so
    their outputs are computed only once; in step 6 the pose LSTMs are frozen. Each stage passes on
    the weights of its best epoch on validation clips ("early stopping", Sec. 4). The paper's N1 =
    10 and N2 = 25 "iterations" are taken as epochs.

    Args:
        streams: Recipe fields of step 2, including `epochs`.
        pose: Recipe fields of step 3, including `epochs`.
        n1: Epochs of step 5.
        n2: Epochs of step 6.
        head: Layers of the classifier.
        pose_model: Model arguments of step 3 that differ from the recipe.

    Returns:
        The stages, in order.

    Example:
        >>> from keras_skeleton.recipes.pose_i3d import pose_joint_training
        >>> stages = pose_joint_training({"epochs": 50}, {"epochs": 100})
        >>> [stage.name for stage in stages]
        ['left_hand', 'right_hand', 'full_body', 'pose', 'fixed_streams', 'whole']
    """

    def alone(name: str, what: str, recipe: Mapping[str, Any]) -> Stage:
        other = {key: value for key, value in recipe.items() if key != "epochs"}
        only = {"only": name, **(pose_model or {} if name == "pose" else {})}
        return Stage(
            name,
            what,
            only,
            EVERYTHING,
            epochs=recipe["epochs"],
            recipe=other,
            keep="best",
            watch_test=False,
        )

    return (
        alone("left_hand", "step 2, I3D on the left hand", streams),
        alone("right_hand", "step 2, I3D on the right hand", streams),
        alone("full_body", "step 2, I3D on the full body", streams),
        alone("pose", "step 3, LSTMs on the skeleton", pose),
        Stage(
            "fixed_streams",
            "step 5, attention and pose LSTMs, streams frozen",
            model={"features": True},
            train=EVERYTHING,
            iterations=0,
            take=(("pose", ("pose_lstm",)),),
            epochs=n1,
            features=True,
            keep="best",
            watch_test=False,
        ),
        Stage(
            "whole",
            "step 6, everything except the pose LSTMs",
            model={},
            train=("i3d_", "part_attention", "Conv3d_", *(set(head) - {CLASSIFIER})),
            iterations=0,
            take=(
                ("left_hand", ("i3d_",)),
                ("right_hand", ("i3d_",)),
                ("full_body", ("i3d_",)),
                ("fixed_streams", ("pose_lstm", "part_attention", *head)),
            ),
            epochs=n2,
            keep="best",
        ),
    )


def aggregated(stages: tuple[Stage, ...], aggregate: str) -> tuple[Stage, ...]:
    """The stages of `pose_joint_training` for another row of Table 1, see `models.pose_i3d`.

    A single track is one stage. Unweighted sums need no pose network, and sums inside the streams
    (`sum_1`, `sum_2`) have no features that could be computed once.
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
    what = {"fixed_streams": "step 5, classifier, streams frozen", "whole": "step 6, everything"}
    return tuple(
        replace(
            stage,
            what=what.get(stage.name, stage.what),
            take=tuple((name, layers) for name, layers in stage.take if name not in gone),
        )
        for stage in stages
        if stage.name not in gone
    )


NEEDS_CROPS = True

_POSE_SOURCES = {
    "optimizer": "paper, Sec. 4: Adam, 5e-4, adjusted automatically; released code: clipping at 1",
    "schedule": "released code: divided by ten after 7 epochs without a lower validation loss, "
    "with the defaults of Keras: no cooldown, no lowest rate",
    "batch_size": "paper, Sec. 4: 16",
    "model": "paper, Sec. 4: 512 LSTM neurons and 20 frames of the skeleton on NTU (128 and 5 on "
    "N-UCLA), lambda 1 = 1e-5 (1e-4), lambda 2 = 1e-3, dropout 0.5; Eq. 5: lambda 2 "
    "decays all W; released code: tanh layer of 128",
    "preprocessing": "paper, Sec. 4: position and view invariance as in Shahroudy et al. (the "
    "released code only moves the origin)",
    "frames": "released code: 64 frames of video",
    "views": "paper, Sec. 4: the logits of 5 sub-sequences are averaged",
    "stages": "paper, Algorithm 1, N1 = 10 and N2 = 25, taken as epochs; streams: released code, "
    "SGD, 0.01, divided by ten after 10 epochs without progress, number of epochs our choice; pose "
    "LSTMs: released code, Adam, 0.005, clipping at 1, batches of 32, 100 epochs",
    "augment": "released code: random frames only. The paper refers to I3D, whose mirrored videos "
    "would turn a left hand into a right hand",
    "jit": "our choice: no XLA, because its compilation takes minutes for this network",
}
# With the other defaults of ReduceLROnPlateau, as in the released code.
_plateau = partial(Plateau, drop=0.1, cooldown=0, lowest=0.0)
_STREAMS = {
    "optimizer": "sgd", "learning_rate": 0.01, "momentum": 0.9, "clipnorm": None,
    "schedule": _plateau(patience=10), "epochs": 50,
}  # fmt: skip
_POSE_ALONE = {
    "learning_rate": 0.005, "batch_size": 32, "epochs": 100,
    "schedule": _plateau(patience=10),
}  # fmt: skip
_POSE_NTU = Recipe(
    optimizer="adam",
    learning_rate=5e-4,
    clipnorm=1.0,
    schedule=_plateau(patience=7),
    batch_size=16,
    epochs=25,
    preprocessing={"coordinates": "actor"},
    model={
        "steps": 20,
        "units": 512,
        "lambda1": 1e-5,
        "lambda2": 1e-3,
        "regularized": "all",
    },
    frames=64,
    jit=False,
    stages=pose_joint_training(_STREAMS, _POSE_ALONE),
    views=5,
    sources=_POSE_SOURCES,
)
_POSE_NUCLA = replace(
    _POSE_NTU,
    model={**_POSE_NTU.model, "steps": 5, "units": 128, "lambda1": 1e-4},
)
_RELEASED_SOURCES = {
    "all": "released code, P-I3D of 2020-05-04. At its last commit LSTMs, attention and streams "
    "are frozen, the state for one stage; the stages are those of the paper's Algorithm 1, with "
    "its N1 and N2",
    "model": "released code: the state of the last step, dropout 0.6 (0.5 in the pose LSTMs), a "
    "dense layer on the classifier's outputs of all time steps, with weight decay 0.01 while parts "
    "are trained alone. Its penalty on the attention is a function that is not used. Its activity "
    "penalty of 0.01 is on a softmax, whose sum is always 1, and is left out",
    "preprocessing": "released code: origin at the first actor's spine in the first frame; here a "
    "second person who is absent stays zero",
    "views": "released code: one clip for each test video, here the middle one",
    "augment": "released code: random frames only",
    "jit": _POSE_SOURCES["jit"],
}
_POSE_RELEASED = replace(
    _POSE_NTU,
    learning_rate=1e-3,
    batch_size=8,
    preprocessing={"coordinates": "first_spine"},
    model={
        "steps": 20, "units": 512, "states": "last", "dropout": 0.6, "head": "dense",
        "head_l2": 0.01,
    },
    stages=pose_joint_training(
        _STREAMS, _POSE_ALONE, head=(CLASSIFIER, "logits"), pose_model={"dropout": 0.5}
    ),
    views=1,
    sources=_RELEASED_SOURCES,
)  # fmt: skip
_POSE = {
    ("ntu", "paper"): _POSE_NTU,
    ("ntu120", "paper"): _POSE_NTU,
    ("nucla", "paper"): _POSE_NUCLA,
    ("ntu", "released"): _POSE_RELEASED,
    ("ntu120", "released"): _POSE_RELEASED,
    ("nucla", "released"): replace(
        _POSE_RELEASED, model={**_POSE_RELEASED.model, "steps": 5, "units": 128}
    ),
    ("synthetic", "paper"): replace(
        _POSE_NTU,
        schedule=Cosine(),
        preprocessing={"coordinates": "actor", "video": "segments"},
        model={
            "steps": 20, "units": 64, "lambda1": 0.1, "lambda2": 1e-4, "width": 0.25,
            "momentum": 0.9,
        },
        frames=16,
        stages=pose_joint_training(
            {"learning_rate": 2e-3, "epochs": 16},
            {"learning_rate": 2e-3, "epochs": 60},
            n1=30,
            n2=4,
        ),
        sources=_POSE_SOURCES
        | {
            "all": "our choice: small enough to train from scratch on two cores; a quarter of "
            "I3D's filters, 16 frames spread over the clip, at the size of the crops. With "
            "lambda 1 = 1e-4 nearly all weight goes to one part; 0.1 leaves some to the others. "
            "Lambda 2 decays the attention and the classifier only"
        },
    ),
    ("*", "paper"): replace(
        _POSE_NTU, sources=_POSE_SOURCES | {"all": "our choice: as on NTU RGB+D"}
    ),
}  # fmt: skip


RECIPES = {("pose_i3d", dataset, name): recipe for (dataset, name), recipe in _POSE.items()}


def adapted(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """The recipe for another row of Table 1: `--set model.aggregate=ROW` also changes stages."""
    if "aggregate" not in changes:
        return recipe
    from keras_skeleton.models.pose_i3d import AGGREGATES  # imported here because it loads Keras

    if changes["aggregate"] not in AGGREGATES:
        raise UnknownNameError("aggregate", changes["aggregate"], AGGREGATES, of="pose_i3d")
    return replace(recipe, stages=aggregated(recipe.stages, changes["aggregate"]))
