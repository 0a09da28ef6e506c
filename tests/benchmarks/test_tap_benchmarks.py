"""Choosing lambda 2 of TAP-LSTM, its gate by class, and training-free rows of stored runs."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from keras_skeleton.datasets.dataset import Fold, SkeletonDataset
from keras_skeleton.detection.report import separation
from keras_skeleton.detection.training_free import CURVES, training_free_curves
from keras_skeleton.recipes.registry import get_recipe
from keras_skeleton.skeletons import get_skeleton

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import tap_gate
import tap_lambda2
import training_free

ACTIONS = pd.DataFrame(
    [("a", 0, 10, 20), ("b", 0, 0, 5), ("a", 1, 30, 33), ("c", 1, 0, 9)],
    columns=["video", "label", "start", "end"],
)


def test_only_lambda2_changes():
    recipe = get_recipe("tap_lstm", "ut_kinect", "paper")
    other = tap_lambda2.with_lambda2(recipe, 0.5)
    assert other.model == {**recipe.model, "lambda2": 0.5}
    assert tap_lambda2.with_lambda2(other, recipe.model["lambda2"]) == recipe


def test_validation_chooses_and_test_does_not():
    rows = pd.DataFrame(
        [
            ("toy", "cs", "tap_u", 0.1, 0, 0.2, 0.9),
            ("toy", "cs", "tap_u", 0.1, 100, 0.4, 0.9),
            ("toy", "cs", "tap_u", 1.0, 0, 0.5, 0.1),
            ("toy", "cs", "tap_u", 1.0, 100, 0.3, 0.1),
            ("toy", "cs", "tap_b", 0.1, 0, 0.3, 0.1),
            ("toy", "cs", "tap_b", 1.0, 0, 0.2, 0.9),
        ],
        columns=[*tap_lambda2.KEY, "recall_validation", "recall_test"],
    )
    table = tap_lambda2.summary(rows).set_index(["method", "lambda2"])
    assert table["recall_validation"]["tap_u", 0.1] == pytest.approx(0.3)
    assert table["recall_validation"]["tap_u", 1.0] == pytest.approx(0.4)
    assert table["seeds"].to_dict() == {
        ("tap_b", 0.1): 1, ("tap_b", 1.0): 1, ("tap_u", 0.1): 2, ("tap_u", 1.0): 2,
    }  # fmt: skip
    assert set(table.index[table["chosen"]]) == {("tap_u", 1.0), ("tap_b", 0.1)}


def test_gate_by_class():
    curves = {"a": np.arange(40.0), "b": np.arange(5.0)}
    rows = {row["class"]: row for row in tap_gate.gate_by_class(curves, ACTIONS, ["x", "y", "z"])}
    assert list(rows) == ["x", "y", tap_gate.BETWEEN]  # no recording with 'z', nor that of 'c'
    x, y, between = rows.values()
    assert (x["actions"], y["actions"]) == (2, 1)
    assert x["mean"] == pytest.approx((14.5 + 2) / 2)
    assert x["first"] == pytest.approx((10.5 + 0) / 2)
    assert x["last"] == pytest.approx((18.5 + 4) / 2)
    assert (y["mean"], y["first"], y["last"]) == (31, 30, 32)
    assert between["mean"] == pytest.approx(np.mean([*range(10), *range(20, 30), *range(33, 40)]))


def test_rows_are_added_to_a_stored_run(tmp_path):
    layout = get_skeleton("kinect_v1")
    rng = np.random.default_rng(0)
    samples = pd.DataFrame(
        [
            {"name": video, "video": video, "label": 0, "subject": k, "view": 1, "setup": 1,
             "repetition": 1, "start": 40 * k, "frames": 40, "bodies": 1}
            for k, video in enumerate("abc")
        ]
    )  # fmt: skip
    none = np.zeros(0, np.int64)
    folds = [Fold(np.delete(np.arange(3), k), none, np.array([k])) for k in range(3)]
    dataset = SkeletonDataset(
        "toy", layout, ("x", "y"), rng.normal(size=(120, 20, 3)).astype(np.float32), samples,
        {"loso": lambda table: iter(folds), "one": lambda table: iter(folds[:1])},
        intervals=ACTIONS,
    )  # fmt: skip
    text = "method,in_actions,between,higher_in_actions\ntap_u,0.61603886,0.5,0.5111908033591333\n"
    for protocol, videos in (("loso", ["a", "b", "c"]), ("one", ["a"])):
        path = tmp_path / "attention.csv"
        path.write_text(text)
        for _ in range(2):
            table = training_free.add_rows(tmp_path, dataset, protocol).set_index("method")
            assert path.read_text().startswith(text)
            assert list(table.index) == ["tap_u", *CURVES]
        curves = training_free_curves(dataset, videos)
        for name in CURVES:
            assert dict(table.loc[name]) == pytest.approx(separation(curves[name], ACTIONS))
