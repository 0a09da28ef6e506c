import numpy as np
import pytest

from keras_skeleton.attention.deletion import (
    FRACTIONS,
    area,
    confidence_interval,
    importance_order,
    keep_frames,
    keep_joints,
    kept_after,
    mean_pose,
    shifted,
)


def walk(S=6, K=3, seed=0):
    return np.random.default_rng(seed).normal(size=(S, K, 3)).astype(np.float32)


def test_joints_that_go_rest_in_every_frame_and_absent_ones_stay_absent():
    clip, rest = walk(), np.full((3, 3), 7.0)
    clip[:, 2] = 0  # nobody there
    none, first = keep_joints(clip, np.array([[False] * 3, [True, False, False]]), rest)
    assert (none[:, :2] == 7).all()
    assert (none[:, 2] == 0).all()
    np.testing.assert_array_equal(first[:, 0], clip[:, 0])
    assert (first[:, 1] == 7).all()
    assert first.dtype == np.float32


def test_frames_that_go_lie_on_lines_between_those_kept():
    clip, rest = walk(), np.full((3, 3), 7.0)
    kept = np.array([[True] * 6, [False, True, False, False, True, False], [False] * 6])
    whole, some, none = keep_frames(clip, kept, rest)
    np.testing.assert_array_equal(whole, clip)
    for frame, first in ((0, 1.0), (1, 1.0), (2, 2 / 3), (3, 1 / 3), (4, 0.0), (5, 0.0)):
        expected = first * clip[1] + (1 - first) * clip[4]
        np.testing.assert_allclose(some[frame], expected, rtol=1e-5, atol=1e-6)
    assert (none == 7).all()


def test_a_body_is_not_drawn_where_it_is_absent():
    clip, rest = walk(), np.full((3, 3), 7.0)
    clip[3:, 1:] = 0  # the second person leaves after three frames
    (found,) = keep_frames(clip, np.array([[True, False, False, False, False, True]]), rest)
    np.testing.assert_array_equal(found[:3, 1:], np.repeat(clip[:1, 1:], 3, axis=0))
    assert (found[3:, 1:] == 0).all()
    np.testing.assert_allclose(found[2, 0], 0.6 * clip[0, 0] + 0.4 * clip[5, 0], rtol=1e-5)
    (gone,) = keep_frames(clip, np.array([[False] * 3 + [True] * 3]), rest)
    assert (gone[:3, 1:] == 7).all()  # no kept frame has it


def test_the_mean_pose_is_of_the_frames_that_have_the_joint():
    clip = np.ones((4, 2, 3), np.float32)
    clip[2:, 1] = 0
    other = np.full((1, 2, 3), 5.0, np.float32)
    np.testing.assert_allclose(mean_pose([clip, other]), [[9 / 5] * 3, [7 / 3] * 3])
    assert (mean_pose([np.zeros((4, 2, 3))]) == 0).all()


def test_most_important_first_and_ties_by_chance():
    rng = np.random.default_rng(0)
    assert importance_order([0.1, 0.5, 0.3], rng).tolist() == [1, 2, 0]
    firsts = {importance_order(np.ones(4), rng)[0] for _ in range(60)}
    assert firsts == {0, 1, 2, 3}


def test_deletion_by_hand_and_insertion_from_the_other_end():
    order = np.array([2, 0, 1, 3])
    kept = kept_after(order, np.array([0, 0.25, 0.5, 1]))
    assert kept.astype(int).tolist() == [[1, 1, 1, 1], [1, 1, 0, 1], [0, 1, 0, 1], [0, 0, 0, 0]]
    order = np.random.default_rng(0).permutation(20)
    inserted = kept_after(order[::-1])[::-1]
    np.testing.assert_array_equal(inserted, ~kept_after(order))


def test_moved_in_time():
    values = np.arange(5.0)
    moved = shifted(values, 50, np.random.default_rng(0))
    assert {tuple(row) for row in moved} == {tuple(np.roll(values, k)) for k in (1, 2, 3, 4)}
    assert shifted(np.ones(1), 2, np.random.default_rng(0)).tolist() == [[1.0], [1.0]]


def test_the_area_is_the_mean_of_the_curve():
    assert area(np.full((2, 11), 0.3)) == pytest.approx([0.3, 0.3])
    assert area(1 - FRACTIONS) == pytest.approx(0.5)


def test_intervals():
    values = np.random.default_rng(1).normal(2, 1, 400)
    mean, low, high = confidence_interval(values)
    assert mean == pytest.approx(values.mean())
    width = 1.96 * values.std() / 20  # of the normal distribution
    assert low == pytest.approx(mean - width, abs=0.02)
    assert high == pytest.approx(mean + width, abs=0.02)
    assert confidence_interval(values) == (mean, low, high)
    assert confidence_interval(values, seed=1)[1] != low
    assert confidence_interval([0.25] * 9) == (0.25, 0.25, 0.25)
    assert np.isnan(confidence_interval([])).all()
