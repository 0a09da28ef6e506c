"""The command export: where it writes, and what it refuses."""

import json

import pytest

from keras_skeleton.cli import main
from keras_skeleton.datasets.registry import load_dataset
from keras_skeleton.models.registry import build_model

WORDS = "export --model lstm --dataset synthetic --protocol cs --clips 2".split()
SMALL = "--option subjects=4 --option repetitions=1 --set model.units=6".split()


@pytest.mark.slow
def test_an_export_has_a_folder_of_its_own(tmp_path, monkeypatch, capsys):
    for package in ("tf2onnx", "onnx", "onnxruntime"):
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    dataset = load_dataset("synthetic", subjects=4, repetitions=1, cache_dir=tmp_path / "cache")
    bodies = dataset.max_bodies
    network = build_model("lstm", dataset.skeleton, len(dataset.classes), units=6, bodies=bodies)
    (tmp_path / "fold").mkdir()
    network.save_weights("fold/best.weights.h5")
    words = [*WORDS, *SMALL, "--cache-dir", "cache", "--weights", "fold/best.weights.h5"]
    assert main([*words, "--format", "onnx"]) == 0
    assert "predict.py" in capsys.readouterr().out
    (folder,) = (tmp_path / "exports").iterdir()
    assert sorted(path.name for path in folder.iterdir()) == [
        "model.onnx", "model.onnx.json", "predict.py",
    ]  # fmt: skip
    about = json.loads((folder / "model.onnx.json").read_text())
    assert (about["model"], about["weights"]) == ("lstm", "fold/best.weights.h5")
    assert about["classes"] == list(dataset.classes)
    assert about["joints"] == list(dataset.skeleton.joints)
    assert about["clips_compared"] == about["same_class"] == 2
    assert about["preprocessing"]["coordinates"]
    assert (about["outputs"], about["temperature"]) == ("logits", 1)  # without a calibration
    assert main([*words, "--format", "onnx"]) == 2
    assert "model.onnx already exists" in capsys.readouterr().err


def test_tfjs_names_the_way_out(capsys):
    assert main([*WORDS, "--weights", "x", "--format", "tfjs"]) == 2
    error = capsys.readouterr().err
    assert "tensorflowjs" in error
    assert "onnx" in error
