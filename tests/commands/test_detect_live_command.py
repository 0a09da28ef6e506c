"""`detect --stream camera:0`, films that are played, and frames on standard input."""

import io
import json
import os
import re
import shutil
import signal
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from made_people import MadeEstimator, Person, Scene, write_scene

from keras_skeleton.cli import main
from keras_skeleton.commands import detect_live, detect_stream
from keras_skeleton.commands import live as live_command
from keras_skeleton.datasets.clip_sources import read_clips
from keras_skeleton.detection.detector import Detector
from keras_skeleton.detection.fit import per_frame
from keras_skeleton.detection.live import LiveDetector
from keras_skeleton.models.gate_net import gate_net
from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.text import counted
from keras_skeleton.video.film import FilmFrame
from keras_skeleton.zoo.entries import ZOO

SIZE, FRAMES = (48, 64), 120
SCENE = Scene([lambda t: Person(30, 26, 18, lift=0.9 if 30 <= t < 70 else 0.0)], SIZE)


class EveryPicture:
    """A camera of which no picture is skipped; the first one comes at 5 s."""

    def __init__(self, shown=range(FRAMES), after=lambda number: None):
        self.size, self.fps, self.name, self.skipped = SIZE, 30.0, "front", 0
        self.shown, self.after = shown, after

    def frames(self):
        for number, t in enumerate(self.shown):
            yield FilmFrame(number, 5 + t / 30, SCENE.image(t))
            self.after(number)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.fixture(scope="module")
def network():
    """A small untrained network, whose gate is moved by what happens."""
    keras.utils.set_random_seed(0)
    network = per_frame(gate_net(20, 10, causal=True, ahead=3, width=8))
    for weight in network.trainable_variables:
        if weight.path.endswith("kernel"):
            weight.assign(2 * weight)
    return network


@pytest.fixture(scope="module")
def eager(tmp_path_factory):
    """The zoo's live detector, with thresholds so low that it finds something here."""
    folder = tmp_path_factory.mktemp("run") / "gate"
    shutil.copytree(ZOO / "gate_u_ut_kinect_cs", folder)
    path = folder / "fold_01" / "gate_u" / "settings.json"
    settings = json.loads(path.read_text()) | {"on": 0.1, "off": 0.05}
    path.write_text(json.dumps(settings))
    return ["--weights", str(folder)]


@pytest.fixture
def made(monkeypatch, tmp_path, network):
    monkeypatch.setattr(Detector, "network", lambda self, part: network)
    monkeypatch.chdir(tmp_path)
    for module in (detect_stream, live_command):
        monkeypatch.setattr(module, "pose_models", lambda place: "models")
    for module in (detect_stream, detect_live):
        monkeypatch.setattr(module, "pose_estimator", lambda models: MadeEstimator(SCENE))
    monkeypatch.setattr(detect_live, "_warm_up", lambda *_: None)
    return tmp_path


def frames_in(folder):
    (path,) = Path(folder).glob("*.frames.csv")
    return pd.read_csv(path)


def announced(capsys):
    captured = capsys.readouterr()
    lines = [json.loads(line) for line in captured.out.splitlines()]
    return [one for one in lines if one["event"] == "end"], lines, captured.err


