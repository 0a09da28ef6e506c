"""Joint layouts of clips.

A clip is `float32 (T, M, V, 3)`. A `Skeleton` names the V joints in storage order, the bones
between them, the left-right pairs, and the joints that preprocessing finds by role (hips, torso,
shoulders, feet, hands), so that it works with the joint order of any sensor or motion-capture
format.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keras_skeleton.utils.errors import UnknownNameError, UserError


class SkeletonRoleError(UserError, ValueError):
    """Raised when a joint layout lacks the joints that a transform finds by role."""


@dataclass(frozen=True)
class Skeleton:
    """A joint layout.

    Attributes:
        name: Name of the layout, such as `"kinect_v2"`.
        joints: The V joint names in storage order; left and right from the subject's perspective.
        bones: The V - 1 pairs of joint indices (parent, child), which form a tree.
        root: Index of the tree's root joint.
        hips: Indices (left, right).
        shoulders: Indices (left, right).
        spine: Indices (lower, upper) of two joints on the midline of the trunk.
        torso: Indices of the joints that move together as a rigid trunk.
        feet: Pairs of indices (ankle, foot), left first; empty if the layout has no ankles.
        hands: Indices (left, right) of the joints nearest to the hands.

    Roles that a layout lacks, such as the hips of a hand, are empty; see `need`.

    Example:
        >>> from keras_skeleton.skeletons import get_skeleton
        >>> skeleton = get_skeleton("kinect_v2")
        >>> skeleton.size, skeleton.index("left_wrist")
        (25, 6)
        >>> skeleton.joints[skeleton.parents[6]], skeleton.joints[skeleton.mirror[6]]
        ('left_elbow', 'right_wrist')
    """

    name: str
    joints: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]
    root: int
    hips: tuple[int, ...]
    shoulders: tuple[int, ...]
    spine: tuple[int, ...]
    torso: tuple[int, ...]
    feet: tuple[tuple[int, int], ...]
    hands: tuple[int, ...]

    @property
    def size(self) -> int:
        """The number of joints V."""
        return len(self.joints)

    @property
    def parents(self) -> tuple[int, ...]:
        """Index of each joint's parent; -1 for the root."""
        parents = [-1] * self.size
        for parent, child in self.bones:
            parents[child] = parent
        return tuple(parents)

    @property
    def mirror(self) -> np.ndarray:
        """Permutation int (V,) that swaps left and right joints; it is its own inverse."""
        order = np.arange(self.size)
        for i, joint in enumerate(self.joints):
            if joint.startswith("left_"):
                j = self.joints.index("right_" + joint.removeprefix("left_"))
                order[i], order[j] = j, i
        return order

    def need(self, *roles: str, of: str = "this transform") -> None:
        """Checks that the layout has the joints of roles.

        Args:
            *roles: `"hips"`, `"shoulders"`, `"spine"`, `"torso"` or `"hands"`.
            of: What needs them, for the message.

        Raises:
            SkeletonRoleError: The layout lacks a role.

        Example:
            >>> from keras_skeleton.skeletons import get_skeleton
            >>> get_skeleton("mediapipe_hand21").need("hips", of="coordinates 'hips'")
            Traceback (most recent call last):
                ...
            keras_skeleton.skeletons.SkeletonRoleError: the layout 'mediapipe_hand21' has no hips...
        """
        if lacking := [role for role in roles if not getattr(self, role)]:
            raise SkeletonRoleError(
                f"the layout '{self.name}' has no {' and no '.join(lacking)}, which {of} needs; "
                "choose a network and coordinates that need none (such as coordinates='camera'), "
                "or name them under [roles]"
            )

    def index(self, joint: str) -> int:
        """Index of a joint by name.

        Raises:
            KeyError: There is no such joint; the message suggests the most similar name.
        """
        if joint in self.joints:
            return self.joints.index(joint)
        raise KeyError(str(UnknownNameError("joint", joint, self.joints, of=self.name)))


def _layout(name: str, tree: str, roles: dict[str, str]) -> Skeleton:
    """Builds a layout from lines 'joint parent' in storage order, and the joint names of roles."""
    rows = [line.split() for line in tree.strip().splitlines()]
    joints = tuple(row[0] for row in rows)
    at = {joint: i for i, joint in enumerate(joints)}
    bones = tuple((at[row[1]], at[row[0]]) for row in rows if len(row) == 2)
    root = next(i for i, row in enumerate(rows) if len(row) == 1)
    pairs = [at[joint] for joint in roles.pop("feet", "").split()]
    named = {
        role: tuple(at[joint] for joint in roles.get(role, "").split())
        for role in ("hips", "shoulders", "spine", "torso", "hands")
    }
    feet = tuple(zip(pairs[::2], pairs[1::2], strict=True))
    return Skeleton(name=name, joints=joints, bones=bones, root=root, feet=feet, **named)


