"""A detection run from recordings to figures."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from toy_streams import make_streams

from keras_skeleton.datasets.dataset import Fold
from keras_skeleton.detection import experiment, report
from keras_skeleton.detection.detect import Settings
from keras_skeleton.detection.detector import GATES, METHODS, Detector
from keras_skeleton.detection.experiment import Detection
from keras_skeleton.detection.recording import read_recording
from keras_skeleton.detection.report import write_report
from keras_skeleton.detection.scoring import evaluate
from keras_skeleton.detection.tables import read_pku_mmd
from keras_skeleton.detection.training_free import CURVES
from keras_skeleton.evaluation.run_record import RunError
from keras_skeleton.recipes.recipe import Recipe
from keras_skeleton.utils.errors import UserError

RECIPE = Recipe(
    optimizer="adam", learning_rate=0.005, batch_size=4, epochs=10, clipnorm=1.0, jit=False,
    preprocessing={"coordinates": "hips"}, model={"units": 16, "score_stddev": 0.01},
)  # fmt: skip

GATE = replace(
    RECIPE, preprocessing={"coordinates": "camera"}, epochs=40, frames=64, speed=1.2,
    model={"hidden": 16, "width": 16, "dilations": [1, 2, 4]},
)  # fmt: skip


def detection(folder, methods=tuple(METHODS), **changes):
    arguments = {
        "dataset": make_streams(), "protocol": "cs", "methods": methods, "classifier": "lstm",
        "recipes": {
            "tap_lstm": RECIPE, "lstm": RECIPE, "jcr_rnn": replace(RECIPE, model={}, epochs=130),
            "gate_b": GATE, "gate_u": replace(GATE, model={**GATE.model, "causal": True}),
        },
        "seed": 0, "folder": folder, "command": "a test", "log": lambda line: None,
    }  # fmt: skip
    return Detection(**arguments | changes)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """All rows of the table, the last two added to a finished run."""
    folder = tmp_path_factory.mktemp("detection") / "run"
    first = [m for m in METHODS if not m.startswith("tap_b")]
    detection(folder, first).run()
    with pytest.raises(RunError, match="--resume"):
        detection(folder).run()
    weights = folder / "networks" / "classifier" / "fold_01" / "best.weights.h5"
    before = weights.stat().st_mtime_ns
    text = detection(folder).run(resume=True)
    assert weights.stat().st_mtime_ns == before
    return folder, text


@pytest.mark.slow
def test_every_row_is_scored(run):
    folder, text = run
    scores = pd.read_csv(folder / "scores.csv")
    assert set(scores["method"]) == set(METHODS)
    assert len(scores) == len(METHODS) * 2 * 4
    assert len(text.splitlines()) == 2 + len(METHODS)
    assert (folder / "scores.txt").read_text() == text + "\n"
    best = scores[(scores["rule"] == "paper") & (scores["theta"] == 0.3)].set_index("method")
    # Each class at random would give about 0.25: networks have learnt.
    assert best["map_action"]["jcr_rnn"] > 0.5
    assert best["map_action"]["sta_lstm_jcr"] > 0.4
    assert min(best["map_action"]["gate_u"], best["map_action"]["gate_b"]) > 0.6
    for name in ("precision_recall", "timeline", "attention", "recall_tap_u", "recall_tap_b"):
        assert (folder / f"{name}.png").stat().st_size > 10_000


@pytest.mark.slow
def test_figures_say_what_they_show(run, monkeypatch):
    folder, text = run
    titles = {}
    monkeypatch.setattr(
        report,
        "save_figure",
        lambda figure, path: titles.update({path.stem: figure.get_suptitle()}),
    )
    assert write_report(folder, make_streams().intervals) == text
    assert titles["attention"] == "toy, cs: attention in test recording r05\nweights of run run"
    assert titles["timeline"] == "toy, cs: test recording r05\nweights of run run"
    assert titles["recall_tap_b"].startswith("toy, cs: proposals of TAP-B, weights of run run\n")
    assert titles["precision_recall"].startswith("Detection on toy, cs: ")
    assert titles["precision_recall"].endswith("\nweights of run run")


@pytest.mark.slow
def test_scores_can_be_made_again_from_the_files(run):
    folder, _ = run
    streams = make_streams()
    truth = streams.intervals[streams.intervals["video"].isin(["r05", "r06"])]
    scores = pd.read_csv(folder / "scores.csv")
    for method in ("jcr_rnn", "tap_u_m"):
        table = read_pku_mmd(folder / method / "pku_mmd")
        table["label"] -= 1
        again = evaluate(table, truth, rule="official", classes=2).table["map_video"]
        own = scores[(scores["method"] == method) & (scores["rule"] == "official")]
        np.testing.assert_allclose(own["map_video"], again, atol=1e-9)
        content = json.loads((folder / method / "activitynet.json").read_text())
        assert sum(map(len, content["results"].values())) == len(table)


@pytest.mark.slow
def test_attention_in_actions_and_between(run):
    folder, _ = run
    table = pd.read_csv(folder / "attention.csv").set_index("method")
    assert list(table.index) == ["tap_u", "tap_b", *GATES, *CURVES]
    assert min(table["higher_in_actions"][list(GATES)]) > 0.8
    streams = make_streams()
    with np.load(folder / "fold_01" / "tap_b" / "curves.npz") as data:
        inside, outside = [], []
        for video in ("r05", "r06"):
            busy = np.zeros(len(data[video]), bool)
            for row in streams.intervals[streams.intervals["video"] == video].itertuples():
                busy[row.start : row.end] = True
            inside.append(data[video][busy])
            outside.append(data[video][~busy])
    inside, outside = np.concatenate(inside), np.concatenate(outside)
    found = table.loc["tap_b"]
    assert found["in_actions"] == pytest.approx(inside.mean(), rel=1e-4)
    assert found["between"] == pytest.approx(outside.mean(), rel=1e-4)
    higher = (inside[:, None] > outside) + 0.5 * (inside[:, None] == outside)
    assert found["higher_in_actions"] == pytest.approx(higher.mean(), rel=1e-6)


class FindsWith:
    """A detector whose proposals are right with one setting only; notes what it is asked for."""

    number = 1

    def __init__(self, streams, window, epsilon):
        self.streams, self.wanted, self.asked = streams, (window, epsilon), []

    def proposals(self, method, dataset, recordings, settings):
        self.asked += recordings
        found = self.streams.intervals[["video", "start", "end"]].assign(score=1.0)
        found = found[found["video"].isin(dataset.samples["video"].iloc[recordings])]
        right = (settings.window, settings.epsilon) == self.wanted
        return found if right else found.assign(end=found["start"] + 1)


def test_settings_come_from_validation_recordings_alone(tmp_path):
    streams = make_streams()
    own = detection(tmp_path / "x", dataset=streams)
    (fold,) = streams.folds("cs")
    detector = FindsWith(streams, 15, 0.4)
    found = own.settings("tap_b_m", detector)
    assert (found.window, found.epsilon, found.scales) == (15, 0.4, True)
    assert set(detector.asked) == set(fold.validation.tolist())
    streams.intervals = streams.intervals[:6]  # of the first recording, which trains
    own = detection(tmp_path / "y", dataset=streams)
    assert own.settings("tap_u", detector) == Settings(scales=False, relative=True)
    windows = own.settings("svm_sw", detector)
    assert (windows.overlap, windows.least) == (1.0, 0.0)


def test_settings_that_are_given_are_not_chosen(tmp_path):
    detector = FindsWith(make_streams(), 15, 0.4)
    given = {"window": 30, "omega": 30, "epsilon": 0.2, "relative": False}
    own = detection(tmp_path / "x", fixed=given)
    found = own.settings("tap_b_m", detector)
    assert (found.window, found.omega, found.epsilon, found.relative) == (30, 30, 0.2, False)
    assert own.describe()["settings"] == given
    some = detection(tmp_path / "y", fixed={"omega": 7})
    found = some.settings("tap_u", detector)
    assert (found.window, found.epsilon, found.omega, found.relative) == (15, 0.4, 7, True)
    assert some.settings("svm_sw", detector).omega == 30
    assert "settings" not in detection(tmp_path / "z").describe()


@pytest.mark.slow
def test_a_detector_that_is_only_trained_scores_nothing(tmp_path):
    streams = make_streams()
    streams.protocols["all"] = lambda samples: iter([Fold(*map(np.array, ([0, 1, 2], [3], [])))])
    recipe = replace(RECIPE, epochs=1)
    run = detection(
        tmp_path / "all", ["tap_u"], dataset=streams, protocol="all",
        recipes={"tap_lstm": recipe, "lstm": recipe, "jcr_rnn": recipe},
    )  # fmt: skip
    assert "nothing was scored" in run.run()
    assert not (tmp_path / "all" / "scores.csv").exists()
    detector = Detector(tmp_path / "all")
    assert detector.methods() == ["tap_u"]
    detector.detect("tap_u", streams, 4, detector.settings("tap_u"))


@pytest.mark.slow
def test_multiscale_settings_are_those_of_one_scale(run):
    folder, _ = run
    chosen = json.loads((folder / "fold_01" / "tap_u" / "settings.json").read_text())
    scaled = json.loads((folder / "fold_01" / "tap_u_m" / "settings.json").read_text())
    assert list(chosen["test"]) == ["r05", "r06"]
    assert chosen.pop("test") == scaled.pop("test")
    assert (chosen.pop("scales"), scaled.pop("scales")) == (False, True)
    assert chosen == scaled


@pytest.mark.slow
def test_lengths_of_a_gate_come_from_its_training_recordings(run):
    folder, _ = run
    streams = make_streams()
    (fold,) = streams.folds("cs")
    videos = {f"r{i + 1:02d}" for i in [*fold.train, *fold.validation]}
    actions = streams.intervals[streams.intervals["video"].isin(videos)]
    lengths = (actions["end"] - actions["start"]).groupby(actions["label"]).median()
    for method in GATES:
        chosen = json.loads((folder / "fold_01" / method / "settings.json").read_text())
        assert chosen["lengths"] == lengths.tolist()


@pytest.mark.slow
def test_a_trained_detector_finds_the_same_in_a_file(run, tmp_path):
    folder, _ = run
    streams = make_streams()
    path = tmp_path / "r05.npy"
    np.save(path, streams.clip(4))
    detector = Detector(folder)
    recording = read_recording(path, streams.skeleton, 1, streams.classes)
    for method in ("sta_lstm_jcr", "tap_b_m", *GATES):
        stored = pd.read_csv(folder / "fold_01" / method / "detections.csv")
        stored = stored[stored["video"] == "r05"].drop(columns="video").reset_index(drop=True)
        found = detector.detect(method, recording, 0, detector.settings(method))
        pd.testing.assert_frame_equal(found, stored, atol=1e-4, check_dtype=False)
        assert len(found) or method == "tap_b_m"
    with pytest.raises(UserError, match="svm_sw"):
        detector.detect("svm_sw", recording, 0, detector.settings("svm_sw"))
    with pytest.raises(ValueError, match="tap_u"):
        detector.settings("tap_uu")


def test_what_cannot_be_detected_with(tmp_path):
    streams = make_streams()
    with pytest.raises(UserError, match="run.json"):
        Detector(tmp_path)
    np.save(tmp_path / "few.npy", np.ones((30, 1, 15, 3)))
    np.save(tmp_path / "empty.npy", np.zeros((30, 1, 20, 3)))
    (tmp_path / "notes.doc").write_text("no recording")
    for name, why in (
        ("few.npy", "joint"), ("empty.npy", "no body"), ("notes.doc", "format"),
        ("absent.npy", "no such file"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=why):
            read_recording(tmp_path / name, streams.skeleton, 1, streams.classes)
    with pytest.raises(ValueError, match="tap_x"):
        detection(tmp_path / "x", ["tap_x"])
    with pytest.raises(RunError, match="fold 2"):
        detection(tmp_path / "x").run([2])


def test_recordings_are_mapped_where_they_are_large(tmp_path, monkeypatch):
    own = detection(tmp_path, ["gate_b"])
    recordings = np.array([3, 0])
    here = own.streams(recordings, "gate_b")
    monkeypatch.setattr(experiment, "large_array", partial(experiment.large_array, memory=0))
    mapped = own.streams(recordings, "gate_b")
    for a, b, i in zip(here, mapped, recordings, strict=True):
        assert not isinstance(a.frames, np.memmap)
        assert isinstance(b.frames, np.memmap)
        assert np.shares_memory(b.frames, mapped[0].frames.base)  # one array for all
        np.testing.assert_array_equal(a.frames, b.frames)
        assert len(a.frames) == own.dataset.samples["frames"][i]
    assert own.streams(recordings[:0]) == []
