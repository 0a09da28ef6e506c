"""A small network on a small task: it learns, it can be stopped and go on, it says what it did."""

import json
from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest
from conftest import make_dataset

from keras_skeleton.attention.run_attention import write_run_report
from keras_skeleton.models.csta_cnn import copies_logits
from keras_skeleton.recipes.recipe import Recipe
from keras_skeleton.recipes.registry import get_recipe
from keras_skeleton.training import fold as fold_module
from keras_skeleton.training.experiment import Experiment
from keras_skeleton.training.fold import DivergedError, FoldFit, selected_epoch
from keras_skeleton.training.pipeline import Inputs
from keras_skeleton.training.state import StateError, TrainingState
from keras_skeleton.training.trainer import FEW, Trainer

AUGMENT = (("RandomRotation", {"degrees": (5, 5, 5)}), ("RandomTemporalCrop", {"smallest": 0.8}))


def read(clip):
    return np.pad(clip[:12, 0], ((0, 12 - min(len(clip), 12)), (0, 0), (0, 0))).astype("float32")


def small_network():
    inputs = keras.Input((12, 20, 3))
    x = keras.layers.Reshape((12, 60))(inputs)
    x = keras.layers.Dropout(0.2)(keras.layers.Dense(16, activation="relu")(x))
    return keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(x)))


def fit(
    folder,
    epochs=6,
    seed=3,
    resume=False,
    trainer=None,
    augment=AUGMENT,
    rate=0.01,
    on_epoch_end=None,
):
    dataset = make_dataset()
    (fold,) = dataset.folds("cs")
    recipe = Recipe("adam", rate, batch_size=8, epochs=epochs, augment=augment)
    trainer = trainer or Trainer(small_network, recipe)
    training = FoldFit(
        trainer, Inputs(dataset, read), fold, 1, seed, folder, on_epoch_end or (lambda row: None)
    )
    return training.run(resume), trainer


def final_weights(folder):
    model = small_network()
    model.load_weights(folder / "last.weights.h5")
    return model.get_weights()


def test_learns_and_leaves_everything(tmp_path):
    metrics, _ = fit(tmp_path / "f", epochs=15)
    assert metrics["accuracy"] > 0.9
    assert metrics["clips"] == {"train": 30, "validation": 6, "test": 12}
    assert metrics["best_test_accuracy"] >= max(metrics["accuracy"], metrics["accuracy_last"])
    history = pd.read_csv(tmp_path / "f" / "history.csv")
    assert list(history["epoch"]) == list(range(1, 16))
    assert history["loss"].iloc[-1] < 0.5 * history["loss"].iloc[0]
    chosen = history.iloc[metrics["epoch_selected"] - 1]
    assert chosen["val_accuracy"] == history["val_accuracy"].max() == metrics["validation_accuracy"]
    assert chosen["test_accuracy"] == metrics["accuracy"]
    assert history["test_accuracy"].max() == metrics["best_test_accuracy"]
    assert history["test_accuracy"].iloc[-1] == metrics["accuracy_last"]
    names = {path.name for path in (tmp_path / "f").iterdir()}
    assert names == {
        "best.weights.h5", "last.weights.h5", "history.csv", "metrics.json", "scores.npz",
        "tensorboard",
    }  # fmt: skip

    # The best weights give the stored scores.
    dataset = make_dataset()
    (fold,) = dataset.folds("cs")
    model = small_network()
    model.load_weights(tmp_path / "f" / "best.weights.h5")
    with np.load(tmp_path / "f" / "scores.npz", allow_pickle=False) as scores:
        logits = np.asarray(model(np.stack([read(dataset.clip(i)) for i in fold.test])))
        np.testing.assert_allclose(scores["logits"], logits, atol=1e-4)
        assert (scores["logits"].argmax(1) == scores["labels"]).mean() == metrics["accuracy"]
        assert list(scores["names"]) == list(dataset.samples["name"].iloc[fold.test])


def test_test_clips_may_be_scored_at_the_end_only(tmp_path):
    dataset = make_dataset()
    (fold,) = dataset.folds("cs")
    trainer = Trainer(small_network, Recipe("adam", 0.01, batch_size=8, epochs=6))
    found = []
    for watch in (True, False):
        folder = tmp_path / str(watch)
        fit = FoldFit(trainer, Inputs(dataset, read), fold, 1, 3, folder, watch_test=watch)
        found.append(fit.run())
    own, unwatched = found
    assert unwatched.pop("best_test_accuracy") is None
    assert unwatched.pop("best_test_epoch") is None
    same = set(unwatched) - {"seconds", "loss"}
    assert {key: own[key] for key in same} == {key: unwatched[key] for key in same}
    assert unwatched["loss"] == pytest.approx(own["loss"], abs=1e-4)
    history = pd.read_csv(tmp_path / "False" / "history.csv")
    assert history["test_accuracy"].isna().all()
    assert not history["val_accuracy"].isna().any()


