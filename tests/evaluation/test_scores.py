"""Scores against hand computation, and properties that hold for every input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from keras_skeleton.evaluation.scores import (
    ResultsError,
    confusion_matrix,
    mean_class_accuracy,
    per_class_table,
    read_scores,
    score,
    softmax,
    top_k_accuracy,
    write_scores,
)

# Four clips of three classes; class 2 has one clip, and it is taken for class 0.
LABELS = np.array([0, 0, 1, 2])
LOGITS = np.array([[3.0, 1, 0], [0, 2, 1], [1, 5, 2], [4, 1, 3]])
CLASSES = ("walk", "sit", "throw")


def problems():
    """(labels, logits) of 1 to 12 clips and 1 to 7 classes; few values, so that ties happen."""
    shapes = st.tuples(st.integers(1, 12), st.integers(1, 7))
    values = st.integers(-3, 3).map(float)
    return shapes.flatmap(
        lambda shape: st.tuples(
            hnp.arrays(np.int64, shape[0], elements=st.integers(0, shape[1] - 1)),
            hnp.arrays(np.float64, shape, elements=values),
        )
    )


def test_by_hand():
    assert top_k_accuracy(LOGITS, LABELS, 1) == 2 / 4
    assert top_k_accuracy(LOGITS, LABELS, 2) == 3 / 4  # clip 3 has its class second
    assert top_k_accuracy(LOGITS, LABELS, 3) == 1.0
    assert mean_class_accuracy(LABELS, LOGITS.argmax(1), 3) == pytest.approx((1 / 2 + 1 + 0) / 3)
    np.testing.assert_array_equal(
        confusion_matrix(LABELS, LOGITS.argmax(1), 3), [[1, 1, 0], [0, 1, 0], [1, 0, 0]]
    )


def test_score_by_hand():
    # Two clips, logits (0, log 3) and (0, 0): probabilities of the truth are 3/4 and 1/2.
    result = score([1, 0], [[0.0, np.log(3)], [0.0, 0.0]])
    assert result.loss == pytest.approx((np.log(4 / 3) + np.log(2)) / 2)
    assert (result.accuracy, result.top5, result.clips) == (1.0, 1.0, 2)
    assert result.as_dict()["mean_class_accuracy"] == 1.0


def test_loss_does_not_overflow():
    assert score([0], [[0.0, 2000.0]]).loss == pytest.approx(2000)


def test_constant_logits_are_not_right_by_chance():
    assert top_k_accuracy(np.zeros((4, 4)), [0, 1, 2, 3], 1) == 1 / 4


def test_k_is_capped_at_the_classes():
    assert top_k_accuracy(LOGITS, LABELS, 5) == 1.0


def test_mean_class_accuracy_leaves_out_classes_without_clips():
    assert mean_class_accuracy([0, 0], [0, 1], 5) == 0.5


def test_per_class_table():
    table = per_class_table(LABELS, LOGITS, CLASSES)
    assert list(table.columns) == [
        "class", "clips", "correct", "recall", "precision", "confused_with", "confused",
    ]  # fmt: skip
    assert table["class"].tolist() == list(CLASSES)
    assert table["clips"].tolist() == [2, 1, 1]
    assert table["correct"].tolist() == [1, 1, 0]
    assert table["recall"].tolist() == [0.5, 1.0, 0.0]
    np.testing.assert_array_equal(table["precision"], [0.5, 0.5, np.nan])
    assert table["confused_with"].tolist() == ["sit", "", "walk"]
    assert table["confused"].tolist() == [1, 0, 1]


@settings(max_examples=60, deadline=None)
@given(problems())
def test_numbers_agree_with_each_other(problem):
    labels, logits = problem
    n, C = logits.shape
    guesses = logits.argmax(axis=1)
    matrix = confusion_matrix(labels, guesses, C)
    result = score(labels, logits)
    assert result.accuracy == pytest.approx(np.mean(guesses == labels))
    assert result.accuracy == pytest.approx(np.trace(matrix) / n)
    assert result.accuracy <= result.top5 <= 1
    assert top_k_accuracy(logits, labels, C) == 1
    np.testing.assert_array_equal(matrix.sum(axis=1), np.bincount(labels, minlength=C))
    table = per_class_table(labels, logits, [str(i) for i in range(C)])
    assert table["recall"].mean() == pytest.approx(result.mean_class_accuracy)
    own = softmax(logits)[np.arange(n), labels]
    assert result.loss == pytest.approx(-np.log(own).mean())


@settings(max_examples=60, deadline=None)
@given(problems(), st.floats(-50, 50))
def test_softmax(problem, shift):
    _, logits = problem
    chances = softmax(logits)
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    np.testing.assert_allclose(softmax(logits + shift), chances, atol=1e-12)


@pytest.mark.parametrize(
    ("labels", "logits", "message"),
    [
        ([0], [[np.nan, 1.0]], "logits of 1 of 1 clips are NaN .*row 0"),
        ([0, 1], [[1.0, 2], [np.inf, 0]], "the first in row 1: the model has diverged"),
        ([2], [[1.0, 2]], "labels range from 2 to 2, but there are 2 classes"),
        ([-1], [[1.0, 2]], "labels range from -1"),
        ([0.5], [[1.0, 2]], "expected integers"),
        ([0, 1], [[1.0, 2]], "2 labels for 1 rows"),
        ([[0]], [[1.0, 2]], r"labels have shape \(1, 1\)"),
        ([0], [1.0, 2], r"logits have shape \(2,\), expected \(n, C\)"),
        ([], np.zeros((0, 3)), "no clips"),
    ],
)
def test_bad_input(labels, logits, message):
    with pytest.raises(ValueError, match=message):
        score(labels, logits)


def test_bad_arguments():
    with pytest.raises(ValueError, match="k is 0"):
        top_k_accuracy(LOGITS, LABELS, 0)
    with pytest.raises(ValueError, match="2 class names for 3 logits"):
        per_class_table(LABELS, LOGITS, CLASSES[:2])
    with pytest.raises(ValueError, match="predictions range from 0 to 9"):
        confusion_matrix([0, 1], [0, 9], 3)
    with pytest.raises(ValueError, match="2 labels for 1 predictions"):
        confusion_matrix([0, 1], [0], 3)
    with pytest.raises(ValueError, match="no clips"):
        mean_class_accuracy([], [], 3)


def test_scores_file(tmp_path):
    path = tmp_path / "deep" / "scores.npz"
    names = ["a", "längerer Name", "c", "d"]
    write_scores(path, names, LABELS, LOGITS, CLASSES, fold=3)
    back = read_scores(path)
    assert back.names.tolist() == names
    assert back.classes.tolist() == list(CLASSES)
    np.testing.assert_array_equal(back.labels, LABELS)
    np.testing.assert_array_equal(back.logits, LOGITS.astype(np.float32))
    np.testing.assert_array_equal(back.fold, [3, 3, 3, 3])
    assert [p.name for p in path.parent.iterdir()] == ["scores.npz"]


def test_scores_file_refuses(tmp_path):
    path = tmp_path / "scores.npz"
    with pytest.raises(ValueError, match=r"names have shape \(1,\), expected \(4,\)"):
        write_scores(path, ["a"], LABELS, LOGITS, CLASSES, 1)
    with pytest.raises(ValueError, match="NaN"):
        write_scores(path, list("abcd"), LABELS, LOGITS * np.nan, CLASSES, 1)
    assert not path.exists()
    with pytest.raises(ResultsError, match=r"scores\.npz: missing"):
        read_scores(path)
    path.write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(ResultsError, match=r"scores\.npz: not a readable scores file"):
        read_scores(path)
    np.savez(path, names=["a"], labels=[0])
    with pytest.raises(ResultsError, match=r"no array .*logits"):
        read_scores(path)
    arrays = {"labels": LABELS, "logits": LOGITS, "classes": list(CLASSES), "fold": 1}
    np.savez(path, names=np.array(["a", None, "c", "d"], object), **arrays)
    with pytest.raises(ResultsError, match="not a readable scores file"):  # needs pickle
        read_scores(path)
    np.savez(path, names=["a"], **arrays)
    with pytest.raises(ResultsError, match="names have shape"):
        read_scores(path)
