"""Model cards of the zoo: up to date, readable as YAML, with the figures of the entries."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from keras_skeleton.cli import main
from keras_skeleton.datasets.registry import SOURCES
from keras_skeleton.evaluation.network_card import DATA
from keras_skeleton.utils.text import percent
from keras_skeleton.zoo.card import FOLDER, card, write_cards
from keras_skeleton.zoo.card_facts import LIMITS, MODELS
from keras_skeleton.zoo.entries import LIST, ZOO, read_zoo
from keras_skeleton.zoo.swaps import recorded_swap

ROOT = Path(__file__).resolve().parents[2]
ENTRIES = read_zoo()
MOST = 60_000_000  # bytes of weights/
each = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)


def metadata(text):
    """The YAML at the top of a card."""
    assert text.startswith("---\n")
    return yaml.safe_load(text.split("---\n")[1])


def test_the_folder_of_weights_stays_small():
    size = sum(path.stat().st_size for path in ZOO.rglob("*") if path.is_file())
    assert size < MOST, f"{size / 1e6:.1f} MB: drop an entry, or zoo --halve --name NAME"


def test_every_file_of_the_folder_belongs_to_an_entry():
    listed = {ZOO / name for entry in ENTRIES for name in entry.files}
    listed |= {ZOO / FOLDER / f"{entry.name}.md" for entry in ENTRIES}
    listed |= {ZOO / name for name in (LIST, "README.md", "swaps.json")}
    assert {path for path in ZOO.rglob("*") if path.is_file()} == listed


@each
def test_the_stored_card_is_up_to_date(entry):
    path = ZOO / FOLDER / f"{entry.name}.md"
    assert path.read_text("utf-8") == card(entry), "run: keras-skeleton zoo --export-card all"


@each
def test_the_metadata_are_those_of_the_entry(entry):
    found = metadata(card(entry))
    assert found["library_name"] == "keras"
    assert found["license"]
    assert entry.model in found["tags"]
    assert set(found["datasets"]) <= set(SOURCES)
    (index,) = found["model-index"]
    (result,) = index["results"]
    assert index["name"] == entry.name
    assert result["dataset"]["config"] == entry.protocol
    values = [metric["value"] for metric in result["metrics"]]
    if entry.task == "detection":
        assert values == list(entry.figures.values())
    else:  # never the epoch that is best on test clips
        assert values == [entry.figures["accuracy"]]


@each
def test_the_text_has_figures_classes_seed_command_and_hashes(entry):
    text = card(entry)
    for value in entry.figures.values():
        assert f"| {percent(value, unit='')} |" in text
    for words in (f"`{entry.classes[-1]}`", f"seed {entry.seed}", entry.command, entry.name):
        assert words in text
    assert all(sha in text for sha in entry.files.values())
    rows = recorded_swap(entry)
    assert text.count("% of the answers change") == sum(row["swap"] == "other" for row in rows)


@each
def test_facts_are_there_for_every_entry(entry):
    assert entry.dataset in DATA
    assert entry.model in MODELS


def test_facts_name_models_and_datasets_that_exist():
    from keras_skeleton.detection.detector import GATES
    from keras_skeleton.models.registry import MODELS as KNOWN

    assert set(MODELS) <= {*KNOWN, *GATES}
    assert {model for model, _ in LIMITS} <= set(MODELS)
    assert {dataset for _, dataset in LIMITS} <= {*DATA, "*"}
    assert set(DATA) <= set(SOURCES)


def test_papers_are_those_of_the_citation_file():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))["references"]
    papers = {paper for _, paper, _ in MODELS.values() if paper}
    assert all(sum(about["title"] in paper for about in cited) == 1 for paper in papers)
    for _, _, page in MODELS.values():
        assert (ROOT / "docs" / page).is_file()


def test_no_card_names_a_folder_of_a_machine():
    for entry in ENTRIES:
        assert not re.search(r"(?<![\w.~])/(tmp|work|home|root|mnt|Users)/", card(entry))


def test_networks_without_facts_have_a_card_too(tmp_path):
    entry = replace(ENTRIES[0], model="own", dataset="folder", figures={}, files={"a.h5": "0"})
    assert metadata(card(entry, tmp_path))["model-index"][0]["name"] == entry.name


def test_cards_are_written_and_those_of_lost_entries_removed(tmp_path):
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "lost.md").write_text("old")
    write_cards(ENTRIES[:2], tmp_path)
    assert {path.stem for path in (tmp_path / FOLDER).iterdir()} == {e.name for e in ENTRIES[:2]}


def test_the_command_prints_and_writes_cards(tmp_path, capsys):
    entry = ENTRIES[0]
    assert main(["zoo", "--export-card", entry.name]) == 0
    assert capsys.readouterr().out == card(entry)
    out = tmp_path / "README.md"
    assert main(["zoo", "--export-card", entry.name, "--out", str(out)]) == 0
    assert out.read_text("utf-8") == card(entry)
    assert main(["zoo", "--export-card", "all", "--out", str(tmp_path / "cards")]) == 0
    assert len(list((tmp_path / "cards").iterdir())) == len(ENTRIES)
    assert main(["zoo", "--export-card", "no_such"]) == 2
    assert "no_such" in capsys.readouterr().err
