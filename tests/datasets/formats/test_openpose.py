"""Folders and files of OpenPose."""

import json

import numpy as np
import pytest
from pose_files import openpose, openpose_folder, triples, walkers, write

from keras_skeleton.datasets.formats.clip_file import ClipError, finish_clip, read_array
from keras_skeleton.datasets.formats.openpose import is_clip_folder
from keras_skeleton.datasets.formats.poses import pose_clip
from keras_skeleton.datasets.formats.skeleton_toml import known_layout


@pytest.mark.parametrize("pose", ["openpose_body25", "openpose_coco18"])
def test_a_folder_of_frames_is_a_clip(pose, tmp_path):
    points = walkers(pose)
    array = read_array(openpose_folder(tmp_path / "wave", points, first=7))
    assert (array.layout, array.coordinates, array.first) == (pose, "xyc", 7)
    assert array.shape == (8, 2, points.shape[2], 3)
    np.testing.assert_allclose(array.array[..., :2], points[..., :2], atol=1e-3)
    clip, filled = finish_clip(array, known_layout(pose))
    np.testing.assert_allclose(clip, pose_clip(points[..., :2], pose, "xy"), atol=1e-4)
    assert not filled.any()
    assert is_clip_folder(tmp_path / "wave")
    assert not is_clip_folder(tmp_path)


def test_numbers_order_the_frames_and_missing_ones_are_empty(tmp_path):
    points = walkers("openpose_body25", T=12, M=1)
    folder = openpose_folder(tmp_path / "w", points)
    for t in range(12):  # as written without leading zeros: 10 comes before 2
        old = folder / f"w_{t:012d}_keypoints.json"
        old.rename(folder / f"w_{t}_KEYPOINTS.json")
    (folder / "w_5_KEYPOINTS.json").unlink()
    (folder / "notes.txt").write_text("x")
    (folder / ".w_99_keypoints.json").write_text("x")
    array = read_array(folder)
    assert array.shape[:2] == (12, 1)
    assert np.isnan(array.array[5]).all()
    np.testing.assert_allclose(array.array[10, 0, :, :2], points[10, 0, :, :2], atol=1e-3)
    assert "1 of 12 frames are not in the file" in array.notes[0]


def test_every_fifth_frame_is_one_frame(tmp_path):
    points = walkers("openpose_coco18", T=4, M=1)
    for t in range(4):
        write(tmp_path / "w" / f"w_{5 * t:03d}_keypoints.json", openpose(points[t]))
    array = read_array(tmp_path / "w")
    assert array.shape == (4, 1, 18, 3)
    assert "5 apart" in array.notes[0]


def test_people_join_and_leave_and_points_are_missing(tmp_path):
    points = walkers("openpose_body25")
    frames = [openpose(people) for people in points]
    frames[0]["people"] = []
    frames[3]["people"] = frames[3]["people"][::-1]
    frames[5]["people"] = frames[5]["people"][1:]
    frames[6]["people"][0]["pose_keypoints_2d"][12:15] = [0, 0, 0]  # the right wrist
    frames[7]["people"].append({"pose_keypoints_2d": [], "face_keypoints_2d": [1, 2, 3]})
    path = write(tmp_path / "clip.json", frames)
    array = read_array(path)
    assert array.shape == (8, 2, 25, 3)
    notes = []
    clip, filled = finish_clip(array, known_layout("openpose_body25"), notes)
    assert clip.shape == (8, 2, 25, 3)
    assert (clip[0] == 0).all()
    assert not clip[5, 0].any()
    assert clip[5, 1].any()
    assert (clip[1:, 0, 0, 0] > clip[1:, 1, 0, 0])[[0, 1, 2, 3, 5, 6]].all()  # image x is flipped
    assert filled[6, 0, 10]
    assert "changed places in" in notes[-1]


@pytest.mark.parametrize("key", ["pose_keypoints", "keypoints"])
def test_older_keys_and_a_single_frame(key, tmp_path):
    points = walkers("openpose_coco18", T=1)
    array = read_array(write(tmp_path / "a.json", openpose(points[0], key)))
    assert array.shape == (1, 2, 18, 3)


