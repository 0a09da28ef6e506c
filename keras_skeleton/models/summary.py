"""Text summary of a model: layers, parameters and floating-point operations."""

from __future__ import annotations

import math
import re
from typing import Any

import keras

from keras_skeleton.utils.errors import UserError

# Element-wise layers, which count as 0 FLOPs, as is usual.
_L = keras.layers
ELEMENTWISE = (
    _L.InputLayer, _L.Activation, _L.ReLU, _L.LeakyReLU, _L.PReLU, _L.ELU, _L.Softmax,
    _L.Add, _L.Subtract, _L.Multiply, _L.Average, _L.Maximum, _L.Minimum, _L.Concatenate,
    _L.BatchNormalization, _L.LayerNormalization, _L.GroupNormalization, _L.UnitNormalization,
    _L.Dropout, _L.SpatialDropout1D, _L.SpatialDropout2D, _L.SpatialDropout3D, _L.GaussianNoise,
    _L.GaussianDropout, _L.AlphaDropout, _L.ActivityRegularization, _L.Masking, _L.Rescaling,
    _L.Flatten, _L.Permute, _L.Reshape, _L.RepeatVector,
    _L.Cropping1D, _L.Cropping2D, _L.Cropping3D, _L.ZeroPadding1D, _L.ZeroPadding2D,
    _L.ZeroPadding3D, _L.UpSampling1D, _L.UpSampling2D, _L.UpSampling3D,
    _L.MaxPooling1D, _L.MaxPooling2D, _L.MaxPooling3D,
    _L.AveragePooling1D, _L.AveragePooling2D, _L.AveragePooling3D,
    _L.GlobalMaxPooling1D, _L.GlobalMaxPooling2D, _L.GlobalMaxPooling3D,
    _L.GlobalAveragePooling1D, _L.GlobalAveragePooling2D, _L.GlobalAveragePooling3D,
)  # fmt: skip
_GATES = {keras.layers.LSTM: 4, keras.layers.GRU: 3, keras.layers.SimpleRNN: 1}


class UnknownFlopsError(UserError):
    """The FLOPs of a layer are unknown; the message says how to define them."""


def layer_flops(layer: keras.layers.Layer) -> int:
    """Multiplications and additions of a layer, per clip.

    Products of convolutional, dense and recurrent layers are counted; element-wise layers count as
    0. Other layers must have a method `flops(input_shape)`.

    Raises:
        UnknownFlopsError: The layer is of another kind and has no such method.
    """
    if isinstance(layer, keras.Model):
        return flops(layer)
    if isinstance(layer, ELEMENTWISE):
        return 0
    read = layer.input[0] if isinstance(layer.input, list) else layer.input  # others are masks
    if hasattr(layer, "flops"):
        return int(layer.flops(tuple(read.shape)))
    if isinstance(layer, (_L.Conv1D, _L.Conv2D, _L.Conv3D)):
        return 2 * math.prod(layer.kernel.shape[:-1]) * math.prod(layer.output.shape[1:])
    if isinstance(layer, _L.Bidirectional):
        return sum(_recurrent(own, read) for own in (layer.forward_layer, layer.backward_layer))
    if isinstance(layer, tuple(_GATES)):
        return _recurrent(layer, read)
    if isinstance(layer, _L.EinsumDense):
        # Every output value is a sum over the kernel axes that are not in the output.
        _, kernel, output = re.split(",|->", layer.equation)
        size = dict(zip(kernel, layer.kernel.shape, strict=True))
        summed = math.prod(size[axis] for axis in kernel if axis not in output)
        return 2 * summed * math.prod(layer.output.shape[1:])
    if isinstance(layer, _L.Dot):
        axes = layer.axes[0] if isinstance(layer.axes, (list, tuple)) else layer.axes
        return 2 * read.shape[axes] * math.prod(layer.output.shape[1:])
    if isinstance(layer, _L.Dense):
        return 2 * math.prod(layer.kernel.shape) * math.prod(read.shape[1:-1])
    raise UnknownFlopsError(
        f"the FLOPs of layer '{layer.name}' ({type(layer).__name__}) are unknown; give the class "
        "a method flops(input_shape), or count Keras' own layers in models/summary.py"
    )


