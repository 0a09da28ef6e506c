import json

import keras
import numpy as np
import pytest

from keras_skeleton.models.gate_net import GATE, gate_net, reach


def build(**changes):
    keras.utils.set_random_seed(0)
    return gate_net(**{"joints": 4, "classes": 3, "bodies": 2, "hidden": 8, "width": 8, **changes})


X = np.random.default_rng(0).normal(size=(2, 40, 8, 3)).astype("float32")


@pytest.mark.parametrize("causal", [False, True])
def test_outputs(causal):
    model = build(causal=causal)
    found = model(X)
    assert found["labels"].shape == (2, 40, 4)
    assert found["ends"].shape == (2, 40, 2)
    probability = np.exp(np.asarray(found["labels"]))
    np.testing.assert_allclose(probability.sum(axis=-1), 1, rtol=1e-5)
    gate = keras.Model(model.input, model.get_layer(GATE).output)(X)
    assert gate.shape == (2, 40)
    np.testing.assert_allclose(gate, 1 - probability[..., 3], atol=1e-5)
    with pytest.raises(ValueError, match="classes=0"):
        build(classes=0)


@pytest.mark.parametrize("causal", [False, True])
def test_a_frame_is_seen_as_far_as_reach_says(causal):
    check_reach(build(causal=causal, dilations=(1, 2)), (10, 0) if causal else (5, 5))


def test_first_blocks_may_see_ahead():
    check_reach(build(causal=True, ahead=1, dilations=(1, 2)), (7, 3))


def check_reach(model, expected):
    before, after = reach(model)
    assert (before, after) == expected
    changed = X.copy()
    changed[:, 20] *= 2
    pairs = zip(model(X).values(), model(changed).values(), strict=True)
    for old, new in pairs:
        moved = np.abs(np.asarray(old) - np.asarray(new)).max(axis=(0, 2)) > 1e-6
        assert moved[20]
        assert not moved[: 20 - after].any()
        assert not moved[20 + before + 1 :].any()


def test_padding_changes_nothing():
    model = build()
    longer = np.concatenate([X, np.zeros((2, 30, 8, 3), "float32")], axis=1)
    for whole, own in zip(model(longer).values(), model(X).values(), strict=True):
        np.testing.assert_allclose(np.asarray(whole)[:, :40], own, atol=1e-5)


def test_it_is_restored_from_its_configuration():
    model = build(causal=True)
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(model)))
    again = keras.saving.deserialize_keras_object(config)
    again.set_weights(model.get_weights())
    for name, values in model(X).items():
        np.testing.assert_allclose(again(X)[name], values, atol=1e-6)
    assert reach(again) == reach(model)


def test_mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build()
        assert {keras.backend.standardize_dtype(w.dtype) for w in model.weights} == {"float32"}
        for values in model(X).values():
            assert keras.backend.standardize_dtype(values.dtype) == "float32"
            assert np.isfinite(np.asarray(values)).all()
    finally:
        keras.config.set_dtype_policy("float32")
