"""How the benchmark of GateNet leaves out subjects, and what its rows choose."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from keras_skeleton.datasets.dataset import Fold

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import gate_loso


def test_test_recordings_are_in_no_fold():
    subject = np.array([1, 1, 7, 2, 2, 8, 3])
    outer = Fold(np.array([0, 1, 6]), np.array([3, 4]), np.array([2, 5]))
    dataset = SimpleNamespace(
        folds=lambda protocol: iter([outer]), samples=pd.DataFrame({"subject": subject})
    )
    numbers, folds = gate_loso.leave_one_out(dataset)
    assert numbers == {1: 1, 2: 2, 3: 3}
    for own, number in numbers.items():
        train, validation, test = folds[number - 1]
        assert set(subject[test]) == {own}
        assert set(subject[train]) == {1, 2, 3} - {own}
        assert len(validation) == 0


def test_changes():
    changes = gate_loso.parsed(["model.ahead=2", "recipe.speed=1.0", "settings.pull=0"])
    assert changes == {"model": {"ahead": 2}, "recipe": {"speed": 1.0}, "settings": {"pull": 0}}
    assert type(changes["recipe"]["speed"]) is float
    for wrong in ("model.ahead", "pull=3", "settings.push=1", "recipe.pull=1"):
        with pytest.raises(ValueError, match="--set"):
            gate_loso.parsed([wrong])


def rows(method, variant, *scores, subject=1):
    """Rows with a score at each overlap of 0.1, 0.5 and 0.7."""
    return pd.DataFrame(
        {
            "method": method,
            "variant": variant,
            "subject": subject,
            "overlap": (0.1, 0.5, 0.7),
            "map": np.subtract(scores, 0.05),
            "f1": np.add(scores, 0.05),
            "seed": 0,
        }
    )


def test_the_smallest_look_ahead_that_loses_little_is_chosen():
    both = rows("gate_b", gate_loso.USUAL, 0.9, 0.8, 0.6)
    past = [
        rows("gate_u", "model.ahead=0", 0.9, 0.8, 0.4),  # too low at 0.7
        rows("gate_u", "model.ahead=1", 0.1, 0.75, 0.52),  # 0.1 does not count
        rows("gate_u", "model.ahead=3", 0.9, 0.8, 0.6),
        rows("gate_u", "model.width=32", 0.9, 0.8, 0.6),
    ]
    table = pd.concat([both, *past])
    assert gate_loso.chosen_ahead(table) == 1
    # Only subjects that all variants have are compared.
    more = rows("gate_u", "model.ahead=1", 0, 0, 0, subject=2)
    assert gate_loso.chosen_ahead(pd.concat([table, more])) == 1
    assert gate_loso.chosen_ahead(pd.concat([both, past[0]])) is None
    means = gate_loso.summary(pd.concat([table, more])).set_index(["variant", "overlap"])
    assert means.loc[("model.ahead=1", 0.7), "map"] == pytest.approx(0.21)
    assert means.loc[("model.ahead=1", 0.7), "subjects"] == "1 2"
