"""Clips of every kind of file, without labels."""

import json
import pickle

import numpy as np
import pandas as pd
import pytest
from ntu_files import skeleton_lines, text_of
from pose_files import openpose_folder, walkers

from keras_skeleton.datasets.clip_sources import find_sources, read_clips
from keras_skeleton.datasets.formats.poses import pose_clip
from keras_skeleton.skeletons import get_skeleton
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


@pytest.mark.parametrize("V", [20, 25])
def test_a_skeleton_toml_without_joints_says_the_rest(tmp_path, V):
    (tmp_path / "skeleton.toml").write_text('units = "mm"\nfps = 25\n')
    np.save(tmp_path / "a.npy", 1000 * clip(V))
    (own,) = read_clips(tmp_path / "a.npy")
    assert own.skeleton.name == {20: "kinect_v1", 25: "kinect_v2"}[V]
    assert own.fps == 25
    np.testing.assert_allclose(own.clip[:, 0], clip(V), rtol=1e-5)
    assert len(own.notes) == 1  # the layout is an assumption
    (tmp_path / "skeleton.toml").write_text('axes = "CTV"\n')
    np.save(tmp_path / "a.npy", clip(V).transpose(2, 0, 1))
    (own,) = read_clips(tmp_path / "a.npy")
    np.testing.assert_array_equal(own.clip[:, 0], clip(V))


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('skelton = "sbu"', "'skeleton'"),
        ('units = "mile"', "mm"),
        ('bones = [["a", "b"]]', "kinect_v1"),
        ('units = "m', "skeleton.toml"),
    ],
)
def test_a_wrong_skeleton_toml_is_named(folder, toml, said):
    (folder / "skeleton.toml").write_text(toml)
    with pytest.raises(DatasetError, match=said):
        list(read_clips(folder / "a.npy"))


@pytest.mark.parametrize(
    ("axes", "way"),
    [((2, 0, 1), r"\(1, 2, 0\)"), ((3, 0, 2, 1), r"\(1, 3, 2, 0\)")],
)
def test_axes_of_other_projects_need_no_layout(tmp_path, axes, way):
    array = clip(20, T=2944) if len(axes) == 3 else clip(20, T=2944)[:, None]
    np.save(tmp_path / "a.npy", array.transpose(axes))
    with pytest.raises(DatasetError, match=f"np.transpose.a, {way}"):
        list(read_clips(tmp_path / "a.npy"))


def test_a_path_may_be_text(folder):
    for name in ("a.npy", "in/c.csv", "d.pkl", "S001C001P001R001A001.skeleton"):
        text, path = (list(read_clips(where)) for where in (str(folder / name), folder / name))
        assert [own.source for own in text] == [own.source for own in path]


def test_15_joints_are_sbu_unless_body15_is_said(tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=(6, 15, 3)))
    (own,) = read_clips(tmp_path / "a.npy")
    assert own.skeleton.name == "sbu"
    (own,) = read_clips(tmp_path / "a.npy", skeleton="body15")
    assert own.skeleton.name == "body15"
    (tmp_path / "skeleton.toml").write_text('skeleton = "body15"\n')
    (own,) = read_clips(tmp_path / "a.npy")
    assert own.skeleton.name == "body15"


def test_what_cannot_be_read_is_named(folder):
    np.save(folder / "seven.npy", clip(7))
    (folder / "broken.json").write_text("{")
    (folder / "S001C001P001R001A002.skeleton").write_text("1\n1\n")
    for name in ("seven.npy", "broken.json", "S001C001P001R001A002.skeleton"):
        with pytest.raises(DatasetError, match=name):
            list(read_clips(folder / name))


# ---------------------------------------------------------------- pose estimators


