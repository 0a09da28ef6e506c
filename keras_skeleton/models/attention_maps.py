"""Attention maps of a model: the outputs of its attention layers, found by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike

from keras_skeleton.models import csta_cnn

# Kind of attention to the name of the layer that outputs it.
ATTENTION_LAYERS = {
    "joints": "joint_attention",
    "frames": "frame_attention",
    "parts": "part_attention",
}
COUPLED_LAYERS = {"joints": "position_joints", "frames": "position_frames"}  # of CSTA-CNN
STREAMS = ("position", "motion")  # of CSTA-CNN; maps show those of the first


def attention_maps(model: keras.Model, batch: Any) -> dict[str, np.ndarray]:
    """Computes a model's attention maps for a batch of its inputs.

    Args:
        model: A network of `build_model`.
        batch: A batch of its inputs: an array, or a dict of arrays by input name.

    Returns:
        The maps that the model has, as float arrays: `"joints"` (B, T, M * V); `"frames"` (B, T),
        or (B, T, 3) if each coordinate has its own attention (MANs); `"parts"` (B, K). Empty for a
        model without attention.

    Example:
        >>> import numpy as np
        >>> import keras_skeleton as ks
        >>> model = ks.build_model("mans9", classes=10)
        >>> maps = ks.attention_maps(model, np.zeros((2, 50, 50, 3), "float32"))
        >>> {name: values.shape for name, values in maps.items()}
        {'frames': (2, 50, 3)}
    """
    outputs = attention_outputs(model)
    if not outputs:
        return {}
    maps = keras.Model(model.input, outputs)(batch, training=False)
    return readable_maps(
        model, {key: keras.ops.convert_to_numpy(value) for key, value in maps.items()}
    )


def attention_outputs(model: keras.Model) -> dict[str, Any]:
    """Symbolic outputs of a model's attention layers, by kind of attention.

    Use them to build a network that also returns attention; `readable_maps` converts their values
    to the form of `attention_maps`.
    """
    names = {layer.name for layer in model.layers}
    wanted = COUPLED_LAYERS if is_coupled(model) else ATTENTION_LAYERS
    return {key: model.get_layer(name).output for key, name in wanted.items() if name in names}


def readable_maps(model: keras.Model, outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Converts values of `attention_outputs` to the form of `attention_maps`; keeps other keys."""
    if not is_coupled(model):
        return outputs
    own = {key: value for key, value in outputs.items() if key in COUPLED_LAYERS}
    others = {key: value for key, value in outputs.items() if key not in COUPLED_LAYERS}
    return {**others, **csta_cnn.maps(own)}


def attention_layers(model: keras.Model) -> dict[str, tuple[str, ...]]:
    """Names of all attention layers of a model, by kind of attention.

    CSTA-CNN has one layer of each kind in each of its two streams.

    Example:
        >>> import keras_skeleton as ks
        >>> from keras_skeleton.models.attention_maps import attention_layers
        >>> attention_layers(ks.build_model("sta_lstm", classes=10, units=8))
        {'joints': ('joint_attention',), 'frames': ('frame_attention',)}
    """
    there = {layer.name for layer in model.layers}
    if is_coupled(model):
        wanted = {kind: [f"{stream}_{kind}" for stream in STREAMS] for kind in COUPLED_LAYERS}
    else:
        wanted = {kind: [name] for kind, name in ATTENTION_LAYERS.items()}
    found = {kind: tuple(n for n in names if n in there) for kind, names in wanted.items()}
    return {kind: names for kind, names in found.items() if names}


def with_given_attention(model: keras.Model, names: Sequence[str]) -> keras.Model:
    """A network that takes attention as an input instead of computing it.

    It shares all layers and weights with the model, which is not changed. Given the attention that
    the model computes itself, it returns the model's own output.

    Args:
        model: A network of `build_model`.
        names: Names of the attention layers whose output is given, from `attention_layers`.

    Returns:
        A network whose inputs are a list: those of the model (in the order of
        `keras.tree.flatten`), then one for each name, with the shape of that layer's output.

    Raises:
        ValueError: The model has no such layer.

    Example:
        >>> import numpy as np
        >>> import keras_skeleton as ks
        >>> from keras_skeleton.models.attention_maps import with_given_attention
        >>> model = ks.build_model("mans9", classes=10)
        >>> images = np.ones((2, 50, 50, 3), "float32")
        >>> network = with_given_attention(model, ["frame_attention"])
        >>> tuple(network([images, np.full((2, 50, 3), 0.5, "float32")]).shape)
        (2, 10)
    """
    if unknown := set(names) - {layer.name for layer in model.layers}:
        raise ValueError(f"'{model.name}' has no layer {', '.join(sorted(unknown))}")
    outputs = {}

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        outputs[layer.name] = layer(*args, **kwargs)
        return outputs[layer.name]

    # A second graph of the same layers: Keras changes the one that a network is cut out of.
    copy = keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)
    given = [outputs[name] for name in names]
    return keras.Model([*keras.tree.flatten(copy.input), *given], copy.output)


def is_coupled(model: keras.Model) -> bool:
    """Whether a model has CSTA-CNN's attention, whose scores have signs."""
    return bool({layer.name for layer in model.layers} & set(COUPLED_LAYERS.values()))


def attention_on_frames(attention: ArrayLike, rows: ArrayLike, frames: int) -> np.ndarray:
    """Resamples attention from a model's time steps to the frames of the clip.

    A model's input has R rows (for example 50), made from a clip of T frames by sampling,
    interpolation or padding. Values between rows are interpolated linearly; frames before the first
    and after the last row get the value of the nearest row.

    Args:
        attention: (R,) or (R, K), one value or K values per row.
        rows: (R,), the frame of the clip that each row shows, from 0. Fractions lie between two
            frames; NaN is padding. Rows need not be sorted; rows of the same frame are averaged.
        frames: Number of frames T of the clip.

    Returns:
        float64 (T,) or (T, K).

    Raises:
        ValueError: The shapes do not fit, or no row shows a frame.

    Example:
        >>> from keras_skeleton.models.attention_maps import attention_on_frames
        >>> attention_on_frames([0.0, 1.0], rows=[0, 4], frames=6).tolist()
        [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    """
    values, places = np.asarray(attention, np.float64), np.asarray(rows, np.float64)
    if values.ndim not in (1, 2) or places.shape != values.shape[:1]:
        raise ValueError(
            f"attention has shape {values.shape} and rows {places.shape}, "
            "expected (R,) or (R, K), and (R,)"
        )
    known = np.isfinite(places)
    if not known.any():
        raise ValueError("no row shows a frame of the clip")
    at, which = np.unique(places[known], return_inverse=True)
    table = values.reshape(len(values), -1)[known]
    means = np.zeros((len(at), table.shape[1]))
    np.add.at(means, which, table)
    means /= np.bincount(which)[:, None]
    wanted = np.arange(frames)
    resampled = np.stack([np.interp(wanted, at, column) for column in means.T], axis=1)
    return resampled[:, 0] if values.ndim == 1 else resampled
