"""Copies of networks that compute in bfloat16."""

import keras
import numpy as np
import pytest

import keras_skeleton as ks
from keras_skeleton.deploy import compiled as inference
from keras_skeleton.deploy.half import in_bfloat16
from keras_skeleton.skeletons import get_skeleton
from keras_skeleton.utils.errors import UnknownNameError, UserError


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return ks.build_model("two_stream_cnn", get_skeleton("sbu"), 5, 40)


def clips(network, B):
    shape = (B, *network.input_shape[1:])
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def test_which_layers(network):
    found = in_bfloat16(network)
    half = {layer.name for layer in found.layers if layer.compute_dtype == "bfloat16"}
    assert {"position_conv1", "position_conv1_pool", "motion_conv3", "fc1", "fc2"} <= half
    assert not half & {"skeleton", "sampling", "motion", "position_max", "logits"}
    assert found.output.dtype == "float32"
    assert all(v.dtype == "float32" for v in found.weights)  # what is stored stays as it is


def test_recurrent_layers_and_wrappers_stay():
    x = keras.Input((4, 3))
    h = keras.layers.Dense(5, name="dense")(x)
    h = keras.layers.Bidirectional(keras.layers.GRU(3, return_sequences=True), name="both")(h)
    h = ks.layers.LSTM(2, return_sequences=False, name="own")(
        keras.layers.GRU(3, return_sequences=True, name="gru")(h)
    )
    found = in_bfloat16(keras.Model(x, keras.layers.Dense(2, name="logits")(h)))
    kinds = {layer.name: layer.compute_dtype for layer in found.layers}
    assert kinds.pop("dense") == "bfloat16"
    assert set(kinds.values()) == {"float32"}


def test_logits_are_close_and_the_network_stays(network):
    x = clips(network, 5)
    expected, before = network.predict_on_batch(x), network.get_config()
    found = ks.compiled(network, precision="bfloat16")(x)
    assert found.dtype == np.float32
    difference = np.abs(found - expected).max()
    assert 0 < difference < 0.02 * np.abs(expected).max()
    assert network.get_config() == before
    np.testing.assert_array_equal(network.predict_on_batch(x), expected)
    assert keras.config.dtype_policy().name == "float32"


def test_float32_is_the_default(network, monkeypatch):
    monkeypatch.setattr(inference, "in_bfloat16", None)
    x = clips(network, 1)
    found = ks.compiled(network)(x)
    np.testing.assert_allclose(found, network.predict_on_batch(x), atol=1e-5)


def test_wrong_arguments(network):
    with pytest.raises(UnknownNameError, match="bfloat16"):
        ks.compiled(network, precision="float16")
    with pytest.raises(UserError, match="litert"):
        ks.compiled(network, runtime="litert", precision="bfloat16")