def test_a_camera_says_what_the_film_says(made, monkeypatch, capsys, eager):
    film = write_scene(SCENE, made / "film.mkv", FRAMES)
    assert main(["detect", "--stream", str(film), *eager, "--out", "offline"]) == 0
    assert "shown to the detector at 15" in capsys.readouterr().out
    offline = pd.read_csv("offline/film.csv")
    assert len(offline)
    camera = EveryPicture()
    monkeypatch.setattr(detect_live, "open_camera", lambda name: {"1": camera}[name])
    assert main(["detect", "--stream", "camera:1", *eager, "--out", "live"]) == 0
    ends, lines, err = announced(capsys)
    assert sorted((one["label"], one["start"], one["end"]) for one in ends) == sorted(
        (row.label, row.start // 2, row.end // 2) for row in offline.itertuples()
    )
    for one in ends:
        assert one["start_s"] == pytest.approx(one["start"] / 15, abs=1e-3)
    starts = [one for one in lines if one["event"] == "start"]
    assert len(starts) == len(ends)
    assert all(one["frame"] >= one["start"] for one in starts)
    for said in ("15 frames per second", "person 0 is followed", "way through the room"):
        assert said in err
    # The files, with the key points, so that detections can be corrected.
    (table,) = (made / "live").glob("camera_20*[0-9].csv")
    assert len(pd.read_csv(table)) == len(offline)
    frames, whole = frames_in("live"), frames_in("offline")
    assert len(frames) == FRAMES // 2
    np.testing.assert_allclose(frames["probability"], whole["probability"][::2], atol=0.02)
    (clip,) = read_clips(made / "live" / "keypoints" / f"{table.stem}.npz")
    assert clip.clip.shape == (FRAMES // 2, 1, 25, 3)
    assert clip.fps == 15


def test_a_film_that_is_played_has_the_frames_of_the_film(made, monkeypatch, capsys, eager):
    film = write_scene(SCENE, made / "film.mkv", FRAMES)
    assert main(["detect", "--stream", str(film), *eager, "--out", "offline"]) == 0
    monkeypatch.setattr(detect_live, "play", lambda path: EveryPicture(range(10, FRAMES)))
    capsys.readouterr()
    assert main(["detect", "--stream", str(film), "--live", *eager, "--out", "live"]) == 0
    offline, live = (pd.read_csv(f"{name}/film.csv") for name in ("offline", "live"))
    assert set(live["file"]) == {"film.mkv"}
    assert "film.mkv" in (made / "live" / "film.eaf").read_text()
    frames = frames_in("live")
    assert len(frames) == 150 + FRAMES
    late = 150 + 10  # the camera began then
    assert frames["probability"].notna().tolist() == [t >= late - 1 for t in frames["frame"]]
    at = live[live["start"] - late > 40]  # what is early depends on frames that it has not seen
    for row in at.itertuples():
        near = offline[offline["label"] == row.label]
        assert (near["end"] - (row.end - 150)).abs().min() <= 4


def test_ctrl_c_ends_it_and_writes_the_files(made, monkeypatch, capsys, eager):
    def after(number):
        if number == 100:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(detect_live, "open_camera", lambda name: EveryPicture(after=after))
    before = signal.getsignal(signal.SIGINT)
    assert main(["detect", "--stream", "camera:0", *eager, "--out", "live"]) == 0
    assert signal.getsignal(signal.SIGINT) is before
    assert len(frames_in("live")) in (51, 52)
    assert list((made / "live").glob("camera_*.eaf"))


def test_frames_at_another_rate(made, monkeypatch, capsys, eager):
    rng = np.random.default_rng(0)
    slow = rng.normal(0, 0.3, (1, 20, 3)) + rng.normal(0, 0.02, (60, 20, 3)).cumsum(axis=0)
    fast = np.repeat(slow, 2, axis=0)
    found = []
    for clip, fps in ((slow, 15), (fast, 30)):
        text = "".join(json.dumps(frame.tolist()) + "\n" for frame in clip)
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        assert main(["detect", "--stream", "-", *eager, "--fps", str(fps)]) == 0
        ends, _, err = announced(capsys)
        assert "a start is said at most" in err
        found.append([(one["label"], one["start"] / fps, one["end"] / fps) for one in ends])
    assert found[0]
    assert found[0] == found[1]


def walk(frames=120, joints=20):
    """Somebody who moves, rounded as in JSON."""
    rng = np.random.default_rng(0)
    rest = rng.normal(0, 0.4, (1, joints, 3))
    return (rest + rng.normal(0, 0.02, (frames, joints, 3)).cumsum(axis=0)).round(4)


def feed(monkeypatch, lines):
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(line.strip() + "\n" for line in lines)))


def as_lines(clip):
    return [json.dumps(frame.tolist()) for frame in clip]


