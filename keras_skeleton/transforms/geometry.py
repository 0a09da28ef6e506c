"""Body-centered coordinate frames, which make poses independent of the camera's position."""

from __future__ import annotations

import numpy as np

from keras_skeleton.skeletons import Skeleton, get_skeleton

SMALLEST, LARGEST = 0.3, 2.5  # metres; a person's largest extent is between them
SOME = 64  # frames that the size of a body is measured in


def body_size(clip: np.ndarray) -> float:
    """The median of the largest extent of the bodies of a clip (T, M, V, 3); 0 without bodies.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.transforms.geometry import body_size
        >>> clip = np.zeros((2, 1, 25, 3))
        >>> clip[:, 0, 3, 1] = 1.7  # a head
        >>> body_size(clip)
        1.7
    """
    some = clip[:: 1 + len(clip) // SOME]
    bodies = some[present(some)]
    if not len(bodies):  # somebody may be in a few frames only
        bodies = clip[present(clip)]
    if not len(bodies):
        return 0.0
    return float(np.median((bodies.max(axis=1) - bodies.min(axis=1)).max(axis=1)))


def check_clip(clip: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Returns the clip as an array (T, M, V, 3).

    Raises:
        ValueError: Wrong shape for the skeleton, NaN or infinity.
    """
    clip = np.asarray(clip)
    if clip.ndim != 4 or clip.shape[2:] != (skeleton.size, 3) or 0 in clip.shape[:2]:
        raise ValueError(
            f"clip has shape {clip.shape}; expected (T, M, {skeleton.size}, 3) "
            f"for skeleton '{skeleton.name}', T and M at least 1"
        )
    if not np.isfinite(clip).all():
        raise ValueError(f"clip contains NaN or infinity, first in frame {_first_bad_frame(clip)}")
    return clip


def _first_bad_frame(clip: np.ndarray) -> int:
    return int(np.argmax(~np.isfinite(clip).all(axis=(1, 2, 3))))


def present(clip: np.ndarray) -> np.ndarray:
    """Whether each body is present in each frame, bool (T, M); an absent body is all zeros."""
    return np.any(clip != 0, axis=(2, 3))


def _unit(vector: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vector)
    return vector / length if length > 1e-12 else np.zeros_like(vector)


def body_frame(pose: np.ndarray, skeleton: str | Skeleton) -> tuple[np.ndarray, np.ndarray]:
    """Computes the body frame of one pose, as the released MANs code does.

    The origin is midway between the hips. Axis z is the first principal component of the torso's
    joints, directed towards the left shoulder; y = v x z with v from the right hip to the left;
    x = y x z. A degenerate pose, such as all joints in one point, gets the camera's axes.

    Args:
        pose: (V, 3), one body in one frame.
        skeleton: The joint layout.

    Returns:
        The origin, float64 (3,), in the unit of the pose, and the axes, float64 (3, 3), with the
        unit vectors x, y and z as columns.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.transforms.geometry import body_frame
        >>> pose = np.random.default_rng(0).normal(size=(25, 3))
        >>> origin, axes = body_frame(pose, "kinect_v2")
        >>> origin.shape, bool(np.allclose(axes.T @ axes, np.eye(3)))
        ((3,), True)
    """
    layout = get_skeleton(skeleton)
    layout.need("hips", "shoulders", of="the body frame")
    pose = np.asarray(pose, np.float64)
    left, right = (pose[j] for j in layout.hips)
    origin = (left + right) / 2
    torso = pose[list(layout.torso)]
    _, _, components = np.linalg.svd(torso - torso.mean(axis=0), full_matrices=False)
    z = components[0]
    if (pose[layout.shoulders[0]] - origin) @ z < 0:  # the sign of a component is arbitrary
        z = -z
    y = _unit(np.cross(left - right, z))
    x = _unit(np.cross(y, z))
    axes = np.stack([x, y, z], axis=1)
    if abs(np.linalg.det(axes)) < 0.5:  # hips coincide or lie on the torso's axis
        axes = np.eye(3)
    return origin, axes


def to_body_frame(
    clip: np.ndarray, skeleton: str | Skeleton = "kinect_v2", signs: str = "each"
) -> np.ndarray:
    """Transforms each body to its own body frame: float64 (T, M, V, 3).

    The result is independent of the camera's position and angle. The frame of a body is that of
    the first pose in which it is present (`body_frame`), fixed for the whole clip, so movement
    through the room is preserved. The signs of the axes follow the released MANs code
    (`process_data.py`): z points up (the left shoulder is above the hips in the first pose), y
    forward (on both sides the foot is before the ankle, on average over the clip; otherwise y is
    flipped), x to the right (the right hip is to the right of the left hip, on average).

    The released code uses the signs of the first body for both, so those of the second depend on
    the arbitrary sign of its principal component. Here each body has its own signs, unless
    `signs="first"`. Lengths are not scaled. Absent bodies stay zero.

    Args:
        clip: (T, M, V, 3).
        skeleton: The joint layout.
        signs: `"each"`, or `"first"` to use the first body's signs of x and y for all bodies, as
            in the released code.

    Raises:
        ValueError: Wrong shape, NaN or infinity, or unknown `signs`.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.transforms.geometry import to_body_frame
        >>> clip = np.random.default_rng(0).normal(size=(30, 2, 25, 3))
        >>> moved = clip + [1.0, 0.0, 2.0]  # another position of the camera
        >>> bool(np.allclose(to_body_frame(clip), to_body_frame(moved)))
        True
    """
    if signs not in ("each", "first"):
        raise ValueError(f"signs='{signs}' is unknown; it is one of ('each', 'first')")
    layout = get_skeleton(skeleton)
    clip = check_clip(clip, layout).astype(np.float64)
    there = present(clip)
    out = np.zeros_like(clip)
    turn = None
    for m in range(clip.shape[1]):
        frames = np.flatnonzero(there[:, m])
        if frames.size:
            origin, axes = body_frame(clip[frames[0], m], layout)
            # Axes are orthonormal, so the inverse of the released code is the transpose.
            body = (clip[frames, m] - origin) @ axes
            if turn is None or signs == "each":
                turn = _signs(body, layout)
            out[frames, m] = body * turn  # z is up already
    return out


def to_hips(clip: np.ndarray, skeleton: str | Skeleton = "kinect_v2") -> np.ndarray:
    """Moves the origin to the middle of each body's hips in each frame: float64 (T, M, V, 3).

    The axes remain those of the camera. Poses are preserved, movement through the room is lost.
    Absent bodies stay zero.

    Args:
        clip: (T, M, V, 3).
        skeleton: The joint layout.

    Raises:
        ValueError: Wrong shape, NaN or infinity.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.skeletons import get_skeleton
        >>> from keras_skeleton.transforms.geometry import to_hips
        >>> clip = np.random.default_rng(0).normal(size=(30, 1, 25, 3))
        >>> hips = to_hips(clip)[:, 0, list(get_skeleton("kinect_v2").hips)]
        >>> bool(np.allclose(hips.mean(axis=1), 0))
        True
    """
    layout = get_skeleton(skeleton)
    layout.need("hips", of="the origin at the hips")
    clip = check_clip(clip, layout).astype(np.float64)
    hips = clip[:, :, list(layout.hips)].mean(axis=2, keepdims=True)
    return np.where(present(clip)[:, :, None, None], clip - hips, 0.0)


def level(clip: np.ndarray, degrees: float) -> np.ndarray:
    """Rotates the clip of a camera that is tilted down so that y points up: float64 (..., 3).

    Absent bodies (zeros) stay zero.

    Args:
        clip: (..., 3) in camera coordinates: x sideways, y up in the image, z away from the camera.
        degrees: Angle between the camera's axis and the floor.
    """
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.asarray(clip, np.float64) @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]]).T


def _signs(body: np.ndarray, layout: Skeleton) -> np.ndarray:
    """Signs (3,) for x, y and z of a body (T, V, 3) that make x point right and y forward."""
    right = body[:, layout.hips[1], 0].mean() >= body[:, layout.hips[0], 0].mean()
    forwards = all(
        body[:, foot, 1].mean() >= body[:, ankle, 1].mean() for ankle, foot in layout.feet
    )
    return np.array([1.0 if right else -1.0, 1.0 if forwards else -1.0, 1.0])
