"""`predict`: files in, labels out."""

import csv
import io
import json

import numpy as np
import pytest
from pose_files import openpose_folder, walkers

from keras_skeleton.cli import main
from keras_skeleton.commands.predict_clips import _long_notes, _windows
from keras_skeleton.datasets.registry import load_dataset
from keras_skeleton.zoo.entries import read_zoo

WEIGHTS = "mans9_synthetic_cs"

pytestmark = pytest.mark.skipif(not read_zoo(), reason="no trained weights here")


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A folder of four clips of the synthetic dataset, and their labels."""
    folder = tmp_path_factory.mktemp("clips")
    dataset = load_dataset("synthetic", cache_dir=folder / "cache", subjects=4, repetitions=1)
    labels = {}
    for i in (0, 50, 100, 150):
        np.save(folder / f"clip{i:03d}.npy", dataset.clip(i))
        labels[f"clip{i:03d}.npy"] = dataset.classes[dataset.labels[i]]
    return folder, labels


def test_a_folder_of_clips_without_labels(clips, tmp_path, capsys):
    folder, labels = clips
    words = ["predict", f"{folder}/*.npy", "--weights", WEIGHTS, "--out", str(tmp_path)]
    assert main(words) == 0
    text = capsys.readouterr().out
    assert "predictions: 4" in text
    assert "kinect_v2" in text  # assumed from the number of joints, and said
    rows = read(tmp_path / "predictions.csv")
    assert {row["source"].split("/")[-1]: row["label"] for row in rows} == labels
    for row in rows:
        assert float(row["probability"]) >= float(row["probability_2"])
    content = json.loads((tmp_path / "predictions.json").read_text())
    assert content["weights"] == WEIGHTS
    for row in content["predictions"]:
        assert sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-4)


@pytest.mark.slow
def test_windows_people_and_attention(clips, tmp_path, capsys):
    folder, labels = clips
    clip = folder / "clip000.npy"
    words = ["predict", str(clip), "--weights", WEIGHTS]
    assert main([*words, "--window", "20", "--stride", "10", "--out", str(tmp_path / "w")]) == 0
    rows = read(tmp_path / "w" / "predictions.csv")
    length = len(np.load(clip))
    assert [int(r["end"]) - int(r["start"]) for r in rows] == [20] * len(rows)
    assert int(rows[-1]["end"]) == length
    assert main([*words, "--each-person", "--out", str(tmp_path / "p")]) == 0
    rows = read(tmp_path / "p" / "predictions.csv")
    assert [row["person"] for row in rows] == ["0"]
    assert main([*words, "--attention", "--out", str(tmp_path / "a")]) == 0
    assert {p.name for p in (tmp_path / "a").iterdir()} == {
        "predictions.csv", "predictions.json", "clip000.npy.html", "clip000.npy.png",
    }  # fmt: skip
    page = (tmp_path / "a" / "clip000.npy.html").read_text()
    assert f"predicted as {labels['clip000.npy']}" in page
    capsys.readouterr()


@pytest.mark.slow
def test_files_of_pose_estimators(tmp_path, capsys):
    """OpenPose's folder says what it is; fractions of the image need its size."""
    points = walkers("openpose_body25", T=20)
    points[10:] = points[10:, ::-1]
    folder = openpose_folder(tmp_path / "wave", points)
    words = ["predict", str(folder), "--weights", WEIGHTS]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "25 joints were read as openpose_body25" in said
    assert "changed places in 1 frame" in said
    assert main([*words, "--no-track"]) == 0
    assert "changed places" not in capsys.readouterr().out
    np.save(tmp_path / "a.npy", walkers("mediapipe33")[:, 0] / [1280, 720, 1280])
    words = ["predict", str(tmp_path / "a.npy"), "--weights", WEIGHTS]
    assert main(words) == 2
    assert "image_size" in capsys.readouterr().err
    assert main([*words, "--image-size", "1280x720"]) == 0
    with pytest.raises(SystemExit):
        main([*words, "--image-size", "1280"])


