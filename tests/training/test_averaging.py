"""Training on all clips: nothing is held out or selected, and weights are averaged at the end."""

import json
from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest
from conftest import make_dataset

from keras_skeleton.evaluation.run_record import RunError
from keras_skeleton.evaluation.scores import read_scores, score
from keras_skeleton.recipes.recipe import Recipe
from keras_skeleton.recipes.registry import get_recipe
from keras_skeleton.recipes.schedules import Plateau
from keras_skeleton.recipes.stage import Stage
from keras_skeleton.training import fold as fold_module
from keras_skeleton.training.averaging import averaged_epochs, with_weights
from keras_skeleton.training.experiment import FOLLOWS, NOT_CALIBRATED, Experiment
from keras_skeleton.training.fold import DivergedError, FoldFit
from keras_skeleton.training.pipeline import Inputs
from keras_skeleton.training.progress import Progress
from keras_skeleton.training.stages import train_stages
from keras_skeleton.training.state import TrainingState
from keras_skeleton.training.trainer import Trainer
from keras_skeleton.training.transfer import freeze
from keras_skeleton.utils.errors import UnknownNameError

RECIPE = Recipe("adam", 0.01, batch_size=8, epochs=11)
STAGES = (
    Stage("first", "the classifier alone", {}, ("scores",), epochs=3),
    Stage("second", "everything", {}, ("",), take=(("first", ("",)),), epochs=6),
)


def read(clip):
    return np.pad(clip[:12, 0], ((0, 12 - min(len(clip), 12)), (0, 0), (0, 0))).astype("float32")


def network():
    """With batch normalization, whose moving statistics are weights, too."""
    x = inputs = keras.Input((12, 20, 3))
    x = keras.layers.Dense(8, "relu", name="hidden")(keras.layers.Flatten()(x))
    x = keras.layers.Dropout(0.2)(keras.layers.BatchNormalization(name="norm")(x))
    return keras.Model(inputs, keras.layers.Dense(3, name="scores")(x))


def everything(dataset):
    (fold,) = dataset.folds("cs")
    return fold._replace(
        train=np.union1d(fold.train, fold.validation), validation=fold.validation[:0]
    )


def saved(folder, name):
    model = network()
    model.load_weights(folder / f"{name}.weights.h5")
    return model.get_weights()


def assert_equal(one, other, **tolerance):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, **{"rtol": 0, "atol": 0, **tolerance})


@pytest.fixture(scope="module")
def trainer():
    return Trainer(network, RECIPE)


def fit(trainer, folder, resume=False, note=lambda row: None, **options):
    dataset = make_dataset()
    fold = everything(dataset)
    options = {"average": True, **options}
    return FoldFit(trainer, Inputs(dataset, read), fold, 1, 3, folder, note, **options).run(resume)


def test_the_last_fifth_rounded_up():
    found = {epochs: averaged_epochs(epochs) for epochs in (1, 5, 6, 32, 100)}
    assert found == {1: 1, 5: 1, 6: 2, 32: 7, 100: 20}


def test_a_running_mean_is_the_mean():
    rng = np.random.default_rng(0)
    sets = [[rng.normal(size=(3, 2)).astype("f"), np.array(k)] for k in range(7)]
    mean = []
    for k, weights in enumerate(sets, 1):
        mean = with_weights(mean, weights, k)
    assert mean[0].dtype == np.float64
    np.testing.assert_allclose(mean[0], np.mean([s[0] for s in sets], axis=0, dtype=np.float64))
    assert mean[1] == 6  # an integer is that of the last set
    assert sets[0][0].dtype == np.float32


