"""Paired differences over folds and seeds, and the table that shows them."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from keras_skeleton.reproduction.compare import paired_difference
from keras_skeleton.reproduction.page import Line, frame, grid
from keras_skeleton.reproduction.stored import Result, recipe_of
from keras_skeleton.reproduction.tables import read_tables


def result(*accuracies):
    folds = [{"fold": k, "accuracy": a} for k, a in enumerate(accuracies, start=1)]
    return Result(Path("run"), {"folds": folds, "folds_total": len(folds), "hours": 1.0})


def test_pairs_are_of_the_same_fold_and_seed():
    one = {0: result(0.9, 0.8), 100: result(0.7, 0.9), 300: result(1.0, 1.0)}
    other = {0: result(0.8, 0.8), 100: result(0.5, 0.8), 200: result(0.0, 0.0)}
    found = paired_difference(one, other)
    differences = [10, 0, 20, 10]
    assert found.pairs == 4
    assert found.mean == pytest.approx(10)
    expected = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    np.testing.assert_allclose([found.low, found.high], expected)
    assert str(found) == "+10.0 [-3.0, +23.0]"
    back = paired_difference(other, one)
    np.testing.assert_allclose([back.mean, back.low, back.high], [-10, -found.high, -found.low])


def test_few_pairs():
    single = paired_difference({0: result(0.9)}, {0: result(0.85)})
    assert (str(single), single.low) == ("+5.0", None)
    assert paired_difference({0: result(0.9)}, {100: result(0.9)}) is None
    same = paired_difference({0: result(0.9, 0.8)}, {0: result(0.9, 0.8)})
    assert (same.mean, same.low, same.high) == (0, 0, 0)


def test_a_row_is_compared_with_the_whole_network_of_its_dataset():
    (table,) = read_tables(["attention"])
    lines = []
    for row in table.rows:
        place = row.training.dataset
        own = {0: result(0.9 if row.against else {"sbu": 0.95, "nucla": 0.8}.get(place, 0.9))}
        lines.append(Line(row, own, [None], [None], {}, [None], [None]))
    text = frame(table, lines).set_index(["row", "dataset"])["less_mean"]
    assert text["LSTM", "sbu"] == pytest.approx(5)
    assert text["TA-LSTM", "nucla"] == pytest.approx(-10)
    assert text["LSTM", "synthetic"] == pytest.approx(0)
    assert np.isnan(text["STA-LSTM", "sbu"])
    shown = grid(table, lines, {}).splitlines()
    assert shown[0].endswith("| difference |")
    assert shown[2].endswith("| STA-LSTM: - / +5.0 |")


def test_the_same_recipe_is_compared_first():
    (table,) = read_tables(["pooled"])
    lines = []
    for row in table.rows:
        better = 0.2 if row.training.recipe == "tuned" and not row.against else 0
        lines.append(Line(row, {0: result(0.5 + better)}, [None], [None], {}, [None], [None]))
    found = frame(table, lines).set_index(["row", "dataset", "recipe"])["less_mean"]["MANs-9"]
    assert found["ut_kinect", "tuned"] == pytest.approx(20)
    assert found["ut_kinect", "paper"] == found["sbu", "paper"] == pytest.approx(0)


@pytest.mark.parametrize("name", ["attention", "pooled"])
def test_every_comparison_names_a_row_of_its_dataset_with_as_many_batches(name):
    (table,) = read_tables([name])
    for row in table.rows:
        if not row.against:
            continue
        own = row.training
        others = [
            r
            for r in table.rows
            if r.name == row.against
            and (r.training.dataset, r.training.protocol) == (own.dataset, own.protocol)
        ]
        same = [r for r in others if r.training.recipe == own.recipe]
        (whole,) = same or others
        one, other = recipe_of(row.training), recipe_of(whole.training)
        assert [s.iterations for s in one.stages] or one.epochs == other.epochs
        assert sorted(s.iterations for s in one.stages) == sorted(
            s.iterations for s in other.stages
        )
        for name in ("batch_size", "augment", "learning_rate", "schedule", "preprocessing"):
            assert getattr(one, name) == getattr(other, name), (row.name, name)
