"""How the benchmark of films compares joints, and what its worker measures."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_skeleton.skeletons import KINECT_V2

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import film
from film_mediapipe import WARM, follow


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 10))
def test_aligned_undoes_a_rotation_and_a_scale(seed, size):
    rng = np.random.default_rng(seed)
    target = rng.normal(size=(5, 7, 3))
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    turn[:, 0] *= np.sign(np.linalg.det(turn))
    found, scale = film.aligned(size * target @ turn, target)
    np.testing.assert_allclose(found, target, atol=1e-9)
    assert scale == pytest.approx(1 / size)


def test_aligned_does_not_reflect():
    """A cross and its mirror image: the best rotation leaves what a reflection would remove."""
    target = np.array([[3.0, 0, 0], [0, 2, 0], [0, 0, 1], [-3, 0, 0], [0, -2, 0], [0, 0, -2]])
    found, scale = film.aligned(target * (-1, 1, 1), target)
    assert scale == pytest.approx((18 + 8 - 5) / 31)  # squares of the axes; the shortest is left
    np.testing.assert_allclose(found, scale * target * (1, 1, -1), atol=1e-12)


def test_jitter_of_steady_motion_is_zero_and_of_shaking_its_size():
    t = np.arange(10.0)[:, None, None]
    steady = np.ones((10, 4, 3)) * t
    assert film.jitter(steady) == pytest.approx(0)
    shaking = steady + np.where(t % 2, 1, 0) * np.array([0.3, 0, 0.4])  # 0.5 to and fro
    assert film.jitter(shaking) == pytest.approx(1.0)  # there and back: twice


def test_mirrored_swaps_sides_and_undoes_itself():
    joints = np.random.default_rng(0).normal(size=(2, 25, 3))
    found = film.mirrored(joints)
    left, right = KINECT_V2.index("left_hand"), KINECT_V2.index("right_hand")
    np.testing.assert_array_equal(found[:, left], joints[:, right] * (-1, 1, 1))
    head = KINECT_V2.index("head")
    np.testing.assert_array_equal(found[:, head], joints[:, head] * (-1, 1, 1))
    np.testing.assert_array_equal(film.mirrored(found), joints)


@given(st.integers(2, 30), st.integers(1, 200))
def test_there_and_back_never_jumps(length, total):
    order = film.there_and_back(length, total)
    assert len(order) == total
    assert order[0] == 0
    assert set(np.abs(np.diff(order))) <= {1}
    assert order.max() == min(length, total) - 1


def test_middle_keeps_what_is_in_the_middle():
    frame = np.zeros((90, 160, 3), np.uint8)
    frame[:, 20:140] = 50  # 4:3
    frame[:45, 20:80] = 250
    small = film.middle(frame, (40, 30))
    assert small.shape == (30, 40, 3)
    assert (small[:14, :19] == 250).all()
    assert (small[16:, 21:] == 50).all()


def test_follow_leaves_gaps_and_does_not_time_the_first_frames():
    frames = np.arange(8, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    times = []

    def step(frame, time_s):
        times.append(time_s)
        return None if frame[0, 0, 0] == 3 else (np.full((33, 2), frame[0, 0, 0]), np.ones((33, 3)))

    points, world, spent = follow(frames, step)
    np.testing.assert_allclose(np.diff(times), 1 / 30)
    assert np.isnan(points[3]).all()
    assert np.isnan(world[3]).all()
    np.testing.assert_array_equal(points[[0, 7], 0, 0], [0, 7])
    assert spent["frames"] == 8 - WARM


def test_every_section_is_reported_as_a_table(capsys):
    say = film.Report()
    say("title\n")
    say.table(["a", "b"], [1, 2.5])
    assert say.lines == ["title\n", "| a | b |", "| --- | --- |", "| 1 | 2.5 |", ""]
    assert capsys.readouterr().out == "\n".join(say.lines) + "\n"
