"""`predict --live` and `predict camera:NAME`, with made-up people and a made-up network."""

import csv
import json
import os
import signal

import pytest
from made_network import MadeNetwork
from made_people import MadeEstimator, Person, Scene, write_scene

from keras_skeleton.cli import main
from keras_skeleton.commands import film as film_command
from keras_skeleton.commands import live as command
from keras_skeleton.film.people_labels import PeopleLabeler
from keras_skeleton.video.camera import Camera
from keras_skeleton.video.film import open_film
from keras_skeleton.zoo import recognizers

SIZE = (48, 64)
SCENE = Scene([lambda t: Person(30, 26, 18, lift=0.9 if t >= 20 else 0.0)], SIZE)


@pytest.fixture
def made(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "pose_models", lambda place: None)
    monkeypatch.setattr(command, "pose_estimator", lambda models: MadeEstimator(SCENE))
    monkeypatch.setattr(film_command, "start_keras", lambda: None)
    monkeypatch.setattr(PeopleLabeler, "warm_up", lambda _: None)
    monkeypatch.setattr(
        recognizers, "load_recognizer", lambda name, fold=None: MadeNetwork(name=name)
    )
    return tmp_path


def predict(*words):
    return main(["predict", *words, "--weights", "any", "--no-window"])


def test_a_film_as_if_from_a_camera(made, capsys):
    write_scene(SCENE, made / "day.mkv", 60)
    assert predict("day.mkv", "--live", "--out", "out") == 0
    said = capsys.readouterr().out
    assert "person 0 starts wave" in said
    assert "pictures" in said
    with (made / "out" / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[-1]["label"] == "wave"
    assert float(rows[-1]["end_s"]) == pytest.approx(int(rows[-1]["end"]) / 30, abs=1e-3)
    content = json.loads((made / "out" / "predictions.json").read_text())
    assert sum(content["predictions"][-1]["probabilities"].values()) == pytest.approx(1, abs=1e-4)
    (overlay,) = (made / "out").glob("day_20*_overlay.mp4")  # never written over
    assert len(list(open_film(overlay).frames())) > 10
    assert len(list((made / "out" / "keypoints").glob("day_20*.npz"))) == 1


def test_a_camera_has_a_folder_of_its_own(made, monkeypatch, capsys):
    asked = []

    def open_camera(name):
        asked.append(name)
        return Camera([(0.0, SCENE.image(0)), (0.1, SCENE.image(3))], SIZE, 30, "front")

    monkeypatch.setattr(command, "open_camera", open_camera)
    assert predict("camera:front", "--no-overlay") == 0
    assert asked == ["front"]
    (folder,) = (made / "runs" / "films").iterdir()
    assert folder.name.startswith("camera_20")
    assert (folder / "predictions.csv").is_file()
    assert not list(folder.glob("*.mp4"))
    assert "camera_20" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["camera:0", "a.mkv"], "only source"),
        (["a.npy", "--live"], "--live"),
        (["a.mkv", "b.mkv", "--live"], "--live"),
        (["camera:0", "--window", "20"], "--window"),
        (["camera:no_such_camera"], "no_such_camera"),
        (["lost.mkv", "--live"], "lost.mkv"),
    ],
)
def test_what_does_not_fit_is_named(made, words, named, capsys):
    assert predict(*words) == 2
    assert named in capsys.readouterr().err


def test_ctrl_c_finishes_the_files(made, monkeypatch):
    """The first one ends the loop; nothing that was seen is lost."""
    write_scene(SCENE, made / "day.mkv", 60)

    def stops_itself(window, stopped):
        show = shower(window, stopped)

        def then(picture):
            if picture.time_s > 0.5:
                os.kill(os.getpid(), signal.SIGINT)
            return show(picture)

        return then

    shower = command._shower
    monkeypatch.setattr(command, "_shower", stops_itself)
    before = signal.getsignal(signal.SIGINT)
    assert predict("day.mkv", "--live", "--out", "out") == 0
    assert signal.getsignal(signal.SIGINT) is before
    (overlay,) = (made / "out").glob("day_20*_overlay.mp4")  # never written over
    assert len(list(open_film(overlay).frames())) > 10
    assert len(list((made / "out" / "keypoints").glob("day_20*.npz"))) == 1
