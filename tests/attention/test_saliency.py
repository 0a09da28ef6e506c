import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_skeleton.attention.saliency import input_gradient, saliency
from keras_skeleton.models.registry import build_model
from keras_skeleton.utils.errors import UserError


def test_a_linear_networks_gradient_is_its_kernel():
    x = keras.Input((2, 3))
    layer = keras.layers.Dense(4, name="logits")
    model = keras.Model(x, layer(keras.layers.Flatten()(x)))
    batch = np.random.default_rng(0).normal(size=(5, 2, 3)).astype(np.float32)
    predicted = np.asarray(model(batch)).argmax(axis=1)
    kernel = np.asarray(layer.kernel).T.reshape(4, 2, 3)
    np.testing.assert_allclose(input_gradient(model)(batch), kernel[predicted], rtol=1e-6)


@pytest.mark.slow
def test_a_networks_gradient_is_its_difference_quotient():
    model = build_model("sta_lstm", "sbu", 4, frames=6, bodies=1, units=8, dropout=0.9)
    batch = np.random.default_rng(0).normal(size=(2, 6, 15, 3)).astype(np.float32)
    gradient = input_gradient(model)(batch)
    best = np.asarray(model(batch))[0].argmax()
    for place in ((0, 2, 3, 1), (0, 5, 14, 0)):
        low, high = batch.copy(), batch.copy()
        low[place] -= 0.02
        high[place] += 0.02
        above, below = (float(model(b)[0, best]) for b in (high, low))
        assert gradient[place] == pytest.approx((above - below) / 0.04, rel=0.05, abs=1e-4)


def test_saliency_is_what_a_step_to_rest_would_cost():
    gradient, batch = np.zeros((1, 2, 3, 3)), np.ones((1, 2, 3, 3))
    gradient[0, 1, 2] = [1, -2, 0]
    rest = np.full((3, 3), 0.5)
    found = saliency(gradient, batch, rest)
    assert found.shape == (1, 2, 3)
    assert found[0, 1, 2] == 1.5
    assert found.sum() == 1.5
    assert (saliency(gradient, np.broadcast_to(rest, batch.shape), rest) == 0).all()


def test_other_backends_are_refused(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(UserError, match="torch"):
        input_gradient(keras.Sequential())


ON_JAX = """
import keras, numpy as np
from keras_skeleton.attention.saliency import input_gradient
assert keras.backend.backend() == "jax"
x = keras.Input((2, 3))
layer = keras.layers.Dense(4)
model = keras.Model(x, layer(keras.layers.Dropout(0.9)(keras.layers.Flatten()(x))))
batch = np.random.default_rng(0).normal(size=(5, 2, 3)).astype(np.float32)
predicted = np.asarray(model(batch)).argmax(axis=1)
kernel = np.asarray(layer.kernel).T.reshape(4, 2, 3)
np.testing.assert_allclose(input_gradient(model)(batch), kernel[predicted], rtol=1e-5)
"""


@pytest.mark.slow
@pytest.mark.skipif(find_spec("jax") is None, reason="jax is not installed")
def test_the_same_on_jax():
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(root)}
    subprocess.run([sys.executable, "-c", ON_JAX], check=True, env=environment, timeout=300)
