import keras
import numpy as np
from layer_contract import check_layer

from keras_skeleton.layers.gated_labels import GatedLabels

RNG = np.random.default_rng(0)
Z = RNG.normal(size=(2, 6, 3)).astype("float32")
BETA = RNG.uniform(0.1, 0.9, (2, 6)).astype("float32")


def test_contract():
    check_layer(GatedLabels, inputs=(Z, BETA), shape=(2, 6, 4), dtype="float32")


def test_the_gate_is_the_probability_of_an_action():
    found = np.exp(np.asarray(GatedLabels()(Z, BETA)))
    np.testing.assert_allclose(found.sum(axis=-1), 1, rtol=1e-5)
    np.testing.assert_allclose(found[..., :3].sum(axis=-1), BETA, rtol=1e-5)
    share = np.exp(Z) / np.exp(Z).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(found[..., :3], BETA[..., None] * share, rtol=1e-5)


def test_its_cross_entropy_is_that_of_gate_and_classes():
    labels = np.array([0, 1, 2, 3, 3, 0])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="none")
    found = np.asarray(loss(labels[None], GatedLabels()(Z[:1], BETA[:1])))[0]
    share = np.exp(Z[0]) / np.exp(Z[0]).sum(axis=-1, keepdims=True)
    for t, label in enumerate(labels):
        own = 1 - BETA[0, t] if label == 3 else BETA[0, t] * share[t, label]
        np.testing.assert_allclose(found[t], -np.log(own), rtol=1e-4)


def test_a_closed_gate_has_a_finite_loss():
    found = np.asarray(GatedLabels()(Z, np.round(BETA)))
    assert np.isfinite(found).all()
