"""What the README says is what the code and the stored results say."""

import json
import re
from pathlib import Path

import pytest

from keras_skeleton.datasets import SOURCES
from keras_skeleton.models import MODELS, build_model

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
RESULTS = [json.loads(path.read_text()) for path in sorted(ROOT.glob("results/*/metrics.json"))]


def rows(heading):
    """Cells of the table rows below a heading, without marks."""
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


def test_every_result_is_stored():
    table = rows("Results")
    assert len(table) == len(RESULTS)
    for model, where, recipe, selected, last, paper, _ in table:
        dataset, protocol = where.replace("`", "").split(", ")
        name = dataset.lower().replace("-", "_")
        (run,) = [
            r
            for r in RESULTS
            if (r["model"], r["dataset"], r["protocol"], r["variant"])
            == (model, name, protocol, recipe)
        ]
        assert run["complete"]
        shown = [f"{100 * run[key]:.1f}" for key in ("accuracy", "accuracy_last", "accuracy_paper")]
        assert [selected, last, paper] == shown


def test_the_choice_of_coordinates_is_stored():
    folds = json.loads((ROOT / "results" / "ut_kinect_coordinates.json").read_text())["folds"]
    for name, text in (("hips", "95.2"), ("body", "90.1")):
        mean = sum(fold["inner"][name] for fold in folds) / len(folds)
        assert f"{100 * mean:.1f}" == text
        assert text in README
    assert all(fold["chosen"] == "hips" for fold in folds)


def test_all_models_are_listed_with_their_parameters():
    table = {row[0]: int(row[3].replace(",", "")) for row in rows("Models")}
    assert list(table) == list(MODELS)
    for name, parameters in table.items():
        assert build_model(name, classes=60).count_params() == parameters


def test_all_datasets_are_listed_with_their_protocols():
    table = {row[0]: row for row in rows("Datasets")}
    assert set(table) == set(SOURCES)
    for name, row in table.items():
        listed = re.findall(r"`?(\w+)`?", row[4])
        assert set(listed) & set(SOURCES[name].protocols)
        if name != "pyskl":
            assert listed == list(SOURCES[name].protocols)
        if SOURCES[name].clips and row[2]:
            assert int(row[2].replace(",", "")) == SOURCES[name].clips


@pytest.mark.parametrize("path", re.findall(r"\]\(([^)#]+)\)", README))
def test_links_and_pictures_are_there(path):
    assert (ROOT / path).exists()
