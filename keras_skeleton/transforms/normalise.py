"""Normalization of a clip's origin, axes and scale, shared by all of its bodies.

`to_body_frame` and `to_hips` (geometry.py) use one coordinate frame per body. Here, all bodies of a
clip share one frame, so that the distances between people are preserved.
"""

from __future__ import annotations

import numpy as np

from keras_skeleton.skeletons import Skeleton, get_skeleton
from keras_skeleton.transforms.bodies import motion
from keras_skeleton.transforms.geometry import check_clip, present

REFERENCES = ("each", "first")
BEGINNING = 5  # number of frames whose mean is a body's initial pose


def main_actor(clip: np.ndarray) -> int:
    """Index of the body with the most motion (`bodies.motion`) among those present in any frame."""
    return int(np.argmax(np.where(present(clip).any(axis=0), motion(clip), -1)))


def to_actor_frame(
    clip: np.ndarray,
    skeleton: str | Skeleton = "kinect_v2",
    reference: str = "each",
    scale: bool = True,
    actor: int | None = None,
) -> np.ndarray:
    """Transforms a clip to the body frame of its main actor: float64 (T, M, V, 3).

    Shahroudy et al., "NTU RGB+D", CVPR 2016: the origin is the middle of the spine, X is parallel
    to the vector from the right to the left shoulder, Y is the vector from the base of the spine to
    its middle, made orthogonal to X, and Z = X x Y. All points are divided by the distance between
    the base and the middle of the spine. All bodies are transformed by the main actor's frame. Das
    et al. (2019) and Song et al. (2018) refer to this normalization.

    The result does not depend on the camera's position and, with `scale`, on the body's size. Do
    not use it for flat clips (z = 0), in which the shoulders may coincide. Absent bodies stay zero.

    Args:
        clip: (T, M, V, 3).
        skeleton: The joint layout. The base and middle of the spine are its role `spine`; for SBU,
            which has no joint in the middle, they are the torso and the neck.
        reference: `"each"` computes the origin, axes and length in each frame (the paper does not
            specify this; its description fits single frames). A frame without the main actor uses
            the last frame with the actor, or the first one if there is none before. `"first"` uses
            the main actor's first frame for the whole clip, which preserves walking and turning.
        scale: Whether to divide by the length of the spine.
        actor: Index of the main actor; by default the body with the most motion.

    Raises:
        ValueError: Wrong shape, NaN or infinity, an unknown reference, or an actor that is absent
            from all frames.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.transforms.normalise import to_actor_frame
        >>> clip = np.random.default_rng(0).normal(size=(30, 2, 25, 3))
        >>> closer = 2 * clip + [0.0, 0.0, 1.0]  # larger bodies, at another position
        >>> bool(np.allclose(to_actor_frame(clip), to_actor_frame(closer)))
        True
    """
    layout = get_skeleton(skeleton)
    layout.need("spine", "shoulders", of="the main actor's frame")
    if reference not in REFERENCES:
        raise ValueError(f"reference='{reference}' is unknown; it is one of {REFERENCES}")
    clip = check_clip(clip, layout).astype(np.float64)
    there = present(clip)
    if not there.any():
        return clip
    actor = main_actor(clip) if actor is None else actor
    if not 0 <= actor < clip.shape[1] or not there[:, actor].any():
        raise ValueError(f"actor={actor}: this body is not present in any frame of the clip")
    frames = np.flatnonzero(there[:, actor])
    last = np.searchsorted(frames, np.arange(len(clip)), side="right") - 1
    poses = clip[frames[np.maximum(last, 0)], actor]  # (T, V, 3)
    if reference == "first":
        poses = np.broadcast_to(poses[:1], poses.shape)
    origin, axes, length = _actor_axes(poses, layout)
    out = (clip - origin[:, None, None]) @ axes[:, None]
    if scale:
        out /= length[:, None, None, None]
    return np.where(there[:, :, None, None], out, 0.0)


