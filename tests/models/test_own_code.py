"""Code that only a record names is not run."""

import json

import own_data
import pytest

from keras_skeleton import cli
from keras_skeleton.models import own_code
from keras_skeleton.models.own_code import OwnCodeError, allow, recorded_model
from keras_skeleton.models.registry import check_model
from keras_skeleton.recognizer import Recognizer

CODE = """
from pathlib import Path

Path(__file__).with_name("ran").touch()


def build(skeleton, classes, frames=None, bodies=1):
    import keras

    x = keras.Input((frames, bodies * skeleton.size, 3), name="skeleton")
    h = keras.layers.GlobalAveragePooling1D()(keras.layers.Reshape((-1, bodies * 75))(x))
    return keras.Model(x, keras.layers.Dense(classes, name="logits")(h))
"""


@pytest.fixture
def evil(tmp_path, monkeypatch):
    """The name of a model in a file that nobody has named."""
    monkeypatch.setenv("KERAS_SKELETON_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(own_code, "_known", set())
    (tmp_path / "evil.py").write_text(CODE)
    return f"{tmp_path / 'evil.py'}:build"


def run_folder(tmp_path, model):
    about = {
        "model": model, "dataset": "folder", "protocol": "all", "recipe": "paper", "seed": 0,
        "classes": ["a", "b"], "folds_total": 1, "skeleton": "kinect_v2", "bodies": 1,
        "options": {},
        "settings": {"model": {}, "frames": None, "views": 1, "batch_size": 1, "dataset": {},
                     "preprocessing": {}},
    }  # fmt: skip
    (tmp_path / "run" / "fold_01").mkdir(parents=True)
    (tmp_path / "run" / "run.json").write_text(json.dumps(about))
    (tmp_path / "run" / "fold_01" / "best.weights.h5").write_bytes(b"")
    return str(tmp_path / "run")


def test_a_named_file_is_known_until_it_changes(evil, tmp_path, monkeypatch):
    assert recorded_model("mans9") == "mans9"
    with pytest.raises(OwnCodeError, match=r"evil\.py.*info --model"):
        recorded_model(evil)
    assert check_model(evil) == evil  # a user has named it
    assert recorded_model(evil) == evil
    monkeypatch.setattr(own_code, "_known", set())  # another process
    assert recorded_model(evil) == evil
    (tmp_path / "evil.py").write_text(CODE + "\n# changed\n")
    with pytest.raises(OwnCodeError, match="changed"):
        recorded_model(evil)
    assert not (tmp_path / "ran").exists()


def test_a_damaged_list_of_files_knows_none(evil, tmp_path, monkeypatch):
    allow(evil)
    monkeypatch.setattr(own_code, "_known", set())
    (tmp_path / "cache" / "own_models.json").write_text('{"sha256": 5}')
    with pytest.raises(OwnCodeError):
        recorded_model(evil)
    for name in (["x"], None, {"a": 1}):
        with pytest.raises(OwnCodeError, match="no name"):
            recorded_model(name)


@pytest.mark.parametrize(
    "command",
    [
        "predict {clip} --weights {run}",
        "predict {clip} --weights {run}/fold_01/best.weights.h5",
        "attention --weights {run}",
        "attention --score --runs {run} --out {out}",
        "train --init-weights {run} --dataset folder --data-dir {data}",
        "train --weights {run} --dataset folder --data-dir {data}",
        "export --weights {run} --out {out}",
        "zoo --add {run} --data-dir {data} --zoo {out}",
        "predict {clip} --weights {saved}",
        "train --init-weights {saved} --dataset folder --data-dir {data}",
    ],
)
def test_no_command_runs_it(evil, tmp_path, capsys, command):
    data = tmp_path / "data"
    lines = [f"{i}.npy,{'ab'[i % 2]},{i // 2}" for i in range(6)]
    own_data.write(data, ["file,label,subject", *lines])
    places = {"clip": data / "0.npy", "run": run_folder(tmp_path, evil), "data": data,
              "out": tmp_path / "out", "saved": _saved(tmp_path, evil)}  # fmt: skip
    assert cli.main(command.format(**places).split()) == 2
    assert "evil.py" in capsys.readouterr().err
    assert not (tmp_path / "ran").exists()


def test_a_saved_folder_does_not_run_it(evil, tmp_path):
    with pytest.raises(OwnCodeError):
        Recognizer.load(_saved(tmp_path, evil))
    assert not (tmp_path / "ran").exists()


def _saved(tmp_path, model):
    layout = {"model": model, "skeleton": "kinect_v2", "bodies": 1, "frames": None, "choices": {},
              "unit": "m"}  # fmt: skip
    content = {"name": "x", "classes": ["a", "b"], "arguments": {}, "preprocessing": layout,
               "about": {}}  # fmt: skip
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "recognizer.json").write_text(json.dumps(content))
    return tmp_path / "saved"
