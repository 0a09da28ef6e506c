"""`run.py reproduce` as a user meets it, with a table that is trained in seconds."""

import json
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
from keras_skeleton.reproduction.tables import Training, read_tables

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
    monkeypatch.setattr(reproduce, "apart", lambda begin, work, *arguments: work(*arguments))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words):
    return main(["reproduce", "--table", "tiny", "--cache-dir", "cache", *words])


def rows():
    return pd.read_csv("results/tables/tiny.csv", dtype={"seeds": str}).set_index("dataset")


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
    assert "to be run here: about 0.0 hours, and 2 runs of unknown length" in said.out
    assert f"no data here: {ABSENT}" in said.out
    assert "the same command goes on where this one stopped" in said.out
    assert rows()["seeds"]["synthetic"] == "0"
    (first,) = kept
    before = (first / "metrics.json").read_bytes()
    about = json.loads(before)
    assert (about["variant"], about["seed"], about["complete"]) == ("paper", 0, True)
    command_line = "python run.py --model stcm9 --dataset synthetic --protocol cs"
    assert f"{command_line} --option subjects=4 --option repetitions=1 --seed 0" in before.decode()
    assert str(tiny) not in before.decode()

    monkeypatch.setattr(reproduce, "keep", stored.keep)
    assert run("--seeds", "2") == 0
    said = capsys.readouterr().out
    assert f"{command_line} --option subjects=4 --option repetitions=1 --seed 100" in said
    assert "1 folds are finished already" in said  # the second had only not been kept
    assert "| The CNN | `stcm9` | hdm05, 10fold | paper | 90.12 | - | no data here |" in said
    assert (first / "metrics.json").read_bytes() == before
    found = rows()
    runs = [json.loads(path.read_text()) for path in sorted(tiny.glob("results/*/metrics.json"))]
    assert [r["seed"] for r in runs] == [0, 100]
    assert found["seeds"]["synthetic"] == "0 100"
    own = 100 * sum(r["accuracy"] for r in runs) / 2
    assert found["validation"]["synthetic"] == pytest.approx(own, rel=1e-5)
    assert found["validation_std"]["synthetic"] >= 0
    assert pd.isna(found["validation"]["hdm05"])
    assert ABSENT in (tiny / "results/tables/tiny.md").read_text()

    text = (tiny / "results/tables/tiny.md").read_text()
    assert "No result with `hdm05` is stored, in this table or another" in text
    shutil.rmtree(tiny / "results" / "tables")
    assert run("--no-train") == 0  # three seeds by default: a run takes seconds
    assert "to be run here: about 0.0 hours\n" in (said := capsys.readouterr().out)
    assert "--seed 200" in said
    assert len(list(tiny.glob("results/*/metrics.json"))) == 2
    assert (tiny / "results/tables/tiny.md").read_text() == text

    (first / "metrics.json").write_bytes(before[:100])
    assert run("--no-train") == 2
    assert f"{first}/metrics.json: not the result of a run" in (capsys.readouterr().err)
    assert (tiny / "results/tables/tiny.md").read_text() == text


def test_several_at_a_time(tiny, monkeypatch, capsys):
    asked = []

    def map_processes(number, begin, work, items, anew):
        asked.append((number, len(items), anew))
        yield from ((item, work(item)) for item in items)

    monkeypatch.setattr(reproduce, "side_by_side", map_processes)
    assert run("--seeds", "2", "--jobs", "2") == 0
    assert asked == [(2, 2, True)]
    assert rows()["seeds"]["synthetic"] == "0 100"


def test_quick_keeps_nothing(tiny, capsys):
    assert run("--quick") == 0
    said = capsys.readouterr().out
    assert f"no data here: {ABSENT}" in said
    assert "only tried, nothing kept" in said
    assert not (tiny / "results").exists()
    (folder,) = (tiny / "runs" / "reproduce" / "quick").iterdir()
    about = json.loads((folder / "metrics.json").read_text())
    assert about["variant"] == "paper, quick"
    assert about["folds"][0]["epochs"] == 2
    assert max(about["folds"][0]["clips"].values()) <= 64
    # Not even a copy of it counts.
    shutil.copytree(folder, tiny / "results" / "copy")
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
    assert said.count(f"no data here: {ABSENT}") == 1
    assert "--model mtcn" not in said
    # Its own row of the table still says why it is empty.
    assert "| Another | `mtcn` | hdm05, 10fold | paper | - | - | no data here |" in said
    assert run("--no-train", "--model", "sctm9") == 2
    assert "unknown model 'sctm9' of 'tiny'. Did you mean 'stcm9'?" in capsys.readouterr().err


def test_long_trainings_can_be_left_out(tiny, capsys):
    assert run("--most-hours", "1") == 0
    said = capsys.readouterr().out
    assert "(left out: --most-hours)" in said
    assert not (tiny / "runs").exists()
    assert "| not run |" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--table mans55", "unknown table 'mans55'. Did you mean 'mans5'"),
        ("--table sta1 --data-dir nowhere", "nowhere: no such folder"),
        ("--table sta1 --quick --no-train", "--quick tries every training; leave out --no-train"),
        ("--table sta1 --quick --most-hours 1", "leave out --no-train and --most-hours"),
    ],
)
def test_errors_say_what_to_do(words, message, capsys):
    assert main(["reproduce", *words.split()]) == 2
    assert message in capsys.readouterr().err


def test_without_a_table_they_are_listed(capsys):
    assert main(["reproduce"]) == 0
    said = capsys.readouterr().out
    assert "mans5      Xie et al., IJCAI 2018 (MANs), Table 5: MANs with various CNNs" in said
    assert "nucla      All networks of skeletons on N-UCLA" in said


def test_part_of_a_dataset_is_not_the_dataset(tmp_path):
    folder = tmp_path / "nucla"
    folder.mkdir()
    for subject in range(1, 4):
        (folder / f"a01_s0{subject}_e00_v01.json").write_text("{}")
    training = Training("lstm", "nucla", "cv")
    assert Place().lacks(training) == "no data here"
    assert Place(tmp_path).lacks(training) == "only 3 of 1,484 clips here"
    source = get_source("nucla")
    assert is_whole(1484, source)
    assert is_whole(1480, source)
    assert not is_whole(1400, source)


def test_what_watches_videos_needs_crops_and_weights(tmp_path):
    training = Training("pose_i3d", "synthetic", "cs")
    assert Place().lacks(training) == "no crops here"
    assert Place(crops=tmp_path).lacks(training) == "no crops here"
    (tmp_path / "synthetic").mkdir()
    (tmp_path / "synthetic" / "crops.csv").write_text("")
    assert Place(crops=tmp_path).lacks(training) == ""
    assert Place(crops=tmp_path).lacks(replace(training, i3d=True)) == "no I3D weights here"


def test_three_seeds_of_what_is_short():
    assert missing_seeds({}, None, None) == [0]
    assert missing_seeds({0: 1}, 0.5, None) == [100, 200]
    assert missing_seeds({7: 1, 100: 1}, 0.5, None) == [0]
    assert missing_seeds({0: 1}, 1.5, None) == []
    assert missing_seeds({0: 1}, 1.5, 2) == [100]
    assert missing_seeds({0: 1, 100: 1, 200: 1}, 0.1, None) == []
