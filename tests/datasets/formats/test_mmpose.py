"""Predictions of MMPose and RTMPose."""

import numpy as np
import pytest
from pose_files import person, walkers, write

from keras_skeleton.datasets.formats.clip_file import ClipError, finish_clip, read_array
from keras_skeleton.datasets.formats.poses import pose_clip
from keras_skeleton.datasets.formats.skeleton_toml import known_layout


def instances(people, dimensions=2, ids=None):
    return [
        {
            "keypoints": points[:, :dimensions].round(4).tolist(),
            "keypoint_scores": [0.8] * len(points),
            "bbox": [[1, 2, 3, 4]],
            "bbox_score": 0.9,
            **({} if ids is None else {"track_id": ids[m]}),
        }
        for m, points in enumerate(people)
    ]


def predictions(clip, first=0, **options):
    return {
        "meta_info": {"dataset_name": "coco", "num_keypoints": clip.shape[2]},
        "instance_info": [
            {"frame_id": first + t, "instances": instances(people, **options)}
            for t, people in enumerate(clip)
        ],
    }


@pytest.mark.parametrize("pose", ["coco17", "halpe26"])
@pytest.mark.parametrize("form", ["instance_info", "frames", "predictions", "lists", "nested"])
def test_frames_of_instances(pose, form, tmp_path):
    points = walkers(pose)
    content = predictions(points, first=1)
    frames = content["instance_info"]
    if form == "frames":
        content = frames
    elif form == "predictions":
        content = {"predictions": frames}
    elif form in ("lists", "nested"):
        content = [frame["instances"] for frame in frames]
        content = [content] if form == "nested" else content
    array = read_array(write(tmp_path / "a.json", content))
    assert (array.layout, array.coordinates, array.shape) == (
        pose,
        "xyc",
        (8, 2, points.shape[2], 3),
    )
    clip, filled = finish_clip(array, known_layout(pose))
    np.testing.assert_allclose(clip, pose_clip(points[..., :2], pose, "xy"), atol=1e-4)
    assert not filled.any()


def test_gaps_people_and_track_ids(tmp_path):
    points = walkers("coco17")
    content = predictions(points, ids=[5, 2])
    frames = content["instance_info"]
    for frame in frames[1::2]:
        frame["instances"].reverse()
    frames[6]["instances"] = []
    del frames[3]
    array = read_array(write(tmp_path / "a.json", content))
    assert array.ids[:2].tolist() == [[5, 2], [2, 5]]
    clip, _ = finish_clip(array, known_layout("coco17"))
    wanted = pose_clip(points[..., :2], "coco17", "xy")
    wanted[[3, 6]] = 0
    np.testing.assert_allclose(clip, wanted, atol=1e-3)


def test_the_body_of_wholebody_is_taken(tmp_path):
    points = walkers("coco17")
    whole = np.concatenate([points, np.full((8, 2, 116, 3), 5.0)], axis=2)
    array = read_array(write(tmp_path / "a.json", predictions(whole)))
    notes = []
    clip, _ = finish_clip(array, known_layout("coco17"), notes)
    np.testing.assert_allclose(clip, pose_clip(points[..., :2], "coco17", "xy"), atol=1e-4)
    assert "133 key points of COCO-WholeBody" in notes[0]


def test_three_dimensions_have_z_up_and_are_not_mirrored(tmp_path):
    """Somebody who raises the left wrist, as MMPose turns and lifts the lifted points."""
    points = person("h36m17", T=8)
    points[:, :, 13, 1] += np.linspace(0, 0.7, 8)[:, None]
    camera = points * [-1, -1, 1]  # x right, y down
    turned = np.stack([-camera[..., 0], camera[..., 2], -camera[..., 1]], axis=-1)
    turned[..., 2] -= turned[..., 2].min(axis=-1, keepdims=True)
    array = read_array(write(tmp_path / "a.json", predictions(turned, dimensions=3)))
    assert (array.layout, array.coordinates) == ("h36m17", "xyzc")
    clip, _ = finish_clip(array, known_layout("h36m17"))
    wanted = pose_clip(camera, "h36m17")
    np.testing.assert_allclose(clip - clip[:, :, :1], wanted - wanted[:, :, :1], atol=1e-3)


def test_bare_lists_of_instances(tmp_path):
    points = walkers("coco17", T=9, M=1)
    flat = [instances(people)[0] for people in points]
    array = read_array(write(tmp_path / "a.json", flat))
    assert array.shape == (9, 1, 17, 3)
    assert "9 instances were read as frames" in array.notes[0]
    with pytest.raises(ClipError, match="frames or the people of one frame"):
        read_array(write(tmp_path / "b.json", flat[:3]))


def test_what_differs_is_named(tmp_path):
    content = predictions(walkers("coco17"))
    frames = content["instance_info"]

    def refused(why, **changes):
        old = dict(frames[2]["instances"][1])
        frames[2]["instances"][1].update(changes)
        with pytest.raises(ClipError, match=why):
            read_array(write(tmp_path / "a.json", content))
        frames[2]["instances"][1] = old

    refused(
        r"frame 2: instance 1: key points \(17, 2\) with scores \(3,\)", keypoint_scores=[1] * 3
    )
    refused("frame 2: instance 1: 'x' is not a number", keypoints=[["x", 1]] * 17)
    refused("different numbers of coordinates", keypoints=[[1, 2]] * 16 + [[1]])
    refused("frame 2: 16 joints", keypoints=[[1, 2]] * 16, keypoint_scores=[1] * 16)
    del frames[2]["instances"][1]["keypoints"]
    refused("frame 2: instance 1: needs 'keypoints' and 'keypoint_scores'")
    frames[2]["instances"] = []
    frames[3]["frame_id"] = 4
    refused_twice = pytest.raises(ClipError, match="two frames have the frame_id 4")
    with refused_twice:
        read_array(write(tmp_path / "a.json", content))
    with pytest.raises(ClipError, match="no frames"):
        read_array(write(tmp_path / "a.json", {"instance_info": []}))
