"""Protocols of one's own clips: what may never be parted, and defaults that do not lose clips."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from own_data import read, write

from keras_skeleton.datasets.folder import FOLDER
from keras_skeleton.datasets.own_protocols import PROTOCOLS
from keras_skeleton.datasets.registry import get_source
from keras_skeleton.utils.errors import DatasetError


def table(subjects=(0,), labels=2, clips=10, view=0):
    rows = [
        {"label": label, "subject": s, "view": view}
        for s in subjects
        for label in range(labels)
        for _ in range(clips)
    ]
    return pd.DataFrame(rows).assign(recording=lambda t: np.arange(1, len(t) + 1))


def folds(samples, protocol="folds"):
    return list(PROTOCOLS[protocol](samples))


def parts_of(samples, fold, column):
    values = samples[column].to_numpy()
    return [set(values[clips]) for clips in fold]


# ---------------------------------------------------------------- folds


@pytest.mark.parametrize(("people", "count"), [(2, 2), (3, 3), (4, 4), (5, 5), (12, 5)])
def test_folds_leave_subjects_out_and_test_on_every_clip_once(people, count):
    samples = table(range(1, people + 1), labels=3, clips=3)
    found = folds(samples)
    assert len(found) == count
    tested = np.concatenate([fold.test for fold in found])
    np.testing.assert_array_equal(np.sort(tested), np.arange(len(samples)))
    for fold in found:
        train, validation, test = parts_of(samples, fold, "subject")
        assert not test & (train | validation)
        assert len(fold.validation)
        if people > 3:
            assert not train & validation
        assert parts_of(samples, fold, "label")[0] == {0, 1, 2}


def test_sixty_clips_train_on_more_than_half():
    for people in (2, 3, 4, 5, 6, 10):
        samples = table(range(1, people + 1), labels=3, clips=60 // (3 * people))
        for fold in folds(samples):
            assert len(fold.train) >= 24
    for fold in folds(table(labels=3, clips=20)):
        assert [len(part) for part in fold] == [42, 6, 12]  # validation: two of sixteen per class


@pytest.mark.parametrize("subjects", [(0,), (7,)])
def test_without_subjects_every_fold_has_a_fifth_of_each_class(subjects):
    samples = table(subjects, labels=3, clips=10)
    for fold in folds(samples):
        labels = samples["label"].to_numpy()
        np.testing.assert_array_equal(np.bincount(labels[fold.test]), [2, 2, 2])
        np.testing.assert_array_equal(np.bincount(labels[fold.validation]), [1, 1, 1])


def test_one_recording_cannot_be_split():
    samples = table().assign(recording=1)
    for protocol in ("folds", "random"):
        with pytest.raises(DatasetError, match="one recording.*'all'"):
            folds(samples, protocol)
    (fold,) = folds(samples, "all")
    assert [len(part) for part in fold] == [20, 0, 0]


def test_one_class_cannot_be_learnt_and_predict_is_named():
    """Case 82."""
    for protocol in PROTOCOLS:
        with pytest.raises(DatasetError, match="same label.* predict PATH"):
            folds(table((1, 2, 3), labels=1), protocol)


# ---------------------------------------------------------------- never parted

samples_of_segments = st.lists(
    st.tuples(st.integers(0, 3), st.integers(1, 6), st.integers(1, 9)), min_size=2, max_size=60
)


@given(rows=samples_of_segments, known=st.booleans())
def test_segments_and_subjects_are_never_parted(rows, known):
    samples = pd.DataFrame(rows, columns=["label", "subject", "recording"]).assign(view=0)
    if not known:
        samples["subject"] = 0
    for protocol in ("random", "folds"):
        try:
            found = folds(samples, protocol)
        except DatasetError:
            assert samples["label"].nunique() < 2 or samples["recording"].nunique() == 1
            continue
        for fold in found:
            assert sorted(np.concatenate(fold)) == list(range(len(samples)))
            assert len(fold.test)
            assert len(fold.train)
            train, validation, test = parts_of(samples, fold, "recording")
            assert not test & (train | validation)
            assert not train & validation
            train, validation, test = parts_of(samples, fold, "subject")
            # Where one recording shows all people, only recordings can be kept together.
            linked = len({*train, *validation, *test}) > 1 and _components(samples) > 1
            assert not (linked and test & (train | validation))


def _components(samples):
    """Number of groups of people who share recordings."""
    groups = [set(people) for _, people in samples.groupby("recording")["subject"]]
    merged = []
    for group in groups:
        touching = [other for other in merged if other & group]
        merged = [other for other in merged if not other & group] + [group.union(*touching)]
    return len(merged)


@given(rows=samples_of_segments)
def test_everything_trains_with_all(rows):
    samples = pd.DataFrame(rows, columns=["label", "subject", "recording"]).assign(view=0)
    if samples["label"].nunique() < 2:
        return
    (fold,) = folds(samples, "all")
    assert not len(fold.test)
    assert 5 * len(fold.validation) <= len(samples)
    assert sorted(np.concatenate(fold)) == list(range(len(samples)))
    train, validation, _ = parts_of(samples, fold, "recording")
    assert not train & validation


def test_all_validates_on_a_tenth_where_that_is_not_too_much():
    (fold,) = folds(table(labels=3, clips=20), "all")
    assert [len(part) for part in fold] == [54, 6, 0]
    (fold,) = folds(table(labels=3, clips=4), "all")
    assert [len(part) for part in fold] == [12, 0, 0]


def test_random_draws_whole_subjects():
    samples = table((1, 2, 3, 4), labels=3, clips=5)
    (fold,) = folds(samples, "random")
    train, validation, test = parts_of(samples, fold, "subject")
    assert not test & (train | validation)
    assert len(test) == 1
    (again,) = folds(samples, "random")
    np.testing.assert_array_equal(fold.test, again.test)


# ---------------------------------------------------------------- split


def test_the_column_split_is_used_and_the_default(tmp_path):
    """Case 88."""
    lines = ["file,label,split"]
    lines += [f"n{i}.npy,{'abc'[i % 3]},{'test' if i > 5 else 'train'}" for i in range(9)]
    root = write(tmp_path / "d", lines)
    dataset, _ = read(root, tmp_path / "c")
    (fold,) = dataset.folds("split")
    assert set(dataset.samples["name"].to_numpy()[fold.test]) == {"n6.npy", "n7.npy", "n8.npy"}
    assert len(fold.train) + len(fold.validation) == 6
    assert FOLDER.protocol_for(root) == "split"
    (root / "labels.csv").write_text((root / "labels.csv").read_text().replace("split", "part"))
    assert FOLDER.protocol_for(root) == "folds"
    assert get_source("synthetic").protocol_for() is None


def test_validation_clips_of_the_split_are_used():
    samples = table(labels=2, clips=3).assign(split=["train", "val", "test"] * 2)
    (fold,) = folds(samples, "split")
    assert [list(part) for part in fold] == [[0, 3], [1, 4], [2, 5]]
    for part, message in (("train", "split 'test'"), ("test", "split 'train'")):
        with pytest.raises(DatasetError, match=message):
            folds(samples.assign(split=part), "split")
    with pytest.raises(DatasetError, match="column 'split'"):
        folds(table(), "split")
