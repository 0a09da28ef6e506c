"""Memory Attention Networks (MANs): Xie et al., IJCAI 2018, arXiv 1804.08254.

A skeleton sequence is treated as an image: rows are frames, columns are joints, channels are x, y
and z. TARM weighs the frames of each coordinate with a recurrent memory and learned attention;
STCM, a CNN, classifies the recalibrated image.

    mans9, mans33, mans61            image 50 x 50, K = 64   (Table 2)
    mans_resnet18, mans_densenet161  image 224 x 224, K = 128
    stcm9, stcm_densenet161          the CNN alone (setting A of Table 4)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import layers

from keras_skeleton.layers.frame_attention import POOLED
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
    "stcm_densenet161": (224, 128, backbones.densenet161),
}
DENSENETS = ("mans_densenet161", "stcm_densenet161")
CNN_ALONE = ("stcm9", "stcm_densenet161")
SOURCES = ("paper", "released")


def mans(
    name: str,
    classes: int,
    frames: int | None = None,
    attention: str = "learned",
    ratio: int = 16,
    dropout: float | None = None,
    recurrent_activation: str = "sigmoid",
    l2: float = 1e-4,
    densenet: str = "paper",
    growth: int = 48,
    pooled: str = "mean",
) -> keras.Model:
    """Builds a Memory Attention Network: skeleton image (B, S, S, 3) to logits (B, classes).

    Source: Xie et al., IJCAI 2018, arXiv:1804.08254, Eqs. 1 to 10. The image is that of
    `transforms.mans_image`: rows are time steps, columns joints, channels x, y and z.

    Args:
        name: `"mans9"`, `"mans33"` or `"mans61"` (S = 50, K = 64, Table 2), `"mans_resnet18"` or
            `"mans_densenet161"` (S = 224, K = 128), or the CNN of one of them alone, `"stcm9"` or
            `"stcm_densenet161"` (setting A of Table 4).
        classes: Number of classes.
        frames: S, the height and width of the image; that of the variant by default.
        attention: `"learned"`, `"frozen"`, `"none"` or `"frame_gate"`; see `layers.tarm`. Ignored
            by `stcm9` and `stcm_densenet161`, which have no TARM.
        ratio: alpha of Eq. 8.
        dropout: Dropout rate of the BiGRU; by default 0.5 for images of 50 x 50 and 0 for 224 x 224
            (released code).
        recurrent_activation: Activation of the BiGRU's gates; `"hard_sigmoid"` in the released
            code.
        l2: Weight decay of the convolutions and of the BiGRU's input kernels (released code).
        densenet: DenseNet-161 as in the `"paper"`, or with the Scale layers and the padding of the
            `"released"` code; see `models.backbones.densenet161`. Other networks ignore it.
        growth: Growth rate of DenseNet-161; 48 in the paper that proposes it.
        pooled: How the frame attention pools its input: `"mean"` (the paper), or `"standardized"`,
            which is ours: attention that depends more on the clip, see `layers.FrameAttention`.

    Returns:
        The network. With attention, its layer `frame_attention` outputs F_A, (B, S, 3).

    Raises:
        KeyError: Unknown `name`.
        ValueError: Unknown `attention`, `recurrent_activation`, `densenet` or `pooled`.

    Example:
        >>> from keras_skeleton.models.mans import mans
        >>> mans("mans9", classes=60).output_shape
        (None, 60)
    """
    if densenet not in SOURCES:
        raise ValueError(f"densenet='{densenet}' is unknown; expected one of {SOURCES}")
    if pooled not in POOLED:
        raise ValueError(f"pooled='{pooled}' is unknown; expected one of {POOLED}")
    size, K, stcm = VARIANTS[name]
    size = frames or size
    if dropout is None:
        dropout = 0.5 if K == 64 else 0.0

    o = keras.Input((size, size, 3), name="skeleton_image")
    x = o
    if name not in CNN_ALONE:
        x = tarm(
            o,
            K,
            ratio=ratio,
            attention=attention,
            dropout=dropout,
            recurrent_activation=recurrent_activation,
            l2=l2,
            pooled=pooled,
        )  # O~, Eqs. 1 to 8
    if name in DENSENETS:
        stcm = partial(stcm, growth=growth, released=densenet == "released")
    x = stcm(x, l2=l2)  # F_C, Eq. 9: (B, D)
    logits = layers.Dense(
        classes, kernel_initializer=backbones.INIT, name="logits", dtype="float32"
    )(x)
    return keras.Model(o, logits, name=name)  # Eq. 10 without its softmax, which is in the loss


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
