"""The networks are written in `keras.ops`: every model builds, predicts and gives attention maps on
Keras' JAX and PyTorch backends, too; one of each family trains a step."""

import json
import os
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
import test_contract as contract

from keras_skeleton.models.registry import MODELS

HERE = Path(__file__).resolve().parent
BACKENDS = [
    pytest.param(
        name, marks=pytest.mark.skipif(find_spec(name) is None, reason=f"no {name} is installed")
    )
    for name in ("jax", "torch")
]


@cache
def found(backend):
    """What a process with this backend says of each model: it starts once for all of them."""
    path = os.pathsep.join([*map(str, (HERE.parents[1], HERE.parent)), *sys.path])
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, HERE / "backend_steps.py", *MODELS],
        env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert not done.returncode, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {row["model"]: row for row in rows}


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", MODELS)
def test_predicts_and_shows_attention(name, backend):
    row = found(backend)[name]
    assert not row["failed"], row["failed"]
    assert row["backend"] == backend
    if name in contract.ATTENTION:
        assert set(row["maps"]) == set(contract.ATTENTION[name].split())


ARGUMENTS = {
    "sta_lstm": {"frames": 12, "units": 8, "lambda1": 1e-3, "lambda2": 1e-3},
    "mans9": {"attention": "frame_gate"},
}
STEP = f"""
import numpy as np, keras
from keras_skeleton import attention_maps, build_model
for name, arguments in {ARGUMENTS!r}.items():
    model = build_model(name, classes=5, **arguments)
    x = np.random.default_rng(0).normal(size=(4, *model.input_shape[1:])).astype("float32")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.01), loss)
    assert np.isfinite(model.train_on_batch(x, np.arange(4)))
    assert "frames" in attention_maps(model, x)
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_penalties_of_attention_and_frame_gates(backend):
    path = os.pathsep.join([str(HERE.parents[1]), *sys.path])
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", STEP], check=True, env=environment)
