"""Groups are kept together, parts are balanced, nothing is empty."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from keras_skeleton.datasets.grouped_splits import deal_groups, draw_groups, linked_groups

clips = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), min_size=1, max_size=80).map(
    lambda rows: (pd.factorize(np.array(rows)[:, 0])[0], np.array(rows)[:, 1])
)


@given(clips, st.integers(1, 6))
def test_dealt_parts_keep_groups_and_are_not_empty(clips, hands):
    groups, labels = clips
    hands = min(hands, groups.max() + 1)
    parts = deal_groups(groups, labels, hands)
    assert set(parts) == set(range(hands))
    for group in np.unique(groups):
        assert len(set(parts[groups == group])) == 1


@given(st.lists(st.integers(0, 4), min_size=5, max_size=100), st.integers(2, 5))
def test_single_clips_are_dealt_evenly(labels, hands):
    labels = np.array(labels)
    parts = deal_groups(np.arange(len(labels)), labels, hands)
    for label in np.unique(labels):
        counts = np.bincount(parts[labels == label], minlength=hands)
        assert counts.max() - counts.min() <= 1


@given(clips, st.sampled_from([0.1, 0.3, 0.5]))
def test_drawn_clips_keep_groups_and_leave_some(clips, fraction):
    groups, labels = clips
    drawn = draw_groups(groups, labels, fraction, (0,))
    if groups.max() == 0:
        assert not drawn.any()
        return
    assert 0 < drawn.sum() < len(groups)
    for group in np.unique(groups):
        assert len(set(drawn[groups == group])) == 1
    np.testing.assert_array_equal(drawn, draw_groups(groups, labels, fraction, (0,)))


def test_drawn_fraction_of_single_clips_is_exact():
    labels = np.repeat([0, 1, 2], [10, 20, 40])
    drawn = draw_groups(np.arange(70), labels, 0.3, (1,))
    np.testing.assert_array_equal(np.bincount(labels[drawn]), [3, 6, 12])


def test_groups_are_linked_through_any_column():
    samples = pd.DataFrame({"subject": [1, 2, 3, 1, 0, 0], "recording": [1, 1, 2, 3, 4, 4]})
    groups = linked_groups(samples, ["subject", "recording"])
    np.testing.assert_array_equal(groups, [0, 0, 1, 0, 2, 2])
    np.testing.assert_array_equal(linked_groups(samples, ["nothing"]), np.arange(6))
