"""The report of a run whose folds hold what was written by hand: no network is needed."""

import json

import numpy as np
import pandas as pd
import pytest
from toy_streams import make_streams

from keras_skeleton.detection import report
from keras_skeleton.detection.report import (
    frames_of_actions,
    separation,
    with_training_free,
    write_report,
)
from keras_skeleton.detection.scoring import evaluate
from keras_skeleton.detection.training_free import CURVES, training_free_curves
from keras_skeleton.utils.errors import UserError

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


def test_every_frame_has_a_label(folder):
    own = np.tile(np.array([0.5, 0.2, 0.3], np.float16), (100, 1))
    np.savez(folder / "fold_02" / "tap_u" / "probabilities.npz", v2=own, unknown=own)
    write_report(folder, TRUTH)
    frames = folder / "tap_u" / "frames"
    assert sorted(path.name for path in frames.iterdir()) == [f"v{k}.csv" for k in range(4)]
    table = pd.read_csv(frames / "v3.csv")
    assert (table["label"] == "no_action").sum() == 40
    assert set(table["label"][10:40]) == {"out"}
    assert table[["time_s", "probability"]].isna().all(axis=None)
    table = pd.read_csv(frames / "v2.csv")  # its first action was not found
    assert set(table["probability"][table["label"] == "up"]) == {0.5}
    assert set(table["probability"][table["label"] == "no_action"]) == {0.3}


def test_probabilities_of_another_size(folder):
    np.savez(folder / "fold_02" / "tap_u" / "probabilities.npz", v2=np.ones((99, 3)))
    with pytest.raises(UserError, match=r"probabilities\.npz: .*'v2'"):
        write_report(folder, TRUTH)


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


# --- attention.csv ------------------------------------------------------------------------------


def test_separation_counts_pairs_of_frames():
    rng = np.random.default_rng(0)
    curves = {f"v{k}": rng.integers(0, 5, 100).astype(np.float32) for k in range(4)}
    found = separation(curves, TRUTH)
    busy = {video: frames_of_actions(TRUTH, video, 100) for video in curves}
    assert all(mask.sum() == 60 for mask in busy.values())
    inside = np.concatenate([curves[video][busy[video]] for video in curves])
    outside = np.concatenate([curves[video][~busy[video]] for video in curves])
    assert found["in_actions"] == pytest.approx(inside.mean())
    assert found["between"] == pytest.approx(outside.mean())
    higher = (inside[:, None] > outside) + 0.5 * (inside[:, None] == outside)
    assert found["higher_in_actions"] == pytest.approx(higher.mean())


def test_separation_without_pauses_or_actions():
    curves = {"v0": np.ones(30)}
    found = separation(curves, TRUTH[:0])
    assert found["between"] == 1
    assert np.isnan([found["in_actions"], found["higher_in_actions"]]).all()
    everywhere = pd.DataFrame([("v0", 0, 0, 30)], columns=list(TRUTH))
    found = separation(curves, everywhere)
    assert found["in_actions"] == 1
    assert np.isnan([found["between"], found["higher_in_actions"]]).all()


def test_training_free_rows_are_added_once():
    streams = make_streams()
    table = pd.DataFrame([{"method": "tap_u", "in_actions": 1.0, "higher_in_actions": 0.5}])
    for _ in range(2):
        table = with_training_free(table, streams, ["r05"], streams.intervals)
        assert list(table["method"]) == ["tap_u", *CURVES]
    curves = training_free_curves(streams, ["r05"])
    for name in CURVES:
        own = table.set_index("method").loc[name]
        assert dict(own) == pytest.approx(separation(curves[name], streams.intervals))


def test_a_report_with_the_recordings_has_training_free_rows(folder, monkeypatch):
    monkeypatch.setattr(report, "_draw", lambda *arguments: None)
    streams = make_streams()
    streams.samples["video"] = [f"v{k}" for k in range(len(streams))]
    write_report(folder, TRUTH, streams)
    assert list(pd.read_csv(folder / "attention.csv")["method"]) == ["tap_u", *CURVES]
