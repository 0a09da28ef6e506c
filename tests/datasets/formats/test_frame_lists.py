"""JSON lists of frames: MediaPipe's objects, null frames, people who join and leave."""

import json

import numpy as np
import pytest
from pose_files import picture, walkers, write

from keras_skeleton.datasets.formats.clip_file import ClipError, finish_clip, read_array
from keras_skeleton.datasets.formats.frame_lists import rate
from keras_skeleton.datasets.formats.poses import COCO17, MEDIAPIPE33, pose_clip
from keras_skeleton.datasets.formats.skeleton_toml import known_layout, read_layout
from keras_skeleton.skeletons import get_skeleton
from keras_skeleton.utils.errors import DatasetError

SIZE = (1280, 720)


def landmarks(points, **more):
    """MediaPipe's list of one person (K, 3)."""
    return [
        {"x": x, "y": y, "z": z, "visibility": 0.9, **more} for x, y, z in points.round(6).tolist()
    ]


def fractions(points):
    return points / [*SIZE, SIZE[0]]


def layout_of(tmp_path, text):
    (tmp_path / "skeleton.toml").write_text(text)
    return read_layout(tmp_path)


@pytest.fixture
def sized(tmp_path):
    return layout_of(tmp_path, 'skeleton = "mediapipe33"\nimage_size = [1280, 720]')


POINTS = walkers("mediapipe33", M=1)
PAIR = walkers("mediapipe33", M=2)
WANTED = pose_clip(POINTS, "mediapipe33", "xyz", scale="torso")


@pytest.mark.parametrize(
    "form",
    ["frames", "people", "pose_landmarks", "landmarks", "poseLandmarks", "upper", "lists", "names",
     "landmark", "numbered"],
)  # fmt: skip
def test_landmarks_in_all_their_forms(form, tmp_path, sized):
    frames = [landmarks(p[0], presence=0.5) for p in fractions(POINTS)]
    content = {
        "frames": lambda: frames,
        "people": lambda: [[frame] for frame in frames],
        "pose_landmarks": lambda: [
            {"frame": t, "pose_landmarks": [frame]} for t, frame in enumerate(frames)
        ],
        "landmarks": lambda: {"frames": [{"landmarks": frame} for frame in frames]},
        "poseLandmarks": lambda: {"poseLandmarks": frames},
        "upper": lambda: [
            [{key.upper(): value for key, value in point.items()} for point in frame]
            for frame in frames
        ],
        "lists": lambda: [[list(point.values())[:4] for point in frame] for frame in frames],
        "names": lambda: [dict(zip(MEDIAPIPE33.points, frame, strict=True)) for frame in frames],
        "landmark": lambda: [{"pose_landmarks": {"landmark": frame}} for frame in frames],
        "numbered": lambda: {str(t): frame for t, frame in reversed([*enumerate(frames)])},
    }[form]()
    array = read_array(write(tmp_path / "a.json", content))
    clip, filled = finish_clip(array, sized)
    np.testing.assert_allclose(clip, WANTED, atol=1e-3)
    assert not filled.any()


def test_null_frames_points_and_people(tmp_path, sized):
    frames = [[landmarks(person) for person in people] for people in fractions(PAIR)]
    frames[2] = None
    frames[3] = []
    frames[4][0] = None
    frames[5] = {"landmarks": None}
    frames[6].reverse()
    frames[7][1][15] = None  # the left wrist
    array = read_array(write(tmp_path / "a.json", frames))
    assert array.shape == (8, 2, 33, 4)
    clip, filled = finish_clip(array, sized)
    there = (clip != 0).any(axis=(2, 3))
    assert there.tolist() == [
        [True, True], [True, True], [False, False], [False, False], [False, True], [False, False],
        [True, True], [True, True],
    ]  # fmt: skip
    wanted = pose_clip(PAIR, "mediapipe33", "xyz", scale="torso")
    np.testing.assert_allclose(clip[6], wanted[6], atol=1e-3)
    assert filled[7, 1, get_skeleton("kinect_v2").index("left_wrist")]


def test_world_landmarks_are_metres(tmp_path):
    world = (POINTS - POINTS[:, :, 23:25].mean(axis=2, keepdims=True)) / 400
    frames = [
        {"timestamp_ms": 40 * t, "pose_world_landmarks": [landmarks(p[0])],
         "pose_landmarks": [landmarks(q[0])]}
        for t, (p, q) in enumerate(zip(world, fractions(POINTS), strict=True))
    ]  # fmt: skip
    frames[3]["pose_world_landmarks"] = frames[3]["pose_landmarks"] = []
    array = read_array(write(tmp_path / "a.json", frames))
    assert (array.unit, array.fps, array.layout) == ("m", 25, "mediapipe33")
    assert "world landmarks" in array.notes[0]
    clip, _ = finish_clip(array, known_layout("mediapipe33"))
    wanted = pose_clip(world, "mediapipe33")
    wanted[3] = 0
    np.testing.assert_allclose(clip, wanted, atol=1e-4)
    # As an array without a key, world landmarks are recognised by the hips in their middle.
    clip, _ = finish_clip(world, known_layout("mediapipe33"))
    assert clip.shape == (8, 1, 25, 3)


