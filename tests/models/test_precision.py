"""Under `mixed_bfloat16` layers compute in bfloat16; weights and logits stay float32."""

import keras
import numpy as np
import pytest

from keras_skeleton import build_model
from keras_skeleton.models.i3d import Small
from keras_skeleton.models.pose_i3d import PARTS, feature_shape

RNG = np.random.default_rng(0)
PEOPLE = RNG.normal(size=(2, 6, 50, 3)).astype("float32")
PEOPLE[0, 4:] = 0  # padding,
PEOPLE[1, 2] = 0  # and a frame without people
FEATURES = (2, *feature_shape(8, 32, Small()))
STREAMS = {part: RNG.normal(size=FEATURES).astype("float32") for part in PARTS}
CASES = {
    "mans9": (RNG.normal(size=(2, 50, 50, 3)).astype("float32"), {}),
    "sta_lstm": (PEOPLE, {"frames": 6, "units": 8, "lambda1": 1e-3, "lambda2": 1e-3}),
    "csta_cnn": (PEOPLE.reshape(2, 6, 2, 25, 3), {"frames": 6}),
    "pose_i3d": (
        {**STREAMS, "skeleton": RNG.normal(size=(2, 20, 150)).astype("float32")},
        {"frames": 8, "size": 32, "units": 16, "features": True},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_trains_a_step(name):
    x, arguments = CASES[name]
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        keras.utils.set_random_seed(0)
        model = build_model(name, classes=4, **arguments)
        assert {keras.backend.standardize_dtype(v.dtype) for v in model.trainable_weights} == {
            "float32"
        }
        assert "bfloat16" in {layer.compute_dtype for layer in model.layers}
        logits = model(x)
        assert keras.backend.standardize_dtype(logits.dtype) == "float32"
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.01), loss, run_eagerly=True)
        before = model.get_weights()
        assert np.isfinite(model.train_on_batch(x, np.arange(2)))
        changed = [
            not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)
        ]
        assert any(changed)
    finally:
        keras.config.set_dtype_policy("float32")
