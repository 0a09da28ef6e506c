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
    ],
)
def test_another_network_than_the_files_is_refused(words, named, tmp_path, capsys):
    weights = str(ZOO / f"{FILE}.weights.h5")
    assert score(*words, "--weights", weights, out=tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert all(name in error for name in named), error
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of one epoch on a part of the synthetic dataset."""
    folder = tmp_path_factory.mktemp("pairing")
    words = [*arguments("ta_lstm"), "--epochs", "1", "--set", "recipe.stages=none"]
    words += ["--option", "subjects=4", "--option", "repetitions=1"]
    words += ["--cache-dir", str(folder / "cache")]
    assert main(["train", *words, "--out", str(folder / "run")]) == 0
    return folder


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


def test_other_classes_than_the_runs_are_refused(run, tmp_path, capsys):
    """Own clips with the same joints, but other actions."""
    data = tmp_path / "data"
    data.mkdir()
    lines = ["file,label,subject"]
    for i, label in enumerate(["kick", "sit"] * 4):
        np.save(data / f"{i}.npy", np.random.default_rng(i).normal(size=(12, 25, 3)))
        lines.append(f"{i}.npy,{label},{i // 2 + 1}")
    (data / "labels.csv").write_text("\n".join(lines) + "\n")
    (data / "skeleton.toml").write_text('skeleton = "kinect_v2"\n')
    words = [*arguments("ta_lstm", "folder"), "--data-dir", str(data), "--weights"]
    words += [str(run / "run"), "--cache-dir", str(tmp_path / "cache")]
    assert score(*words, out=tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert "14 classes" in error
    assert "2 classes" in error