def test_without_validation_clips_the_last_epoch_counts(tmp_path):
    dataset = make_dataset()
    (fold,) = dataset.folds("cs")
    fold = fold._replace(
        train=np.concatenate([fold.train, fold.validation]), validation=np.zeros(0, int)
    )
    trainer = Trainer(small_network, Recipe("adam", 0.01, batch_size=8, epochs=3))
    metrics = FoldFit(trainer, Inputs(dataset, read), fold, 1, 0, tmp_path / "f").run()
    assert metrics["validation_accuracy"] is None
    assert metrics["epoch_selected"] == 3
    assert metrics["accuracy"] == metrics["accuracy_last"]


def test_tensorboard_logs_hold_the_history(tmp_path):
    tf = pytest.importorskip("tensorflow")
    fit(tmp_path / "f", epochs=2)
    (path,) = (tmp_path / "f" / "tensorboard").iterdir()
    values = {}
    for record in tf.data.TFRecordDataset(str(path)):
        event = tf.compat.v1.Event.FromString(record.numpy())
        for value in event.summary.value:
            assert value.metadata.plugin_data.plugin_name == "scalars"
            values[value.tag, event.step] = float(tf.make_ndarray(value.tensor))
    history = pd.read_csv(tmp_path / "f" / "history.csv")
    for name in ("loss", "val_accuracy", "test_accuracy", "learning_rate"):
        for epoch in (1, 2):
            assert values[name, epoch] == pytest.approx(history[name][epoch - 1], rel=1e-5)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_run_also_with_a_used_trainee(tmp_path):
    _, trainer = fit(tmp_path / "a")
    fit(tmp_path / "other", seed=4, trainer=trainer)
    fit(tmp_path / "b", trainer=trainer)
    fit(tmp_path / "c")
    for folder in ("b", "c"):
        for one, other in zip(
            final_weights(tmp_path / "a"), final_weights(tmp_path / folder), strict=True
        ):
            np.testing.assert_array_equal(one, other)
    differs = [
        np.abs(a - b).max() > 0
        for a, b in zip(
            final_weights(tmp_path / "a"), final_weights(tmp_path / "other"), strict=True
        )
    ]
    assert any(differs)


class StopError(Exception):
    """The test pulls the plug."""


@pytest.mark.parametrize("stop_at", [3, *(pytest.param(k, marks=pytest.mark.slow) for k in (1, 5))])
def test_a_stopped_run_goes_on_to_the_same_end(tmp_path, monkeypatch, stop_at):
    """Dropout, augmentation, shuffling and Adam: all of their state is in the file."""
    monkeypatch.setattr(fold_module, "SAVE_EVERY", -1.0)  # after every epoch
    straight, _ = fit(tmp_path / "straight")

    def stop(row):
        if row["epoch"] == stop_at:
            raise StopError

    with pytest.raises(StopError):
        fit(tmp_path / "stopped", on_epoch_end=stop)
    assert len(TrainingState.load(tmp_path / "stopped" / "state.npz").history) == stop_at
    assert not (tmp_path / "stopped" / "metrics.json").exists()
    resumed, _ = fit(tmp_path / "stopped", resume=True)
    for a, b in zip(
        final_weights(tmp_path / "straight"), final_weights(tmp_path / "stopped"), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    columns = ["loss", "val_loss", "test_accuracy", "learning_rate"]
    one, other = (
        pd.read_csv(tmp_path / f / "history.csv")[columns] for f in ("straight", "stopped")
    )
    pd.testing.assert_frame_equal(one, other)
    assert {**straight, "seconds": 0} == {**resumed, "seconds": 0}


def test_a_damaged_state_is_named(tmp_path):
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "state.npz").write_bytes(b"PK rubbish")
    with pytest.raises(ValueError, match=r"state.npz: damaged .* delete it"):
        fit(tmp_path / "f", resume=True)


def test_the_state_before_is_kept_and_taken_where_the_last_is_damaged(tmp_path, capsys):
    path = tmp_path / "state.npz"
    for epochs in (1, 2, 3):
        TrainingState([np.zeros(3)], [{"loss": 1.0}] * epochs).save(path)
    assert len(TrainingState.latest(path).history) == 3
    path.write_bytes(path.read_bytes()[:100])
    assert len(TrainingState.latest(path).history) == 2
    assert "state.npz: damaged" in capsys.readouterr().out
    path.unlink()
    assert len(TrainingState.latest(path).history) == 2
    (tmp_path / "state.previous.npz").write_bytes(b"")
    with pytest.raises(StateError, match=r"state.previous.npz: damaged .* delete it"):
        TrainingState.latest(path)
    assert TrainingState.latest(tmp_path / "none" / "state.npz") is None


