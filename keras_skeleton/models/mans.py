"""Memory Attention Networks: Xie et al., IJCAI 2018, arXiv 1804.08254.

A skeleton sequence is an image: T rows of frames, N columns of joints, channels x, y, z.
TARM weighs the frames of each coordinate with a recurrent memory and learned attention;
STCM, a CNN, reads the recalibrated image.

    mans9, mans33, mans61            50 x 50 image, K = 64   (Table 2)
    mans_resnet18, mans_densenet161  224 x 224 image, K = 128
    stcm9                            the CNN alone (setting A of Table 4)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import layers

from keras_skeleton.layers.tarm import tarm
from keras_skeleton.models import backbones
from keras_skeleton.models.entry import ModelEntry
from keras_skeleton.skeletons import Skeleton
from keras_skeleton.transforms.image import image_rows, mans_image

# Name: (image size, K, the STCM).
VARIANTS: dict[str, tuple[int, int, Callable[..., Any]]] = {
    "mans9": (50, 64, partial(backbones.stcm, blocks=2)),
    "mans33": (50, 64, partial(backbones.stcm, blocks=8)),
    "mans61": (50, 64, partial(backbones.stcm, blocks=15)),
    "mans_resnet18": (224, 128, backbones.resnet18),
    "mans_densenet161": (224, 128, backbones.densenet161),
    "stcm9": (50, 64, partial(backbones.stcm, blocks=2)),
}


def mans(
    name: str,
    classes: int,
    frames: int | None = None,
    attention: str = "learned",
    ratio: int = 16,
    dropout: float | None = None,
    recurrent_activation: str = "sigmoid",
    l2: float = 1e-4,
) -> keras.Model:
    """Builds one of `VARIANTS`: (B, S, S, 3) from `transforms.mans_image` to logits (B, classes).

    Args:
        name: A key of `VARIANTS`.
        classes: Number of classes.
        frames: S, the height and width of the image; the variant's own by default.
        attention: `"learned"`, `"frozen"`, `"none"` or `"frame_gate"`; see `layers.tarm`.
            `stcm9` has no TARM and ignores it.
        ratio: alpha of Eq. 8.
        dropout: Of the BiGRU; 0.5 for images of 50, none for 224 (released code).
        recurrent_activation: Gates of the BiGRU; `"hard_sigmoid"` in the released code.
        l2: Weight decay of convolutions and the BiGRU's input matrices (released code).
    """
    size, K, stcm = VARIANTS[name]
    size = frames or size
    if dropout is None:
        dropout = 0.5 if K == 64 else 0.0

    o = keras.Input((size, size, 3), name="skeleton_image")
    x = o
    if name != "stcm9":
        x = tarm(
            o,
            K,
            ratio=ratio,
            attention=attention,
            dropout=dropout,
            recurrent_activation=recurrent_activation,
            l2=l2,
        )  # O~, Eqs. 1 to 8
    x = stcm(x, l2=l2)  # F_C, Eq. 9: (B, D)
    logits = layers.Dense(
        classes, kernel_initializer=backbones.INIT, name="logits", dtype="float32"
    )(x)
    return keras.Model(o, logits, name=name)  # Eq. 10 without its softmax, which the loss takes


def _entry(name: str) -> ModelEntry:
    default, _, _ = VARIANTS[name]

    def build(
        skeleton: Skeleton, classes: int, frames: int | None = None, **arguments: Any
    ) -> keras.Model:
        return mans(name, classes, frames, **arguments)  # one image size for every skeleton

    def preprocess(
        skeleton: Skeleton, frames: int | None = None, **choices: Any
    ) -> Callable[[np.ndarray], np.ndarray]:
        return partial(mans_image, size=frames or default, skeleton=skeleton, **choices)

    def frame_index(
        length: int, frames: int | None = None, time: str = "pad", **choices: Any
    ) -> np.ndarray:
        return image_rows(length, frames or default, time)

    return ModelEntry(
        build, preprocess, frame_index, paper="MANs (Xie et al., IJCAI 2018)", declares=mans
    )


MODELS = {name: _entry(name) for name in VARIANTS}
