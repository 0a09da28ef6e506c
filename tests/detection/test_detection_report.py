"""The report of a run whose folds hold what was written by hand: no network is needed."""

import json

import numpy as np
import pandas as pd
import pytest

from keras_skeleton.detection.report import write_report
from keras_skeleton.detection.scoring import evaluate

TRUTH = pd.DataFrame(
    [(f"v{k}", k % 2, 10, 40) for k in range(4)] + [(f"v{k}", 0, 60, 90) for k in range(4)],
    columns=["video", "label", "start", "end"],
)
RUN = {
    "dataset": "toy", "protocol": "cs", "classes": ["up", "out"], "classes_scored": 2, "fps": None
}  # fmt: skip
SETTINGS = {
    "window": 5, "epsilon": 0.2, "omega": 10, "scales": False, "least": 0.1, "overlap": 0.3,
    "distance": 20, "relative": True,
}  # fmt: skip


def write_fold(folder, method, fold, videos):
    place = folder / f"fold_{fold:02d}" / method
    place.mkdir(parents=True)
    test = dict.fromkeys(videos, 100)
    (place / "settings.json").write_text(json.dumps({**SETTINGS, "test": test}))
    found = TRUTH[TRUTH["video"].isin(videos)].assign(score=0.9)
    found.iloc[1:].to_csv(place / "detections.csv", index=False)
    curve = np.zeros(100, np.float32)
    curve[10:40] = curve[60:90] = 1.0
    np.savez(place / "curves.npz", **dict.fromkeys(videos, curve))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps(RUN))
    for fold, videos in ((1, ["v0", "v1"]), (2, ["v2", "v3"])):
        write_fold(tmp_path, "tap_u", fold, videos)
    return tmp_path


def test_folds_are_scored_together(folder):
    text = write_report(folder, TRUTH)
    assert "not comparable" not in text
    found = pd.concat([pd.read_csv(p) for p in sorted(folder.glob("fold_*/tap_u/detections.csv"))])
    scores = pd.read_csv(folder / "scores.csv")
    for rule in ("official", "paper"):
        expected = evaluate(found, TRUTH, rule=rule, classes=2).table
        own = scores[scores["rule"] == rule].set_index("theta")
        for name in expected:
            np.testing.assert_allclose(own[name], expected[name])
        assert set(own["detections"]) == {6}
    table = pd.read_csv(folder / "attention.csv").iloc[0]
    assert table["in_actions"] == table["higher_in_actions"] == 1
    assert table["between"] == 0
    assert len(list((folder / "tap_u" / "pku_mmd").iterdir())) == 4


def test_methods_of_different_folds_are_not_compared_unsaid(folder):
    write_fold(folder, "tap_b", 2, ["v2", "v3"])
    text = write_report(folder, TRUTH)
    assert "not comparable" in text
    assert "TAP-U 4, TAP-B 2" in text
    assert (folder / "attention.png").stat().st_size > 5000


def test_methods_without_a_common_fold(folder):
    write_fold(folder, "tap_b", 3, ["v0"])
    write_report(folder, TRUTH)
    assert not (folder / "attention.png").exists()
