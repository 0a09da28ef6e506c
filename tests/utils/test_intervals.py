"""Lanes keep overlapping intervals apart."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from keras_skeleton.utils.intervals import lanes

SPAN = st.tuples(st.integers(0, 50), st.integers(1, 20))


@given(st.lists(SPAN, max_size=20))
def test_intervals_of_a_lane_do_not_overlap_and_no_lane_is_spare(spans):
    starts = [start for start, _ in spans]
    ends = [start + length for start, length in spans]
    lane = lanes(starts, ends)
    busy = np.zeros((len(spans) + 1, 80), int)
    for own, start, end in zip(lane, starts, ends, strict=True):
        busy[own, start:end] += 1
    assert busy.max(initial=0) <= 1
    assert lane.max(initial=-1) + 1 == busy.sum(axis=0).max()
