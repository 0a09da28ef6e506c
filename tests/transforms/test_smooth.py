import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import savgol_filter

from keras_skeleton.transforms.smooth import savitzky_golay

WEIGHTS = np.array([-3, 12, 17, 12, -3]) / 35
seeds = st.integers(0, 999)


@given(seed=seeds, T=st.integers(5, 40))
def test_the_middle_is_the_weighted_sum_of_five(seed, T):
    clip = np.random.default_rng(seed).normal(size=(T, 2, 3, 3))
    out = savitzky_golay(clip)
    for t in range(2, T - 2):
        expected = sum(w * clip[t + i] for w, i in zip(WEIGHTS, range(-2, 3), strict=True))
        np.testing.assert_allclose(out[t], expected, atol=1e-12)


@given(seed=seeds, T=st.integers(5, 20))
def test_the_ends_lie_on_the_parabola_through_five(seed, T):
    clip = np.random.default_rng(seed).normal(size=(T, 1, 2, 3))
    out = savitzky_golay(clip)
    for v in range(2):
        for c in range(3):
            head = np.polyval(np.polyfit(range(5), clip[:5, 0, v, c], 2), [0, 1])
            tail = np.polyval(np.polyfit(range(5), clip[-5:, 0, v, c], 2), [3, 4])
            np.testing.assert_allclose(out[:2, 0, v, c], head, atol=1e-9)
            np.testing.assert_allclose(out[-2:, 0, v, c], tail, atol=1e-9)


@given(seed=seeds, T=st.integers(5, 40))
def test_parabolas_stay_and_place_does_not_matter(seed, T):
    rng = np.random.default_rng(seed)
    a, b, c = rng.normal(size=(3, 1, 2, 4, 3))
    t = np.linspace(0, 1, T)[:, None, None, None]
    parabola = a * t**2 + b * t + c
    np.testing.assert_allclose(savitzky_golay(parabola), parabola, atol=1e-9)
    clip = rng.normal(size=(T, 2, 4, 3))
    np.testing.assert_allclose(savitzky_golay(clip + 7), savitzky_golay(clip) + 7, atol=1e-9)
    np.testing.assert_allclose(savitzky_golay(clip[::-1]), savitzky_golay(clip)[::-1], atol=1e-9)


@given(seed=seeds, T=st.integers(5, 60), scale=st.sampled_from([0.01, 1.0, 3000.0]))
def test_it_is_scipys_filter_in_the_precision_of_clips(seed, T, scale):
    clip = scale * np.random.default_rng(seed).normal(size=(T, 2, 15, 3)).astype(np.float32)
    expected = savgol_filter(clip.astype(np.float64), 5, 2, axis=0, mode="interp")
    out = savitzky_golay(clip)
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-13 * scale)
    # Networks read float32. Some sums of float32 lie in the middle of two: one unit is allowed.
    single = out.astype(np.float32), expected.astype(np.float32)
    np.testing.assert_allclose(*single, rtol=2.0**-23, atol=1e-13 * scale)
    assert (single[0] != single[1]).mean() < 0.02


def test_noise_becomes_less():
    rng = np.random.default_rng(0)
    path = np.sin(np.linspace(0, 3, 200))[:, None, None, None] * np.ones((1, 1, 3, 3))
    noise = rng.normal(0, 0.1, path.shape)
    left = savitzky_golay(path + noise) - path
    assert left.std() < 0.75 * noise.std()  # in theory sqrt(17 / 35) = 0.70


def test_every_stay_is_smoothed_alone_and_absent_bodies_stay_zero():
    clip = np.random.default_rng(0).normal(size=(30, 1, 4, 3)) + 5
    clip[[8, 9, 20]] = 0
    out = savitzky_golay(clip)
    assert (out[[8, 9, 20]] == 0).all()
    for start, end in ((0, 8), (10, 20), (21, 30)):
        np.testing.assert_array_equal(out[start:end], savitzky_golay(clip[start:end]))


@pytest.mark.parametrize("T", [1, 2, 4])
def test_short_stays_are_left_alone(T):
    clip = np.random.default_rng(0).normal(size=(T, 2, 4, 3))
    np.testing.assert_array_equal(savitzky_golay(clip), clip)


def test_wrong_clips_are_refused():
    with pytest.raises(ValueError, match=r"expected \(T, M, V, 3\)"):
        savitzky_golay(np.zeros((9, 25, 3)))
    with pytest.raises(ValueError, match="NaN or infinity"):
        savitzky_golay(np.full((9, 1, 25, 3), np.nan))
