import keras
import numpy as np
import pytest
from layer_contract import check_layer

from keras_skeleton.layers.frame_attention import FrameAttention

B, T, G, K = 2, 50, 3, 8


def inputs(seed=0):
    return np.random.default_rng(seed).normal(size=(B, T, G, K)).astype("float32")


def test_against_equations_6_to_8():
    layer = FrameAttention(ratio=16)
    x = inputs()
    layer.build(x.shape)
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(size=w.shape) for w in layer.get_weights()])
    out = np.asarray(layer(x))
    assert out.shape == (B, T, G) == layer.compute_output_shape(x.shape)
    assert layer.count_params() == 1059  # the paper's 3 x 353 at T = 50
    w1, b1, w2, b2 = layer.get_weights()
    for b in range(B):
        for g in range(G):
            pooled = x[b, :, g].mean(axis=1)  # Eq. 6
            copies = np.tile(pooled[:, None], (1, K))  # Eq. 7: (T, K)
            hidden = np.maximum(w1[g].T @ copies + b1[g][:, None], 0)  # Eq. 8
            expected = 1 / (1 + np.exp(-(w2[g].T @ hidden + b2[g][:, None])))
            assert np.ptp(expected, axis=1).max() == 0  # K equal columns
            np.testing.assert_allclose(out[b, :, g], expected[:, 0], atol=1e-5)


def test_standardized():
    """As on inputs whose mean over K has been standardized, whatever its offset and size."""
    layer, plain = FrameAttention(pooled="standardized"), FrameAttention()
    x = inputs()
    for own in (layer, plain):
        own.build(x.shape)
    rng = np.random.default_rng(1)
    plain.set_weights([rng.normal(size=w.shape) for w in plain.get_weights()])
    layer.set_weights(plain.get_weights())
    pooled = x.mean(axis=3, keepdims=True)
    mean, variance = pooled.mean(axis=1, keepdims=True), pooled.var(axis=1, keepdims=True)
    expected = plain(((pooled - mean) / np.sqrt(variance + 1e-6)).repeat(K, axis=3))
    np.testing.assert_allclose(layer(x), expected, atol=1e-5)
    np.testing.assert_allclose(layer(0.05 * x + 3), expected, atol=0.02)  # the variance is 5e-5
    still = np.asarray(layer(np.ones_like(x)))
    np.testing.assert_allclose(still[0], still[1], atol=1e-6)  # finite, and of no clip


@pytest.mark.parametrize(("frames", "hidden"), [(50, 3), (224, 14), (10, 1)])
def test_reduced_size(frames, hidden):
    layer = FrameAttention(16)
    layer.build((None, frames, G, K))
    assert layer.w1.shape == (G, frames, hidden)


def test_frozen_weights_do_not_move():
    layer = FrameAttention(trainable=False)
    model = keras.Sequential([keras.Input((T, G, K)), layer, keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    before = layer.get_weights()
    model.train_on_batch(inputs(), np.ones((B, T, 1)))
    for a, b in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert layer.count_params() == 1059


@pytest.mark.parametrize("pooled", ["mean", "standardized"])
def test_it_is_a_layer(pooled):
    hidden = T // 8
    check_layer(
        FrameAttention, {"ratio": 8, "pooled": pooled}, inputs=inputs(), shape=(B, T, G), half=0.02,
        weights=G * (2 * T * hidden + hidden + T), flops=T * G * K + 2 * G * 2 * T * hidden,
    )  # fmt: skip


def test_wrong_shapes_and_arguments_are_refused():
    with pytest.raises(ValueError, match="needs a fixed T"):
        FrameAttention().build((None, None, 3, 8))
    with pytest.raises(ValueError, match="ratio=0"):
        FrameAttention(0)
    with pytest.raises(ValueError, match="pooled='max'"):
        FrameAttention(pooled="max")
