"""The whole module against Eqs. 1 to 8, and its variants."""

import keras
import numpy as np
import pytest

from keras_skeleton.layers.tarm import ATTENTION, tarm

B, T, N, K = 2, 32, 7, 6


def build(attention="learned", **arguments):
    o = keras.Input((T, N, 3))
    return keras.Model(o, tarm(o, units=K, attention=attention, **arguments))


def images(seed=0, count=B):
    return np.random.default_rng(seed).normal(size=(count, T, N, 3)).astype("float32")


def out_of(model, name, o):
    return np.asarray(keras.Model(model.input, model.get_layer(name).output)(o))


def test_against_equations_1_to_8():
    model = build()
    o = images()
    x = out_of(model, "tarm_in", o)
    memory = out_of(model, "memory", o)  # F_M; its own test has Eqs. 3 to 5
    attention = out_of(model, "frame_attention", o)  # F_A; its own test has Eqs. 6 to 8
    w_in, b_in = model.get_layer("tarm_in").get_weights()
    w_out, b_out = model.get_layer("tarm_out").get_weights()
    result = np.asarray(model(o))
    assert result.shape == o.shape
    for c in range(3):
        np.testing.assert_allclose(x[:, :, c], o[..., c] @ w_in[c] + b_in[c], atol=1e-5)
        f = memory[:, :, c] * attention[:, :, c, None]  # Eq. 2
        f = f @ w_out[c] + b_out[c]
        np.testing.assert_allclose(result[..., c], o[..., c] + f, atol=1e-5)  # Eq. 1


def test_coordinates_share_no_weights():
    model = build()
    o = images()
    changed = o.copy()
    changed[..., 2] += 1
    before, after = np.asarray(model(o)), np.asarray(model(changed))
    np.testing.assert_array_equal(before[..., :2], after[..., :2])
    assert np.abs(before[..., 2] - after[..., 2]).min() > 0


@pytest.mark.parametrize("attention", ATTENTION)
def test_variants(attention):
    model = build(attention)
    names = {layer.name for layer in model.layers}
    assert ("frame_attention" in names) == (attention != "none")
    hidden = T // 16
    gates = {"learned": 3 * (2 * T * hidden + hidden + T), "none": 0}
    gates["frozen"] = gates["learned"]
    gates["frame_gate"] = 3 * (4 * (2 * K * K + K) + 2 * K + 1)
    plain = 3 * (N * K + K) + 6 * 3 * (2 * K * K + K) + 3 * (K * N + N)
    assert model.count_params() == plain + gates[attention]
    frozen = sum(int(np.prod(w.shape)) for w in model.non_trainable_weights)
    assert frozen == (gates["frozen"] if attention == "frozen" else 0)
    if attention != "none":
        assert out_of(model, "frame_attention", images()).shape == (B, T, 3)


def test_no_attention_is_memory_alone():
    model = build("none")
    o = images()
    memory = out_of(model, "memory", o)
    w, b = model.get_layer("tarm_out").get_weights()
    expected = o[..., 0] + memory[:, :, 0] @ w[0] + b[0]
    np.testing.assert_allclose(np.asarray(model(o))[..., 0], expected, atol=1e-5)


@pytest.mark.slow
def test_learns_which_frames_matter():
    """The class is written into frames 8 to 15 of one coordinate; the loss falls."""
    keras.utils.set_random_seed(0)
    labels = np.arange(64) % 2
    o = images(1, 64)
    o[:, 8:16, :, 0] += np.where(labels, 1, -1)[:, None, None]
    inputs = keras.Input((T, N, 3))
    features = keras.layers.GlobalAveragePooling2D()(tarm(inputs, units=K, dropout=0.0))
    model = keras.Model(inputs, keras.layers.Dense(2)(features))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.02), loss, metrics=["accuracy"])
    history = model.fit(o, labels, epochs=15, batch_size=16, verbose=0).history
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert history["accuracy"][-1] > 0.9


def test_unknown_attention_is_refused():
    with pytest.raises(ValueError, match="attention='soft' is unknown"):
        build("soft")
