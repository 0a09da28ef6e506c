"""The command line as a user meets it: what runs, what is left behind, what is said."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from keras_skeleton.cli import main
from keras_skeleton.commands.common import free_folder, latest_folder
from keras_skeleton.commands.network import named_recipe, run_name
from keras_skeleton.evaluation.scores import read_scores
from keras_skeleton.models.registry import MODELS
from keras_skeleton.recipes.registry import get_recipe
from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.program import program
from keras_skeleton.video.synthetic import write_recordings

ROOT = Path(__file__).resolve().parents[2]
CLASSES = ("walk", "throw")


@pytest.fixture(scope="module")
def ut(tmp_path_factory):
    """Three sequences of UT-Kinect's layout, two actions each: the right hand goes up or out."""
    joints = tmp_path_factory.mktemp("ut") / "joints"
    joints.mkdir()
    labels = []
    rng = np.random.default_rng(0)
    rest = rng.normal(0, 0.3, (20, 3)) + [0, 0, 2.5]
    for sequence in ("s01_e01", "s01_e02", "s02_e01"):
        poses = np.tile(rest, (40, 1, 1)) + rng.normal(0, 0.01, (40, 20, 3))
        poses[:20, 11, 1] += np.linspace(0, 1, 20)
        poses[20:, 11, 0] += np.linspace(0, 1, 20)
        lines = [
            f"{t} " + " ".join(f"{x:.5f}" for x in pose.ravel()) for t, pose in enumerate(poses)
        ]
        (joints / f"joints_{sequence}.txt").write_text("\n".join(lines))
        labels += [sequence, "walk: 0 19", "throw: 20 39"]
    (joints / "actionLabel.txt").write_text("\n".join(labels))
    return joints.parent


@pytest.fixture(scope="module")
def train(ut, tmp_path_factory):
    """`train(out, *more)`: a small CNN on those files for two epochs; the exit status."""
    cache = tmp_path_factory.mktemp("cache")

    def run(out, *more):
        common = "--model two_stream_cnn --dataset ut_kinect --protocol loocv --epochs 2".split()
        where = ["--data-dir", str(ut), "--cache-dir", str(cache), "--out", str(out)]
        return main([*common, *where, *more])

    return run


