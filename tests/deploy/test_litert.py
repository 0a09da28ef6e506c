"""Networks run by LiteRT give what Keras gives."""

import sys
from threading import Thread

import keras
import numpy as np
import pytest

import keras_skeleton as ks
from keras_skeleton.deploy import litert, runtimes
from keras_skeleton.deploy.runtimes import ExportError
from keras_skeleton.skeletons import get_skeleton
from keras_skeleton.utils.errors import UnknownNameError, UserError


def small():
    x = keras.Input((None, 3), name="clip")
    h = keras.layers.BatchNormalization(name="norm")(keras.layers.Dense(4, name="h")(x))
    logits = keras.layers.Dense(2, name="logits")(keras.layers.GlobalMaxPooling1D()(h))
    return keras.Model(x, logits)


def clips(network, B, T=6, seed=0):
    shape = (T if size is None else size for size in network.input_shape[1:])
    return np.random.default_rng(seed).normal(size=(B, *shape)).astype("float32")


@pytest.mark.slow
@pytest.mark.parametrize(("model", "frames"), [("mans9", 20), ("sta_lstm", 9), ("csta_cnn", 40)])
def test_as_the_network(model, frames):
    network = ks.build_model(model, get_skeleton("sbu"), 5, frames)
    forward = ks.compiled(network, runtime="litert", threads=2)
    x = clips(network, 9)
    x[1, frames // 2 :] = 0  # a shorter one
    found = forward(x)  # in two parts, of four and five clips
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, network.predict_on_batch(x), atol=1e-4)
    np.testing.assert_allclose(forward(x[:1]), found[:1], atol=1e-4)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_every_shape_has_its_programs(threads, monkeypatch):
    monkeypatch.setattr(litert, "LEAST", 2)
    converted = []
    convert = litert._converted

    def counted(network, shapes):
        converted.append(shapes[0])
        return convert(network, shapes)

    monkeypatch.setattr(litert, "_converted", counted)
    network = small()
    forward = ks.compiled(network, runtime="litert", threads=threads)
    for B, T in ((7, 6), (7, 5), (1, 6), (7, 6)):
        x = clips(network, B, T, seed=B + T)
        np.testing.assert_allclose(forward(x), network.predict_on_batch(x), atol=1e-5)
    sizes = {1: [7], 2: [3, 4], 3: [2, 3]}[threads]
    expected = [*((B, T, 3) for T in (6, 5) for B in sizes), (1, 6, 3)]
    assert sorted(converted) == sorted(expected)


def test_weights_are_copied_and_the_network_stays():
    network = small()
    before = network.get_weights()
    x = clips(network, 2)
    expected = network.predict_on_batch(x)
    forward = ks.compiled(network, runtime="litert")
    network.set_weights([0 * w for w in before])
    np.testing.assert_allclose(forward(x), expected, atol=1e-5)
    forward = ks.compiled(network, runtime="litert")
    forward(x)
    assert not any(w.any() for w in network.get_weights())
    assert keras.Model.from_config(network.get_config()).input_shape == network.input_shape


def test_many_inputs_and_outputs_keep_their_names():
    inputs = {name: keras.Input((3,), name=name) for name in ("b", "a", "c")}
    outputs = {f"times {i}": i * inputs["a"] - inputs["b"] for i in range(12)}
    network = keras.Model(inputs, {**outputs, "c": keras.ops.tanh(inputs["c"])})
    random = np.random.default_rng(0)
    x = {name: random.normal(size=(9, 3)) for name in inputs}  # float64
    found = ks.compiled(network, runtime="litert", threads=2)(x)
    assert set(found) == {*outputs, "c"}
    for i in range(12):
        np.testing.assert_allclose(found[f"times {i}"], i * x["a"] - x["b"], atol=1e-5)
    np.testing.assert_allclose(found["c"], np.tanh(x["c"]), atol=1e-5)


def test_calls_from_several_threads():
    network = small()
    forward = ks.compiled(network, runtime="litert", threads=2)
    batches = [clips(network, 8, seed=i) for i in range(8)]
    found = [None] * len(batches)

    def run(i):
        found[i] = forward(batches[i])

    threads = [Thread(target=run, args=(i,)) for i in range(len(batches))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for batch, logits in zip(batches, found, strict=True):
        np.testing.assert_allclose(logits, network.predict_on_batch(batch), atol=1e-5)


def test_wrong_arguments(monkeypatch):
    network = small()
    with pytest.raises(UnknownNameError, match="litert"):
        ks.compiled(network, runtime="lite")
    with pytest.raises(UserError, match="threads=2"):
        ks.compiled(network, threads=2)
    with pytest.raises(ExportError, match="threads=0"):
        ks.compiled(network, runtime="litert", threads=0)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ExportError, match="jax"):
        ks.compiled(network, runtime="litert")


def test_without_a_runtime(monkeypatch):
    class Nothing:
        lite = object()

    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    monkeypatch.setattr(runtimes, "import_module", lambda name: _import(name, Nothing))
    with pytest.raises(ExportError, match="pip install ai-edge-litert"):
        ks.compiled(small(), runtime="litert")


def _import(name, tensorflow):
    if name == "tensorflow":
        return tensorflow
    raise ModuleNotFoundError(name)


def test_an_operation_that_litert_lacks():
    x = keras.Input((4, 4))
    network = keras.Model(x, keras.ops.linalg.det(x), name="determinant")
    forward = ks.compiled(network, runtime="litert")
    with pytest.raises(ExportError, match=r"determinant.*runtime='xla'"):
        forward(np.zeros((1, 4, 4), "float32"))