# Microsoft Kinect SDK 2.0 (JointType enumeration): NTU RGB+D, PKU-MMD, UESTC.
KINECT_V2 = _layout(
    "kinect_v2",
    """
    spine_base
    spine_mid spine_base
    neck spine_shoulder
    head neck
    left_shoulder spine_shoulder
    left_elbow left_shoulder
    left_wrist left_elbow
    left_hand left_wrist
    right_shoulder spine_shoulder
    right_elbow right_shoulder
    right_wrist right_elbow
    right_hand right_wrist
    left_hip spine_base
    left_knee left_hip
    left_ankle left_knee
    left_foot left_ankle
    right_hip spine_base
    right_knee right_hip
    right_ankle right_knee
    right_foot right_ankle
    spine_shoulder spine_mid
    left_hand_tip left_hand
    left_thumb left_hand
    right_hand_tip right_hand
    right_thumb right_hand
    """,
    {
        "hips": "left_hip right_hip",
        "shoulders": "left_shoulder right_shoulder",
        "spine": "spine_base spine_mid",
        "torso": "spine_base spine_mid spine_shoulder "
        "left_shoulder right_shoulder left_hip right_hip",
        "feet": "left_ankle left_foot right_ankle right_foot",
        "hands": "left_hand right_hand",
    },
)

# Microsoft Kinect SDK 1.x: UT-Kinect, N-UCLA, SYSU-3D.
KINECT_V1 = _layout(
    "kinect_v1",
    """
    hip_center
    spine hip_center
    shoulder_center spine
    head shoulder_center
    left_shoulder shoulder_center
    left_elbow left_shoulder
    left_wrist left_elbow
    left_hand left_wrist
    right_shoulder shoulder_center
    right_elbow right_shoulder
    right_wrist right_elbow
    right_hand right_wrist
    left_hip hip_center
    left_knee left_hip
    left_ankle left_knee
    left_foot left_ankle
    right_hip hip_center
    right_knee right_hip
    right_ankle right_knee
    right_foot right_ankle
    """,
    {
        "hips": "left_hip right_hip",
        "shoulders": "left_shoulder right_shoulder",
        "spine": "hip_center spine",
        "torso": "hip_center spine left_shoulder right_shoulder left_hip right_hip shoulder_center",
        "feet": "left_ankle left_foot right_ankle right_foot",
        "hands": "left_hand right_hand",
    },
)

# OpenNI / NITE: SBU Kinect Interaction. It has no ankles: 'foot' is the end of the shin.
SBU = _layout(
    "sbu",
    """
    head neck
    neck torso
    torso
    left_shoulder neck
    left_elbow left_shoulder
    left_hand left_elbow
    right_shoulder neck
    right_elbow right_shoulder
    right_hand right_elbow
    left_hip torso
    left_knee left_hip
    left_foot left_knee
    right_hip torso
    right_knee right_hip
    right_foot right_knee
    """,
    {
        "hips": "left_hip right_hip",
        "shoulders": "left_shoulder right_shoulder",
        "spine": "torso neck",
        "torso": "neck torso left_shoulder right_shoulder left_hip right_hip",
        "feet": "",
        "hands": "left_hand right_hand",
    },
)

# HDM05 (ASF/AMC): the root, then the end points of the bones in the order of the .asf file.
HDM05 = _layout(
    "hdm05",
    """
    root
    left_hip root
    left_knee left_hip
    left_ankle left_knee
    left_foot left_ankle
    left_toes left_foot
    right_hip root
    right_knee right_hip
    right_ankle right_knee
    right_foot right_ankle
    right_toes right_foot
    lower_back root
    upper_back lower_back
    thorax upper_back
    lower_neck thorax
    upper_neck lower_neck
    head upper_neck
    left_shoulder thorax
    left_elbow left_shoulder
    left_forearm left_elbow
    left_wrist left_forearm
    left_hand left_wrist
    left_fingers left_hand
    left_thumb left_wrist
    right_shoulder thorax
    right_elbow right_shoulder
    right_forearm right_elbow
    right_wrist right_forearm
    right_hand right_wrist
    right_fingers right_hand
    right_thumb right_wrist
    """,
    {
        "hips": "left_hip right_hip",
        "shoulders": "left_shoulder right_shoulder",
        "spine": "root lower_back",
        "torso": "root lower_back upper_back thorax "
        "left_shoulder right_shoulder left_hip right_hip",
        "feet": "left_ankle left_foot right_ankle right_foot",
        "hands": "left_hand right_hand",
    },
)

