"""What the augmentation promises: order, range, nothing outside the clip, the same from a seed."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops
from layer_contract import check_layer

from keras_skeleton.layers.temporal_sampling import TemporalSampling, drawn_rows, lengths
from keras_skeleton.transforms.sample import segment_rows


def numbered(lengths, T):
    """Clips whose frames hold their number from 1, zeros after their end: (B, T, 1, 2, 3)."""
    frame = np.arange(1, T + 1)[None] * (np.arange(T) < np.asarray(lengths)[:, None])
    return np.broadcast_to(frame[:, :, None, None, None], (*frame.shape, 1, 2, 3)).astype("float32")


def frames_of(copy):
    """int (B, S): which frames a copy shows, from 0."""
    return np.asarray(copy)[:, :, 0, 0, 0].astype(int) - 1


def test_a_clip_ends_at_its_last_frame_that_is_not_zero():
    x = numbered([4, 1, 7], 9)
    x[2, 2] = 0  # nobody in the middle
    assert np.asarray(lengths(x)).tolist() == [4, 1, 7]
    assert np.asarray(lengths(np.zeros((1, 3, 1, 2, 3)))).tolist() == [1]


def test_without_training_it_takes_the_middle_of_equal_segments():
    found = frames_of(TemporalSampling(6)(numbered([3, 6, 10, 20], 20)))
    for rows, length in zip(found, (3, 6, 10, 20), strict=True):
        np.testing.assert_array_equal(rows, segment_rows(length, 6))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.integers(0, 1000))
def test_random_copies_keep_order_and_stay_inside(clip_lengths, seed):
    for copy in TemporalSampling(8, (0.5, 1.0)).copies(numbered(clip_lengths, 40), 4, seed):
        found = frames_of(copy)
        assert (np.diff(found, axis=1) >= 0).all()
        assert (found >= 0).all()
        assert (found < np.array(clip_lengths)[:, None]).all()


def test_sampling_takes_no_frame_twice_while_there_are_enough():
    x = numbered([8, 9, 40, 5], 40)
    layer = TemporalSampling(8)
    found = frames_of(layer.draw(x, False, [1, 2, 3, 4]))
    assert all(len(set(rows)) == 8 for rows in found[:3])
    counts = np.bincount(found[3])
    assert sorted(counts.tolist()) == [1, 1, 2, 2, 2]  # 5 frames for 8: each once or twice


def test_every_frame_is_drawn_equally_often():
    x = numbered([20] * 3000, 24)
    counts = np.bincount(frames_of(TemporalSampling(5).draw(x, False, [7, 2, 3, 4])).ravel())
    assert len(counts) == 20
    assert abs(counts - 750).max() < 5 * np.sqrt(750 * 0.75)


def test_cropping_keeps_the_share_it_is_given():
    x = numbered([100] * 500, 120)
    found = frames_of(TemporalSampling(50, (0.5, 0.8)).draw(x, True, [1, 2, 3, 4]))
    span = found[:, -1] - found[:, 0]
    assert span.min() >= 0.5 * 100 - 3
    assert span.max() <= 0.8 * 100
    assert np.ptp(span) > 25
    assert found[:, 0].min() == 0  # anywhere in the clip
    assert found[:, -1].max() >= 98


def test_in_training_both_kinds_are_drawn_anew_and_repeat_from_the_seed():
    x = numbered([40] * 200, 40)
    one, other = TemporalSampling(10, (0.3, 0.4), seed=3), TemporalSampling(10, (0.3, 0.4), seed=3)
    first = frames_of(one(x, training=True))
    np.testing.assert_array_equal(first, frames_of(other(x, training=True)))
    assert (first != frames_of(one(x, training=True))).any()
    narrow = (first[:, -1] - first[:, 0]) < 16  # a crop; 10 of 40 at random span more
    assert 60 < narrow.sum() < 140


def test_copies_are_the_same_from_the_same_seed_and_differ_among_themselves():
    x, layer = numbered([40] * 20, 40), TemporalSampling(10)
    copies = [frames_of(c) for c in layer.copies(x, 8, seed=5)]
    for a, b in zip(copies, [frames_of(c) for c in layer.copies(x, 8, seed=5)], strict=True):
        np.testing.assert_array_equal(a, b)
    assert len({copy.tobytes() for copy in copies}) == 8
    assert (copies[0] != frames_of(layer.copies(x, 8, seed=6)[0])).any()


def test_drawn_rows_by_hand():
    keys = np.array([[0.9, 0.1, 0.5, 0.3, 0.0]], "float32")
    # 4 frames (the last is padding): the three smallest keys are frames 1, 3 and 2.
    rows = drawn_rows(ops.array([4], "int32"), keys, 3)
    assert np.asarray(rows).tolist() == [[1, 2, 3]]
    # 2 frames for 5 rows: each twice, the one with the smaller key (1) once more.
    rows = drawn_rows(ops.array([2], "int32"), keys, 5)
    assert np.asarray(rows).tolist() == [[0, 0, 1, 1, 1]]


def test_it_is_a_layer_for_any_length():
    x = np.random.default_rng(0).normal(size=(2, 12, 2, 4, 3)).astype("float32")
    shape = (2, 10, 2, 4, 3)
    check_layer(
        TemporalSampling, {"size": 10, "crop": (0.9, 1.0)}, inputs=x, shape=shape, ranks=False
    )
    layer = TemporalSampling(10)
    assert layer(keras.Input((None, 2, 25, 3))).shape == (None, 10, 2, 25, 3)
    with pytest.raises(ValueError, match="0 < low <= high <= 1"):
        TemporalSampling(10, (0.0, 1.0))
    with pytest.raises(ValueError, match=r"\(B, T, ..., C\)"):
        TemporalSampling(10)(np.zeros((2, 3)))
