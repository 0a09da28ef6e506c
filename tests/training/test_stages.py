"""Algorithm 1: which parts exist, which move, what is carried over; and resuming in a step."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import make_dataset

from keras_skeleton.dataset_recognizer import DatasetRecognizer
from keras_skeleton.recipes.registry import get_recipe
from keras_skeleton.recipes.sta_lstm import sta_joint_training, without
from keras_skeleton.training import fold as fold_module
from keras_skeleton.training.experiment import Experiment
from keras_skeleton.training.transfer import freeze, take_over

STAGES = sta_joint_training(n1=4, n2=2)


def experiment(folder, stages=STAGES, model="sta_lstm"):
    recipe = replace(
        get_recipe("sta_lstm", "sbu"),
        jit=False,  # compiling nine networks takes longer than training them here
        preprocessing={"coordinates": "hips"},
        model={"units": 6, "lambda1": 1e-3, "lambda2": 1e-4, "lambda3": 1e-5},
        batch_size=8,
        stages=stages,
    )
    return Experiment(
        model, make_dataset(), "cs", recipe, folder=folder, command="test", log=lambda text: None
    )


def test_the_nine_steps_of_algorithm_1():
    stages = {stage.name: stage for stage in sta_joint_training()}
    assert list(stages) == [f"step{n}" for n in range(2, 10)]  # step 1 is the initialization
    assert [s.iterations for s in stages.values()] == [1000, 1000, 500, 1000, 1000, 500, 1000, 500]
    assert stages["step2"].model == {"spatial": False, "main_layers": 1}
    assert stages["step5"].model == {"temporal": False, "main_layers": 1}
    assert stages["step3"].train == ("main",)
    assert stages["step8"].train == ("main",)
    assert stages["step9"].train == ("main", "joint_attention", "frame_attention")
    assert dict(stages["step8"].take)["step4"] == ("frame_attention",)


def test_networks_with_one_attention_keep_their_steps():
    assert [s.name for s in without(STAGES, True, True)] == [s.name for s in STAGES]
    assert [s.name for s in without(STAGES, False, True)] == ["step2", "step3", "step4"]
    assert [s.name for s in without(STAGES, True, False)] == ["step5", "step6", "step7"]
    assert without(STAGES, False, False) == ()
    assert get_recipe("lstm", "sbu").stages == ()
    assert len(get_recipe("ta_lstm", "sbu").stages) == 3


def test_frozen_parts_do_not_train_and_weights_are_carried_by_name(tmp_path):
    run = experiment(tmp_path)
    one = freeze(run.build(**STAGES[0].model), STAGES[0].train)
    three = freeze(run.build(**STAGES[1].model), STAGES[1].train)
    assert {layer.name for layer in three.layers if layer.trainable_weights} == {
        "main_lstm_1", "main_lstm_2", "main_lstm_3", "main_scores",
    }  # fmt: skip
    taken = take_over(three, one, STAGES[1].take[0][1])
    assert set(taken) == {"main_lstm_1", "main_scores", "frame_attention"}
    for name in taken:
        for a, b in zip(
            one.get_layer(name).get_weights(), three.get_layer(name).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(a, b)


def weights(run, folder, stage, which="last"):
    model = run.build(**next(s.model for s in STAGES if s.name == stage))
    model.load_weights(folder / "fold_01" / stage / f"{which}.weights.h5")
    return {layer.name: layer.get_weights() for layer in model.layers if layer.weights}


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("staged") / "run"
    run = experiment(folder)
    run.fit()
    return run, folder


@pytest.mark.slow
def test_titles_name_the_weights_of_the_run(finished):
    run, _ = finished
    recognizer = DatasetRecognizer.of_run(run, 1)
    title = recognizer.title(int(recognizer.test[0]))
    assert title.endswith("\nweights run/fold_01/best.weights.h5")


@pytest.mark.slow
def test_each_step_moves_what_it_should(finished):
    run, folder = finished
    w = {stage.name: weights(run, folder, stage.name) for stage in STAGES}
    assert same(w["step3"]["frame_attention"], w["step2"]["frame_attention"])
    assert not same(w["step3"]["main_lstm_1"], w["step2"]["main_lstm_1"])
    assert not same(w["step4"]["frame_attention"], w["step3"]["frame_attention"])
    assert same(w["step6"]["joint_attention"], w["step5"]["joint_attention"])
    assert same(w["step8"]["frame_attention"], w["step4"]["frame_attention"])
    assert same(w["step8"]["joint_attention"], w["step7"]["joint_attention"])
    assert not same(w["step8"]["main_lstm_2"], w["step7"]["main_lstm_2"])
    for name in ("frame_attention", "joint_attention", "main_lstm_1"):
        assert not same(w["step9"][name], w["step8"][name])


@pytest.mark.slow
def test_the_fold_reports_its_last_step(finished):
    _, folder = finished
    metrics = json.loads((folder / "fold_01" / "metrics.json").read_text())
    history = pd.read_csv(folder / "fold_01" / "history.csv")
    assert list(history["stage"].unique()) == [stage.name for stage in STAGES]
    assert list(history["epoch"]) == list(range(1, len(history) + 1))
    assert metrics["epochs"] == len(history) == 8  # 4 iterations are one epoch of 30 clips
    assert metrics["epoch_selected"] == 8
    assert metrics["seconds"] == pytest.approx(history["seconds"].sum())
    assert metrics["accuracy_last"] == history["test_accuracy"].iloc[-1]
    assert [stage["name"] for stage in metrics["stages"]] == [stage.name for stage in STAGES]
    ends = history.groupby("stage")["test_accuracy"].last()
    assert all(stage["accuracy_last"] == ends[stage["name"]] for stage in metrics["stages"])


@pytest.mark.slow
def test_one_attention_alone_is_a_part_of_the_whole_training(finished, tmp_path):
    """So the ablation's rows can be read off the steps 4 and 7 of one run."""
    run, folder = finished
    experiment(tmp_path, without(STAGES, True, False), "sa_lstm").fit()
    one, other = (weights(run, f, "step7", "best") for f in (folder, tmp_path))
    assert all(same(one[name], other[name]) for name in one)


class StopError(Exception):
    """The test pulls the plug."""


@pytest.mark.slow
def test_a_stopped_run_goes_on_in_its_step_to_the_same_end(tmp_path, monkeypatch):
    stages = without(STAGES, False, True)  # three steps are enough, and build in a third of time
    monkeypatch.setattr(fold_module, "SAVE_EVERY", -1.0)
    straight = experiment(tmp_path / "straight", stages)
    straight.fit()
    finish = fold_module.FoldFit.finish_epoch

    def stop(self, logs, started):
        finish(self, logs, started)
        if self.folder.name == "step3":
            raise StopError

    monkeypatch.setattr(fold_module.FoldFit, "finish_epoch", stop)
    with pytest.raises(StopError):
        experiment(tmp_path / "stopped", stages).fit()
    assert (tmp_path / "stopped" / "fold_01" / "step2" / "metrics.json").exists()
    assert not (tmp_path / "stopped" / "fold_01" / "step3" / "metrics.json").exists()
    monkeypatch.setattr(fold_module.FoldFit, "finish_epoch", finish)
    experiment(tmp_path / "stopped", stages).fit(resume=True)
    one, other = (weights(straight, tmp_path / f, "step4") for f in ("straight", "stopped"))
    assert all(same(one[name], other[name]) for name in one)