# Azure Kinect body tracking SDK (k4abt_joint_id_t); it measures in millimetres, y points down.
AZURE_KINECT = _layout(
    "azure_kinect",
    """
    pelvis
    spine_navel pelvis
    spine_chest spine_navel
    neck spine_chest
    left_clavicle spine_chest
    left_shoulder left_clavicle
    left_elbow left_shoulder
    left_wrist left_elbow
    left_hand left_wrist
    left_hand_tip left_hand
    left_thumb left_wrist
    right_clavicle spine_chest
    right_shoulder right_clavicle
    right_elbow right_shoulder
    right_wrist right_elbow
    right_hand right_wrist
    right_hand_tip right_hand
    right_thumb right_wrist
    left_hip pelvis
    left_knee left_hip
    left_ankle left_knee
    left_foot left_ankle
    right_hip pelvis
    right_knee right_hip
    right_ankle right_knee
    right_foot right_ankle
    head neck
    nose head
    left_eye head
    left_ear head
    right_eye head
    right_ear head
    """,
    {
        "hips": "left_hip right_hip",
        "shoulders": "left_shoulder right_shoulder",
        "spine": "pelvis spine_navel",
        "torso": "pelvis spine_navel spine_chest neck "
        "left_shoulder right_shoulder left_hip right_hip",
        "feet": "left_ankle left_foot right_ankle right_foot",
        "hands": "left_hand right_hand",
    },
)

# MediaPipe Hands (F. Zhang et al., 2020): one hand, so it has none of a body's roles.
MEDIAPIPE_HAND21 = _layout(
    "mediapipe_hand21",
    """
    wrist
    thumb_cmc wrist
    thumb_mcp thumb_cmc
    thumb_ip thumb_mcp
    thumb_tip thumb_ip
    index_mcp wrist
    index_pip index_mcp
    index_dip index_pip
    index_tip index_dip
    middle_mcp wrist
    middle_pip middle_mcp
    middle_dip middle_pip
    middle_tip middle_dip
    ring_mcp wrist
    ring_pip ring_mcp
    ring_dip ring_pip
    ring_tip ring_dip
    pinky_mcp wrist
    pinky_pip pinky_mcp
    pinky_dip pinky_pip
    pinky_tip pinky_dip
    """,
    {},
)

# The joints that both Kinects, Azure Kinect, HDM05 and BlazePose have alike, so that a network of
# them labels any of these. No device writes it: clips are mapped to it by `joint_map`.
BODY15 = _layout(
    "body15",
    """
    hip_center
    shoulder_center hip_center
    head shoulder_center
    left_shoulder shoulder_center
    left_elbow left_shoulder
    left_wrist left_elbow
    right_shoulder shoulder_center
    right_elbow right_shoulder
    right_wrist right_elbow
    left_hip hip_center
    left_knee left_hip
    left_ankle left_knee
    right_hip hip_center
    right_knee right_hip
    right_ankle right_knee
    """,
    {
        "hips": "left_hip right_hip",
        "shoulders": "left_shoulder right_shoulder",
        "spine": "hip_center shoulder_center",
        "torso": "hip_center shoulder_center left_shoulder right_shoulder left_hip right_hip",
        "feet": "",
        "hands": "left_wrist right_wrist",
    },
)

SKELETONS = {
    layout.name: layout
    for layout in (KINECT_V1, KINECT_V2, SBU, HDM05, AZURE_KINECT, MEDIAPIPE_HAND21, BODY15)
}


def get_skeleton(skeleton: str | Skeleton) -> Skeleton:
    """Returns a joint layout by name.

    Args:
        skeleton: `"kinect_v1"`, `"kinect_v2"`, `"azure_kinect"`, `"sbu"`, `"hdm05"`,
            `"mediapipe_hand21"` or `"body15"`. A `Skeleton` is returned unchanged.

    Raises:
        UnknownNameError: There is no layout of this name.

    Example:
        >>> from keras_skeleton.skeletons import get_skeleton
        >>> get_skeleton("sbu").joints[:3]
        ('head', 'neck', 'torso')
    """
    if isinstance(skeleton, Skeleton):
        return skeleton
    if skeleton not in SKELETONS:
        raise UnknownNameError("skeleton", skeleton, SKELETONS)
    return SKELETONS[skeleton]


