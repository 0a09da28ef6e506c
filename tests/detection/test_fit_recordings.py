from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest
from toy_streams import streams

from keras_skeleton.detection import jcr
from keras_skeleton.detection.fit import RecordingFit, Windows, between_frames, per_frame, targets
from keras_skeleton.models.jcr_rnn import jcr_rnn
from keras_skeleton.recipes.recipe import Recipe
from keras_skeleton.training.fold import DivergedError
from keras_skeleton.training.state import StateError


def test_targets():
    actions = pd.DataFrame({"label": [1, 0], "start": [5, 20], "end": [10, 24]})
    labels, ends = targets(actions, 40, classes=2, sigma=5)
    assert labels.tolist() == [2] * 5 + [1] * 5 + [2] * 10 + [0] * 4 + [2] * 16
    assert ends.shape == (40, 2)
    assert ends[5, 0] == ends[20, 0] == ends[9, 1] == ends[23, 1] == 1
    assert ends[8, 0] == pytest.approx(np.exp(-9 / 50))
    assert ends[12, 0] == pytest.approx(np.exp(-49 / 50))  # 7 from 5, 8 from 20
    assert ends[13, 0] == pytest.approx(np.exp(-49 / 50))
    labels, ends = targets(actions[:0], 3, classes=2)
    assert labels.tolist() == [2, 2, 2]
    assert not ends.any()


def test_windows_hold_every_frame_once_an_epoch():
    own = streams()
    batches = Windows(own, size=32, batch_size=2, seed=0)
    first = None
    for epoch in range(3):
        seen = []
        for k in range(len(batches)):
            x, y, weight = batches[k]
            assert x.shape == (2, 32, 2, 3)
            assert y["labels"].shape == weight["labels"].shape == (2, 32)
            assert y["ends"].shape == (2, 32, 2)
            for row in range(2):
                if 2 * k + row < batches.count:  # the last batch is filled up
                    seen.append(x[row][weight["ends"][row] == 1])
        values = np.sort(np.concatenate(seen)[:, 1, 2])
        np.testing.assert_array_equal(
            values, np.sort(np.concatenate([s.frames for s in own])[:, 1, 2])
        )
        order = np.concatenate(seen)[:, 1, 2]
        assert epoch == 0 or not np.array_equal(order, first)
        first = order
        batches.on_epoch_end()
    fixed = Windows(own, 32, 2, None)
    before = fixed[0][0]
    fixed.on_epoch_end()
    np.testing.assert_array_equal(before, fixed[0][0])


def test_windows_are_played_faster_and_slower():
    own = streams(1)
    frames = np.arange(len(own[0].frames), dtype="float32")[:, None, None] + np.ones((1, 2, 3))
    own = [own[0]._replace(frames=frames.astype("float32"))]
    batches = Windows(own, size=40, batch_size=4, seed=0, speed=2.0)
    rates = set()
    for x, y, weight in (batches[k] for k in range(len(batches))):
        for row in range(4):
            at = x[row][weight["ends"][row] == 1][:, 0, 0] - 1  # positions in the recording
            assert len(at) > 10
            steps = np.diff(at)
            np.testing.assert_allclose(steps, steps[0], atol=1e-3)
            assert 0.5 <= steps[0] <= 2
            rates.add(round(float(steps[0]), 3))
            nearest = np.round(at).astype(int)
            np.testing.assert_array_equal(y["labels"][row][: len(at)], own[0].labels[nearest])
    assert len(rates) > 1
    with pytest.raises(ValueError, match=r"speed=0\.5"):
        Windows(own, 40, 4, 0, speed=0.5)


def test_absent_joints_are_not_interpolated():
    frames = np.array([[[2.0, 2, 2], [4, 4, 4]], [[4, 4, 4], [0, 0, 0]]], "float32")
    found = between_frames(frames, np.array([0.25, 0.75]))
    np.testing.assert_allclose(found[:, 0, 0], [2.5, 3.5])
    np.testing.assert_allclose(found[:, 1, 0], [4, 0])


RECIPE = Recipe("adam", 0.01, batch_size=8, epochs=3, clipnorm=1.0, frames=32, speed=1.2,
                augment=(("RandomScale", {"amount": 0.05}),))  # fmt: skip