def test_a_folder_of_openpose_is_one_clip(tmp_path):
    one = openpose_folder(tmp_path / "all" / "one", walkers("openpose_body25"))
    two = openpose_folder(tmp_path / "all" / "two", walkers("openpose_coco18"))
    np.save(tmp_path / "all" / "three.npy", clip())
    for words in ([str(tmp_path / "all")], [f"{tmp_path}/all/*"]):
        assert {path.name for path in find_sources(words)} == {"one", "two", "three.npy"}
    assert find_sources([str(one)]) == [one]
    assert find_sources([str(path) for path in sorted(two.iterdir())]) == [two]
    assert find_sources([f"{two}/*.json"]) == [two]
    frame = next(iter(sorted(two.iterdir())))
    assert find_sources([str(frame)]) == [frame]
    (own,) = read_clips(one)
    assert (own.skeleton.name, own.clip.shape) == ("kinect_v2", (8, 2, 25, 3))
    assert "25 joints were read as openpose_body25" in own.notes
    (own,) = read_clips(two)
    assert "18 joints were read as openpose_coco18" in own.notes
    (one / "skeleton.toml").write_text('skeleton = "openpose_body25"\nfps = 25')
    (own,) = read_clips(one)
    assert own.fps == 25
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="no clips"):
        find_sources([str(tmp_path / "empty")])


@pytest.mark.parametrize(
    ("pose", "shape", "read_as"),
    [
        ("mediapipe33", (8, 33, 3), "mediapipe33"),
        ("openpose_coco18", (8, 18, 2), "openpose_coco18"),
        ("halpe26", (8, 2, 26, 2), "halpe26"),
        ("coco17", (8, 2, 17, 2), "coco17"),
    ],
)
def test_arrays_of_key_points_are_known_by_their_number(pose, shape, read_as, tmp_path):
    points = walkers(pose)[..., : shape[-1]]
    np.save(tmp_path / "a.npy", points if len(shape) == 4 else points[:, 0])
    (own,) = read_clips(tmp_path / "a.npy")
    assert any(f"were read as {read_as}" in note for note in own.notes)


def test_what_may_be_several_layouts_is_asked_for(tmp_path):
    points = walkers("openpose_body25")
    for name, array, why in (
        ("a.npy", points[..., :2], "kinect_v2 or openpose_body25"),
        ("b.npy", points, "kinect_v2 or openpose_body25"),  # pixels are no metres
        ("c.npy", walkers("coco17"), "coco17 or h36m17"),
        ("d.npy", np.ones((8, 3, 19, 3)), "no known layout has 19 joints"),
    ):
        np.save(tmp_path / name, array)
        with pytest.raises(DatasetError, match=why):
            list(read_clips(tmp_path / name))
    np.save(tmp_path / "a.npy", points[..., :2])
    (own,) = read_clips(tmp_path / "a.npy", "openpose_body25")
    assert own.clip.shape == (8, 2, 25, 3)


def test_names_of_columns_say_the_layout(tmp_path):
    names = [f"{joint}_{k}" for joint in get_skeleton("kinect_v1").joints for k in "xyz"]
    pd.DataFrame(clip(20).reshape(6, 60), columns=names).to_csv(tmp_path / "a.csv")
    (own,) = read_clips(tmp_path / "a.csv")
    assert own.skeleton.name == "kinect_v1"
    np.testing.assert_allclose(own.clip[:, 0], clip(20), rtol=1e-5)
    names[0:3] = ["tail_x", "tail_y", "tail_z"]
    pd.DataFrame(clip(20).reshape(6, 60), columns=names).to_csv(tmp_path / "a.csv")
    with pytest.raises(DatasetError, match=r"its joints \(tail, spine"):
        list(read_clips(tmp_path / "a.csv"))


def test_options_for_key_points(tmp_path):
    points = walkers("mediapipe33", M=1)
    fractions = points / [1280, 720, 1280]
    np.save(tmp_path / "a.npy", fractions)
    with pytest.raises(DatasetError, match="image_size"):
        list(read_clips(tmp_path / "a.npy"))
    (own,) = read_clips(tmp_path / "a.npy", image_size=(1280, 720))
    np.testing.assert_allclose(
        own.clip, pose_clip(points, "mediapipe33", "xyz", scale="torso"), atol=1e-4
    )
    points = walkers("coco17", T=10)[..., :2]
    points[5:] = points[5:, ::-1]
    np.save(tmp_path / "b.npy", points)
    (own,) = read_clips(tmp_path / "b.npy")
    (kept,) = read_clips(tmp_path / "b.npy", track=False)
    np.testing.assert_array_equal(own.clip[5:, ::-1], kept.clip[5:])
    np.testing.assert_array_equal(own.clip[:5], kept.clip[:5])
    assert "changed places in 1 frame" in own.notes[-1]
