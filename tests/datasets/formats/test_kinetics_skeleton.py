"""Files of Kinetics-skeleton."""

import numpy as np
import pytest
from pose_files import walkers, write

from keras_skeleton.datasets.formats.clip_file import ClipError, finish_clip, read_array
from keras_skeleton.datasets.formats.poses import pose_clip
from keras_skeleton.datasets.formats.skeleton_toml import known_layout, read_layout


def kinetics(points, size, first=1):
    """The content of a file for (T, M, 18, 3) in pixels."""
    return {
        "data": [
            {
                "frame_index": first + t,
                "skeleton": [
                    {"pose": (p[:, :2] / size).ravel().tolist(), "score": [0.7] * len(p)}
                    for p in people
                ],
            }
            for t, people in enumerate(points)
        ],
        "label": "waving hand",
        "label_index": 372,
    }


def test_fractions_of_the_films_become_pixels(tmp_path):
    points = walkers("openpose_coco18") / [4, 4, 1]  # within 340 x 256
    path = write(tmp_path / "a.json", kinetics(points, (340, 256)))
    array = read_array(path)
    assert (array.layout, array.label, array.first) == ("openpose_coco18", "waving hand", 1)
    notes = []
    clip, _ = finish_clip(array, known_layout("openpose_coco18"), notes)
    np.testing.assert_allclose(clip, pose_clip(points[..., :2], "openpose_coco18", "xy"), atol=1e-5)
    assert "read as 340 x 256 pixels" in notes[-1]
    (tmp_path / "skeleton.toml").write_text(
        'skeleton = "openpose_coco18"\nimage_size = [680, 256]\n'
    )
    wide, _ = finish_clip(array, read_layout(tmp_path))
    np.testing.assert_allclose(
        wide, pose_clip(points[..., :2] * [2, 1], "openpose_coco18", "xy"), atol=1e-5
    )


def test_missing_points_gaps_and_empty_frames(tmp_path):
    points = walkers("openpose_coco18", M=1) / [4, 4, 1]
    content = kinetics(points, (340, 256))
    frames = content["data"]
    frames[2]["skeleton"][0]["pose"][8:10] = [0, 0]  # the right wrist
    frames[2]["skeleton"][0]["score"][4] = 0
    frames[5]["skeleton"] = []
    del frames[6]
    clip, filled = finish_clip(
        read_array(write(tmp_path / "a.json", content)), known_layout("openpose_coco18")
    )
    assert clip.shape == (8, 1, 25, 3)
    assert not clip[5:7].any()
    assert filled[2, 0, 10]
    assert filled.sum() == 4  # wrist, hand, its tip and thumb


def test_what_differs_is_named(tmp_path):
    for change, why in (
        ({"pose": [1, 2, 3]}, "frame 3: person 1: 3 numbers"),
        ({"score": [1]}, "frame 3: person 1: 1 scores for 18 joints"),
        ({"pose": ["x", 1] * 18}, "frame 3: person 1: 'x' is not a number"),
    ):
        content = kinetics(walkers("openpose_coco18"), (1280, 720))
        content["data"][2]["skeleton"][1].update(change)
        with pytest.raises(ClipError, match=why):
            read_array(write(tmp_path / "a.json", content))
    content = kinetics(walkers("openpose_coco18"), (1280, 720))
    del content["data"][2]["skeleton"][1]["score"]
    with pytest.raises(ClipError, match="frame 3: person 1: needs 'pose' and 'score'"):
        read_array(write(tmp_path / "a.json", content))
    content["data"][2]["frame_index"] = 1
    with pytest.raises(ClipError, match=r"data\[2\]: frame_index 1 is not new"):
        read_array(write(tmp_path / "a.json", content))
