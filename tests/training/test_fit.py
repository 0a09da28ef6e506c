"""An experiment from its name to its result; what belongs to it and what does not."""

import json
from dataclasses import replace

import pytest
from conftest import make_dataset

from keras_skeleton.evaluation.run_record import RunError
from keras_skeleton.recipes.registry import get_recipe
from keras_skeleton.training.experiment import Experiment, free_folder
from keras_skeleton.utils.errors import UserError

CHANGES = {"epochs": 1, "stages": (), "jit": False, "preprocessing": {"coordinates": "hips"},
           "model": {"units": 4}, "frames": 12}  # fmt: skip


def experiment(folder, log=lambda line: None, seed=0, protocol="cs", **changes):
    recipe = replace(get_recipe("lstm", "sbu"), **{**CHANGES, **changes})
    return Experiment(
        "lstm", make_dataset(24), protocol, recipe, seed, folder, command="test", log=log
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "r"
    run = experiment(folder)
    return run, run.fit(), folder


def test_a_result_is_an_accuracy_a_folder_and_a_table(finished):
    run, result, folder = finished
    metrics = json.loads((folder / "fold_01" / "metrics.json").read_text())
    assert result.folder == folder == run.folder
    assert result.accuracy == metrics["accuracy"]
    assert f"{100 * result.accuracy:.1f}" in str(result)
    assert str(result).startswith("lstm on toy (cs)")
    assert {path.name for path in folder.iterdir()} == {"run.json", "fold_01"}  # it only trains


def test_what_is_run_is_in_the_folder(finished):
    run, _, folder = finished
    stored = json.loads((folder / "run.json").read_text())
    assert stored == {**run.describe(), "started": stored["started"]}
    assert stored["recipe"] == "paper"
    assert stored["settings"]["preprocessing"] == {"coordinates": "hips"}
    assert stored["settings"]["model"] == {"units": 4}
    assert (stored["skeleton"], stored["clips"], stored["command"]) == ("kinect_v1", 24, "test")
    assert stored["classes"] == ["class 0", "class 1", "class 2"]


def test_a_finished_fold_is_not_trained_again(finished):
    _, result, folder = finished
    with pytest.raises(RunError, match="--resume"):
        experiment(folder).fit()
    said = []
    before = (folder / "fold_01" / "metrics.json").stat().st_mtime_ns
    assert experiment(folder, said.append).fit(resume=True).accuracy == result.accuracy
    assert (folder / "fold_01" / "metrics.json").stat().st_mtime_ns == before
    assert len(said) == 1


def test_another_experiment_in_the_same_folder_is_named(finished):
    *_, folder = finished
    for changes, named in (
        ({"seed": 1}, "seed"),
        ({"epochs": 2}, r"settings\.epochs: 1 and 2"),
        ({"model": {"units": 5}}, r"settings\.model\.units: 4 and 5"),
    ):
        with pytest.raises(RunError, match=named):
            experiment(folder, **changes).fit(resume=True)


def test_a_run_of_an_earlier_version_goes_on(finished, tmp_path):
    """Its run.json has other names for the recipe and its fields."""
    run, *_ = finished
    old = run.describe()
    settings = old.pop("settings")
    settings["read"] = settings.pop("preprocessing")
    old |= {"variant": old["recipe"], "recipe": settings}
    (tmp_path / "run.json").write_text(json.dumps(old))
    run = experiment(tmp_path)
    assert run.open([1], resume=False) == [1]
    with pytest.raises(RunError, match=r"settings\.preprocessing"):
        experiment(tmp_path, preprocessing={"coordinates": "camera"}).open([1], resume=True)


def test_a_fold_that_has_lost_a_file_is_named(tmp_path):
    (tmp_path / "fold_01").mkdir()
    (tmp_path / "fold_01" / "metrics.json").write_text("{}")
    (tmp_path / "fold_01" / "history.csv").touch()
    with pytest.raises(RunError, match=r"fold_01.*scores\.npz, best\.weights\.h5"):
        experiment(tmp_path).finished(1)


def test_names_and_folds_that_are_not_there(tmp_path, monkeypatch):
    run = experiment(tmp_path)
    with pytest.raises(RunError, match="fold 2"):
        run.check_folds([1, 2])
    for arguments in ({"model": "lstn"}, {"protocol": "sc"}, {"recipe": "papers"}):
        given = {"model": "lstm", "dataset": make_dataset(24), "protocol": "cs", **arguments}
        with pytest.raises(UserError, match="Known: "):
            Experiment(**given, folder=tmp_path)
    monkeypatch.chdir(tmp_path)
    first = free_folder("lstm", "sbu", "cs")
    first.mkdir(parents=True)
    assert free_folder("lstm", "sbu", "cs").name == f"{first.name}-2"


def test_untrimmed_recordings_are_no_clips(tmp_path):
    dataset = make_dataset(24)
    dataset.info["options"] = {"clips": "untrimmed"}
    with pytest.raises(RunError, match="untrimmed"):
        Experiment("lstm", dataset, "cs", folder=tmp_path)
