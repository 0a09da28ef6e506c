"""Notebooks as they are committed: run from top to bottom, and what they print is what is stored.

Whether they still run: `test_notebooks_run.py`.
"""

import importlib.util
import os
import re
import subprocess
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


def load_script():
    spec = importlib.util.spec_from_file_location("execute", FOLDER / "execute.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


INSTALL = load_script().INSTALL


def test_what_differs_from_run_to_run_is_not_stored():
    warning = (
        "WARNING:tensorflow:5 out of the last 5 calls to <function one_step at 0x7f> triggered "
        "tf.function retracing. Tracing is expensive.\n"
    )
    other = "WARNING:tensorflow: another one\n"
    picture = nbformat.v4.new_output("display_data", {"image/png": "", "text/plain": "retracing"})
    outputs = [
        nbformat.v4.new_output("stream", name="stdout", text=f"first\n{warning}{other}last\n"),
        nbformat.v4.new_output("stream", name="stdout", text=warning),
        nbformat.v4.new_output("stream", name="stderr", text="progress\n"),
        picture,
    ]
    cell = nbformat.v4.new_code_cell("print()", outputs=outputs, metadata={"time": 1})
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("text"), cell])
    load_script().clean(notebook)
    assert [o.get("text") for o in cell.outputs] == [f"first\n{other}last\n", None]
    assert cell.outputs[1] == picture
    assert [c.id for c in notebook.cells] == ["cell00", "cell01"]
    assert not cell.metadata
    assert set(notebook.metadata) == {"kernelspec", "language_info"}


def test_nothing_about_retracing_is_stored():
    for path in PATHS:
        assert "retracing" not in printed(path), path.name


def test_the_notebooks_are_there():
    assert [path.stem[:2] for path in PATHS] == [f"{n:02d}" for n in range(1, 9)]


def test_they_say_first_what_they_show_and_need():
    for path in PATHS:
        first = read(path).cells[0]
        assert first.cell_type == "markdown", path.name
        assert first.source.startswith("# "), path.name
        for word in ("**Needs** ", "**Takes** "):
            assert word in first.source, path.name


def test_their_first_code_installs_the_package_where_it_is_missing():
    for path in PATHS:
        assert code_cells(path)[0].source == INSTALL, path.name


@pytest.mark.parametrize("installed", [True, False])
def test_the_install_cell_installs_a_checkout_only_without_the_package(
    installed, monkeypatch, tmp_path
):
    found = object() if installed else None
    commands = []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)
    monkeypatch.setattr(subprocess, "run", lambda words, check: commands.append(words))
    monkeypatch.setenv("KERAS_SKELETON_WEIGHTS", "before")
    monkeypatch.chdir(tmp_path)
    code = INSTALL
    if not installed:
        with pytest.raises(AssertionError, match="CHECKOUT"):
            exec(code, {})
    exec(code.replace('CHECKOUT = ""', 'CHECKOUT = "address"'), {})
    weights = os.environ["KERAS_SKELETON_WEIGHTS"]
    if installed:
        assert (commands, weights) == ([], "before")
    else:
        (clone, install) = commands
        assert "address" in clone
        assert clone[-1] == install[-1].removeprefix("./")
        assert weights == str(tmp_path / "checkout" / "weights")


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
