"""What is in a folder of one's own clips and is no file that can be read: said, never left out."""

import os
import re

import own_data
import pytest

from keras_skeleton.datasets.clip_sources import read_clips
from keras_skeleton.datasets.own_files import left_out, walk_clips
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


@pytest.mark.parametrize("kind", [*KINDS, "no suffix"])
@pytest.mark.parametrize("labels", [True, False])
def test_a_clip_that_cannot_be_read_is_listed(data, tmp_path, kind, labels):
    if not labels:
        (data / "labels.csv").unlink()
    name = "odd" if kind == "no suffix" else "odd.npy"
    if kind == "linked folder":
        (tmp_path / "empty").mkdir()
        (data / "wave" / name).symlink_to(tmp_path / "empty")
    else:
        odd(data / "wave" / name, "gone" if kind == "no suffix" else kind)
    said = "is a folder without clips" if "folder" in kind else SAID.get(kind, SAID["gone"])
    dataset, _ = own_data.read(data, tmp_path / "cache")
    assert len(dataset) == 4
    (line,) = own_data.skipped(dataset)
    assert re.fullmatch(f"{name}: {said}", line)
    _, again = own_data.read(data, tmp_path / "cache")
    assert "preparing" not in again
    for cache in ("cache", "strict"):
        with pytest.raises(DatasetError, match=rf"{name}: {said}"):
            own_data.read(data, tmp_path / cache, strict=True)


def test_recordings_that_cannot_be_read_are_listed(data, tmp_path):
    (data / "labels.csv").unlink()
    (data / "intervals.csv").write_text("file,label,start,end\nwave/a.npy,x,0,5\nnod/c.npy,y,0,5\n")
    odd(data / "nod" / "e.npy", "gone")
    dataset, _ = own_data.read(data, tmp_path / "cache", clips="untrimmed")
    assert any(line.startswith("e.npy: is a link to") for line in own_data.skipped(dataset))


def test_folders_with_the_name_of_a_clip(data, tmp_path):
    """One with clips is searched, frames of OpenPose are a clip, a link into the folder is not."""
    (data / "wave" / "deep.npy").mkdir()
    (data / "wave" / "a.npy").rename(data / "wave" / "deep.npy" / "a.npy")
    (data / "nod" / "frames.json").mkdir()
    (data / "nod" / "frames.json" / "f_000000000000_keypoints.json").write_text("{}")
    (data / "again.npy").symlink_to(data / "wave")
    assert [clip.name for clip in walk_clips(data) if clip.folder] == ["nod/frames.json"]
    assert "wave/deep.npy/a.npy" in [clip.name for clip in walk_clips(data)]
    ((path, why),) = left_out(data)
    assert path == data / "again.npy"
    assert "elsewhere" in why


def test_links_to_other_things_than_clips_are_not_listed(data):
    odd(data / "README.md", "gone")
    odd(data / ".lock", "gone")
    assert left_out(data) == []


def test_names_in_labels_lead_through_links_to_folders_only(data, tmp_path):
    """What the search finds may be named; what it does not find is not read."""
    disk = tmp_path / "disk"
    own_data.write(disk, ["file,label", "e.npy,x", "f.npy,y", ".hidden.npy,x"])
    (disk / "labels.csv").unlink()
    (data / "linked").symlink_to(disk)
    (data / "single.npy").symlink_to(disk / "e.npy")
    (disk / "out.npy").symlink_to(disk / "f.npy")
    names = ["linked/e.npy", "linked/../linked/f.npy", "single.npy", "linked/out.npy",
             "linked/.hidden.npy", "linked/../../disk/e.npy", str(disk / "e.npy")]  # fmt: skip
    lines = ["file,label", "wave/b.npy,y", *(f"{name},x" for name in names)]
    (data / "labels.csv").write_text("\n".join(lines))
    dataset, _ = own_data.read(data, tmp_path / "cache")
    assert list(dataset.samples["name"]) == ["linked/e.npy", "linked/f.npy", "wave/b.npy"]
    said = [line for line in own_data.skipped(dataset) if line.startswith("labels.csv")]
    assert len(said) == 5
    assert all("outside" in line for line in said)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_that_is_named_in_labels_is_not_said_to_be_absent(data, tmp_path):
    odd(data / "wave" / "a.npy", "pipe")
    dataset, _ = own_data.read(data, tmp_path / "cache")
    (said,) = [line for line in own_data.skipped(dataset) if line.startswith("labels.csv:2")]
    assert "is not a regular file" in said
