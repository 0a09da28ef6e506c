"""Joints in units of their own spread, against NumPy."""

import keras
import numpy as np
import pytest
from layer_contract import as_floats, restored

from keras_skeleton.layers.joint_units import MEMORY, JointUnits, log_spreads

B, T, K = 5, 40, 4
SCALES = np.array([1.0, 0.1, 3.0, 0.0])  # of the joints' movements; the last one is absent


def clips(seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(B, T, K, 3)) * SCALES[:, None] + 2.0
    x[:, :, 3] = 0
    x[0, 30:] = 0  # padding
    return x.astype("float32")


def logs(x):
    """Logarithm of each joint's root mean square distance from its mean, by clip."""
    found = []
    for clip in x:
        clip = clip[np.any(clip != 0, axis=(1, 2))]
        square = np.square(clip - clip.mean(axis=0)).mean(axis=(0, 2))
        found.append(0.5 * np.log(np.maximum(square, 1e-12)))
    return np.array(found)


def test_the_spread_of_a_joint_in_a_clip():
    x = clips()
    found, known = (np.asarray(v) for v in log_spreads(x))
    np.testing.assert_array_equal(known, [[1, 1, 1, 0]] * B)
    np.testing.assert_allclose(found[:, :3], logs(x)[:, :3], atol=1e-4)


def test_training_learns_the_geometric_mean_and_use_keeps_it():
    layer, x = JointUnits(), clips()
    np.testing.assert_array_equal(layer(x), x)  # before any training
    spread = np.exp(logs(x).mean(axis=0))
    spread[3] = 1
    expected = x / spread[:, None]
    np.testing.assert_allclose(layer(x, training=True), expected, rtol=1e-4)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4)
    np.testing.assert_allclose(layer(7 * x), 7 * expected, rtol=1e-4)  # use learns nothing


def test_batches_count_by_their_clips():
    layer, one, other = JointUnits(), clips(), 5 * clips(1)[:2]
    layer(one, training=True)
    layer(other, training=True)
    expected = logs(np.concatenate([one, other]))[:, :3].mean(axis=0)
    log, count = layer.get_weights()
    np.testing.assert_allclose(log[:3], expected, atol=1e-4)
    np.testing.assert_array_equal(count, [7, 7, 7, 0])


def test_old_clips_are_forgotten():
    layer, x = JointUnits(), clips()
    layer(x, training=True)
    layer.set_weights([np.zeros(K), np.full(K, MEMORY)])
    layer(x, training=True)
    log, count = layer.get_weights()
    assert (count == MEMORY).all()
    np.testing.assert_allclose(log[:3], logs(x)[:, :3].sum(axis=0) / (MEMORY + B), rtol=1e-3)


def test_a_clip_in_which_a_joint_is_absent_does_not_count():
    layer, x = JointUnits(), clips()
    expected = logs(x[1:])[:, 0].mean()
    x[0, :, 0] = 0
    layer(x, training=True)
    assert layer.get_weights()[0][0] == pytest.approx(expected, abs=1e-4)


def test_it_is_a_layer():
    layer, x = JointUnits(), clips()
    expected = np.asarray(layer(x, training=True))
    assert not layer.trainable_weights
    assert layer.count_params() == 2 * K
    assert layer.flops(x.shape) == 0
    assert layer(keras.Input(x.shape[1:])).shape == (None, *x.shape[1:])
    again = restored(layer)
    again(x)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(x), expected)
    mixed = JointUnits(dtype="mixed_bfloat16")
    mixed(x)
    mixed.set_weights(layer.get_weights())
    assert keras.backend.standardize_dtype(mixed(x).dtype) == "bfloat16"
    assert {keras.backend.standardize_dtype(w.dtype) for w in mixed.weights} == {"float32"}
    np.testing.assert_allclose(as_floats(mixed(x)), expected, rtol=0.02)
    with pytest.raises(ValueError, match="expects"):
        JointUnits()(x[..., 0])
