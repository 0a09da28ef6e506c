import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pose_files import person, picture
from scipy.spatial.transform import Rotation

from keras_skeleton.datasets.formats.poses import (
    COCO17,
    MEDIAPIPE33,
    OPENPOSE_BODY25,
    POSES,
    get_pose,
    image_to_camera,
    pose_clip,
    split_coordinates,
    to_kinect_v2,
)
from keras_skeleton.skeletons import KINECT_V2
from keras_skeleton.transforms.normalise import to_actor_frame, torso_length

SIZES = {
    "coco17": 17, "openpose_body25": 25, "openpose_coco18": 18, "mediapipe33": 33, "halpe26": 26,
    "h36m17": 17,
}  # fmt: skip
FORMATS = pytest.mark.parametrize("pose", POSES)


@FORMATS
def test_tables_are_whole_and_symmetric(pose):
    table = get_pose(pose).table
    names = get_pose(pose).points
    assert len(set(names)) == len(names) == SIZES[pose]
    assert set(table) == set(KINECT_V2.joints)

    def other(name):
        for a, b in (("left", "right"), ("right", "left")):
            if name.startswith(a + "_") or name.endswith("_" + a):
                return name.replace(a, b)
        return name

    for joint, definitions in table.items():
        assert definitions
        for weights in definitions:
            assert sum(weights.values()) == pytest.approx(1, abs=1e-12)
        mirrored = [{names.index(other(names[k])): w for k, w in d.items()} for d in definitions]
        assert mirrored == list(table[other(joint)])
        if joint.startswith("left"):
            assert not any(names[k].startswith("right") for d in definitions for k in d)


def test_formats_are_in_their_published_order():
    assert COCO17.points[9] == "left_wrist"
    assert COCO17.points[16] == "right_ankle"
    assert OPENPOSE_BODY25.points[4] == "right_wrist"
    assert OPENPOSE_BODY25.points[8] == "mid_hip"
    assert OPENPOSE_BODY25.points[19] == "left_big_toe"
    assert MEDIAPIPE33.points[15] == "left_wrist"
    assert MEDIAPIPE33.points[20] == "right_index"
    assert MEDIAPIPE33.points[32] == "right_foot_index"
    coco, halpe, h36m = (POSES[name].points for name in ("openpose_coco18", "halpe26", "h36m17"))
    assert (coco[1], coco[4], coco[7], coco[8], coco[17]) == (
        "neck", "right_wrist", "left_wrist", "right_hip", "left_ear",
    )  # fmt: skip
    assert halpe[:17] == COCO17.points
    assert (halpe[18], halpe[19], halpe[21], halpe[25]) == (
        "neck", "mid_hip", "right_big_toe", "right_heel",
    )  # fmt: skip
    assert (h36m[0], h36m[1], h36m[8], h36m[10], h36m[11], h36m[16]) == (
        "pelvis", "right_hip", "thorax", "head_top", "left_shoulder", "right_wrist",
    )  # fmt: skip


@FORMATS
@pytest.mark.parametrize("flat", [False, True])
def test_a_standing_person_becomes_a_kinects(pose, flat):
    """Heights in order, limbs of human length, everything on its own side, not mirrored."""
    image = picture(person(pose))
    clip = pose_clip(image[..., :2] if flat else image / 400, pose, "xy" if flat else "xyz")
    assert clip.shape == (4, 1, 25, 3)
    joint = {name: clip[0, 0, j] for j, name in enumerate(KINECT_V2.joints)}
    if flat:
        assert (clip[..., 2] == 0).all()
        assert torso_length(clip) == pytest.approx(1)
        joint = {name: at * 0.45 for name, at in joint.items()}  # back to metres
    up = [
        "left_foot", "left_ankle", "left_knee", "spine_base", "spine_mid", "spine_shoulder", "neck",
        "head",
    ]  # fmt: skip
    assert (np.diff([joint[name][1] for name in up]) > 0).all()
    assert (np.diff([joint[n][1] for n in ("left_hand_tip", "left_hand", "left_wrist")]) > 0).all()
    for name in KINECT_V2.joints:
        if name.startswith("left_"):
            assert joint[name][0] < joint["spine_mid"][0] < joint["right_" + name[5:]][0]
    lengths = {
        ("spine_base", "spine_shoulder"): (0.4, 0.5), ("neck", "head"): (0.08, 0.2),
        ("left_elbow", "left_wrist"): (0.2, 0.3), ("left_wrist", "left_hand"): (0.04, 0.1),
        ("left_wrist", "left_hand_tip"): (0.08, 0.15), ("left_wrist", "left_thumb"): (0.04, 0.1),
        ("left_ankle", "left_foot"): (0.02, 0.15), ("left_knee", "left_ankle"): (0.35, 0.45),
    }  # fmt: skip
    for (a, b), (low, high) in lengths.items():
        assert low < np.linalg.norm(joint[a] - joint[b]) < high
    if not flat:
        seen = to_actor_frame(clip)[0, 0]  # X to the left, Y up, so Z forwards: no mirror image
        assert seen[KINECT_V2.index("left_hand"), 0] > 0
        if pose in ("openpose_body25", "mediapipe33", "halpe26"):  # those with toes
            assert seen[KINECT_V2.index("left_foot"), 2] > seen[KINECT_V2.index("left_ankle"), 2]


