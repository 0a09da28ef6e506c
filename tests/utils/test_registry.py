"""Names are found in files without importing them."""

import sys

import pytest

from keras_skeleton.utils.registry import Registry


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "registered"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "one.py").write_text('"""First paper: A. Author.\n\nMore."""\nTHINGS = {"a": 1}\n')
    (folder / "many.py").write_text(
        'VARIANTS = {"b": 2, "c": 3}\nTHINGS = {name: n * 10 for name, n in VARIANTS.items()}\n'
    )
    (folder / "broken.py").write_text('THINGS: dict = {"d": 4}\nraise RuntimeError("imported")\n')
    (folder / "other.py").write_text("raise RuntimeError\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.startswith("registered")]:
        del sys.modules[name]


def test_names_need_no_import_and_entries_only_their_own_file(package):
    found = Registry("registered", package, "THINGS")
    assert set(found) == {"a", "b", "c", "d"}
    assert len(found) == 4
    assert "b" in found
    assert "x" not in found
    assert "registered.one" not in sys.modules
    assert (found["a"], found["c"]) == (1, 30)
    assert "registered.broken" not in sys.modules
    with pytest.raises(RuntimeError, match="imported"):
        found["d"]
    with pytest.raises(KeyError):
        found["x"]
    assert found.title("a") == "First paper: A. Author."


def test_a_name_twice_or_hidden_names_are_errors(package):
    (package / "two.py").write_text('THINGS = {"a": 5}\n')
    with pytest.raises(ValueError, match=r"'a' .*one.*two"):
        len(Registry("registered", package, "THINGS"))
    (package / "two.py").write_text("NAMES = list('xy')\nTHINGS = {n: 1 for n in NAMES}\n")
    with pytest.raises(ValueError, match=r"two\.py.*THINGS"):
        len(Registry("registered", package, "THINGS"))


def test_the_registries_of_the_package_are_whole():
    from keras_skeleton.datasets.registry import SOURCES
    from keras_skeleton.models.registry import MODELS

    assert {"mans9", "sta_lstm", "csta_cnn", "pose_i3d"} <= set(MODELS)
    assert {"ntu", "ntu120", "folder", "synthetic"} <= set(SOURCES)
    assert all(source.name == name for name, source in SOURCES.items())
