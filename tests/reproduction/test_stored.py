"""Stored results: found by their content, refused when damaged; the committed tables are theirs."""

import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from keras_skeleton.evaluation.run_record import read_record
from keras_skeleton.evaluation.scores import ResultsError
from keras_skeleton.reproduction.page import write_table
from keras_skeleton.reproduction.stored import belongs, keep, read_results, seeds_of
from keras_skeleton.reproduction.tables import Training, read_tables

ROOT = Path(__file__).resolve().parents[2]
STORED = ROOT / "results" / "runs"
RESULTS = read_results(ROOT / "results")
TABLES = read_tables(["all"])
SBU = Training("lstm", "sbu", "5fold", "tuned")


def test_the_committed_tables_are_made_from_the_stored_results(tmp_path):
    for table in TABLES:
        write_table(table, RESULTS, tmp_path)
    made = {path.name: path.read_text("utf-8") for path in tmp_path.iterdir()}
    committed = {p.name: p.read_text("utf-8") for p in (ROOT / "results" / "tables").iterdir()}
    assert sorted(made) == sorted(committed)
    for name, text in made.items():
        assert text == committed[name], f"python run.py reproduce --table all --no-train ({name})"


def test_a_page_says_what_its_rows_need(tmp_path):
    needs = {"pose1": " --crops FOLDER --i3d PATH", "mans4": "", "sta4": ""}
    for table in TABLES:
        if table.name not in needs:
            continue
        write_table(table, [], tmp_path)
        page = (tmp_path / f"{table.name}.md").read_text("utf-8")
        command = f"`python run.py reproduce --table {table.name} --data-dir PATH"
        assert f"{command}{needs[table.name]}`" in page
        unseen = page.partition("\n## ")[2].partition("`python")[0]
        # `synthetic` is generated, not downloaded.
        named = {training.dataset for training in table.trainings} - {"synthetic"}
        assert set(re.findall(r"`(\w+)`", unseen)) == named


def test_every_stored_result_is_in_a_table():
    trainings = set(chain(*(table.trainings for table in TABLES)))
    used = {r.folder for t in trainings for r in seeds_of(RESULTS, t).values()}
    assert used == {result.folder for result in RESULTS}
    assert len(used) == len({*STORED.glob("*/metrics.json"), *STORED.glob("*/run.json")})


def row_of(name, row, **other):
    table = pd.read_csv(ROOT / "results" / "tables" / f"{name}.csv", dtype={"seeds": str})
    for key, value in {"row": row, **other}.items():
        table = table[table[key] == value]
    (found,) = table.to_dict("records")
    return found


def test_a_row_is_what_its_runs_say():
    runs = [
        read_record(STORED / f"sta_lstm_sbu_5fold_tuned_seed{seed}" / "metrics.json")
        for seed in (0, 100, 200)
    ]
    ends = [100 * run["accuracy"] for run in runs]
    step = [
        np.mean([100 * s["best_test_accuracy"] for f in run["folds"] for s in f["stages"]
                 if s["name"] == "step7"])
        for run in runs
    ]  # fmt: skip
    found = row_of("stafig6", "STA-LSTM", dataset="sbu", recipe="tuned")
    assert (found["seeds"], found["folds"], found["paper"]) == ("0 100 200", 5, 91.5)
    assert found["validation"] == pytest.approx(np.mean(ends), rel=1e-5)
    assert found["validation_std"] == pytest.approx(np.std(ends), rel=1e-4)
    assert found["hours"] == pytest.approx(np.mean([run["hours"] for run in runs]), rel=1e-4)
    spatial = row_of("stafig6", "SA-LSTM", dataset="sbu", recipe="tuned")
    assert spatial["convention"] == pytest.approx(np.mean(step), rel=1e-5)
    assert spatial["convention"] != found["convention"]
    scores = pd.concat(map(pd.read_csv, STORED.glob("detect_ut_kinect_cs*/scores.csv")))
    own = scores[(scores["rule"] == "paper") & (scores["method"] == "tap_b_m")].groupby("theta")
    for metric, name in (("map_action", "sta4"), ("f1", "sta5")):
        found = row_of(name, "TAP-B-M", dataset="ut_kinect", overlap=0.5)
        assert found["seeds"] == "0 100 200"
        assert found["validation"] == pytest.approx(own[metric].mean()[0.5], rel=1e-5)
        assert found["validation_std"] == pytest.approx(own[metric].std(ddof=0)[0.5], rel=1e-4)


