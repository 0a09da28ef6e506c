"""Eqs. 1 to 3 of CSTA-CNN against NumPy."""

import keras
import numpy as np
import pytest
from layer_contract import check_layer

from keras_skeleton.layers.coupled_attention import (
    Attend,
    CoupledAttention,
    FrameScores,
    JointScores,
)

B, T, M, V = 4, 6, 2, 5


def clips(seed=0):
    return np.random.default_rng(seed).normal(size=(B, T, M, V, 3)).astype("float32")


def test_joint_scores_are_equation_1():
    x, layer = clips(), JointScores()
    found = np.asarray(layer(x))
    w, b = (np.asarray(v) for v in layer.weights)
    assert w.size == 3 * T
    assert b.size == V
    for i in range(V):  # y_i has 3T numbers; the weights are the same for every joint
        for m in range(M):
            y = x[:, :, m, i].reshape(B, 3 * T)
            np.testing.assert_allclose(found[:, m, i], np.tanh(y @ w.ravel() + b[i]), atol=1e-5)


def test_frame_scores_are_the_same_over_frames():
    x, layer = clips(), FrameScores(bias="shared")
    found = np.asarray(layer(x))
    w, b = (np.asarray(v) for v in layer.weights)
    assert w.size == 3 * V
    assert b.size == 1
    for t in range(T):
        for m in range(M):
            z = x[:, t, m].reshape(B, 3 * V)
            np.testing.assert_allclose(found[:, m, t], np.tanh(z @ w.ravel() + b), atol=1e-5)


def test_the_papers_167_weights_a_stream():
    x = np.zeros((1, 30, 1, 25, 3), "float32")
    layers = [JointScores(bias="shared"), FrameScores(bias="shared")]
    for layer in layers:
        layer(x)
    assert sum(layer.count_params() for layer in layers) == 90 + 1 + 75 + 1


def test_coupling_is_the_outer_product_for_all_coordinates():
    x = clips()
    s, t = np.asarray(JointScores()(x)), np.asarray(FrameScores()(x))
    m = np.asarray(CoupledAttention()(t, s))
    assert m.shape == (B, T, M, V)
    for b in range(B):
        for person in range(M):
            np.testing.assert_allclose(
                m[b, :, person], np.outer(t[b, person], s[b, person]), atol=1e-6
            )
    np.testing.assert_allclose(Attend()(x, m), x * m[..., None], atol=1e-6)
    np.testing.assert_allclose(Attend("bmv")(x, s), x * s[:, None, :, :, None], atol=1e-6)
    frames = np.transpose(t, (0, 2, 1))[..., None, None]
    np.testing.assert_allclose(Attend("bmt")(x, t), x * frames, atol=1e-6)


def test_they_are_layers():
    x = clips()
    s, t = x[:, 0, :, :, 0], x[:, :, :, 0, 0].transpose(0, 2, 1)
    check_layer(JointScores, inputs=x, shape=(B, M, V), weights=3 * T + V, flops=2 * M * V * 3 * T)
    check_layer(
        FrameScores, {"activation": "linear", "bias": "shared"}, inputs=x, shape=(B, M, T),
        weights=3 * V + 1, flops=2 * M * T * 3 * V,
    )  # fmt: skip
    check_layer(CoupledAttention, inputs=(t, s), shape=(B, T, M, V), ranks=False)
    check_layer(Attend, {"axes": "bmv"}, inputs=(x, s), shape=x.shape, ranks=False)


def test_wrong_shapes_and_choices_are_refused():
    with pytest.raises(ValueError, match=r"with known T, V and C"):
        FrameScores()(keras.Input((None, M, V, 3)))
    with pytest.raises(ValueError, match="bias='none' is unknown"):
        JointScores(bias="none")
    with pytest.raises(ValueError, match="axes='bvm'"):
        Attend("bvm")