def to_actor_displacement(
    clip: np.ndarray, skeleton: str | Skeleton = "kinect_v2", actor: int | None = None
) -> np.ndarray:
    """Displacement of each joint from its initial position: float64 (T, M, V, 3).

    The clip is transformed by `to_actor_frame` with `reference="first"`; then the initial pose of
    each body, the mean of its first 5 frames, is subtracted. Joints that do not move are near zero,
    wherever they are. The pose itself is lost: to distinguish sitting from standing, use positions.
    Absent bodies stay zero. This transform is not from a paper.

    Args:
        clip: (T, M, V, 3).
        skeleton: The joint layout.
        actor: Index of the main actor; by default the body with the most motion.

    Raises:
        ValueError: Wrong shape, NaN or infinity, or an actor that is absent from all frames.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.transforms.normalise import to_actor_displacement
        >>> pose = np.random.default_rng(0).normal(size=(1, 1, 25, 3))
        >>> still = np.repeat(pose, 30, axis=0)
        >>> bool(np.allclose(to_actor_displacement(still), 0))
        True
    """
    clip = to_actor_frame(clip, skeleton, "first", actor=actor)
    there = present(clip)
    moved = np.zeros_like(clip)
    for m in range(clip.shape[1]):
        frames = np.flatnonzero(there[:, m])
        if len(frames):
            moved[frames, m] = clip[frames, m] - clip[frames[:BEGINNING], m].mean(axis=0)
    return moved


