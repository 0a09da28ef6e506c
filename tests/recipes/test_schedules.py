import keras
import numpy as np
import pytest

from keras_skeleton.recipes.schedules import Constant, Cosine, Plateau


def test_constant_and_cosine():
    assert Constant().factor(7, 10, []) == 1
    rates = [Cosine(warmup=3).factor(epoch, 23, []) for epoch in range(23)]
    np.testing.assert_allclose(rates[:4], [0.25, 0.5, 0.75, 1])
    assert (np.diff(rates[3:]) < 0).all()
    assert rates[13] == pytest.approx(0.5)
    assert 0 < rates[-1] < 0.01


@pytest.mark.parametrize("seed", range(5))
def test_plateau_follows_keras(seed):
    """Epoch by epoch what Keras' callback does with the same losses."""
    losses = np.random.default_rng(seed).normal(1, 0.1, 60) + np.linspace(0.5, 0, 60).clip(0.2)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1))
    callback = keras.callbacks.ReduceLROnPlateau(
        factor=0.2, patience=5, cooldown=3, min_lr=0.001, min_delta=1e-4
    )
    callback.set_model(model)
    callback.on_train_begin()
    schedule = Plateau(drop=0.2, patience=5, cooldown=3, lowest=0.01)
    for epoch, loss in enumerate(losses):
        expected = float(np.asarray(model.optimizer.learning_rate))
        assert 0.1 * schedule.factor(epoch, 60, losses[:epoch]) == pytest.approx(expected, rel=1e-5)
        callback.on_epoch_end(epoch, {"val_loss": loss})