def test_the_weights_are_the_mean_of_the_last_epochs(trainer, tmp_path):
    kept = []
    metrics = fit(trainer, tmp_path, note=lambda row: kept.append(trainer.weights()))
    assert_equal(saved(tmp_path, "last"), kept[-1])
    mean = [np.mean(parts, axis=0, dtype=np.float64) for parts in zip(*kept[-3:], strict=True)]
    assert_equal(saved(tmp_path, "best"), mean, rtol=1e-6, atol=1e-8)
    assert metrics["weights"] == "last, averaged"
    assert (metrics["epochs_averaged"], metrics["epochs"]) == (3, 11)
    assert metrics["epoch_selected"] is metrics["validation_accuracy"] is None
    assert metrics["clips"] == {"train": 36, "validation": 0, "test": 12}

    history = pd.read_csv(tmp_path / "history.csv")
    assert metrics["accuracy_last"] == history["test_accuracy"].iloc[-1]
    assert metrics["best_test_accuracy"] == history["test_accuracy"].max()
    model = network()
    model.load_weights(tmp_path / "best.weights.h5")
    dataset = make_dataset()
    test = everything(dataset).test
    logits = np.asarray(model(np.stack([read(dataset.clip(i)) for i in test])))
    stored = read_scores(tmp_path / "scores.npz")
    np.testing.assert_allclose(stored.logits, logits, atol=1e-4)
    assert metrics["accuracy"] == score(stored.labels, stored.logits).accuracy


@pytest.mark.slow
def test_averaging_does_not_change_the_training(trainer, tmp_path):
    fit(trainer, tmp_path / "averaged")
    fit(trainer, tmp_path / "not", average=False)
    one, other = (saved(tmp_path / name, "last") for name in ("averaged", "not"))
    assert_equal(one, other)
    assert_equal(other, saved(tmp_path / "not", "best"))  # without validation clips: the last epoch


class StopError(Exception):
    """The test pulls the plug."""


@pytest.mark.slow
@pytest.mark.parametrize("stop_at", [4, 9, 10])
def test_a_stopped_run_ends_with_the_same_mean(trainer, tmp_path, monkeypatch, stop_at):
    """Before the average, after its first epoch, and within it."""
    straight = fit(trainer, tmp_path / "straight")
    monkeypatch.setattr(fold_module, "SAVE_EVERY", -1.0)  # after every epoch

    def stop(row):
        if row["epoch"] == stop_at:
            raise StopError

    with pytest.raises(StopError):
        fit(trainer, tmp_path / "stopped", note=stop)
    state = TrainingState.load(tmp_path / "stopped" / "state.npz")
    assert len(state.history) == stop_at
    assert bool(state.best_weights) == (stop_at > 8)
    resumed = fit(Trainer(network, RECIPE), tmp_path / "stopped", resume=True)
    for name in ("best", "last"):
        assert_equal(saved(tmp_path / "straight", name), saved(tmp_path / "stopped", name))
    assert {**straight, "seconds": 0} == {**resumed, "seconds": 0}


def test_a_plateau_follows_the_training_loss(trainer, tmp_path):
    recipe = replace(RECIPE, schedule=Plateau(patience=1, cooldown=0, margin=10.0), epochs=3)
    own = Trainer(network, recipe)
    fit(own, tmp_path)
    history = pd.read_csv(tmp_path / "history.csv")
    losses = history["loss"].tolist()
    assert np.isfinite(losses).all()
    expected = [0.01 * recipe.schedule.factor(epoch, 3, losses) for epoch in range(3)]
    assert history["learning_rate"].tolist() == pytest.approx(expected)
    assert expected[-1] < expected[0]


def test_divergence_is_seen_without_test_clips(tmp_path):
    trainer = Trainer(network, replace(RECIPE, learning_rate=1e38))
    dataset = make_dataset()
    fold = everything(dataset)
    fold = fold._replace(test=fold.test[:0])
    with pytest.raises(DivergedError, match="NaN"):
        FoldFit(trainer, Inputs(dataset, read), fold, 1, 3, tmp_path, average=True).run()


