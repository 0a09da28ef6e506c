"""Layers, parameters and floating-point operations of a model, as text."""

from __future__ import annotations

import math
import re
from typing import Any

import keras

from keras_skeleton.utils.errors import UserError

# What Keras' layers of these kinds do element by element counts as nothing, as is usual.
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
    """A layer whose floating-point operations are not known; the message says how to give them."""


def layer_flops(layer: keras.layers.Layer) -> int:
    """Multiplications and additions of one clip through a layer.

    Counts the products of convolutions, dense and recurrent layers; what works element by element
    counts as nothing, as is usual. Other layers say it themselves: `flops(input_shape)`.

    Raises:
        UnknownFlopsError: It is none of these.
    """
    if isinstance(layer, keras.Model):
        return flops(layer)
    if isinstance(layer, ELEMENTWISE):
        return 0
    read = layer.input[0] if isinstance(layer.input, list) else layer.input  # the rest: masks
    if hasattr(layer, "flops"):
        return int(layer.flops(tuple(read.shape)))
    if isinstance(layer, (_L.Conv1D, _L.Conv2D, _L.Conv3D)):
        return 2 * math.prod(layer.kernel.shape[:-1]) * math.prod(layer.output.shape[1:])
    if isinstance(layer, _L.Bidirectional):
        return sum(_recurrent(own, read) for own in (layer.forward_layer, layer.backward_layer))
    if isinstance(layer, tuple(_GATES)):
        return _recurrent(layer, read)
    if isinstance(layer, _L.EinsumDense):
        # Every output sums over the kernel's axes that the output lacks.
        _, kernel, output = re.split(",|->", layer.equation)
        size = dict(zip(kernel, layer.kernel.shape, strict=True))
        summed = math.prod(size[axis] for axis in kernel if axis not in output)
        return 2 * summed * math.prod(layer.output.shape[1:])
    if isinstance(layer, _L.Dense):
        return 2 * math.prod(layer.kernel.shape) * math.prod(read.shape[1:-1])
    raise UnknownFlopsError(
        f"the FLOPs of layer '{layer.name}' ({type(layer).__name__}) are not known; give the class "
        "a method flops(input_shape)"
    )


def _recurrent(layer: Any, read: Any) -> int:
    T, D = read.shape[1:]
    gates = next((n for kind, n in _GATES.items() if isinstance(layer, kind)), None)
    if gates is None:
        raise UnknownFlopsError(f"the FLOPs of a {type(layer).__name__} are not known")
    return 2 * T * gates * layer.units * (D + layer.units)


def flops(model: keras.Model) -> int:
    """Multiplications and additions of one clip through the model.

    A layer may see a clip several times: CSTA-CNN has its people side by side in the batch.

    Raises:
        UnknownFlopsError: A layer of it is not known.
    """
    seen = _times_seen(model)
    return sum(layer_flops(layer) * seen[layer.name] for layer in model.layers)


def _times_seen(model: keras.Model) -> dict[str, int]:
    """How often each layer sees a clip, by its name."""
    plain = [layer for layer in model.layers if not isinstance(layer, keras.Model)]
    outputs = {layer.name: layer.output for layer in plain}
    one = keras.tree.map_structure(lambda x: keras.KerasTensor((1, *x.shape[1:])), model.input)
    found = keras.Model(model.input, outputs).compute_output_spec(one)
    return {layer.name: 1 for layer in model.layers} | {
        name: spec.shape[0] for name, spec in found.items()
    }


def _shape(tensor: Any) -> str:
    unknown = iter("BTHW")  # of any size: the batch, then time
    return "(" + ", ".join(next(unknown) if n is None else str(n) for n in tensor.shape) + ")"


def summary(model: keras.Model) -> str:
    """One line a layer that has weights or a name of its own, and the totals. Where the FLOPs of a
    layer are not known, it says so."""
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
        f"{'more than ' if unknown else ''}{total / 1e6:,.1f} MFLOPs a clip of "
        + " + ".join(map(_shape, keras.tree.flatten(model.input))),
    ]
    if unknown:
        lines.append(
            f"not known and not counted: {', '.join(unknown)} (a layer says its own by a method "
            "flops(input_shape))"
        )
    return "\n".join(lines)
