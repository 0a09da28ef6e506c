"""`predict` for films: with made-up people, and on a real film with the real networks."""

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from made_network import MadeNetwork
from made_people import MadeEstimator, Person, Scene, write_scene

from keras_skeleton.cli import main
from keras_skeleton.commands import film as film_command
from keras_skeleton.commands import pose_models as command
from keras_skeleton.commands import predict as predict_command
from keras_skeleton.utils.errors import UserError
from keras_skeleton.video.pose_models import PoseModels
from keras_skeleton.zoo import recognizers
from keras_skeleton.zoo.entries import read_zoo

LOAD = recognizers.load_recognizer
NETWORK = "csta_cnn_ut_kinect_cs"
SCENE = Scene([lambda t: Person(30, 26, 18, lift=0.9)], (48, 64))


@pytest.fixture
def made(monkeypatch, tmp_path):
    """People and network are made up; a function that writes films, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(film_command, "pose_models", lambda place: None)
    monkeypatch.setattr(film_command, "pose_estimator", lambda models: MadeEstimator(SCENE))
    monkeypatch.setattr(film_command, "start_keras", lambda: None)
    monkeypatch.setattr(
        recognizers, "load_recognizer", lambda name, fold=None: MadeNetwork(name=name)
    )

    def write(*names, scene=SCENE, frames=20):
        for name in names:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            write_scene(scene, Path(name), frames)
        return names

    return write


def predict(*words):
    return main(["predict", *words, "--weights", "any"])


def files_of(folder):
    folder = Path(folder)
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def rows_of(folder):
    with (Path(folder) / "predictions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


ALL = {"predictions.csv", "predictions.json", "keypoints/skeleton.toml"}


def files_for(*names):
    return ALL | {
        f"{folder}{name}{rest}"
        for name in names
        for folder, rest in (("", "_overlay.mp4"), ("", "_attention.html"), ("keypoints/", ".npz"))
    }


def test_one_film(made, capsys):
    made("walk.mkv")
    assert predict("walk.mkv", "--out", "out") == 0
    assert files_of("out") == files_for("walk")
    (row,) = rows_of("out")
    assert (row["source"], row["person"], row["label"]) == ("walk.mkv", "0", "wave")
    assert (row["start"], row["end"], row["end_s"]) == ("0", "20", "0.667")
    text = capsys.readouterr().out
    assert "walk.mkv: wave" in text
    assert "films: 1" in text
    assert "results are in out" in text
    content = json.loads(Path("out/predictions.json").read_text())
    (film,) = content["films"]
    assert (film["source"], film["fps"], film["frames"], film["size"]) == (
        "walk.mkv", 30, 20, [48, 64],
    )  # fmt: skip
    (person,) = film["people"]
    assert (person["label"], person["start"], person["end"]) == ("wave", 0, 20)
    assert [window["label"] for window in person["windows"]] == ["wave"] * 3


def test_the_default_folder_has_the_films_name(made):
    made("my films/walk 1.mkv")
    assert predict("my films/walk 1.mkv", "--no-overlay") == 0
    assert files_of("runs/films/walk 1") == files_for("walk 1") - {"walk 1_overlay.mp4"}


def test_a_folder_of_films(made, capsys):
    made("films/b.mkv", "films/a.mkv", "films/wave/a.mkv")
    Path("films/notes.txt").write_text("no film")
    assert predict("films", "--out", "out") == 0
    assert files_of("out") == files_for("a", "b", "wave/a")
    assert [row["source"] for row in rows_of("out")] == [
        "films/a.mkv", "films/b.mkv", "films/wave/a.mkv",
    ]  # fmt: skip
    assert "films: 3" in capsys.readouterr().out


def test_films_of_the_same_name_are_kept_apart(made):
    made("one/walk.mkv", "two/walk.mkv")
    assert predict("one/walk.mkv", "two/walk.mkv", "--out", "out", "--no-overlay") == 0
    assert len([name for name in files_of("out") if name.endswith(".npz")]) == 2
    assert [row["source"] for row in rows_of("out")] == ["one/walk.mkv", "two/walk.mkv"]


def test_a_broken_film_is_left_out_and_named(made, capsys):
    made("good.mkv")
    Path("broken.mp4").write_bytes(b"nothing that plays" * 50)
    made("empty.mkv", scene=Scene([], (48, 64), background=lambda t: 90))
    assert predict("broken.mp4", "good.mkv", "--out", "out") == 0
    text = capsys.readouterr()
    assert "skipped broken.mp4" in text.err
    assert "1 films skipped" in text.out
    assert files_of("out") == files_for("good")
    assert predict("broken.mp4", "--out", "other") == 2
    text = capsys.readouterr()
    assert "broken.mp4" in text.err
    assert "Traceback" not in text.err
    Path("second.mp4").write_bytes(b"")
    assert predict("broken.mp4", "second.mp4", "--out", "other") == 2
    assert "none of the films" in capsys.readouterr().err


def test_nobody_in_a_film(made, capsys, monkeypatch):
    monkeypatch.setattr(
        film_command, "pose_estimator", lambda models: MadeEstimator(Scene([], SCENE.size))
    )
    made("empty.mkv")
    assert predict("empty.mkv") == 2
    assert "empty.mkv" in capsys.readouterr().err
    assert not Path("runs/films/empty/predictions.csv").exists()


def test_people_are_as_many_as_wanted(made, monkeypatch):
    scene = Scene(
        [lambda t: Person(14, 26, 18, lift=0.9), lambda t: Person(50, 26, 18)], SCENE.size
    )
    monkeypatch.setattr(film_command, "pose_estimator", lambda models: MadeEstimator(scene))
    made("two.mkv", scene=scene)
    assert predict("two.mkv", "--out", "out", "--no-overlay") == 0
    assert {row["label"] for row in rows_of("out")} == {"wave", "sit"}
    assert predict("two.mkv", "--out", "one", "--no-overlay", "--people", "1") == 0
    assert len(rows_of("one")) == 1
    with pytest.raises(SystemExit):
        predict("two.mkv", "--people", "0")


def test_improbable_actions_are_omitted(made, capsys):
    made("walk.mkv")
    assert predict("walk.mkv", "--out", "out", "--no-overlay", "--min-probability", "1") == 0
    assert rows_of("out") == []
    assert "actions: 0" in capsys.readouterr().out


def test_key_points_of_a_film_give_its_label(made, capsys, monkeypatch):
    """The files that the film left are read by the same command, without the film."""
    made("walk.mkv")
    assert predict("walk.mkv", "--out", "out", "--no-overlay") == 0
    Path("walk.mkv").unlink()
    monkeypatch.setattr(predict_command, "check_exists", lambda name, flag: None)
    assert predict("out/keypoints/walk.npz", "--out", "again") == 0
    (row,) = rows_of("again")
    assert (row["label"], row["end"], row["end_s"]) == ("wave", "20", "0.667")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["walk.mkv", "clip.npy"], "clip.npy"),
        (["clip.npy", "walk.mkv"], "clip.npy"),
        (["walk.mkv", "-"], "-"),
        (["lost.mp4"], "lost.mp4"),
        (["walk.mkv", "lost.mp4"], "lost.mp4"),
        (["walk.mkv", "--skeleton", "kinect_v2"], "--skeleton"),
        (["walk.mkv", "--window", "16"], "--window"),
        (["walk.mkv", "--each-person"], "--each-person"),
        (["walk.mkv", "--image-size", "640x480"], "--image-size"),
    ],
)
def test_what_does_not_fit_is_refused(made, capsys, words, named):
    made("walk.mkv")
    np.save("clip.npy", np.ones((20, 25, 3)))
    assert predict(*words) == 2
    assert named in capsys.readouterr().err
    assert not Path("runs").exists()


def test_without_the_pose_models_the_message_names_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KERAS_SKELETON_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    write_scene(SCENE, Path("walk.mkv"), 5)
    assert predict("walk.mkv") == 2
    text = capsys.readouterr()
    assert "pose-models" in text.err
    assert not Path("runs").exists()
    assert predict("walk.mkv", "--pose-models", "nowhere") == 2
    assert "nowhere" in capsys.readouterr().err


@pytest.mark.parametrize(("answer", "fetched"), [("", True), ("y", True), ("no", False)])
def test_at_a_terminal_fetching_is_asked_for(tmp_path, monkeypatch, answer, fetched):
    monkeypatch.setenv("KERAS_SKELETON_CACHE", str(tmp_path / "cache"))
    terminal = SimpleNamespace(isatty=lambda: True)
    monkeypatch.setattr(command, "sys", SimpleNamespace(stdin=terminal, stdout=terminal))
    monkeypatch.setattr("builtins.input", lambda text: answer)
    monkeypatch.setattr(command, "fetch_pose_models", lambda: "files")
    if fetched:
        assert command.pose_models(None) == "files"
    else:
        with pytest.raises(UserError, match="pose-models"):
            command.pose_models(None)


def test_the_command_that_fetches(tmp_path, monkeypatch, capsys):
    from keras_skeleton.commands import pose_models as command

    monkeypatch.setenv("KERAS_SKELETON_CACHE", str(tmp_path / "cache"))
    models = PoseModels(tmp_path / "a.tflite", tmp_path / "b.tflite")
    monkeypatch.setattr(command, "fetch_pose_models", lambda: models)
    assert main(["pose-models"]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        str(models.detector),
        str(models.landmarks),
    ]
    assert main(["pose-models", "--pose-models", str(tmp_path / "lost")]) == 2
    assert "lost" in capsys.readouterr().err


def entry(name, dataset, accuracy):
    return SimpleNamespace(name=name, dataset=dataset, figures={"validation_accuracy": accuracy})


def test_the_best_network_for_films_is_used(monkeypatch):
    entries = [entry("a", "ut_kinect", 0.99), entry("b", "film", 0.8), entry("c", "film", 0.9),
               entry("d", "film", None)]  # fmt: skip
    monkeypatch.setattr(film_command, "read_zoo", lambda: entries)
    assert film_command.film_weights() == "c"
    monkeypatch.setattr(film_command, "read_zoo", lambda: entries[:1])
    with pytest.raises(UserError, match="--weights"):
        film_command.film_weights()


@pytest.mark.skipif(not read_zoo(), reason="no trained weights here")
def test_a_network_of_the_zoo(made, monkeypatch, capsys):
    monkeypatch.setattr(recognizers, "load_recognizer", LOAD)
    made("walk.mkv")
    words = ["predict", "walk.mkv", "--weights", NETWORK, "--out", "out", "--no-overlay"]
    assert main(words) == 0
    (row,) = {row["label"] for row in rows_of("out")}
    assert f"walk.mkv: {row}" in capsys.readouterr().out
    assert files_of("out") == files_for("walk") - {"walk_overlay.mp4"}


@pytest.mark.slow
@pytest.mark.skipif(not read_zoo(), reason="no trained weights here")
def test_a_real_film(real_pose_models, real_data, tmp_path, capsys):
    """A man who waves says so, and all files are written."""
    (film,) = (real_data("films")).glob("RATRACE_wave*.avi")
    models = real_pose_models.detector.parent
    words = ["predict", str(film), "--weights", NETWORK, "--out", str(tmp_path)]
    assert main([*words, "--pose-models", str(models)]) == 0
    assert {Path(name).suffix for name in files_of(tmp_path)} == {
        ".mp4", ".html", ".csv", ".json", ".npz", ".toml",
    }  # fmt: skip
    labels = {row["label"] for row in rows_of(tmp_path)}
    assert "waveHands" in labels, capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["a.mkv", "--seconds", "2"], "--seconds"),
        (["a.mkv", "--no-window"], "--no-window"),
        (["a.mkv", "--coarse", "20", "--no-overlay"], "--coarse"),
        (["a.npy", "--coarse", "20"], "--coarse"),
        (["a.npy", "--people", "1"], "--people"),
        (["a.npy", "--no-overlay"], "--no-overlay"),
    ],
)
def test_options_that_do_nothing_are_refused(made, words, named, capsys):
    made("a.mkv")
    np.save("a.npy", np.ones((20, 25, 3)))
    assert predict(*words) == 2
    assert named in capsys.readouterr().err


def test_blocks_are_no_smaller_than_pixels(made):
    made("a.mkv")
    assert predict("a.mkv", "--coarse", "100000", "--out", "out") == 0
