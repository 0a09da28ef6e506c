"""`run.py detect` as a user meets it, on PKU-MMD's own layout."""

import io
import json
import re

import numpy as np
import pandas as pd
import pytest
from made_people import MadeEstimator, Person, Scene, write_scene

from keras_skeleton.cli import main
from keras_skeleton.commands import detect_stream
from keras_skeleton.datasets.formats.eaf import TimedLabel, write_eaf
from keras_skeleton.datasets.registry import load_dataset
from keras_skeleton.detection.detector import METHODS
from keras_skeleton.detection.tables import read_pku_mmd
from keras_skeleton.utils.text import counted
from keras_skeleton.zoo.detectors import detectors
from keras_skeleton.zoo.entries import ZOO

VIDEOS = [f"{number:04d}-{view}" for number in range(2, 24) for view in "LM"]  # 16 are held out
ACTIONS = ((11, 20, 50), (34, 70, 100))  # class, start, end


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """PKU-MMD's files: 120 frames a video, two actions, one person (and a second one in some)."""
    root = tmp_path_factory.mktemp("pku")
    for name in ("skeleton", "label", "split"):
        (root / name).mkdir()
    rng = np.random.default_rng(0)
    rest = rng.normal(0, 0.3, (25, 3)) + [0, 0, 3]
    for number, video in enumerate(VIDEOS):
        frames = np.zeros((120, 2, 25, 3))
        frames[:, 0] = rest
        frames[:, 1] = rest + [1, 0, 0] if number % 5 == 0 else 0
        for axis, (_, start, end) in enumerate(ACTIONS):
            swing = np.sin(np.linspace(0, 4 * np.pi, end - start)) ** 2
            frames[start:end, 0, 11, axis] += swing
        frames[:, 0] += rng.normal(0, 0.01, (120, 25, 3))
        rows = frames.reshape(120, -1)
        text = "".join(" ".join(f"{v:.5f}" for v in row) + "\n" for row in rows)
        (root / "skeleton" / f"{video}.txt").write_text(text)
        lines = "".join(f"{c},{start},{end},2\n" for c, start, end in ACTIONS)
        (root / "label" / f"{video}.txt").write_text(lines)
    train = [video for video in VIDEOS if int(video[:4]) < 22]
    test = [video for video in VIDEOS if video not in train]
    lists = f"Training videos:\n{', '.join(train)}\nValidation videos:\n{', '.join(test)}\n"
    (root / "split" / "cross-subject.txt").write_text(lists)
    return root


@pytest.fixture(scope="module")
def detect(folder, tmp_path_factory):
    """`detect(*words)`: the command on that folder; the exit status."""
    cache = tmp_path_factory.mktemp("cache")

    def run(*words):
        where = ["--data-dir", str(folder), "--cache-dir", str(cache)]
        return main(["detect", "--dataset", "pku_mmd", "--protocol", "cs", *where, *words])

    return run


