import keras
import numpy as np
import pytest
from layer_contract import check_layer

from keras_skeleton.layers.scale import Scale

X = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype("float32")


def test_contract():
    check_layer(Scale, inputs=X, shape=(2, 3, 4, 5), weights=10, ranks=False)


def test_by_hand():
    layer = Scale()
    np.testing.assert_array_equal(layer(X), X)  # it starts as the identity
    gamma, beta = np.arange(5, dtype="float32"), np.float32([1, 0, -1, 2, 0])
    layer.set_weights([gamma, beta])
    np.testing.assert_allclose(layer(X), X * gamma + beta, rtol=1e-6)
    with pytest.raises(ValueError, match="known number of channels"):
        Scale()(keras.Input((3, None)))
