"""`train --init-weights`: from every kind of weights, and what cannot be a start."""

import json
import shutil

import keras
import numpy as np
import pytest

from keras_skeleton.cli import main
from keras_skeleton.models.registry import build_model
from keras_skeleton.zoo.entries import read_zoo
from keras_skeleton.zoo.recognizers import load_recognizer

UNITS = 6
NAME, NAMED_CLASSES = "lstm_synthetic_cs_tuned", 14
needs_zoo = pytest.mark.skipif(not read_zoo(), reason="no trained weights here")


def write_clips(folder, classes=("kick", "sit"), joints=25, skeleton="kinect_v2"):
    """16 clips of 4 subjects."""
    folder.mkdir()
    lines = ["file,label,subject"]
    for i in range(16):
        rng = np.random.default_rng(i)
        clip = rng.normal(0, 0.3, (joints, 3)) + rng.normal(0, 0.02, (12, joints, 3))
        clip[:, 7, i % 2] += np.linspace(0, 1, 12)
        np.save(folder / f"{i:02d}.npy", clip.astype("float32"))
        lines.append(f"{i:02d}.npy,{classes[i % len(classes)]},{i // 4 + 1}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    (folder / "skeleton.toml").write_text(f'skeleton = "{skeleton}"\n')
    return folder


def train(work, *words, out, data="data", dataset="folder"):
    own = ["--dataset", dataset, "--protocol", "cs", "--cache-dir", str(work / "cache")]
    if dataset == "folder":
        own += ["--data-dir", str(work / data)]
    return main(["train", *own, "--epochs", "1", *map(str, words), "--out", str(out)])


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Clips with two classes, clips with three, and weights of an LSTM for the two in all forms."""
    folder = tmp_path_factory.mktemp("fine_tune")
    write_clips(folder / "data")
    write_clips(folder / "other", ("bow", "jump", "run"))
    words = ["--model", "lstm", "--set", f"model.units={UNITS}", "--batch-size", "8"]
    assert train(folder, *words, out=folder / "run") == 0
    recognizer = load_recognizer(folder / "run")
    recognizer.save(folder / "saved")
    recognizer.model.save_weights(folder / "mine.weights.h5")
    recognizer.model.save(folder / "mine.keras")
    return folder


def record(out):
    return json.loads((out / "run.json").read_text())


def layer_of(path, name="main_lstm_1", classes=3):
    model = build_model("lstm", "kinect_v2", classes, bodies=1, units=UNITS)
    model.load_weights(path)
    return [np.asarray(keras.ops.convert_to_numpy(w)) for w in model.get_layer(name).weights]


MINE = ("--model", "lstm", "--set", f"model.units={UNITS}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("run", ()),
        pytest.param("run/fold_01/best.weights.h5", (), marks=pytest.mark.slow),
        ("saved", ()),
        ("mine.weights.h5", MINE),
        ("mine.keras", MINE),
    ],
)
def test_every_kind_of_weights_is_a_start(work, source, words, tmp_path, capsys):
    """A frozen layer comes out as it was in the source."""
    words = [*words, "--init-weights", work / source, "--freeze", "main_lstm_1"]
    assert train(work, *words, data="other", out=tmp_path / "out") == 0
    said = capsys.readouterr().out
    about = record(tmp_path / "out")
    start = about["init_weights"]
    assert (about["model"], len(about["classes"])) == ("lstm", 3)
    assert about["settings"]["model"]["units"] == UNITS
    assert start["freeze"] == "main_lstm_1"
    assert (
        f"weights of {start['source']}: 3 layers taken (9 of 11 arrays); new: main_scores" in said
    )
    weights = tmp_path / "out/fold_01/best.weights.h5"
    theirs = layer_of(work / "mine.weights.h5", classes=2)
    for found, wanted in zip(layer_of(weights), theirs, strict=True):
        np.testing.assert_array_equal(found, wanted)
    other = layer_of(work / "mine.weights.h5", "main_lstm_2", classes=2)
    assert any(
        not np.array_equal(a, b)
        for a, b in zip(layer_of(weights, "main_lstm_2"), other, strict=True)
    )


@pytest.mark.slow
def test_the_file_of_a_run_that_is_named_is_taken(work, tmp_path):
    """Not the best weights of its fold."""
    shutil.copytree(work / "run", tmp_path / "run")
    path = tmp_path / "run/fold_01/last.weights.h5"
    model = build_model("lstm", "kinect_v2", 2, bodies=1, units=UNITS)
    model.load_weights(path)
    model.set_weights([w + 0.25 for w in model.get_weights()])
    model.save_weights(path)
    words = ["--init-weights", path, "--freeze", "main_lstm_1"]
    assert train(work, *words, data="other", out=tmp_path / "out") == 0
    assert record(tmp_path / "out")["init_weights"]["source"] == str(path)
    found, wanted = layer_of(tmp_path / "out/fold_01/best.weights.h5"), layer_of(path, classes=2)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_what_was_fine_tuned_is_scored_and_resumed(work, tmp_path, capsys):
    words = ["--init-weights", work / "run", "--init-rate", "0.1", "--clips-per-class", "1"]
    assert train(work, *words, data="other", out=tmp_path / "out") == 0
    about = record(tmp_path / "out")
    assert (about["init_weights"]["rate"], about["clips_per_class"]) == (0.1, 1)
    assert about["init_weights"]["dataset"] == "folder"
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    assert metrics["folds"][0]["clips"]["train"] == 3
    assert (tmp_path / "out/fold_01/calibration.npz").is_file()
    cache = ["--cache-dir", str(work / "cache")]
    scored = ["train", "--weights", str(tmp_path / "out"), *cache, "--out", str(tmp_path / "s")]
    assert main(scored) == 0
    again = json.loads((tmp_path / "s/metrics.json").read_text())
    assert again["accuracy"] == pytest.approx(metrics["accuracy"])
    assert train(work, *words, "--resume", data="other", out=tmp_path / "out") == 0
    capsys.readouterr()
    words[3] = "0.2"
    assert train(work, *words, "--resume", data="other", out=tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert "0.1" in error
    assert "0.2" in error


@pytest.mark.slow
@needs_zoo
def test_a_network_of_the_zoo_by_name(work, tmp_path, capsys):
    assert train(work, "--init-weights", NAME, out=tmp_path / "out") == 0
    said, start = capsys.readouterr().out, record(tmp_path / "out")["init_weights"]
    assert start["source"] == NAME
    assert (start["dataset"], start["protocol"], start["recipe"]) == ("synthetic", "cs", "tuned")
    assert "by joint: main_lstm_1" in said  # of two people, the first
    assert "new: main_scores" in said


@pytest.mark.slow
@needs_zoo
def test_joints_are_mapped_to_those_of_the_weights(work, tmp_path, capsys):
    """Also the joints that the synthetic dataset knows to move, for the report."""
    words = ["--init-weights", "sta_lstm_ut_kinect_cs", "--clips-per-class", "1"]
    words += ["--option", "subjects=4", "--option", "repetitions=1", "--batch-size", "14"]
    assert train(work, *words, dataset="synthetic", out=tmp_path / "out") == 0
    said, about = capsys.readouterr().out, record(tmp_path / "out")
    assert "joints of kinect_v2 are mapped to kinect_v1" in said
    assert (about["skeleton"], about["dataset"]) == ("kinect_v1", "synthetic")
    assert len(about["classes"]) == NAMED_CLASSES
    assert (tmp_path / "out/report.html").is_file()


# ---------------------------------------------------------------- what is refused

CONFLICTS = {
    "weights": (["--init-weights", "{run}", "--weights", "{run}"], ("--init-weights", "--weights")),
    "freeze": (["--model", "lstm", "--freeze", "main"], ("--init-weights", "--freeze")),
    "rate": (["--model", "lstm", "--init-rate", "0.1"], ("--init-weights", "--init-rate")),
    "model of a run": (["--init-weights", "{run}", "--model", "mans9"], ("lstm", "mans9", "run")),
    "model of a file of a run": (
        ["--init-weights", "{run}/fold_01/best.weights.h5", "--model", "mans9"],
        ("lstm", "mans9"),
    ),
    "model of a folder": (
        ["--init-weights", "{saved}", "--model", "mans9"],
        ("lstm", "mans9", "saved"),
    ),
    "rate 0": (["--init-weights", "{run}", "--init-rate", "0"], ("--init-rate 0",)),
    "rate 2": (["--init-weights", "{run}", "--init-rate", "2"], ("--init-rate 2",)),
    "rate nan": (["--init-weights", "{run}", "--init-rate", "nan"], ("--init-rate nan",)),
    "no file": (["--init-weights", "{run}/none.h5"], ("--init-weights", "none.h5")),
    "no model": (["--init-weights", "{file}"], ("--model", "mine.weights.h5")),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CONFLICTS)
def test_conflicts_name_both_sides(case, work, tmp_path, capsys):
    words, named = CONFLICTS[case]
    paths = {"run": work / "run", "saved": work / "saved", "file": work / "mine.weights.h5"}
    words = [word.format(**paths) for word in words]
    assert train(work, *words, out=tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert all(name in error for name in named), error
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@needs_zoo
@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--init-weights", NAME, "--model", "sta_lstm"], (NAME, "sta_lstm")),
        (["--init-weights", "lstm_synthetic_cs_tund"], (f"'{NAME}'",)),
        (["--init-weights", "tap_lstm_ut_kinect_cs"], ("detector",)),
    ],
)
def test_names_of_the_zoo_that_do_not_fit(words, named, work, tmp_path, capsys):
    assert train(work, *words, out=tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert all(name in error for name in named), error


@pytest.mark.slow
def test_a_missing_dataset_is_not_a_missing_record(work, capsys):
    """The record of a run says its model, and the dataset is another one."""
    assert main(["train", "--init-weights", str(work / "run")]) == 2
    error = capsys.readouterr().err
    assert "--dataset, --protocol" in error
    assert "record" not in error


@pytest.mark.slow
def test_of_several_folds_one_must_be_named(work, tmp_path, capsys):
    shutil.copytree(work / "run", tmp_path / "run")
    shutil.copytree(tmp_path / "run/fold_01", tmp_path / "run/fold_02")
    words = ["--init-weights", tmp_path / "run"]
    assert train(work, *words, out=tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert "2 folds" in error
    assert str(tmp_path / "run/fold_01/best.weights.h5") in error
    shutil.rmtree(tmp_path / "run/fold_01")
    shutil.rmtree(tmp_path / "run/fold_02")
    assert train(work, *words, out=tmp_path / "out") == 2
    assert "0 folds" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("freeze", ["nothing", ".", "("])
def test_a_pattern_that_freezes_none_or_all_leaves_no_run(freeze, work, tmp_path, capsys):
    words = ["--init-weights", work / "run", "--freeze", freeze]
    assert train(work, *words, out=tmp_path / "out") == 2
    assert f"'{freeze}'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_file_of_another_architecture_leaves_no_run(work, tmp_path, capsys):
    words = ["--model", "csta_cnn", "--init-weights", work / "mine.weights.h5"]
    assert train(work, *words, out=tmp_path / "out") == 2
    assert "mine.weights.h5" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


OWN_JOINTS = """
joints = ["p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7"]
bones = [["p0", "p1"], ["p1", "p2"], ["p1", "p3"], ["p2", "p4"], ["p3", "p5"],
  ["p0", "p6"], ["p0", "p7"]]
[roles]
hips = ["p6", "p7"]
shoulders = ["p2", "p3"]
spine = ["p0", "p1"]
hands = ["p4", "p5"]
"""


@pytest.mark.slow
def test_joints_of_which_the_weights_know_none_are_refused(work, tmp_path, capsys):
    data = write_clips(tmp_path / "data", joints=8)
    (data / "skeleton.toml").write_text(OWN_JOINTS)
    words = ["--init-weights", work / "run", "--data-dir", data]
    assert train(work, *words, out=tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert "kinect_v2" in error
    assert "spine_base" in error
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_damaged_folder_is_named(work, tmp_path, capsys):
    shutil.copytree(work / "saved", tmp_path / "saved")
    for text in ("{", "[]", '{"preprocessing": 3}'):
        (tmp_path / "saved/recognizer.json").write_text(text)
        assert train(work, "--init-weights", tmp_path / "saved", out=tmp_path / "out") == 2
        assert "recognizer.json" in capsys.readouterr().err
