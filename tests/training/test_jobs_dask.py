"""Folds on the workers of a Dask cluster: as local ones, also where a worker is killed."""

from functools import partial

import numpy as np
import pytest
import test_jobs
from dask_cluster import cluster, kill

from keras_skeleton.commands.common import start_keras
from keras_skeleton.datasets.registry import load_dataset
from keras_skeleton.training import fold as fold_module
from keras_skeleton.training.experiment import Experiment
from keras_skeleton.training.jobs import Jobs
from keras_skeleton.utils.executor import WorkerError

pytest.importorskip("distributed", reason="the extra dask is not installed")


def experiment(folder, notes):
    """That of `test_jobs`, by a worker that notes every epoch, and is killed in the second fold
    once it has saved the first epoch."""
    fold_module.SAVE_EVERY = -1.0
    finish, fit = fold_module.FoldFit.finish_epoch, fold_module.FoldFit

    def finish_epoch(self, *given):
        finish(self, *given)
        epoch = len(self.state.history)
        killed = self.number == 2 and epoch == 1
        with notes.open("a") as file:
            file.write(f"{self.number} {epoch}\n")
        if killed:
            kill(worker=True)

    fit.finish_epoch = finish_epoch
    return test_jobs.experiment(folder)


@pytest.mark.slow
def test_folds_go_on_from_their_saved_epoch(tmp_path):
    alone, beside, notes = tmp_path / "alone", tmp_path / "beside", tmp_path / "notes.txt"
    result = test_jobs.experiment(alone).fit()
    with cluster(tmp_path) as address:
        jobs = Jobs(
            1, partial(experiment, beside, notes), start_keras, address, (beside / "run.json",)
        )
        found = test_jobs.experiment(beside).fit(jobs=jobs)
    assert found.accuracy == pytest.approx(result.accuracy, abs=0.1)
    lines = notes.read_text().split("\n")[:-1]
    folds = range(1, test_jobs.FOLDS + 1)
    assert sorted(lines) == [f"{number} {epoch}" for number in folds for epoch in (1, 2)]
    for number in folds:
        pairs = zip(
            test_jobs.weights(alone, number), test_jobs.weights(beside, number), strict=True
        )
        for a, b in pairs:
            np.testing.assert_allclose(a, b, atol=1e-5)


def without_data(folder):
    return Experiment("lstm", load_dataset("sbu", folder / "sbu"), "5fold", folder=folder)


@pytest.mark.slow
def test_a_worker_without_the_data_says_so(tmp_path):
    jobs = partial(Jobs, 1, partial(without_data, tmp_path), start_keras)
    with cluster(tmp_path, workers=1) as address:
        with pytest.raises(WorkerError, match=r"worker tcp://127.*sbu"):
            jobs(address).train([1], False, lambda line: None)
        with pytest.raises(WorkerError, match=r"worker tcp://127.*does not see .*run\.json"):
            jobs(address, (tmp_path / "run.json",)).train([1], False, lambda line: None)
