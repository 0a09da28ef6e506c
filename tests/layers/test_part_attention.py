import keras
import numpy as np
import pytest
from layer_contract import check_layer

from keras_skeleton.layers.part_attention import EqualParts, PartAttention, WeightedParts

H = np.random.default_rng(0).normal(size=(4, 6)).astype("float32")


def test_all_parts_start_equal_and_then_follow_the_equations():
    layer = PartAttention(3, hidden=5)
    np.testing.assert_allclose(layer(H), 1 / 3, atol=1e-7)
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(size=w.shape).astype("float32") for w in layer.get_weights()])
    w_h, b_s, w_s, b_us = layer.get_weights()
    assert [w.shape for w in (w_h, b_s, w_s, b_us)] == [(6, 5), (5,), (5, 3), (3,)]
    s = np.tanh(H @ w_h + b_s) @ w_s + b_us
    expected = np.exp(s) / np.exp(s).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(layer(H), expected, rtol=1e-5)


def test_the_penalty_by_hand():
    alpha = np.float32([[0.5, 0.3, 0.2], [1, 0, 0]])
    terms = [(0.5**2 + 0.7**2 + 0.8**2), 2.0]
    assert float(EqualParts(0.1)(alpha)) == pytest.approx(0.1 * np.mean(terms), rel=1e-6)
    equal = float(EqualParts(1.0)(np.full((1, 3), 1 / 3)))
    assert equal == pytest.approx(3 - 2 + 1 / 3, rel=1e-6)
    layer = PartAttention(3, penalty=EqualParts(0.1))
    layer(H)
    assert float(layer.losses[0]) == pytest.approx(0.1 * 4 / 3, rel=1e-6)


def test_the_weighted_sum():
    rng = np.random.default_rng(2)
    alpha = rng.uniform(size=(4, 3)).astype("float32")
    g = [rng.normal(size=(4, 2, 3, 3, 5)).astype("float32") for _ in range(3)]
    expected = sum(alpha[:, k, None, None, None, None] * g[k] for k in range(3))
    np.testing.assert_allclose(WeightedParts()(alpha, g), expected, rtol=1e-5)
    with pytest.raises(ValueError, match="as many features as weights, of equal shape"):
        WeightedParts()(alpha, g[:2])
    with pytest.raises(ValueError, match="of equal shape"):
        WeightedParts()(alpha, [*g[:2], g[2][:, :1]])


def test_they_are_layers():
    check_layer(
        PartAttention, {"parts": 3, "hidden": 5, "penalty": EqualParts(0.1),
                        "kernel_regularizer": keras.regularizers.L2(0.1)},
        inputs=H, shape=(4, 3), weights=6 * 5 + 5 + 5 * 3 + 3, flops=2 * (6 * 5 + 5 * 3),
    )  # fmt: skip
    check_layer(
        WeightedParts, inputs=(H[:, :3], [H[:, :, None], H[:, :, None]] + [H[:, :, None]]),
        shape=(4, 6, 1), ranks=False,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_it_learns_which_part_tells_and_is_restored(dtype):
    """The label is written in the part that the pose points at."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    part, y = rng.integers(3, size=96), rng.integers(2, size=96)
    g = rng.normal(0, 1, (3, 96, 4)).astype("float32")
    g[part, np.arange(96), 0] = 3 * (2 * y - 1)
    pose = np.eye(3, dtype="float32")[part]
    shapes = {"pose": (3,), "g0": (4,), "g1": (4,), "g2": (4,)}
    inputs = {name: keras.Input(shape, name=name) for name, shape in shapes.items()}
    layer = PartAttention(3, 8, penalty=EqualParts(1e-3), kernel_regularizer="l2", dtype=dtype)
    f = WeightedParts(dtype=dtype)(layer(inputs["pose"]), [inputs[f"g{k}"] for k in range(3)])
    model = keras.Model(inputs, keras.layers.Dense(2, dtype="float32")(f))
    x = {"pose": pose, **{f"g{k}": g[k] for k in range(3)}}
    model.compile(
        keras.optimizers.Adam(0.05), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    losses = model.fit(x, y, batch_size=32, epochs=15, verbose=0).history["loss"]
    assert losses[-1] < 0.7 * losses[0]
    alpha = np.asarray(keras.ops.cast(layer(pose), "float32"))
    assert (alpha.argmax(axis=1) == part).mean() > 0.9
    again = keras.Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_allclose(again(x), model(x), atol=1e-6)