def test_a_result_belongs_to_a_training_by_content():
    (result,) = [r for r in RESULTS if r.folder.name == "lstm_sbu_5fold_tuned_seed100"]
    assert belongs(result, SBU)
    assert list(seeds_of(RESULTS, SBU)) == [0, 100, 200]
    others = {"model": "sta_lstm", "dataset": "nucla", "protocol": "cs", "recipe": "paper",
              "options": (("units", "normalised"),), "i3d": True, "train_on": "all",
              "settings": (("lambda1", 0.0), ("lambda2", 0.0))}  # fmt: skip
    for key, value in others.items():
        if key != "dataset":  # which has no recipe 'tuned'
            assert not belongs(result, replace(SBU, **{key: value})), key
    about = json.loads(json.dumps(result.about))
    changes = (
        lambda a: a["settings"].update(epochs=2),
        lambda a: a["settings"]["model"].update(lambda1=0.0),
        lambda a: a.update(complete=False),
        lambda a: a.update(clips=100),
        lambda a: a.update(command=a["command"] + " --option units=normalised"),
    )
    for change in changes:
        other = json.loads(json.dumps(about))
        change(other)
        assert not belongs(replace(result, about=other), SBU)
    about["settings"]["sources"] = {"all": "other words"}
    del about["settings"]["test_copies"]  # as before that field was there
    assert belongs(replace(result, about=about), SBU)
    about["settings"]["test_copies"] = 8  # trained alike, only scored once more
    assert belongs(replace(result, about=about), SBU)


def test_runs_on_all_clips_are_a_column_of_their_own(tmp_path):
    (result,) = [r for r in RESULTS if r.folder.name == "lstm_sbu_5fold_tuned_seed100"]
    everything = replace(result, about={**result.about, "train_on": "all", "accuracy": 0.9,
                                        "best_test_accuracy": 0.95})  # fmt: skip
    assert belongs(everything, replace(SBU, train_on="all"))
    assert not belongs(everything, SBU)
    (table,) = read_tables(["sbu"])
    for own in ([result], [everything], [result, everything]):
        (line,) = [n for n in write_table(table, own, tmp_path) if n.row.training == SBU]
        assert (list(line.results), list(line.all_results)) == (
            [100] * (result in own), [100] * (everything in own)
        )  # fmt: skip
        row = pd.read_csv(tmp_path / "sbu.csv").set_index("row").loc["LSTM"]
        page = (tmp_path / "sbu.md").read_text("utf-8")
        cells = next(line for line in page.splitlines() if line.startswith("| LSTM |")).split(" | ")
        held_out = f"{100 * result.about['accuracy']:.1f}" if result in own else "not run"
        if everything in own:
            assert (row["all_clips"], row["all_clips_best"]) == pytest.approx((90.0, 95.0))
            assert row["all_clips_results"] == result.folder.name
            assert cells[5:8] == ["90.0", held_out, "95.0"]
        else:
            best = f"{100 * result.about['best_test_accuracy']:.1f}"
            assert np.isnan(row["all_clips"])
            assert cells[5:8] == ["not run", held_out, f"{best} †"]
        command = f"{SBU.command()[:-9]} --train-on all --seed 0"
        assert (command in page) == (everything not in own)


@pytest.fixture
def stored(tmp_path):
    """A folder of results with one run and one detection."""
    for name in ("sta_lstm_ut_kinect_cs", "detect_ut_kinect_cs"):
        shutil.copytree(STORED / name, tmp_path / "runs" / name)
    return tmp_path


