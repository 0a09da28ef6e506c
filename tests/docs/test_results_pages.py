"""The tables in the documentation and in README show the numbers that are stored, and README is
short. Sentences are not tested."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def load_generator() -> ModuleType:
    """docs/generate_results.py, which is in no package."""
    spec = importlib.util.spec_from_file_location(
        "generate_results", ROOT / "docs" / "generate_results.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look it up
    spec.loader.exec_module(module)
    return module


generator = load_generator()


def table(text: str, first_heading: str) -> list[list[str]]:
    """Cells, without marks, of the rows of the first Markdown table with this first heading."""
    lines = text[text.index(f"| {first_heading} |") :].splitlines()
    rows = []
    for line in lines[2:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().strip("`") for cell in line.strip("|").split("|")])
    return rows


def names(cell: str) -> list[str]:
    """The words in code marks of a cell that `table` has stripped at its ends."""
    return re.findall(r"\w+", cell)


# --- Generated tables ---------------------------------------------------------------------------


def test_generated_tables_are_up_to_date():
    found = generator.stale()
    assert not found, "\n".join([*found, "run: python docs/generate_results.py"])


def test_every_generated_table_is_shown_on_a_page():
    pages = [path.read_text("utf-8") for path in (ROOT / "docs").rglob("*.md")]
    shown = {name for page in pages for name in re.findall(r"_generated/(\w+)\.md", page)}
    assert shown == {*generator.PAGES}


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of what is generated, beside links to what is stored."""
    shutil.copytree(ROOT / generator.OUT, tmp_path / generator.OUT)
    shutil.copyfile(ROOT / "README.md", tmp_path / "README.md")
    shutil.copytree(ROOT / "results" / "tables", tmp_path / "results" / "tables")
    for name in ("runs", "attention", "benchmarks"):
        (tmp_path / "results" / name).symlink_to(ROOT / "results" / name)
    (tmp_path / "weights").symlink_to(ROOT / "weights")
    monkeypatch.setattr(generator, "ROOT", tmp_path)
    generator.read_table.cache_clear()
    yield tmp_path
    generator.read_table.cache_clear()


@pytest.mark.parametrize("name", ["README.md", "docs/_generated/networks.md"])
def test_a_changed_number_is_found_and_mended(copy, name, capsys):
    path = copy / name
    text = path.read_text("utf-8")
    path.write_text(re.sub(r"(\d)\.\d ±", r"\1.X ±", text, count=1), "utf-8")
    assert generator.main(["--check"]) == 1
    assert f"{name} differs" in capsys.readouterr().err
    assert generator.main([]) == 0
    assert path.read_text("utf-8") == text
    assert generator.main(["--check"]) == 0


def test_a_file_that_is_generated_no_more_is_found_and_removed(copy, capsys):
    old = copy / generator.OUT / "old.md"
    old.write_text("old\n")
    assert generator.main(["--check"]) == 1
    assert "old.md is not generated any more" in capsys.readouterr().err
    assert generator.main([]) == 0
    assert not old.exists()


def test_a_table_that_contradicts_its_runs_stops(copy, capsys):
    path = copy / "results" / "tables" / "ut_kinect.csv"
    lines = path.read_text("utf-8").splitlines()
    row = next(row for row in generator.read_table("ut_kinect") if row.runs)
    shown = f"{np.mean(row.values(generator.SELECTED)):.6g}"
    assert shown in lines[1]
    lines[1] = lines[1].replace(shown, "12.3456")
    path.write_text("\n".join(lines) + "\n", "utf-8")
    generator.read_table.cache_clear()
    assert generator.main(["--check"]) == 1
    assert "12.3456" in capsys.readouterr().err


@pytest.mark.parametrize("key", ["best_test_accuracy", "accuracy_paper"])
def test_runs_written_before_and_after_the_key_was_renamed_are_read(key, monkeypatch):
    monkeypatch.setattr(generator, "run", lambda name: {"folds_total": 1, key: 0.5})
    row = generator.Row("A", "a", "", "sbu", "5fold", "paper", None, None, ("a_sbu",))
    assert row.values(generator.BEST) == [50.0]


def test_runs_on_all_clips_are_the_headline_and_give_the_best_epoch(monkeypatch):
    runs = {"part": {"accuracy": 0.5, "accuracy_last": 0.6, "best_test_accuracy": 0.7},
            "all": {"accuracy": 0.8, "accuracy_last": 0.75, "best_test_accuracy": 0.9}}  # fmt: skip
    monkeypatch.setattr(generator, "run", lambda name: {"folds_total": 1, **runs[name]})

    def cells(part, everything):
        of = ("A", "a", "", "sbu", "5fold", "paper", None, None)
        row = generator.Row(*of, part, everything)
        return [row.cell(rule) for rule in generator.COLUMNS]

    assert cells(("part",), ()) == ["not run", "50.0", "60.0", "70.0 †"]
    assert cells(("part",), ("all",)) == ["80.0", "50.0", "60.0", "90.0"]
    assert cells((), ("all", "all")) == ["80.0 ± 0.0", "not run", "not run", "90.0 ± 0.0"]


