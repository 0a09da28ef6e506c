import re

import pytest

from keras_skeleton.datasets.overview import MOST, describe
from keras_skeleton.datasets.registry import SOURCES, get_source, load_dataset
from keras_skeleton.datasets.store_versions import current_version
from keras_skeleton.utils.errors import DatasetError


def lines(name, cache, data_dir=None):
    return "\n".join(describe(get_source(name), cache, data_dir))


def test_what_is_there_and_what_is_missing(real_data, tmp_path):
    data = real_data("ntu").parent
    assert "found: 10 clips" in (text := lines("ntu", tmp_path, data))
    assert "56,568 of the published clips are missing" in text
    assert "found: 199 clips" in (text := lines("ut_kinect", tmp_path, data))
    assert "missing" not in text
    assert "found: 287 clips" in lines("hdm05", tmp_path, data)
    assert "found: 1,484 clips" in lines("nucla", tmp_path, data)
    assert f"not found under {data}" in lines("uestc", tmp_path, data)


def test_what_is_prepared(tmp_path):
    assert "prepared" not in lines("synthetic", tmp_path)
    load_dataset("synthetic", cache_dir=tmp_path, subjects=2, repetitions=1)
    text = lines("synthetic", tmp_path)
    assert "prepared: 84 clips" in text
    assert "subjects=2, repetitions=1" in text
    (store,) = tmp_path.glob("synthetic-*")
    (current_version(store) / "manifest.json").write_text("{")
    text = lines("synthetic", tmp_path)
    assert str(store) in text
    assert "84 clips" not in text


def test_only_the_newest_are_listed(tmp_path):
    for subjects in range(1, 7):
        load_dataset("synthetic", cache_dir=tmp_path, subjects=subjects, repetitions=1)
    text = lines("synthetic", tmp_path)
    listed = [int(n) for n in re.findall(r"subjects=(\d)", text)]
    assert listed == [6, 5, 4]
    assert "and 3 more" in text
    for store in tmp_path.glob("synthetic-*"):
        (current_version(store) / "manifest.json").write_text("{")
    text = lines("synthetic", tmp_path)
    assert "and 3 more that cannot be used" in text
    assert len(text.splitlines()) == 2 + MOST + 1


def test_every_source_says_what_to_download(tmp_path):
    for name, source in SOURCES.items():
        assert source.name == name
        assert source.protocols, f"{name}: no protocol"
        assert source.layout, f"{name}: does not say what to download"
        if source.needs_root:
            assert source.locate(tmp_path) is None, f"{name}: found in an empty folder"
            with pytest.raises(DatasetError) as error:
                source.find(tmp_path)
            for part in (str(tmp_path), f"'{name}'", source.layout):
                assert part in str(error.value), f"{name}: the error does not say {part}"
            assert f"not found under {tmp_path}" in lines(name, tmp_path, tmp_path)
