"""Where a dataset's files are: one meaning of the folder that is given."""

import pytest

from keras_skeleton.datasets.dataset import protocol_name
from keras_skeleton.datasets.registry import get_source
from keras_skeleton.utils.errors import DatasetError, UnknownNameError


@pytest.fixture
def root(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "labels.csv").write_text("file,label\n")
    return tmp_path


def test_the_datasets_folder_or_one_that_holds_it(root, monkeypatch):
    source = get_source("folder")
    assert source.locate(root) == source.locate(root / "folder") == root / "folder"
    assert source.find(str(root)) == root / "folder"
    monkeypatch.delenv("KERAS_SKELETON_DATA", raising=False)
    assert source.locate() is None
    monkeypatch.setenv("KERAS_SKELETON_DATA", str(root))
    assert source.locate() == source.find() == root / "folder"


def test_what_is_not_there_says_what_to_do(root, monkeypatch):
    monkeypatch.delenv("KERAS_SKELETON_DATA", raising=False)
    source = get_source("sbu")
    with pytest.raises(DatasetError, match="KERAS_SKELETON_DATA"):
        source.find()
    for path in (root, root / "lost", root / "folder" / "labels.csv"):
        with pytest.raises(DatasetError, match=path.name):
            source.find(path)
        assert source.locate(path) is None
    assert get_source("synthetic").find(root) is None


def test_protocol_aliases():
    assert protocol_name("xsub", ["cs", "cv"], of="ntu") == "cs"
    assert protocol_name("xset", ["csub", "cset"], of="ntu120") == "cset"
    assert protocol_name("cv", ["cs", "cv"], of="ntu") == "cv"
    for name in ("xset", "sub"):
        with pytest.raises(UnknownNameError, match=name):
            protocol_name(name, ["cs", "cv"], of="ntu")
