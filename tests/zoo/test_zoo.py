"""From a run to an entry and back: weights come out of the zoo with the recorded accuracy."""

import json
import re
import shutil

import h5py
import numpy as np
import pytest

from keras_skeleton.cli import main
from keras_skeleton.commands.export import FORMATS
from keras_skeleton.deploy.export import SUFFIXES
from keras_skeleton.zoo import add, halve
from keras_skeleton.zoo.entries import ZOO, ZooError, checked_files, read_zoo
from keras_skeleton.zoo.load import experiment_of, recipe_of
from keras_skeleton.zoo.page import readme
from keras_skeleton.zoo.recognizers import pretrained

SMALL = ["--option", "subjects=4", "--option", "repetitions=1"]


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A short run on synthetic clips, and a zoo with it."""
    root = tmp_path_factory.mktemp("zoo")
    cache = ["--cache-dir", str(root / "cache")]
    words = "--model stcm9 --dataset synthetic --protocol cs --epochs 1 --seed 5 --batch-size 20"
    assert main([*words.split(), *SMALL, *cache, "--out", str(root / "run")]) == 0
    add = ["zoo", "--add", str(root / "run"), *SMALL, *cache, "--zoo", str(root / "zoo")]
    assert main(add) == 0
    return root


@pytest.mark.slow
def test_an_entry_records_everything(work):
    (entry,) = read_zoo(work / "zoo")
    assert entry.name == "stcm9_synthetic_cs_seed5"
    metrics = json.loads((work / "run/fold_01/metrics.json").read_text())
    assert entry.figures == {key: metrics[key] for key in entry.figures}
    assert entry.test_clips == metrics["clips"]["test"]
    assert entry.options["subjects"] == 4
    assert entry.command == json.loads((work / "run/run.json").read_text())["command"]
    assert (entry.dataset, entry.protocol, entry.fold, entry.seed) == ("synthetic", "cs", 1, 5)
    assert len(entry.classes) == 14
    assert set(entry.versions) >= {"keras", "tensorflow", "numpy", "python"}
    assert (work / "zoo/README.md").read_text() == readme([entry], work / "zoo")


@pytest.mark.slow
def test_it_is_scored_again_as_recorded_and_says_where_not(work, tmp_path, capsys):
    words = ["zoo", "--check", "--cache-dir", str(work / "cache"), "--zoo"]
    assert main([*words, str(work / "zoo")]) == 0
    assert "1 as recorded; 0 differs" in capsys.readouterr().out
    shutil.copytree(work / "zoo", tmp_path / "zoo")
    text = (tmp_path / "zoo/zoo.json").read_text()
    entry = json.loads(text)["entries"][0]
    wrong = text.replace(f'"accuracy": {entry["figures"]["accuracy"]}', '"accuracy": 0.999')
    (tmp_path / "zoo/zoo.json").write_text(wrong)
    assert main([*words, str(tmp_path / "zoo")]) == 2
    out = capsys.readouterr()
    assert re.search(r"DIFFERS +stcm9_synthetic_cs_seed5: accuracy", out.out)
    assert out.err
    assert main([*words, str(tmp_path / "zoo"), "--name", "stcm"]) == 2
    assert "'stcm'" in capsys.readouterr().err


@pytest.mark.slow
def test_a_network_comes_ready_to_use(work):
    recognizer = pretrained("stcm9", "synthetic", "cs", folder=work / "zoo")
    logits = recognizer.model.predict(np.zeros((2, 50, 50, 3)), verbose=0)
    assert logits.shape == (2, len(recognizer.classes))
    assert recognizer.about["protocol"] == "cs"
    assert recognizer.calibration.clips > 0


@pytest.mark.slow
def test_another_dataset_is_refused(work, toy, tmp_path):
    (entry,) = read_zoo(work / "zoo")
    with pytest.raises(ZooError, match="synthetic .*14 classes.* 3 classes"):
        experiment_of(entry, toy, tmp_path, "")


@pytest.mark.slow
def test_only_runs_that_score_again_are_taken_in(work, tmp_path, capsys):
    shutil.copytree(work / "run", tmp_path / "run")
    metrics = tmp_path / "run/fold_01/metrics.json"
    content = json.loads(metrics.read_text())
    metrics.write_text(json.dumps({**content, "accuracy": 0.999}))
    words = ["zoo", *SMALL, "--cache-dir", str(work / "cache"), "--zoo", str(tmp_path / "zoo")]
    assert main([*words, "--add", str(tmp_path / "run")]) == 2
    assert str(tmp_path / "run") in capsys.readouterr().err
    assert not list((tmp_path / "zoo").iterdir())
    shutil.copytree(work / "zoo", tmp_path / "kept")  # nor is an entry of the same name harmed
    assert main([*words[:-1], str(tmp_path / "kept"), "--add", str(tmp_path / "run")]) == 2
    assert str(tmp_path / "run") in capsys.readouterr().err
    checked_files(*read_zoo(tmp_path / "kept"), tmp_path / "kept")
    assert not list((tmp_path / "kept").glob(".adding*"))
    metrics.unlink()
    assert main([*words, "--add", str(tmp_path / "run")]) == 2
    assert str(metrics) in capsys.readouterr().err
    assert main([*words, "--add", str(tmp_path)]) == 2
    assert str(tmp_path / "run.json") in capsys.readouterr().err
    assert main([*words, "--add", str(work / "run"), "--part", "ta_lstm"]) == 2
    error = capsys.readouterr().err
    assert "'ta_lstm'" in error
    assert "'stcm9'" in error


@pytest.mark.slow
def test_a_model_of_ones_own_is_refused(work, toy, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(work / "run", run)
    about = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(about | {"model": "mine.py:build"}))
    with pytest.raises(ZooError, match="models of the package"):
        add.add_run(run, toy, tmp_path / "scratch", folder=tmp_path / "zoo")
    assert not (tmp_path / "zoo").exists()


@pytest.mark.slow
def test_a_network_of_a_part_of_a_dataset_is_named_so(work, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(work / "run", run)
    about = json.loads((run / "run.json").read_text())
    few = {"not_published": ["usable clips: 2 found, 9 published"]}
    (run / "run.json").write_text(json.dumps(about | few))
    words = ["zoo", *SMALL, "--cache-dir", str(work / "cache"), "--add", str(run)]
    assert main([*words, "--zoo", str(tmp_path / "zoo")]) == 0
    (entry,) = read_zoo(tmp_path / "zoo")
    assert entry.name == "stcm9_synthetic_part_cs_seed5"
    assert "part of the dataset (usable clips: 2 found, 9 published)" in entry.note


@pytest.mark.slow
def test_large_files_are_kept_in_half_precision_or_refused(work, tmp_path, capsys, monkeypatch):
    words = ["zoo", *SMALL, "--cache-dir", str(work / "cache"), "--add", str(work / "run")]
    whole, _ = checked_files(*read_zoo(work / "zoo"), work / "zoo")
    monkeypatch.setattr(add, "LARGEST", whole.stat().st_size * 2 // 3)
    assert main([*words, "--zoo", str(tmp_path / "zoo")]) == 0
    (entry,) = read_zoo(tmp_path / "zoo")
    assert "half precision" in entry.note
    network = pretrained("stcm9", "synthetic", "cs", folder=tmp_path / "zoo").model
    exact = pretrained("stcm9", "synthetic", "cs", folder=work / "zoo").model
    for half, full in zip(network.get_weights(), exact.get_weights(), strict=True):
        np.testing.assert_array_equal(half, full.astype(np.float16).astype(full.dtype))
    monkeypatch.setattr(add, "LARGEST", whole.stat().st_size // 3)
    assert main([*words, "--zoo", str(tmp_path / "none")]) == 2
    assert "stcm9_synthetic_cs_seed5.weights.h5" in capsys.readouterr().err
    assert not list((tmp_path / "none").iterdir())


@pytest.mark.slow
def test_an_entry_is_halved_if_no_answer_changes(work, tmp_path, capsys, monkeypatch):
    zoo = shutil.copytree(work / "zoo", tmp_path / "zoo")
    (entry,) = read_zoo(zoo)
    words = ["zoo", "--cache-dir", str(work / "cache"), "--zoo", str(zoo), "--name", entry.name]

    def changed(path):
        with h5py.File(path, "r+") as file:
            file.visititems(lambda _, item: item.write_direct(np.zeros(item.shape, item.dtype))
                            if isinstance(item, h5py.Dataset) else None)  # fmt: skip

    with monkeypatch.context() as context:
        context.setattr(halve, "halve", changed)
        assert main([*words, "--halve"]) == 2
    assert entry.name in capsys.readouterr().err
    assert read_zoo(zoo) == [entry]
    before = checked_files(entry, zoo)[0].stat().st_size
    assert main([*words, "--halve"]) == 0
    (halved,) = read_zoo(zoo)
    assert halved.figures == entry.figures
    assert "half precision" in halved.note
    assert checked_files(halved, zoo)[0].stat().st_size < 0.6 * before
    assert set(halved.files) == set(entry.files)
    assert (zoo / "cards" / f"{entry.name}.md").is_file()
    assert not list(zoo.glob(".halving*"))
    assert main([*words, "--check"]) == 0
    assert main([*words, "--halve"]) == 2  # already is


@pytest.mark.slow
def test_a_run_is_exported_and_compared_on_its_test_clips(work, tmp_path, capsys):
    words = (
        "export --model stcm9 --dataset synthetic --protocol cs --format litert --clips 3".split()
    )
    words += [*SMALL, "--cache-dir", str(work / "cache"), "--out", str(tmp_path / "net.tflite")]
    assert main([*words, "--weights", str(work / "run")]) == 0
    out = capsys.readouterr().out
    assert "3 test clips of synthetic, cs" in out
    about = json.loads((tmp_path / "net.tflite.json").read_text())
    assert about["inputs"] == {"skeleton_image": [None, 50, 50, 3]}
    assert (about["clips_compared"], about["same_class"], len(about["classes"])) == (3, 3, 14)
    assert about["largest_difference"] < 1e-4
    for wrong, message in [
        (["--weights", str(work / "run")], f"{tmp_path / 'net.tflite'} already exists"),
        (["--weights", str(tmp_path), "--out", str(tmp_path / "b")], str(tmp_path)),
        (["--weights", "x", "--format", "lite"], "Did you mean 'litert'"),
        (["--weights", "pretrained", "--protocol", "cv"], "'stcm9' on synthetic, cv"),
    ]:
        assert main([*words, *wrong]) == 2
        assert message in capsys.readouterr().err
    assert FORMATS == SUFFIXES


def test_networks_of_any_length_are_scored_on_clips_as_they_were_trained():
    """Recipes subsample what is longer; the network itself takes any length."""
    (entry,) = [e for e in read_zoo() if e.name == "lstm_nucla_cv"]
    assert recipe_of(entry).frames == entry.frames == 100  # clips there have up to 201
    network = pretrained("lstm", "nucla", "cv").model
    assert network.input_shape == (None, None, 20, 3)


# ---------------------------------------------------------------- the project's own zoo


def test_our_zoo_is_whole_and_small():
    entries = read_zoo()
    assert len(entries) >= 15
    files = [path for entry in entries for path in checked_files(entry)]
    own = {path for path in ZOO.rglob("*") if path.is_file()} - {
        ZOO / "zoo.json",
        ZOO / "README.md",
        ZOO / "swaps.json",
        *(ZOO / "cards").iterdir(),  # see test_cards.py
    }
    assert set(files) == own
    assert max(path.stat().st_size for path in files) < 10e6
    assert sum(path.stat().st_size for path in files) < 60e6
    assert (ZOO / "README.md").read_text("utf-8") == readme(entries)


SMALL_ENTRIES = ["lstm_ut_kinect_cs", "csta_cnn_ut_kinect_cs", "mans9_ut_kinect_cs"]


@pytest.mark.slow
def test_our_small_entries_come_out_as_recorded(real_data, tmp_path, capsys):
    names = [word for name in SMALL_ENTRIES for word in ("--name", name)]
    words = ["zoo", "--check", "--data-dir", str(real_data("ut_kinect").parent),
             "--cache-dir", str(tmp_path), *names]  # fmt: skip
    assert main(words) == 0
    assert "3 as recorded; 0 differs" in capsys.readouterr().out


def test_weights_pretrained(real_data, tmp_path, capsys):
    words = f"--model csta_cnn --dataset ut_kinect --protocol cs --weights pretrained --data-dir \
        {real_data('ut_kinect')} --cache-dir {tmp_path}".split()
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    (entry,) = [e for e in read_zoo() if e.name == "csta_cnn_ut_kinect_cs"]
    accuracy = entry.figures["accuracy"]
    assert re.search(f"{100 * accuracy:.2f} %.* 99 test clips", out)
    assert "fold 1 of 1: accuracy" in out
    assert "as recorded" in out
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    assert metrics["accuracy"] == accuracy
    assert main([*words, "--attention", "none", "--model", "mans9"]) == 2
    assert "--attention" in capsys.readouterr().err
    assert main([*words, "--recipe", "released"]) == 2
    assert "'csta_cnn' on ut_kinect, cs, recipe 'released'" in capsys.readouterr().err
