"""Results of AlphaPose: lists of people by image, and the formats open and cmu."""

import numpy as np
import pytest
from pose_files import openpose, triples, walkers, write

from keras_skeleton.datasets.formats.clip_file import ClipError, finish_clip, read_array
from keras_skeleton.datasets.formats.poses import pose_clip
from keras_skeleton.datasets.formats.skeleton_toml import known_layout


def results(points, name="{}.jpg", ids=True):
    """The list that AlphaPose writes for (T, M, K, 3)."""
    return [
        {
            "image_id": name.format(t) if isinstance(name, str) else t,
            "category_id": 1,
            "keypoints": triples(person),
            "score": 3.0 - m,
            "box": [1, 2, 3, 4],
            "idx": [float(m)] if ids else 0,
        }
        for t, people in enumerate(points)
        for m, person in enumerate(people)
    ]


def expected(points, pose):
    return pose_clip(points[..., :2], pose, "xy")


@pytest.mark.parametrize("pose", ["coco17", "halpe26", "openpose_coco18"])
@pytest.mark.parametrize("name", ["{}.jpg", "clip_{:05d}.png", None])
def test_people_by_image_and_number(pose, name, tmp_path):
    """Frame 10 comes after frame 9, whatever the order in the file."""
    points = walkers(pose, T=12)
    rows = results(points, name)
    np.random.default_rng(0).shuffle(rows)
    array = read_array(write(tmp_path / "a.json", rows))
    assert (array.layout, array.coordinates) == (pose, "xyc")
    clip, filled = finish_clip(array, known_layout(pose))
    order = np.argsort([clip[0, 0, 0, 0], clip[0, 1, 0, 0]])[::-1]
    np.testing.assert_allclose(clip[:, order], expected(points, pose), atol=1e-4)
    assert not filled.any()


def test_images_without_people_are_empty_frames(tmp_path):
    points = walkers("coco17")
    rows = [row for row in results(points) if row["image_id"] not in ("3.jpg", "4.jpg")]
    rows = [row for row in rows if (row["image_id"], row["idx"]) != ("6.jpg", [1.0])]
    array = read_array(write(tmp_path / "a.json", rows))
    clip, _ = finish_clip(array, known_layout("coco17"))
    assert (clip != 0).any(axis=(2, 3)).tolist() == [
        [True, True], [True, True], [True, True], [False, False], [False, False],
        [True, True], [True, False], [True, True],
    ]  # fmt: skip
    assert "2 of 8 images" in array.notes[0]


def test_people_without_a_tracker_are_followed(tmp_path):
    points = walkers("coco17", T=10)
    rows = [
        row
        for t in range(10)
        for row in results(points, ids=False)[2 * t : 2 * t + 2][:: -1 if t % 3 == 2 else 1]
    ]
    array = read_array(write(tmp_path / "a.json", rows))
    notes = []
    clip, _ = finish_clip(array, known_layout("coco17"), notes)
    np.testing.assert_allclose(clip, expected(points, "coco17"), atol=1e-4)
    assert "changed places in 6 frames" in notes[-1]


def test_the_body_of_halpe_136_is_taken(tmp_path):
    points = walkers("halpe26")
    whole = np.concatenate([points, np.full((8, 2, 110, 3), 7.0)], axis=2)
    array = read_array(write(tmp_path / "a.json", results(whole)))
    for pose, joints in (("halpe26", 26), ("coco17", 17)):
        notes = []
        clip, _ = finish_clip(array, known_layout(pose), notes)
        np.testing.assert_allclose(clip, expected(points[:, :, :joints], pose), atol=1e-4)
        assert f"of the 136 key points of Halpe-136 the body's {joints}" in notes[0]
    with pytest.raises(ClipError, match='136.*set skeleton = "halpe26"'):
        finish_clip(array, known_layout("mediapipe33"))


@pytest.mark.parametrize("form", ["open", "cmu"])
def test_formats_open_and_cmu(form, tmp_path):
    points = walkers("openpose_coco18", T=11)
    images = {f"{t}.jpg": openpose(people) for t, people in reversed([*enumerate(points)])}
    images["4.jpg"]["people"] = []
    if form == "cmu":
        images = {
            name: {"bodies": [{"joints": p["pose_keypoints_2d"]} for p in image["people"]]}
            for name, image in images.items()
        }
    array = read_array(write(tmp_path / "a.json", images))
    assert array.shape == (11, 2, 18, 3)
    clip, _ = finish_clip(array, known_layout("openpose_coco18"))
    np.testing.assert_allclose(clip[5:], expected(points, "openpose_coco18")[5:], atol=1e-4)
    assert not clip[4].any()


def test_names_whose_numbers_repeat_are_in_natural_order(tmp_path):
    points = walkers("coco17", T=12, M=1)
    rows = results(points)
    for t, row in enumerate(rows):
        row["image_id"] = f"take{t}_1.jpg"
    array = read_array(write(tmp_path / "a.json", rows[::-1]))
    np.testing.assert_allclose(array.array[..., :2], points[..., :2], atol=1e-3)


def test_annotations_of_coco_and_pairs_without_scores(tmp_path):
    points = walkers("coco17")
    rows = results(points)
    array = read_array(write(tmp_path / "a.json", {"images": [], "annotations": rows}))
    assert array.shape == (8, 2, 17, 3)
    for row, person in zip(rows, points.reshape(16, 17, 3), strict=True):
        row["keypoints"] = person[:, :2].tolist()
    clip, _ = finish_clip(read_array(write(tmp_path / "a.json", rows)), known_layout("coco17"))
    np.testing.assert_allclose(clip, expected(points, "coco17"), atol=1e-4)


def test_what_differs_is_named(tmp_path):
    rows = results(walkers("coco17"))
    for change, why in (
        ({"keypoints": None}, "entry 3: has no 'keypoints'"),
        ({"keypoints": [1.0, 2.0]}, "entry 3: 2 numbers"),
        ({"keypoints": [1.0, 2.0, "x"] * 17}, "entry 3: 'x' is not a number"),
        ({"keypoints": [1.0] * 78}, "image 1.jpg: 26 joints of 3 numbers, but 17.*halpe26.*coco17"),
    ):
        changed = [*rows[:3], {**rows[3], **change}, *rows[4:]]
        with pytest.raises(ClipError, match=why):
            read_array(write(tmp_path / "a.json", changed))
