"""The compiled function gives what the network itself gives."""

import keras
import numpy as np
import pytest

import keras_skeleton as ks
from keras_skeleton.deploy import compiled as inference
from keras_skeleton.skeletons import get_skeleton
from keras_skeleton.utils.errors import UserError


@pytest.mark.slow
@pytest.mark.parametrize("cores", [1, 2])
@pytest.mark.parametrize(("model", "frames"), [("mans9", 20), ("sta_lstm", 9), ("csta_cnn", 40)])
def test_as_the_network(model, frames, cores, monkeypatch):
    monkeypatch.setattr(inference, "cores", lambda: cores)
    monkeypatch.setattr(inference, "LEAST", 1)  # three clips are parted: one, and two
    network = ks.build_model(model, get_skeleton("sbu"), 5, frames)
    forward = ks.compiled(network)
    clips = np.random.default_rng(0).normal(size=(3, *network.input_shape[1:])).astype("float32")
    clips[1, frames // 2 :] = 0  # a shorter one
    found = forward(clips)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, network.predict_on_batch(clips), atol=1e-5)
    np.testing.assert_allclose(forward(clips[:1]), found[:1], atol=1e-5)
    network.set_weights([0 * w for w in network.get_weights()])  # it is still this network
    assert not forward(clips).any()


def test_several_inputs_by_name_and_other_backends(monkeypatch):
    inputs = {name: keras.Input((2,), name=name) for name in ("a", "b")}
    network = keras.Model(inputs, inputs["a"] - inputs["b"])
    b = np.arange(18.0).reshape(9, 2)
    found = ks.compiled(network)({"a": np.ones((9, 2)), "b": b})
    np.testing.assert_array_equal(found, 1 - b)
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(UserError, match="torch"):
        ks.compiled(network)
