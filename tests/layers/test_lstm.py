"""The LSTM of our own against NumPy and against Keras', whose values and gradients it has."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_skeleton.layers.lstm import LSTM, SMALL

B, T, N, K = 3, 7, 5, 4
MASKS = {
    "none": None,
    "padded": np.arange(T) < np.array([[7], [4], [1]]),
    "holes": np.array([[0, 1, 1, 0, 0, 1, 0], [1] * 7, [0] * 7]).astype(bool),
}


def inputs(batch=B, seed=0):
    return np.random.default_rng(seed).normal(size=(batch, T, N)).astype("float32")


def both(**arguments):
    """Our layer and Keras' with the same weights."""
    layers = LSTM(K, **arguments), keras.layers.LSTM(K, return_sequences=True, **arguments)
    for layer in layers:
        layer.build((None, T, N))
    layers[0].cell.bias.assign(np.random.default_rng(1).normal(size=4 * K))
    layers[1].set_weights(layers[0].get_weights())
    return layers


def values_and_gradients(layer, x, mask=None, jit=False):
    x = tf.constant(x)
    weights = tf.constant(np.random.default_rng(2).normal(size=(*x.shape[:2], K)), tf.float32)

    @tf.function(jit_compile=jit)
    def run():
        with tf.GradientTape() as tape:
            tape.watch(x)
            h = layer(x, mask=mask, training=True)
            loss = tf.reduce_sum(weights * h)
        return h, *tape.gradient(loss, [x, *[v.value for v in layer.trainable_variables]])

    return [value.numpy() for value in run()], run


def test_against_the_equations():
    layer, _ = both()
    x = inputs()
    h, *_ = values_and_gradients(layer, x)[0]
    w, u, b = layer.get_weights()
    sigmoid = lambda v: 1 / (1 + np.exp(-v))  # noqa: E731
    state, c = np.zeros((B, K)), np.zeros((B, K))
    for t in range(T):
        i, f, g, o = np.split(x[:, t] @ w + state @ u + b, 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        state = sigmoid(o) * np.tanh(c)
        np.testing.assert_allclose(h[:, t], state, atol=1e-6)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("mask", MASKS)
def test_values_and_gradients_are_keras_own(mask, jit):
    ours, theirs = both()
    mine, run = values_and_gradients(ours, inputs(), MASKS[mask], jit)
    for a, b in zip(mine, values_and_gradients(theirs, inputs(), MASKS[mask])[0], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    # It is our pass that ran: two loops, and no gradient of a loop through TensorFlow.
    loops = [op for op in run.get_concrete_function().graph.get_operations() if "While" in op.type]
    assert len(loops) == 2


@pytest.mark.parametrize(
    ("arguments", "batch", "training"),
    [({}, SMALL + 1, True), ({}, SMALL + 1, False), ({"go_backwards": True}, B, True),
     ({"recurrent_activation": "hard_sigmoid"}, B, True)],
)  # fmt: skip
def test_elsewhere_keras_own_loop_runs(arguments, batch, training, monkeypatch):
    ours, theirs = both(**arguments)
    x = inputs(batch)
    monkeypatch.setattr("keras_skeleton.layers.lstm.swapped", None)  # would fail
    np.testing.assert_allclose(ours(x, training=training), theirs(x), atol=1e-6)


def test_mixed_precision_and_dropout_are_left_to_keras():
    for arguments in ({"dtype": "mixed_bfloat16"}, {"dropout": 0.5}, {"recurrent_dropout": 0.5}):
        layer, _ = both(**arguments)
        assert not layer._has_own(B)
        assert layer(inputs(), training=True).shape == (B, T, K)


def test_trains_alike_and_round_trips(tmp_path):
    models = []
    for layer in both():
        model = keras.Sequential([keras.Input((T, N), batch_size=6), layer])
        model.compile(keras.optimizers.SGD(0.1), "mse")
        model.fit(inputs(12), np.ones((12, T, K)), batch_size=6, epochs=2, shuffle=False, verbose=0)
        models.append(model)
    for a, b in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(models[0].layers[0])
    )
    assert type(again) is LSTM
    assert again.get_config() == models[0].layers[0].get_config()
    # The two take each other's files, in which weights go by names.
    models[1].save_weights(tmp_path / "keras.weights.h5")
    models[0].set_weights([0 * w for w in models[0].get_weights()])
    models[0].load_weights(tmp_path / "keras.weights.h5")
    for a, b in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(a, b)


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="ndim=3"):
        LSTM(K)(np.zeros((B, N), "float32"))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("mask", MASKS)
def test_runs_without_a_graph_too(mask, training):
    ours, theirs = both()
    found = ours(inputs(), mask=MASKS[mask], training=training)
    np.testing.assert_allclose(found, theirs(inputs(), mask=MASKS[mask]), atol=1e-6)
