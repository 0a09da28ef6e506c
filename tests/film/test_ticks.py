"""Poses of a camera at a constant rate."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_skeleton.film.ticks import LONGEST, Ticks
from keras_skeleton.video.people import PersonPose


def pose(person, value, slot=0):
    return PersonPose(
        person, slot, np.full((33, 3), value, np.float32), np.full((33, 4), value, np.float32), 0.9
    )


def values(ticks):
    return [{p.person: round(float(p.world[0, 0]), 5) for p in people} for people in ticks]


def test_ticks_lie_between_pictures():
    ticks = Ticks(10)
    assert values(ticks.push(5.0, [pose(0, 0.0)])) == [{0: 0.0}]
    assert values(ticks.push(5.25, [pose(0, 1.0)])) == [{0: 0.4}, {0: 0.8}]
    assert values(ticks.push(5.27, [pose(0, 9.0)])) == []
    assert values(ticks.push(5.35, [pose(0, 0.0)])) == [{0: pytest.approx(9 * 0.05 / 0.08)}]


def test_who_comes_and_goes_is_there_half_of_the_time():
    ticks = Ticks(10)
    ticks.push(0.0, [pose(0, 1.0)])
    found = ticks.push(0.4, [pose(1, 2.0, slot=1)])
    assert values(found) == [{0: 1.0}, {1: 2.0}, {1: 2.0}, {1: 2.0}]


def test_nobody_is_known_in_a_long_gap():
    ticks = Ticks(10)
    ticks.push(0.0, [pose(0, 1.0)])
    found = values(ticks.push(LONGEST + 0.3, [pose(0, 2.0)]))
    assert found == [{}] * 7 + [{0: 2.0}]


@given(st.lists(st.floats(0, 0.4), max_size=40), st.floats(5, 60))
def test_the_rate_is_constant_whatever_the_camera_does(gaps, fps):
    ticks, count = Ticks(fps), 0
    times = np.cumsum([0.0, *gaps])
    for time_s in times:
        found = ticks.push(float(time_s), [pose(0, float(time_s))])
        for people in found:
            (one,) = people
            assert float(one.world[0, 0]) == pytest.approx(count / fps, abs=1e-3)
            count += 1
    assert count == int(times[-1] * fps + 1e-6) + 1 or abs(times[-1] * fps % 1) < 1e-3
