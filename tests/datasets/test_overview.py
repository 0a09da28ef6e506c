import pytest

from keras_skeleton.datasets.overview import describe, find_under
from keras_skeleton.datasets.registry import SOURCES, get_source, load_dataset


def lines(name, cache, data_dir=None):
    return "\n".join(describe(get_source(name), cache, data_dir))


def test_what_is_there_and_what_is_missing(real_data, tmp_path):
    data = real_data("ntu").parent
    assert "found: 10 clips" in (text := lines("ntu", tmp_path, data))
    assert "56,568 of those published are missing" in text
    assert "found: 199 clips" in (text := lines("ut_kinect", tmp_path, data))
    assert "missing" not in text
    assert "found: 287 clips" in lines("hdm05", tmp_path, data)
    assert "found: 1,484 clips" in lines("nucla", tmp_path, data)
    assert f"not found under {data} (run.py prepare --dataset uestc" in lines(
        "uestc", tmp_path, data
    )


def test_what_is_prepared(tmp_path):
    assert "prepared" not in lines("synthetic", tmp_path)
    load_dataset("synthetic", cache_dir=tmp_path, subjects=2, repetitions=1)
    assert "prepared: 84 clips from made here, subjects=2, repetitions=1" in lines(
        "synthetic", tmp_path
    )
    (store,) = tmp_path.glob("synthetic-*")
    (store / "manifest.json").write_text("{")
    assert "delete the folder" in lines("synthetic", tmp_path)


@pytest.mark.parametrize("name", SOURCES)
def test_an_empty_folder_holds_no_dataset(name, tmp_path):
    source = get_source(name)
    if source.needs_root:
        assert find_under(source, tmp_path) is None
        assert "not found under" in lines(name, tmp_path, tmp_path)
    assert source.protocols
    assert source.layout
