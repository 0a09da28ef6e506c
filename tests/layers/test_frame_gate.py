import keras
import numpy as np
import pytest
from layer_contract import check_layer

from keras_skeleton.layers.frame_gate import FrameGate

B, T, D, H = 2, 6, 5, 4


def inputs(seed=0, length=B):
    return np.random.default_rng(seed).normal(size=(length, T, D)).astype("float32")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_against_equation_6():
    layer = FrameGate(H)
    x = inputs()
    out = np.asarray(layer(x))
    assert out.shape == (B, T) == layer.compute_output_shape(x.shape)
    assert layer.count_params() == 4 * (D * H + H * H + H) + D + 1 + H
    w, u, b, w_x, bias, w_h = (np.asarray(v) for v in layer.get_weights())
    assert bias == 1  # starts open
    for clip in range(B):
        h, c = np.zeros(H), np.zeros(H)
        for t in range(T):
            beta = max((x[clip, t] @ w_x + h @ w_h + bias).item(), 0)  # h is h(t - 1)
            np.testing.assert_allclose(out[clip, t], beta, atol=1e-5)
            i, f, g, o = np.split(x[clip, t] @ w + h @ u + b, 4)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)


def test_bidirectional_gates_also_see_what_comes_after():
    """Forwards it is the gate above; backwards the same LSTM on the reversed clip."""
    layer = FrameGate(H, bidirectional=True)
    x = inputs()
    out = np.asarray(layer(x))
    assert layer.count_params() == 2 * (4 * (D * H + H * H + H) + H) + D + 1
    w_x, bias = (np.asarray(v) for v in layer.input_weights.get_weights())
    score = (x @ w_x + bias)[..., 0]
    for lstm, weights, order in (
        (layer.lstm, layer.state_weights, 1),
        (layer.backward, layer.after_weights, -1),
    ):
        plain = keras.layers.LSTM(H, return_sequences=True)
        plain.build(x.shape)
        plain.set_weights(lstm.get_weights())
        states = np.asarray(plain(x[:, ::order]))
        before = np.concatenate([np.zeros((B, 1, H)), states[:, :-1]], axis=1)[:, ::order]
        score = score + (before @ np.asarray(weights.get_weights()[0]))[..., 0]
    np.testing.assert_allclose(out, np.maximum(score, 0), atol=1e-5)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_padded_frames_get_nothing_and_change_nothing(bidirectional):
    layer = FrameGate(H, bidirectional=bidirectional)
    x = inputs()
    mask = np.arange(T) < 4
    out = np.asarray(layer(x, mask=np.tile(mask, (B, 1))))
    assert (out[:, 4:] == 0).all()
    np.testing.assert_allclose(out[:, :4], np.asarray(layer(x[:, :4])), atol=1e-6)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_it_is_a_layer(bidirectional):
    lstms, extra = (2, H) if bidirectional else (1, 0)
    check_layer(
        FrameGate, {"units": H, "bidirectional": bidirectional}, inputs=inputs(), shape=(B, T),
        weights=lstms * 4 * (D * H + H * H + H) + D + 1 + H + extra,
        flops=2 * T * (lstms * (4 * (D + H) * H + H) + D),
    )  # fmt: skip
