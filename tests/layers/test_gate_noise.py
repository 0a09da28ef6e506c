"""Noise behind gates against its equation."""

import keras
import numpy as np
import pytest
from layer_contract import check_layer

from keras_skeleton.layers.gate_noise import GateNoise, joint_spread

B, T, K = 5, 40, 4
SCALES = np.array([1.0, 0.1, 3.0, 0.0])  # of the joints' movements; the last one is absent


def clips(seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(B, T, K, 3)) * SCALES[:, None] + 2.0
    x[:, :, 3] = 0
    x[0, 30:] = 0  # padding
    return x.astype("float32")


def spread(x):
    """The geometric mean over clips of each joint's root mean square distance from its mean."""
    logs = []
    for clip in x:
        clip = clip[np.any(clip != 0, axis=(1, 2))]
        square = np.square(clip - clip.mean(axis=0)).mean(axis=(0, 2))
        logs.append(0.5 * np.log(np.maximum(square, 1e-12)))
    return np.exp(np.mean(logs, axis=0))


def test_the_spread_of_joints():
    x = clips()
    found = np.asarray(joint_spread(x))
    np.testing.assert_allclose(found[:3], spread(x)[:3], rtol=1e-4)
    np.testing.assert_allclose(found[:3], SCALES[:3], rtol=0.1)
    assert found[3] == 0


def test_a_clip_in_which_a_joint_is_absent_does_not_count():
    x = clips()
    alone = np.asarray(joint_spread(x[1:]))
    x[0, :, 0] = 0
    assert np.asarray(joint_spread(x))[0] == pytest.approx(alone[0], rel=1e-5)


@pytest.mark.parametrize("unit", ["input", "joint"])
def test_noise_has_its_size_in_training_alone(unit):
    x, gated = clips(), 0.5 * clips()
    layer = GateNoise(0.4, unit, seed=1)
    np.testing.assert_array_equal(layer(gated, x), gated)
    noise = np.asarray(layer(gated, x, training=True)) - gated
    expected = 0.4 * (np.ones(K) if unit == "input" else spread(x))
    for k in range(3):
        own = noise[:, :30, k]
        assert own.std() == pytest.approx(expected[k], rel=0.1)
        assert abs(own.mean()) < 0.1 * expected[k]
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


@pytest.mark.parametrize(
    ("arguments", "words"), [({"level": -1.0}, "level=-1"), ({"level": 1, "unit": "m"}, "unit='m'")]
)
def test_wrong_arguments(arguments, words):
    with pytest.raises(ValueError, match=words):
        GateNoise(**arguments)


def test_no_gradient_flows_through_the_unit():
    """Only the gated input has one."""
    x = keras.Input((T, K, 3))
    model = keras.Model(x, GateNoise(1.0, "joint", seed=0)(x, x))
    assert not model.trainable_weights
    assert np.isfinite(np.asarray(model(clips(), training=True))).all()


def test_it_is_a_layer():
    x = clips()
    check_layer(GateNoise, {"level": 0.3, "unit": "joint", "seed": 1}, inputs=(x, x), shape=x.shape)
