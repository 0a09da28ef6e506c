"""Recipes of STA-LSTM and its variants: Song et al., TIP 2018."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from keras_skeleton.recipes.recipe import Recipe
from keras_skeleton.recipes.schedules import Cosine
from keras_skeleton.recipes.shared import FIXED_CAMERA, MIRRORED, TURNED, TWO_PEOPLE
from keras_skeleton.recipes.stage import Stage

MAIN, SPATIAL, TEMPORAL = "main", "joint_attention", "frame_attention"


def sta_joint_training(n1: int = 1000, n2: int = 500) -> tuple[Stage, ...]:
    """Algorithm 1 of STA-LSTM (Song et al., TIP 2018): the stages for steps 2 to 9.

    Step 1 is the initialization. The paper gives no number of iterations for steps 2 and 5; they
    take `n1`. In step 8 the main network starts from step 7, the latest one.

    Args:
        n1: Iterations N1 of steps 2, 3, 5, 6 and 8.
        n2: Iterations N2 of steps 4, 7 and 9.

    Returns:
        The stages, in order.

    Example:
        >>> from keras_skeleton.recipes.sta_lstm import sta_joint_training
        >>> [(stage.name, stage.iterations) for stage in sta_joint_training()[:3]]
        [('step2', 1000), ('step3', 1000), ('step4', 500)]
    """
    temporal_only = {"spatial": False}
    spatial_only = {"temporal": False}
    return (
        Stage(
            "step2",
            "frame gates with one main layer",
            {**temporal_only, "main_layers": 1},
            (MAIN, TEMPORAL),
            n1,
        ),
        Stage(
            "step3",
            "three main layers, frame gates frozen",
            model=temporal_only,
            train=(MAIN,),
            iterations=n1,
            take=(("step2", (MAIN, TEMPORAL)),),
        ),
        Stage(
            "step4",
            "frame gates and main network",
            model=temporal_only,
            train=(MAIN, TEMPORAL),
            iterations=n2,
            take=(("step3", (MAIN, TEMPORAL)),),
        ),
        Stage(
            "step5",
            "joint gates with one main layer",
            {**spatial_only, "main_layers": 1},
            (MAIN, SPATIAL),
            n1,
        ),
        Stage(
            "step6",
            "three main layers, joint gates frozen",
            model=spatial_only,
            train=(MAIN,),
            iterations=n1,
            take=(("step5", (MAIN, SPATIAL)),),
        ),
        Stage(
            "step7",
            "joint gates and main network",
            model=spatial_only,
            train=(MAIN, SPATIAL),
            iterations=n2,
            take=(("step6", (MAIN, SPATIAL)),),
        ),
        Stage(
            "step8",
            "main network, both gates frozen",
            model={},
            train=(MAIN,),
            iterations=n1,
            take=(("step4", (TEMPORAL,)), ("step7", (MAIN, SPATIAL))),
        ),
        Stage(
            "step9",
            "the whole network",
            model={},
            train=(MAIN, SPATIAL, TEMPORAL),
            iterations=n2,
            take=(("step8", (MAIN, SPATIAL, TEMPORAL)),),
        ),
    )


def without(stages: tuple[Stage, ...], spatial: bool, temporal: bool) -> tuple[Stage, ...]:
    """The stages of Algorithm 1 for a network with one kind of attention; none for one without."""
    if spatial and temporal:
        return stages
    wanted = ("step2", "step3", "step4") if temporal else ("step5", "step6", "step7")
    return tuple(s for s in stages if s.name in wanted) if spatial or temporal else ()


def with_as_many_steps(
    stages: tuple[Stage, ...], spatial: bool, temporal: bool
) -> tuple[Stage, ...]:
    """Stages as long as those of Algorithm 1 for a network with one kind of attention or none.

    A network with one kind of attention is trained as in Algorithm 1; then all of it is trained
    further, in as many steps of the same lengths as the algorithm gives the other kind and both
    together. A network without attention is trained in steps of all these lengths. So every network
    has the same number of batches, and the same restarts of the learning rate.

    Args:
        stages: The stages of Algorithm 1.
        spatial: Whether the network has joint gates.
        temporal: Whether it has frame gates.

    Example:
        >>> from keras_skeleton.recipes.sta_lstm import sta_joint_training, with_as_many_steps
        >>> stages = with_as_many_steps(sta_joint_training(), spatial=False, temporal=False)
        >>> len(stages), sum(stage.iterations for stage in stages)
        (8, 6500)
    """
    if spatial and temporal:
        return stages
    own = without(stages, spatial, temporal)
    parts = (MAIN, *((SPATIAL,) if spatial else ()), *((TEMPORAL,) if temporal else ()))
    found = list(own)
    for stage in stages:
        if stage not in own:
            what = "the whole network goes on" if found else "the whole network"
            take = ((found[-1].name, parts),) if found else ()
            found.append(Stage(f"as_{stage.name}", what, {}, parts, stage.iterations, take))
    return tuple(found)


_STA_SOURCES = {
    "optimizer": "paper, Sec. IV.A: Adam",
    "learning_rate": "our choice: 1e-3, the default of Adam; the paper gives none",
    "clipnorm": "released code of the same group (VA-RNN): 1",
    "batch_size": "paper, Sec. IV.A: 8 SBU, 256 NTU and PKU-MMD",
    "epochs": "our choice, for end-to-end training (--set recipe.stages=none)",
    "model": "paper, Sec. IV.A: lambda 1, 2, 3 = 0.001, 0.0001, 0.0005 on SBU, 0.01, 0.001, "
    "0.00005 on NTU and PKU-MMD; dropout 0.5",
    "stages": "paper, Algorithm 1, N1 = 1000 and N2 = 500 iterations; steps 2 and 5, for which it "
    "gives no number, take N1",
    "jit": "our choice: on CPUs XLA speeds up small batches",
}


_STA_SBU = Recipe(
    optimizer="adam",
    learning_rate=1e-3,
    clipnorm=1.0,
    batch_size=8,
    epochs=100,
    preprocessing={"coordinates": "pair", "smooth": True},
    model={"lambda1": 1e-3, "lambda2": 1e-4, "lambda3": 5e-4},
    jit="small",
    stages=sta_joint_training(n1=1000, n2=500),
    sources=_STA_SOURCES
    | {
        "preprocessing": "paper, Sec. IV.A: smoothing; our choice: origin between the two people, "
        "x axis from one to the other"
    },
)
_STA_NTU = replace(
    _STA_SBU,
    batch_size=256,
    epochs=60,
    preprocessing={"coordinates": "actor"},
    model={"lambda1": 1e-2, "lambda2": 1e-3, "lambda3": 5e-5},
    frames=300,
    sources=_STA_SOURCES
    | {"preprocessing": "paper, Sec. IV.A: as in Shahroudy et al.; no down-sampling"},
)
_STA_TUNED = replace(
    _STA_SBU,
    learning_rate=2e-3,
    schedule=Cosine(warmup=1),
    epochs=60,
    model={**_STA_SBU.model, "gate_gain": "joints", "score_stddev": 0.01},
)
_STA_LONGER = replace(_STA_TUNED, learning_rate=1e-3, model={**_STA_TUNED.model, "lambda1": 1e-4})
_STA_OTHER = _STA_SOURCES | {
    "all": "not in the paper; our choice: N1, N2 and lambdas as on SBU, except lambda 1, whose "
    "penalty is stronger with gate_gain, where equal attention leaves the input unchanged; a "
    "learning rate that decays to zero in every step; small initial scores (score_stddev)"
}
_STA_SYNTHETIC = replace(
    _STA_LONGER,
    preprocessing={"coordinates": "actor"},
    batch_size=16,
    epochs=30,
    stages=sta_joint_training(n1=500, n2=250),
    model={**_STA_LONGER.model, "lambda1": 1e-3},
    augment=TURNED,
    sources=_STA_OTHER
    | {
        "model": "paper, Sec. IV.A: lambdas as on SBU",
        "stages": "our choice: half of the paper's N1 and N2",
        "augment": "our choice: 336 training clips",
    },
)
_STA_NUCLA = replace(
    _STA_LONGER,
    preprocessing={"coordinates": "actor"},
    augment=(
        ("RandomRotation", {"degrees": (20, 30, 20)}),
        ("RandomScale", {"amount": 0.1}),
    ),
    batch_size=16,
    frames=100,
    sources=_STA_OTHER
    | {
        "preprocessing": "paper, Sec. IV.A: as in Shahroudy et al., for view invariance",
        "augment": "our choice, from the training views alone (an LSTM trained on view 1 and "
        "tested on view 2)",
        "frames": "our choice: a few clips are longer (up to 201 frames) and are subsampled; "
        "the mean is 39",
    },
)
_STA = {
    ("sbu", "paper"): _STA_SBU,
    ("sbu", "tuned"): replace(
        _STA_TUNED,
        augment=TWO_PEOPLE,
        test_copies=8,
        sources={
            "all": "our choice: the learning rate decays to zero in every step; equal attention to "
            "all joints leaves the input unchanged (gate_gain); small initial scores keep the "
            "frame gates open (score_stddev); an interaction is the same in a mirror and with the "
            "two people exchanged. Chosen on folds 1, 3, 4 and 5, so not independent of "
            "them. Batch size, lambdas, N1 and N2 are the paper's",
            "preprocessing": _STA_SBU.sources["preprocessing"],
        },
    ),
    ("ntu", "paper"): _STA_NTU,
    ("ntu120", "paper"): _STA_NTU,
    ("pku_mmd", "paper"): _STA_NTU,
    ("ut_kinect", "paper"): replace(
        _STA_LONGER,
        preprocessing={"coordinates": "hips", "unit": 0.2},
        augment=TURNED,
        sources=_STA_OTHER
        | {
            "preprocessing": f"{FIXED_CAMERA['preprocessing']}. In units of 0.2 m, because LSTMs "
            "learn slowly from numbers far below 1",
            "augment": "our choice: a training set of 80 clips",
        },
    ),
    ("nucla", "paper"): _STA_NUCLA,
    ("nucla", "tuned"): replace(
        _STA_NUCLA,
        augment=(
            ("RandomRotation", {"degrees": (20, 60, 20)}),
            ("RandomScale", {"amount": 0.1}),
            MIRRORED,
        ),
        test_copies=8,
        sources={
            **_STA_NUCLA.sources,
            "augment": "our choice: mirror images, because no class depends on the hand that is "
            "used, and rotations of up to 60 degrees about the vertical. Of ten choices the best "
            "for an LSTM that is trained on one training view and tested on the other, in both "
            "directions, with one seed (benchmarks/choose_nucla_augmentation.py); the test view "
            "was not looked at",
        },
    ),
    ("synthetic", "paper"): _STA_SYNTHETIC,
    ("synthetic", "tuned"): replace(
        _STA_SYNTHETIC,
        preprocessing={"coordinates": "actor_displacement"},
        model={**_STA_SYNTHETIC.model, "lambda1": 3e-4},
        augment=(*TURNED, ("RandomJitter", {"stddev": 0.6})),
        frames=60,
        sources={
            **_STA_SYNTHETIC.sources,
            "all": "our choice, so that gates open during the action; chosen by inspecting the "
            "gates on clips of the training and validation subjects",
            "preprocessing": "our choice: displacement of each joint from its initial position. "
            "Positions reveal the class before the action starts, and relative to the actor's "
            "spine in every frame even the feet move when the person sits down",
            "model": "our choice: a third of the lambda 1 of SBU",
            "augment": "our choice: 336 training clips; noise of 0.6 (the length of the lower "
            "trunk is 1) penalizes uninformative joints, which the joint gates can suppress",
            "frames": "our choice: half the temporal resolution; most clips have 60 to 120 frames",
        },
    ),
    ("*", "paper"): replace(
        _STA_LONGER, preprocessing={"coordinates": "actor"}, sources=_STA_OTHER
    ),
}

# Ours, not the paper's: attention that has to choose.
_FAITHFUL_SOURCES = {
    "all": "our choice, not in the paper: gates share out a limited power over joints and frames, "
    "and noise behind them makes what they leave out unreadable. Values are a first choice, from "
    "the synthetic training subjects, two of whom were held out, and a smaller network of one main "
    "layer and 30 frames. No test clip was looked at, and nothing is measured there yet",
    "stages": "our choice: one training from end to end",
}


def _faithful(recipe: Recipe, motion: int, **preprocessing: Any) -> Recipe:
    """The recipe `faithful` on a dataset, from the one whose frames and augmentation it takes."""
    return replace(
        recipe,
        learning_rate=2e-3,
        schedule=Cosine(warmup=1),
        epochs=60,
        batch_size=16,
        stages=(),
        preprocessing={**recipe.preprocessing, **preprocessing},
        model={
            "lambda3": 5e-4,
            "gate_gain": "joints",
            "score_stddev": 0.01,
            "motion": motion,
            "joint_units": True,
            "gates_see": "clip",
            "joint_gates": "clip",
            "frame_gates": "input",
            "gate_noise": 6.0,
            "joint_entropy": 0.2,
        },
        sources=_FAITHFUL_SOURCES,
    )


_STA_FAITHFUL = {
    ("synthetic", "faithful"): _faithful(
        replace(_STA_SYNTHETIC, frames=60), 2, coordinates="actor_displacement", smooth=True
    ),
    ("ut_kinect", "faithful"): _faithful(_STA["ut_kinect", "paper"], 2, smooth=True),
    ("sbu", "faithful"): _faithful(_STA["sbu", "tuned"], 1),
    ("nucla", "faithful"): _faithful(_STA["nucla", "paper"], 2, smooth=True),
}

# Name: (spatial attention, temporal attention).
_STA_MODELS = {
    "lstm": (False, False),
    "sa_lstm": (True, False),
    "ta_lstm": (False, True),
    "sta_lstm": (True, True),
}

_TAP_SOURCE = (
    "paper, Algorithm 2: the classification loss (7) in one training; lambda 2 is our choice, from "
    "validation recordings of the synthetic dataset: training clips contain only actions, so "
    "without a penalty on attention the gates also stay open between actions"
)

_EQUAL = (
    "our choice, for a fair comparison: as many batches and restarts as Algorithm 1 gives "
    "STA-LSTM; everything else as in the recipe of STA-LSTM"
)


def _equal(dataset: str, attention: tuple[bool, bool]) -> Recipe:
    """The recipe `equal` of a network without one or both kinds of attention."""
    recipe = _STA.get((dataset, "tuned")) or _STA[dataset, "paper"]
    return replace(
        recipe,
        stages=with_as_many_steps(recipe.stages, *attention),
        sources={**recipe.sources, "stages": _EQUAL},
    )


RECIPES = (
    {
        (model, dataset, name): replace(recipe, stages=without(recipe.stages, *attention))
        for model, attention in _STA_MODELS.items()
        for (dataset, name), recipe in _STA.items()
    }
    | {
        (model, dataset, "equal"): _equal(dataset, attention)
        for model, attention in _STA_MODELS.items()
        for dataset in dict.fromkeys(dataset for dataset, _ in _STA)
        if not all(attention)
    }
    | {
        (model, *key): recipe
        for model in ("sa_lstm", "ta_lstm", "sta_lstm")
        for key, recipe in _STA_FAITHFUL.items()
    }
    | {
        ("tap_lstm", dataset, name): replace(
            recipe,
            stages=(),
            model={**recipe.model, "lambda1": 0.0, "lambda2": 0.1},
            sources={**recipe.sources, "model": _TAP_SOURCE},
        )
        for (dataset, name), recipe in _STA.items()
    }
)
