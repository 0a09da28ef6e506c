"""Two curves over a recording that need no training, to compare frame gates with.

    pose_speed      how far the joints move from one frame to the next
    pose_distance   how far the pose is from the median pose of the recording

Both see joints from the middle of the hips, so that neither depends on where somebody stands;
walking through the room counts by its steps. Of several bodies, the one with the largest value
counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from keras_skeleton.datasets.dataset import SkeletonDataset
from keras_skeleton.skeletons import Skeleton, get_skeleton
from keras_skeleton.transforms.geometry import check_clip


def pose_speed(clip: np.ndarray, skeleton: str | Skeleton = "kinect_v2") -> np.ndarray:
    """Mean distance that the joints of a body move from one frame to the next, float64 (T,).

    The first frame has the value of the second. A joint counts where it is present in both frames;
    a frame without such joints has 0.

    Args:
        clip: (T, M, V, 3); absent joints and bodies are zeros.
        skeleton: The joint layout. Without hips, joints are seen from their mean.

    Returns:
        The distances, in the unit of the clip per frame.

    Raises:
        ValueError: Wrong shape, NaN or infinity.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.detection.training_free import pose_speed
        >>> clip = np.ones((3, 1, 25, 3))
        >>> clip[2, 0, 11, 1] = 1.25  # the right hand is raised
        >>> pose_speed(clip)
        array([0.  , 0.  , 0.01])
    """
    poses, there = _from_hips(clip, skeleton)
    if len(poses) < 2:
        return np.zeros(len(poses))
    moved = np.linalg.norm(np.diff(poses, axis=0), axis=-1)
    speed = _largest_mean(moved, there[1:] & there[:-1])
    return np.concatenate([speed[:1], speed])


def pose_distance(clip: np.ndarray, skeleton: str | Skeleton = "kinect_v2") -> np.ndarray:
    """Mean distance of the joints of a body from its median pose, float64 (T,).

    The median pose is, for each coordinate of each joint, the median over the frames of the clip in
    which the joint is present. A frame without joints has 0.

    Args:
        clip: (T, M, V, 3), a whole recording; absent joints and bodies are zeros.
        skeleton: The joint layout. Without hips, joints are seen from their mean.

    Returns:
        The distances, in the unit of the clip.

    Raises:
        ValueError: Wrong shape, NaN or infinity.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.detection.training_free import pose_distance
        >>> clip = np.ones((5, 1, 25, 3))
        >>> clip[3, 0, 11, 1] = 1.25  # the right hand is raised
        >>> pose_distance(clip)
        array([0.  , 0.  , 0.  , 0.01, 0.  ])
    """
    poses, there = _from_hips(clip, skeleton)
    kept = np.ma.masked_array(poses, np.repeat(~there[..., None], 3, axis=-1))
    median = np.ma.median(kept, axis=0).filled(0.0)
    return _largest_mean(np.linalg.norm(poses - median, axis=-1), there)


CURVES: dict[str, Callable[[np.ndarray, Skeleton], np.ndarray]] = {
    "pose_speed": pose_speed,
    "pose_distance": pose_distance,
}


def training_free_curves(
    dataset: SkeletonDataset, videos: Sequence[str]
) -> Mapping[str, dict[str, np.ndarray]]:
    """Computes both curves of recordings.

    Args:
        dataset: Recordings, with the column `video`.
        videos: Names of the wanted recordings.

    Returns:
        The values of each frame, `{"pose_speed": {video: (T,)}, "pose_distance": ...}`.
    """
    wanted = set(videos)
    found: dict[str, dict[str, np.ndarray]] = {name: {} for name in CURVES}
    for i, video in enumerate(dataset.samples["video"].tolist()):
        if video in wanted:
            clip = dataset.clip(i)
            for name, curve in CURVES.items():
                found[name][video] = curve(clip, dataset.skeleton)
    return found


def _from_hips(clip: np.ndarray, skeleton: str | Skeleton) -> tuple[np.ndarray, np.ndarray]:
    """Joints seen from the hips, float64 (T, M, V, 3), and whether they are present, (T, M, V);
    where a hip is absent, all joints of the body count as absent."""
    layout = get_skeleton(skeleton)
    clip = check_clip(clip, layout).astype(np.float64)
    there = np.any(clip != 0, axis=-1)
    if layout.hips:
        hips = list(layout.hips)
        origin, known = clip[:, :, hips].mean(axis=2), there[:, :, hips].all(axis=2)
    else:
        known = there.any(axis=2)
        origin = clip.sum(axis=2) / np.maximum(there.sum(axis=2), 1)[..., None]
    there = there & known[..., None]
    return np.where(there[..., None], clip - origin[:, :, None], 0.0), there


def _largest_mean(values: np.ndarray, there: np.ndarray) -> np.ndarray:
    """The mean over joints (T, M, V) that are there, and the largest of the bodies: (T,)."""
    total = np.where(there, values, 0.0).sum(axis=2)
    return (total / np.maximum(there.sum(axis=2), 1)).max(axis=1)
