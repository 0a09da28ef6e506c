"""How the benchmark of `unsure` finds windows and calibration errors."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_skeleton.datasets.dataset import Fold

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import unsure


def test_windows_lie_between_intervals():
    assert list(unsure.windows_between(100, [(40, 55), (10, 12)], 10)) == [
        (0, 10), (12, 22), (22, 32), (55, 65), (65, 75), (75, 85), (85, 95),
    ]  # fmt: skip
    assert list(unsure.windows_between(9, [], 10)) == []
    assert list(unsure.windows_between(30, [(0, 25), (5, 10)], 5)) == [(25, 30)]


spans = st.tuples(st.integers(0, 200), st.integers(1, 60)).map(lambda span: (span[0], sum(span)))


@given(length=st.integers(1, 200), intervals=st.lists(spans, max_size=6), size=st.integers(1, 40))
def test_windows_overlap_nothing_and_leave_no_room(length, intervals, size):
    intervals = [(start, min(end, length)) for start, end in intervals if start < length]
    taken = np.zeros(length, int)
    for start, end in intervals:
        taken[start:end] = 1
    for start, end in unsure.windows_between(length, intervals, size):
        assert end - start == size
        assert not taken[start:end].any()
        taken[start:end] = 1
    free = "".join(map(str, taken)).split("1")
    assert max(map(len, free)) < size


def test_recordings_with_an_action_that_is_not_annotated_are_left_out(toy, monkeypatch):
    monkeypatch.setattr(unsure.windows_between, "__defaults__", (5,))
    toy.samples["video"] = toy.samples["name"]
    test = next(toy.folds("cs")).test[:3]
    toy.protocols["cs"] = lambda samples: iter([Fold(np.arange(0), np.arange(0), test)])
    (some, lacking, full), frames = toy.samples.iloc[test][["video", "frames"]].to_numpy().T
    rows = [(some, c, 0, 3) for c in range(3)] + [(lacking, c, 0, 3) for c in (0, 1, 1)]
    rows += [(full, c, 0, frames[2]) for c in range(3)]
    toy.intervals = pd.DataFrame(rows, columns=["video", "label", "start", "end"])
    found = unsure.between_actions(toy, "cs", 1)
    assert len(found) == (frames[0] - 3) // 5 > 0
    np.testing.assert_array_equal(found[0], toy.clip(test[0], 3, 8))


def test_calibration_error():
    right = np.array([True, True, True, False])
    assert unsure.calibration_error(right, np.full(4, 0.75)) == 0
    assert unsure.calibration_error(right, np.ones(4)) == 0.25
    mixed = unsure.calibration_error(right, np.array([0.9, 0.9, 0.2, 0.2]))
    assert mixed == pytest.approx(0.5 * 0.1 + 0.5 * 0.3)
    rng = np.random.default_rng(0)
    p = rng.uniform(0.1, 1, 100_000)
    assert unsure.calibration_error(rng.random(len(p)) < p, p) < 0.01
