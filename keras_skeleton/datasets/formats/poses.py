"""Key points of pose estimators as Kinect v2 skeletons: COCO-17, OpenPose BODY-25, MediaPipe-33.

Every Kinect v2 joint is a weighted sum of key points. Where the sensor has a joint that the
estimator has not, it is derived: the spine's base is the middle of the hips, the hand lies
beyond the wrist on the line from the elbow, and so on. The weights are rounded from the least
squares fit over 13 bodies of ten NTU RGB+D recordings (hand 1.23 and 1.24, its tip 1.40 and 1.44,
middle of the spine 0.60, neck 0.46 of the way to the head). Two joints cannot be had: the thumb
of COCO and OpenPose lies in line with the hand, and the foot of COCO in line with the shin, so
which way the toes point is unknown. Kinect's hips and shoulders lie nearer to the spine than
an estimator's; they are left as they are.

Left and right are the person's own, in all of these formats. Images have x to the right and y
down, a Kinect has y up and x to its own left: `image_to_camera` turns one into the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keras_skeleton.skeletons import KINECT_V2
from keras_skeleton.transforms.missing import fill_missing
from keras_skeleton.transforms.normalise import per_torso
from keras_skeleton.utils.errors import UnknownNameError

COORDINATES = ("xy", "xyz", "xyc", "xyzc")

# A joint, then weights and key points. `*` stands for left and right. A joint that has several
# lines takes the first whose key points are seen in at least half of the frames.
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

# Before the common lines: these two formats have toes, OpenPose the middle of hips and shoulders,
# MediaPipe knuckles.
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

Weights = dict[int, float]


@dataclass(frozen=True)
class Pose:
    """The key points of a pose estimator.

    Attributes:
        name: `"coco17"`, `"openpose_body25"` or `"mediapipe33"`.
        points: K names in storage order.
        table: For every Kinect v2 joint its definitions, the best first, each
            `{index of a key point: weight}` with weights that sum to 1.
    """

    name: str
    points: tuple[str, ...]
    table: dict[str, tuple[Weights, ...]]

    @property
    def size(self) -> int:
        """K, the number of key points."""
        return len(self.points)


def _pose(name: str, points: str, own: str = "") -> Pose:
    """Builds a format from its key points in order and the lines that it has before the common."""
    names = tuple(points.split())
    table: dict[str, list[Weights]] = {joint: [] for joint in KINECT_V2.joints}
    for line in (own + _COMMON).split("\n"):
        for side in ("left", "right") if "*" in line else ("",):
            words = line.replace("*", side).split()
            if words:
                pairs = zip(words[2::2], words[1::2], strict=True)
                table[words[0]].append({names.index(p): float(weight) for p, weight in pairs})
    return Pose(name, names, {joint: tuple(lines) for joint, lines in table.items()})


# COCO key points (T.-Y. Lin et al., 2014): most 2D estimators, and what lifts them to 3D.
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

POSES = {pose.name: pose for pose in (COCO17, OPENPOSE_BODY25, MEDIAPIPE33)}


def get_pose(pose: str | Pose) -> Pose:
    """The format of that name; a `Pose` is handed back as it is."""
    if isinstance(pose, Pose):
        return pose
    if pose not in POSES:
        raise UnknownNameError("pose format", pose, POSES)
    return POSES[pose]


def split_coordinates(
    points: np.ndarray, coordinates: str, min_confidence: float = 0.0
) -> np.ndarray:
    """Positions float64 (..., 3) from points (..., C); NaN where a point was not found.

    Args:
        points: C coordinates in the last axis.
        coordinates: What they are, one letter each: `"xy"`, `"xyz"`, or with a confidence last,
            `"xyc"`, `"xyzc"`. A flat point has z = 0.
        min_confidence: Points with less become NaN, and so do those of confidence 0, which is
            how OpenPose says that it found none.

    Raises:
        ValueError: Unknown coordinates, or C is not their number.
    """
    if coordinates not in COORDINATES:
        raise UnknownNameError("coordinates", coordinates, COORDINATES)
    points = np.asarray(points, np.float64)
    if points.ndim < 1 or points.shape[-1] != len(coordinates):
        raise ValueError(
            f"points have shape {points.shape}; '{coordinates}' needs {len(coordinates)} "
            "coordinates in the last axis"
        )
    flat = coordinates in ("xy", "xyc")
    out = np.zeros((*points.shape[:-1], 3))
    out[..., : 2 if flat else 3] = points[..., : 2 if flat else 3]
    if coordinates.endswith("c"):
        confidence = points[..., -1]
        sure = (confidence >= min_confidence) & (confidence > 0)
        out[~sure] = np.nan
    return out


def image_to_camera(clip: np.ndarray) -> np.ndarray:
    """Points with x to the image's right, y down, z away, in a Kinect's axes: y up, x to its left.

    Half a turn about the line of sight: x and y change their signs, z stays. To change y alone
    would turn everybody into their mirror image, left-handers for right-handers. The image must
    not be mirrored itself (as a selfie camera's, or a Kinect's own, is).
    """
    return np.asarray(clip, np.float64) * (-1.0, -1.0, 1.0)


def to_kinect_v2(points: np.ndarray, pose: str | Pose) -> np.ndarray:
    """Kinect v2 joints float64 (T, M, 25, 3) from key points (T, M, K, 3).

    NaN is a point that was not found, and so is (0, 0, 0), the corner of the image, where OpenPose
    puts it. A joint is found where all points of its definition are; of several definitions a
    body takes the first that is found in at least half of its frames, else the one found most
    often, and keeps to it in the whole clip, lest the joint jump from one to the other. Joints
    that are not found are NaN; see `transforms.missing.fill_missing`.

    Args:
        points: (T, M, K, 3), axes as they are; M bodies, all NaN or zero where absent.
        pose: The format, or its name.

    Raises:
        ValueError: Wrong shape, infinity or unknown format.
    """
    layout = get_pose(pose)
    points = np.array(points, np.float64)
    if points.ndim != 4 or points.shape[2:] != (layout.size, 3):
        raise ValueError(
            f"points have shape {points.shape}; expected (T, M, {layout.size}, 3) "
            f"for '{layout.name}'"
        )
    if np.isinf(points).any():
        raise ValueError("points hold infinity")
    points[(points == 0).all(axis=-1)] = np.nan
    found = ~np.isnan(points).any(axis=-1)  # (T, M, K)
    frames = found.any(axis=2).sum(axis=0)  # (M,)
    out = np.empty((*points.shape[:2], KINECT_V2.size, 3))
    for joint, definitions in layout.table.items():
        # (definitions, M): in how many frames all key points of each are found
        counts = np.array([found[:, :, list(d)].all(axis=2).sum(axis=0) for d in definitions])
        chosen = np.argmax(np.where(2 * counts >= frames, len(points) + 1, counts), axis=0)
        for m, d in enumerate(chosen):
            used, weights = zip(*definitions[d].items(), strict=True)
            joints = points[:, m, list(used)]  # (T, used, 3)
            out[:, m, KINECT_V2.index(joint)] = np.einsum("tuc,u->tc", joints, weights)
    return out


def pose_clip(
    points: np.ndarray,
    pose: str | Pose,
    coordinates: str = "xyz",
    min_confidence: float = 0.0,
    scale: str | None = None,
) -> np.ndarray:
    """A finished Kinect v2 clip, float64 (T, M, 25, 3), from a pose estimator's key points.

    Points that were not found are filled (`fill_missing`), y points up, and the unit of a flat
    clip is the person's torso: it is divided by the median distance from the shoulders' middle to
    the hips' (`per_torso`). A clip in three dimensions keeps its unit. MediaPipe's normalised
    landmarks are to be multiplied by the image's width and height first (its world landmarks,
    in metres, are better).

    Args:
        points: (T, M, K, C), or (T, K, C) for one person; absent people all NaN or zero.
        pose: `"coco17"`, `"openpose_body25"` or `"mediapipe33"`.
        coordinates: `"xy"`, `"xyz"`, `"xyc"` or `"xyzc"`; c is a confidence.
        min_confidence: Points with less count as not found; see `split_coordinates`.
        scale: `"torso"` or `"none"`; by default `"torso"` for a flat clip only.

    Raises:
        ValueError: Wrong shape, infinity, or an unknown choice.

    Example:
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