# At the end, a stream may have one frame more at the detector's rate than the file.
@pytest.mark.parametrize(("fps", "frames", "same"), [(15, 121, 121), (30, 120, 120), (30, 121, 95)])
def test_frames_on_standard_input_are_those_of_the_file(
    made, monkeypatch, capsys, eager, fps, frames, same
):
    clip = walk(frames)
    np.save(made / "stream.npy", clip)
    words = [*eager, "--fps", str(fps)]
    assert main(["detect", "--stream", "stream.npy", *words, "--out", "file"]) == 0
    feed(monkeypatch, as_lines(clip))
    capsys.readouterr()
    assert main(["detect", "--stream", "-", *words, "--out", "live"]) == 0
    ends, lines, err = announced(capsys)
    file, live = frames_in("file"), frames_in("live")
    assert len(live) == len(file) == frames
    assert live["probability"].notna().all()
    np.testing.assert_allclose(live["probability"][:same], file["probability"][:same], atol=2e-4)
    columns = ["frame", "time_s", "label"]
    pd.testing.assert_frame_equal(live[columns][:same], file[columns][:same])
    assert max(one["frame"] for one in lines) == frames
    assert max(one["end"] for one in ends) <= frames
    assert f"{counted(len(ends), 'action')} in {frames} frames" in err


def test_nobody_in_a_frame_ends_no_stream(made, monkeypatch, capsys, eager):
    lines = as_lines(walk())
    lines[5] = json.dumps([None, *walk()[5, 1:].tolist()])
    empty = ["null", "[]", "", json.dumps(np.full((20, 3), np.nan).tolist()), "[[null]]"]
    zeros = json.dumps(np.zeros((20, 3)).tolist())
    found = []
    for gap in (empty, [zeros] * len(empty)):
        lines[60 : 60 + len(gap)] = gap
        feed(monkeypatch, lines)
        assert main(["detect", "--stream", "-", *eager, "--fps", "15", "--out", "live"]) == 0
        ends, _, err = announced(capsys)
        found.append(ends)
        assert len(frames_in("live")) == len(lines)
        assert err.count("line 61: no person") == err.count("no person") == (gap is empty)
        assert err.count("line 6: joints that were not seen") == 1
        shutil.rmtree("live")
    assert found[0] == found[1] != []


@pytest.mark.parametrize("line", ["garbage", "[[1, 2, Infinity]]", "[[1, 2, 3]]", "[1, 2]"])
def test_a_bad_line_keeps_what_was_found(made, monkeypatch, capsys, eager, line):
    feed(monkeypatch, [*as_lines(walk()), line])
    assert main(["detect", "--stream", "-", *eager, "--fps", "15", "--out", "live"]) == 2
    ends, _, err = announced(capsys)
    assert "line 121" in err.splitlines()[-1]
    assert len(pd.read_csv("live/stream.csv")) == len(ends) > 0
    assert len(frames_in("live")) == 120


def test_a_camera_that_fails_keeps_what_was_found(made, monkeypatch, capsys, eager):
    def after(number):
        if number == 100:
            raise UserError("front: the camera failed")

    monkeypatch.setattr(detect_live, "open_camera", lambda name: EveryPicture(after=after))
    assert main(["detect", "--stream", "camera:0", *eager, "--out", "live"]) == 2
    assert "the camera failed" in capsys.readouterr().err.splitlines()[-1]
    assert len(frames_in("live")) in (51, 52)
    assert list((made / "live" / "keypoints").glob("camera_*.npz"))


def test_a_wrong_unit_is_said_below_the_table(made, capsys, eager):
    np.save(made / "rec.npy", 4 * walk(50))
    assert main(["detect", "--stream", "rec.npy", *eager, "--fps", "15"]) == 0
    above, below = capsys.readouterr().out.split(" in 50 frames")
    assert "which is no person in metres" in above
    assert "which is no person in metres" in below


