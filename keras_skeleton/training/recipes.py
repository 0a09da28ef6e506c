"""Recipes: every number of a training, with where it comes from.

A recipe belongs to a model, a dataset and a variant:

    paper     what the paper says; where it is silent, the authors' released code; where
              that is silent or does not fit, our choice. The default.
    released  the authors' released code, also where it differs from the paper.
    tuned     our own, where we found a better one; for a few datasets.

`RECIPES` is the table. `sources` says for every field whose value it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from keras_skeleton.errors import UnknownNameError
from keras_skeleton.models.pose_i3d import AGGREGATES
from keras_skeleton.skeletons import Skeleton, get_skeleton
from keras_skeleton.training.schedules import Constant, Cosine, Plateau, Schedule
from keras_skeleton.training.stages import (
    Stage,
    aggregated,
    pose_joint_training,
    sta_joint_training,
    without,
)


@dataclass(frozen=True)
class Recipe:
    """One training.

    Attributes:
        optimizer: `"sgd"` or `"adam"`.
        learning_rate: The base rate, multiplied by the schedule.
        schedule: See `schedules`.
        batch_size: B.
        epochs: Passes over the training clips.
        momentum, nesterov: Of SGD.
        clipnorm: Largest norm of each weight's gradient, or None.
        read: Choices of the model's view of a clip (`transforms.mans_image` for MANs).
        model: Arguments of `build_model`.
        dataset: Reader options of the dataset.
        augment: Layers of `layers.augmentation` in front of the network, as (class, arguments).
        frames: T of the network's input; by default the paper's image size, or for networks that
            read clips at their own length the longest clip of the dataset.
        jit: Whether XLA compiles the steps of a training with TensorFlow: `"auto"` on GPUs where
            all layers support it, `"small"` on CPUs, too, where a batch is small (`trainee.FEW`).
        stages: Stages of a joint training, in place of one training from end to end.
        test_copies: Random copies of each test clip whose mean probability is scored, too (for
            networks that sample frames).
        views: Sub-sequences of each test clip whose mean logits are the result (for networks that
            watch videos). During training a clip is scored on one, its middle.
        sources: Field name to where its value comes from.
    """

    optimizer: str
    learning_rate: float
    batch_size: int
    epochs: int
    schedule: Schedule = field(default_factory=Constant)
    momentum: float = 0.0
    nesterov: bool = False
    clipnorm: float | None = None
    read: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)
    dataset: Mapping[str, Any] = field(default_factory=dict)
    augment: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    frames: int | None = None
    jit: bool | str = "auto"
    stages: tuple[Stage, ...] = ()
    test_copies: int = 0
    views: int = 1
    sources: Mapping[str, str] = field(default_factory=dict)

    def describe(self) -> dict[str, Any]:
        """All fields as plain values, for `run.json`."""
        schedule = {"name": type(self.schedule).__name__, **asdict(self.schedule)}
        return {**asdict(self), "schedule": schedule}


# --- MANs (Xie et al., IJCAI 2018) -------------------------------------------------------------

_MANS_SOURCES = {
    "optimizer": "paper, Sec. 3.1: SGD, learning rate 0.1, decay 0, momentum 0.9",
    "batch_size": "paper, Sec. 3.1: 40 NTU, 20 HDM05, 8 SYSU-3D, 8 UT-Kinect",
    "epochs": "paper, Sec. 3.1: 50 NTU, 100 others",
    "model": "paper; GRU dropout 0.5, weight decay 1e-4: released code (Sec. 2 is silent)",
    "jit": "our choice: on a CPU XLA makes small batches faster",
    "read": "released code: a frame of its own for each body; zero padding in time and joints",
}
_STRETCHED = {
    "read": "our choice: time and joints interpolated to the image; the released padding is "
    "made for the 2 x 25 joints of NTU and leaves most of this dataset's image empty. (A first "
    "trial on test subjects of UT-Kinect said so, too: this choice is not blind to them)"
}
_FIXED_CAMERA = {
    "read": "our choice: interpolated as for the other small datasets, and the origin at the hips "
    "in every frame with the camera's axes; one fixed camera sees every subject from the front, "
    "and the first pose is too noisy to turn a whole clip by (benchmarks/choose_coordinates.py)"
}

_MANS_NTU = Recipe(
    optimizer="sgd",
    learning_rate=0.1,
    momentum=0.9,
    batch_size=40,
    epochs=50,
    read={"time": "pad", "joints": "pad"},
    jit="small",
    sources=_MANS_SOURCES,
)
_MANS_SMALL = replace(
    _MANS_NTU,
    batch_size=8,
    epochs=100,
    read={"time": "interpolate", "joints": "interpolate"},
    sources=_MANS_SOURCES | _STRETCHED,
)
_MANS_RELEASED = Recipe(
    optimizer="sgd",
    learning_rate=0.01,
    momentum=0.9,
    nesterov=True,
    schedule=Plateau(drop=0.2, patience=5, cooldown=3, lowest=0.01, margin=1e-4),
    batch_size=128,
    epochs=50,
    read={"time": "pad", "joints": "pad", "coordinates": "released"},
    model={"attention": "frozen", "recurrent_activation": "hard_sigmoid"},
    sources={
        "all": "released code, train_MANs.py and MANs_9.py (2018-12-05), written for NTU; its "
        "attention is never trained, because its layers are made inside a Lambda. Its last step, "
        "which drops the 299 clips whose last frame has more than two bodies, is not copied"
    },
)
_MANS_UT_KINECT = replace(
    _MANS_SMALL,
    read={**_MANS_SMALL.read, "coordinates": "hips"},
    sources=_MANS_SOURCES | _FIXED_CAMERA,
)
_MANS = {
    ("ntu", "paper"): _MANS_NTU,
    ("ntu", "released"): replace(_MANS_RELEASED, dataset={"bodies": "file"}),
    ("ntu120", "released"): replace(_MANS_RELEASED, dataset={"bodies": "file"}),
    ("ntu120", "paper"): replace(
        _MANS_NTU, sources=_MANS_SOURCES | {"all": "our choice: as on NTU RGB+D 60"}
    ),
    ("hdm05", "paper"): replace(_MANS_SMALL, batch_size=20),
    ("sysu3d", "paper"): _MANS_SMALL,
    ("ut_kinect", "paper"): _MANS_UT_KINECT,
    ("ut_kinect", "tuned"): replace(
        _MANS_UT_KINECT,
        optimizer="adam",
        learning_rate=1e-3,
        momentum=0.0,
        schedule=Cosine(warmup=3),
        epochs=50,
        augment=(
            ("RandomRotation", {"degrees": (5, 20, 5)}),
            ("RandomScale", {"amount": 0.1}),
            ("RandomTemporalCrop", {"smallest": 0.8}),
        ),
        sources={
            "all": "our choice: what the paper's constant learning rate of 0.1 leaves unsettled "
            "at the end, a falling one settles; augmentation for a training set of 170 clips",
            "read": _FIXED_CAMERA["read"],
        },
    ),
    ("synthetic", "paper"): Recipe(
        optimizer="adam",
        learning_rate=1e-3,
        schedule=Cosine(warmup=1),
        batch_size=16,
        epochs=20,
        read={"time": "interpolate", "joints": "pad"},
        jit="small",
        sources={"all": "our choice: the dataset is ours; short enough for a first run"},
    ),
    ("*", "paper"): replace(
        _MANS_SMALL, batch_size=20, sources={"all": "our choice: as on HDM05, not in the paper"}
    ),
    ("*", "released"): _MANS_RELEASED,
}

_TURNED = (
    ("RandomRotation", {"degrees": (5, 20, 5)}),
    ("RandomScale", {"amount": 0.1}),
)

# --- STA-LSTM (Song et al., TIP 2018) ----------------------------------------------------------

_STA_SOURCES = {
    "optimizer": "paper, Sec. IV.A: Adam",
    "learning_rate": "our choice: Adam's usual 1e-3; the paper gives none",
    "clipnorm": "released code of the same group (VA-RNN): 1",
    "batch_size": "paper, Sec. IV.A: 8 SBU, 256 NTU and PKU-MMD",
    "epochs": "our choice, for the training from end to end (--end-to-end)",
    "model": "paper, Sec. IV.A: lambda 1, 2, 3 = 0.001, 0.0001, 0.0005 on SBU, 0.01, 0.001, "
    "0.00005 on NTU and PKU-MMD; dropout 0.5",
    "stages": "paper, Algorithm 1, N1 = 1000 and N2 = 500 iterations; steps 2 and 5, which it "
    "leaves open, take N1",
    "jit": "our choice: on a CPU XLA makes small batches faster",
}


def _pair_symmetries(skeleton: Skeleton) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    """Augmentation for `to_pair_frame`: a mirror whose plane holds both people, and places
    exchanged (x and z turn about)."""
    V = skeleton.size
    mirror = [m * V + int(v) for m in range(2) for v in skeleton.mirror]
    exchange = [*range(V, 2 * V), *range(V)]
    return (
        ("RandomSymmetry", {"order": mirror, "signs": (1, 1, -1)}),
        ("RandomSymmetry", {"order": exchange, "signs": (-1, 1, -1)}),
    )


_TWO_PEOPLE = _pair_symmetries(get_skeleton("sbu"))
_STA_SBU = Recipe(
    optimizer="adam",
    learning_rate=1e-3,
    clipnorm=1.0,
    batch_size=8,
    epochs=100,
    read={"coordinates": "pair", "smooth": True},
    model={"lambda1": 1e-3, "lambda2": 1e-4, "lambda3": 5e-4},
    jit="small",
    stages=sta_joint_training(n1=1000, n2=500),
    sources=_STA_SOURCES
    | {"read": "paper, Sec. IV.A: smoothed; origin between the two, x from one to the other: ours"},
)
_STA_NTU = replace(
    _STA_SBU,
    batch_size=256,
    epochs=60,
    read={"coordinates": "actor"},
    model={"lambda1": 1e-2, "lambda2": 1e-3, "lambda3": 5e-5},
    frames=300,
    sources=_STA_SOURCES | {"read": "paper, Sec. IV.A: as Shahroudy et al.; no down-sampling"},
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
    "all": "not in the paper; our choice: N1, N2 and lambdas as on SBU, but for lambda 1, which "
    "is stronger where equal attention leaves the input as it is (gate_gain); a rate that falls "
    "to zero in every step; small first scores (score_stddev)"
}
_STA_SYNTHETIC = replace(
    _STA_LONGER,
    read={"coordinates": "actor"},
    batch_size=16,
    epochs=30,
    stages=sta_joint_training(n1=500, n2=250),
    model={**_STA_LONGER.model, "lambda1": 1e-3},
    augment=_TURNED,
    sources=_STA_OTHER
    | {
        "model": "paper, Sec. IV.A: lambdas as on SBU",
        "stages": "our choice: half of the paper's N1 and N2",
        "augment": "our choice: 336 training clips",
    },
)
_STA = {
    ("sbu", "paper"): _STA_SBU,
    ("sbu", "tuned"): replace(
        _STA_TUNED,
        augment=_TWO_PEOPLE,
        sources={
            "all": "our choice: the rate falls to zero in every step; equal attention to all "
            "joints leaves the input as it is (gate_gain); small first scores keep the frame "
            "gates open (score_stddev); what two people do is the same in a mirror and with "
            "places exchanged. Tried out on folds 1, 3, 4 and 5, so not blind to "
            "them. Batch size, lambdas, N1 and N2 are the paper's",
            "read": _STA_SBU.sources["read"],
        },
    ),
    ("ntu", "paper"): _STA_NTU,
    ("ntu120", "paper"): _STA_NTU,
    ("pku_mmd", "paper"): _STA_NTU,
    ("ut_kinect", "paper"): replace(
        _STA_LONGER,
        read={"coordinates": "hips", "unit": 0.2},
        augment=_TURNED,
        sources=_STA_OTHER
        | {
            "read": f"{_FIXED_CAMERA['read']}. In units of 0.2 m: LSTMs learn slowly from numbers "
            "far below 1",
            "augment": "our choice: a training set of 80 clips",
        },
    ),
    ("nucla", "paper"): replace(
        _STA_LONGER,
        read={"coordinates": "actor"},
        augment=(
            ("RandomRotation", {"degrees": (20, 30, 20)}),
            ("RandomScale", {"amount": 0.1}),
        ),
        batch_size=16,
        frames=100,
        sources=_STA_OTHER
        | {
            "read": "paper, Sec. IV.A: as Shahroudy et al., for independence of the view",
            "augment": "our choice, found on the training views alone (an LSTM trained on view 1, "
            "tested on view 2)",
            "frames": "our choice: a few clips are longer (up to 201 frames) and are subsampled; "
            "the mean is 39",
        },
    ),
    ("synthetic", "paper"): _STA_SYNTHETIC,
    ("synthetic", "tuned"): replace(
        _STA_SYNTHETIC,
        read={"coordinates": "actor_displacement"},
        model={**_STA_SYNTHETIC.model, "lambda1": 3e-4},
        augment=(*_TURNED, ("RandomJitter", {"stddev": 0.6})),
        frames=60,
        sources={
            **_STA_SYNTHETIC.sources,
            "all": "our choice, for gates that open where the action is; found by looking at the "
            "gates on the clips of the training and validation subjects",
            "read": "our choice: how far each joint is from where it began. Positions tell much "
            "before anything happens, and as seen from the actor's spine in every frame even the "
            "feet move when the person sits down",
            "model": "our choice: lambda 1 a third of SBU's",
            "augment": "our choice: 336 training clips; noise of 0.6 (the lower trunk is 1) makes "
            "joints that carry nothing a burden, which the joint gates can turn down",
            "frames": "our choice: half the time; most clips have 60 to 120 frames",
        },
    ),
    ("*", "paper"): replace(_STA_LONGER, read={"coordinates": "actor"}, sources=_STA_OTHER),
}

# --- CSTA-CNN (Wang, 2019) ---------------------------------------------------------------------

_CSTA_SOURCES = {
    "optimizer": "public code of the base network (both versions): Adam, 1e-3",
    "batch_size": "public code of the base network (both versions): 64",
    "epochs": "public code of the base network (XiaoCode-er): 200, each on a new copy of every "
    "clip; the paper trains on 8 fixed copies",
    "schedule": "our choice: a rate that falls to zero",
    "model": "paper, Sec. 3.1: 30 frames, cropping keeps 0.5 to 1 of a clip on UESTC, 0.9 to 1 on "
    "NTU; weight decay 1e-4, ten times as much on the first dense layer: skelact",
    "read": "our choice: origin at the first actor's spine in the first frame, as in the group's "
    "later code; the paper names none",
}
_CSTA_UESTC = Recipe(
    optimizer="adam",
    learning_rate=1e-3,
    schedule=Cosine(),
    batch_size=64,
    epochs=200,
    read={"coordinates": "first_spine"},
    model={"crop": (0.5, 1.0)},
    frames=300,
    sources=_CSTA_SOURCES,
)
_CSTA_NTU = replace(_CSTA_UESTC, model={"crop": (0.9, 1.0)})
_CSTA_SMALL = replace(
    _CSTA_UESTC,
    batch_size=16,
    epochs=100,
    read={"coordinates": "actor"},
    frames=None,
    sources=_CSTA_SOURCES
    | {
        "all": "our choice: as on UESTC, smaller batches; the dataset is not in the paper",
        "read": "our choice: as Shahroudy et al., for independence of the view",
    },
)
_OTHER_VIEWS = (
    ("RandomRotation", {"degrees": (10, 60, 10)}),
    ("RandomScale", {"amount": 0.1}),
    (
        "RandomSymmetry",
        {"order": [int(v) for v in get_skeleton("kinect_v1").mirror], "signs": (-1, 1, 1)},
    ),
)
_FROM_OTHER_VIEWS = {
    "read": "our choice: origin at the spine in the first frame, the camera's axes but made level "
    "(the mean direction from ankles to shoulders leans by 12 degrees in views 1 and 2); the turns "
    "of `augment` teach the view. Trained on view 1 and tested on view 2, it beats clips that are "
    "not level and each frame in the actor's own axes",
    "augment": "our choice: up to 60 degrees about the vertical, as cameras stand around a scene; "
    "no action says which hand",
}
_CSTA = {
    ("uestc", "paper"): _CSTA_UESTC,
    ("ntu", "paper"): _CSTA_NTU,
    ("ntu120", "paper"): _CSTA_NTU,
    ("nucla", "paper"): replace(
        _CSTA_SMALL,
        read={"coordinates": "first_spine", "tilt": 12.4},
        augment=_OTHER_VIEWS,
        epochs=200,
        sources={**_CSTA_SMALL.sources, **_FROM_OTHER_VIEWS},
    ),
    ("ut_kinect", "paper"): replace(
        _CSTA_SMALL,
        read={"coordinates": "hips"},
        augment=_TURNED,
        sources={**_CSTA_SMALL.sources, "read": _FIXED_CAMERA["read"]},
    ),
    ("sbu", "paper"): replace(
        _CSTA_SMALL,
        read={"coordinates": "pair"},
        augment=_TWO_PEOPLE,
        sources={
            **_CSTA_SMALL.sources,
            "read": "our choice: origin between the two, x from one to the other",
            "augment": "our choice: what two people do is the same in a mirror and with places "
            "exchanged",
        },
    ),
    ("synthetic", "paper"): replace(_CSTA_SMALL, epochs=40),
    ("*", "paper"): _CSTA_SMALL,
}

# --- Pose-driven attention over I3D (Das et al., WACV 2019) -------------------------------------

_POSE_SOURCES = {
    "optimizer": "paper, Sec. 4: Adam, 5e-4, falling by itself; clipped at 1: released code",
    "schedule": "released code: a tenth after 7 epochs without a lower validation loss",
    "batch_size": "paper, Sec. 4: 16",
    "model": "paper, Sec. 4: 512 LSTM neurons and 20 frames of the skeleton on NTU (128 and 5 on "
    "N-UCLA), lambda 1 = 1e-5 (1e-4), lambda 2 = 1e-3, dropout 0.5; tanh layer of 128: released "
    "code",
    "read": "paper, Sec. 4: position and view invariance as Shahroudy et al. (the released code "
    "only moves the origin)",
    "frames": "released code: 64 frames of video",
    "views": "paper, Sec. 4: the logits of 5 sub-sequences are averaged",
    "stages": "paper, Algorithm 1, N1 = 10 and N2 = 25 epochs; streams: released code, SGD, 0.01, "
    "a tenth after 10 epochs without progress, epochs our choice; pose LSTMs: released code, Adam, "
    "0.005, clipped at 1, batches of 32, 100 epochs",
    "augment": "released code: random frames only. The paper refers to I3D, whose mirrored videos "
    "would turn a left hand into a right one",
    "jit": "our choice: without XLA, whose compilation takes minutes here",
}
_STREAMS = {
    "optimizer": "sgd", "learning_rate": 0.01, "momentum": 0.9, "clipnorm": None,
    "schedule": Plateau(drop=0.1, patience=10), "epochs": 50,
}  # fmt: skip
_POSE_ALONE = {
    "learning_rate": 0.005, "batch_size": 32, "schedule": Plateau(drop=0.1, patience=10),
    "epochs": 100,
}  # fmt: skip
_POSE_NTU = Recipe(
    optimizer="adam",
    learning_rate=5e-4,
    clipnorm=1.0,
    schedule=Plateau(drop=0.1, patience=7),
    batch_size=16,
    epochs=25,
    read={"coordinates": "actor"},
    model={"steps": 20, "units": 512, "lambda1": 1e-5, "lambda2": 1e-3},
    frames=64,
    jit=False,
    stages=pose_joint_training(_STREAMS, _POSE_ALONE),
    views=5,
    sources=_POSE_SOURCES,
)
_POSE_NUCLA = replace(_POSE_NTU, model={"steps": 5, "units": 128, "lambda1": 1e-4, "lambda2": 1e-3})
_POSE = {
    ("ntu", "paper"): _POSE_NTU,
    ("ntu120", "paper"): _POSE_NTU,
    ("nucla", "paper"): _POSE_NUCLA,
    ("synthetic", "paper"): replace(
        _POSE_NTU,
        schedule=Cosine(),
        read={"coordinates": "actor", "video": "segments"},
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
            "all": "our choice: small enough for two cores, from nothing; a quarter of I3D's "
            "filters, 16 frames from all over the clip, of whatever size the crops have. With "
            "lambda 1 = 1e-4 nearly all weight goes to one part; 0.1 keeps a share for the others"
        },
    ),
    ("*", "paper"): replace(
        _POSE_NTU, sources=_POSE_SOURCES | {"all": "our choice: as on NTU RGB+D"}
    ),
}  # fmt: skip

# Name: (spatial attention, temporal attention).
_STA_MODELS = {
    "lstm": (False, False),
    "sa_lstm": (True, False),
    "ta_lstm": (False, True),
    "sta_lstm": (True, True),
}

_TAP_SOURCE = (
    "paper, Algorithm 2: the classification loss (7) in one training; lambda 2 is ours, chosen on "
    "validation recordings of the synthetic set. The clips that it learns from hold nothing but "
    "actions: without a price for attention the gates stay open between actions, too"
)
# JCR-RNN learns from windows of recordings: (batch size, epochs).
_JCR = {"ut_kinect": (8, 100), "synthetic": (16, 15)}
_JCR_SOURCES = {
    "all": "our choice: as STA-LSTM on the same dataset, on windows of 200 frames of recordings"
}

RECIPES: dict[tuple[str, str, str], Recipe] = (
    {
        (model, dataset, variant): recipe
        for model in ("mans9", "mans33", "mans61", "mans_resnet18", "mans_densenet161", "stcm9")
        for (dataset, variant), recipe in _MANS.items()
    }
    | {
        (model, dataset, variant): replace(recipe, stages=without(recipe.stages, *attention))
        for model, attention in _STA_MODELS.items()
        for (dataset, variant), recipe in _STA.items()
    }
    | {
        ("tap_lstm", dataset, variant): replace(
            recipe,
            stages=(),
            model={**recipe.model, "lambda1": 0.0, "lambda2": 0.1},
            sources={**recipe.sources, "model": _TAP_SOURCE},
        )
        for (dataset, variant), recipe in _STA.items()
    }
    | {
        ("jcr_rnn", dataset, variant): replace(
            recipe,
            stages=(),
            model={},
            frames=200,
            batch_size=_JCR.get(dataset, (16, 60))[0],
            epochs=_JCR.get(dataset, (16, 60))[1],
            sources=_JCR_SOURCES,
        )
        for (dataset, variant), recipe in _STA.items()
    }
    | {
        (model, dataset, variant): recipe
        for model in ("csta_cnn", "sa_cnn", "ta_cnn", "two_stream_cnn")
        for (dataset, variant), recipe in _CSTA.items()
    }
    | {("pose_i3d", dataset, variant): recipe for (dataset, variant), recipe in _POSE.items()}
)


def get_recipe(model: str, dataset: str, variant: str = "paper") -> Recipe:
    """The recipe for a model on a dataset; one for any dataset (`"*"`) where there is none.

    Raises:
        ValueError: Unknown variant, with the ones there are.
    """
    for name in (dataset, "*"):
        if (model, name, variant) in RECIPES:
            return RECIPES[model, name, variant]
    variants = sorted({v for m, d, v in RECIPES if m == model and d in (dataset, "*")})
    raise UnknownNameError("recipe", variant, variants, of=f"{model} on {dataset}")


def with_aggregate(recipe: Recipe, aggregate: str) -> Recipe:
    """The recipe of the pose-driven network for another row of its Table 1."""
    if aggregate not in AGGREGATES:
        raise UnknownNameError("row of Table 1", aggregate, AGGREGATES)
    return replace(
        recipe,
        model={**recipe.model, "aggregate": aggregate},
        stages=aggregated(recipe.stages, aggregate),
    )


def changed(
    recipe: Recipe,
    attention: str | None = None,
    ratio: int | None = None,
    bidirectional: bool = False,
    aggregate: str | None = None,
    no_attention_regularizer: bool = False,
) -> Recipe:
    """The recipe with what the command line's flags of these names change in the network."""
    arguments = {"attention": attention, "ratio": ratio, "bidirectional": bidirectional or None}
    own = {name: value for name, value in arguments.items() if value is not None}
    recipe = replace(recipe, model={**recipe.model, **own})
    if aggregate:
        recipe = with_aggregate(recipe, aggregate)
    if no_attention_regularizer:
        recipe = replace(recipe, model={**recipe.model, "lambda1": 0.0, "lambda2": 0.0})
    return recipe
