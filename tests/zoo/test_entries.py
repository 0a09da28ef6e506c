"""The list of trained networks: found by name, checked by hash, never outside of its folder."""

import json
from dataclasses import asdict, replace

import pytest

from keras_skeleton.zoo.check import compared
from keras_skeleton.zoo.entries import (
    ZOO,
    Entry,
    ZooError,
    checked_files,
    find_entry,
    no_weights,
    read_zoo,
    sha256,
    weights_folders,
)
from keras_skeleton.zoo.page import absent, listing, recognizers, write_zoo

FIGURES = {
    "accuracy": 0.9, "accuracy_last": 0.8, "best_test_accuracy": 0.95, "validation_accuracy": 0.7,
}  # fmt: skip


def entry(folder, name, model="mans9", **changes):
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.weights.h5").write_bytes(name.encode())
    made = Entry(
        name=name, task="recognition",
        files={f"{name}.weights.h5": sha256(folder / f"{name}.weights.h5")},
        model=model, arguments={}, frames=None, preprocessing={}, views=1, batch_size=8,
        skeleton="kinect_v1", classes=["a", "b"], dataset="ut_kinect", options={}, protocol="cs",
        fold=1, folds=1, recipe="paper", seed=0, command="python run.py ...", figures=FIGURES,
        test_clips=99, versions={"keras": "3"}, date="2026-11-22",
    )  # fmt: skip
    return replace(made, **changes)


def test_weights_of_all_training_clips_have_their_own_column(tmp_path):
    first = entry(tmp_path, "mans9_ut")
    other = entry(tmp_path, "mans9_ut_all_clips", train_on="all")
    write_zoo([first, other], tmp_path)
    assert read_zoo(tmp_path) == [first, other]
    assert (tmp_path / "zoo.json").read_text().count("train_on") == 1
    table = recognizers([first, other], tmp_path)
    shown = f"{100 * FIGURES['accuracy']:.1f}"
    assert list(table["selected on validation clips"]) == [shown, "-"]
    assert list(table["all training clips, last weights"]) == ["-", shown]
    assert "all training clips, last weights" not in recognizers([first], tmp_path)


@pytest.fixture
def zoo(tmp_path):
    folder = tmp_path / "weights"
    better = {**FIGURES, "validation_accuracy": 0.8}
    write_zoo(
        [
            entry(folder, "mans9_ut"),
            entry(folder, "mans9_ut_tuned", recipe="tuned", figures=better),
            entry(folder, "lstm_sbu_fold2", "lstm", dataset="sbu", protocol="5fold", fold=2,
                  folds=5, note="a note"),
        ],
        folder,
    )  # fmt: skip
    return folder


def test_the_list_comes_back_by_name(zoo):
    assert [e.name for e in read_zoo(zoo)] == ["lstm_sbu_fold2", "mans9_ut", "mans9_ut_tuned"]
    assert read_zoo(zoo)[1] == entry(zoo, "mans9_ut")
    assert read_zoo(zoo / "none") == []


def test_of_several_recipes_the_best_on_validation_clips_is_found(zoo):
    assert find_entry("mans9", "ut_kinect", "cs", folder=zoo).name == "mans9_ut_tuned"
    assert find_entry("mans9", "ut_kinect", "cs", "paper", folder=zoo).name == "mans9_ut"
    assert find_entry("lstm", "sbu", "5fold", None, 2, zoo).name == "lstm_sbu_fold2"


def test_what_is_not_there_names_what_is(zoo):
    for asked, message in (
        (("lstm", "sbu", "5fold", None, 1), "'lstm' on sbu, 5fold, fold 1.*: lstm_sbu_fold2"),
        (("mans9", "ut_kinect", "cs", "released"), "'released'.*: mans9_ut, mans9_ut_tuned"),
        (("mans9", "ntu", "cs"), "'mans9' on ntu, cs.*: mans9_ut, mans9_ut_tuned"),
        (("csta_cnn", "ntu", "cs"), "'csta_cnn' on ntu, cs"),
    ):
        with pytest.raises(ZooError, match=message):
            find_entry(*asked, folder=zoo)


