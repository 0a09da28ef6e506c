"""Examples in docstrings and in the documentation run as they are written."""

import doctest
import importlib
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def modules_with_examples():
    for path in sorted((ROOT / "keras_skeleton").rglob("*.py")):
        if ">>> " in path.read_text("utf-8"):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield name.removesuffix(".__init__")


def pages_with_examples():
    for path in sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]):
        hidden = ("_build", "_generated", "generated", "notebooks")
        if ">>> " in path.read_text("utf-8") and not set(hidden) & set(path.parts):
            yield str(path.relative_to(ROOT))


@pytest.mark.parametrize("name", list(modules_with_examples()))
def test_docstrings(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = doctest.testmod(importlib.import_module(name), optionflags=OPTIONS)
    assert not found.failed


@pytest.mark.parametrize("page", list(pages_with_examples()))
def test_pages(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_SKELETON_CACHE", str(tmp_path))
    monkeypatch.syspath_prepend(ROOT / "docs" / "examples")
    found = doctest.testfile(str(ROOT / page), module_relative=False, optionflags=OPTIONS)
    assert not found.failed


def test_there_are_examples():
    assert len(list(modules_with_examples())) > 20
    assert len(list(pages_with_examples())) > 2