@FORMATS
def test_left_stays_left(pose):
    points = person(pose)
    raised = points.copy()
    raised[..., get_pose(pose).points.index("left_wrist"), 1] += 0.5
    moved = np.abs(to_kinect_v2(raised, pose) - to_kinect_v2(points, pose)).max(axis=(0, 1, 3))
    names = {KINECT_V2.joints[j] for j in np.flatnonzero(moved > 1e-9)}
    assert {"left_wrist", "left_hand", "left_hand_tip"} <= names
    assert names <= {"left_wrist", "left_hand", "left_hand_tip", "left_thumb"}


@FORMATS
@given(seed=st.integers(0, 999), size=st.floats(0.1, 10), shift=st.tuples(*[st.floats(-9, 9)] * 3))
def test_turning_and_moving_the_points_moves_the_joints(pose, seed, size, shift):
    """Weights that sum to 1 do not care where the camera stands."""
    points = np.random.default_rng(seed).normal(size=(3, 2, get_pose(pose).size, 3))
    turn = size * Rotation.random(random_state=seed).as_matrix().T
    np.testing.assert_allclose(
        to_kinect_v2(points @ turn + shift, pose),
        to_kinect_v2(points, pose) @ turn + shift,
        atol=1e-8,
    )


def test_one_joint_by_hand():
    points = person("openpose_body25", T=1)[0, 0]
    at = OPENPOSE_BODY25.points.index
    out = to_kinect_v2(points[None, None], "openpose_body25")[0, 0]
    ears = (points[at("left_ear")] + points[at("right_ear")]) / 2
    expected = {
        "head": ears,
        "neck": 0.55 * points[at("neck")] + 0.45 * ears,
        "spine_mid": 0.4 * points[at("mid_hip")] + 0.6 * points[at("neck")],
        "right_hand": points[at("right_wrist")]
        + 0.25 * (points[at("right_wrist")] - points[at("right_elbow")]),
        "left_foot": (points[at("left_ankle")] + points[at("left_big_toe")]) / 2,
    }
    for joint, value in expected.items():
        np.testing.assert_allclose(out[KINECT_V2.index(joint)], value, atol=1e-12)


@pytest.mark.parametrize("nothing", [np.nan, 0.0])
def test_a_body_keeps_to_one_definition(nothing):
    """A head that changes between ears and nose would jump by ten centimetres."""
    points = person("coco17", T=10, M=3)
    ear, nose = COCO17.points.index("left_ear"), COCO17.points.index("nose")
    head = KINECT_V2.index("head")
    points[:6, 1, ear] = nothing  # in fewer than half of the frames: the nose from now on
    points[:5, 0, ear] = nothing  # in half of them: the ears remain
    points[:, 2, [ear, nose]] = nothing
    out = to_kinect_v2(points, "coco17")[:, :, head]
    np.testing.assert_array_equal(out[:, 1], points[:, 1, nose])
    assert np.isnan(out[:5, 0]).all()
    ears = points[5:, 0, [ear, ear + 1]].mean(axis=1)
    np.testing.assert_allclose(out[5:, 0], ears)
    assert np.isnan(out[:, 2]).all()
    np.testing.assert_array_equal(pose_clip(points, "coco17").shape, (10, 3, 25, 3))


