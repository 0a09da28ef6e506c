"""The networks are written in `keras.ops`: they also train on Keras' JAX backend."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

STEP = """
import numpy as np, keras
from keras_skeleton import attention_maps, build_model
assert keras.backend.backend() == "jax"
random = np.random.default_rng(0)
image = random.normal(size=(4, 50, 50, 3)).astype("float32")
people = random.normal(size=(4, 12, 50, 3)).astype("float32")
clips = people.reshape(4, 12, 2, 25, 3)
for name, x, arguments, shape in (
    ("mans9", image, {"attention": "learned"}, (4, 50, 3)),
    ("mans9", image, {"attention": "frame_gate"}, (4, 50, 3)),
    ("sta_lstm", people, {"frames": 12, "units": 8, "lambda1": 1e-3, "lambda2": 1e-3}, (4, 12)),
    ("csta_cnn", clips, {"frames": 12}, (4, 30)),
):
    model = build_model(name, classes=5, **arguments)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.01), loss)
    assert np.isfinite(model.train_on_batch(x, np.arange(4)))
    assert attention_maps(model, x)["frames"].shape == shape
"""


@pytest.mark.slow
@pytest.mark.skipif(find_spec("jax") is None, reason="jax is not installed")
def test_trains_a_step_on_jax():
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(root)}
    subprocess.run([sys.executable, "-c", STEP], check=True, env=environment)