def test_units_and_joints_of_a_stream_are_said(made, monkeypatch, capsys, eager):
    clip = walk(50, joints=25)
    for factor, times in ((1, 0), (8, 2)):
        feed(monkeypatch, as_lines(factor * clip))
        assert main(["detect", "--stream", "-", *eager, "--fps", "15"]) == 0
        err = capsys.readouterr().err
        assert err.count("no person in metres") == times  # at the end, too
        assert "skeleton.toml" not in err
        assert err.count("joints of kinect_v2 were mapped to kinect_v1") == 1
    feed(monkeypatch, as_lines(8 * clip[:10]))
    assert main(["detect", "--stream", "-", *eager, "--fps", "15"]) == 0
    assert capsys.readouterr().err.count("no person in metres") == 1


@pytest.mark.parametrize("frames", [10, 50])
def test_millimetres_are_refused(made, monkeypatch, capsys, eager, frames):
    """Labels of joints a thousand times too far from each other mean nothing."""
    clip = 1000 * walk(frames)
    np.save(made / "rec.npy", clip)
    for source in ("rec.npy", "-"):
        feed(monkeypatch, as_lines(clip))
        assert main(["detect", "--stream", source, *eager, "--fps", "15"]) == 2
        captured = capsys.readouterr()
        assert "one in mm" in captured.err.splitlines()[-1]
        assert "actions in" not in captured.out
    (made / "skeleton.toml").write_text('units = "mm"\n')
    assert main(["detect", "--stream", "rec.npy", *eager, "--fps", "15", "--out", "mm"]) == 0
    (made / "skeleton.toml").unlink()
    np.save(made / "rec.npy", clip / 1000)
    assert main(["detect", "--stream", "rec.npy", *eager, "--fps", "15", "--out", "m"]) == 0
    assert (made / "mm" / "rec.csv").read_text() == (made / "m" / "rec.csv").read_text()


def test_in_python_as_by_the_command(made, monkeypatch, capsys, eager):
    """An array at twice the detector's rate: whole, and frame by frame."""
    clip = walk(240)
    np.save(made / "rec.npy", clip)
    assert main(["detect", "--stream", "rec.npy", *eager, "--fps", "30", "--out", "file"]) == 0
    wanted = pd.read_csv("file/rec.csv").drop(columns="file")
    detector = Detector(Path(eager[1]))
    for source in (clip, "rec.npy"):
        found = detector.detect_recording(source, fps=30)
        pd.testing.assert_frame_equal(found.table, wanted, check_dtype=False)
        assert (found.frames, found.fps, len(found.probability)) == (240, 30, 240)
        assert any("at 15" in note for note in found.notes)
    assert len(wanted)
    # Taken at the rate of the training instead, it has other actions.
    other = detector.detect_recording(clip)
    assert other.fps == 15
    assert other.table.values.tolist() != wanted.values.tolist()
    live = LiveDetector(detector, "gate_u", fps=30)
    said = [one for pose in clip for one in live.push(pose)] + live.finish()
    ends = sorted((one.start, one.end) for one in said if one.kind == "end")
    assert ends == sorted(wanted[["start", "end"]].itertuples(index=False, name=None))
    assert (live.count, live.shown) == (240, 120)
    assert max(one.frame for one in said) <= 240
    for bad in (0, -1, float("nan")):
        with pytest.raises(UserError, match="fps"):
            detector.detect_recording(clip, fps=bad)
        with pytest.raises(UserError, match="fps"):
            LiveDetector(detector, "gate_u", fps=bad)


def test_standard_input_without_frames(made, monkeypatch, capsys, eager):
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    assert main(["detect", "--stream", "-", *eager]) == 2
    assert "no frames" in capsys.readouterr().err
    np.save(made / "a.npy", np.zeros((5, 20, 3)))
    assert main(["detect", "--stream", "a.npy", *eager, "--fold", "3"]) == 2
    assert "its folds are [1]" in capsys.readouterr().err