def _actor_axes(poses: np.ndarray, layout: Skeleton) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Origin (T, 3), axes (T, 3, 3) as columns, and length (T,) of poses (T, V, 3).

    A degenerate pose gets the camera's axes; a spine of length 0 gets the length 1.
    """
    base, middle = (poses[:, j] for j in layout.spine)
    left, right = (poses[:, j] for j in layout.shoulders)
    spine = middle - base
    x = _units(left - right)
    y = _units(spine - (spine * x).sum(axis=-1, keepdims=True) * x)
    axes = np.stack([x, y, np.cross(x, y)], axis=-1)
    axes[np.abs(np.linalg.det(axes)) < 0.5] = np.eye(3)
    length = np.linalg.norm(spine, axis=-1)
    return middle, axes, np.where(length > 1e-12, length, 1.0)


def _units(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.where(length > 1e-12, vectors / np.maximum(length, 1e-12), 0.0)


def to_first_spine(
    clip: np.ndarray, skeleton: str | Skeleton = "kinect_v2", move_absent: bool = False
) -> np.ndarray:
    """Translates a clip so that body 0 starts at the origin: float64 (T, M, V, 3).

    The middle of the spine of body 0, in the first frame in which it is present, is subtracted from
    all bodies and frames, as in the released code of the View Adaptive networks
    (`seq_translation`). If body 0 is absent from all frames, the first body that is present is used
    instead. Axes and lengths are unchanged. Absent bodies stay zero.

    Args:
        clip: (T, M, V, 3).
        skeleton: The joint layout; the middle of the spine is the upper joint of its role `spine`.
        move_absent: Whether to translate the zeros of absent bodies, too, so that they become minus
            the origin, as in the released code of Das et al. (P-I3D, 2019).

    Raises:
        ValueError: Wrong shape, NaN or infinity.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.skeletons import get_skeleton
        >>> from keras_skeleton.transforms.normalise import to_first_spine
        >>> clip = np.random.default_rng(0).normal(size=(30, 2, 25, 3))
        >>> to_first_spine(clip)[0, 0, get_skeleton("kinect_v2").spine[1]]
        array([0., 0., 0.])
    """
    layout = get_skeleton(skeleton)
    layout.need("spine", of="the origin at the spine")
    clip = check_clip(clip, layout).astype(np.float64)
    there = present(clip)
    if not there.any():
        return clip
    m = int(np.argmax(there.any(axis=0)))
    moved = clip - clip[np.argmax(there[:, m]), m, layout.spine[1]]
    return moved if move_absent else np.where(there[:, :, None, None], moved, 0.0)


def to_pair_frame(clip: np.ndarray, skeleton: str | Skeleton = "kinect_v2") -> np.ndarray:
    """Transforms two people to a common frame between them: float64 (T, M, V, 3).

    In each frame, the origin is midway between the roots of bodies 0 and 1; if only one of them is
    present, it is that body's root. The clip is rotated about the vertical axis so that, in the
    first frame with both bodies, x points from body 0 to body 1; without such a frame it is not
    rotated. The rotation is the same for the whole clip. Lengths are unchanged. Absent bodies stay
    zero. This transform is intended for interactions and is not from a paper.

    Args:
        clip: (T, M, V, 3), with y up.
        skeleton: The joint layout.

    Raises:
        ValueError: Wrong shape, NaN or infinity.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.skeletons import get_skeleton
        >>> from keras_skeleton.transforms.normalise import to_pair_frame
        >>> clip = np.random.default_rng(0).normal(size=(30, 2, 25, 3))
        >>> roots = to_pair_frame(clip)[0, :, get_skeleton("kinect_v2").root]
        >>> bool(np.allclose(roots[0], -roots[1])), float(abs(roots[1, 2]).round(6))
        (True, 0.0)
    """
    layout = get_skeleton(skeleton)
    clip = check_clip(clip, layout).astype(np.float64)
    there = present(clip)[:, :2]
    roots = clip[:, :2, layout.root]  # (T, 2, 3)
    count = np.maximum(there.sum(axis=1), 1)[:, None]
    origin = (roots * there[..., None]).sum(axis=1) / count
    moved = np.where(present(clip)[:, :, None, None], clip - origin[:, None, None], 0.0)
    if there.shape[1] < 2 or not there.all(axis=1).any():
        return moved
    t = int(np.argmax(there.all(axis=1)))
    x, _, z = roots[t, 1] - roots[t, 0]
    length = np.hypot(x, z)
    if length < 1e-12:  # one above the other
        return moved
    c, s = x / length, z / length
    return moved @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]).T


def torso_length(clip: np.ndarray, skeleton: str | Skeleton = "kinect_v2") -> float:
    """Median distance between the middle of the shoulders and that of the hips.

    It is computed over all bodies and frames, in the unit of the clip; 0 for a clip without bodies.
    """
    layout = get_skeleton(skeleton)
    layout.need("hips", "shoulders", of="the torso length")
    clip = check_clip(clip, layout)
    there = present(clip)  # (T, M)
    if not there.any():
        return 0.0
    upper, lower = (
        clip[:, :, pair][there].astype(np.float64).mean(axis=1)  # (n, 3)
        for pair in (list(layout.shoulders), list(layout.hips))
    )
    trunk = upper - lower
    return float(np.median(np.linalg.norm(trunk, axis=-1)))


def per_torso(clip: np.ndarray, skeleton: str | Skeleton = "kinect_v2") -> np.ndarray:
    """Scales a clip to a torso length of 1: float64 (T, M, V, 3).

    The clip is divided by its median `torso_length`, which makes clips in pixels comparable. The
    divisor is the same for all bodies and frames, so distances between people and movements towards
    the camera are preserved. The origin is unchanged.

    Args:
        clip: (T, M, V, 3).
        skeleton: The joint layout.

    Raises:
        ValueError: Wrong shape, NaN or infinity, or a torso of length 0.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.transforms.normalise import per_torso, torso_length
        >>> clip = np.random.default_rng(0).normal(size=(30, 2, 25, 3))
        >>> bool(np.isclose(torso_length(per_torso(clip)), 1))
        True
    """
    length = torso_length(clip, skeleton)
    if length < 1e-12:
        raise ValueError("shoulders and hips coincide, so the length of the torso is 0")
    return np.asarray(clip, np.float64) / length
