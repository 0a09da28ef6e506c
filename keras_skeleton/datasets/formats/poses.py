"""Converts keypoints of pose estimators to Kinect v2 skeletons.

Known are COCO-17, OpenPose's BODY-25 and COCO-18, MediaPipe-33, Halpe-26 and Human3.6M-17.

Each Kinect v2 joint is a weighted sum of keypoints. Joints that the estimator does not have are
derived: the base of the spine is the middle of the hips, the hand is beyond the wrist on the line
from the elbow, and so on. The weights are rounded from a least-squares fit over 13 bodies of ten
NTU RGB+D recordings (hand 1.23 and 1.24, its tip 1.40 and 1.44, middle of the spine 0.60, neck 0.46
of the way to the head). Two joints cannot be estimated: the thumb of COCO and OpenPose is placed in
line with the hand, and the foot of COCO in line with the shin, so the direction of the toes is
unknown. Kinect's hips and shoulders are closer to the spine than those of the estimators; this is
not corrected.

Left and right are from the person's perspective in all of these formats. In images x points right
and y down; in Kinect coordinates x points to the sensor's left and y up. `image_to_camera` converts
between them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keras_skeleton.skeletons import BODY15, KINECT_V2, SKELETONS
from keras_skeleton.transforms.missing import fill_missing
from keras_skeleton.transforms.normalise import per_torso
from keras_skeleton.utils.errors import UnknownNameError

COORDINATES = ("xy", "xyz", "xyc", "xyzc")

# A joint, then weights and keypoints. `*` stands for left and right. If a joint has several lines,
# the first one is used whose keypoints are found in at least half of the frames.
_COMMON = """
spine_base      0.5 left_hip        0.5 right_hip
spine_mid       0.2 left_hip        0.2 right_hip       0.3 left_shoulder   0.3 right_shoulder
spine_shoulder  0.5 left_shoulder   0.5 right_shoulder
neck            0.275 left_shoulder 0.275 right_shoulder 0.225 left_ear     0.225 right_ear
neck            0.275 left_shoulder 0.275 right_shoulder 0.45 nose
neck            0.5 left_shoulder   0.5 right_shoulder
head            0.5 left_ear        0.5 right_ear
head            1 nose
*_shoulder      1 *_shoulder
*_elbow         1 *_elbow
*_wrist         1 *_wrist
*_hand          1.25 *_wrist        -0.25 *_elbow
*_hand_tip      1.4 *_wrist         -0.4 *_elbow
*_thumb         1.3 *_wrist         -0.3 *_elbow
*_hip           1 *_hip
*_knee          1 *_knee
*_ankle         1 *_ankle
*_foot          1.07 *_ankle        -0.07 *_knee
"""

# Lines that precede the common ones: both formats have toes, OpenPose has the middle of the hips
# and shoulders, MediaPipe has knuckles.
_OPENPOSE = """
spine_base      1 mid_hip
spine_mid       0.4 mid_hip         0.6 neck
spine_shoulder  1 neck
neck            0.55 neck           0.225 left_ear      0.225 right_ear
neck            0.55 neck           0.45 nose
*_foot          0.5 *_ankle         0.5 *_big_toe
"""
_MEDIAPIPE = """
*_hand          0.34 *_wrist        0.33 *_index        0.33 *_pinky
*_hand_tip      -0.2 *_wrist        0.6 *_index         0.6 *_pinky
*_thumb         1 *_thumb
*_foot          0.5 *_ankle         0.5 *_foot_index
"""

_HALPE = """
spine_base      1 mid_hip
spine_mid       0.4 mid_hip         0.6 neck
spine_shoulder  1 neck
neck            0.55 neck           0.225 left_ear      0.225 right_ear
neck            0.55 neck           0.45 nose
*_foot          0.5 *_ankle         0.5 *_big_toe
"""
_COCO18 = """
spine_mid       0.2 left_hip        0.2 right_hip       0.6 neck
spine_shoulder  1 neck
neck            0.55 neck           0.225 left_ear      0.225 right_ear
neck            0.55 neck           0.45 nose
"""
# Human3.6M has the middle of the trunk, and the nose and the top of the head instead of ears.
_H36M = """
spine_base      1 pelvis
spine_mid       1 spine
spine_shoulder  1 thorax
neck            0.55 thorax         0.225 nose          0.225 head_top
head            0.5 nose            0.5 head_top
"""

Weights = dict[int, float]


@dataclass(frozen=True)
class Pose:
    """The keypoints of a pose estimator.

    Attributes:
        name: A key of `POSES`, such as `"coco17"`.
        points: The K names in storage order.
        table: Maps each Kinect v2 joint to its definitions, in order of preference. A definition
            maps indices of keypoints to weights with sum 1.
    """

    name: str
    points: tuple[str, ...]
    table: dict[str, tuple[Weights, ...]]

    @property
    def size(self) -> int:
        """The number of keypoints K."""
        return len(self.points)


def _pose(name: str, points: str, own: str = "") -> Pose:
    """Builds a format from its keypoints in order and the lines that precede the common ones.

    Lines that need other keypoints are left out.
    """
    names = tuple(points.split())
    table: dict[str, list[Weights]] = {joint: [] for joint in KINECT_V2.joints}
    for line in (own + _COMMON).split("\n"):
        for side in ("left", "right") if "*" in line else ("",):
            words = line.replace("*", side).split()
            if words:
                pairs = list(zip(words[2::2], words[1::2], strict=True))
                if all(point in names for point, _ in pairs):
                    weights = {names.index(point): float(weight) for point, weight in pairs}
                    table[words[0]].append(weights)
    return Pose(name, names, {joint: tuple(lines) for joint, lines in table.items()})


# COCO keypoints (T.-Y. Lin et al., 2014), used by most 2D estimators and by 2D-to-3D lifting.
COCO17 = _pose(
    "coco17",
    """
    nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow
    left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle
    """,
)

# OpenPose BODY_25 (Z. Cao et al., 2019); its `neck` is the middle of the shoulders.
OPENPOSE_BODY25 = _pose(
    "openpose_body25",
    """
    nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist mid_hip
    right_hip right_knee right_ankle left_hip left_knee left_ankle right_eye left_eye right_ear
    left_ear left_big_toe left_small_toe left_heel right_big_toe right_small_toe right_heel
    """,
    _OPENPOSE,
)

# MediaPipe Pose, BlazePose GHUM (V. Bazarevsky et al., 2020). `index`, `pinky` and `thumb` are
# knuckles, `foot_index` is the end of the second toe.
MEDIAPIPE33 = _pose(
    "mediapipe33",
    """
    nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye right_eye_outer
    left_ear right_ear mouth_left mouth_right left_shoulder right_shoulder left_elbow right_elbow
    left_wrist right_wrist left_pinky right_pinky left_index right_index left_thumb right_thumb
    left_hip right_hip left_knee right_knee left_ankle right_ankle left_heel right_heel
    left_foot_index right_foot_index
    """,
    _MEDIAPIPE,
)

# OpenPose's COCO model, also of Kinetics-skeleton; its `neck` is the middle of the shoulders.
OPENPOSE_COCO18 = _pose(
    "openpose_coco18",
    """
    nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist
    right_hip right_knee right_ankle left_hip left_knee left_ankle right_eye left_eye right_ear
    left_ear
    """,
    _COCO18,
)

# Halpe (H.-S. Fang et al., 2022), of AlphaPose and RTMPose: COCO's points, then six of the feet.
HALPE26 = _pose(
    "halpe26",
    """
    nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow
    left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle
    head_top neck mid_hip left_big_toe right_big_toe left_small_toe right_small_toe left_heel
    right_heel
    """,
    _HALPE,
)

# The 17 joints of Human3.6M (C. Ionescu et al., 2014) that 2D-to-3D lifting estimates.
H36M17 = _pose(
    "h36m17",
    """
    pelvis right_hip right_knee right_ankle left_hip left_knee left_ankle spine thorax nose
    head_top left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist
    """,
    _H36M,
)

POSES = {
    pose.name: pose
    for pose in (COCO17, OPENPOSE_BODY25, MEDIAPIPE33, OPENPOSE_COCO18, HALPE26, H36M17)
}

# Whole bodies whose first key points are a known format; the others are faces and hands.
WHOLE_BODIES = {133: ("COCO-WholeBody", COCO17), 136: ("Halpe-136", HALPE26)}


def layouts_of(joints: int) -> list[str]:
    """Names of the known layouts and keypoint formats with a number of joints.

    `body15` is left out: no device writes it, so a file of 15 joints is SBU's unless it says more.

    Example:
        >>> from keras_skeleton.datasets.formats.poses import layouts_of
        >>> layouts_of(25), layouts_of(15)
        (['kinect_v2', 'openpose_body25'], ['sbu'])
    """
    layouts = (layout for layout in SKELETONS.values() if layout is not BODY15)
    found = [layout.name for layout in layouts if layout.size == joints]
    return found + [pose.name for pose in POSES.values() if pose.size == joints]


def looks_like(joints: int) -> str:
    """The layouts with a number of joints as a part of a message, or an empty text.

    Example:
        >>> from keras_skeleton.datasets.formats.poses import looks_like
        >>> looks_like(25), looks_like(5)
        ('kinect_v2 or openpose_body25', '')
    """
    names = layouts_of(joints)
    if joints in WHOLE_BODIES:
        names.append(WHOLE_BODIES[joints][0])
    return " or ".join(names)


def get_pose(pose: str | Pose) -> Pose:
    """Returns a keypoint format by name; a `Pose` is returned unchanged."""
    if isinstance(pose, Pose):
        return pose
    if pose not in POSES:
        raise UnknownNameError("pose format", pose, POSES)
    return POSES[pose]


def split_coordinates(
    points: np.ndarray, coordinates: str, min_confidence: float = 0.0
) -> np.ndarray:
    """Extracts positions from keypoints with a confidence: float64 (..., 3), NaN if missing.

    Args:
        points: (..., C).
        coordinates: Meaning of the C values: `"xy"`, `"xyz"`, or with the confidence as last value
            `"xyc"`, `"xyzc"`. 2D points get z = 0.
        min_confidence: Points with a lower confidence become NaN, as do those with confidence 0,
            which OpenPose writes for missing points.

    Raises:
        ValueError: Unknown coordinates, or C does not match them.
    """
    if coordinates not in COORDINATES:
        raise UnknownNameError("coordinates", coordinates, COORDINATES)
    points = np.asarray(points)
    if points.ndim < 1 or points.shape[-1] != len(coordinates):
        raise ValueError(
            f"points have shape {points.shape}; '{coordinates}' needs {len(coordinates)} "
            "coordinates in the last axis"
        )
    flat = coordinates in ("xy", "xyc")
    out = np.zeros((*points.shape[:-1], 3))
    out[..., : 2 if flat else 3] = points[..., : 2 if flat else 3]
    if coordinates.endswith("c"):
        confidence = points[..., -1].astype(np.float64)
        sure = (confidence >= min_confidence) & (confidence > 0)
        out[~sure] = np.nan
    return out


CAMERA = (-1.0, -1.0, 1.0)  # the signs of `image_to_camera`


def image_to_camera(clip: np.ndarray) -> np.ndarray:
    """Converts points from image axes (x right, y down, z away) to Kinect axes (x left, y up).

    This is a rotation by 180 degrees about the line of sight: x and y change their signs, z does
    not. Changing only y would mirror people, so that left-handed ones become right-handed. The
    image must not be mirrored, as those of selfie cameras and of the Kinect itself are.
    """
    return np.asarray(clip, np.float64) * CAMERA


# The rotation that turns each axis to y: out = clip[..., axes] * signs.
_TURNS = {
    "x": ((1, 0, 2), (-1, 1, 1)),
    "y": ((0, 1, 2), (1, 1, 1)),
    "z": ((0, 2, 1), (1, 1, -1)),
    "-x": ((1, 0, 2), (1, -1, 1)),
    "-y": ((0, 1, 2), (-1, -1, 1)),
    "-z": ((0, 2, 1), (1, -1, 1)),
}


def turn_up(clip: np.ndarray, up: str) -> np.ndarray:
    """Rotates points (..., 3) so that the axis `up` becomes y. People are never mirrored.

    Args:
        clip: The points.
        up: `"x"`, `"y"`, `"z"`, `"-x"`, `"-y"` or `"-z"`.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.datasets.formats.poses import turn_up
        >>> turn_up(np.array([1.0, 2.0, 3.0]), "z")
        array([ 1.,  3., -2.])
    """
    axes, signs = _TURNS[up]
    return np.asarray(clip, np.float64)[..., list(axes)] * signs


def to_kinect_v2(points: np.ndarray, pose: str | Pose) -> np.ndarray:
    """Converts keypoints to Kinect v2 joints: float64 (T, M, 25, 3), NaN for missing joints.

    A keypoint is missing if it is NaN or (0, 0, 0), which OpenPose writes. A joint is missing if
    any keypoint of its definition is. If a joint has several definitions, each body uses the first
    one that is found in at least half of its frames, otherwise the one found most often. The same
    definition is used for the whole clip, so that joints do not jump. To fill missing joints, see
    `transforms.missing.fill_missing`.

    Args:
        points: (T, M, K, 3), in any axes; absent bodies are all NaN or zero.
        pose: The format or its name.

    Raises:
        ValueError: Wrong shape, infinity or unknown format.
    """
    layout = get_pose(pose)
    points = np.asarray(points, np.float64)
    if points.ndim != 4 or points.shape[2:] != (layout.size, 3):
        raise ValueError(
            f"points have shape {points.shape}; expected (T, M, {layout.size}, 3) "
            f"for '{layout.name}'"
        )
    if np.isinf(points).any():
        raise ValueError("points contain infinity")
    zero = (points == 0).all(axis=-1)  # (T, M, K)
    found = ~(zero | np.isnan(points).any(axis=-1))
    frames = found.any(axis=2).sum(axis=0)  # (M,)
    out = np.empty((*points.shape[:2], KINECT_V2.size, 3))
    for joint, definitions in layout.table.items():
        # (definitions, M), the number of frames in which all keypoints of each are found
        counts = np.array([found[:, :, list(d)].all(axis=2).sum(axis=0) for d in definitions])
        chosen = np.argmax(np.where(2 * counts >= frames, len(points) + 1, counts), axis=0)
        for m, d in enumerate(chosen):
            used, weights = zip(*definitions[d].items(), strict=True)
            joints = points[:, m, list(used)]  # (T, used, 3), a copy
            joints[zero[:, m, list(used)]] = np.nan
            out[:, m, KINECT_V2.index(joint)] = np.einsum("tuc,u->tc", joints, weights)
    return out


def pose_clip(
    points: np.ndarray,
    pose: str | Pose,
    coordinates: str = "xyz",
    min_confidence: float = 0.0,
    scale: str | None = None,
) -> np.ndarray:
    """Converts keypoints of a pose estimator to a Kinect v2 clip: float64 (T, M, 25, 3).

    Missing points are filled (`fill_missing`), and y points up. A 2D clip is divided by the
    person's median torso length (`per_torso`); a 3D clip keeps its unit. Multiply MediaPipe's
    normalized landmarks by the image's width and height first, or better use its world landmarks,
    which are in meters.

    Args:
        points: (T, M, K, C), or (T, K, C) for one person; absent people are all NaN or zero.
        pose: A key of `POSES`: `"coco17"`, `"openpose_body25"`, `"openpose_coco18"`,
            `"mediapipe33"`, `"halpe26"` or `"h36m17"`.
        coordinates: `"xy"`, `"xyz"`, `"xyc"` or `"xyzc"`, where c is a confidence.
        min_confidence: Points with a lower confidence are missing; see `split_coordinates`.
        scale: `"torso"` or `"none"`; by default `"torso"` for a 2D clip, else `"none"`.

    Raises:
        ValueError: Wrong shape, infinity, or an unknown option.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.datasets.formats.poses import pose_clip
        >>> points = np.random.default_rng(0).uniform(100, 400, (60, 17, 3))
        >>> pose_clip(points, "coco17", "xyc").shape
        (60, 1, 25, 3)
    """
    if scale not in (None, "torso", "none"):
        raise UnknownNameError("scale", str(scale), ("torso", "none"))
    points = split_coordinates(points, coordinates, min_confidence)
    points = points[:, None] if points.ndim == 3 else points
    clip, _ = fill_missing(image_to_camera(to_kinect_v2(points, pose)), KINECT_V2)
    flat = coordinates in ("xy", "xyc")
    return per_torso(clip) if scale == "torso" or (scale is None and flat and clip.any()) else clip
