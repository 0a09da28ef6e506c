"""Clips of every kind of file, without labels."""

import json
import pickle

import numpy as np
import pytest
from ntu_files import skeleton_lines, text_of

from keras_skeleton.datasets.clip_sources import find_sources, read_clips
from keras_skeleton.utils.errors import DatasetError


def clip(V=25, T=6):
    return np.random.default_rng(V).normal(size=(T, V, 3)).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    np.save(tmp_path / "a.npy", clip())
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "b.json").write_text(json.dumps(clip(20).tolist()))
    np.savetxt(tmp_path / "in" / "c.csv", clip(15).reshape(6, -1), delimiter=",")
    (tmp_path / "S001C001P001R001A001.skeleton").write_bytes(text_of(skeleton_lines([1, 1, 2])))
    annotation = {"frame_dir": "one", "total_frames": 6, "keypoint": clip()[None]}
    content = {"split": {}, "annotations": [annotation, {**annotation, "frame_dir": "two"}]}
    (tmp_path / "d.pkl").write_bytes(pickle.dumps(content))
    return tmp_path


def test_files_folders_and_patterns(folder):
    found = find_sources([str(folder)])
    assert {path.name for path in found} == {
        "a.npy", "b.json", "c.csv", "d.pkl", "S001C001P001R001A001.skeleton",
    }  # fmt: skip
    assert [p.name for p in find_sources([f"{folder}/*.npy", str(folder / "a.npy")])] == ["a.npy"]
    assert [p.name for p in find_sources([f"{folder}/**/*.csv"])] == ["c.csv"]
    (folder / "empty").mkdir()
    for lost in ("lost.npy", "empty", "*.mat"):
        with pytest.raises(DatasetError, match=lost.replace("*", r"\*")):
            find_sources([str(folder / lost)])


def test_every_kind_is_read_with_its_joints(folder):
    clips = {p.name: list(read_clips(p)) for p in find_sources([str(folder)])}
    sizes = {name: (own[0].skeleton.name, own[0].clip.shape) for name, own in clips.items()}
    assert sizes == {
        "a.npy": ("kinect_v2", (6, 1, 25, 3)),
        "b.json": ("kinect_v1", (6, 1, 20, 3)),
        "c.csv": ("sbu", (6, 1, 15, 3)),
        "d.pkl": ("kinect_v2", (6, 1, 25, 3)),
        "S001C001P001R001A001.skeleton": ("kinect_v2", (3, 2, 25, 3)),
    }
    assert [own.source.split(":")[-1] for own in clips["d.pkl"]] == ["one", "two"]
    assert clips["S001C001P001R001A001.skeleton"][0].fps == 30
    assert "kinect_v2" in clips["a.npy"][0].notes[0]  # an assumption is said
    np.testing.assert_array_equal(clips["a.npy"][0].clip[:, 0], clip())


def test_a_skeleton_toml_or_a_name_says_what_the_joints_are(folder):
    (folder / "skeleton.toml").write_text('skeleton = "sbu"\n')
    (own,) = read_clips(folder / "in" / "c.csv")
    assert own.skeleton.name == "sbu"
    assert not own.notes
    with pytest.raises(DatasetError, match=r"a\.npy"):  # 25 joints are no SBU
        list(read_clips(folder / "a.npy"))
    (own,) = read_clips(folder / "a.npy", skeleton="kinect_v2")
    assert own.skeleton.name == "kinect_v2"


def test_what_cannot_be_read_is_named(folder):
    np.save(folder / "seven.npy", clip(7))
    (folder / "broken.json").write_text("{")
    (folder / "S001C001P001R001A002.skeleton").write_text("1\n1\n")
    for name in ("seven.npy", "broken.json", "S001C001P001R001A002.skeleton"):
        with pytest.raises(DatasetError, match=name):
            list(read_clips(folder / name))
