import numpy as np
import pytest

from keras_skeleton.skeletons import (
    SKELETONS,
    SkeletonMapError,
    SkeletonRoleError,
    get_skeleton,
    joint_map,
)

SIZES = {
    "kinect_v1": 20, "kinect_v2": 25, "sbu": 15, "hdm05": 31, "azure_kinect": 32,
    "mediapipe_hand21": 21, "body15": 15,
}  # fmt: skip


def test_bones_form_a_tree_over_all_joints():
    for name in SKELETONS:
        skeleton = get_skeleton(name)
        assert skeleton.size == SIZES[name] == len(set(skeleton.joints)), name
        assert len(skeleton.bones) == skeleton.size - 1, name
        for joint in range(skeleton.size):  # every joint leads to the root, without a circle
            steps = 0
            while joint != skeleton.root:
                joint, steps = skeleton.parents[joint], steps + 1
                assert joint >= 0, name
                assert steps < skeleton.size, name


def test_mirror_swaps_sides_and_is_its_own_inverse():
    for name in SKELETONS:
        skeleton = get_skeleton(name)
        mirror = skeleton.mirror
        np.testing.assert_array_equal(mirror[mirror], np.arange(skeleton.size))
        for joint, other in enumerate(mirror):
            expected = skeleton.joints[joint].replace("left_", "@").replace("right_", "left_")
            assert skeleton.joints[other] == expected.replace("@", "right_"), name


def test_roles_name_the_right_joints():
    for name in SKELETONS:
        skeleton = get_skeleton(name)
        names = skeleton.joints
        if not skeleton.hips:  # a hand has no roles
            continue
        assert [names[j] for j in skeleton.hips] == ["left_hip", "right_hip"], name
        assert [names[j] for j in skeleton.shoulders] == ["left_shoulder", "right_shoulder"], name
        end = "wrist" if name == "body15" else "hand"
        assert [names[j] for j in skeleton.hands] == [f"left_{end}", f"right_{end}"], name
        assert set(skeleton.hips) <= set(skeleton.torso), name
        assert all("ankle" in names[a] and "foot" in names[f] for a, f in skeleton.feet), name


def test_kinect_v2_follows_the_sdk():
    joints = get_skeleton("kinect_v2").joints
    assert (joints[0], joints[3], joints[7], joints[20]) == (
        "spine_base", "head", "left_hand", "spine_shoulder",
    )  # fmt: skip
    assert joints[12] == "left_hip"
    assert joints[16] == "right_hip"
    # The seven torso joints of the released MANs code.
    assert sorted(get_skeleton("kinect_v2").torso) == [0, 1, 4, 8, 12, 16, 20]


def test_layouts_without_roles_say_what_they_lack():
    hand = get_skeleton("mediapipe_hand21")
    assert (hand.hips, hand.torso, hand.feet, hand.hands) == ((), (), (), ())
    assert hand.joints[hand.parents[hand.index("thumb_cmc")]] == "wrist"
    with pytest.raises(SkeletonRoleError, match="no hips and no spine"):
        hand.need("hips", "spine")
    get_skeleton("kinect_v2").need("hips", "spine", "hands", "torso", "shoulders")


def test_azure_kinect_follows_the_sdk_and_becomes_a_kinect_v2():
    azure = get_skeleton("azure_kinect")
    names = azure.joints
    assert (names[0], names[7], names[12], names[18], names[22], names[26], names[31]) == (
        "pelvis", "left_wrist", "right_shoulder", "left_hip", "right_hip", "head", "right_ear",
    )  # fmt: skip
    v2 = get_skeleton("kinect_v2")
    pairs = {b: names[a] for b, a in zip(v2.joints, joint_map(azure, v2), strict=True)}
    assert (pairs["spine_base"], pairs["spine_mid"], pairs["spine_shoulder"]) == (
        "pelvis", "spine_navel", "neck",
    )  # fmt: skip
    assert all(a == b for b, a in pairs.items() if b.startswith(("left_", "right_")))
    for target in ("kinect_v1", "sbu"):
        joint_map(azure, target)


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'kinect_v2'"):
        get_skeleton("kinectv2")
    with pytest.raises(KeyError, match="Did you mean 'left_hand'"):
        get_skeleton("sbu").index("lefthand")


def test_layouts_are_mapped_by_names_to_those_with_fewer_joints():
    v2, v1, sbu = SKELETONS["kinect_v2"], SKELETONS["kinect_v1"], SKELETONS["sbu"]
    order = joint_map(v2, v1)
    pairs = {b: v2.joints[a] for b, a in zip(v1.joints, order, strict=True)}
    assert pairs["hip_center"] == "spine_base"
    assert pairs["shoulder_center"] == "spine_shoulder"
    assert all(a == b for b, a in pairs.items() if b.startswith(("left_", "right_")))
    pairs = {b: v1.joints[a] for b, a in zip(sbu.joints, joint_map(v1, sbu), strict=True)}
    assert (pairs["left_foot"], pairs["torso"]) == ("left_ankle", "spine")
    for source in SKELETONS.values():
        assert joint_map(source, source).tolist() == list(range(source.size))
    # The left side stays left, and bones stay between the same parts.
    for source, target in ((v2, v1), (v2, sbu), (v1, sbu), (SKELETONS["hdm05"], v2)):
        order = joint_map(source, target)
        assert len(set(order.tolist())) == target.size
        for joint, index in zip(target.joints, order, strict=True):
            side = joint.split("_")[0]
            if side in ("left", "right"):
                assert source.joints[index].startswith(side)


@pytest.mark.parametrize("source", ["kinect_v1", "kinect_v2", "azure_kinect", "hdm05"])
def test_the_common_joints_are_taken_from_every_whole_body(source):
    own, wanted = get_skeleton(source), get_skeleton("body15")
    order = joint_map(own, wanted)
    pairs = {b: own.joints[a] for b, a in zip(wanted.joints, order, strict=True)}
    assert pairs.pop("hip_center") in ("hip_center", "spine_base", "pelvis", "root")
    centre = pairs.pop("shoulder_center")
    assert centre in ("shoulder_center", "spine_shoulder", "neck", "lower_neck")
    assert all(a == b for b, a in pairs.items())


def test_the_common_joints_alone_are_no_sensor():
    with pytest.raises(SkeletonMapError, match="spine"):
        joint_map("body15", "kinect_v1")
    with pytest.raises(SkeletonMapError, match="left_wrist"):
        joint_map("sbu", "body15")


def test_a_layout_is_not_mapped_to_one_with_more_joints():
    with pytest.raises(SkeletonMapError, match="left_wrist"):
        joint_map("sbu", "kinect_v1")
    with pytest.raises(SkeletonMapError, match="left_thumb"):
        joint_map("kinect_v1", "kinect_v2")