@pytest.mark.parametrize("pose", ["mediapipe33", "coco17", "openpose_body25", "halpe26"])
@pytest.mark.parametrize("shift", [0.0, -0.4])
def test_fractions_of_the_image_need_its_size(pose, shift, tmp_path):
    """Also those of somebody who is partly outside."""
    points = walkers(pose, M=1) / [*SIZE, SIZE[0]] + [shift, 0, 0]
    flat = points[..., :2]
    with pytest.raises(ClipError, match=r"image_size = \[1920, 1080\]"):
        finish_clip(flat, known_layout(pose))
    layout = layout_of(tmp_path, f'skeleton = "{pose}"\nimage_size = [1280, 720]')
    clip, _ = finish_clip(flat, layout)
    wanted = pose_clip(flat * SIZE, pose, "xy")
    np.testing.assert_allclose(clip, wanted, atol=1e-5)
    # Pixels need none, and are not multiplied.
    clip, _ = finish_clip(flat * SIZE + [3000, 0], layout)
    np.testing.assert_allclose(clip - clip[:1, :, :1], wanted - wanted[:1, :, :1], atol=1e-4)
    metres = layout_of(tmp_path, f'skeleton = "{pose}"\nunits = "m"\nscale = "none"')
    clip, _ = finish_clip(flat, metres)
    np.testing.assert_allclose(clip, pose_clip(flat, pose, "xy", scale="none"), atol=1e-5)


def test_fractions_around_the_middle_of_the_image(tmp_path):
    """As ST-GCN feeds them; points around the hips are something else."""
    points = walkers("openpose_coco18", M=1)[..., :2] * 0.7
    with pytest.raises(ClipError, match="image_size"):
        finish_clip(points / SIZE - 0.5, known_layout("openpose_coco18"))
    layout = layout_of(tmp_path, 'skeleton = "openpose_coco18"\nimage_size = [1280, 720]')
    clip, _ = finish_clip(points / SIZE - 0.5, layout)
    wanted = pose_clip(points, "openpose_coco18", "xy")
    np.testing.assert_allclose(clip - clip[:1, :, :1], wanted - wanted[:1, :, :1], atol=1e-4)
    hips = points[:, :, [8, 11]].mean(axis=2, keepdims=True)
    small = (points - hips) / 2000
    clip, _ = finish_clip(small, known_layout("openpose_coco18"))
    np.testing.assert_allclose(clip, pose_clip(small, "openpose_coco18", "xy"), atol=1e-4)


@pytest.mark.parametrize("value", ["[1, 2, 3]", "1280", "[0, 9]", '["a", 2]', "[true, 2]"])
def test_sizes_that_are_none(value, tmp_path):
    with pytest.raises(DatasetError, match="image_size"):
        layout_of(tmp_path, f'skeleton = "coco17"\nimage_size = {value}')


def test_hands(tmp_path):
    rng = np.random.default_rng(0)
    hand = rng.uniform(0.3, 0.6, (1, 21, 3)) + rng.normal(0, 0.01, (8, 21, 3))
    frames = [{"hand_landmarks": [landmarks(points)]} for points in hand]
    frames[2] = {"hand_landmarks": []}
    array = read_array(write(tmp_path / "a.json", frames))
    assert array.layout == "mediapipe_hand21"
    with pytest.raises(ClipError, match="image_size"):
        finish_clip(array, known_layout("mediapipe_hand21"))
    layout = layout_of(tmp_path, 'skeleton = "mediapipe_hand21"\nimage_size = [640, 480]')
    clip, _ = finish_clip(array, layout)
    assert clip.shape == (8, 1, 21, 3)
    np.testing.assert_allclose(clip[5, 0], hand[5] * [-640, -480, 640], rtol=1e-4)


