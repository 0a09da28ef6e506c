"""Weights know what they are: every wrong pairing is refused with both sides named, or right."""

import json
import shutil

import numpy as np
import pytest

from keras_skeleton.cli import main
from keras_skeleton.zoo.entries import ZOO, read_zoo

pytestmark = pytest.mark.skipif(not read_zoo(), reason="no trained weights here")

FILE = "lstm_synthetic_cs_tuned"


def score(*words, out):
    return main(["train", *words, "--out", str(out)])


def arguments(model="lstm", dataset="synthetic", protocol="cs"):
    return ["--model", model, "--dataset", dataset, "--protocol", protocol]


@pytest.mark.slow
def test_a_file_of_the_zoo_is_known_under_any_name(tmp_path, capsys):
    """Its recipe and options come from its entry: by recipe 'paper' it would score 19.8 %."""
    path = tmp_path / "copied.h5"
    shutil.copyfile(ZOO / f"{FILE}.weights.h5", path)
    assert score(*arguments(), "--weights", str(path), out=tmp_path / "out") == 0
    assert "as recorded" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (arguments(model="sta_lstm"), ("lstm", "sta_lstm")),
        (arguments(protocol="cv"), ("cs", "cv")),
        ([*arguments(), "--recipe", "paper"], ("tuned", "paper")),
        ([*arguments(), "--fold", "2"], ("fold 1", "2")),
        ([*arguments(), "--set", "model.units=50"], (FILE, "--set")),
        ([*arguments(), "--bidirectional"], (FILE, "--bidirectional")),
        (arguments(dataset="ut_kinect"), ("synthetic", "ut_kinect")),
        (["--model", "sta_lstm"], ("lstm", "sta_lstm")),
        (["--recipe", "paper"], ("tuned", "paper")),
        (["--option", "subjects=4"], ("subjects=10", "4")),
        (["--option", "subject=4"], ("subject", "'subjects'")),
        (["--fold", "2"], ("fold 1", "2")),
    ],
)
@pytest.mark.parametrize("kind", ["file", "name"])
def test_another_network_than_the_weights_of_the_zoo_is_refused(
    kind, words, named, tmp_path, capsys
):
    weights = str(ZOO / f"{FILE}.weights.h5") if kind == "file" else FILE
    assert score(*words, "--weights", weights, out=tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert all(name in error for name in named), error
    assert not (tmp_path / "out").exists()


def test_the_name_of_a_network_is_enough(tmp_path, capsys):
    assert score("--weights", FILE, out=tmp_path / "out") == 0
    assert "as recorded" in capsys.readouterr().out
    scored = json.loads((tmp_path / "out/metrics.json").read_text())
    named = {key: scored[key] for key in ("model", "dataset", "protocol", "recipe")}
    assert named == {"model": "lstm", "dataset": "synthetic", "protocol": "cs", "recipe": "tuned"}


def test_a_misspelt_name_is_named_with_the_nearest(tmp_path, capsys):
    assert score("--weights", FILE[:-1], out=tmp_path / "out") == 2
    assert f"'{FILE}'" in capsys.readouterr().err


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of one epoch on a part of the synthetic dataset."""
    folder = tmp_path_factory.mktemp("pairing")
    words = [*arguments("ta_lstm"), "--epochs", "1", "--set", "recipe.stages=none"]
    words += ["--option", "subjects=4", "--option", "repetitions=1"]
    words += ["--cache-dir", str(folder / "cache")]
    assert main(["train", *words, "--out", str(folder / "run")]) == 0
    return folder


@pytest.mark.slow
def test_a_run_brings_its_recipe_and_options(run, tmp_path, capsys):
    metrics = json.loads((run / "run" / "metrics.json").read_text())
    for number, weights in enumerate(("run", "run/fold_01/best.weights.h5")):
        out = tmp_path / str(number)
        words = [*arguments("ta_lstm"), "--weights", str(run / weights)]
        words += ["--cache-dir", str(run / "cache")]
        assert score(*words, out=out) == 0
        scored = json.loads((out / "metrics.json").read_text())
        assert scored["accuracy"] == pytest.approx(metrics["accuracy"])
        assert scored["options"]["subjects"] == 4
    capsys.readouterr()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "named"),
    [
        (arguments("lstm"), ("ta_lstm", "lstm")),
        (arguments("ta_lstm", protocol="cv"), ("cs", "cv")),
        ([*arguments("ta_lstm"), "--recipe", "tuned"], ("paper", "tuned")),
        ([*arguments("ta_lstm"), "--option", "subjects=6"], ("subjects=4", "6")),
        ([*arguments("ta_lstm"), "--set", "model.units=50"], ("run", "--set")),
        ([*arguments("ta_lstm"), "--fold", "2"], ("fold",)),
    ],
)
def test_another_network_than_the_runs_is_refused(run, words, named, tmp_path, capsys):
    for weights in ("run", "run/fold_01/best.weights.h5"):
        own = ["--weights", str(run / weights), "--cache-dir", str(run / "cache")]
        assert score(*words, *own, out=tmp_path / "out") == 2
        error = capsys.readouterr().err
        assert all(name in error for name in named), error


def write_clips(data, joints=25, skeleton="kinect_v2", seed=0, classes=("kick", "sit")):
    """Own clips: eight of four subjects."""
    data.mkdir()
    lines = ["file,label,subject"]
    for i, label in enumerate(classes * 4):
        clip = np.random.default_rng((seed, i)).normal(size=(12, joints, 3))
        np.save(data / f"{i}.npy", clip.astype("float32"))
        lines.append(f"{i}.npy,{label},{i // 2 + 1}")
    (data / "labels.csv").write_text("\n".join(lines) + "\n")
    (data / "skeleton.toml").write_text(f'skeleton = "{skeleton}"\n')
    return data


@pytest.mark.slow
def test_other_classes_than_the_runs_are_refused(run, tmp_path, capsys):
    """Own clips with the same joints, but other actions."""
    data = write_clips(tmp_path / "data")
    words = [*arguments("ta_lstm", "folder"), "--data-dir", str(data), "--weights"]
    words += [str(run / "run"), "--cache-dir", str(tmp_path / "cache")]
    assert score(*words, out=tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert "14 classes" in error
    assert "2 classes" in error


# ---------------------------------------------------------------- a run knows where its clips are


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A run on own clips, whose folder it knows."""
    folder = tmp_path_factory.mktemp("own")
    write_clips(folder / "data")
    words = [*arguments("lstm", "folder"), "--data-dir", str(folder / "data"), "--epochs", "1"]
    words += ["--set", "model.units=4", "--cache-dir", str(folder / "cache")]
    assert main(["train", *words, "--out", str(folder / "run")]) == 0
    return folder


@pytest.fixture
def elsewhere(own, tmp_path, monkeypatch):
    """Another working folder, where commands find the clips by the run's record only."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_SKELETON_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("KERAS_SKELETON_DATA", raising=False)
    return tmp_path


@pytest.mark.slow
def test_a_run_folder_is_enough(own, elsewhere, capsys):
    about = json.loads((own / "run/run.json").read_text())
    assert about["data_dir"] == "../data"
    metrics = json.loads((own / "run/metrics.json").read_text())
    assert main(["train", "--weights", str(own / "run")]) == 0
    said = capsys.readouterr()
    assert f"{100 * metrics['accuracy']:.2f} %" in said.out
    assert "note" not in said.err
    (scored,) = elsewhere.glob("runs/*_scored/metrics.json")
    again = json.loads(scored.read_text())
    assert again["fingerprint"] == about["fingerprint"]
    assert again["accuracy"] == pytest.approx(metrics["accuracy"])


@pytest.mark.slow
def test_attention_of_a_run_folder_is_enough(own, elsewhere, capsys):
    assert main(["attention", "--weights", str(own / "run"), "--out", "clip.html"]) == 0
    assert (elsewhere / "clip.html").is_file()
    capsys.readouterr()


def moved(own, folder):
    """A copy of the run whose clips are no longer where it read them."""
    shutil.copytree(own / "run", folder)
    about = json.loads((folder / "run.json").read_text())
    about["data_dir"] = str(folder.parent / "was_here")
    (folder / "run.json").write_text(json.dumps(about))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("command", ["train", "attention"])
def test_moved_clips_are_named_and_given_anew(command, own, elsewhere, capsys):
    run = moved(own, elsewhere / "run")
    assert main([command, "--weights", str(run)]) == 2
    error = capsys.readouterr().err
    assert str(elsewhere / "was_here") in error
    assert "--data-dir" in error
    if command == "train":
        assert main([command, "--weights", str(run), "--data-dir", str(own / "data")]) == 0
        assert "note" not in capsys.readouterr().err


def test_the_data_variable_counts_if_the_folder_is_gone(own, elsewhere, monkeypatch, capsys):
    monkeypatch.setenv("KERAS_SKELETON_DATA", str(own / "data"))
    assert main(["train", "--weights", str(moved(own, elsewhere / "run"))]) == 0
    capsys.readouterr()


def test_changed_clips_give_a_note(own, elsewhere, capsys):
    """The same classes and joints, other coordinates."""
    data = write_clips(elsewhere / "changed", seed=1)
    assert main(["train", "--weights", str(own / "run"), "--data-dir", str(data)]) == 0
    assert "note: the run was trained on other clips" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"joints": 20, "skeleton": "kinect_v1"}, ("kinect_v2", "kinect_v1")),
        ({"classes": ("kick", "sit", "bow")}, ("2 classes", "3 classes")),
        ({"classes": ("sit", "stand")}, ("'kick'", "'sit'")),
    ],
)
def test_other_clips_are_refused(changes, named, own, elsewhere, capsys):
    data = write_clips(elsewhere / "other", **changes)
    assert main(["train", "--weights", str(own / "run"), "--data-dir", str(data)]) == 2
    error = capsys.readouterr().err
    assert all(name in error for name in named), error
    assert not list(elsewhere.glob("runs/*"))


OWN_JOINTS = """
name = "robot"
joints = [{}]
bones = [["a", "b"], ["b", "c"], ["b", "d"], ["c", "e"], ["d", "f"], ["a", "g"], ["a", "h"]]
[roles]
hips = ["g", "h"]
shoulders = ["c", "d"]
spine = ["a", "b"]
hands = ["e", "f"]
"""


@pytest.mark.slow
def test_joints_in_another_order_are_refused(elsewhere, capsys):
    """A layout of one's own has the same name in both folders."""
    for name, order in (("one", "abcdefgh"), ("other", "abdcefgh")):
        data = write_clips(elsewhere / name, joints=8)
        joints = ", ".join(f'"{joint}"' for joint in order)
        (data / "skeleton.toml").write_text(OWN_JOINTS.format(joints))
    words = [*arguments("lstm", "folder"), "--epochs", "1", "--set", "model.units=4"]
    assert main(["train", *words, "--data-dir", "one", "--out", "run"]) == 0
    capsys.readouterr()
    assert main(["train", "--weights", "run", "--data-dir", "other", "--out", "scored"]) == 2
    error = capsys.readouterr().err
    assert "joint 3 is 'c' there, 'd' here" in error
    assert not (elsewhere / "scored").exists()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--model", "sta_lstm"], ("lstm", "sta_lstm")),
        (["--protocol", "random"], ("cs", "random")),
        (["--recipe", "tuned"], ("paper", "tuned")),
        (["--option", "skeleton=sbu"], ("skeleton=None", "sbu")),
        (["--set", "model.units=5"], ("run", "--set")),
        (["--fold", "2"], ("fold",)),
    ],
)
@pytest.mark.parametrize("command", ["train", "attention"])
def test_other_arguments_than_the_runs_are_refused(command, words, named, own, elsewhere, capsys):
    assert main([command, *words, "--weights", str(own / "run")]) == 2
    error = capsys.readouterr().err
    assert all(name in error for name in named), error


@pytest.mark.parametrize("words", [[], ["--dataset", "folder", "--protocol", "cs"]])
def test_a_saved_recognizer_is_no_experiment(words, own, elsewhere, capsys):
    from keras_skeleton.zoo.recognizers import load_recognizer

    load_recognizer(own / "run").save(elsewhere / "saved")
    for command in ("train", "attention"):
        assert main([command, *words, "--weights", "saved"]) == 2
        error = capsys.readouterr().err
        assert "saved" in error
        assert "predict" in error
        assert "--init-weights" in error


def test_a_file_without_a_record_needs_names(own, elsewhere, capsys):
    shutil.copyfile(own / "run/fold_01/best.weights.h5", "mine.h5")
    assert main(["train", "--weights", "mine.h5"]) == 2
    error = capsys.readouterr().err
    assert all(name in error for name in ("--model", "--dataset", "--protocol", "mine.h5"))