def test_frames_from_standard_input(clips, capsys, monkeypatch):
    folder, labels = clips
    clip = np.load(folder / "clip100.npy")
    lines = "\n".join(json.dumps(frame.tolist()) for frame in clip)
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    size = str(len(clip))
    assert main(["predict", "-", "--weights", WEIGHTS, "--window", size]) == 0
    (line,) = [x for x in capsys.readouterr().out.splitlines() if x.startswith("{")]
    row = json.loads(line)
    assert (row["label"], row["end"]) == (labels["clip100.npy"], len(clip))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[[1, 2, 3]]\n", "line 1: has 1 joints"),
        ("", "has 0 frames"),
        (json.dumps([[1, 2, 3]] * 25) + "\n", "has 1 frames, fewer than a window of 60"),
        ("null\n" * 60, "nobody is in any of the 60 frames"),
        ("[" * (2 << 20), "line 1: is longer"),
    ],
)
def test_standard_input_without_a_prediction_says_why(text, why, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert main(["predict", "-", "--weights", WEIGHTS]) == 2
    captured = capsys.readouterr()
    assert why in captured.err
    assert not captured.out


def test_nobody_in_a_frame_of_standard_input(clips, capsys, monkeypatch):
    folder, labels = clips
    clip = np.load(folder / "clip100.npy")
    lines = [json.dumps(frame.tolist()) for frame in clip]
    half = len(clip) // 2
    some = clip[half].copy()
    some.reshape(-1, 3)[5] = np.nan
    lines[half] = json.dumps(some.tolist())
    lines = ["null", "[]", "", *lines]
    in_mm = [json.dumps((1000 * frame).tolist()) for frame in clip]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join([*lines, *lines[:3], *in_mm])))
    words = ["predict", "-", "--weights", WEIGHTS, "--window", str(len(lines))]
    assert main(words) == 0
    captured = capsys.readouterr()
    line, _ = [x for x in captured.out.splitlines() if x.startswith("{")]
    row = json.loads(line)
    assert (row["label"], row["end"]) == (labels["clip100.npy"], len(lines))
    assert captured.err.count("but one in mm") == 1
    assert captured.err.count("line 1: no person") == captured.err.count("no person (") == 1
    assert captured.err.count("joints that were not seen") == 1


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["lost.npy"], "lost.npy"),
        (["clip.txt"], "clip.txt"),
        (["three.npy"], "3 joints"),
        (["nobody.npy"], "nobody.npy"),
        (["good.npy", "--weights", "mans9_synthetic"], WEIGHTS),
        (["good.npy", "--stride", "3"], "--window"),
        (["good.npy", "--attention"], "--out"),
        (["-"], "--weights"),
    ],
)
def test_bad_input_is_named(words, named, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip.txt").write_text("1 2 3")
    np.save("three.npy", np.ones((5, 3, 3)))
    np.save("nobody.npy", np.zeros((5, 25, 3)))
    np.save("good.npy", np.random.default_rng(0).normal(size=(5, 25, 3)))
    assert main(["predict", *words]) == 2
    assert named in capsys.readouterr().err


def test_windows_cover_the_clip():
    assert list(_windows(10, None, None)) == [(0, 10)]
    assert list(_windows(10, 20, None)) == [(0, 10)]
    assert list(_windows(10, 4, None)) == [(0, 4), (4, 8), (6, 10)]
    assert list(_windows(10, 4, 3)) == [(0, 4), (3, 7), (6, 10)]


def test_one_label_for_a_whole_recording_is_doubtful(clips, tmp_path, capsys):
    folder, _ = clips
    clip = np.load(folder / "clip000.npy")
    np.save(tmp_path / "long.npy", np.resize(clip, (901, *clip.shape[1:])))
    words = ["predict", str(tmp_path / "long.npy"), "--weights", WEIGHTS]
    for more, doubted in (([], True), (["--window", "60"], False)):
        assert main([*words, *more]) == 0
        assert ("detect --stream" in capsys.readouterr().out) == doubted


@pytest.mark.parametrize(
    ("length", "fps", "doubted"),
    [(900, None, False), (901, None, True), (901, 60, False), (500, 15, True)],
)
def test_seconds_say_what_is_long(length, fps, doubted):
    assert bool(_long_notes(length, fps)) == doubted
