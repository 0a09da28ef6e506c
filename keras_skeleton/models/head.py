"""The head of a network, i.e. the layers that depend on the number of classes, and the features in
front of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import keras
from keras import ops

from keras_skeleton.models.registry import build_model
from keras_skeleton.skeletons import Skeleton

PROBE = 101  # frames of the input with which the length of an open time axis is found


def head_layers(
    model: keras.Model, name: str, skeleton: str | Skeleton, classes: int, **arguments: Any
) -> list[keras.layers.Layer]:
    """Finds the layers of a network whose weights depend on the number of classes.

    The network is built once more with one more class: the layers whose weights then have other
    shapes are the head. This works for every model, whatever its layers are called.

    Args:
        model: The network.
        name: Model name.
        skeleton: Skeleton of the network.
        classes: Number of classes of the network.
        **arguments: The other arguments that the network was built with.

    Returns:
        The layers, in the network's order; layers inside nested networks are listed themselves.

    Example:
        >>> from keras_skeleton.models.head import head_layers
        >>> import keras_skeleton as ks
        >>> model = ks.build_model("sta_lstm", "sbu", classes=8, units=8)
        >>> [layer.name for layer in head_layers(model, "sta_lstm", "sbu", classes=8, units=8)]
        ['main_scores']
    """
    twin = build_model(name, skeleton, classes + 1, **arguments)
    return [
        own
        for own, other in zip(leaf_layers(model), leaf_layers(twin), strict=True)
        if [v.shape for v in own.variables] != [v.shape for v in other.variables]
    ]


def leaf_layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """Yields the layers of a network; for nested networks, their layers."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from leaf_layers(layer)
        else:
            yield layer


def named_layers(model: keras.Model) -> list[tuple[str, keras.layers.Layer]]:
    """The layers of `leaf_layers` with names that are the same each time a network is built.

    Keras numbers layers without a name of their own throughout a process (`dense_7`). Here they
    are numbered in each network (`dense`, `dense_1`, ...), and layers of nested networks have the
    names of these in front (`stream/dense`).

    Example:
        >>> import keras
        >>> from keras_skeleton.models.head import named_layers
        >>> layers = [keras.layers.Dense(2), keras.layers.Dense(2), keras.layers.Dense(2, name="z")]
        >>> [name for name, _ in named_layers(keras.Sequential(layers))]
        ['dense', 'dense_1', 'z']
    """
    found: list[tuple[str, keras.layers.Layer]] = []
    numbers: dict[str, list[int]] = {}
    for layer in model.layers:
        base, number = _base_and_number(layer)
        numbers.setdefault(base, []).append(number)
    for layer in model.layers:
        base, number = _base_and_number(layer)
        rank = sum(other < number for other in numbers[base])
        name = f"{base}_{rank}" if rank else base
        if isinstance(layer, keras.Model):
            found += [(f"{name}/{inner}", own) for inner, own in named_layers(layer)]
        else:
            found.append((name, layer))
    return found


def _base_and_number(layer: keras.layers.Layer) -> tuple[str, int]:
    """`dense_7` of a `Dense` is `("dense", 7)`; a name that was given is a base without number."""
    match = re.fullmatch(r"(.*?)(?:_(\d+))?", layer.name)
    assert match is not None
    base, number = match[1], int(match[2] or 0)
    numbered = base.replace("_", "").lower() == type(layer).__name__.lower()
    return (base, number) if numbered else (layer.name, 0)


def pooled_features(model: keras.Model, head: Sequence[keras.layers.Layer]) -> tuple[Any, str]:
    """The input of the head, pooled to one vector per clip.

    Features with a time axis of the input's length are averaged over the frames that are not
    padding; other axes are averaged as they are. If the head has no single input in the network's
    graph, the logits stand for the features.

    Args:
        model: The network, with one input.
        head: Its head, from `head_layers`.

    Returns:
        The symbolic tensor (B, D), and the name of the layer (see `named_layers`) whose input it
        is; an empty name stands for the logits.

    Example:
        >>> from keras_skeleton.models.head import head_layers, pooled_features
        >>> import keras_skeleton as ks
        >>> model = ks.build_model("mans9", "sbu", classes=8)
        >>> head = head_layers(model, "mans9", "sbu", classes=8)
        >>> features, name = pooled_features(model, head)
        >>> features.shape, name
        ((None, 128), 'logits')
    """
    names = {id(layer): name for name, layer in named_layers(model)}
    inside = bool(head) and any(head[0] is layer for layer in model.layers)
    name = names[id(head[0])] if inside else ""
    x = head[0].input if name else model.output
    if not isinstance(x, keras.KerasTensor) or len(x.shape) < 2:
        x, name = model.output, ""
    x, clips = ops.cast(x, "float32"), model.input
    if len(x.shape) == 3 and len(clips.shape) > 2 and _same_time_axis(clips, x):
        axes = tuple(range(2, len(clips.shape)))
        there = ops.cast(ops.any(ops.not_equal(clips, 0), axis=axes), x.dtype)  # (B, T)
        total = ops.maximum(ops.sum(there, axis=1, keepdims=True), 1)
        return ops.sum(x * ops.expand_dims(there, -1), axis=1) / total, name
    return (ops.mean(x, axis=tuple(range(1, len(x.shape) - 1))) if len(x.shape) > 2 else x), name


def _same_time_axis(clips: Any, x: Any) -> bool:
    """Whether axis 1 of `x` has the length of that of `clips`, also where both are open."""
    if clips.shape[1] is not None:
        return bool(x.shape[1] == clips.shape[1])
    # An odd length, which pooling and strides change.
    shape = keras.Model(clips, x).compute_output_shape((1, PROBE, *clips.shape[2:]))
    return bool(shape[1] == PROBE)


def features_at(model: keras.Model, name: str) -> Any:
    """As `pooled_features`, for the layer name that it returned.

    Raises:
        ValueError: If the network has no such layer.
    """
    head = [layer for own, layer in named_layers(model) if own == name]
    if name and not head:
        raise ValueError(f"'{model.name}' has no layer '{name}'")
    return pooled_features(model, head)[0]
