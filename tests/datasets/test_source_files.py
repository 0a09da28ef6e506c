"""Raw files at one moment, and that every file which a reader opens is among them."""

import json
import os
import sys
from pathlib import Path

import pytest

from keras_skeleton.datasets.registry import get_source
from keras_skeleton.datasets.source import load
from keras_skeleton.datasets.source_files import FILE, SourceFiles, listed
from keras_skeleton.utils.errors import DatasetError


def now(root):
    return SourceFiles.of([path for path in root.rglob("*") if path.is_file()], root)


@pytest.fixture
def root(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a.txt", "in/b.txt", os.fsdecode(b"in/\xff.txt")):  # a name that is not UTF-8
        (tmp_path / name).write_text("1")
        os.utime(tmp_path / name, (1e9, 1e9))
    return tmp_path


def test_they_are_read_as_they_were_written(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    own = now(root).hashed()
    own.save(folder)
    again = SourceFiles.read(folder, root)
    assert again == own
    assert again.fingerprint() == own.fingerprint() != own.fingerprint(version=1)
    assert now(root).changes(again) == []


def test_all_changes_are_named(root):
    then = now(root).hashed()
    (root / "a.txt").write_text("2")
    (root / "in" / "b.txt").rename(root / "c.txt")
    assert sorted(now(root).changes(then)) == [
        "a.txt has changed", "c.txt is new", "in/b.txt is missing"
    ]  # fmt: skip
    assert listed(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"


def test_only_files_of_another_time_are_hashed(root, monkeypatch):
    then, hashed = now(root).hashed(), []
    monkeypatch.setattr(SourceFiles, "_hash", lambda self, name: hashed.append(name) or "")
    assert now(root).changes(then) == []
    assert hashed == []
    os.utime(root / "a.txt", (2e9 - 1e9 + 5, 1e9 + 5))
    now(root).changes(then)
    assert hashed == ["a.txt"]


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"taken": 0, "skipped": [], "files": {"a": 1}}',
                '{"taken": null, "skipped": [], "files": {}}', "[" * 100_000]
)  # fmt: skip
def test_a_damaged_list_is_named(tmp_path, content):
    (tmp_path / FILE).write_text(content)
    with pytest.raises(DatasetError, match=FILE):
        SourceFiles.read(tmp_path, tmp_path)


OPENED: list[str] | None = None  # files opened while a reader works


def note_opened(event, arguments):
    if event == "open" and OPENED is not None and isinstance(arguments[0], str):
        OPENED.append(arguments[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ut_kinect", "sbu", "nucla", "hdm05", "ntu"])
def test_every_file_that_a_reader_opens_is_watched(name, real_data, tmp_path, monkeypatch):
    sys.addaudithook(note_opened)  # for ever, but it does nothing without a list
    root = real_data(name).resolve()
    monkeypatch.setattr(sys.modules[__name__], "OPENED", [])
    dataset = load(get_source(name), root, tmp_path)
    assert OPENED is not None
    own = {os.path.relpath(path, root) for path in OPENED if Path(path).is_relative_to(root)}
    recorded = json.loads((Path(dataset.info["store"]) / FILE).read_text())["files"]
    assert own
    assert own <= recorded.keys()