@pytest.fixture(scope="module")
def whole(train, tmp_path_factory):
    """A finished run of all three folds."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    assert train(out) == 0
    return out


def test_a_run_leaves_results_for_people_and_programs(whole):
    metrics = json.loads((whole / "metrics.json").read_text())
    assert {
        "accuracy",
        "accuracy_last",
        "best_test_accuracy",
        "command",
        "seed",
        "versions",
    } <= set(metrics)
    assert [fold["fold"] for fold in metrics["folds"]] == [1, 2, 3]
    assert metrics["complete"]
    assert metrics["accuracy"] == pytest.approx(np.mean([f["accuracy"] for f in metrics["folds"]]))
    assert metrics["best_test_accuracy"] >= metrics["accuracy"]
    for name in ("report.html", "confusion.png", "curves.png", "per_class.csv", "confusion.csv"):
        assert (whole / name).stat().st_size > 100
    scores = read_scores(whole / "scores.npz")
    assert scores.logits.shape == (6, 10)
    assert len(set(scores.names)) == 6
    run = json.loads((whole / "run.json").read_text())
    assert run["recipe"] == "paper"
    assert run["settings"]["batch_size"] == get_recipe("two_stream_cnn", "ut_kinect").batch_size
    assert run["settings"]["epochs"] == 2


@pytest.mark.slow
def test_folds_one_by_one_merge_to_the_same(whole, train, tmp_path, capsys):
    assert train(tmp_path / "job1", "--fold", "1", "--fold", "3") == 0
    assert train(tmp_path / "job2", "--fold", "2") == 0
    assert "1 of 3 folds" in capsys.readouterr().out
    jobs = [str(tmp_path / f"job{n}") for n in (1, 2)]
    assert main(["report", *jobs, "--out", str(tmp_path / "merged")]) == 0
    merged = json.loads((tmp_path / "merged" / "metrics.json").read_text())
    direct = json.loads((whole / "metrics.json").read_text())
    for key in ("accuracy", "accuracy_last", "best_test_accuracy", "complete"):
        assert merged[key] == direct[key]
    np.testing.assert_array_equal(
        read_scores(tmp_path / "merged" / "scores.npz").logits,
        read_scores(whole / "scores.npz").logits,
    )


def test_a_finished_run_is_not_overwritten_but_can_be_continued(whole, train, capsys):
    before = (whole / "fold_02" / "metrics.json").read_bytes()
    assert train(whole) == 2
    assert re.search("fold 1, 2, 3.*--resume", capsys.readouterr().err)
    assert train(whole, "--resume") == 0
    assert "3 folds" in capsys.readouterr().out
    assert (whole / "fold_02" / "metrics.json").read_bytes() == before
    assert train(whole, "--resume", "--seed", "5") == 2
    assert "seed: 0 and 5" in capsys.readouterr().err
    assert train(whole, "--resume", "--epochs", "3") == 2
    assert "settings.epochs: 2 and 3" in capsys.readouterr().err


def test_weights_can_be_scored(whole, train, tmp_path, capsys):
    weights = whole / "fold_02" / "best.weights.h5"
    assert train(tmp_path / "scored", "--weights", str(weights), "--fold", "2") == 0
    assert "2 test clips" in capsys.readouterr().out
    scored = json.loads((tmp_path / "scored" / "metrics.json").read_text())
    fold = json.loads((whole / "fold_02" / "metrics.json").read_text())
    assert scored["accuracy"] == fold["accuracy"]
    np.testing.assert_allclose(
        read_scores(tmp_path / "scored" / "scores.npz").logits,
        read_scores(whole / "fold_02" / "scores.npz").logits,
        atol=1e-4,
    )
    assert train(tmp_path / "x", "--weights", str(tmp_path / "none.h5"), "--fold", "1") == 2
    assert f"{tmp_path / 'none.h5'}: " in capsys.readouterr().err
    # Without their fold the weights would be scored on clips that trained them.
    shutil.copyfile(weights, tmp_path / "alone.weights.h5")
    assert train(tmp_path / "x", "--weights", str(tmp_path / "alone.weights.h5")) == 2
    assert "--fold" in capsys.readouterr().err
    # In a run's folder they tell it.
    assert train(tmp_path / "x", "--weights", str(weights)) == 0
    assert json.loads((tmp_path / "x" / "metrics.json").read_text())["folds"] == [2]
    before = (whole / "metrics.json").read_bytes()
    assert train(whole, "--weights", str(weights), "--fold", "2") == 2
    assert re.search(f"{whole} .*--out", capsys.readouterr().err)
    assert (whole / "metrics.json").read_bytes() == before


SYNTHETIC = "--dataset synthetic --protocol cs"
FEW = "--cache-dir . --option subjects=1 --option repetitions=1"
# What a user may type, and what the error names.
MISTAKES = {
    "--model stcm9 --dataset ut_kinekt --protocol cs": "'ut_kinect'",
    "--model stcm9 --dataset ut_kinect --protocol loovc": "'loocv'",
    f"--model stcn9 {SYNTHETIC}": "'stcm9'",
    f"--model mine.py:build {SYNTHETIC}": "mine.py",
    f"--model stcm9 {SYNTHETIC} --recipe papers": "'paper'",
    "--model stcm9 --dataset ntu --protocol cs": "S001C001P001R001A001.skeleton",
    "--model stcm9 --dataset ntu --protocol cs --data-dir nowhere": "nowhere: ",
    f"--model stcm9 {SYNTHETIC} --resume --out nowhere": "nowhere: ",
    f"--model stcm9 --dataset synthetic --protocol untrimmed {FEW}": "'untrimmed'",
    f"--model lstm {SYNTHETIC} --attention none": "'attention'",
    f"--model lstm {SYNTHETIC} --ratio 4": "'ratio'",
    f"--model mans9 {SYNTHETIC} --test-copies 8": "recipe.test_copies=8",
    f"--model lstm {SYNTHETIC} --set recipe.test_copies=-1": "recipe.test_copies=-1",
    f"--model mans9 {SYNTHETIC} {FEW} --attention soft": "model.attention=soft",
    f"--model mans9 {SYNTHETIC} --set attention=none": "attention=none",
    f"--model mans9 {SYNTHETIC} --set model.atention=none": "'attention'",
    f"--model mans9 {SYNTHETIC} --set model.ratio=few": "model.ratio=few",
    f"--model mans9 {SYNTHETIC} --set recipe.epoch=3": "'epochs'",
    f"--model mans9 {SYNTHETIC} --set recipe.epochs=few": "recipe.epochs",
    f"--model stcm9 {SYNTHETIC} --out file": "--out",
    "--model stcm9 --dataset ntu --protocol cs --data-dir file": "--data-dir",
    "prepare --dataset synthetic --cache-dir file/cache": "file",
    "prepare --dataset sbu --data-dir . --option unit=m": "'units'",
    "prepare --dataset synthetic --cache-dir . --option sed=1": "'seed'",
    "prepare --dataset synthetic --cache-dir . --option seed=x": "seed=x",
    "prepare --dataset synthetic --cache-dir . --option seed": "NAME=VALUE",
    "prepair --dataset ntu": "'prepare'",
    "report nowhere": "nowhere",
    "info --model mans8": "'mans9'",
    f"--model lstm {SYNTHETIC} --crops x": "'lstm'",
    f"--model pose_i3d {SYNTHETIC}": "crops --dataset synthetic",
    f"--model pose_i3d {SYNTHETIC} --crops x": "crops.csv",
    "crops --dataset sbu --crops x": "'sbu'",
    "crops --dataset ntu --crops x": "S001C001P001R001A001.skeleton",
    "crops --dataset synthetic --crops x --size 33": "--size 33",
}


def test_errors_say_what_to_do(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KERAS_SKELETON_DATA", raising=False)
    (tmp_path / "file").write_text("no folder")
    for arguments, part in MISTAKES.items():
        assert main(arguments.split()) == 2, arguments
        said = [line for line in capsys.readouterr().err.splitlines() if "note: " not in line]
        assert said[0].startswith(f"{program()}: "), (arguments, said)
        assert part in "\n".join(said), (arguments, said)
    assert not (tmp_path / "runs").exists()


def test_flags_of_an_earlier_version_are_settings(monkeypatch, capsys):
    seen = []
    monkeypatch.setattr("keras_skeleton.commands.train.start_keras", lambda *_: None)

    def experiment(args, out):
        seen.append((named_recipe(args), run_name(args)))
        raise UserError("that is enough")

    monkeypatch.setattr("keras_skeleton.commands.train._experiment", experiment)
    for model, old, new in (
        ("mans9", "--attention none", "--set model.attention=none"),
        ("mans9", "--ratio 8", "--set model.ratio=8"),
        ("sta_lstm", "--bidirectional", "--set model.bidirectional=true"),
        ("sta_lstm", "--no-attention-regularizer", "--set model.lambda1=0 --set model.lambda2=0"),
        ("sta_lstm", "--end-to-end", "--set recipe.stages=none"),
        ("csta_cnn", "--test-copies 4", "--set recipe.test_copies=4"),
        ("pose_i3d", "--aggregate sum_0 --crops x", "--set model.aggregate=sum_0 --crops x"),
    ):
        for words in (old, new):
            assert main(["--model", model, *SYNTHETIC.split(), *words.split()]) == 2
            error = capsys.readouterr().err
            assert "that is enough" in error
            assert (new.removesuffix(" --crops x") in error) == (words == old)
        assert seen[-1] == seen[-2], old
        assert seen[-1][0] != get_recipe(model, "synthetic"), old


def test_arguments_out_of_range(capsys):
    for words in ("--seed -1", "--fold 0", "--epochs x"):
        with pytest.raises(SystemExit) as stopped:
            main(["--model", "mans9", *SYNTHETIC.split(), *words.split()])
        assert stopped.value.code == 2
        assert words.split()[0] in capsys.readouterr().err


def test_resume_without_out_takes_the_latest_run(tmp_path):
    base = tmp_path / "runs" / "x"
    assert free_folder(base) == latest_folder(base) == base
    base.mkdir(parents=True)
    assert free_folder(base) == base.with_name("x-2")
    assert latest_folder(base) == base
    base.with_name("x-2").mkdir()
    assert free_folder(base) == base.with_name("x-3")
    assert latest_folder(base) == base.with_name("x-2")


def test_a_damaged_or_incomplete_run_says_what_to_delete(whole, train, tmp_path, capsys):
    broken = tmp_path / "broken"
    shutil.copytree(whole, broken)
    (broken / "fold_02" / "scores.npz").unlink()
    assert train(broken, "--resume") == 2
    assert re.search("fold_02 .*scores.npz", capsys.readouterr().err)
    for text in ("{", "[]", "3"):
        (broken / "run.json").write_text(text)
        assert train(broken, "--resume") == 2
        assert f"{broken / 'run.json'} " in capsys.readouterr().err.replace(": ", " ")


def test_reader_options(tmp_path, capsys):
    options = ["--option", "subjects=2", "--option", "repetitions=1"]
    assert main(["prepare", "--dataset", "synthetic", "--cache-dir", str(tmp_path), *options]) == 0
    out = capsys.readouterr().out
    assert "84 clips" in out
    command = ["prepare", "--dataset", "synthetic", "--cache-dir", str(tmp_path), *options]
    command += ["--option", "clips=untrimmed", "--verify"]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "6 recordings" in out
    assert "untrimmed fold 1/1" in out
    store = Path(out.splitlines()[-1].removeprefix("store: "))
    file = max(store.iterdir(), key=lambda path: path.stat().st_size)
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    assert main(command) == 2
    assert file.name in capsys.readouterr().err


def test_a_fold_without_clips_is_refused_before_training(real_data, tmp_path, capsys):
    one = tmp_path / "ntu"
    one.mkdir()
    name = "S001C001P001R001A001.skeleton"
    (one / name).write_bytes((real_data("ntu") / "nturgb+d_skeletons" / name).read_bytes())
    command = "--model stcm9 --dataset ntu --protocol cs".split()
    where = ["--data-dir", str(one), "--cache-dir", str(tmp_path), "--out", str(tmp_path / "run")]
    assert main([*command, *where]) == 2
    assert re.search("fold 1 of 'cs' on 'ntu' .*test", capsys.readouterr().err)
    assert not (tmp_path / "run").exists()


def test_folds_that_are_not_there(train, tmp_path, capsys):
    assert train(tmp_path / "x", "--fold", "4") == 2
    assert re.search("fold 4.* 1 to 3", capsys.readouterr().err)


def test_prepare_and_list(ut, tmp_path, capsys):
    where = ["--data-dir", str(ut), "--cache-dir", str(tmp_path)]
    assert main(["prepare", "--dataset", "ut_kinect", *where]) == 0
    out = capsys.readouterr().out
    assert "6 clips, 120 frames, 10 classes" in out
    assert "loocv fold 1/3: 2 train, 2 validation, 2 test" in out
    assert "6 found, 199 published" in out
    assert main(["list", "--cache-dir", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert f"prepared: 6 clips from {ut}" in out
    assert "mans_densenet161" in out
    assert "loocv, cs" in out


def test_inspect_draws_a_clip(ut, tmp_path, capsys):
    where = ["--data-dir", str(ut), "--cache-dir", str(tmp_path), "--out", str(tmp_path / "out")]
    command = ["inspect", "--dataset", "ut_kinect", *where]
    assert main([*command, "--clip", "s01_e02_throw"]) == 0
    assert "frames" in capsys.readouterr().out
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["s01_e02_throw.gif", "s01_e02_throw.png"]
    assert main([*command, "--clip", "s01_e02_thrw"]) == 2
    assert "'s01_e02_throw'" in capsys.readouterr().err


def test_prepare_with_a_bad_file(ut, tmp_path, capsys):
    broken = tmp_path / "ut" / "joints"
    broken.mkdir(parents=True)
    for path in (ut / "joints").iterdir():
        (broken / path.name).write_text(path.read_text())
    (broken / "joints_s02_e01.txt").write_text("1 2 3\n")
    where = ["--data-dir", str(tmp_path / "ut"), "--cache-dir", str(tmp_path / "cache")]
    assert main(["prepare", "--dataset", "ut_kinect", *where]) == 0
    out = capsys.readouterr().out
    assert "joints_s02_e01.txt:1: 3 numbers" in out
    assert "4 clips" in out
    assert main(["prepare", "--dataset", "ut_kinect", "--strict", *where]) == 2
    assert "joints_s02_e01.txt:1: 3 numbers" in capsys.readouterr().err


def test_info(capsys):
    assert main(["info", "--model", "mans9"]) == 0
    out = capsys.readouterr().out
    assert "857,781 parameters" in out
    assert re.search(r"384\.2 MFLOPs .*\(B, 50, 50, 3\)", out)


@pytest.mark.slow
def test_info_of_every_other_model(capsys):
    # Three layers of 100, 150 numbers a frame, 60 scores.
    products = 4 * 100 * (150 + 100) + 2 * (4 * 100 * 200) + 100 * 60
    lstm = rf"{2 * 40 * products / 1e6:.1f} MFLOPs .*\(B, 40, 50, 3\)"
    # Two people, two streams.
    a = 30 * 25 * 30 * 3 + 28 * 28 * 64 * 27 + 12 * 12 * 128 * 9 * 64 + 4 * 4 * 256 * 9 * 128
    dense = 2 * 1024 * 256 + 256 * 128 + 128 * 60
    two_stream = rf"{2 * (4 * a + dense) / 1e6:.1f} MFLOPs .*\(B, 40, 2, 25, 3\)"
    expected = {"lstm": lstm, "two_stream_cnn": two_stream}
    for model in [name for name in MODELS if not name.startswith("mans")]:
        assert main(["info", "--model", model, "--frames", "40"]) == 0
        assert re.search(expected.get(model, "MFLOPs"), capsys.readouterr().out), model


def test_info_of_a_model_in_a_file(tmp_path, capsys):
    (tmp_path / "mine.py").write_text(
        "import keras\n"
        "def build(skeleton, classes, frames=None, bodies=1, units=4):\n"
        "    x = keras.Input((frames, bodies * skeleton.size, 3))\n"
        "    y = keras.layers.Reshape((-1, bodies * skeleton.size * 3))(x)\n"
        "    y = keras.layers.LSTM(units)(y)\n"
        "    return keras.Model(x, keras.layers.Dense(classes)(y), name='mine')\n"
    )
    assert main(["info", "--model", f"{tmp_path / 'mine.py'}:build", "--frames", "9"]) == 0
    assert "mine: " in capsys.readouterr().out
    assert main(["info", "--model", f"{tmp_path / 'mine.py'}:biuld"]) == 2
    assert "'biuld'" in capsys.readouterr().err


@pytest.mark.slow
def test_crops_of_recordings(capsys, tmp_path):
    write_recordings(tmp_path / "ntu", 108, 192, 0, [1], [1], [0, 3], [1])
    words = ["crops", "--dataset", "ntu", "--data-dir", str(tmp_path / "ntu"), "--size", "32"]
    words += ["--crops", str(tmp_path / "crops")]
    assert main([*words, "--workers", "2"]) == 0
    out = capsys.readouterr().out
    assert "2 recordings, 0 " in out
    assert "2/2 S001C001P001R001A004" in out
    for track in ("left_hand", "right_hand", "full_body", "full_image"):
        assert len(list((tmp_path / "crops" / track).glob("*.avi"))) == 2
    assert main(words) == 0
    assert "2 recordings, 2 " in capsys.readouterr().out


@pytest.mark.slow
def test_crops_of_the_synthetic_set_render_it_first(capsys, tmp_path, monkeypatch):
    def two_actions(folder, seed, subjects, repetitions):
        return write_recordings(folder, 54, 96, seed, subjects, repetitions, [0, 3], [1])

    monkeypatch.setattr("keras_skeleton.video.synthetic.write_recordings", two_actions)
    words = ["crops", "--dataset", "synthetic", "--crops", str(tmp_path), "--size", "32"]
    words += ["--option", "subjects=2", "--option", "repetitions=1", "--workers", "1"]
    assert main(words) == 0
    assert "4 recordings, 0 " in capsys.readouterr().out
    assert len(list((tmp_path / "right_hand").glob("*.avi"))) == 4


@pytest.mark.slow
def test_the_readmes_first_command_in_short(tmp_path):
    """run.py itself, in a process of its own, on the set that is made here; two epochs only."""
    environment = {**os.environ, "KERAS_SKELETON_CACHE": str(tmp_path / "cache")}
    command = "run.py --model mans9 --dataset synthetic --protocol cs --epochs 2".split()
    command += "--option subjects=4 --option repetitions=1 --out".split()
    done = subprocess.run(
        [sys.executable, *command, str(tmp_path / "run")],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "selected on validation" in done.stdout
    history = pd.read_csv(tmp_path / "run" / "fold_01" / "history.csv")
    assert history["loss"].iloc[1] < history["loss"].iloc[0]
    assert len(list((tmp_path / "run" / "attention").glob("*.png"))) == 6
    shares = pd.read_csv(tmp_path / "run" / "attention.csv")  # known here, as the set is ours
    assert len(shares) == 14
    assert shares["frames"].between(0, 1).all()
    assert "Attention on the action" in (tmp_path / "run" / "report.html").read_text("utf-8")


def test_deterministic_is_switched_on_before_anything_is_built(
    train, tmp_path, monkeypatch, capsys
):
    def switched():
        raise UserError("switched on")

    monkeypatch.setattr("keras_skeleton.training.pipeline.make_deterministic", switched)
    assert train(tmp_path / "a", "--deterministic") == 2
    assert "switched on" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="pipes end otherwise on Windows")
@pytest.mark.parametrize("command", ["list", "zoo"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_nobody_reads_on(command, unbuffered):
    """As with `run.py list | head -1`: no traceback."""
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [sys.executable, ROOT / "run.py", command], stdout=writing, stderr=subprocess.PIPE,
        text=True, timeout=300, env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    )  # fmt: skip
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (1, "")


def test_a_pipe_that_breaks_elsewhere_is_an_error(monkeypatch):
    def broken(words):
        raise BrokenPipeError  # as of a process that trains a fold

    monkeypatch.setattr("keras_skeleton.commands.list.run", broken)
    with pytest.raises(BrokenPipeError):
        main(["list"])
