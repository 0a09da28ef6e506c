import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_skeleton.transforms.sample import (
    crop_rows,
    crop_time,
    pad_end,
    sample_segments,
    segment_rows,
    take_rows,
    video_rows,
)

lengths = st.integers(1, 120)
sizes = st.integers(1, 40)
seeds = st.integers(0, 999)


@given(T=lengths, size=sizes, seed=seeds)
def test_every_row_comes_from_its_segment(T, size, seed):
    for rng in (np.random.default_rng(seed), None):
        rows = segment_rows(T, size, rng)
        assert rows.shape == (size,)
        for k, row in enumerate(rows):  # frame `row` is the time from row to row + 1
            assert row < (k + 1) * T / size
            assert row + 1 > k * T / size
    np.testing.assert_array_equal(
        segment_rows(T, size), [min(int((k + 0.5) * T / size), T - 1) for k in range(size)]
    )


def test_every_frame_of_a_segment_is_as_likely():
    rng = np.random.default_rng(0)
    rows = np.stack([segment_rows(40, 8, rng) for _ in range(5000)])
    counts = np.bincount(rows.ravel(), minlength=40)
    assert (abs(counts - 1000) < 150).all()  # five standard deviations


def p_i3d_rows(T, size, rng):
    """The released rule, on a list: cut or add zeros, split evenly, draw one of each chunk."""
    frames = list(range(T))
    r = T % size
    frames = frames[: T - r] if r < size / 2 else frames + [-1] * (size - r)
    chunks = np.split(np.array(frames), size)
    drawn = zip(chunks, rng.random(size), strict=True)
    return [chunk[min(int(u * len(chunk)), len(chunk) - 1)] for chunk, u in drawn]


@pytest.mark.parametrize("size", [5, 16, 20])
@given(T=lengths, seed=seeds)
def test_p_i3d_rule(size, T, seed):
    if size / 2 > T:
        with pytest.raises(ValueError, match=f"{T} frames are fewer than half of {size} segments"):
            segment_rows(T, size, rule="p_i3d")
        return
    rows = segment_rows(T, size, np.random.default_rng(seed), "p_i3d")
    np.testing.assert_array_equal(rows, p_i3d_rows(T, size, np.random.default_rng(seed)))


def test_p_i3d_cuts_or_pads():
    assert segment_rows(49, 20, rule="p_i3d").max() == 39  # 9 < 10: the last nine are cut off
    padded = segment_rows(50, 20, rule="p_i3d")  # 10 zeros more: 20 chunks of three
    np.testing.assert_array_equal(padded[:17], np.arange(17) * 3 + 1)
    np.testing.assert_array_equal(padded[17:], -1)


@given(T=lengths, seed=seeds, low=st.floats(0.05, 1), more=st.floats(0, 1))
def test_crops_are_consecutive_and_of_the_length_asked_for(T, seed, low, more):
    high = low + more * (1 - low)
    for rng in (np.random.default_rng(seed), None):
        rows = crop_rows(T, low, high, rng)
        np.testing.assert_array_equal(np.diff(rows), 1)
        assert rows[0] >= 0
        assert rows[-1] < T
        assert max(1, round(low * T)) <= len(rows) <= max(1, round(high * T))
    before, after = rows[0], T - 1 - rows[-1]  # the last is the fixed one: from the middle
    assert 0 <= after - before <= 1


def test_crops_reach_everywhere():
    rng = np.random.default_rng(0)
    crops = [crop_rows(20, 0.5, 1.0, rng) for _ in range(5000)]
    assert {len(rows) for rows in crops} == set(range(10, 21))
    assert {rows[0] for rows in crops if len(rows) == 10} == set(range(11))


@given(T=lengths, size=sizes, seed=seeds, axis=st.sampled_from([0, 1, -1]))
def test_arrays_follow_the_rows(T, size, seed, axis):
    array = np.random.default_rng(seed).normal(size=(T, 4, 3)).astype(np.float32)
    turned = np.moveaxis(array, 0, axis)
    out = sample_segments(turned, size, np.random.default_rng(seed), axis=axis)
    rows = segment_rows(T, size, np.random.default_rng(seed))
    np.testing.assert_array_equal(np.moveaxis(out, axis, 0), array[rows])
    assert out.dtype == np.float32
    crop = crop_time(turned, 0.3, 0.9, np.random.default_rng(seed), axis)
    rows = crop_rows(T, 0.3, 0.9, np.random.default_rng(seed))
    np.testing.assert_array_equal(np.moveaxis(crop, axis, 0), array[rows])


def test_padding_is_zero():
    clip = np.ones((3, 1, 2, 3))
    np.testing.assert_array_equal(take_rows(clip, np.array([2, -1, 0]))[:, 0, 0, 0], [1, 0, 1])
    out = sample_segments(np.ones((12, 1, 2, 3)), 20, rule="p_i3d")  # 12 frames, 8 zeros
    np.testing.assert_array_equal(out[:, 0, 0, 0], [1] * 12 + [0] * 8)
    np.testing.assert_array_equal(pad_end(clip, 5)[:, 0, 0, 0], [1, 1, 1, 0, 0])
    assert pad_end(clip, 4, axis=-1).shape == (3, 1, 2, 4)


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="rule='odd' is unknown"):
        segment_rows(10, 5, rule="odd")
    for T, size in ((0, 5), (5, 0)):
        with pytest.raises(ValueError, match="1 or more"):
            segment_rows(T, size)
    for T, low, high in ((0, 0.5, 1), (9, 0, 1), (9, 0.8, 0.5), (9, 0.5, 1.1)):
        with pytest.raises(ValueError, match="0 < low <= high <= 1"):
            crop_rows(T, low, high)
    with pytest.raises(ValueError, match="length 7, more than 5"):
        pad_end(np.zeros(7), 5)


@given(T=st.integers(1, 300), size=st.integers(1, 70), seed=seeds)
def test_video_rows_are_neighbours_every_second_or_all(T, size, seed):
    for rng in (np.random.default_rng(seed), None):
        rows = video_rows(T, size, rng)
        assert rows.shape == (size,)
        assert rows.min() >= 0
        assert rows.max() < T
        steps = set(np.diff(rows).tolist())
        if size > T:
            assert set(rows.tolist()) == set(range(T))
            assert steps <= {0, 1}
        elif size > 1:
            assert steps == {1 if 2 * size >= T else 2}


def test_video_rows_are_drawn_from_the_whole_clip():
    rng = np.random.default_rng(0)
    drawn = np.stack([video_rows(100, 64, rng) for _ in range(500)])
    assert {drawn[:, 0].min(), drawn[:, 0].max()} == {0, 36}
    np.testing.assert_array_equal(video_rows(100, 64), np.arange(18, 82))
    np.testing.assert_array_equal(video_rows(129, 64)[[0, -1]], [1, 127])
    np.testing.assert_array_equal(video_rows(3, 7), [0, 0, 0, 1, 1, 2, 2])
    with pytest.raises(ValueError, match="both must be 1 or more"):
        video_rows(0, 64)