def _recurrent(layer: Any, read: Any) -> int:
    T, D = read.shape[1:]
    gates = next((n for kind, n in _GATES.items() if isinstance(layer, kind)), None)
    if gates is None:
        raise UnknownFlopsError(f"the FLOPs of a {type(layer).__name__} are unknown")
    return 2 * T * gates * layer.units * (D + layer.units)


def flops(model: keras.Model) -> int:
    """Multiplications and additions of a model, per clip.

    A layer may process a clip several times: CSTA-CNN has the bodies in the batch axis.

    Args:
        model: The network.

    Raises:
        UnknownFlopsError: The FLOPs of one of its layers are unknown.

    Example:
        >>> import keras
        >>> from keras_skeleton.models.summary import flops
        >>> x = keras.Input((10,))
        >>> flops(keras.Model(x, keras.layers.Dense(4)(x)))
        80
    """
    seen = _times_seen(model)
    return sum(layer_flops(layer) * seen[layer.name] for layer in model.layers)


def _times_seen(model: keras.Model) -> dict[str, int]:
    """How many times each layer processes a clip, by layer name."""
    plain = [layer for layer in model.layers if not isinstance(layer, keras.Model)]
    outputs = {layer.name: layer.output for layer in plain}
    one = keras.tree.map_structure(lambda x: keras.KerasTensor((1, *x.shape[1:])), model.input)
    found = keras.Model(model.input, outputs).compute_output_spec(one)
    return {layer.name: 1 for layer in model.layers} | {
        name: spec.shape[0] for name, spec in found.items()
    }


def _shape(tensor: Any) -> str:
    unknown = iter("BTHW")  # names of the axes of unknown size
    return "(" + ", ".join(next(unknown) if n is None else str(n) for n in tensor.shape) + ")"


def summary(model: keras.Model) -> str:
    """Table of a model's layers with output shapes, parameters and MFLOPs, and their totals.

    Layers without parameters are left out, except the frame attention and layers whose FLOPs are
    unknown, which are marked.

    Args:
        model: The network.

    Example:
        >>> import keras
        >>> from keras_skeleton.models.summary import summary
        >>> x = keras.Input((10,))
        >>> model = keras.Model(x, keras.layers.Dense(4)(x), name="tiny")
        >>> print(summary(model).splitlines()[-1])
        tiny: 44 parameters, 44 of them trainable; 0.0 MFLOPs per clip of (B, 10)
    """
    lines = [f"{'layer':<28}{'kind':<22}{'output':<22}{'parameters':>12}{'MFLOPs':>10}"]
    seen, total, unknown = _times_seen(model), 0, []
    for layer in model.layers:
        try:
            own = layer_flops(layer) * seen[layer.name]
            total, said = total + own, f"{own / 1e6:.2f}"
        except UnknownFlopsError:
            unknown.append(layer.name)
            said = "unknown"
        if layer.count_params() or layer.name == "frame_attention" or said == "unknown":
            kind = "stream" if isinstance(layer, keras.Model) else type(layer).__name__
            lines.append(
                f"{layer.name:<28}{kind:<22}{_shape(layer.output):<22}"
                f"{layer.count_params():>12,}{said:>10}"
            )
    trainable = sum(math.prod(w.shape) for w in model.trainable_weights)
    lines += [
        "",
        f"{model.name}: {model.count_params():,} parameters, {trainable:,} of them trainable; "
        f"{'more than ' if unknown else ''}{total / 1e6:,.1f} MFLOPs per clip of "
        + " + ".join(map(_shape, keras.tree.flatten(model.input))),
    ]
    if unknown:
        lines.append(
            f"FLOPs unknown and not counted: {', '.join(unknown)} (to count them, give the layer's "
            "class a method flops(input_shape))"
        )
    return "\n".join(lines)