@pytest.fixture(scope="module")
def run(detect, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "pku"
    words = ["--table", "--classifier", "lstm", "--epochs", "2", "--batch-size", "8"]
    assert detect(*words, "--out", str(out)) == 0
    return out


@pytest.mark.slow
def test_a_run_leaves_scores_and_files(run):
    scores = pd.read_csv(run / "scores.csv")
    assert len(scores) == len(METHODS) * 2 * 4
    assert scores[["f1", "ap", "map_action", "map_video", "ap_2d"]].to_numpy().min() >= 0
    held = [video for video in VIDEOS if int(video[:4]) >= 22]
    written = sorted(p.stem for p in (run / "sta_lstm_sw" / "pku_mmd").iterdir())
    assert written == held  # one file a test video, also where nothing was found
    found = pd.read_csv(run / "fold_01" / "sta_lstm_sw" / "detections.csv")
    table = read_pku_mmd(run / "sta_lstm_sw" / "pku_mmd")
    assert len(table) == len(found) > 0
    assert set(table["label"]) == set(found["label"] + 1)  # PKU-MMD counts from 1
    content = json.loads((run / "jcr_rnn" / "activitynet.json").read_text())
    assert content["version"] == "VERSION 1.3"


@pytest.mark.slow
def test_one_recording(run, folder, tmp_path, capsys):
    out = tmp_path / "found"
    words = ["--stream", str(folder / "skeleton" / "0022-L.txt"), "--weights", str(run)]
    assert main(["detect", *words, "--method", "sta_lstm_sw", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    stored = pd.read_csv(run / "fold_01" / "sta_lstm_sw" / "detections.csv")
    stored = stored[stored["video"] == "0022-L"]
    assert f"{counted(len(stored), 'action')} in 120 frames" in printed
    found = pd.read_csv(out / "0022-L.csv")
    np.testing.assert_array_equal(found[["start", "end"]], stored[["start", "end"]])
    assert (out / "0022-L.png").stat().st_size > 3000


@pytest.mark.slow
def test_a_recording_with_weights_of_the_zoo(tmp_path, capsys):
    streams = load_dataset(
        "synthetic", None, tmp_path / "cache", subjects=1, repetitions=1, clips="untrimmed"
    )
    stream = tmp_path / "recording.npy"
    np.save(stream, streams.clip(0)[:1500])
    words = ["--stream", str(stream), "--weights", str(ZOO / "tap_lstm_synthetic_untrimmed")]
    assert main(["detect", *words, "--method", "tap_u", "--out", str(tmp_path / "out")]) == 0
    found = pd.read_csv(tmp_path / "out" / "recording.csv")
    assert f"{counted(len(found), 'action')} in 1500 frames" in capsys.readouterr().out
    assert len(found)
    assert set(found["label"]) <= set(streams.classes)
    assert (found["start"] < found["end"]).all()
    assert found["end"].max() <= 1500
    assert (tmp_path / "out" / "recording.png").stat().st_size > 3000


def save_stream(folder):
    """1500 frames of the synthetic dataset, and the weights for them."""
    streams = load_dataset(
        "synthetic", None, folder / "cache", subjects=1, repetitions=1, clips="untrimmed"
    )
    clip = streams.clip(0)[:1500]
    np.save(folder / "rec.npy", clip)
    return clip, ["--weights", "tap_lstm_synthetic_untrimmed", "--method", "tap_u"]


def test_a_detector_of_the_zoo_by_its_name(tmp_path, capsys, monkeypatch):
    clip, words = save_stream(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["detect", "--stream", "rec.npy", *words]) == 0
    printed = capsys.readouterr().out
    assert "the frame rate is unknown: 30 per second is taken" in printed
    out = tmp_path / "detections" / "rec"
    names = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert names == {
        "rec.csv", "rec.frames.csv", "pku_mmd/rec.txt", "rec.activitynet.json", "rec.eaf",
        "rec.vtt", "rec.png",
    }  # fmt: skip
    found = pd.read_csv(out / "rec.csv")
    assert len(found)
    np.testing.assert_allclose(found["start_s"], found["start"] / 30, atol=1e-3)
    frames = pd.read_csv(out / "rec.frames.csv")
    assert len(frames) == 1500
    row = found.iloc[0]
    assert frames["label"][row["start"]] == row["label"]
    # Frame by frame on standard input, the same is found.
    lines = [json.dumps(frame.tolist()) + "\n" for frame in clip]
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(lines)))
    assert main(["detect", "--stream", "-", *words, "--fps", "30", "--out", "live"]) == 0
    again = pd.read_csv(tmp_path / "live" / "stream.csv")
    for name in ("label", "start", "end"):
        assert again[name].tolist() == found[name].tolist()
    np.testing.assert_allclose(again["end_s"], again["end"] / 30, atol=1e-3)
    # Every frame twice, at twice the rate: the same times.
    np.save(tmp_path / "slow.npy", np.repeat(clip, 2, axis=0))
    assert main(["detect", "--stream", "slow.npy", *words, "--fps", "60", "--out", "slow"]) == 0
    assert "60 frames per second; it was shown to the detector at 30" in capsys.readouterr().out
    slow = pd.read_csv(tmp_path / "slow" / "slow.csv")
    assert slow["label"].tolist() == found["label"].tolist()
    np.testing.assert_allclose(slow["start_s"], found["start_s"], atol=0.1)
    assert len(pd.read_csv(tmp_path / "slow" / "slow.frames.csv")) == 3000


@pytest.mark.slow
def test_settings_of_proposals_may_be_given(tmp_path, capsys):
    _, words = save_stream(tmp_path)
    spans = []
    for given in ("--absolute-epsilon 0.99", "--epsilon 0 --window 30 --omega 30"):
        out = tmp_path / str(len(spans))
        words_of = ["--stream", str(tmp_path / "rec.npy"), *words, *given.split()]
        assert main(["detect", *words_of, "--out", str(out)]) == 0
        spans.append(pd.read_csv(out / "rec.csv")[["start", "end"]].values.tolist())
    assert spans[0] != spans[1]
    with pytest.raises(SystemExit):
        main(["detect", *words_of, "--absolute-epsilon", "0.1"])


def test_a_film_as_the_recording(tmp_path, capsys, monkeypatch):
    scene = Scene([lambda t: Person(30, 26, 18, lift=0.4 * np.sin(t / 4) ** 2)], (48, 64))
    film = write_scene(scene, tmp_path / "film.mkv", 40)
    monkeypatch.setattr(detect_stream, "pose_models", lambda place: "made")
    monkeypatch.setattr(detect_stream, "pose_estimator", lambda models: MadeEstimator(scene))
    words = ["--stream", str(film), "--weights", "tap_lstm_ut_kinect_cs", "--person", "0"]
    assert main(["detect", *words, "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "in 40 frames (1.3 s at 30 frames per second) of film.mkv" in said
    assert ("predict " in said) == ("\n0 actions" in said)  # what to try instead
    assert "film.mkv" in (tmp_path / "out" / "film.eaf").read_text()
    assert len(pd.read_csv(tmp_path / "out" / "film.frames.csv")) == 40


@pytest.fixture
def own(tmp_path):
    """Four recordings of one's own, each with a file of ELAN beside it."""
    rng = np.random.default_rng(0)
    rest = rng.normal(0, 0.3, (20, 3))
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "skeleton.toml").write_text('skeleton = "kinect_v1"\nunits = "m"\nfps = 20\n')
    for k in range(1, 5):
        clip = rest + rng.normal(0, 0.01, (160, 20, 3))
        clip[40:70, 7, 1] += np.sin(np.linspace(0, 6, 30))
        clip[100:130, 11, 0] += np.sin(np.linspace(0, 6, 30))
        np.save(folder / f"s{k:02d}.npy", clip)
        labels = [TimedLabel("up", 2.0, 3.5), TimedLabel("out", 5.0, 6.5)]
        write_eaf(labels, folder / f"s{k:02d}.eaf")
    return folder


def words_for(own, tmp_path):
    words = ["--dataset", "folder", "--data-dir", str(own), "--cache-dir", str(tmp_path / "cache")]
    return ["detect", *words, "--method", "gate_u", "--epochs", "1"]


@pytest.mark.slow
def test_ones_own_recordings_are_scored(own, tmp_path):
    run = tmp_path / "run"
    words = [*words_for(own, tmp_path), "--protocol", "loso", "--fold", "2", "--out", str(run)]
    assert main(words) == 0
    scores = pd.read_csv(run / "scores.csv")
    assert set(scores["intervals"]) == {2}  # those of the second person
    assert (run / "gate_u" / "elan" / "s02.eaf").exists()


@pytest.mark.slow
def test_ones_own_recordings(own, tmp_path, capsys):
    run = tmp_path / "run"
    assert main([*words_for(own, tmp_path), "--protocol", "all", "--out", str(run)]) == 0
    said = capsys.readouterr().out
    assert "nothing was scored" in said
    assert f"detect --weights {run} --stream " in said.splitlines()[-1]
    about = json.loads((run / "run.json").read_text())
    assert (about["fps"], about["classes"]) == (20, ["out", "up"])
    stream = ["--weights", str(run), "--stream", str(own / "s01.npy")]
    assert main(["detect", *stream, "--out", str(tmp_path / "out")]) == 0
    frames = pd.read_csv(tmp_path / "out" / "s01.frames.csv")
    assert len(frames) == 160
    assert frames["probability"].between(0, 1).all()
    assert frames["time_s"].iloc[20] == 1


def test_one_class_needs_a_gate(own, tmp_path, capsys):
    for path in own.glob("*.eaf"):
        write_eaf([TimedLabel("up", 2.0, 3.5)], path)
    words = ["--dataset", "folder", "--data-dir", str(own), "--cache-dir", str(tmp_path / "cache")]
    out = tmp_path / "run"
    words = ["detect", *words, "--method", "tap_u"]
    assert main([*words, "--protocol", "cs", "--out", str(out)]) == 2
    assert "gate_b" in capsys.readouterr().err
    assert not out.exists()


def test_ones_own_recordings_train_a_gate_unless_asked_otherwise(own, tmp_path, monkeypatch):
    from keras_skeleton.detection import experiment

    found = []

    class Stub:
        def __init__(self, methods, **others):
            found.append(methods)

        def run(self, folds, resume):
            return ""

    monkeypatch.setattr(experiment, "Detection", Stub)
    words = ["--dataset", "folder", "--data-dir", str(own), "--cache-dir", str(tmp_path / "cache")]
    for k, more in enumerate(([], ["--bidirectional"], ["--epsilon", "0.2"])):
        assert main(["detect", *words, *more, "--out", str(tmp_path / f"run{k}")]) == 0
    assert found == [["gate_b"], ["tap_b", "tap_b_m"], ["tap_u", "tap_u_m"]]


def test_the_help_names_ready_made_detectors(capsys):
    with pytest.raises(SystemExit):
        main(["detect", "--help"])
    printed = capsys.readouterr().out
    for entry in detectors():
        assert entry.name in printed


def test_mistakes_are_explained(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KERAS_SKELETON_DATA", raising=False)
    np.save(tmp_path / "a.npy", np.ones((2, 20, 3), np.float32))
    untrimmed = "--dataset synthetic --protocol untrimmed"
    for words, message in (
        ("--dataset sbu --protocol cv", "'sbu'"),
        ("--dataset synthetic --protocol cs", "'cs'.*untrimmed"),
        ("--dataset synthetic", "--protocol"),
        (f"{untrimmed} --force", "--force"),
        ("--stream a.npy", "--weights"),
        ("--stream a.npy --weights tap_lstm_ut_kinec", "'tap_lstm_ut_kinect_cs'"),
        ("--stream a.npy --weights nowhere/run", "nowhere/run: .*\n  gate_b_"),
        ("--stream a.npy --weights pretrained", "\n  tap_lstm_ut_kinect_cs\n"),
        ("--stream a.npy --weights mans9_ut_kinect_cs", "predict"),
        ("--stream nothing.npy --weights tap_lstm_ut_kinect_cs", "nothing.npy"),
        ("--stream a.npy --weights tap_lstm_ut_kinect_cs --person 1", "--person"),
        (f"--stream a.npy --weights {tmp_path}", "run.json"),
        (f"{untrimmed} --classifier pose_i3d", "'pose_i3d'"),
        (f"{untrimmed} --classifier lstn", "'lstm'"),
        (f"{untrimmed} --recipe papers", "'paper'"),
        ("--dataset ut_kinect --protocol cs", "'ut_kinect'"),
        (f"{untrimmed} --out a.npy", "a.npy .*--out"),
    ):
        assert main(["detect", *words.split()]) == 2
        assert re.search(message, capsys.readouterr().err), words
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]