def test_three_dimensions(tmp_path):
    points = walkers("openpose_body25", M=1) / 400
    frames = [
        {"people": [{"pose_keypoints_3d": np.c_[p[0], np.ones(25)].ravel().tolist()}]}
        for p in points
    ]
    array = read_array(write(tmp_path / "a.json", frames))
    assert (array.coordinates, array.shape) == ("xyzc", (8, 1, 25, 4))
    clip, _ = finish_clip(array, known_layout("openpose_body25"))
    np.testing.assert_allclose(clip, pose_clip(points, "openpose_body25"), atol=1e-5)


def test_person_ids_are_used(tmp_path):
    points = walkers("openpose_body25")
    frames = [openpose(people) for people in points]
    for t, frame in enumerate(frames):
        for m, person in enumerate(frame["people"]):
            person["person_id"] = [m + 3]
        if t % 2:
            frame["people"].reverse()
    array = read_array(write(tmp_path / "a.json", frames))
    assert array.ids.tolist() == [[3, 4], [4, 3]] * 4
    clip, _ = finish_clip(array, known_layout("openpose_body25"))
    np.testing.assert_allclose(clip, pose_clip(points[..., :2], "openpose_body25", "xy"), atol=1e-4)


def test_what_differs_is_named(tmp_path):
    folder = openpose_folder(tmp_path / "w", walkers("openpose_body25", T=3))
    second = folder / "w_000000000001_keypoints.json"
    whole = json.loads(second.read_text())

    def refused(content, why, text=None):
        second.write_text(json.dumps(content) if text is None else text)
        with pytest.raises(ClipError, match=why):
            read_array(folder)

    refused(openpose(walkers("openpose_coco18", T=1)[0]), "000001_keypoints.*18 joints.*but 25")
    whole["people"][1]["pose_keypoints_2d"][4] = "high"
    refused(whole, "000001_keypoints.json: person 1: 'high' is not a number")
    refused({"people": [{"pose_keypoints_2d": [1.0, 2.0]}]}, "2 numbers, expected a multiple of 3")
    refused([], "000001_keypoints.json: expected an object")
    refused({"version": 1}, "000001_keypoints.json: has no 'people'")
    refused(None, "000001_keypoints.json: is no JSON", "{")
    refused({"people": [5]}, "a person is '5'")
    refused({"people": {}}, "'people' is not a list")


def test_folders_of_several_films_or_of_nobody(tmp_path):
    points = walkers("openpose_body25", T=2)
    folder = openpose_folder(tmp_path / "a", points)
    write(folder / "other_000_keypoints.json", openpose(points[0]))
    with pytest.raises(ClipError, match="frames of 2 films"):
        read_array(folder)
    (folder / "other_000_keypoints.json").rename(folder / "a_1_keypoints.json")
    with pytest.raises(ClipError, match="same frame number"):
        read_array(folder)
    with pytest.raises(ClipError, match="no body in any of the 2 frames"):
        read_array(openpose_folder(tmp_path / "b", [[], []]))
    (tmp_path / "c").mkdir()
    with pytest.raises(ClipError, match="folder without files"):
        read_array(tmp_path / "c")
    write(tmp_path / "d" / "frame_keypoints.json", openpose(points[0]))
    with pytest.raises(ClipError, match="no frame number"):
        read_array(tmp_path / "d")
    write(tmp_path / "e" / "a_0_keypoints.json", openpose(points[0]))
    write(tmp_path / "e" / "a_999999999_keypoints.json", openpose(points[0]))
    with pytest.raises(ClipError, match="too many frames"):
        read_array(tmp_path / "e")


def test_the_wrong_layout_is_refused(tmp_path):
    folder = openpose_folder(tmp_path / "w", walkers("openpose_body25", T=3))
    with pytest.raises(ClipError, match='joints of openpose_body25.*set skeleton = "openpose_body'):
        finish_clip(read_array(folder), known_layout("kinect_v2"))
    with pytest.raises(ClipError, match="has 25 joints, expected 18 of openpose_coco18.*body25"):
        finish_clip(read_array(folder), known_layout("openpose_coco18"))


def test_keypoint_scales_other_than_pixels_are_refused(tmp_path):
    points = walkers("openpose_body25", T=3, M=1)
    for scale, shift, why in ((1280, 0, "image_size"), (640, 1, "keypoint_scale 0")):
        small = points / [scale, 720 * scale / 1280, 1] - [shift, shift, 0]
        frames = [{"people": [{"pose_keypoints_2d": triples(p[0])}]} for p in small]
        array = read_array(write(tmp_path / "a.json", frames))
        with pytest.raises(ClipError, match=why):
            finish_clip(array, known_layout("openpose_body25"))
