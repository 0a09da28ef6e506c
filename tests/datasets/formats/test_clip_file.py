"""Arrays of key points and of joints as clips: people, zeros, units, axes, and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pose_files import picture, walkers

from keras_skeleton.datasets.formats.clip_array import MAX_CELLS, ClipArray
from keras_skeleton.datasets.formats.clip_file import ClipError, finish_clip, read_array
from keras_skeleton.datasets.formats.poses import pose_clip, turn_up
from keras_skeleton.datasets.formats.skeleton_toml import UPS, known_layout, read_layout
from keras_skeleton.utils.errors import DatasetError

RIG = """
joints = ["pelvis", "chest", "left_hand", "right_hand"]
bones = [["pelvis", "chest"], ["chest", "left_hand"], ["chest", "right_hand"]]
[roles]
"""


def rig(tmp_path, lines=""):
    (tmp_path / "skeleton.toml").write_text(lines + RIG)
    return read_layout(tmp_path)


def confident(points, value=0.9):
    return np.concatenate([points[..., :2], np.full((*points.shape[:3], 1), value)], axis=-1)


def test_people_whose_slots_swap_are_followed_in_arrays():
    points = walkers("openpose_body25", T=12)
    swapped = points.copy()
    swapped[[3, 4, 8]] = points[[3, 4, 8], ::-1]
    layout = replace(known_layout("openpose_body25"), coordinates="xyc")
    notes = []
    clip, _ = finish_clip(confident(swapped), layout, notes)
    whole, _ = finish_clip(confident(points), layout)
    np.testing.assert_array_equal(clip, whole)
    assert "changed places in 4 frames" in notes[0]
    kept, _ = finish_clip(confident(swapped), replace(layout, track=False))
    np.testing.assert_array_equal(kept[[3, 4, 8]], whole[[3, 4, 8], ::-1])


def test_right_arrays_are_not_changed():
    """Not by a bit: nor are people of the Kinect, who have numbers of its own."""
    points = confident(walkers("coco17", T=20, M=3))
    points[5:9, 0] = 0
    layout = replace(known_layout("coco17"), coordinates="xyc")
    notes = []
    tracked, _ = finish_clip(points, layout, notes)
    plain, _ = finish_clip(points, replace(layout, track=False))
    np.testing.assert_array_equal(tracked, plain)
    assert not notes
    rng = np.random.default_rng(0)
    kinect = (rng.normal(size=(1, 2, 25, 3)) + rng.normal(0, 0.01, (20, 2, 25, 3))).astype("f")
    kinect[10:] = kinect[10:, ::-1]
    clip, _ = finish_clip(kinect, known_layout("kinect_v2"))
    np.testing.assert_array_equal(clip, kinect)


def test_one_person_of_an_array_may_jump():
    points = walkers("coco17", T=6, M=1)
    points[3:] += 4000
    clip, _ = finish_clip(points[..., :2], known_layout("coco17"))
    assert clip.shape == (6, 1, 25, 3)


def test_zeros_are_missing_in_layouts_of_ones_own(tmp_path):
    clip = np.random.default_rng(0).normal(size=(6, 2, 4, 3)) + 5
    clip[2, 0, 2] = 0
    clip[4, 1] = 0  # nobody
    out, filled = finish_clip(clip, rig(tmp_path))
    assert np.argwhere(filled).tolist() == [[2, 0, 2]]
    np.testing.assert_allclose(out[2, 0, 2], (clip[1, 0, 2] + clip[3, 0, 2]) / 2, rtol=1e-6)
    assert not out[4, 1].any()
    kept, filled = finish_clip(clip, rig(tmp_path, 'zeros = "kept"'))
    assert not filled.any()
    assert not kept[2, 0, 2].any()


def test_the_origin_of_a_centred_clip_is_no_missing_joint(tmp_path):
    clip = np.random.default_rng(0).normal(size=(6, 1, 4, 3)) + 5
    for centred in (clip - clip[:, :, :1], clip - clip[:1, :, :1]):
        out, filled = finish_clip(centred, rig(tmp_path))
        assert not filled.any()
        np.testing.assert_allclose(out, centred, rtol=1e-6, atol=1e-7)
        _, filled = finish_clip(centred, rig(tmp_path, 'zeros = "missing"'))
        assert filled.any()


def test_zeros_in_files_of_estimators_are_missing_in_all_layouts(tmp_path):
    clip = np.random.default_rng(0).normal(size=(6, 2, 20, 3)) + 5
    clip[0, 0, 3] = 0
    frames = clip.tolist()
    frames[2] = frames[2][:1]
    (tmp_path / "a.json").write_text(json.dumps(frames))
    _, filled = finish_clip(read_array(tmp_path / "a.json"), known_layout("kinect_v1"))
    assert np.argwhere(filled).tolist() == [[0, 0, 3]]


def test_layouts_without_roles(tmp_path):
    layout = rig(tmp_path)
    assert layout.skeleton.hips == layout.skeleton.torso == ()
    clip, _ = finish_clip(np.random.default_rng(0).normal(size=(6, 4, 2)), layout)
    assert clip.shape == (6, 1, 4, 3)
    with pytest.raises(DatasetError, match='has no hips and no shoulders, which scale = "torso"'):
        rig(tmp_path, 'scale = "torso"\n')


def test_azure_kinect_measures_in_millimetres_downwards():
    clip = np.random.default_rng(0).normal(0, 300, (6, 32, 3)) + [0, 0, 2000]
    out, _ = finish_clip(clip, known_layout("azure_kinect"))
    np.testing.assert_allclose(out[:, 0], clip * [-0.001, -0.001, 0.001], rtol=1e-6)
    notes = []
    out, _ = finish_clip(clip / 1000, known_layout("azure_kinect"), notes)
    np.testing.assert_allclose(out[:, 0], clip * [-0.001, -0.001, 0.001], rtol=1e-6)
    assert "as metres" in notes[0]


@pytest.mark.parametrize("up", UPS)
def test_the_axis_that_points_up(up, tmp_path):
    clip = np.random.default_rng(0).normal(size=(6, 1, 4, 3))
    out, _ = finish_clip(clip, rig(tmp_path, f'up = "{up}"\n'))
    np.testing.assert_allclose(out, turn_up(clip, up), rtol=1e-6)
    sign, axis = (-1, up[1:]) if up[0] == "-" else (1, up)
    np.testing.assert_allclose(out[..., 1], sign * clip[..., "xyz".index(axis)], rtol=1e-6)
    assert np.linalg.det(turn_up(np.eye(3), up)) == pytest.approx(1)


def test_three_numbers_of_openpose():
    points = walkers("openpose_coco18", M=1)
    notes = []
    clip, _ = finish_clip(confident(points), known_layout("openpose_coco18"), notes)
    np.testing.assert_allclose(clip, pose_clip(points[..., :2], "openpose_coco18", "xy"), atol=1e-5)
    assert "read as xyc" in notes[0]
    metres = np.abs(points - picture(np.zeros(3))) / 400
    notes = []
    clip, _ = finish_clip(metres, known_layout("openpose_coco18"), notes)
    np.testing.assert_allclose(clip, pose_clip(metres, "openpose_coco18"), atol=1e-5)
    assert "read as xyz" in notes[0]
    with pytest.raises(ClipError, match='coordinates = "xyz" or "xyc"'):
        finish_clip(confident(points) / [400, 400, 1], known_layout("openpose_coco18"))


def test_the_body_of_whole_bodies_in_arrays():
    points = walkers("coco17", M=1)
    whole = np.concatenate([points, np.full((8, 1, 116, 3), 3.0)], axis=2)
    for array in (whole[..., :2], whole[:, 0, :, :2]):
        clip, _ = finish_clip(array, known_layout("coco17"))
        np.testing.assert_allclose(clip, pose_clip(points[..., :2], "coco17", "xy"), atol=1e-5)


def test_h36m_and_halpe_say_what_they_look_like():
    with pytest.raises(ClipError, match="has 26 joints, expected 17 of h36m17.*are halpe26"):
        finish_clip(np.ones((6, 26, 3)), known_layout("h36m17"))


def test_crowds_are_not_followed():
    points = walkers("coco17", T=2, M=201)[..., :2]
    notes = []
    array = ClipArray(points, "xy", listed=True)
    clip, _ = finish_clip(array, known_layout("coco17"), notes)
    assert clip.shape[1] == 201
    assert "201 people in a frame are too many" in notes[0]


def test_a_part_of_a_recording():
    points = walkers("coco17", T=10)
    array = ClipArray(points[..., :2], "xy", listed=True, ids=np.tile([0, 1], (10, 1)))
    part = array[3:7]
    assert (len(part), part.ids.shape) == (4, (4, 2))
    clip, _ = finish_clip(part, known_layout("coco17"))
    whole, _ = finish_clip(points[3:7, ..., :2], known_layout("coco17"))
    np.testing.assert_array_equal(clip, whole)


KEYS = st.sampled_from(
    ["people", "pose_keypoints_2d", "keypoints", "keypoint_scores", "image_id", "idx", "instances",
     "instance_info", "frame_id", "data", "skeleton", "pose", "score", "frames", "landmarks",
     "pose_world_landmarks", "x", "y", "z", "visibility", "skeletons", "name", "bodies", "0"]
)  # fmt: skip
LEAVES = (
    st.none() | st.booleans() | st.integers(-3, 999) | st.floats() | st.sampled_from(["a", "1", ""])
    | st.just([1.0, 2.0, 0.5]) | st.just([[1.0, 2.0], [3.0, 4.0]])
)  # fmt: skip
TREES = st.recursive(
    LEAVES, lambda c: st.lists(c, max_size=4) | st.dictionaries(KEYS, c, max_size=4), max_leaves=25
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(tree=TREES)
def test_any_json_is_read_or_refused_with_a_reason(tree, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(tree))
    why = ""
    try:
        finish_clip(read_array(tmp_path / "a.json"), known_layout("coco17"))
    except ClipError as error:
        why = str(error)
    assert "cannot be read" not in why


def npz(path, **arrays):
    np.savez(path, **arrays)
    return read_array(path)


@pytest.mark.parametrize("fps", [25, 29.97, np.float32(12.5), np.array([60], np.int16), 10_000])
def test_an_archive_says_its_frame_rate(tmp_path, fps):
    clip = np.ones((4, 25, 3))
    for arrays in ({"fps": fps, "clip": clip}, {"fps": fps, "other": clip}):
        found = npz(tmp_path / "a.npz", **arrays)
        assert found.fps == pytest.approx(float(np.ravel(fps)[0]))
        assert found.notes == ()
        np.testing.assert_array_equal(found.array, clip)
    assert npz(tmp_path / "b.npz", clip=clip).fps is None


@pytest.mark.parametrize(
    "fps",
    [0, -1, np.nan, np.inf, 10_001, "30", True, [30, 30], np.zeros(0), 1j, np.array([None])],
)  # fmt: skip
def test_an_impossible_frame_rate_is_ignored_and_said(tmp_path, fps):
    found = npz(tmp_path / "a.npz", clip=np.ones((4, 25, 3)), fps=np.array(fps))
    assert found.fps is None
    assert "fps" in found.notes[0]
    notes = []
    finish_clip(found, known_layout("kinect_v2"), notes)
    assert "fps" in notes[0]


def test_a_frame_rate_alone_is_no_clip(tmp_path):
    with pytest.raises(ClipError, match="no array"):
        npz(tmp_path / "a.npz", fps=30)


# ---------------------------------------------------------------- bounds


def test_an_hour_of_two_people_is_read_and_more_is_refused_with_the_way_out(tmp_path, monkeypatch):
    hour = {  # frames, people, joints and numbers of each
        "a Kinect's, at 60 frames a second": (60 * 3600, 2, 25, 3),
        "MediaPipe's, at 30": (30 * 3600, 2, 33, 3),
    }
    for T, M, K, C in hour.values():
        assert T * M * max(K * C, 25 * 3) <= MAX_CELLS
    monkeypatch.setattr("keras_skeleton.datasets.formats.clip_file.MAX_CELLS", 750)
    layout = known_layout("coco17")
    points = walkers("coco17", T=11)[:, :1, :, :2]
    assert finish_clip(points[:10], layout)[0].shape == (10, 1, 25, 3)
    # 11 frames are 374 numbers, but 825 of the 25 joints that they become.
    with pytest.raises(
        ClipError, match="11 frames of 1 person with 17 joints .* cut the recording"
    ):
        finish_clip(points, layout)
    np.savez_compressed(tmp_path / "a.npz", np.zeros(751, np.int8))
    with pytest.raises(ClipError, match="751 numbers, .* cut the recording"):
        read_array(tmp_path / "a.npz")


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "i4"])
@pytest.mark.parametrize("confidence", [0.2, 0.7])
def test_the_type_of_the_numbers_changes_nothing(tmp_path, dtype, confidence):
    points = confident(walkers("coco17", T=12)[:, :1] / 10, np.float32(confidence)).astype(dtype)
    layout = replace(known_layout("coco17"), coordinates="xyc", min_confidence=confidence / 2)
    np.save(tmp_path / "a.npy", points)
    own = read_array(tmp_path / "a.npy").array
    assert own.dtype == (np.float32 if dtype in ("f2", "f4") else np.float64)
    if dtype[0] == "i":
        points[..., 2] = 1
    clip = finish_clip(points, layout)[0]
    np.testing.assert_array_equal(clip, finish_clip(points.astype(np.float64), layout)[0])


def test_the_array_of_a_caller_is_not_changed():
    points = walkers("coco17", T=12)[:, :1]
    points[3, 0, 4], points[4, 0, 5] = np.nan, 0
    before = points.copy()
    finish_clip(points, replace(known_layout("coco17"), coordinates="xyz"))
    np.testing.assert_array_equal(points, before)