# Target layout: joint -> joints of other layouts at the same place, the closest first. A joint that
# is not listed is taken by its own name.
_SAME_PLACE: dict[str, dict[str, tuple[str, ...]]] = {
    "kinect_v1": {
        "hip_center": ("spine_base", "root", "pelvis"),
        "spine": ("spine_mid", "upper_back", "torso", "spine_navel"),
        "shoulder_center": ("spine_shoulder", "lower_neck", "neck"),
    },
    "kinect_v2": {
        "spine_base": ("hip_center", "root", "pelvis"),
        "spine_mid": ("spine", "upper_back", "torso", "spine_navel"),
        # Azure Kinect's neck lies at its lower end, between the shoulders.
        "spine_shoulder": ("shoulder_center", "lower_neck", "neck"),
        "neck": ("neck", "upper_neck"),
        "left_hand_tip": ("left_hand_tip", "left_fingers"),
        "right_hand_tip": ("right_hand_tip", "right_fingers"),
    },
    # OpenNI's neck lies between the shoulders, its torso halfway down, its foot at the ankle.
    "sbu": {
        "neck": ("spine_shoulder", "shoulder_center", "lower_neck", "neck"),
        "torso": ("spine_mid", "spine", "upper_back", "spine_navel"),
        "left_foot": ("left_ankle",),
        "right_foot": ("right_ankle",),
    },
    "body15": {
        "hip_center": ("hip_center", "spine_base", "root", "pelvis"),
        "shoulder_center": ("shoulder_center", "spine_shoulder", "lower_neck", "neck"),
    },
}


class SkeletonMapError(UserError, ValueError):
    """Raised when a joint layout cannot be mapped to another one; the message lists the joints."""


def joint_map(source: str | Skeleton, target: str | Skeleton) -> np.ndarray:
    """Indices of the source joints that take the places of the target's joints.

    Layouts are mapped by joint names: Kinect v2 to v1, both and HDM05 to SBU's 15 joints and to
    `body15`, HDM05 to both Kinects. Joints are picked, never computed from others, so a layout with
    fewer joints cannot be mapped to one with more.

    Args:
        source: Layout of the clips, (..., V, 3).
        target: Layout that is needed, (..., W, 3).

    Returns:
        int (W,): `clip[..., joint_map(source, target), :]` is the clip in the target's layout.

    Raises:
        SkeletonMapError: The source has no joint at some of the target's places.

    Example:
        >>> from keras_skeleton.skeletons import get_skeleton, joint_map
        >>> v2, v1 = get_skeleton("kinect_v2"), get_skeleton("kinect_v1")
        >>> [v2.joints[i] for i in joint_map(v2, v1)[:3]]
        ['spine_base', 'spine_mid', 'spine_shoulder']
        >>> joint_map(v1, v2)
        Traceback (most recent call last):
            ...
        keras_skeleton.skeletons.SkeletonMapError: kinect_v1 has no joint for neck, ...
    """
    own, wanted = get_skeleton(source), get_skeleton(target)
    order = matched_joints(own, wanted)
    if missing := [wanted.joints[k] for k in np.flatnonzero(order < 0)]:
        raise SkeletonMapError(
            f"{own.name} has no joint for {', '.join(missing)} of {wanted.name}; clips with the "
            f"joints of {wanted.name} are needed"
        )
    return order


def matched_joints(source: str | Skeleton, target: str | Skeleton) -> np.ndarray:
    """As `joint_map`, with -1 for the target's joints that the source does not have.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.skeletons import get_skeleton, matched_joints
        >>> matched = matched_joints("kinect_v1", "kinect_v2")
        >>> [get_skeleton("kinect_v2").joints[k] for k in np.flatnonzero(matched < 0)]
        ['neck', 'left_hand_tip', 'left_thumb', 'right_hand_tip', 'right_thumb']
    """
    own, wanted = get_skeleton(source), get_skeleton(target)
    if own.joints == wanted.joints:
        return np.arange(own.size)
    places = _SAME_PLACE.get(wanted.name, {})
    order = []
    for joint in wanted.joints:
        known = [name for name in places.get(joint, (joint,)) if name in own.joints]
        order.append(own.joints.index(known[0]) if known else -1)
    return np.array(order)
