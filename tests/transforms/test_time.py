import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_skeleton.transforms.time import pad_centred, pad_time, resize, subsample_time

lengths = st.integers(1, 120)


@given(T=lengths, size=lengths)
def test_pad_time_keeps_all_or_subsamples(T, size):
    array = np.arange(1.0, T + 1)[:, None]
    out = pad_time(array, size)
    assert out.shape == (size, 1)
    if size >= T:
        before = (size - T) // 2
        np.testing.assert_array_equal(out[before : before + T], array)
        assert np.count_nonzero(out) == T
    else:
        np.testing.assert_array_equal(out[:, 0], array[np.linspace(0, T - 1, size, dtype=int), 0])


@given(T=lengths, size=lengths)
def test_resize_is_linear_interpolation(T, size):
    array = np.random.default_rng(T).normal(size=(T, 2))
    at = np.linspace(0, T - 1, size)
    expected = np.stack([np.interp(at, np.arange(T), array[:, c]) for c in range(2)], axis=1)
    np.testing.assert_allclose(resize(array, size), expected, atol=1e-12)
    np.testing.assert_allclose(resize(array.T, size, axis=1), expected.T, atol=1e-12)


def test_rows_are_taken_as_the_released_code_takes_them():
    rows = subsample_time(np.arange(103), 50)
    assert rows[0] == 0
    assert rows[-1] == 102
    assert rows[1] == 2  # 102 / 49 = 2.08, cut
    assert list(subsample_time(np.arange(103), 50)) == list(np.linspace(0, 102, 50, dtype=int))


def test_padding_refuses_what_is_longer():
    with pytest.raises(ValueError, match="length 7, more than 5"):
        pad_centred(np.zeros(7), 5)
