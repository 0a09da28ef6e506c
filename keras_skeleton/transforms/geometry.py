"""Coordinate frames of the body: poses that do not depend on where the camera stood."""

from __future__ import annotations

import numpy as np

from keras_skeleton.skeletons import Skeleton, get_skeleton


def check_clip(clip: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """The clip as an array, or a ValueError where it is not a finite (T, M, V, 3)."""
    clip = np.asarray(clip)
    if clip.ndim != 4 or clip.shape[2:] != (skeleton.size, 3) or 0 in clip.shape[:2]:
        raise ValueError(
            f"clip has shape {clip.shape}; expected (T, M, {skeleton.size}, 3) "
            f"for skeleton '{skeleton.name}', T and M at least 1"
        )
    if not np.isfinite(clip).all():
        raise ValueError(f"clip holds NaN or infinity first in frame {_first_bad_frame(clip)}")
    return clip


def _first_bad_frame(clip: np.ndarray) -> int:
    return int(np.argmax(~np.isfinite(clip).all(axis=(1, 2, 3))))


def present(clip: np.ndarray) -> np.ndarray:
    """bool (T, M): which bodies are there; an absent body is all zeros."""
    return np.any(clip != 0, axis=(2, 3))


def _unit(vector: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vector)
    return vector / length if length > 1e-12 else np.zeros_like(vector)


def body_frame(pose: np.ndarray, skeleton: str | Skeleton) -> tuple[np.ndarray, np.ndarray]:
    """Origin (3,) and axes (3, 3) of one pose (V, 3), as the released MANs code sets them.

    The origin is midway between the hips. Column z of the axes is the first principal
    component of the torso's joints, towards the left shoulder; y = v x z with v from the
    right hip to the left; x = y x z.

    A degenerate pose (all joints in one place) has the camera's axes.
    """
    layout = get_skeleton(skeleton)
    pose = np.asarray(pose, np.float64)
    left, right = (pose[j] for j in layout.hips)
    origin = (left + right) / 2
    torso = pose[list(layout.torso)]
    _, _, components = np.linalg.svd(torso - torso.mean(axis=0), full_matrices=False)
    z = components[0]
    if (pose[layout.shoulders[0]] - origin) @ z < 0:  # a principal component has no sign
        z = -z
    y = _unit(np.cross(left - right, z))
    x = _unit(np.cross(y, z))
    axes = np.stack([x, y, z], axis=1)
    if abs(np.linalg.det(axes)) < 0.5:  # hips in one point, or on the torso's axis
        axes = np.eye(3)
    return origin, axes


def to_body_frame(
    clip: np.ndarray, skeleton: str | Skeleton = "kinect_v2", signs: str = "each"
) -> np.ndarray:
    """A clip seen from its own bodies: float64 (T, M, V, 3), free of the camera's place and angle.

    Every body gets the frame of the first pose in which it is there, kept for the whole
    clip, so that its movement through the room remains. Then, as in the released MANs
    code (`process_data.py`), three signs are settled: z up (the left shoulder above the
    hips in that pose), y forwards (feet before ankles, on average over the clip and on both
    sides, else y is turned), x to the right (right hip to the right of the left, on average).
    The released code takes the first body's signs for both, which leaves the second's to the
    arbitrary sign of its principal component; here every body settles its own, unless
    `signs="first"`. Lengths are not scaled. Absent bodies stay zero.

    Args:
        clip: (T, M, V, 3).
        skeleton: The joint layout.
        signs: `"each"`, or `"first"` as in the released code: the first body's signs of x and y
            for all bodies.

    Raises:
        ValueError: Wrong shape, NaN or infinity, or unknown `signs`.
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
    """A clip with the origin between each body's hips in every frame: float64 (T, M, V, 3).

    The axes stay the camera's. Movement through the room is lost, the pose is kept. Absent
    bodies stay zero.

    Raises:
        ValueError: Wrong shape, NaN or infinity.
    """
    layout = get_skeleton(skeleton)
    clip = check_clip(clip, layout).astype(np.float64)
    hips = clip[:, :, list(layout.hips)].mean(axis=2, keepdims=True)
    return np.where(present(clip)[:, :, None, None], clip - hips, 0.0)


def level(clip: np.ndarray, degrees: float) -> np.ndarray:
    """A clip of a camera that looks down by that angle, with y up: float64, the same shape.

    Args:
        clip: (..., 3), camera coordinates: x to a side, y up in the image, z away.
        degrees: Between the camera's axis and the floor; absent bodies (zeros) stay zero.
    """
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.asarray(clip, np.float64) @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]]).T


def _signs(body: np.ndarray, layout: Skeleton) -> np.ndarray:
    """+1 or -1 for x, y and z (3,) of a body (T, V, 3), so that x is right and y forwards."""
    right = body[:, layout.hips[1], 0].mean() >= body[:, layout.hips[0], 0].mean()
    forwards = all(
        body[:, foot, 1].mean() >= body[:, ankle, 1].mean() for ankle, foot in layout.feet
    )
    return np.array([1.0 if right else -1.0, 1.0 if forwards else -1.0, 1.0])
