"""The card of a network in a report."""

import numpy as np
import pytest

from keras_skeleton.evaluation.network_card import DATA, names, report_card
from keras_skeleton.evaluation.scores import per_class_table

CLASSES = ["wave", "sit", "nod"]


def card(recalls=(1.0, 0.9, 0.2), clips=(10, 10, 10), **changes):
    """Wrong answers of a class are the next one, those of the last are the first."""
    labels = np.repeat(np.arange(3), clips)
    predicted = labels.copy()
    for k, recall in enumerate(recalls):
        wrong = np.flatnonzero(labels == k)[round(clips[k] * recall) :]
        predicted[wrong] = (k + 1) % 3
    merged = {
        "dataset": "ut_kinect",
        "protocol": "cs",
        "skeleton": "kinect_v1",
        "classes": CLASSES,
        "folds_total": 1,
        "test_clips": 30,
        "fold_clips": {"train": {"least": 60, "most": 60}},
        **changes,
    }
    table = per_class_table(labels, np.eye(3)[predicted], CLASSES)
    return {head: " ".join(lines) for head, lines in report_card(merged, table)}


def test_classes_by_recall_and_precision():
    found = card()  # wave is right in 10 of 18 answers, nod in 2 of 3
    assert "sit: recall and precision" in found["Good for"]
    assert "nod (20.0 %)" in found["Not for"]
    assert "wave" not in found["Not for"]
    found = card((1.0, 1.0, 0.0), clips=(10, 10, 12))
    assert "precision below 50.0 %): wave (45.5 %)" in found["Not for"]
    assert "All classes" in card((1.0, 1.0, 1.0))["Good for"]


def test_few_clips_say_nothing():
    found = card((1.0, 1.0, 0.0), clips=(10, 12, 2))
    assert "Too few test clips to tell: nod (2)" in found["Good for"]
    assert "nod" not in found["Not for"]


def test_data_and_number_of_clips():
    found = card()
    assert DATA["ut_kinect"].licence in found["Trained on"]
    assert found["Limits"] == " ".join(DATA["ut_kinect"].limits)
    assert "60 training clips (" in found["Trained on"]
    folds = {"train": {"least": 50, "most": 60}}
    found = card(fold_clips=folds, folds_total=20, train_on="all")
    assert "50 to 60 training clips in each fold" in found["Trained on"]


def test_what_it_started_from():
    found = card(init_weights={"source": "csta_cnn_nucla_cv", "rate": 1.0})
    assert "csta_cnn_nucla_cv" in found["Trained on"]


def test_own_dataset_claims_nothing_about_its_content():
    found = card(dataset="own", fold_clips={})
    assert found["Trained on"] == "Dataset own."
    assert "Limits" not in found


@pytest.mark.parametrize(("classes", "other"), [(CLASSES, True), ([*CLASSES[:2], "none"], False)])
def test_other_actions(classes, other):
    assert ("Other actions" in card(classes=classes)["Not for"]) == other


def test_one_clip_of_few_in_points():
    assert "3.3 %" in card()["Not for"]
    assert "3.3 %" not in card(test_clips=100)["Not for"]


def test_many_names():
    assert names(list("abcd"), 2) == "a, b and 2 more"
    assert names(list("ab"), 2) == "a, b"
