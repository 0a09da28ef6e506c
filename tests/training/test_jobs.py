"""Folds at the same time: the same networks as one after the other, and what a failure leaves."""

from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pytest
from conftest import make_dataset

from keras_skeleton.commands.common import start_keras
from keras_skeleton.datasets.dataset import Fold
from keras_skeleton.recipes.registry import get_recipe
from keras_skeleton.training import jobs as jobs_module
from keras_skeleton.training.experiment import Experiment
from keras_skeleton.training.fold import DivergedError
from keras_skeleton.training.jobs import Jobs
from keras_skeleton.utils import executor as executor_module

FOLDS = 3


def experiment(folder, rate=0.01, failing=None):
    """Three folds of a small LSTM; `failing` is one that diverges."""
    recipe = get_recipe("lstm", "sbu")
    recipe = replace(
        recipe, epochs=2, stages=(), jit=False, learning_rate=rate, clipnorm=None,
        preprocessing={"coordinates": "hips"}, model={"units": 6}, frames=20,
    )  # fmt: skip
    whole = Experiment(
        "lstm", make_dataset(), "cs", recipe, folder=folder, command="test", log=lambda line: None
    )
    (fold,) = whole.folds
    parts = [np.roll(fold.train, 7 * k)[:24] for k in range(FOLDS)]
    whole.folds = [Fold(part, fold.validation, fold.test) for part in parts]
    if failing:
        whole.train_folds = partial(_all_but_one, whole, failing)
    return whole


def _all_but_one(whole, failing, numbers, *rest):
    if numbers == [failing]:
        raise DivergedError(f"fold {failing}: NaN")
    Experiment.train_folds(whole, numbers, *rest)


def weights(folder, number):
    network = experiment(folder).build()
    network.load_weights(folder / f"fold_{number:02d}" / "last.weights.h5")
    return network.get_weights()


@dataclass
class Notes:
    """What an experiment is asked to do; its networks are a word."""

    seen: list = field(default_factory=list)

    def trainers(self):
        self.seen.append("compiled")
        return {"": "networks"}

    def train_folds(self, numbers, resume, trainers):
        self.seen.append((numbers, resume, trainers))


def test_a_process_compiles_once_for_all_its_folds(monkeypatch, capsys):
    """Here the work of the other processes is done in this one."""
    notes, said, asked = Notes(), [], []

    def make():
        print("said by the command already")
        return notes

    def here(number, init_process, work, items, anew):
        asked.append((number, list(items)))
        init_process()
        return ((item, work(item)) for item in items)

    monkeypatch.setattr(executor_module, "map_processes", here)
    monkeypatch.setattr(jobs_module, "_opened", None)
    Jobs(8, make, lambda: notes.seen.append("begun")).train([2, 5, 7], True, said.append)
    assert asked == [(3, [2, 5, 7])]
    trained = [([k], True, {"": "networks"}) for k in (2, 5, 7)]
    assert notes.seen == ["begun", "compiled", *trained]
    assert capsys.readouterr().out == ""
    assert [line for line in said if line.startswith("3 of 3 folds")]


@pytest.mark.slow
def test_as_one_after_the_other(tmp_path):
    alone, beside = tmp_path / "alone", tmp_path / "beside"
    result = experiment(alone).fit()
    jobs = Jobs(2, partial(experiment, beside), start_keras)
    said = []
    whole = experiment(beside)
    whole.log = said.append
    found = whole.fit(jobs=jobs)
    assert found.folder == beside
    assert found.accuracy == pytest.approx(result.accuracy, abs=0.1)
    assert any(line.startswith(f"{FOLDS} of {FOLDS} folds") for line in said)
    for number in range(1, FOLDS + 1):
        for a, b in zip(weights(alone, number), weights(beside, number), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)
    assert {p.name for p in alone.iterdir()} == {p.name for p in beside.iterdir()}


@pytest.mark.slow
def test_what_is_finished_stays_where_another_fold_fails(tmp_path):
    jobs = Jobs(2, partial(experiment, tmp_path / "run", failing=1), start_keras)
    whole = experiment(tmp_path / "run")
    with pytest.raises(DivergedError, match="fold 1"):
        whole.fit(jobs=jobs)
    assert whole.finished(2)
    assert not whole.finished(1)
    jobs = replace(jobs, make=partial(experiment, tmp_path / "run"))
    result = whole.fit(resume=True, jobs=jobs)
    assert [fold["fold"] for fold in result.metrics["folds"]] == [1, 2, 3]