def test_results_are_not_replaced_in_silence(made, monkeypatch, capsys, eager):
    """Detections may have been corrected by hand."""
    np.save(made / "rec.npy", walk(50))
    (made / "b").mkdir()
    np.save(made / "b" / "rec.npy", walk(60))
    np.save(made / "other.npy", walk(60))
    words = [*eager, "--fps", "15", "--out", "out"]
    for name in ("rec.npy", "other.npy"):  # of several recordings in a folder
        assert main(["detect", "--stream", name, *words]) == 0
    (made / "out" / "rec.csv").write_text("corrected")
    before = {path: path.read_bytes() for path in (made / "out").rglob("*.*")}
    assert len(before) == 14
    feed(monkeypatch, as_lines(walk()))
    capsys.readouterr()
    for name in ("rec.npy", "b/rec.npy"):
        assert main(["detect", "--stream", name, *words]) == 2
        err = capsys.readouterr().err
        assert all(word in err for word in ("rec.csv", "--out", "--force"))
    assert {path: path.read_bytes() for path in (made / "out").rglob("*.*")} == before
    assert main(["detect", "--stream", "b/rec.npy", *words, "--force"]) == 0
    assert len(pd.read_csv("out/rec.frames.csv")) == 60
    # Standard input and films too.
    assert main(["detect", "--stream", "-", *words]) == 0
    assert main(["detect", "--stream", "-", *words]) == 2
    assert "stream.csv" in capsys.readouterr().err
    (made / "out" / "film.eaf").write_text("corrected")
    film = write_scene(SCENE, made / "film.mkv", 5)
    for more in ([], ["--live"]):
        assert main(["detect", "--stream", str(film), *eager, "--out", "out", *more]) == 2
        assert "film.eaf" in capsys.readouterr().err


def test_the_usual_folder_is_a_new_one(made, capsys, eager):
    np.save(made / "rec.npy", walk(50))
    words = ["detect", "--stream", "rec.npy", *eager, "--fps", "15"]
    for number, more in enumerate([[], [], ["--force"]], start=1):
        assert main([*words, *more]) == 0
        said = "detections/rec exists; results go to detections/rec-2" in capsys.readouterr().out
        assert said == (number == 2)
    assert sorted(path.name for path in (made / "detections").iterdir()) == ["rec", "rec-2"]


def test_the_network_that_detects_is_said(made, monkeypatch, capsys, eager):
    run = made / "run"
    shutil.copytree(eager[1], run)
    for number in ("fold_02", "fold_03"):
        shutil.copytree(run / "fold_01", run / number)
    np.save(made / "rec.npy", walk(50))
    words = ["detect", "--stream", "rec.npy", "--weights", str(run), "--fps", "15"]
    assert main(words) == 0
    assert "the network of fold 1 detects, of 3" in capsys.readouterr().out
    feed(monkeypatch, as_lines(walk(50)))
    assert main(["detect", "--stream", "-", *words[3:]]) == 0
    assert "the network of fold 1 detects, of 3" in capsys.readouterr().err
    assert main([*words, "--fold", "2"]) == 0
    assert "of fold" not in capsys.readouterr().out
    shutil.rmtree(run / "fold_01")  # a run of other folds
    assert main(words) == 0
    assert "the network of fold 2 detects, of 2" in capsys.readouterr().out
    assert main([*words, "--fold", "2", "--fold", "3"]) == 2
    assert "--fold once" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--stream camera:0 --weights tap_lstm_ut_kinect_cs", "'tap_u_m'.*gate_u_ut_kinect_cs"),
        ("--stream film.mkv --live --weights tap_lstm_ut_kinect_cs", "whole recordings"),
        ("--stream a.npy --live --weights gate_u_ut_kinect_cs", "--live"),
        ("--stream a.npy --seconds 3 --weights gate_u_ut_kinect_cs", "--seconds"),
        ("--stream camera:0 --fps 30 --weights gate_u_ut_kinect_cs", "--fps"),
        ("--stream film.mkv --skeleton ntu --weights gate_u_ut_kinect_cs", "--skeleton"),
        ("--stream camera:no_such_camera --weights gate_u_ut_kinect_cs", "no_such_camera"),
    ],
)
def test_what_does_not_fit_is_named(made, capsys, words, said):
    write_scene(SCENE, made / "film.mkv", 5)
    np.save(made / "a.npy", np.zeros((5, 20, 3)))
    assert main(["detect", *words.split()]) == 2
    assert re.search(said, capsys.readouterr().err, re.DOTALL)