def test_spread_and_figures():
    assert generator.spread([90.0, 92.0]) == "91.0 ± 1.0"
    assert generator.spread([90.0]) == "90.0"
    assert generator.spread([]) == "-"
    assert generator.printed_figure(100.0, 2) == "100.0"
    assert generator.printed_figure(99.5, 2) == "99.50"
    assert generator.printed_figure(93.0, None) == "93"
    assert generator.printed_figure(None) == ""


# --- README -------------------------------------------------------------------------------------


def test_readme_is_short():
    assert len(README.splitlines()) <= 200
    text = README.split(generator.BEGIN)[0] + README.split(generator.END)[1]  # without the table
    assert len(text.split()) <= 1300


def test_readme_has_the_accuracies_of_the_stored_runs():
    """Apart from the generator's own way to find runs."""
    runs = [json.loads(path.read_text()) for path in ROOT.glob("results/runs/*/metrics.json")]
    keys = {"UT-Kinect": "ut_kinect", "N-UCLA": "nucla", "SBU": "sbu"}
    rows = [row for row in table(README, "model") if "synthetic" not in row[1]]
    assert len(rows) >= 10
    for model, where, recipe, everything, selected, last, best, _ in rows:
        dataset, protocol = where.replace("`", "").split(", ")
        found = [
            run
            for run in runs
            if (run["model"], run["dataset"], run["protocol"]) == (model, keys[dataset], protocol)
            and run.get("variant", run.get("recipe")) == recipe
            and not re.search("attention|pooled", run["command"])
        ]
        own = [run for run in found if run.get("train_on") != "all"]
        whole = [run for run in found if run.get("train_on") == "all"]
        assert sorted(run["seed"] for run in own) == [0, 100, 200], (model, where, recipe)
        values = [100 * run["accuracy"] for run in own]
        assert selected == f"{np.mean(values):.1f} ± {np.std(values):.1f}"
        assert last == f"{100 * np.mean([run['accuracy_last'] for run in own]):.1f}"
        highest = [run.get("best_test_accuracy", run.get("accuracy_paper")) for run in whole or own]
        few = f" ({len(whole)})" if 0 < len(whole) < 3 else ""
        assert best == f"{100 * np.mean(highest):.1f}" + (few if whole else " †")
        if whole:
            assert everything.startswith(f"{100 * np.mean([run['accuracy'] for run in whole]):.1f}")
        else:
            assert everything == "not run"


def test_readme_lists_models_that_exist():
    """A new model needs no line there."""
    from keras_skeleton.models.registry import MODELS

    listed = [name for row in table(README, "paper") for name in names(row[1])]
    assert len(listed) > 10
    assert set(listed) <= set(MODELS)


def test_readme_lists_all_datasets_with_clips_and_protocols():
    from keras_skeleton.datasets.registry import SOURCES

    rows = {row[0]: row for row in table(README, "name")}
    assert set(rows) == set(SOURCES)
    for name, row in rows.items():
        if row[2]:
            assert int(row[2].replace(",", "")) == SOURCES[name].clips
        protocols = list(SOURCES[name].protocols)
        assert set(names(row[4])) <= set(protocols)
        assert name == "pyskl" or names(row[4]) == protocols


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_links_and_pictures_of_readme_are_there(path):
    assert (ROOT / path).exists()


# --- Papers -------------------------------------------------------------------------------------

PAPERS = "\n".join(path.read_text("utf-8") for path in sorted((ROOT / "docs/papers").glob("*.md")))
PARAMETERS = {
    name: int(count.replace(",", ""))
    for name, count in re.findall(r"^\| `(\w+)`[^\n]*?\| ([\d,]{6,}) \|", PAPERS, re.M)
} | {
    name: int(count.replace(",", ""))
    for name, count in re.findall(r"`(\w+)` has ([\d,]+) parameters", PAPERS)
}


def test_papers_give_parameters_of_models_that_exist():
    from keras_skeleton.models.registry import MODELS

    assert len(PARAMETERS) > 10
    assert set(PARAMETERS) <= set(MODELS)


HEAVY = ("mans_densenet161", "stcm_densenet161", "pose_i3d", "mans61")


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow) if n in HEAVY else n for n in sorted(PARAMETERS)],
)
def test_parameters_are_those_of_the_network(name):
    from keras_skeleton.models.registry import build_model

    assert build_model(name, classes=60).count_params() == PARAMETERS[name]
