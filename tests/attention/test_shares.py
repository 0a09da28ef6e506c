import numpy as np
import pandas as pd
import pytest

from keras_skeleton.attention.shares import attention_shares, frame_share, joint_share
from keras_skeleton.evaluation.report import merge_tables


def test_shares_by_hand():
    attention = np.array([[0.5, 0.3, 0.2, 0.0], [0.1, 0.1, 0.4, 0.4]])
    informative = np.array([True, False, True, False])
    there = np.array([[True, True, True, True], [True, True, False, False]])
    # Frame 1: 0.7 of 1; frame 2: 0.1 of 0.2, as the last two joints are not there.
    share, uniform = joint_share(attention, informative, there)
    assert share == pytest.approx((0.7 + 0.5) / 2)
    assert uniform == pytest.approx((2 / 4 + 1 / 2) / 2)
    assert frame_share([1.0, 3.0, 0.0, 0.0], np.array([False, True, True, False])) == (0.75, 0.5)


def test_uniform_attention_is_no_better_than_uniform():
    rng = np.random.default_rng(0)
    informative, there = rng.random(12) < 0.4, rng.random((7, 12)) < 0.8
    share, uniform = joint_share(np.full((7, 12), 1 / 12), informative, there)
    assert share == pytest.approx(uniform)
    share, uniform = frame_share(np.full(9, 0.3), rng.random(9) < 0.5)
    assert share == pytest.approx(uniform)


def test_without_attention_or_truth_there_is_no_share():
    assert np.isnan(frame_share(np.zeros(3), np.array([True, False, False]))[0])
    nobody = np.zeros((2, 4), bool)
    assert np.isnan(joint_share(np.ones((2, 4)), np.ones(4, bool), nobody)).all()
    assert np.isnan(joint_share(np.ones((2, 4)), np.zeros(4, bool), ~nobody)).all()


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 4\)"):
        joint_share(np.ones((2, 4)), np.ones(3, bool), np.ones((2, 4), bool))
    with pytest.raises(ValueError, match=r"\(T,\)"):
        frame_share(np.ones(4), np.ones(3, bool))


def test_a_row_for_every_class():
    rng = np.random.default_rng(1)
    clips = [rng.normal(size=(T, 2, 3, 3)).astype(np.float32) for T in (4, 5, 6)]
    clips[0][:, 1] = 0  # one person
    joints = np.array([[True, False, False], [False, False, True]])
    truth = [np.arange(len(c)) < 2 for c in clips]
    maps = [
        {"joints": np.full((len(c), 6), 1 / 6), "frames": np.full((len(c), 3), 0.5)} for c in clips
    ]
    table = attention_shares(clips, [1, 0, 1], ["sit", "wave"], maps, [joints] * 3, truth)
    assert table["class"].tolist() == ["sit", "wave"]
    assert table["clips"].tolist() == [1, 2]
    np.testing.assert_allclose(table["joints"], [2 / 6, (1 / 3 + 2 / 6) / 2])
    np.testing.assert_allclose(table["joints"], table["joints_uniform"])
    np.testing.assert_allclose(table["frames"], [2 / 5, (2 / 4 + 2 / 6) / 2])
    without = attention_shares(clips, [1, 0, 1], ["sit", "wave"], [{}] * 3, [joints] * 3, truth)
    assert without[["joints", "frames"]].isna().all(axis=None)


def test_folds_are_merged_over_clips():
    columns = ["class", "clips", "joints", "joints_uniform", "frames", "frames_uniform"]
    a = pd.DataFrame([["sit", 1, np.nan, np.nan, 0.5, 0.2]], columns=columns)
    b = pd.DataFrame(
        [["sit", 3, np.nan, np.nan, 0.9, 0.4], ["wave", 2, np.nan, np.nan, 0.6, 0.5]],
        columns=columns,
    )
    merged = merge_tables([a, b])
    assert merged["class"].tolist() == ["sit", "wave"]
    assert merged["clips"].tolist() == [4, 2]
    np.testing.assert_allclose(merged["frames"], [(0.5 + 3 * 0.9) / 4, 0.6])
    assert merged["joints"].isna().all()
    closed = a.assign(frames=np.nan)  # a fold whose gates are closed says nothing, not zero
    assert merge_tables([closed, b])["frames"].iloc[0] == pytest.approx(0.9)
