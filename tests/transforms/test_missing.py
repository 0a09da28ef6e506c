import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_skeleton.skeletons import SKELETONS, get_skeleton
from keras_skeleton.transforms.missing import fill_missing


def clip_of(T=12, M=2, V=15, seed=0):
    return np.random.default_rng(seed).normal(size=(T, M, V, 3)) + 5


@given(seed=st.integers(0, 999), share=st.sampled_from([0.0, 0.2, 0.6]))
def test_gaps_are_bridged_by_straight_lines(seed, share):
    rng = np.random.default_rng(seed)
    clip = clip_of(seed=seed)
    clip[rng.random((12, 2)) < 0.2] = 0
    there = clip.any(axis=(2, 3))
    holes = rng.random((12, 2, 15)) < share
    holes[:, :, 0] = False  # so that a body that is there stays there
    clip[holes & there[:, :, None]] = np.nan
    out, filled = fill_missing(clip, "sbu")
    np.testing.assert_array_equal(filled, holes & there[:, :, None])
    np.testing.assert_array_equal(out[~filled], clip[~filled])
    for m in range(2):
        frames = np.flatnonzero(there[:, m])
        for v in range(15):
            seen = frames[~holes[frames, m, v]]
            if seen.size:
                for c in range(3):
                    line = np.interp(frames, seen, clip[seen, m, v, c])
                    np.testing.assert_allclose(out[frames, m, v, c], line)
    assert np.isfinite(out).all()
    assert (out[~there] == 0).all()


def test_one_missing_coordinate_is_a_missing_joint():
    clip = clip_of()
    clip[4, 0, 3, 1] = np.nan
    out, filled = fill_missing(clip, "sbu")
    np.testing.assert_allclose(out[4, 0, 3], (clip[3, 0, 3] + clip[5, 0, 3]) / 2)
    assert filled.sum() == 1
    assert np.isnan(clip[4, 0, 3, 1])  # the input is left alone


def test_a_body_without_a_joint_seen_is_absent():
    clip = clip_of()
    clip[3, 1] = np.nan
    clip[5, 1] = 0
    clip[6, 1] = 0
    clip[6, 1, 2] = np.nan  # zeros and NaN: nobody either
    out, filled = fill_missing(clip, "sbu")
    assert (out[[3, 5, 6], 1] == 0).all()
    assert not filled.any()
    out, filled = fill_missing(np.full((4, 1, 15, 3), np.nan), "sbu")
    assert (out == 0).all()
    assert not filled.any()


def test_joints_never_seen_lie_on_the_nearest_that_is():
    layout = get_skeleton("kinect_v2")
    at = layout.index
    clip = clip_of(V=25)
    for joint in ("left_knee", "left_ankle", "left_foot", "spine_base", "left_hand_tip"):
        clip[:, 0, at(joint)] = np.nan
    out, filled = fill_missing(clip)
    for joint, source in (
        ("left_ankle", "left_hip"), ("left_foot", "left_hip"), ("left_hand_tip", "left_hand"),
    ):  # fmt: skip
        np.testing.assert_array_equal(out[:, 0, at(joint)], clip[:, 0, at(source)])
    np.testing.assert_array_equal(out[:, 0, at("spine_base")], clip[:, 0, at("spine_mid")])
    assert filled[:, 0].sum() == 5 * 12
    assert not filled[:, 1].any()


@pytest.mark.parametrize("skeleton", SKELETONS)
@given(only=st.integers(0, 14))
def test_one_joint_is_enough(skeleton, only):
    size = get_skeleton(skeleton).size
    clip = np.full((5, 1, size, 3), np.nan)
    clip[:, 0, only] = clip_of(5, 1, 1)[:, 0, 0]
    out, filled = fill_missing(clip, skeleton)
    np.testing.assert_array_equal(out[:, 0], np.repeat(clip[:, 0, [only]], size, axis=1))
    assert filled.sum() == 5 * (size - 1)


def test_wrong_clips_are_refused():
    with pytest.raises(ValueError, match=r"expected \(T, M, 25, 3\)"):
        fill_missing(np.zeros((4, 20, 3)))
    with pytest.raises(ValueError, match="infinity, first in frame 2"):
        bad = clip_of(V=25)
        bad[2, 0, 0, 0] = np.inf
        fill_missing(bad)