@pytest.mark.parametrize("form", ["objects", "lists", "name", "part"])
def test_joints_with_names_are_read_in_any_order(form, tmp_path):
    """Some are missing in a frame, the first one, too."""
    points = walkers("coco17", M=1)[:, 0, :, :2].round(3)
    names = COCO17.points
    frames = []
    for t, person in enumerate(points.tolist()):
        order = np.random.default_rng(t).permutation(17)
        if t == 0:
            order = [k for k in order if names[k] != "left_wrist"]
        joints = {names[k].upper(): person[k] for k in order}
        frames.append(
            {
                "objects": lambda j=joints: {n: {"x": x, "y": y} for n, (x, y) in j.items()},
                "lists": lambda j=joints: {n: [x, y] for n, (x, y) in j.items()},
                "name": lambda j=joints: [{"x": x, "y": y, "name": n} for n, (x, y) in j.items()],
                "part": lambda j=joints: {
                    "keypoints": [
                        {"part": n, "position": {"x": x, "y": y}} for n, (x, y) in j.items()
                    ]
                },
            }[form]()
        )
    frames[3] = None
    array = read_array(write(tmp_path / "a.json", frames))
    assert {name.lower() for name in array.joints} == set(names)
    clip, filled = finish_clip(array, known_layout("coco17"))
    wanted = pose_clip(points[:, None], "coco17", "xy")
    kept = [1, 2, 4, 5, 6, 7]
    np.testing.assert_allclose(clip[kept], wanted[kept], atol=1e-4)
    assert filled[0].sum() == 4
    assert not clip[3].any()
    with pytest.raises(ClipError, match='are not those of mediapipe33.*skeleton = "coco17"'):
        finish_clip(array, known_layout("mediapipe33"))


def test_other_estimators(tmp_path):
    points = walkers("coco17")[..., :2].round(3)
    wanted = pose_clip(points, "coco17", "xy")
    people = points.tolist()
    forms = {
        "detections": [
            {"frame": t, "detections": [{"track_id": m, "keypoints": p} for m, p in enumerate(f)]}
            for t, f in enumerate(people)
        ],
        "columns": [
            [
                {"track_id": m, "keypoints": {"x": p[:, 0].tolist(), "y": p[:, 1].tolist(),
                                              "visible": [0.9] * 17}}
                for m, p in enumerate(f)
            ]
            for f in points
        ],
        "scores": [
            [{"id": m, "keypoints": [{"x": x, "y": y, "score": 0.9} for x, y in p]}
             for m, p in enumerate(f)]
            for f in people
        ],
    }  # fmt: skip
    for form in forms.values():
        array = read_array(write(tmp_path / "a.json", form))
        assert array.ids.tolist() == [[0, 1]] * 8
        clip, _ = finish_clip(array, known_layout("coco17"))
        np.testing.assert_allclose(clip, wanted, atol=1e-4)


def test_the_azure_kinects_own_json(tmp_path):
    joints = np.random.default_rng(0).normal(0, 300, (5, 32, 3)) + [0, 0, 2000]
    frames = [
        {
            "frame_id": t, "timestamp_usec": 33_333 * t, "num_bodies": 1,
            "bodies": [{"body_id": 1, "joint_positions": j.tolist(), "joint_orientations": []}],
        }
        for t, j in enumerate(joints)
    ]  # fmt: skip
    frames[2]["bodies"] = []
    content = {"frames": frames, "joint_names": ["PELVIS"], "bone_list": [["PELVIS", "NECK"]]}
    array = read_array(write(tmp_path / "a.json", content))
    assert array.fps == pytest.approx(30, abs=0.01)
    clip, _ = finish_clip(array, known_layout("azure_kinect"))
    np.testing.assert_allclose(clip[4, 0], joints[4] * [-0.001, -0.001, 0.001], rtol=1e-5)
    assert not clip[2].any()


def test_lines_of_json_and_sizes_in_the_file(tmp_path):
    frames = [landmarks(p[0]) for p in fractions(POINTS)]
    (tmp_path / "a.json").write_text("\n".join(map(json.dumps, frames)))
    assert read_array(tmp_path / "a.json").shape == (8, 1, 33, 4)
    content = {"width": 1280, "height": 720, "fps": 25, "frames": frames}
    array = read_array(write(tmp_path / "b.json", content))
    assert (array.image_size, array.fps) == ((1280, 720), 25)
    clip, _ = finish_clip(array, known_layout("mediapipe33"))
    np.testing.assert_allclose(clip, WANTED, atol=1e-3)


