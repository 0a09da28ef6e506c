"""`run.py reproduce` as a user meets it, with a table that is trained in seconds."""

import json
import re
import shutil
from dataclasses import replace
from functools import partial

import pandas as pd
import pytest

from keras_skeleton.cli import main
from keras_skeleton.commands import reproduce as command
from keras_skeleton.datasets.registry import get_source
from keras_skeleton.reproduction import reproduce, stored
from keras_skeleton.reproduction.needs import Place, is_whole, missing_seeds
from keras_skeleton.reproduction.tables import Training, read_tables, table_names
from keras_skeleton.utils import executor

TINY = """
paper = "A paper"
table = "Table 1"
title = "A table"
[columns]
here = { dataset = "synthetic", protocol = "cs", options = { subjects = 4, repetitions = 1 } }
absent = { dataset = "hdm05", protocol = "10fold" }
[[rows]]
name = "The CNN"
model = "stcm9"
paper = { here = "-", absent = 90.12 }
"""
ABSENT = "python run.py --model stcm9 --dataset hdm05 --protocol 10fold --data-dir PATH --seed 0"


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A folder with one table; its recipe has one epoch."""
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "tiny.toml").write_text(TINY)
    monkeypatch.setattr(command, "read_tables", partial(read_tables, folder=tmp_path / "papers"))

    def short(*names):
        return replace(get_recipe(*names), epochs=1, batch_size=20)

    get_recipe = stored.get_recipe
    monkeypatch.setattr(stored, "get_recipe", short)
    # No other process: it would not know of this, and would start TensorFlow anew.
    monkeypatch.setattr(reproduce, "run_in_process", lambda start, work, *words: work(*words))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words, train_on=("--train-on", "part")):
    return main(["reproduce", "--table", "tiny", "--cache-dir", "cache", *train_on, *words])


def rows():
    return pd.read_csv("results/tables/tiny.csv", dtype={"seeds": str}).set_index("dataset")


@pytest.mark.slow
def test_from_nothing_to_a_table_and_on_after_a_stop(tiny, monkeypatch, capsys):
    kept = []

    def stopped_at_the_second(*arguments, **more):
        if kept:
            raise KeyboardInterrupt
        kept.append(stored.keep(*arguments, **more))
        return kept[0]

    monkeypatch.setattr(reproduce, "keep", stopped_at_the_second)
    assert run("--seeds", "2") == 130
    said = capsys.readouterr()
    assert re.search("0.0 hours.* 2 runs", said.out)
    assert f": {ABSENT}" in said.out
    assert rows()["seeds"]["synthetic"] == "0"
    (first,) = kept
    before = (first / "metrics.json").read_bytes()
    about = json.loads(before)
    assert (about["recipe"], about["seed"], about["complete"]) == ("paper", 0, True)
    command_line = "python run.py --model stcm9 --dataset synthetic --protocol cs"
    assert f"{command_line} --option subjects=4 --option repetitions=1 --seed 0" in before.decode()
    assert str(tiny) not in before.decode()

    monkeypatch.setattr(reproduce, "keep", stored.keep)
    assert run("--seeds", "2") == 0
    said = capsys.readouterr().out
    assert f"{command_line} --option subjects=4 --option repetitions=1 --seed 100" in said
    assert re.search("1 folds? .*already finished", said)  # the second had only not been kept
    assert re.search(
        r"\| The CNN \| `stcm9` \| hdm05, 10fold \| paper \| 90.12 \| no data \| no data", said
    )
    assert (first / "metrics.json").read_bytes() == before
    found = rows()
    runs = [
        json.loads(path.read_text()) for path in sorted(tiny.glob("results/runs/*/metrics.json"))
    ]
    assert [r["seed"] for r in runs] == [0, 100]
    assert found["seeds"]["synthetic"] == "0 100"
    own = 100 * sum(r["accuracy"] for r in runs) / 2
    assert found["validation"]["synthetic"] == pytest.approx(own, rel=1e-5)
    assert found["validation_std"]["synthetic"] >= 0
    assert pd.isna(found["validation"]["hdm05"])
    assert ABSENT in (tiny / "results/tables/tiny.md").read_text()

    text = (tiny / "results/tables/tiny.md").read_text()
    assert "`hdm05`" in text
    shutil.rmtree(tiny / "results" / "tables")
    assert run("--no-train") == 0  # three seeds by default: a run takes seconds
    assert "0.0 hours\n" in (said := capsys.readouterr().out)
    assert "--seed 200" in said
    assert len(list(tiny.glob("results/runs/*/metrics.json"))) == 2
    assert (tiny / "results/tables/tiny.md").read_text() == text

    (first / "metrics.json").write_bytes(before[:100])
    assert run("--no-train") == 2
    assert f"{first}/metrics.json: " in capsys.readouterr().err
    assert (tiny / "results/tables/tiny.md").read_text() == text


@pytest.mark.slow
def test_several_at_a_time(tiny, monkeypatch, capsys):
    asked = []

    def map_processes(number, init_process, work, items, anew):
        asked.append((number, len(items), anew))
        yield from ((item, work(item)) for item in items)

    monkeypatch.setattr(executor, "map_processes", map_processes)
    assert run("--seeds", "2", "--jobs", "2") == 0
    assert asked == [(2, 2, True)]
    assert rows()["seeds"]["synthetic"] == "0 100"


@pytest.mark.slow
def test_quick_keeps_nothing(tiny, capsys):
    assert run("--quick") == 0
    said = capsys.readouterr().out
    assert f": {ABSENT}" in said
    assert not (tiny / "results").exists()
    (folder,) = (tiny / "runs" / "reproduce" / "quick").iterdir()
    about = json.loads((folder / "metrics.json").read_text())
    assert about["recipe"] == "paper, quick"
    assert about["folds"][0]["epochs"] == 2
    assert max(about["folds"][0]["clips"].values()) <= 64
    # Not even a copy of it counts.
    shutil.copytree(folder, tiny / "results" / "runs" / "copy")
    assert run("--no-train", "--seeds", "1") == 0
    assert "repetitions=1 --seed 0\n" in capsys.readouterr().out
    assert pd.isna(rows()["validation"]["synthetic"])


def test_one_network_of_a_table(tiny, capsys):
    table = tiny / "papers" / "tiny.toml"
    other = '[[rows]]\nname = "Another"\nmodel = "mtcn"\npaper = { here = "-", absent = "-" }\n'
    table.write_text(TINY + other)
    assert run("--no-train", "--model", "stcm9") == 0
    said = capsys.readouterr().out
    assert "--model stcm9 --dataset synthetic" in said
    assert said.count(f": {ABSENT}") == 1
    assert "--model mtcn" not in said
    # Its own row of the table still says why it is empty.
    assert re.search(r"\| Another \| `mtcn` \| hdm05, 10fold \| paper \| - \| no data", said)
    assert run("--no-train", "--model", "sctm9") == 2
    error = capsys.readouterr().err
    for name in ("'sctm9'", "'tiny'", "'stcm9'"):
        assert name in error


@pytest.mark.parametrize("train_on", ["all", "part", None])
def test_one_command_plans_the_trainings_of_all_columns(tiny, capsys, train_on):
    given = ("--train-on", train_on) if train_on else ()
    assert run("--no-train", "--seeds", "1", train_on=given) == 0
    said = capsys.readouterr().out
    plan, _, table = said.partition("A table")
    kinds = [train_on] if train_on else ["all", "part"]
    for kind, option in (("all", "--train-on all --seed 0"), ("part", "repetitions=1 --seed 0")):
        assert plan.count(option) == (kind in kinds) * (2 if kind == "all" else 1)
    assert "all training clips, last weights" in table
    page = (tiny / "results/tables/tiny.md").read_text()
    assert page.count("--train-on all --seed 0") == 2  # two datasets


def test_long_trainings_can_be_left_out(tiny, capsys):
    assert run("--most-hours", "1") == 0
    said = capsys.readouterr().out
    assert "(skipped: --most-hours)" in said
    assert not (tiny / "runs").exists()
    assert "| not run |" in said


def test_errors_say_what_to_do(capsys):
    for words, message in (
        ("--table mans55", "'mans55'.*'mans5'"),
        ("--table sta1 --data-dir nowhere", "nowhere: "),
        ("--table sta1 --quick --no-train", "--quick .*--no-train"),
        ("--table sta1 --quick --most-hours 1", "--quick .*--most-hours"),
    ):
        assert main(["reproduce", *words.split()]) == 2
        assert re.search(message, capsys.readouterr().err)


def test_without_a_table_they_are_listed(capsys):
    assert main(["reproduce"]) == 0
    said = capsys.readouterr().out
    listed = [line.split()[0] for line in said.splitlines()]
    assert listed == table_names()
    assert re.search("mans5 .*IJCAI 2018.*Table 5: ", said)


def test_part_of_a_dataset_is_not_the_dataset(tmp_path):
    folder = tmp_path / "nucla"
    folder.mkdir()
    for subject in range(1, 4):
        (folder / f"a01_s0{subject}_e00_v01.json").write_text("{}")
    training = Training("lstm", "nucla", "cv")
    assert Place().lacks(training)
    assert "3 of 1,484" in Place(tmp_path).lacks(training)
    source = get_source("nucla")
    assert is_whole(1484, source)
    assert is_whole(1480, source)
    assert not is_whole(1400, source)


def test_what_watches_videos_needs_crops_and_weights(tmp_path):
    training = Training("pose_i3d", "synthetic", "cs")
    assert "crops" in Place().lacks(training)
    assert "crops" in Place(crops=tmp_path).lacks(training)
    (tmp_path / "synthetic").mkdir()
    (tmp_path / "synthetic" / "crops.csv").write_text("")
    assert Place(crops=tmp_path).lacks(training) == ""
    assert Place(crops=tmp_path).lacks(replace(training, i3d=True)).startswith("no I3D")


def test_three_seeds_of_what_is_short():
    assert missing_seeds({}, None, None) == [0]
    assert missing_seeds({0: 1}, 0.5, None) == [100, 200]
    assert missing_seeds({7: 1, 100: 1}, 0.5, None) == [0]
    assert missing_seeds({0: 1}, 1.5, None) == []
    assert missing_seeds({0: 1}, 1.5, 2) == [100]
    assert missing_seeds({0: 1, 100: 1, 200: 1}, 0.1, None) == []
