"""What is in a folder of one's own clips and is no file that can be read: said, never left out."""

import os

import own_data
import pytest

from keras_skeleton.datasets.clip_sources import read_clips
from keras_skeleton.utils.errors import DatasetError

KINDS = ("gone", "loop", "linked folder", "folder", "pipe")
SAID = {
    "gone": "is a link to .*none, which is not there",
    "loop": "is a link that leads back to itself",
    "linked folder": "is a link to .*, which is a folder",
    "folder": "is a folder",
    "pipe": "is not a regular file",
}


def odd(path, kind):
    """Puts something that is no file at a path."""
    path.unlink(missing_ok=True)
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        if not hasattr(os, "mkfifo"):
            pytest.skip("needs pipes")
        os.mkfifo(path)
    else:
        target = {"gone": path.parent / "none", "loop": path, "linked folder": path.parent.parent}
        path.symlink_to(target[kind])


@pytest.fixture
def data(tmp_path):
    lines = ["file,label", "wave/a.npy,x", "wave/b.npy,y", "nod/c.npy,x", "nod/d.npy,y"]
    return own_data.write(tmp_path / "data", lines)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["labels.csv", "Labels.csv", "skeleton.toml", "intervals.csv"])
def test_a_table_that_cannot_be_read_is_not_taken_for_absent(data, tmp_path, name, kind):
    if name == "Labels.csv":
        (data / "labels.csv").unlink()
    odd(data / name, kind)
    for options in ({}, {"strict": True}, {"skeleton": "kinect_v2"}, {"clips": "untrimmed"}):
        with pytest.raises(DatasetError, match=f"{name}: {SAID[kind]}"):
            own_data.read(data, tmp_path / "cache", **options)


@pytest.mark.parametrize("name", ["labels.csv", "skeleton.toml"])
def test_a_table_without_permission(data, tmp_path, name, monkeypatch):
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != data / name and access(path, mode))
    with pytest.raises(DatasetError, match=f"{name}: cannot be read: there is no permission"):
        own_data.read(data, tmp_path / "cache")


def test_a_table_may_be_a_link_to_a_file(data, tmp_path):
    for name in ("labels.csv", "skeleton.toml"):
        (data / name).rename(tmp_path / name)
        (data / name).symlink_to(tmp_path / name)
    dataset, _ = own_data.read(data, tmp_path / "cache", strict=True)
    assert dataset.classes == ("x", "y")


def test_a_description_that_cannot_be_read_stops_reading_one_clip(data):
    odd(data / "wave" / "skeleton.toml", "gone")
    with pytest.raises(DatasetError, match=r"skeleton\.toml: is a link to"):
        list(read_clips(data / "wave" / "a.npy"))
