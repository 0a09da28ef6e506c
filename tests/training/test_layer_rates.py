"""Learning rates of single weights, against the formulas of the optimizers in NumPy."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_skeleton.training.layer_rates import with_rates

RATE, FACTORS = 0.1, (0.1, 1.0)


def gradients(steps):
    """Of two weights, (2,) and (3,), at each step."""
    rng = np.random.default_rng(0)
    return [[rng.normal(size=n).astype("float32") for n in (2, 3)] for _ in range(steps)]


def clipped(gradient, norm):
    """Keras' `clipnorm`: each gradient has at most this norm."""
    length = np.linalg.norm(gradient)
    return gradient if norm is None or length <= norm else gradient * norm / length


def sgd(w, given, rate, momentum=0.0, nesterov=False, clipnorm=None):
    v = np.zeros_like(w)
    for gradient in given:
        g = clipped(gradient, clipnorm)
        v = momentum * v - rate * g
        w = w + (momentum * v - rate * g if nesterov else v)
    return w


def adam(w, given, rate, clipnorm=None, b1=0.9, b2=0.999, epsilon=1e-7):
    m, v = np.zeros_like(w), np.zeros_like(w)
    for t, gradient in enumerate(given, 1):
        g = clipped(gradient, clipnorm)
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        w = w - rate * np.sqrt(1 - b2**t) / (1 - b1**t) * m / (np.sqrt(v) + epsilon)
    return w


OPTIMIZERS = {
    "sgd": (lambda: keras.optimizers.SGD(RATE), sgd, {}),
    "momentum": (lambda: keras.optimizers.SGD(RATE, momentum=0.9), sgd, {"momentum": 0.9}),
    "nesterov": (
        lambda: keras.optimizers.SGD(RATE, momentum=0.9, nesterov=True, clipnorm=0.8),
        sgd,
        {"momentum": 0.9, "nesterov": True, "clipnorm": 0.8},
    ),
    "adam": (lambda: keras.optimizers.Adam(RATE, clipnorm=0.5), adam, {"clipnorm": 0.5}),
}


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_are_those_of_the_formula(name, steps):
    make, formula, arguments = OPTIMIZERS[name]
    start = [np.ones(2, "f"), np.full(3, -2, "f")]
    weights = [keras.Variable(w) for w in start]
    optimizer = with_rates(make(), FACTORS)
    given = gradients(steps)
    for g in given:
        optimizer.apply([keras.ops.convert_to_tensor(x) for x in g], weights)
    for k, factor in enumerate(FACTORS):
        wanted = formula(start[k], [g[k] for g in given], RATE * factor, **arguments)
        np.testing.assert_allclose(weights[k], wanted, rtol=2e-5)


def test_a_rate_that_falls_falls_for_all():
    weights = [keras.Variable(np.zeros(1, "f")) for _ in FACTORS]
    optimizer = with_rates(keras.optimizers.SGD(1.0), FACTORS)
    one = [keras.ops.ones(1) for _ in FACTORS]
    optimizer.apply(one, weights)
    optimizer.learning_rate = 0.5
    optimizer.apply(one, weights)
    np.testing.assert_allclose(np.ravel(weights), [-0.15, -1.5], rtol=1e-6)


def test_equal_rates_leave_the_optimizer_as_it_is():
    optimizer = keras.optimizers.SGD(0.1)
    assert with_rates(optimizer, [1.0, 1, 1.0]) is optimizer
    assert with_rates(optimizer, []) is optimizer


def test_it_has_the_variables_and_settings_of_its_kind():
    own, plain = (with_rates(OPTIMIZERS["adam"][0](), f) for f in (FACTORS, (1, 1)))
    settings = [{**o.get_config(), "name": ""} for o in (own, plain)]
    assert settings[0] == settings[1]
    assert isinstance(own, keras.optimizers.Adam)
    for optimizer in (own, plain):
        optimizer.build([keras.Variable(np.zeros(n)) for n in (2, 3)])
    assert [v.shape for v in own.variables] == [v.shape for v in plain.variables]
    assert own.clipnorm == 0.5


@pytest.mark.parametrize("jit", [False, True])
def test_compiled_training_makes_the_same_steps(jit):
    """Two dense layers, one of them slow; SGD with momentum by hand from Keras' gradients."""
    x = np.random.default_rng(1).normal(size=(8, 3)).astype("float32")
    y = np.random.default_rng(2).normal(size=(8, 1)).astype("float32")

    def model():
        keras.utils.set_random_seed(0)
        return keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, use_bias=False),
                                 keras.layers.Dense(1, use_bias=False)])  # fmt: skip

    trained = model()
    optimizer = with_rates(keras.optimizers.SGD(RATE, momentum=0.9), FACTORS)
    trained.compile(optimizer, "mse", jit_compile=jit)
    a, b = (w.copy() for w in model().get_weights())
    va = vb = 0.0
    for _ in range(3):
        trained.train_on_batch(x, y)
        error = 2 * (x @ a @ b - y) / len(x)
        ga, gb = x.T @ error @ b.T, (x @ a).T @ error
        va, vb = 0.9 * va - RATE * FACTORS[0] * ga, 0.9 * vb - RATE * FACTORS[1] * gb
        a, b = a + va, b + vb
    for found, wanted in zip(trained.get_weights(), (a, b), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)


STEP = """
import numpy as np, keras
from keras_skeleton.training.layer_rates import with_rates
assert keras.backend.backend() == "jax"
x = np.random.default_rng(1).normal(size=(8, 3)).astype("float32")
layers = [keras.layers.Dense(n, use_bias=False) for n in (4, 1)]
model = keras.Sequential([keras.Input((3,)), *layers])
a, b = model.get_weights()
model.compile(with_rates(keras.optimizers.SGD(0.1), (0.1, 1.0)), "mse")
model.train_on_batch(x, np.zeros((8, 1)))
error = 2 * (x @ a @ b) / 8
wanted = a - 0.01 * x.T @ error @ b.T, b - 0.1 * (x @ a).T @ error
for found, own in zip(model.get_weights(), wanted):
    np.testing.assert_allclose(found, own, rtol=1e-4, atol=1e-6)
"""


@pytest.mark.slow
@pytest.mark.skipif(find_spec("jax") is None, reason="jax is not installed")
def test_a_step_on_jax():
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(root)}
    subprocess.run([sys.executable, "-c", STEP], check=True, env=environment)
