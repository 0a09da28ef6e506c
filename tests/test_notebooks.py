"""Notebooks as they are committed: run from top to bottom, and what they print is what is stored.

Whether they still run: `test_notebooks_run.py`.
"""

import re
from pathlib import Path

import nbformat
import pytest

from keras_skeleton.zoo.check import figure_name
from keras_skeleton.zoo.entries import read_zoo

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))
ENTRIES = {entry.name: entry for entry in read_zoo()}
# Folders of the machine that a notebook was run on, and of its user.
MACHINE = re.compile(
    r"(?<![\w.~])/(tmp|work|home|root|usr|opt|var|Users|mnt)/|[A-Z]:\\|site-packages"
)


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def texts(path):
    """What a notebook has printed or shown as text."""
    for cell in code_cells(path):
        for output in cell.outputs:
            yield output.get("text", "")
            yield from (
                str(value)
                for kind, value in output.get("data", {}).items()
                if kind.startswith("text/")
            )


def printed(path):
    return "\n".join(texts(path))


def test_the_notebooks_are_there():
    assert [path.stem[:2] for path in PATHS] == [f"{n:02d}" for n in range(1, 8)]


def test_they_say_first_what_they_show_and_need():
    for path in PATHS:
        first = read(path).cells[0]
        assert first.cell_type == "markdown", path.name
        assert first.source.startswith("# "), path.name
        for word in ("**Needs** ", "**Takes** "):
            assert word in first.source, path.name


def test_they_were_run_from_top_to_bottom():
    for path in PATHS:
        cells = code_cells(path)
        assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), path.name
        outputs = [output for cell in cells for output in cell.outputs]
        bad = [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]
        assert not bad, path.name
        assert sum("image/png" in output.get("data", {}) for output in outputs) >= 3, path.name
        assert path.stat().st_size < 2_000_000, path.name


def test_they_know_nothing_of_the_machine():
    for path in PATHS:
        assert not MACHINE.search(printed(path)), path.name
        notebook = read(path)
        assert not [cell for cell in notebook.cells if cell.metadata], path.name
        assert not [cell for cell in notebook.cells if MACHINE.search(cell.source)], path.name
        assert set(notebook.metadata) == {"kernelspec", "language_info"}, path.name


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_the_figures_that_it_prints_are_recorded(path):
    text = printed(path)
    found = re.findall(r"^(\w+): (?:.*recorded )?accuracy ([\d.]+) %", text, re.M)
    for name, value in found:
        if name in ENTRIES:
            assert value == f"{100 * ENTRIES[name].figures['accuracy']:.2f}"
    assert "difference" not in text.replace("mean difference", "")
    said = {name for name, _ in found} | set(re.findall(r"^(\w+), mAP: ", text, re.M))
    needed = re.search(r"\*\*Needs\*\*(.*?)\*\*Takes", read(path).cells[0].source, re.S)[1]
    weights = {name for name in re.findall(r"`(\w+)`", needed) if name in ENTRIES}
    assert weights <= said
    for line in re.findall(r"^\w+, mAP: .*$", text, re.M):
        figures = ENTRIES[line.split(",")[0]].figures
        shown = re.findall(r"(\w+) at ([\d.]+) ([\d.]+) %", line)
        assert {figure_name(m, float(t)) for m, t, _ in shown} == set(figures)
        for method, overlap, value in shown:
            assert value == f"{100 * figures[figure_name(method, float(overlap))]:.2f}"
