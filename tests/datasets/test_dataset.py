import numpy as np
import pandas as pd
import pytest

from keras_skeleton.datasets.dataset import ReadReport, SkeletonDataset
from keras_skeleton.datasets.protocols import group_holdout, leave_one_out, random_holdout, train_on
from keras_skeleton.skeletons import KINECT_V1
from keras_skeleton.utils.errors import DatasetError


def table(n=40):
    return pd.DataFrame(
        {
            "label": np.arange(n) % 4,
            "subject": np.arange(n) // 8 + 1,
            "repetition": np.arange(n) % 2,
        }
    )


def check(fold, n):
    together = np.concatenate(fold)
    assert len(together) == n == len(np.unique(together))
    return fold


def test_clips_are_cut_out_of_the_rows_and_padded_to_the_same_bodies():
    rows = np.arange(10 * 20 * 3, dtype=np.float32).reshape(10, 20, 3)
    samples = pd.DataFrame(
        [
            {"name": "a", "label": 0, "start": 0, "frames": 4, "bodies": 1},
            {"name": "b", "label": 1, "start": 4, "frames": 3, "bodies": 2},
            {"name": "view", "label": 1, "start": 6, "frames": 1, "bodies": 2},  # shares rows
        ]
    ).assign(subject=1, view=1, setup=1, repetition=1)
    dataset = SkeletonDataset("d", KINECT_V1, ("x", "y"), rows, samples, {})
    assert len(dataset) == 3
    assert dataset.max_bodies == 2
    assert dataset.clip(0).shape == (4, 2, 20, 3)
    np.testing.assert_array_equal(dataset.clip(0)[:, 0], rows[:4])
    assert (dataset.clip(0)[:, 1] == 0).all()
    np.testing.assert_array_equal(dataset.clip(1)[1], rows[6:8])
    np.testing.assert_array_equal(dataset.clip(2)[0], rows[6:8])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frames": 50}, "clips extend to row"),
        ({"label": 9, "start": 0, "frames": 1}, "labels range from 9 to 9"),
        ({"start": -1, "frames": 1}, "clips extend to row"),
    ],
)
def test_tables_that_do_not_fit_are_refused(toy, change, message):
    samples = toy.samples.assign(**change)
    with pytest.raises(DatasetError, match=message):
        SkeletonDataset("d", toy.skeleton, toy.classes, toy.rows[:40], samples, {})


def test_missing_columns_and_wrong_joints_are_refused(toy):
    with pytest.raises(DatasetError, match=r"missing columns .*\['view'\]"):
        SkeletonDataset(
            "d", toy.skeleton, toy.classes, toy.rows, toy.samples.drop(columns="view"), {}
        )
    with pytest.raises(DatasetError, match=r"expected \(R, 20, 3\)"):
        SkeletonDataset("d", toy.skeleton, toy.classes, toy.rows[:, :5], toy.samples, {})


def test_unknown_protocol_suggests_the_nearest(toy):
    with pytest.raises(DatasetError, match="unknown protocol 'css' of 'toy'. Did you mean 'cs'"):
        next(toy.folds("css"))


def test_train_on():
    (fold,) = train_on("subject", [1, 2, 3], random_holdout(0.25))(table())
    train, validation, test = check(fold, 40)
    assert set(table()["subject"][test]) == {4, 5}
    assert len(validation) == 8  # round(0.25 * 6) = 2 of each of 4 classes
    assert (np.bincount(table()["label"][validation]) == 2).all()
    assert set(table()["subject"][train]) == {1, 2, 3}


def test_leave_one_out():
    folds = list(leave_one_out(["subject", "repetition"], group_holdout("subject"))(table()))
    assert len(folds) == 10
    tested = np.concatenate([check(fold, 40).test for fold in folds])
    assert sorted(tested) == list(range(40))
    for fold in folds:
        assert len(np.unique(table()["subject"][fold.validation])) == 1
        held = set(table()["subject"][fold.validation])
        assert not held & set(table()["subject"][fold.train])


def test_holdouts_repeat_and_differ_between_folds():
    protocol = leave_one_out("subject", random_holdout(0.3, seed=5))
    once, twice = list(protocol(table())), list(protocol(table()))
    for a, b in zip(once, twice, strict=True):
        np.testing.assert_array_equal(a.validation, b.validation)
    assert not np.array_equal(once[3].validation, once[4].validation)


def test_a_share_of_the_groups_is_held_out_whole():
    samples = table().assign(view=np.arange(40) % 4, performance=np.arange(40) // 4)
    (fold,) = train_on("subject", [1, 2, 3, 4], group_holdout("performance", groups=0.25))(samples)
    held = samples.iloc[fold.validation]
    assert held["performance"].nunique() == 2  # of 8
    assert len(held) == 8  # all four views of both


def test_small_classes_hold_out_one():
    small = pd.DataFrame({"label": [0] * 4 + [1] * 2, "subject": 1})
    mask = random_holdout(0.1)(small, np.arange(6), 0)
    assert list(np.bincount(small["label"][mask], minlength=2)) == [1, 0]


def test_report_collects_or_stops():
    report = ReadReport()
    report.skip("file:3", "bad")
    report.expect("clips", 10, 12)
    report.expect("clips", 12, 12)
    assert report.skipped == [("file:3", "bad")]
    assert report.notes == ["clips: 10 found, 12 published"]
    with pytest.raises(DatasetError, match="file:3: bad"):
        ReadReport(strict=True).skip("file:3", "bad")