def test_runs_directly_in_the_folder_are_read_too(stored):
    shutil.move(stored / "runs" / "detect_ut_kinect_cs", stored / "detect_ut_kinect_cs")
    folders = [result.folder for result in read_results(stored)]
    assert folders == [stored / "detect_ut_kinect_cs", stored / "runs" / "sta_lstm_ut_kinect_cs"]
    assert read_results(stored / "none") == []


def cut(path):
    path.write_text(path.read_text()[:200])


def edited(key, value):
    def edit(path):
        about = json.loads(path.read_text())
        about[key] = value
        path.write_text(json.dumps(about))

    return edit


def test_a_damaged_result_is_named(stored):
    metrics, run, scores = (
        stored / "runs" / name
        for name in (
            "sta_lstm_ut_kinect_cs/metrics.json",
            "detect_ut_kinect_cs/run.json",
            "detect_ut_kinect_cs/scores.csv",
        )
    )
    for number, (path, damage) in enumerate(
        [
            (metrics, cut),
            (metrics, lambda path: path.write_text("[1]")),
            (metrics, lambda path: path.write_bytes(b"\xff\xfe\x00")),
            (metrics, edited("accuracy", 91.9)),
            (metrics, edited("best_test_accuracy", "best")),
            (metrics, edited("seed", None)),
            (metrics, edited("folds", [1])),
            (metrics, edited("command", None)),
            (run, cut),
            (run, edited("recipes", [])),
            (run, lambda path: path.unlink()),
            (scores, lambda path: path.write_text("method,f1\n")),
            (scores, lambda path: path.write_text("")),
        ]
    ):
        assert len(read_results(stored)) == 2
        before = path.read_bytes()
        damage(path)
        with pytest.raises(ResultsError) as raised:
            read_results(stored)
        assert str(raised.value).startswith(f"{path}: "), number
        assert "\n" not in str(raised.value), number
        path.write_bytes(before)


def test_what_is_kept_overwrites_nothing(stored):
    run = STORED / "sta_lstm_ut_kinect_cs"
    training = Training("sta_lstm", "ut_kinect", "cs")
    first = keep(run, training, 0, stored)
    assert first.parent == stored / "runs"
    (first / "metrics.json").write_text("precious")
    second = keep(run, training, 0, stored)
    assert (first / "metrics.json").read_text() == "precious"
    assert second.name == "sta_lstm_ut_kinect_cs_seed0-2"
    assert (second / "metrics.json").read_bytes() == (run / "metrics.json").read_bytes()
    assert [path.name for path in second.iterdir()] == ["metrics.json"]
    known = Training("sta_lstm", "synthetic", "cs")
    table = keep(STORED / "sta_lstm_synthetic_cs", known, 0, stored) / "attention.csv"
    assert pd.read_csv(table)["clips"].min() > 0
    videos = Training("pose_i3d", "synthetic", "cs")
    kept = keep(STORED / "pose_i3d_synthetic_cs", videos, 0, stored)
    assert {path.name for path in kept.iterdir()} == {"metrics.json", "parts.csv"}
    detection = Training("tap_lstm", "ut_kinect", "cs")
    kept = keep(STORED / "detect_ut_kinect_cs", detection, 0, stored, hours=0.5)
    assert kept.name == "detect_ut_kinect_cs_seed0"
    assert json.loads((kept / "run.json").read_text())["hours"] == 0.5
    assert {path.name for path in kept.iterdir()} == {"run.json", "scores.csv", "attention.csv"}
    assert not list((stored / "runs").glob(".*"))


def test_processes_that_share_the_results_keep_all_of_theirs(stored):
    run, training = STORED / "sta_lstm_ut_kinect_cs", Training("sta_lstm", "ut_kinect", "cs")
    with ThreadPoolExecutor(8) as pool:
        work = [pool.submit(keep, run, training, 0, stored, by=k) for k in range(24)]
        folders = [future.result() for future in work]
    assert len(set(folders)) == 24
    for k, folder in enumerate(folders):
        assert json.loads((folder / "metrics.json").read_text())["by"] == k
    assert not list((stored / "runs").glob(".*"))
