"""Curves that need no training: speed of the pose, and distance from the median pose."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_streams import make_streams

from keras_skeleton.detection.report import separation
from keras_skeleton.detection.training_free import (
    CURVES,
    pose_distance,
    pose_speed,
    training_free_curves,
)
from keras_skeleton.skeletons import get_skeleton

LAYOUT = get_skeleton("kinect_v2")


def a_clip(frames=12, bodies=1, seed=0):
    return np.random.default_rng(seed).normal(size=(frames, bodies, LAYOUT.size, 3))


def from_hips(clip):
    return clip - clip[:, :, list(LAYOUT.hips)].mean(axis=2, keepdims=True)


def test_they_are_the_means_over_joints_that_they_say():
    clip = a_clip()
    seen = from_hips(clip)[:, 0]
    speed = np.sqrt(((seen[1:] - seen[:-1]) ** 2).sum(axis=-1)).mean(axis=-1)
    np.testing.assert_allclose(pose_speed(clip, LAYOUT), [speed[0], *speed])
    away = seen - np.median(seen, axis=0)
    np.testing.assert_allclose(
        pose_distance(clip, LAYOUT), np.sqrt((away**2).sum(axis=-1)).mean(axis=-1)
    )


@pytest.mark.parametrize("curve", CURVES.values())
@given(seed=st.integers(0, 100), frames=st.integers(1, 9))
@settings(max_examples=20)
def test_the_place_in_the_room_and_turning_about_the_camera_do_not_matter(curve, seed, frames):
    clip = a_clip(frames, seed=seed)
    rng = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    walk = rng.normal(0, 5, (frames, 1, 1, 3))
    values = curve(clip, LAYOUT)
    assert values.shape == (frames,)
    np.testing.assert_allclose(curve(clip + walk, LAYOUT), values, atol=1e-9)
    if curve is pose_speed:
        np.testing.assert_allclose(curve(clip @ turn, LAYOUT), values, atol=1e-9)


@pytest.mark.parametrize("curve", CURVES.values())
def test_absent_joints_and_bodies_count_for_nothing(curve):
    clip = a_clip(bodies=2)
    clip[:, 1] = 0
    clip[3, 0, 5] = 0
    clip[7] = 0  # nobody there
    values = curve(clip, LAYOUT)
    np.testing.assert_allclose(values, curve(clip[:, :1], LAYOUT))
    assert values[7] == 0
    others = np.delete(clip, 5, axis=2)  # what is known of frame 3 without the joint
    plain = a_clip()
    limit = curve(plain, LAYOUT).max() * LAYOUT.size / others.shape[2]
    assert values[3] <= limit
    clip[:, 0, LAYOUT.hips[0]] = 0  # joints have no place without a hip
    assert not curve(clip, LAYOUT).any()


@pytest.mark.parametrize("curve", CURVES.values())
def test_the_body_with_the_largest_value_counts(curve):
    first, second = a_clip(seed=1), 2 * a_clip(seed=2)
    both = np.concatenate([first, second], axis=1)
    expected = np.maximum(curve(first, LAYOUT), curve(second, LAYOUT))
    np.testing.assert_allclose(curve(both, LAYOUT), expected)


@pytest.mark.parametrize("curve", CURVES.values())
def test_a_layout_without_hips(curve):
    hand = get_skeleton("mediapipe_hand21")
    clip = np.random.default_rng(0).normal(size=(6, 1, hand.size, 3))
    moved = clip + np.random.default_rng(1).normal(size=(6, 1, 1, 3))
    np.testing.assert_allclose(curve(clip, hand), curve(moved, hand), atol=1e-9)


@pytest.mark.parametrize("curve", CURVES.values())
def test_wrong_clips_are_refused(curve):
    with pytest.raises(ValueError, match="expected"):
        curve(np.zeros((4, 1, 20, 3)), LAYOUT)
    with pytest.raises(ValueError, match="NaN"):
        curve(np.full((4, 1, 25, 3), np.nan), LAYOUT)


def test_recordings_with_pauses_are_told_apart():
    streams = make_streams()
    found = training_free_curves(streams, ["r05", "r06"])
    assert list(found) == list(CURVES)
    for curves in found.values():
        assert set(curves) == {"r05", "r06"}
        lengths = streams.samples.set_index("video")["frames"]
        assert {video: len(curve) for video, curve in curves.items()} == lengths[
            ["r05", "r06"]
        ].to_dict()
        assert separation(curves, streams.intervals)["higher_in_actions"] > 0.8
