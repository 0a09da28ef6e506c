"""Training on all clips: a network to use, without test clips to score it on."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from conftest import make_dataset

from keras_skeleton.attention.faithfulness import NotScoredError
from keras_skeleton.attention.score import AttentionScore
from keras_skeleton.datasets.dataset import Fold
from keras_skeleton.evaluation.report import merge_runs
from keras_skeleton.evaluation.run_record import RunError
from keras_skeleton.evaluation.scores import ResultsError
from keras_skeleton.recipes.registry import get_recipe
from keras_skeleton.training.experiment import Experiment
from keras_skeleton.zoo.recognizers import load_recognizer


def experiment(folder, held):
    """An experiment on all clips of the toy dataset, of which `held` select the epoch."""
    dataset = make_dataset(24)
    clips = np.arange(24)

    def everything(samples):
        yield Fold(clips[held:], clips[:held], clips[:0])

    dataset = replace(dataset, protocols={"all": everything})
    recipe = replace(get_recipe("lstm", "toy"), epochs=2, stages=(), model={"units": 4})
    return Experiment("lstm", dataset, "all", recipe, folder=folder, log=lambda line: None)


@pytest.mark.slow
@pytest.mark.parametrize("held", [6, 0])
def test_a_network_is_trained_on_everything(tmp_path, held):
    run = experiment(tmp_path / "run", held)
    assert not run.tests
    result = run.fit()
    assert math.isnan(result.accuracy)
    assert str(24 - held) in str(result)
    metrics = json.loads((tmp_path / "run" / "fold_01" / "metrics.json").read_text())
    assert metrics["accuracy"] is metrics["accuracy_last"] is metrics["best_test_accuracy"] is None
    assert metrics["clips"] == {"train": 24 - held, "validation": held, "test": 0}
    assert (metrics["validation_accuracy"] is None) == (held == 0)
    names = {path.name for path in (tmp_path / "run" / "fold_01").iterdir()}
    assert "scores.npz" not in names
    assert ("calibration.npz" in names) == (held > 0)
    recognizer = load_recognizer(tmp_path / "run")
    found = recognizer.predict(run.dataset.clip(0))
    assert (found.unsure is None) == (held == 0)
    # A finished run is not trained again.
    best = (tmp_path / "run" / "fold_01" / "best.weights.h5").stat().st_mtime_ns
    assert experiment(tmp_path / "run", held).fit(resume=True).metrics["clips"]["test"] == 0
    assert (tmp_path / "run" / "fold_01" / "best.weights.h5").stat().st_mtime_ns == best
    # Nothing can be measured on test clips, and no file is left behind.
    with pytest.raises(ResultsError, match="no test clips"):
        merge_runs(tmp_path / "run")
    with pytest.raises(NotScoredError, match="no test clips"):
        AttentionScore(tmp_path / "score").add(
            "run", experiment(tmp_path / "other", held), tmp_path / "best.weights.h5", 1
        )
    with pytest.raises(RunError, match="no test clips"):
        experiment(tmp_path / "scored", held).evaluate(
            tmp_path / "run" / "fold_01" / "best.weights.h5"
        )
