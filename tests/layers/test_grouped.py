"""The grouped layers against NumPy, and against the separate Keras layers that they stand for."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_contract import check_layer

from keras_skeleton.layers import grouped_gru
from keras_skeleton.layers.grouped import GroupedDense, PerGroup
from keras_skeleton.layers.grouped_gru import GroupedBiGRU

B, T, G, N, K = 2, 5, 3, 4, 6


def inputs(seed=0, shape=(B, T, G, N)):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def hard_sigmoid(x):
    return np.clip(0.2 * x + 0.5, 0, 1)


def gru(x, w, u, b, gate):
    """One GRU pass over x (T, N), written out from the equations in the docstring."""
    k = u.shape[0]
    h, states = np.zeros(k), []
    for x_t in x:
        a = x_t @ w + b
        z = gate(a[:k] + h @ u[:, :k])
        r = gate(a[k : 2 * k] + h @ u[:, k : 2 * k])
        c = np.tanh(a[2 * k :] + (r * h) @ u[:, 2 * k :])
        h = z * h + (1 - z) * c
        states.append(h)
    return np.array(states)


def test_dense_is_one_layer_a_group():
    layer = GroupedDense(K)
    x = inputs()
    out = np.asarray(layer(x))
    assert out.shape == (B, T, G, K) == layer.compute_output_shape(x.shape)
    assert layer.count_params() == G * (N * K + K)
    kernel, bias = layer.get_weights()
    for g in range(G):
        np.testing.assert_allclose(out[:, :, g], x[:, :, g] @ kernel[g] + bias[g], atol=1e-5)


@pytest.mark.parametrize(("name", "gate"), [("sigmoid", sigmoid), ("hard_sigmoid", hard_sigmoid)])
def test_bigru_against_the_equations(name, gate):
    layer = GroupedBiGRU(K, recurrent_activation=name)
    x = inputs()
    layer.build(x.shape)
    layer.bias.assign(inputs(1, layer.bias.shape))
    out = np.asarray(layer(x))
    assert out.shape == (B, T, G, K) == layer.compute_output_shape(x.shape)
    assert layer.count_params() == 2 * G * 3 * (N * K + K * K + K)
    w, bias, u = (np.asarray(v) for v in (layer.kernel, layer.bias, layer.cell.recurrent_kernel))
    for b in range(B):
        for g in range(G):
            forwards = gru(x[b, :, g], w[g], u[g], bias[g], gate)
            backwards = gru(x[b, ::-1, g], w[G + g], u[G + g], bias[G + g], gate)[::-1]
            np.testing.assert_allclose(out[b, :, g], forwards + backwards, atol=1e-5)  # Eq. 4


def test_bigru_equals_separate_keras_layers():
    layer = GroupedBiGRU(K)
    x = inputs()
    out = np.asarray(layer(x))
    w, bias, u = (np.asarray(v) for v in (layer.kernel, layer.bias, layer.cell.recurrent_kernel))
    for g in range(G):
        plain = keras.layers.Bidirectional(
            keras.layers.GRU(K, return_sequences=True, reset_after=False), merge_mode="sum"
        )
        plain.build((B, T, N))
        plain.set_weights([w[g], u[g], bias[g], w[G + g], u[G + g], bias[G + g]])
        np.testing.assert_allclose(out[:, :, g], plain(x[:, :, g]), atol=1e-5)


def test_bigru_dropout_is_one_mask_a_sequence_and_off_outside_training():
    layer = GroupedBiGRU(K, dropout=0.5, recurrent_dropout=0.5, seed=1)
    x = np.repeat(inputs(shape=(1, T, G, N)), 400, axis=0)
    still = np.asarray(layer(x))
    np.testing.assert_array_equal(still, np.asarray(layer(x, training=False)))
    assert (still == still[:1]).all()
    dropped = np.asarray(layer(x, training=True))
    assert len(np.unique(dropped[:, 0, 0, 0].round(6))) > 10  # clips differ
    mask = np.asarray(layer._mask((6, 400, 1, 10), 0.25))
    assert set(np.unique(mask.round(5))) == {0.0, np.float32(4 / 3).round(5)}
    assert (mask == 0).mean() == pytest.approx(0.25, abs=0.02)


def test_groups_are_drawn_one_by_one():
    weights = np.asarray(PerGroup("orthogonal")((3, 8, 8)))
    for g in range(3):
        np.testing.assert_allclose(weights[g] @ weights[g].T, np.eye(8), atol=1e-5)
    assert np.abs(weights[0] - weights[1]).max() > 0.1
    glorot = np.asarray(PerGroup("glorot_uniform")((3, 50, 64)))
    assert np.abs(glorot).max() == pytest.approx(np.sqrt(6 / (50 + 64)), rel=0.02)


def test_they_are_layers():
    check_layer(
        GroupedDense, {"units": K, "kernel_regularizer": "l2"}, inputs=inputs(),
        shape=(B, T, G, K), weights=G * (N * K + K), flops=2 * T * G * N * K,
    )  # fmt: skip
    check_layer(
        GroupedBiGRU,
        {"units": K, "dropout": 0.1, "recurrent_dropout": 0.2, "seed": 3,
         "recurrent_activation": "hard_sigmoid", "kernel_regularizer": "l2"},
        inputs=inputs(), shape=(B, T, G, K), weights=2 * G * 3 * (N * K + K * K + K),
        flops=2 * T * 2 * G * 3 * (N * K + K * K),
    )  # fmt: skip


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="recurrent_activation='relu' is unknown"):
        GroupedBiGRU(K, recurrent_activation="relu")
    with pytest.raises(ValueError, match=r"dropout=1.5 must be in \[0, 1\)"):
        GroupedBiGRU(K, dropout=1.5)


@pytest.mark.parametrize("jit", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("activation", "rate"), [("sigmoid", 0), ("sigmoid", 0.3), ("hard_sigmoid", 0.3)]
)
def test_gradients_are_those_of_the_steps(activation, rate, jit, monkeypatch):
    """In training the layer has a gradient of its own; TensorFlow derives the plain steps."""
    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(size=(4, 7, 3, 5)), tf.float32)
    upstream = tf.constant(rng.normal(size=(4, 7, 3, 6)), tf.float32)

    def plain(x, u, mask, activation):
        groups, K = u.shape[:2]
        h, found = tf.zeros((groups, 4, K)), []
        for t in range(7):
            step = tf.reshape(x[t], (groups, -1, 3 * K))
            h, *_ = grouped_gru._step(
                step, h, u[..., : 2 * K], u[..., 2 * K :], mask, grouped_gru.GATES[activation]
            )
            found.append(tf.reshape(h, (-1, K)))
        return tf.stack(found)

    def run():
        keras.utils.set_random_seed(1)
        layer = GroupedBiGRU(6, rate, rate, activation, kernel_initializer="random_normal", seed=2)
        layer.build(x.shape)
        layer.bias.assign(np.random.default_rng(3).normal(size=layer.bias.shape))

        @tf.function(jit_compile=jit)
        def values():
            with tf.GradientTape() as tape:
                tape.watch(x)
                h = layer(x, training=True)
                loss = tf.reduce_sum(h * upstream)
            return h, *tape.gradient(loss, [x, *[v.value for v in layer.trainable_variables]])

        return [v.numpy() for v in values()]

    ours = run()
    monkeypatch.setattr(grouped_gru, "_states", plain)
    for a, b in zip(ours, run(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_training_without_dropout_is_as_prediction():
    layer = GroupedBiGRU(6)
    x = np.random.default_rng(0).normal(size=(2, 7, 3, 5)).astype("float32")
    np.testing.assert_allclose(layer(x, training=True), layer(x), atol=1e-6)
