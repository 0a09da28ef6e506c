"""What every layer of the package keeps to, in the spirit of Keras' own `run_layer_test`."""

import json

import keras
import numpy as np
import pytest
from keras import tree


def check_layer(
    kind,
    arguments=None,
    *,
    inputs,
    shape,
    weights=0,
    flops=0,
    dtype="bfloat16",
    half=0.1,
    ranks=True,
):
    """Checks shapes, weight counts, serialization, a training step, mixed precision and ranks.

    Args:
        kind: The layer's class.
        arguments: Of its constructor.
        inputs: What it is called with: an array, or a tuple of arguments.
        shape: Of its output.
        weights: Number of its parameters.
        flops: Of one clip; 0 where all is element by element.
        dtype: Of its output under mixed_bfloat16.
        half: How far values under mixed_bfloat16 may be off; None where numbers are drawn.
        ranks: Whether it refuses inputs of another rank.
    """
    arguments = arguments or {}
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    layer = kind(**arguments)
    layer(*inputs)
    rng = np.random.default_rng(0)  # some layers start with zeros, which let no gradient through
    layer.set_weights([rng.normal(0, 0.5, w.shape) for w in layer.weights])
    found = layer(*inputs)
    assert tuple(found.shape) == shape
    symbols = tree.map_structure(lambda x: keras.Input(x.shape[1:], dtype=str(x.dtype)), inputs)
    outputs = layer(*symbols)
    assert tuple(outputs.shape) == (None, *shape[1:])
    assert layer.count_params() == weights
    assert layer.flops((None, *tree.flatten(inputs)[0].shape[1:])) == flops

    again = restored(layer)
    again(*inputs)
    again.set_weights(layer.get_weights())
    np.testing.assert_allclose(as_floats(again(*inputs)), as_floats(found), atol=1e-6)

    if weights:
        model = keras.Model(symbols, outputs)
        model.compile("sgd", "mse", run_eagerly=True)
        before = layer.get_weights()
        model.train_on_batch(inputs, np.ones(shape, "float32"))
        for weight, old, new in zip(layer.weights, before, layer.get_weights(), strict=True):
            assert np.isfinite(new).all(), weight.path
            assert np.abs(old - new).max() > 0, f"{weight.path} has not moved"

    mixed = kind(**arguments, dtype="mixed_bfloat16")
    mixed(*inputs)
    mixed.set_weights(again.get_weights())
    out = mixed(*inputs)
    assert keras.backend.standardize_dtype(out.dtype) == dtype
    assert {keras.backend.standardize_dtype(w.dtype) for w in mixed.weights} <= {"float32"}
    if half is not None:
        np.testing.assert_allclose(as_floats(out), as_floats(found), atol=half)

    if ranks:
        for wrong in (tree.map_structure(lambda x: x[..., 0], inputs),
                      tree.map_structure(lambda x: x[..., None], inputs)):  # fmt: skip
            with pytest.raises(ValueError, match=r"expects|expected"):
                kind(**arguments)(*wrong)


def restored(layer):
    """A new layer from the configuration of another, through JSON."""
    assert keras.saving.get_registered_name(type(layer)).startswith("keras_skeleton>")
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is type(layer)
    assert again.get_config() == layer.get_config()
    return again


def as_floats(values):
    return keras.ops.convert_to_numpy(keras.ops.cast(values, "float32"))
