"""I3D: Inception-v1 with its filters inflated to three dimensions.

J. Carreira, A. Zisserman, "Quo Vadis, Action Recognition? A New Model and the Kinetics Dataset",
CVPR 2017. Input: video (B, T, H, W, channels) with values in [-1, 1]; 3 channels for RGB, 2 for
optical flow.

Layer names are those of the Keras port dlpbc/keras-kinetics-i3d, so its weight files load by name.
Padding is TensorFlow's "same"; batch normalization has epsilon 1e-3 and no scale. With 400 classes
the RGB network has 12,704,544 parameters, moving statistics included.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import keras
from keras import layers, regularizers

EPSILON = 1e-3
HEADS = ("mean", "dense")

# Inception blocks: filters of branches 0 (1x1), 1 (1x1, 3x3), 2 (1x1, 3x3) and 3 (1x1 after
# pooling). Poolings: window and strides.
TRUNK: dict[str, Any] = {
    "Mixed_3b": (64, (96, 128), (16, 32), 32),
    "Mixed_3c": (128, (128, 192), (32, 96), 64),
    "MaxPool2d_4a_3x3": ((3, 3, 3), (2, 2, 2)),
    "Mixed_4b": (192, (96, 208), (16, 48), 64),
    "Mixed_4c": (160, (112, 224), (24, 64), 64),
    "Mixed_4d": (128, (128, 256), (24, 64), 64),
    "Mixed_4e": (112, (144, 288), (32, 64), 64),
    "Mixed_4f": (256, (160, 320), (32, 128), 128),
    "MaxPool2d_5a_2x2": ((2, 2, 2), (2, 2, 2)),
    "Mixed_5b": (256, (160, 320), (32, 128), 128),
    "Mixed_5c": (384, (192, 384), (48, 128), 128),
}
LAST = "Mixed_5c"  # T / 8 frames, H / 32 rows, W / 32 columns, 1,024 channels


class Small(NamedTuple):
    """Changes for small datasets, and weight decay; the published weights fit one width only.

    Attributes:
        width: Factor on the number of filters.
        momentum: Momentum of the moving statistics; with 0.99 they need hundreds of steps to forget
            their initial values.
        decay: Weight decay of the convolutions.
    """

    width: float = 1.0
    momentum: float = 0.99
    decay: float = 0.0


PUBLISHED = Small()


def conv_unit(
    x: Any, name: str, filters: int, size: int, strides: int = 1, small: Small = PUBLISHED
) -> Any:
    """Convolution without bias, batch normalization without scale, and ReLU."""
    filters = max(round(small.width * filters), 1)
    x = layers.Conv3D(
        filters,
        size,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_regularizer=regularizers.L2(small.decay) if small.decay else None,
        name=f"{name}_conv",
    )(x)
    x = layers.BatchNormalization(
        scale=False, epsilon=EPSILON, momentum=small.momentum, name=f"{name}_bn"
    )(x)
    return layers.ReLU(name=name)(x)


def inception(x: Any, name: str, filters: Any, small: Small = PUBLISHED) -> Any:
    """Inception block `Mixed_{name}`: four branches, concatenated along the channels."""
    one, (two_in, two), (three_in, three), four = filters
    conv, unit = f"Conv3d_{name}", partial(conv_unit, small=small)
    a = unit(x, f"{conv}_0a_1x1", one, 1)
    b = unit(unit(x, f"{conv}_1a_1x1", two_in, 1), f"{conv}_1b_3x3", two, 3)
    c = unit(unit(x, f"{conv}_2a_1x1", three_in, 1), f"{conv}_2b_3x3", three, 3)
    d = layers.MaxPooling3D(3, strides=1, padding="same", name=f"MaxPool2d_{name}_3a_3x3")(x)
    d = unit(d, f"{conv}_3b_1x1", four, 1)
    return layers.Concatenate(name=f"Mixed_{name}")([a, b, c, d])


def stem(x: Any, small: Small = PUBLISHED) -> Any:
    """Layers before the first inception block: half the frames, 1/8 of the rows and columns."""
    unit = partial(conv_unit, small=small)
    x = unit(x, "Conv3d_1a_7x7", 64, 7, strides=2)
    x = layers.MaxPooling3D((1, 3, 3), (1, 2, 2), padding="same", name="MaxPool2d_2a_3x3")(x)
    x = unit(x, "Conv3d_2b_1x1", 64, 1)
    x = unit(x, "Conv3d_2c_3x3", 192, 3)
    return layers.MaxPooling3D((1, 3, 3), (1, 2, 2), padding="same", name="MaxPool2d_3a_3x3")(x)


def blocks(x: Any, after: str | None = None, until: str = LAST, small: Small = PUBLISHED) -> Any:
    """Blocks and poolings of `TRUNK` after endpoint `after` (the stem if None) up to `until`."""
    names = list(TRUNK)
    for name in names[names.index(after) + 1 if after else 0 : names.index(until) + 1]:
        if name.startswith("Mixed"):
            x = inception(x, name.removeprefix("Mixed_"), TRUNK[name], small)
        else:
            window, strides = TRUNK[name]
            x = layers.MaxPooling3D(window, strides, padding="same", name=name)(x)
    return x


def pool(x: Any) -> Any:
    """Average over two frames and the whole image: (B, T', H', W', c) to (B, T'', 1, 1, c)."""
    T, H, W = x.shape[1:4]
    return layers.AveragePooling3D((min(2, T), H, W), strides=1, name="global_avg_pool")(x)


def classify(x: Any, classes: int, dropout: float, decay: Any = None, head: str = "mean") -> Any:
    """Maps the output of `pool` to logits (B, classes).

    A 1 x 1 x 1 convolution classifies each time step, and the mean over time is returned.

    Args:
        x: (B, T'', 1, 1, c).
        classes: Number of classes.
        dropout: Dropout rate in front of the convolution.
        decay: Regularizer of the last layer with weights.
        head: `"mean"` over time, or a `"dense"` layer on the outputs of all time steps, as in the
            released code of Das et al. (WACV 2019).

    Raises:
        ValueError: Unknown `head`.
    """
    if head not in HEADS:
        raise ValueError(f"head='{head}' is unknown; expected one of {HEADS}")
    x = layers.Dropout(dropout, name="dropout")(x)
    own = decay if head == "mean" else None
    x = layers.Conv3D(classes, 1, kernel_regularizer=own, name="Conv3d_6a_1x1_conv")(x)
    if head == "dense":
        x = layers.Flatten(name="logits_over_time")(x)
        return layers.Dense(classes, kernel_regularizer=decay, name="logits", dtype="float32")(x)
    x = layers.Reshape((-1, classes), name="logits_over_time")(x)
    return layers.GlobalAveragePooling1D(name="logits", dtype="float32")(x)


def check_size(frames: int, size: int) -> None:
    """Raises ValueError if there is no frame, or frames are too small to be halved five times."""
    if frames < 1 or size < 32:
        raise ValueError(
            f"frames={frames}, size={size}: I3D needs at least 1 frame of 32 x 32 pixels "
            "(64 of 224 x 224 in the paper)"
        )


def i3d(
    classes: int = 400,
    frames: int = 64,
    size: int = 224,
    channels: int = 3,
    top: bool = True,
    until: str = LAST,
    dropout: float = 0.0,
    small: Small = PUBLISHED,
    name: str = "i3d",
) -> keras.Model:
    """Builds the network: video (B, T, size, size, channels) to logits (B, classes).

    Source: Carreira and Zisserman, CVPR 2017. Values of the video are in [-1, 1]. Layers have the
    names of the Keras port dlpbc/keras-kinetics-i3d, so its weight files load by name.

    Args:
        classes: Number of classes.
        frames: Number of frames T.
        size: Height and width of the frames in pixels, at least 32.
        channels: 3 for RGB, 2 for optical flow.
        top: Include the classifier. Without it the output is features (B, ceil(T / 8),
            ceil(size / 32), ceil(size / 32), 1024).
        until: Last block or pooling if `top` is False, such as `"Mixed_5b"`.
        dropout: Dropout rate in front of the classifier.
        small: Number of filters, momentum and weight decay, for small datasets.
        name: Name of the model.

    Raises:
        ValueError: `frames` or `size` is too small, or `until` is unknown.

    Example:
        >>> from keras_skeleton.models.i3d import i3d
        >>> i3d().count_params()
        12704544
    """
    check_size(frames, size)
    if until not in TRUNK:
        raise ValueError(f"until='{until}' is unknown; expected one of {[*TRUNK]}")
    video = keras.Input((frames, size, size, channels), name="video")
    x = blocks(stem(video, small), until=LAST if top else until, small=small)
    return keras.Model(video, classify(pool(x), classes, dropout) if top else x, name=name)