def test_a_state_of_another_network_is_refused(tmp_path):
    (tmp_path / "f").mkdir()
    TrainingState([np.zeros(3)]).save(tmp_path / "f" / "state.npz")
    with pytest.raises(StateError, match="state.npz: .* belongs to another model"):
        fit(tmp_path / "f", resume=True)


def test_divergence_says_what_to_try(tmp_path):
    with pytest.raises(DivergedError, match=r"NaN .*epoch \d.*learning rate"):
        fit(tmp_path / "f", augment=(), rate=1e38)


def test_selection_prefers_accuracy_then_loss_then_the_earlier():
    rows = [(0.5, 1.0), (0.7, 0.9), (0.7, 0.8), (0.7, 0.8), (0.6, 0.1)]
    history = [{"val_accuracy": a, "val_loss": loss} for a, loss in rows]
    assert selected_epoch(history) == 2
    nothing = [{"val_accuracy": float("nan"), "val_loss": float("nan")}] * 3
    assert selected_epoch(nothing) == 2


def test_metrics_are_plain_json(tmp_path):
    fit(tmp_path / "f", epochs=1)
    metrics = json.loads((tmp_path / "f" / "metrics.json").read_text())
    assert metrics["epochs"] == 1
    assert metrics["fold"] == 1


@pytest.mark.slow
def test_random_copies_of_test_clips_are_scored_beside_the_clips(tmp_path):
    recipe = replace(
        get_recipe("csta_cnn", "sbu"),
        preprocessing={"coordinates": "hips"}, augment=(), epochs=1, batch_size=16, test_copies=3,
    )  # fmt: skip

    def experiment(folder):
        return Experiment(
            "csta_cnn", make_dataset(), "cs", recipe, folder=folder, log=lambda text: None
        )

    run = experiment(tmp_path / "run")
    result = run.fit()
    (fold,) = make_dataset().folds("cs")
    model = run.build()
    model.load_weights(tmp_path / "run" / "fold_01" / "best.weights.h5")
    logits = copies_logits(model, run.inputs().batch(fold.test), 3, seed=0)
    expected = (logits.argmax(axis=1) == make_dataset().labels[fold.test]).mean()
    assert result.metrics["accuracy_copies"] == pytest.approx(expected)
    write_run_report(run)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["accuracy_copies"] == pytest.approx(expected)
    assert "test_copies=3" in metrics["notes"][-1]
    weights, again = tmp_path / "run/fold_01/best.weights.h5", experiment(tmp_path / "scored")
    text = again.scored_line(again.evaluate(weights), weights)
    assert "3 copies per clip" in text
    assert f"{100 * expected:.2f} %" in text


@pytest.mark.slow
def test_as_many_steps_at_a_time_as_divide_the_epochs_of_all_folds(tmp_path):
    def together(*clips):
        return Trainer(small_network, fit_recipe(), clips).steps_per_execution

    found = [together(clips) for clips in (1, 32, 176, 177, 200, 256)]
    assert found == [1, 4, 11, 1, 5, 16]
    assert together(32, 256) == 4
    assert together() == together(200, 208) == 1
    alone = fit(tmp_path / "alone", trainer=Trainer(small_network, fit_recipe()))[1]
    four = Trainer(small_network, fit_recipe(), [32])
    assert four.training_model.steps_per_execution == 4
    fit(tmp_path / "together", trainer=four)
    for a, b in zip(alone.weights(), four.weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    with pytest.raises(ValueError, match="4 steps .*steps_per_execution=16"):
        fit(tmp_path / "wrong", trainer=Trainer(small_network, fit_recipe(), [128]))


def fit_recipe():
    return Recipe("adam", 0.01, batch_size=8, epochs=6, augment=AUGMENT)


def test_small_batches_are_compiled(monkeypatch):
    def compiled(batch_size, jit="small"):
        recipe = Recipe("adam", 0.01, batch_size=batch_size, epochs=1, jit=jit)
        return Trainer(small_network, recipe).training_model.jit_compile

    assert compiled(FEW)
    assert compiled(FEW + 1) == compiled(FEW, "auto")  # whether there is a GPU
    assert not compiled(FEW, False)
    monkeypatch.setattr("keras_skeleton.training.trainer.is_deterministic", lambda: True)
    assert compiled(FEW) == compiled(FEW, "auto")
