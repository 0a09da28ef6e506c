"""People keep their slots: crossings, dropouts, missing joints, in two and three dimensions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_skeleton.datasets.registry import load_dataset
from keras_skeleton.transforms.tracking import follow_people, is_clearer, take_people

V = 17


def poses(seed, people=2):
    """Standing bodies (people, V, 3), 1.7 high, each with a shape of its own."""
    rng = np.random.default_rng(seed)
    body = np.stack([rng.uniform(-0.3, 0.3, V), np.linspace(-0.85, 0.85, V), np.zeros(V)], axis=1)
    return body + rng.normal(0, 0.03, (people, V, 3)) * [1, 1, 0]


def walk(seed, T=40, flat=True, start=(-2.0, 2.0), end=(2.0, -2.0), noise=0.01):
    """Two people (T, 2, V, 3) who walk from start to end, on lines 0.3 apart."""
    rng = np.random.default_rng(seed)
    at = np.linspace(start, end, T)  # (T, 2)
    place = np.stack([at, np.broadcast_to([0.0, 0.3], at.shape), np.zeros_like(at)], axis=-1)
    clip = poses(seed) + place[:, :, None] + rng.normal(0, noise, (T, 2, V, 3))
    if flat:
        clip[..., 2] = 0
    return clip + [5, 5, 0 if flat else 3]


def shuffled(clip, seed):
    """The people of each frame in any order; also the order."""
    rng = np.random.default_rng(seed)
    order = np.stack([rng.permutation(clip.shape[1]) for _ in clip])
    return np.take_along_axis(clip, order[:, :, None, None], axis=1), order


def identities(order, who):
    """The person (T, S) in each slot; -1 for nobody."""
    return take_people(who.astype(float), order, -1)


def one_person_a_slot(slots):
    """Every slot holds one person, and every person is in one slot."""
    found = [set(column[column >= 0]) for column in slots.T]
    assert all(len(people) == 1 for people in found), found
    assert len(set().union(*found)) == len(found)


@given(
    seed=st.integers(0, 9999), flat=st.booleans(), T=st.integers(25, 80), size=st.floats(0.01, 500)
)
def test_people_who_cross_keep_their_slots(seed, flat, T, size):
    clip, who = shuffled(walk(seed, T, flat) * size, seed)
    order, changes = follow_people(clip)
    one_person_a_slot(identities(order, who))
    assert changes == int((np.diff(who[:, 0]) != 0).sum())
    assert who[0, order[0, 0]] == who[0, 0]  # in order of appearance


@given(seed=st.integers(0, 9999), share=st.floats(0, 0.4))
def test_joints_may_be_missing(seed, share):
    clip, who = shuffled(walk(seed), seed)
    rng = np.random.default_rng(seed)
    lost = rng.random(clip.shape[:3]) < share
    clip[lost] = np.where(rng.random(lost.sum())[:, None] < 0.5, np.nan, 0.0)
    one_person_a_slot(identities(follow_people(clip)[0], who))


@given(seed=st.integers(0, 9999), first=st.integers(1, 30), gap=st.integers(1, 8))
def test_somebody_who_is_lost_is_found_again(seed, first, gap):
    """While two people cross, one of them is often hidden."""
    clip, who = shuffled(walk(seed), seed)
    for t in range(first, min(first + gap, 39)):
        clip[t, who[t] == 1] = 0
    order, _ = follow_people(clip)
    slots = identities(order, who)
    one_person_a_slot(slots)
    assert slots.shape[1] == 2
    assert (slots == 1).sum() == 40 - (min(first + gap, 39) - first)


def test_a_new_person_elsewhere_gets_a_new_slot():
    clip = walk(0, start=(-2, 2), end=(-2, 2), noise=0)
    clip[20:, 1] = clip[20:, 1] + [3, 0, 0]  # the second person leaves, a third one comes
    order, changes = follow_people(clip)
    assert order.shape == (40, 3)
    assert (order[:20].max(axis=0) == [0, 1, -1]).all()
    assert (order[20:].max(axis=0) == [0, -1, 1]).all()
    assert changes == 0


def test_people_who_join_and_leave_lists_stay_in_their_slots():
    """In a list everyone moves up when somebody leaves."""
    clip = walk(1, start=(-2, 2), end=(-2, 2))
    listed = clip.copy()
    listed[15:25, 0] = clip[15:25, 1]
    listed[15:25, 1] = np.nan
    order, changes = follow_people(listed)
    assert order[:, 0].tolist() == [0] * 15 + [-1] * 10 + [0] * 15
    assert order[:, 1].tolist() == [1] * 15 + [0] * 10 + [1] * 15
    assert changes == 2


@given(
    seed=st.integers(0, 9999), flat=st.booleans(), gap=st.integers(0, 15), share=st.floats(0, 0.3)
)
def test_what_is_right_is_not_changed(seed, flat, gap, share):
    clip = walk(seed, flat=flat)
    clip[10 : 10 + gap, 1] = 0
    clip[np.random.default_rng(seed).random(clip.shape[:3]) < share] = 0
    before = clip.copy()
    order, changes = follow_people(clip)
    assert changes == 0
    there = (clip != 0).any(axis=(2, 3))
    np.testing.assert_array_equal(order, np.where(there, [0, 1], -1))
    np.testing.assert_array_equal(clip, before)
    np.testing.assert_array_equal(take_people(clip, order, 0), clip)


def test_numbers_of_a_tracker_are_kept():
    clip, who = shuffled(walk(3, start=(0, 0), end=(0, 0.1)), 3)  # two people in one place
    order, _ = follow_people(clip, who + 7)
    one_person_a_slot(identities(order, who))
    # Somebody who gets a new number is the same person, unless the old one comes again.
    numbers = who + 7
    numbers[20:][who[20:] == 1] = 50
    order, _ = follow_people(clip, numbers)
    assert order.shape[1] == 2
    one_person_a_slot(identities(order, who))
    # Without a tracker all have the same number, which says nothing.
    clip, who = shuffled(walk(4), 4)
    order, _ = follow_people(clip, np.zeros_like(who))
    one_person_a_slot(identities(order, who))


def test_a_number_that_comes_again_keeps_its_slot():
    clip = walk(5, start=(-2, -2), end=(-2, -2), noise=0)[:, :1]
    numbers = np.array([[1]] * 10 + [[2]] * 10 + [[1]] * 20)
    order, _ = follow_people(clip, numbers)
    assert order.T.tolist() == [
        [0] * 10 + [-1] * 10 + [0] * 20,
        [-1] * 10 + [0] * 10 + [-1] * 20,
    ]


def test_random_points_have_no_better_order():
    clip = np.random.default_rng(0).normal(size=(30, 2, V, 3))
    order, changes = follow_people(clip)
    assert changes
    assert not is_clearer(clip, order)
    clip, _ = shuffled(walk(0), 0)
    assert is_clearer(clip, follow_people(clip)[0])


def test_crowds_and_ghosts_are_bounded():
    rng = np.random.default_rng(0)
    clip = poses(0, 1)[None] + rng.uniform(-900, 900, (200, 1, 1, 3))  # never twice in one place
    order, _ = follow_people(clip)
    assert order.shape[1] == 16
    assert (order >= 0).sum(axis=1).max() == 1


@pytest.mark.parametrize("shape", [(3, 2, V), (3, 2, V, 2), (0, 1, V, 3)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"expected \(T, M, V, 3\)"):
        follow_people(np.ones(shape))


def test_nobody_and_single_points():
    assert follow_people(np.full((4, 2, V, 3), np.nan))[1] == 0
    clip = np.full((4, 2, V, 3), np.nan)
    clip[:, 0, 0] = 1.0
    order, changes = follow_people(clip)
    assert order[:, 0].tolist() == [0, 0, 0, 0]
    assert not changes


def test_somebody_alone_may_jump_but_not_after_a_gap():
    """Films of few frames a second; whoever comes in elsewhere later is somebody else."""
    clip = np.repeat(poses(0, 1)[None], 20, axis=0) + 5
    clip[10:] += [2.0, 0, 0]
    assert follow_people(clip)[0].shape == (20, 1)
    clip[8:10] = 0
    order, _ = follow_people(clip)
    assert order.T.tolist() == [[0] * 8 + [-1] * 12, [-1] * 10 + [0] * 10]
    near = clip - np.where(clip != 0, [1.0, 0, 0], 0) * (np.arange(20) > 9)[:, None, None, None]
    assert follow_people(near)[0].shape == (20, 1)
    assert follow_people(clip, limit=3.0)[0].shape == (20, 1)


def test_real_people_who_meet_keep_their_slots(real_data, tmp_path):
    """People of SBU push, hug and kick each other."""
    dataset = load_dataset("sbu", real_data("sbu").parent, cache_dir=tmp_path)
    for i in range(0, len(dataset.samples), 6):
        clip = dataset.clip(i).astype(float)
        for flat in (clip, clip * [1, 1, 0]):
            order, changes = follow_people(flat)
            assert not changes
            np.testing.assert_array_equal(take_people(flat, order, 0), flat)
            mixed, who = shuffled(flat, i)
            one_person_a_slot(identities(follow_people(mixed)[0], who))