def test_people_join_and_leave_lists_of_numbers(tmp_path):
    points = walkers("coco17", T=9, M=2)[..., :2]
    frames = [people.tolist() for people in points]
    frames[0] = []
    frames[3] = frames[3][1:]
    frames[4] = None
    frames[5].reverse()
    frames[6][0][9] = None
    frames[7][0][9] = ["1.5", "2.5"]  # numbers as text
    wanted = pose_clip(points, "coco17", "xy")
    for content in (frames, {"skeletons": frames}, {"frames": [{"keypoints": f} for f in frames]}):
        array = read_array(write(tmp_path / "a.json", content))
        clip, filled = finish_clip(array, known_layout("coco17"))
        there = (clip != 0).any(axis=(2, 3))
        assert there.sum(axis=1).tolist() == [0, 2, 2, 1, 0, 2, 2, 2, 2]
        slot = 0 if abs(clip[1, 0, 0, 0] - wanted[1, 0, 0, 0]) < 1e-3 else 1
        np.testing.assert_allclose(clip[[1, 2, 5, 8], slot], wanted[[1, 2, 5, 8], 0], atol=1e-4)
        np.testing.assert_allclose(
            clip[[1, 2, 3, 5, 8], 1 - slot], wanted[[1, 2, 3, 5, 8], 1], atol=1e-4
        )
        assert filled[6].any()


def test_one_person_with_null_frames_in_any_layout(tmp_path):
    clip = np.random.default_rng(0).normal(size=(6, 20, 3)) + 3
    frames = clip.tolist()
    frames[2] = None
    array = read_array(write(tmp_path / "a.json", frames))
    out, _ = finish_clip(array, known_layout("kinect_v1"))
    np.testing.assert_allclose(out[[0, 5], 0], clip[[0, 5]], rtol=1e-6)
    assert not out[2].any()
    rows = clip.reshape(6, 60).tolist()
    rows[2] = None
    out, _ = finish_clip(read_array(write(tmp_path / "b.json", rows)), known_layout("kinect_v1"))
    np.testing.assert_allclose(out[[0, 5], 0], clip[[0, 5]], rtol=1e-6)
    assert not out[2].any()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ([[[1, 2, 3]] * 17, [[1, 2, 3]] * 16], "frame 1: 16 joints of 3 numbers, but 17"),
        ([[[1, 2, 3]] * 17, [[1, 2, 3]] * 25], "25 joints are kinect_v2 or openpose_body25"),
        ([[[1, 2, 3]] * 17, [[1, 2]] * 17], "frame 1: 17 joints of 2 numbers, but 17 of 3"),
        ([[[1, 2, 3]] * 17, [[1, 2, 3], [1, 2]] * 8], "frame 1: joints have different numbers"),
        ([[[1, 2, 3]] * 17, [["a", 2, 3]] * 17], "frame 1: 'a' is not a number"),
        ([[[1, 2, 3]] * 17, 5], "frame 1: '5' is not a list of joints"),
        ([[[1, 2, 3]] * 17, "ab"], "frame 1: 'ab' is not a list of joints"),
        ([[[[1, 2, 3]] * 17], [[[1, 2, 3]] * 17, [[1, 2, 3]] * 5]], "frame 1: 5 joints"),
        ([[1, 2, 3], [1, 2]], "frame 1 has 2 numbers, but frame 0 has 3"),
        ([None, None], "no body in any of the 2 frames"),
        ([], "no frames"),
        ({"fps": 30}, "its keys are fps"),
        ([{"x": 1}], "frame 0: has none of the keys"),
        ([[{"x": 1, "y": 2}, {"x": 1}]], "frame 0: joint 1 has no y"),
        ([[{"x": 1, "y": 2}, 5]], "frame 0: joint 1 is '5'"),
        ([[{"x": 1, "y": "up"}]], "frame 0: 'up' is not a number"),
        ([[{"x": 1, "y": 2}], [{"x": 1, "y": 2, "z": 3}, {"x": 1, "y": 2}]], "frame 1: 2 joints"),
        ([{"frame": 3, "joints": [[1, 2]]}, {"frame": 3, "joints": [[1, 2]]}], "two frames"),
        (5, "is neither a list of frames"),
        ("text", "is neither a list of frames"),
    ],
)
def test_what_differs_is_named(content, why, tmp_path):
    with pytest.raises(ClipError, match=why):
        read_array(write(tmp_path / "a.json", content))


def test_rates():
    assert rate([0, 1 / 30, 2 / 30, 3 / 30]) == pytest.approx(30, abs=0.01)
    assert rate([0, 33, 67, 100]) == pytest.approx(30, abs=0.5)
    assert rate([0, 33_333, 66_666]) == pytest.approx(30, abs=0.01)
    assert rate([0, 40, 80], 1e-3) == 25
    assert rate([5]) is None
    assert rate([5, 5, 5]) is None


def test_pictures_of_the_helpers_are_pixels():
    assert picture(np.array([0.3, 0.1, 3])).tolist() == [520, 440, 1200]