def network_of(units=6):
    """A network without recurrence, which is built and trained at once."""
    keras.utils.set_random_seed(0)
    x = keras.Input((None, 2, 3))
    h = keras.layers.Dense(units, activation="relu")(keras.layers.Reshape((-1, 6))(x))
    h = keras.layers.Dropout(0.2)(h)
    outputs = {
        "labels": keras.layers.Dense(3, name="labels")(h),
        "ends": keras.layers.Dense(2, "sigmoid", name="ends")(h),
    }
    return keras.Model(x, outputs, name="toy")


def fit_of(units=6, **changes):
    recipe = replace(RECIPE, **changes)
    return RecordingFit(network_of(units), jcr.losses(), jcr.WEIGHTS, recipe)


def test_a_diverged_training_is_no_result():
    bad = [s._replace(ends=np.full_like(s.ends, np.nan)) for s in streams(1)]
    with pytest.raises(DivergedError, match="epoch 1"):
        fit_of().run(bad, streams(1), seed=0)


class StoppedError(Exception):
    """Raised in the middle of a training."""


@pytest.mark.slow
@pytest.mark.parametrize("validation", [[], streams(1, seed=1)])
def test_a_stopped_training_continues_with_the_same_result(tmp_path, monkeypatch, validation):
    monkeypatch.setattr("keras_skeleton.detection.fit.SAVE_EVERY", -1.0)  # after every epoch
    train = streams(3)
    whole = fit_of()
    history = whole.run(train, validation, 0, tmp_path / "whole")

    stopped = fit_of()
    save = stopped._save

    def save_and_stop(state, folder):
        save(state, folder)
        if len(state.history) == 2:
            raise StoppedError

    stopped._save = save_and_stop
    with pytest.raises(StoppedError):
        stopped.run(train, validation, 0, tmp_path / "part")
    assert not (tmp_path / "part" / "best.weights.h5").exists()
    again = fit_of()
    lines = []
    pd.testing.assert_frame_equal(again.run(train, validation, 0, tmp_path / "part", lines.append),
                                  history, rtol=1e-4)  # fmt: skip
    assert "2" in lines[0]
    for a, b in zip(again.network.get_weights(), whole.network.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    assert sorted(p.name for p in (tmp_path / "part").iterdir()) == [
        "best.weights.h5", "history.csv"
    ]  # fmt: skip


def test_a_state_of_another_network_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("keras_skeleton.detection.fit.SAVE_EVERY", -1.0)
    with monkeypatch.context() as stopped:  # before the end
        stopped.setattr("keras_skeleton.detection.fit.save_weights", None)
        with pytest.raises(TypeError):
            fit_of().run(streams(1), [], 0, tmp_path)
    with pytest.raises(StateError, match="another network"):
        fit_of(units=4).run(streams(1), [], 0, tmp_path)


@pytest.mark.slow
def test_the_selected_epoch():
    for held in (streams(1, seed=1), []):
        fit = fit_of(epochs=4)
        weights, save = [], fit.model.fit

        def note(*arguments, weights=weights, fit=fit, save=save, **options):
            options["callbacks"].append(
                keras.callbacks.LambdaCallback(
                    on_epoch_end=lambda *_: weights.append(fit.network.get_weights())
                )
            )
            return save(*arguments, **options)

        fit.model.fit = note
        history = fit.run(streams(2), held, seed=0)
        best = int(history["val_loss"].argmin()) if held else 3
        np.testing.assert_array_equal(fit.network.get_weights()[0], weights[best][0])


@pytest.mark.slow
def test_a_known_rule_is_learnt():
    keras.utils.set_random_seed(0)
    network = jcr_rnn(joints=2, classes=2, units=(16, 16, 16), dropout=0.0)
    recipe = replace(RECIPE, epochs=25, frames=64, speed=1.0)
    fit = RecordingFit(network, jcr.losses(), jcr.WEIGHTS, recipe)
    history = fit.run(streams(8), streams(2, seed=1), seed=0)
    assert len(history) == 25
    assert history["loss"].iloc[-1] < 0.5 * history["loss"].iloc[0]
    (held,) = streams(1, seed=2)
    said = np.asarray(per_frame(network)(held.frames[None]))[0]
    assert (said[:, :3].argmax(axis=1) == held.labels).mean() > 0.9
    found = jcr.read_off(said[:, :3], said[:, 3:])
    truth = np.flatnonzero(np.diff(held.labels))
    assert len(found) >= 4
    assert np.abs(found["start"].to_numpy()[:, None] - truth).min(axis=1).max() <= 5
