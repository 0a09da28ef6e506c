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
    monkeypatch.setattr(keras.backend, "backend", lambda: "openvino")
    with pytest.raises(UserError, match="openvino"):
        ks.compiled(network)


def two_outputs():
    x = keras.Input((4, 3), name="clip")
    h = keras.layers.Dense(5, name="h")(x)
    return keras.Model(x, {"logits": keras.layers.Flatten()(h), "frames": keras.ops.tanh(h)})


@pytest.mark.parametrize("function", [inference.traced, ks.compiled])
def test_all_outputs_of_one_call(function, monkeypatch):
    monkeypatch.setattr(inference, "LEAST", 1)
    monkeypatch.setattr(inference, "cores", lambda: 2)
    network = two_outputs()
    clips = np.random.default_rng(0).normal(size=(3, 4, 3)).astype("float32")
    found, expected = function(network)(clips), network.predict_on_batch(clips)
    assert set(found) == {"logits", "frames"}
    for name, values in found.items():
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, expected[name], atol=1e-6)


def test_xla_is_used_when_many_single_clips_follow(monkeypatch):
    compiled = []

    def on_tensorflow(network):
        def run(x):
            compiled.append(x.shape)
            return {"logits": np.zeros((1, 1))}

        return run

    monkeypatch.setattr(inference, "CALLS", 3)
    monkeypatch.setattr(inference, "_on_tensorflow", on_tensorflow)
    forward = inference.traced(two_outputs())
    for _ in range(5):
        forward(np.zeros((2, 4, 3), np.float32))
    for _ in range(3):
        forward(np.zeros((1, 4, 3), np.float32))
    assert not compiled
    forward(np.zeros((1, 4, 3), np.float32))
    assert compiled == [(1, 4, 3)]


def test_before_and_after_xla_answers_agree(monkeypatch):
    monkeypatch.setattr(inference, "CALLS", 1)
    network = two_outputs()
    forward = inference.traced(network)
    clip = np.random.default_rng(0).normal(size=(1, 4, 3)).astype("float32")
    before, after = forward(clip), forward(clip)
    for name, values in before.items():
        np.testing.assert_allclose(after[name], values, atol=1e-6)
    network.set_weights([0 * w for w in network.get_weights()])  # both use the current weights
    assert not forward(clip)["logits"].any()


def test_other_backends_answer_without_tensorflow(monkeypatch):
    network = two_outputs()
    clip = np.ones((1, 4, 3), np.float32)
    expected = network.predict_on_batch(clip)
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    found = inference.traced(network)(clip)
    np.testing.assert_array_equal(found["logits"], np.asarray(expected["logits"]))
