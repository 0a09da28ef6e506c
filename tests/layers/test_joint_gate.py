import keras
import numpy as np
import pytest
from layer_contract import check_layer

from keras_skeleton.layers.attention_penalties import EqualJointAttention
from keras_skeleton.layers.joint_gate import JointGate

B, T, K, H, U = 2, 6, 4, 5, 3


def inputs(seed=0, length=B):
    return np.random.default_rng(seed).normal(size=(length, T, K, 3)).astype("float32")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_states(x, w, u, b):
    """h(t) of an LSTM over x (T, D), from its equations; gates i, f, c, o side by side."""
    h, c, states = np.zeros(H), np.zeros(H), []
    for x_t in x:
        i, f, g, o = np.split(x_t @ w + h @ u + b, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        states.append(h)
    return np.array(states)


def test_against_equations_2_and_3():
    layer = JointGate(H, hidden=U)
    x = inputs()
    out = np.asarray(layer(x))
    assert out.shape == (B, T, K) == layer.compute_output_shape(x.shape)
    D = 3 * K
    assert layer.count_params() == 4 * (D * H + H * H + H) + D * U + U + H * U + U * K + K
    w, u, b, w_x, b_s, w_h, u_s, b_us = (np.asarray(v) for v in layer.get_weights())
    for clip in range(B):
        flat = x[clip].reshape(T, D)
        before = np.vstack([np.zeros(H), lstm_states(flat, w, u, b)[:-1]])  # h(t - 1)
        s = np.tanh(flat @ w_x + before @ w_h + b_s) @ u_s + b_us  # Eq. 2
        alpha = np.exp(s) / np.exp(s).sum(axis=1, keepdims=True)  # Eq. 3
        np.testing.assert_allclose(out[clip], alpha, atol=1e-5)


def test_the_tanh_layer_is_as_wide_as_the_lstm_by_default():
    layer = JointGate(100)
    layer.build((None, None, 50, 3))
    assert layer.count_params() == 130_550
    narrow = JointGate(100, hidden=50)
    narrow.build((None, None, 50, 3))
    assert narrow.count_params() == 115_500


def test_bidirectional_gates_also_see_what_comes_after():
    """Forwards it is the gate above; backwards the same LSTM on the reversed clip."""
    layer = JointGate(H, hidden=U, bidirectional=True)
    x = inputs()
    out = np.asarray(layer(x))
    D = 3 * K
    assert layer.count_params() == 2 * (4 * (D * H + H * H + H) + H * U) + D * U + U + U * K + K
    w_x, b_s = (np.asarray(v) for v in layer.input_weights.get_weights())
    u_s, b_us = (np.asarray(v) for v in layer.scores.get_weights())
    for clip in range(B):
        flat = x[clip].reshape(T, D)
        s = flat @ w_x + b_s
        for lstm, weights, order in (
            (layer.lstm, layer.state_weights, 1),
            (layer.backward, layer.after_weights, -1),
        ):
            states = lstm_states(flat[::order], *(np.asarray(v) for v in lstm.get_weights()))
            shifted = np.vstack([np.zeros(H), states[:-1]])[::order]  # h(t - 1), g(t + 1)
            s = s + shifted @ np.asarray(weights.get_weights()[0])
        s = np.tanh(s) @ u_s + b_us
        alpha = np.exp(s) / np.exp(s).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(out[clip], alpha, atol=1e-5)


def test_one_weight_per_joint_and_clip():
    """The softmax takes the mean of the scores of Eq. 2 over the frames."""
    plain, pooled = JointGate(H, hidden=U), JointGate(H, hidden=U, per_clip=True)
    x, mask = inputs(), np.array([[True] * T, [True] * 4 + [False] * (T - 4)])
    by_frame = np.asarray(plain(x, mask=mask))
    pooled(x, mask=mask)
    pooled.set_weights(plain.get_weights())
    out = np.asarray(pooled(x, mask=mask))
    for clip, length in enumerate(mask.sum(axis=1)):
        # The logarithm of alpha is s up to a number of each frame, which the softmax removes.
        s = np.log(by_frame[clip, :length]).mean(axis=0)
        alpha = np.exp(s) / np.exp(s).sum()
        np.testing.assert_allclose(out[clip, :length], np.tile(alpha, (length, 1)), atol=1e-5)
        assert (out[clip, length:] == 0).all()
    np.testing.assert_allclose(pooled(x[:1]), pooled(x[:1], mask=mask[:1]), atol=1e-6)
    x[1, :, 2] = 0  # a joint of an absent body
    out = np.asarray(pooled(x))
    assert (out[1, :, 2] == 0).all()
    np.testing.assert_allclose(out.sum(axis=2), 1, atol=1e-6)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_padded_frames_get_nothing_and_change_nothing(bidirectional):
    layer = JointGate(H, bidirectional=bidirectional)
    x = inputs()
    mask = np.tile(np.arange(T) < 4, (B, 1))
    out = np.asarray(layer(x, mask=mask))
    assert (out[:, 4:] == 0).all()
    np.testing.assert_allclose(out[:, :4].sum(axis=2), 1, atol=1e-6)
    np.testing.assert_allclose(out[:, :4], np.asarray(layer(x[:, :4])), atol=1e-6)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_it_is_a_layer(bidirectional):
    D, lstms = 3 * K, 2 if bidirectional else 1
    check_layer(
        JointGate,
        {"units": H, "hidden": U, "penalty": EqualJointAttention(0.1),
         "kernel_regularizer": keras.regularizers.L1(1e-3), "bidirectional": bidirectional,
         "per_clip": bidirectional},
        inputs=inputs(), shape=(B, T, K),
        weights=lstms * (4 * (D * H + H * H + H) + H * U) + D * U + U + U * K + K,
        flops=2 * T * (lstms * (4 * (D + H) * H + H * U) + D * U + U * K),
    )  # fmt: skip
