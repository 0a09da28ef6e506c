import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_skeleton.transforms.one_euro import OneEuro


def paper(values, times, min_cutoff, beta, speed_cutoff, scale=1.0):
    """The paper's algorithm for one number at a time, with the speed of the authors' code."""

    def alpha(cutoff, step):
        tau = 1 / (2 * math.pi * cutoff)
        return 1 / (1 + tau / step)

    out, hat_before, speed_before = [], None, 0.0
    for i, value in enumerate(values):
        if i == 0:
            hat = value
        else:
            step = times[i] - times[i - 1]
            speed = (value - values[i - 1]) / step / scale
            a = alpha(speed_cutoff, step)
            speed_before = a * speed + (1 - a) * speed_before
            a = alpha(min_cutoff + beta * abs(speed_before), step)
            hat = a * value + (1 - a) * hat_before
        out.append(hat)
        hat_before = hat
    return out


positive = st.floats(0.01, 100)
numbers = st.floats(-1000, 1000)
steps = st.lists(st.floats(0.001, 2), min_size=2, max_size=20)


@given(steps, st.data(), positive, st.floats(0, 100), positive, positive)
def test_equals_the_paper_at_uneven_times(gaps, data, min_cutoff, beta, speed_cutoff, scale):
    times = np.cumsum(gaps)
    size = len(gaps)
    columns = [data.draw(st.lists(numbers, min_size=size, max_size=size)) for _ in range(2)]
    smooth = OneEuro(min_cutoff, beta, speed_cutoff)
    found = [
        smooth(np.array(row), t, scale)
        for row, t in zip(zip(*columns, strict=True), times, strict=True)
    ]
    expected = [paper(c, times, min_cutoff, beta, speed_cutoff, scale) for c in columns]
    np.testing.assert_allclose(found, np.transpose(expected), rtol=1e-9, atol=1e-9)
    assert found[0].dtype == np.float64


@given(st.lists(numbers, min_size=3, max_size=3), steps, positive, st.floats(0, 100))
def test_what_is_still_stays_where_it_is(values, gaps, min_cutoff, beta):
    smooth = OneEuro(min_cutoff, beta)
    for t in np.cumsum(gaps):
        np.testing.assert_array_equal(smooth(np.array(values), t), values)


@given(steps, st.data())
def test_the_result_lies_between_the_last_one_and_the_value(gaps, data):
    smooth, before = OneEuro(0.5, 10), None
    for t in np.cumsum(gaps):
        value = data.draw(numbers)
        found = float(smooth(np.array(value), t))
        if before is not None:
            low, high = sorted((before, value))
            assert low - 1e-9 <= found <= high + 1e-9
        before = found


@given(steps, st.data(), st.floats(0.01, 100))
def test_scale_makes_the_filter_indifferent_to_the_unit(gaps, data, scale):
    one, other = OneEuro(0.05, 80), OneEuro(0.05, 80)
    for t in np.cumsum(gaps):
        value = np.array(data.draw(st.floats(-10, 10)))
        expected = one(value, t) * scale
        np.testing.assert_allclose(other(value * scale, t, scale), expected, rtol=1e-9, atol=1e-9)


def test_the_shape_is_kept_and_the_input_is_not_written_to():
    smooth = OneEuro()
    first, second = np.zeros((2, 3), np.float32), np.ones((2, 3), np.float32)
    assert smooth(first, 0.0).shape == (2, 3)
    assert smooth(second, 1.0).shape == (2, 3)
    assert not first.any()
    assert (second == 1).all()


def test_a_buffer_can_be_used_again():
    smooth, buffer = OneEuro(), np.zeros(2)
    smooth(buffer, 0.0)
    buffer[:] = 1
    assert (smooth(buffer, 0.1) < 0.5).all()


@pytest.mark.parametrize("step", [0.0, -1.0])
def test_a_time_that_does_not_advance_gives_the_last_values(step):
    smooth = OneEuro()
    smooth(np.array([0.0]), 5.0)
    last = smooth(np.array([1.0]), 5.1)
    np.testing.assert_array_equal(smooth(np.array([9.0]), 5.1 + step), last)
    again = OneEuro()
    again(np.array([0.0]), 5.0)
    again(np.array([1.0]), 5.1)
    np.testing.assert_array_equal(smooth(np.array([2.0]), 5.2), again(np.array([2.0]), 5.2))


def test_faster_motion_lags_less_with_beta():
    slow, fast = OneEuro(1.0), OneEuro(1.0, beta=5.0)
    for t in range(10):
        value = np.array(float(t))
        lags = [float(value - smooth(value, t / 30)) for smooth in (slow, fast)]
    assert 0 < lags[1] < lags[0] / 3


@pytest.mark.parametrize(
    "bad",
    [{"min_cutoff": 0}, {"min_cutoff": -1}, {"speed_cutoff": 0}, {"beta": -0.1}, {"beta": np.nan}],
)
def test_bad_numbers_are_named(bad):
    (name,) = bad
    with pytest.raises(ValueError, match=f"{name}={bad[name]}"):
        OneEuro(**bad)