@pytest.mark.slow
def test_each_stage_averages_its_own_epochs(tmp_path, monkeypatch):
    """A stage starts from the last weights of the one before; with keep="best", from the mean."""
    dataset = make_dataset()
    fold = everything(dataset)
    inputs = Inputs(dataset, read)
    trainers = {
        stage.name: Trainer(lambda s=stage: freeze(network(), s.train), RECIPE) for stage in STAGES
    }
    starts = {}
    finish = FoldFit.set_learning_rate

    def noted(self, epoch):
        if not epoch:
            starts[self.folder] = self.trainer.weights()
        finish(self, epoch)

    monkeypatch.setattr(FoldFit, "set_learning_rate", noted)
    for keep in ("last", "best"):
        stages = (replace(STAGES[0], keep=keep, watch_test=False), STAGES[1])
        folder = tmp_path / keep
        metrics = train_stages(
            stages, trainers, lambda stage: inputs, fold, 1, 3, folder, Progress([9]), average=True
        )
        assert_equal(starts[folder / "second"], saved(folder / "first", keep))
        assert_equal(saved(folder, "best"), saved(folder / "second", "best"))
        first, second = (json.loads((folder / s.name / "metrics.json").read_text()) for s in stages)
        assert (first["epochs_averaged"], second["epochs_averaged"]) == (1, 2)
        assert first["best_test_accuracy"] is None  # not watched
        assert first["accuracy"] is not None
        assert [s["accuracy"] for s in metrics["stages"]] == [first["accuracy"], second["accuracy"]]
        assert metrics["epoch_selected"] is None
        assert metrics["best_test_epoch"] > 3
        assert (metrics["weights"], metrics["epochs"]) == ("last, averaged", 9)


def experiment(folder, train_on="all", log=lambda line: None, **changes):
    recipe = replace(
        get_recipe("lstm", "sbu"),
        **{"epochs": 2, "stages": (), "jit": False, "preprocessing": {"coordinates": "hips"},
           "model": {"units": 4}, "frames": 12, **changes},
    )  # fmt: skip
    return Experiment(
        "lstm", make_dataset(24), "cs", recipe, folder=folder, log=log, train_on=train_on
    )


def test_an_experiment_holds_nothing_out(tmp_path):
    (fold,) = experiment(tmp_path).folds
    (held,) = experiment(tmp_path, "part").folds
    assert sorted(fold.train) == sorted([*held.train, *held.validation])
    assert not len(fold.validation)
    assert fold.validation.dtype == held.validation.dtype
    assert list(fold.test) == list(held.test)
    with pytest.raises(UnknownNameError, match="'all'"):
        experiment(tmp_path, "al")


def test_clips_per_class_are_drawn_from_all_training_clips(tmp_path):
    whole = Experiment(
        "lstm", make_dataset(24), "cs", folder=tmp_path, clips_per_class=6, train_on="all"
    )
    assert len(whole.folds[0].train) == 18


def test_what_is_said_of_the_rate(tmp_path):
    for changes, follows in (({}, False), ({"schedule": Plateau()}, True)):
        for train_on in ("all", "part"):
            run = experiment(tmp_path, train_on, **changes)
            notes = run.notes(run.folds[0])
            assert (FOLLOWS in notes) == (follows and train_on == "all")
    staged = experiment(
        tmp_path, stages=(replace(STAGES[0], recipe={"schedule": Plateau()}), STAGES[1])
    )
    assert FOLLOWS in staged.notes(staged.folds[0])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("all") / "run"
    said = []
    result = experiment(folder, log=said.append).fit()
    return folder, result, said


@pytest.mark.slow
def test_a_run_records_what_it_was_trained_on(finished):
    folder, result, said = finished
    assert json.loads((folder / "run.json").read_text())["train_on"] == "all"
    assert result.metrics["train_on"] == "all"
    assert result.metrics["weights"] == "last, averaged"
    assert "all training clips, last weights" in str(result)
    assert not (folder / "fold_01" / "calibration.npz").exists()
    assert said.count(NOT_CALIBRATED) == 1


@pytest.mark.slow
def test_a_run_on_other_clips_is_not_continued(finished, tmp_path):
    folder, *_ = finished
    with pytest.raises(RunError, match="train_on: all and part"):
        experiment(folder, "part").fit(resume=True)
    # A run of an earlier version held validation clips out.
    old = experiment(tmp_path / "old", "part").describe()
    del old["train_on"]
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "run.json").write_text(json.dumps(old))
    with pytest.raises(RunError, match="train_on: part and all"):
        experiment(tmp_path / "old").open([1], resume=True)
    assert experiment(tmp_path / "old", "part").open([1], resume=True) == [1]