def test_people_come_and_go():
    points = picture(person("coco17", T=6, M=2))
    points[:2, 1] = 0
    points[4:, 1] = np.nan
    clip = pose_clip(points[..., :2], "coco17", "xy")
    assert (clip[:2, 1] == 0).all()
    assert (clip[4:, 1] == 0).all()
    assert (clip[2:4, 1] != 0).any(axis=(1, 2)).all()
    empty = pose_clip(np.zeros((3, 17, 2)), "coco17", "xy")
    assert empty.shape == (3, 1, 25, 3)
    assert (empty == 0).all()


def test_confidence_says_what_was_seen():
    points = np.array([[1.0, 2, 0.9], [3, 4, 0.2], [5, 6, 0]])
    out = split_coordinates(points, "xyc")
    np.testing.assert_array_equal(out[:2], [[1, 2, 0], [3, 4, 0]])
    assert np.isnan(out[2]).all()
    assert np.isnan(split_coordinates(points, "xyc", min_confidence=0.3)[1]).all()
    np.testing.assert_array_equal(split_coordinates(points, "xyz"), points)
    volume = np.concatenate([points, [[0.5], [0.6], [np.nan]]], axis=1)
    out = split_coordinates(volume, "xyzc", 0.5)
    np.testing.assert_array_equal(out[:2], points[:2])
    assert np.isnan(out[2]).all()  # a confidence of NaN is none


def test_unsure_points_are_filled_from_the_frames_around():
    image = picture(person("openpose_body25", T=5))
    points = np.concatenate([image[..., :2], np.full((5, 1, 25, 1), 0.8)], axis=-1)
    whole = pose_clip(points, "openpose_body25", "xyc")
    points[2, 0, 4] = [999, 999, 0.1]  # the right wrist
    points[:, 0, 21] = 0  # a heel, which no joint needs
    out = pose_clip(points, "openpose_body25", "xyc", min_confidence=0.3)
    np.testing.assert_allclose(out, whole, atol=1e-12)


@given(size=st.floats(10, 1000), x=st.floats(0, 1000), y=st.floats(0, 1000))
def test_a_flat_clip_has_the_torso_as_its_unit(size, x, y):
    """A larger image, or a person elsewhere in it, changes nothing but the origin."""
    image = person("coco17", M=2) * [-size, -size, size] + [x, y, 0]
    clip = pose_clip(image[..., :2] + [5000, 5000], "coco17", "xy")
    assert torso_length(clip) == pytest.approx(1)
    reference = pose_clip(picture(person("coco17", M=2))[..., :2], "coco17", "xy")
    np.testing.assert_allclose(
        clip - clip[:1, :1, :1], reference - reference[:1, :1, :1], atol=1e-8
    )
    pixels = pose_clip(image[..., :2] + [5000, 5000], "coco17", "xy", scale="none")
    assert torso_length(pixels) == pytest.approx(0.45 * size)


def test_half_a_turn_is_its_own_inverse_and_no_mirror():
    points = np.random.default_rng(0).normal(size=(4, 3))
    np.testing.assert_array_equal(image_to_camera(image_to_camera(points)), points)
    assert np.linalg.det(image_to_camera(np.eye(3))) == 1


def test_wrong_points_are_refused():
    with pytest.raises(ValueError, match="Did you mean 'coco17'"):
        pose_clip(np.ones((4, 17, 3)), "coco")
    with pytest.raises(ValueError, match=r"expected \(T, M, 17, 3\) for 'coco17'"):
        pose_clip(np.ones((4, 25, 3)), "coco17")
    with pytest.raises(ValueError, match="'xy' needs 2 coordinates"):
        pose_clip(np.ones((4, 17, 3)), "coco17", "xy")
    with pytest.raises(ValueError, match="unknown coordinates 'uv'"):
        pose_clip(np.ones((4, 17, 2)), "coco17", "uv")
    with pytest.raises(ValueError, match="unknown scale 'tors'"):
        pose_clip(np.ones((4, 17, 3)), "coco17", scale="tors")
    with pytest.raises(ValueError, match="infinity"):
        pose_clip(np.full((4, 17, 3), np.inf), "coco17")
    with pytest.raises(ValueError, match="length of the torso is 0"):
        pose_clip(np.ones((4, 17, 2)), "coco17", "xy")
