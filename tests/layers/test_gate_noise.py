"""Noise behind gates against its equation."""

import numpy as np
import pytest
from layer_contract import check_layer

from keras_skeleton.layers.gate_noise import GateNoise

B, T, K = 5, 40, 4


def clips(seed=0):
    x = np.random.default_rng(seed).normal(size=(B, T, K, 3))
    x[:, :, 3] = 0  # absent
    x[0, 30:] = 0  # padding
    return x.astype("float32")


def test_noise_has_its_size_in_training_alone():
    x, gated = clips(), 0.5 * clips()
    layer = GateNoise(0.4, seed=1)
    np.testing.assert_array_equal(layer(gated, x), gated)
    noise = np.asarray(layer(gated, x, training=True)) - gated
    own = noise[:, :30, :3]
    assert own.std() == pytest.approx(0.4, rel=0.05)
    assert abs(own.mean()) < 0.02
    assert (noise[:, :, 3] == 0).all()
    assert (noise[0, 30:] == 0).all()


def test_a_closed_gate_leaves_noise_alone():
    """The size of the noise does not depend on the gates."""
    x = clips()
    layer = GateNoise(1.0, seed=1)
    assert np.asarray(layer(0 * x, x, training=True))[:, :30, :3].std() == pytest.approx(1, rel=0.1)


def test_the_seed_repeats_the_noise_and_every_call_draws_anew():
    x = clips()
    first, second = GateNoise(1.0, seed=3), GateNoise(1.0, seed=3)
    one = np.asarray(first(x, x, training=True))
    np.testing.assert_array_equal(one, second(x, x, training=True))
    assert np.abs(one - np.asarray(first(x, x, training=True))).max() > 0.1


def test_a_negative_level():
    with pytest.raises(ValueError, match="level=-1"):
        GateNoise(-1)


def test_it_is_a_layer():
    x = clips()
    check_layer(GateNoise, {"level": 0.3, "seed": 1}, inputs=(x, x), shape=x.shape)
