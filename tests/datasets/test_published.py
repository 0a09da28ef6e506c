"""A protocol on a part of a published dataset does not pass for the published one."""

from pathlib import Path

import numpy as np
import pandas as pd

from keras_skeleton.datasets.dataset import SkeletonDataset
from keras_skeleton.datasets.published import not_published, published_differences
from keras_skeleton.datasets.ut_kinect import CLASSES, UT_KINECT
from keras_skeleton.evaluation.report import StoredExperiment, _notes
from keras_skeleton.skeletons import get_skeleton


def ut_kinect(sequences):
    """UT-Kinect with the first of its 20 sequences, and one frame a clip."""
    rows = [
        {"subject": 1 + number // 2, "repetition": 1 + number % 2, "label": label}
        for number in range(sequences)
        for label in range(10)
        if (number, label) != (19, 4)  # has no interval
    ]
    samples = pd.DataFrame(rows).assign(name="x", view=1, setup=1, start=0, frames=1, bodies=1)
    differs = [f"usable clips: {len(rows)} found, 199 published"] if sequences < 20 else []
    return SkeletonDataset(
        "ut_kinect",
        get_skeleton("kinect_v1"),
        CLASSES,
        np.zeros((1, 20, 3), np.float32),
        samples,
        dict(UT_KINECT.protocols),
        info={"published": differs},
    )


def test_the_whole_dataset_is_the_published_one():
    whole = ut_kinect(20)
    assert published_differences(whole, "loocv") == []
    assert not_published(whole, "loocv") == {}
    folds = [len(fold.test) for fold in whole.folds("loocv")]
    assert folds == list(UT_KINECT.test_clips["loocv"])


def test_one_missing_file_is_said():
    assert not_published(ut_kinect(19), "loocv") == {
        "not_published": [
            "usable clips: 190 found, 199 published",
            "folds of loocv: 19 found, 20 published",
        ]
    }
    assert published_differences(ut_kinect(19), "cs") == ["usable clips: 190 found, 199 published"]


def test_the_report_and_the_table_say_so():
    found = not_published(ut_kinect(19), "loocv")
    stored = StoredExperiment(found, {Path("run"): found}, [], [])
    assert _notes(stored) == [
        "Not the published data: usable clips: 190 found, 199 published; "
        "folds of loocv: 19 found, 20 published."
    ]
