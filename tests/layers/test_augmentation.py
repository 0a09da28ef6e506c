import numpy as np
import pytest
from layer_contract import restored

from keras_skeleton.layers.augmentation import (
    RandomJitter,
    RandomRotation,
    RandomScale,
    RandomSymmetry,
    RandomTemporalCrop,
)

LAYERS = [
    RandomJitter(0.2),
    RandomRotation((10, 10, 30)),
    RandomScale(0.2),
    RandomTemporalCrop(0.5),
    RandomSymmetry([1, 0, 2, 4, 3], (-1, 1, 1)),
]


def clips(B=64, T=20, V=5):
    return np.random.default_rng(0).normal(size=(B, T, 1, V, 3)).astype("float32")


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_changes_only_in_training_and_repeats_from_its_seed(layer):
    x = clips()
    np.testing.assert_array_equal(layer(x), x)
    config = {**layer.get_config(), "seed": 7}
    first = type(layer).from_config(config)
    second = type(layer).from_config(config)
    one = np.asarray(first(x, training=True))
    assert one.shape == x.shape == layer.compute_output_shape(x.shape)
    np.testing.assert_array_equal(one, second(x, training=True))
    assert np.abs(one - np.asarray(first(x, training=True))).max() > 0  # drawn anew
    restored(layer)


def test_rotation_keeps_lengths_and_stays_within_its_angles():
    x = clips()
    out = np.asarray(RandomRotation((0, 0, 30), seed=1)(x, training=True))
    np.testing.assert_allclose(np.linalg.norm(out, axis=-1), np.linalg.norm(x, axis=-1), rtol=1e-4)
    np.testing.assert_allclose(out[..., 2], x[..., 2], atol=1e-5)
    turn = np.arctan2(out[..., 1], out[..., 0]) - np.arctan2(x[..., 1], x[..., 0])
    turn = np.degrees((turn + np.pi) % (2 * np.pi) - np.pi)
    assert np.ptp(turn, axis=(1, 2, 3)).max() < 0.1  # one angle a clip
    assert 15 < np.abs(turn).max() <= 30.01
    assert turn.min() < 0 < turn.max()


def test_scale_is_one_factor_a_clip_and_coordinate():
    x = clips()
    factor = np.asarray(RandomScale(0.2, seed=1)(x, training=True)) / x
    assert np.ptp(factor, axis=(1, 2, 3)).max() < 1e-4
    assert factor.min() >= 0.7999
    assert factor.max() <= 1.2001


def test_jitter_is_gaussian_noise_of_its_width_on_what_is_there():
    x = clips(B=256)
    x[:, 15:] = 0  # padding
    x[:, :, :, 2] = 0  # a joint of nobody
    x[0, 0, 0, 0] = (0, 0.5, 0)  # one zero does not make it absent
    noise = np.asarray(RandomJitter(0.2, seed=1)(x, training=True)) - x
    there = np.repeat((x != 0).any(axis=-1)[..., None], 3, axis=-1)
    assert not noise[~there].any()
    drawn = noise[there]
    assert (drawn != 0).all()
    np.testing.assert_allclose(drawn.std(), 0.2, rtol=0.02)
    np.testing.assert_allclose(drawn.mean(), 0, atol=0.005)
    assert (np.abs(drawn) < 0.2).mean() == pytest.approx(0.683, abs=0.01)
    along = noise[:, :15, 0, [0, 1, 3, 4]]
    assert abs((along[:, 1:] * along[:, :-1]).mean()) < 0.001  # new in every frame


def test_crop_keeps_order_and_stays_inside():
    frames = np.tile(np.arange(20, dtype="float32")[None, :, None, None, None], (64, 1, 1, 5, 3))
    out = np.asarray(RandomTemporalCrop(0.5, seed=1)(frames, training=True))[:, :, 0, 0, 0]
    assert (np.diff(out, axis=1) > 0).all()
    assert out.min() >= 0
    assert out.max() <= 19
    share = (out[:, -1] - out[:, 0]) / 19
    assert share.min() >= 0.4999
    assert share.max() <= 1.0001
    assert np.ptp(share) > 0.3


def test_wrong_shapes_and_arguments_are_refused():
    with pytest.raises(ValueError, match=r"\(B, T, ..., 3\)"):
        RandomScale()(np.zeros((2, 5, 4), "float32"), training=True)
    with pytest.raises(ValueError, match="stddev=-1"):
        RandomJitter(-1)
    with pytest.raises(ValueError, match=r"smallest=0 is not in \(0, 1\]"):
        RandomTemporalCrop(0)


def test_symmetry_gives_the_clip_or_its_image():
    x = clips()
    order, signs = [1, 0, 2, 4, 3], (-1, 1, 1)
    out = np.asarray(RandomSymmetry(order, signs, seed=1)(x, training=True))
    image = x[..., order, :] * np.float32(signs)
    kept = (out == x).all(axis=(1, 2, 3, 4))
    changed = (out == image).all(axis=(1, 2, 3, 4))
    assert (kept ^ changed).all()
    assert 20 < kept.sum() < 44


def test_symmetry_counts_the_joints_of_all_people():
    x = np.random.default_rng(0).normal(size=(32, 4, 2, 3, 3)).astype("float32")
    layer = RandomSymmetry([3, 4, 5, 0, 1, 2], (-1, 1, -1), seed=1)
    out = np.asarray(layer(x, training=True))
    image = x[:, :, ::-1] * np.array([-1, 1, -1], "float32")
    kept, changed = ((out == v).all(axis=(1, 2, 3, 4)) for v in (x, image))
    assert (kept ^ changed).all()
    assert kept.any()
    assert changed.any()


def test_symmetry_refuses_what_is_none():
    with pytest.raises(ValueError, match="each joint exactly once"):
        RandomSymmetry([0, 0, 1], (1, 1, 1))
    with pytest.raises(ValueError, match="order of 3 joints"):
        RandomSymmetry([0, 1, 2], (1, 1, 1))(clips())
