import keras
import numpy as np
import pytest
from layer_contract import as_floats, restored

from keras_skeleton.layers.augmentation import (
    RandomAmplitude,
    RandomBoneLength,
    RandomDroppedLimb,
    RandomFrameRate,
    RandomJitter,
    RandomRotation,
    RandomScale,
    RandomSmoothNoise,
    RandomSymmetry,
    RandomTemporalCrop,
)
from keras_skeleton.skeletons import get_skeleton

BONES = [(0, 1), (1, 2), (0, 3), (3, 4)]  # a root, and a chain of two bones on each side

LAYERS = [
    RandomJitter(0.2),
    RandomRotation((10, 10, 30)),
    RandomScale(0.2),
    RandomTemporalCrop(0.5),
    RandomSymmetry([1, 0, 2, 4, 3], (-1, 1, 1)),
    RandomBoneLength(BONES, 0, mirror=[0, 3, 4, 1, 2], amount=0.3),
    RandomDroppedLimb([[1, 2], [3, 4]], joints=5, probability=0.9),
    RandomFrameRate(3.0),
    RandomAmplitude(0.5, 1.5),
    RandomSmoothNoise(0.2, depth=3.0),
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


NEW = [layer for layer in LAYERS if type(layer).__name__ in (
    "RandomAmplitude", "RandomBoneLength", "RandomDroppedLimb", "RandomFrameRate",
    "RandomSmoothNoise",
)]  # fmt: skip


@pytest.mark.parametrize("layer", NEW, ids=lambda layer: type(layer).__name__)
def test_padding_and_absent_bodies_stay_zero(layer):
    x = np.concatenate([clips(), clips()], axis=3).reshape(64, 20, 2, 5, 3)
    x[:, 12:] = 0  # padding
    x[::2, :, 1] = 0  # one person alone
    x[1, 4:8, 0] = 0  # out of sight
    out = np.asarray(type(layer).from_config({**layer.get_config(), "seed": 2})(x, training=True))
    gone = (x == 0).all(axis=-1)
    assert (out[gone] == 0).all()
    assert np.isfinite(out).all()
    assert (out[~gone] != 0).any(axis=-1).all()


@pytest.mark.parametrize("layer", NEW, ids=lambda layer: type(layer).__name__)
def test_mixed_precision(layer):
    half = type(layer).from_config({**layer.get_config(), "dtype": "mixed_bfloat16", "seed": 3})
    out = half(clips(), training=True)
    assert keras.backend.standardize_dtype(out.dtype) == "bfloat16"
    assert np.isfinite(as_floats(out)).all()


def lengths_of(x, bones):
    return np.stack([np.linalg.norm(x[..., b, :] - x[..., a, :], axis=-1) for a, b in bones], -1)


def test_bone_lengths_are_scaled_alike_on_both_sides_and_directions_stay():
    x = clips()
    layer = RandomBoneLength(BONES, 0, mirror=[0, 3, 4, 1, 2], amount=0.3, seed=1)
    out = np.asarray(layer(x, training=True))
    factor = lengths_of(out, BONES) / lengths_of(x, BONES)  # (B, T, M, bones)
    assert np.ptp(factor, axis=(1, 2)).max() < 1e-3  # one factor for a clip
    np.testing.assert_allclose(factor[..., :2], factor[..., 2:], rtol=1e-3)
    assert factor.min() >= 0.6999
    assert factor.max() <= 1.3001
    assert np.ptp(factor[:, 0, 0, 0]) > 0.4
    assert np.corrcoef(factor[:, 0, 0, 0], factor[:, 0, 0, 1])[0, 1] < 0.4  # each on its own
    np.testing.assert_array_equal(out[..., 0, :], x[..., 0, :])
    for a, b in BONES:
        one, other = out[..., b, :] - out[..., a, :], x[..., b, :] - x[..., a, :]
        cosine = (one * other).sum(-1) / (
            np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
        )
        np.testing.assert_allclose(cosine, 1, atol=1e-4)


def test_bones_of_a_layout_and_of_two_people():
    body = get_skeleton("body15")
    x = np.random.default_rng(0).normal(size=(16, 4, 2, 15, 3)).astype("float32")
    layer = RandomBoneLength(body.bones, body.root, mirror=body.mirror, amount=0.2, seed=1)
    factor = lengths_of(np.asarray(layer(x, training=True)), body.bones) / lengths_of(x, body.bones)
    assert np.ptp(factor, axis=(1, 2)).max() < 5e-3
    at = {child: k for k, (_, child) in enumerate(body.bones)}
    for joint, other in enumerate(body.mirror):
        if joint != body.root:
            np.testing.assert_allclose(factor[..., at[joint]], factor[..., at[other]], rtol=5e-3)


def test_a_limb_is_lost_for_a_part_of_the_clip():
    x = clips(B=256)
    layer = RandomDroppedLimb([[1, 2], [3, 4]], joints=5, probability=0.5, stddev=0.4, seed=1)
    out = np.asarray(layer(x, training=True))[:, :, 0]
    x = x[:, :, 0]
    moved = (out != x).any(axis=-1)  # (B, T, V)
    assert not moved[..., 0].any()
    left, right = (moved[..., limb].any(axis=(1, 2)) for limb in ([1, 2], [3, 4]))
    assert not (left & right).any()  # one limb
    assert 90 < (left | right).sum() < 166
    assert left.any()
    assert right.any()
    frozen = wild = 0
    for b in np.flatnonzero(left):
        t = np.flatnonzero(moved[b, :, 1])
        np.testing.assert_array_equal(t, np.arange(t[0], t[-1] + 1))  # one part
        held = np.abs(np.diff(out[b, t, 1], axis=0)).max(initial=0) < 1e-6
        frozen, wild = frozen + held, wild + (not held)
        if held:  # as in the frame before, the first of the part
            np.testing.assert_allclose(out[b, t[0], 1], x[b, t[0] - 1, 1], atol=1e-6)
    assert frozen > 20
    assert wild > 20


def test_a_lower_rate_repeats_or_interpolates_frames_in_order():
    ramp = np.tile(np.arange(1, 31, dtype="float32")[None, :, None, None], (128, 1, 2, 3))
    ramp[:, 24:] = 0
    out = np.asarray(RandomFrameRate(4.0, seed=1)(ramp, training=True))[:, :24, 0, 0]
    assert (np.diff(out, axis=1) >= -1e-4).all()
    assert out.min() >= 1
    assert out.max() <= 24.0001
    assert np.abs(out - ramp[0, :24, 0, 0]).max() <= 4.5  # no frame is far from its own
    kept = np.array([len(np.unique(row.round(3))) for row in out])
    assert kept.min() <= 9  # a quarter of the rate, held
    assert kept.max() == 24
    np.testing.assert_allclose(RandomFrameRate(1.0)(ramp, training=True), ramp, atol=1e-5)


def test_smooth_noise_is_slow_and_largest_in_depth():
    x = np.ones((256, 40, 1, 5, 3), "float32")

    def noise(width):
        layer = RandomSmoothNoise(0.2, depth=3.0, width=width, seed=1)
        return np.asarray(layer(x, training=True)) - x

    fast, slow = noise((0.01, 0.01)), noise((8.0, 8.0))
    for drawn in (fast, slow):  # uniform in [0, 0.2): rms 0.2 / sqrt 3
        np.testing.assert_allclose(drawn[..., :2].std(), 0.2 / 3**0.5, rtol=0.1)
        np.testing.assert_allclose(drawn[..., 2].std(), 0.6 / 3**0.5, rtol=0.1)

    def along(drawn):
        return (drawn[:, 1:] * drawn[:, :-1]).mean() / (drawn**2).mean()

    assert abs(along(fast)) < 0.05
    assert along(slow) > 0.95
    assert abs(np.corrcoef(slow[:, 0, 0, 0, 0], slow[:, 0, 0, 1, 0])[0, 1]) < 0.2  # each joint


def test_amplitude_is_the_distance_from_the_mean_pose():
    x = clips()
    x[:, 15:] = 0  # padding
    out = np.asarray(RandomAmplitude(0.5, 1.5, seed=1)(x, training=True))[:, :15]
    mean = x[:, :15].mean(axis=1, keepdims=True)
    factor = (out - mean) / (x[:, :15] - mean)
    assert np.ptp(factor, axis=(1, 2, 3, 4)).max() < 0.01
    assert factor.min() >= 0.49
    assert factor.max() <= 1.51
    assert np.ptp(factor[:, 0, 0, 0, 0]) > 0.7


def test_what_the_new_layers_refuse():
    for least, most in ((-0.1, 1), (2, 1)):
        with pytest.raises(ValueError, match="least="):
            RandomAmplitude(least, most)
    for bones, root in (([(0, 1), (0, 1)], 0), ([(1, 2), (2, 1)], 0), ([(0, 1)], 1)):
        with pytest.raises(ValueError, match="tree"):
            RandomBoneLength(bones, root)
    with pytest.raises(ValueError, match="each joint exactly once"):
        RandomBoneLength(BONES, 0, mirror=[0, 1])
    with pytest.raises(ValueError, match="bodies of 3 joints"):
        RandomBoneLength([(0, 1), (0, 2)], 0)(clips(), training=True)
    for arguments in ({"limbs": []}, {"limbs": [[5]]}, {"limbs": [[0]], "probability": 2},
                      {"limbs": [[0]], "smallest": 0}, {"limbs": [[0]], "stddev": -1}):  # fmt: skip
        with pytest.raises(ValueError, match="must be"):
            RandomDroppedLimb(joints=5, **arguments)
    with pytest.raises(ValueError, match=r"most=0\.5"):
        RandomFrameRate(0.5)
    for arguments in ({"stddev": -1}, {"depth": -1}, {"width": (2, 1)}, {"width": (0, 1)}):
        with pytest.raises(ValueError, match="must not be negative"):
            RandomSmoothNoise(**arguments)
