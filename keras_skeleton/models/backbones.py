"""Convolutional networks on the output image of TARM: the STCM of MANs (Sec. 2.2).

Each function maps a Keras tensor (B, S, S, 3) to features (B, D). The networks follow those of the
released code (its `stcm` blocks, raghakot/keras-resnet and flyyufelix/DenseNet-Keras) and have the
parameter counts of the paper.
"""

from __future__ import annotations

from typing import Any

from keras import layers, regularizers

from keras_skeleton.layers.scale import Scale

INIT = "he_normal"


def _conv(
    x: Any,
    filters: int,
    size: int,
    l2: float,
    strides: int = 1,
    bias: bool = True,
    padding: str = "same",
    name: str | None = None,
) -> Any:
    return layers.Conv2D(
        filters,
        size,
        strides=strides,
        padding=padding,
        use_bias=bias,
        kernel_initializer=INIT,
        kernel_regularizer=regularizers.L2(l2),
        name=name,
    )(x)


def _bn_relu(x: Any, epsilon: float = 1e-3) -> Any:
    return layers.ReLU()(layers.BatchNormalization(epsilon=epsilon)(x))


def _basic_block(x: Any, filters: int, strides: int, l2: float, first: bool) -> Any:
    """Two pre-activated 3x3 convolutions with a shortcut (He et al. 2016, identity mappings)."""
    y = x if first else _bn_relu(x)  # the stem already normalizes the input of the first block
    y = _conv(y, filters, 3, l2, strides)
    y = _conv(_bn_relu(y), filters, 3, l2)
    if strides != 1 or x.shape[-1] != filters:
        x = _conv(x, filters, 1, l2, strides, padding="valid")
    return layers.Add()([x, y])


def _residual_stages(x: Any, stages: list[tuple[int, int]], l2: float) -> Any:
    """Residual stages of (filters, blocks); each stage but the first halves the image."""
    for stage, (filters, blocks) in enumerate(stages):
        for block in range(blocks):
            strides = 2 if stage and not block else 1
            x = _basic_block(x, filters, strides, l2, first=not stage and not block)
    return layers.GlobalAveragePooling2D(name="features")(_bn_relu(x))


def stcm(x: Any, blocks: int, l2: float = 1e-4) -> Any:
    """STCM of MANs-n (Table 2): stacked BN-ReLU-Conv blocks, n = 1 + 4 * blocks convolutions.

    The residual shortcuts are taken from the released code; the paper does not mention them.

    Args:
        x: Image (B, S, S, 3).
        blocks: Residual blocks in each of the two stages (64 and 128 filters): 2, 8 or 15 in the
            paper.
        l2: Weight decay of the convolutions.

    Returns:
        Features F_C (B, 128).
    """
    x = _bn_relu(_conv(x, 64, 5, l2, strides=2))
    return _residual_stages(x, [(64, blocks), (128, blocks)], l2)


def resnet18(x: Any, l2: float = 1e-4) -> Any:
    """ResNet-18 with pre-activation (He et al. 2016): (B, S, S, 3) to features (B, 512)."""
    x = _bn_relu(_conv(x, 64, 7, l2, strides=2))
    x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    return _residual_stages(x, [(64, 2), (128, 2), (256, 2), (512, 2)], l2)


def densenet161(x: Any, l2: float = 1e-4, growth: int = 48, released: bool = False) -> Any:
    """DenseNet-161 (Huang et al. 2017): blocks of 6, 12, 36 and 24 layers.

    By default it omits the Scale layers of the port that the authors used, because batch
    normalization already has a scale and a shift.

    Args:
        x: Image (B, S, S, 3).
        l2: Weight decay of the convolutions.
        growth: Growth rate.
        released: As in the released code, flyyufelix/DenseNet-Keras: a `Scale` behind each batch
            normalization, zeros on all four sides in front of the first convolution and pooling
            (TensorFlow's "same" pads an even image at the bottom and right only), and the names of
            its layers, by which weights trained on ImageNet are loaded.

    Returns:
        Features (B, 2208) at the default growth rate.
    """
    epsilon = 1.1e-5

    def normed(x: Any, name: str) -> Any:
        if not released:
            return _bn_relu(x, epsilon)
        x = layers.BatchNormalization(epsilon=epsilon, name=f"{name}_bn")(x)
        return layers.ReLU(name=f"{name}_relu")(Scale(name=f"{name}_scale")(x))

    def conv(x: Any, filters: int, size: int, name: str, strides: int = 1) -> Any:
        own = {"name": name} if released else {}
        padding = "same"
        if released and strides > 1:
            x, padding = layers.ZeroPadding2D(size // 2, name=f"{name}_zeropadding")(x), "valid"
        return _conv(x, filters, size, l2, strides, bias=False, padding=padding, **own)

    x = normed(conv(x, 2 * growth, 7, "conv1", strides=2), "conv1")
    if released:
        x = layers.ZeroPadding2D(1, name="pool1_zeropadding")(x)
    x = layers.MaxPooling2D(3, strides=2, padding="valid" if released else "same")(x)
    for stage, depth in enumerate((6, 12, 36, 24), 2):
        if stage > 2:  # transition: half the channels, half the image
            name = f"conv{stage - 1}_blk"
            x = conv(normed(x, name), x.shape[-1] // 2, 1, name)
            x = layers.AveragePooling2D(2, strides=2)(x)
        for branch in range(1, depth + 1):
            name = f"conv{stage}_{branch}"
            y = conv(normed(x, f"{name}_x1"), 4 * growth, 1, f"{name}_x1")
            y = conv(normed(y, f"{name}_x2"), growth, 3, f"{name}_x2")
            x = layers.Concatenate()([x, y])
    return layers.GlobalAveragePooling2D(name="features")(normed(x, "conv5_blk"))
