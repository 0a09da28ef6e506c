"""What a run says of itself, in files of every version."""

import json

import pytest

from keras_skeleton.evaluation.run_record import (
    RunError,
    experiment_differences,
    open_run,
    other_data,
    read_record,
    upgraded,
)
from keras_skeleton.evaluation.scores import ResultsError

OLD = {
    "model": "mans9", "dataset": "sbu", "protocol": "5fold", "variant": "paper", "seed": 0,
    "recipe": {"epochs": 30, "read": {"time": "pad"}, "sources": {"all": "a"},
               "stages": [{"name": "step2", "what": "gates", "iterations": 3}]},
    "folds": [{"accuracy": 0.5, "accuracy_paper": 0.75, "epoch_paper": 3}],
}  # fmt: skip


def test_files_before_version_0_2_get_the_names_of_today():
    new = upgraded(OLD)
    assert (new["recipe"], new["settings"]["preprocessing"]) == ("paper", {"time": "pad"})
    assert "variant" not in new
    assert new["folds"] == [{"accuracy": 0.5, "best_test_accuracy": 0.75, "best_test_epoch": 3}]
    assert upgraded(new) == new
    assert OLD["variant"] == "paper"  # the original is left as it is
    detection = upgraded({"variant": "paper", "recipes": {"lstm": {"read": {"unit": 1}}}})
    assert detection["recipes"] == {"lstm": {"preprocessing": {"unit": 1}}}


def test_an_old_run_is_continued_and_another_one_is_named(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps(OLD))
    mine = upgraded(OLD)
    open_run(tmp_path, mine, [1], resume=True)
    with pytest.raises(RunError, match="--resume"):
        open_run(tmp_path, mine, [1], resume=False)
    other = {**mine, "settings": {**mine["settings"], "epochs": 12}}
    with pytest.raises(RunError, match=r"settings\.epochs: 30 and 12"):
        open_run(tmp_path, other, [], resume=True)


CONTENT = {"clips": 3, "frames": 60, "rows": "ab", "samples": "cd"}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"options": {"units": "normalised"}}, r"options\.units: metres and normalised"),
        ({"content": {**CONTENT, "clips": 4}}, r"content\.clips: 3 and 4"),
        ({"content": {**CONTENT, "rows": "ef"}}, r"content\.rows: ab and ef"),
        ({"content": {**CONTENT, "samples": "ef"}}, r"content\.samples: cd and ef"),
        ({"crops_content": "2"}, r"crops_content: 1 and 2"),
    ],
)
def test_other_data_is_refused_and_named(tmp_path, changes, named):
    own = {"options": {"units": "metres"}, "content": CONTENT, "crops_content": "1"}
    mine = {**upgraded(OLD), **own}
    open_run(tmp_path, mine, [], resume=False)
    with pytest.raises(RunError, match=named):
        open_run(tmp_path, {**mine, **changes}, [1], resume=True)
    assert len(other_data(mine, {**mine, **changes})) == ("crops_content" not in changes)


def test_a_run_without_the_record_goes_on_with_a_note(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps(OLD))
    mine = {**upgraded(OLD), "options": {"units": "metres"}, "content": CONTENT}
    said = []
    open_run(tmp_path, mine, [1], resume=True, log=said.append)
    assert len(said) == 1
    assert "options, content" in said[0]
    assert read_record(tmp_path / "run.json")["content"] == CONTENT
    open_run(tmp_path, mine, [1], resume=True, log=said.append)
    assert len(said) == 1
    with pytest.raises(RunError, match="content"):
        open_run(tmp_path, {**mine, "content": {**CONTENT, "rows": ""}}, [1], resume=True)


def test_words_for_people_are_no_difference():
    first = upgraded(OLD)
    second = json.loads(json.dumps(first))
    second["settings"]["sources"] = {"all": "reworded"}
    second["settings"]["stages"][0]["what"] = "reworded"
    assert not experiment_differences(first, second)
    second["settings"]["stages"][0]["iterations"] = 4
    assert experiment_differences(first, second) == ["settings.stages[0].iterations: 3 and 4"]


def test_damaged_files_are_named(tmp_path):
    for content in ("{", "[1]"):
        (tmp_path / "run.json").write_text(content)
        with pytest.raises(ResultsError, match=r"run\.json"):
            read_record(tmp_path / "run.json")
    with pytest.raises(ResultsError, match=r"missing\.json"):
        read_record(tmp_path / "missing.json")


def test_options_that_readers_gained_are_no_difference():
    old = {"dataset": "folder", "options": {"people": 2, "track": "yes"}}
    new = {"dataset": "folder", "options": {**old["options"], "clips": "trimmed", "tier": None}}
    assert experiment_differences(old, new) == []
    other = {"dataset": "folder", "options": {**new["options"], "people": 3}}
    assert experiment_differences(old, other) == ["options.people: 2 and 3"]
