"""Layers, parameters and floating-point operations of a model, as text."""

from __future__ import annotations

import math
import re
from typing import Any

import keras


def layer_flops(layer: keras.layers.Layer) -> int:
    """Multiplications and additions of one clip through a layer.

    Counts the products of convolutions, dense and recurrent layers (the custom layers say
    their own in `flops`); what works element by element counts as nothing, as is usual.
    """
    if isinstance(layer, keras.layers.InputLayer):
        return 0
    if isinstance(layer, keras.Model):
        return flops(layer)
    read = layer.input[0] if isinstance(layer.input, list) else layer.input  # the rest: masks
    if hasattr(layer, "flops"):
        return int(layer.flops(tuple(read.shape)))
    if isinstance(layer, (keras.layers.Conv2D, keras.layers.Conv3D)):
        return 2 * math.prod(layer.kernel.shape[:-1]) * math.prod(layer.output.shape[1:])
    if isinstance(layer, keras.layers.LSTM):
        T, D = read.shape[1:]
        return 2 * T * 4 * layer.units * (D + layer.units)
    if isinstance(layer, keras.layers.EinsumDense):
        # Every output sums over the kernel's axes that the output lacks.
        _, kernel, output = re.split(",|->", layer.equation)
        size = dict(zip(kernel, layer.kernel.shape, strict=True))
        summed = math.prod(size[axis] for axis in kernel if axis not in output)
        return 2 * summed * math.prod(layer.output.shape[1:])
    if isinstance(layer, keras.layers.Dense):
        return 2 * math.prod(layer.kernel.shape) * math.prod(read.shape[1:-1])
    return 0


def flops(model: keras.Model) -> int:
    """Multiplications and additions of one clip through the model.

    A layer may see a clip several times: CSTA-CNN has its people side by side in the batch.
    """
    plain = [layer for layer in model.layers if not isinstance(layer, keras.Model)]
    outputs = {layer.name: layer.output for layer in plain}
    one = keras.tree.map_structure(lambda x: keras.KerasTensor((1, *x.shape[1:])), model.input)
    seen = keras.Model(model.input, outputs).compute_output_spec(one)
    streams = sum(flops(layer) for layer in model.layers if isinstance(layer, keras.Model))
    return streams + sum(layer_flops(layer) * seen[layer.name].shape[0] for layer in plain)


def _shape(tensor: Any) -> str:
    unknown = iter("BTHW")  # of any size: the batch, then time
    return "(" + ", ".join(next(unknown) if n is None else str(n) for n in tensor.shape) + ")"


def summary(model: keras.Model) -> str:
    """One line a layer that has weights or a name of its own, and the totals."""
    lines = [f"{'layer':<28}{'kind':<22}{'output':<22}{'parameters':>12}{'MFLOPs':>10}"]
    for layer in model.layers:
        if layer.count_params() or layer.name == "frame_attention":
            kind = "stream" if isinstance(layer, keras.Model) else type(layer).__name__
            lines.append(
                f"{layer.name:<28}{kind:<22}{_shape(layer.output):<22}"
                f"{layer.count_params():>12,}{layer_flops(layer) / 1e6:>10.2f}"
            )
    trainable = sum(math.prod(w.shape) for w in model.trainable_weights)
    lines += [
        "",
        f"{model.name}: {model.count_params():,} parameters, {trainable:,} of them trainable; "
        f"{flops(model) / 1e6:,.1f} MFLOPs a clip of "
        + " + ".join(map(_shape, keras.tree.flatten(model.input))),
    ]
    return "\n".join(lines)