def test_without_a_zoo_it_says_where_it_lies(tmp_path):
    with pytest.raises(ZooError, match=f"{tmp_path}: .*zoo.json"):
        find_entry("mans9", "ut_kinect", "cs", folder=tmp_path)
    assert "KERAS_SKELETON_WEIGHTS" in no_weights(ZOO)
    assert all(str(folder) in no_weights(ZOO) for folder in weights_folders())


@pytest.mark.parametrize("below", ["", "notebooks"])
def test_weights_of_a_checkout_are_found_from_its_notebooks(tmp_path, monkeypatch, below):
    here = tmp_path / below
    here.mkdir(exist_ok=True)
    monkeypatch.chdir(here)
    assert tmp_path / "weights" not in weights_folders()
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "zoo.json").write_text("{}")
    assert tmp_path / "weights" in weights_folders()


def test_changed_absent_and_outside_files_are_refused(zoo):
    own = find_entry("mans9", "ut_kinect", "cs", "paper", folder=zoo)
    path = zoo / own.file
    assert checked_files(own, zoo) == [path]
    path.write_bytes(b"mans9_uT")
    with pytest.raises(ZooError, match="mans9_ut.weights.h5: .*SHA-256"):
        checked_files(own, zoo)
    assert "mans9_ut.weights.h5: " in listing(read_zoo(zoo), zoo)
    path.unlink()
    with pytest.raises(ZooError, match="mans9_ut.weights.h5: "):
        checked_files(own, zoo)
    for name in ("../zoo.json", "/etc/passwd", "a/../../b"):
        with pytest.raises(ZooError, match=f"'{name}'"):
            checked_files(replace(own, files={name: "0"}), zoo)


def test_a_damaged_list_is_named(tmp_path):
    for content in ("", "[]", "{}", '{"entries": [{}]}', '{"entries": 3}'):
        (tmp_path / "zoo.json").write_text(content)
        with pytest.raises(ZooError, match="zoo.json: "):
            read_zoo(tmp_path)


def test_a_list_of_an_earlier_version_is_read(zoo):
    entries = read_zoo(zoo)
    text = (zoo / "zoo.json").read_text()
    old = text.replace('"preprocessing"', '"read"').replace(
        '"best_test_accuracy"', '"accuracy_paper"'
    )
    assert old != text
    (zoo / "zoo.json").write_text(old)
    assert read_zoo(zoo) == entries


def test_pages_show_figures_notes_commands_and_what_is_absent(zoo):
    page = (zoo / "README.md").read_text()
    assert "| `mans9_ut` | mans9 | ut_kinect, cs | 1 of 1 | paper | 90.0 | 80.0 | 95.0 |" in page
    assert "- `lstm_sbu_fold2`: a note" in page
    assert "- `mans9_ut`: `python run.py ...`" in page
    assert "python run.py --model mans9 --dataset ntu --protocol cv --data-dir PATH" in page
    text = listing(read_zoo(zoo), zoo)
    assert "3 entries" in text
    assert "all files match" in text
    made = [replace(read_zoo(zoo)[0], model="mans9", dataset="ntu", protocol="cs")]
    assert len(absent(made)) == len(absent([])) - 1


def test_differences_are_shown(zoo):
    own = read_zoo(zoo)[0]
    said, same = compared(own, {"accuracy": 0.9}, 99)
    assert same
    assert "accuracy 90.00 %" in said
    said, same = compared(own, {"accuracy": 0.89}, 98)
    assert not same
    for number in ("98", "99", "accuracy 89.00 %", "90.00 %", "-1.00"):
        assert number in said


def test_the_list_is_plain_json(zoo):
    first = json.loads((zoo / "zoo.json").read_text())["entries"][0]
    own = json.loads(json.dumps(asdict(read_zoo(zoo)[0])))
    assert own.pop("train_on") == "part"  # not written where it is the default
    assert first == own
