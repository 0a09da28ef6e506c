"""What a run leaves can be given away: no absolute path, no name of a host."""

import json
import socket
import sys

import pytest

from keras_skeleton.evaluation.run_record import command_line, open_run
from keras_skeleton.training.tensorboard import ScalarLog


def test_the_record_has_no_absolute_path(tmp_path, monkeypatch):
    data, run = tmp_path / "sets" / "own", tmp_path / "runs" / "1"
    data.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    outside = tmp_path.parent / "somebody" / "cache"
    words = ["run.py", "train", "--data-dir", str(data), f"--out={run}", "--set", "model.units=4"]
    words += ["--cache-dir", str(outside)]
    monkeypatch.setattr(sys, "argv", words)
    open_run(run, {"command": command_line(), "data_dir": str(data), "seed": 0}, [], False)
    text = (run / "run.json").read_text()
    assert str(tmp_path) not in text
    assert "somebody" not in text
    about = json.loads(text)
    assert (run / about["data_dir"]).resolve() == data.resolve()
    assert about["command"].endswith(
        "python run.py train --data-dir sets/own --out=runs/1 --set model.units=4 "
        "--cache-dir PATH/cache"
    )


def test_event_files_have_no_name_of_the_host(tmp_path):
    tf = pytest.importorskip("tensorflow")
    with ScalarLog(tmp_path / "tensorboard") as log:
        log.write(1, loss=0.5, accuracy=0.25)
        log.write(2, loss=0.25)
    (path,) = (tmp_path / "tensorboard").iterdir()
    assert "tfevents" in path.name
    host = socket.gethostname()
    assert host not in path.name
    assert host.encode() not in path.read_bytes()
    first, *events = [
        tf.compat.v1.Event.FromString(record.numpy())
        for record in tf.data.TFRecordDataset(str(path))
    ]
    assert first.file_version == "brain.Event:2"
    found = [
        (event.step, value.tag, float(tf.make_ndarray(value.tensor)))
        for event in events
        for value in event.summary.value
    ]
    assert found == [(1, "loss", 0.5), (1, "accuracy", 0.25), (2, "loss", 0.25)]
    assert all(
        value.metadata.plugin_data.plugin_name == "scalars"
        for event in events
        for value in event.summary.value
    )
