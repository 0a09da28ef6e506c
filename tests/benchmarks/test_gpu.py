"""The GPU benchmark, rehearsed on the CPU: without TensorFlow, with small sizes."""

import csv
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "benchmarks" / "gpu.py"
BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "tf_keras"):
            raise ModuleNotFoundError(name + " is blocked", name=name)

sys.meta_path.insert(0, Blocked())
"""
pytest.importorskip("jax", reason="the benchmark runs on JAX")


def run_blocked(folder, *command):
    """Runs Python in an environment without TensorFlow."""
    (folder / "sitecustomize.py").write_text(BLOCKED)
    path = os.pathsep.join([str(folder), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": path, "KERAS_BACKEND": "jax"}
    done = subprocess.run(
        [sys.executable, *map(str, command)], env=environment, capture_output=True, text=True
    )
    assert not done.returncode, done.stderr
    return done.stdout


@pytest.mark.slow
def test_one_table_without_tensorflow(tmp_path):
    out = tmp_path / "out"
    sizes = "--seconds 0.02 --batch 2 --frames 8 --budget 36000 --peak-tflops 1 2"
    text = run_blocked(
        tmp_path, SCRIPT, "--models", "sta_lstm", "csta_cnn", *sizes.split(), "--out", out
    )
    rows = json.loads((out / "gpu.json").read_text())["rows"]
    places = [(row["model"], row["what"], row["precision"]) for row in rows]
    assert len(places) == len(set(places)) == 8
    for row in rows:
        assert row["ours"] > 0
        assert 0 < row["peak_percent"] < 100
        assert (row["twin"] is None) == (find_spec("torch") is None)
        assert (row["hours"] is not None) == (row["what"] == "train")
    with (out / "gpu.csv").open() as file:
        assert [row["model"] for row in csv.DictReader(file)] == [row["model"] for row in rows]
    assert text == (out / "gpu.md").read_text()
    assert text.count("\n| sta_lstm |") == 4
    assert ("no twins: PyTorch is not installed" in text) == (find_spec("torch") is None)


OPERATIONS = """
import sys
sys.path.insert(0, "benchmarks")
import gpu
import jax.numpy as np
from keras_skeleton.models.summary import flops

for model, frames in (("sta_lstm", 20), ("csta_cnn", None)):
    net = gpu.network(model, gpu.Sizes(frames=frames))
    kinds = net.trainable_variables, net.non_trainable_variables
    values = [[v.value for v in variables] for variables in kinds]
    x = np.zeros((2, *net.input_shape[1:]))
    call = lambda a, b, x: net.stateless_call(a, b, x, training=False)[0]
    print(gpu.operations(call, *values, x) / flops(net) / 2)
"""


@pytest.mark.slow
def test_operations_of_loops_are_counted_as_often_as_they_run(tmp_path):
    """Beside the products that layers count themselves there are element-wise operations, and
    products that a layer saves."""
    found = [float(line) for line in run_blocked(tmp_path, "-c", OPERATIONS).split()]
    assert found == pytest.approx([1, 1], abs=0.15)


def test_what_does_not_fit_the_budget_is_named(monkeypatch, capsys, tmp_path):
    monkeypatch.syspath_prepend(SCRIPT.parent)
    monkeypatch.setenv("KERAS_BACKEND", os.environ.get("KERAS_BACKEND", "tensorflow"))
    monkeypatch.setitem(sys.modules, "tensorflow", sys.modules.get("tensorflow"))
    import gpu

    def measured(peer, model, sizes, seconds):
        asked.append((model, peer))
        clock[0] += 60
        row = {"what": "train", "memory": 1.0, "tflops": 2.0, "mode": "plain"}
        rates = {"float32": 10.0, "bfloat16": 20.0}
        rows = [{**row, "precision": p, "rate": rate} for p, rate in rates.items()]
        return [{"chip": "NVIDIA L4"}, {"passes": 9}, *rows], ""

    asked, clock = [], [0.0]
    monkeypatch.setattr(gpu, "measured", measured)
    monkeypatch.setattr(gpu, "find_spec", lambda name: name)
    monkeypatch.setattr(gpu.time, "monotonic", lambda: clock[0])
    gpu.main(["--models", "mans9", "csta_cnn", "--budget", "130", "--out", str(tmp_path)])
    assert asked == [("mans9", "ours"), ("mans9", "twin")]
    assert capsys.readouterr().out.count("not measured (--budget)") == 2
    first, second = json.loads((tmp_path / "gpu.json").read_text())["rows"]
    assert first["peak_percent"] == pytest.approx(100 * 2 / 60)
    assert (first["ratio"], second["twin"], first["twin_memory_gb"]) == (1, 20, 1)
    assert first["hours"] == pytest.approx(gpu.CLIPS * 9 / 10 / 3600)
