"""Where the origin is, which way the axes point and how long a unit is: one rule for all bodies.

`to_body_frame` and `to_hips` (geometry.py) give every body a frame of its own. Here, all bodies
of a clip get the same one, so that the distance between two people remains.
"""

from __future__ import annotations

import numpy as np

from keras_skeleton.skeletons import Skeleton, get_skeleton
from keras_skeleton.transforms.bodies import motion
from keras_skeleton.transforms.geometry import check_clip, present

REFERENCES = ("each", "first")
BEGINNING = 5  # frames whose mean is the pose in which a body begins


def main_actor(clip: np.ndarray) -> int:
    """Index of the body that moves most (`bodies.motion`), of those that are there at all."""
    return int(np.argmax(np.where(present(clip).any(axis=0), motion(clip), -1)))


def to_actor_frame(
    clip: np.ndarray,
    skeleton: str | Skeleton = "kinect_v2",
    reference: str = "each",
    scale: bool = True,
    actor: int | None = None,
) -> np.ndarray:
    """A clip as the main actor's body sees it: float64 (T, M, V, 3), free of place, view and size.

    Shahroudy et al., "NTU RGB+D", CVPR 2016: the origin is the middle of the spine, X is
    parallel to the vector from the right shoulder to the left, Y points towards that from the
    spine's base to its middle (as far as it is perpendicular to X), Z = X x Y; all points are
    divided by the distance between the spine's base and middle; all bodies are transformed with
    regard to the main actor's. Das et al. (2019) and Song et al. (2018) refer to it.

    The result is the same wherever the camera stands, and with `scale` for bodies of any size.
    A flat clip (z = 0) is better left as it is: its shoulders may coincide.

    Args:
        clip: (T, M, V, 3).
        skeleton: The joint layout. Base and middle of the spine are its role `spine`; for SBU,
            which has no joint in the middle, these are the torso and the neck.
        reference: `"each"` takes origin, axes and length from every frame (the paper does not
            say; its words fit single frames); a frame without the main actor takes those of
            the last one with it (or of the first, before that). `"first"` takes the main actor's
            first frame for the whole clip, so that walking and turning remain.
        scale: Divide by the length; without, lengths stay as they are.
        actor: The main actor's index; by default the body that moves most.

    Raises:
        ValueError: Wrong shape, NaN or infinity, unknown reference, or an actor who is not there.
    """
    layout = get_skeleton(skeleton)
    if reference not in REFERENCES:
        raise ValueError(f"reference='{reference}' is unknown; it is one of {REFERENCES}")
    clip = check_clip(clip, layout).astype(np.float64)
    there = present(clip)
    if not there.any():
        return clip
    actor = main_actor(clip) if actor is None else actor
    if not 0 <= actor < clip.shape[1] or not there[:, actor].any():
        raise ValueError(f"actor={actor}: no such body in any frame of this clip")
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
    """How far every joint is from where it began: float64 (T, M, V, 3).

    The clip as in `to_actor_frame` with `reference="first"`, less the pose in which each body
    begins, the mean of its first `BEGINNING` frames. What does not move stays near zero, wherever
    it is, and so does everything before something happens. (The pose itself is lost: whoever has
    to tell sitting people from standing ones needs positions.) Absent bodies stay zero. Our own.

    Args:
        clip: (T, M, V, 3).
        skeleton: The joint layout.
        actor: The main actor's index; by default the body that moves most.

    Raises:
        ValueError: Wrong shape, NaN or infinity, or an actor who is not there.
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
    """Origin (T, 3), axes (T, 3, 3) in columns and length (T,) of poses (T, V, 3).

    A degenerate pose has the camera's axes, one whose spine has no length the length 1.
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
    """A clip moved so that the first actor starts at the origin: float64 (T, M, V, 3).

    The middle of the spine of body 0, in the first frame in which it is there, is subtracted
    from all bodies of all frames; absent bodies stay zero. As in the released code of the View
    Adaptive networks (`seq_translation`). Where body 0 is never there, the first body that is
    takes its place. Axes and lengths stay as they are.

    Args:
        clip: (T, M, V, 3).
        skeleton: The joint layout; the middle of the spine is the upper joint of its role `spine`.
        move_absent: The zeros of absent bodies are moved, too, and become minus the origin: as
            in the released code of Das et al. (P-I3D, 2019).

    Raises:
        ValueError: Wrong shape, NaN or infinity.
    """
    layout = get_skeleton(skeleton)
    clip = check_clip(clip, layout).astype(np.float64)
    there = present(clip)
    if not there.any():
        return clip
    m = int(np.argmax(there.any(axis=0)))
    moved = clip - clip[np.argmax(there[:, m]), m, layout.spine[1]]
    return moved if move_absent else np.where(there[:, :, None, None], moved, 0.0)


def to_pair_frame(clip: np.ndarray, skeleton: str | Skeleton = "kinect_v2") -> np.ndarray:
    """Two people as they stand to each other: float64 (T, M, V, 3), free of place and direction.

    In every frame the origin lies midway between the roots of bodies 0 and 1. In the first frame
    in which both are there, x is the horizontal direction from body 0 to body 1 (y stays up);
    this turn is kept for the whole clip. Where one body is alone the origin is its own root, and
    without a frame of both there is no turn. Absent bodies stay zero; lengths stay as they are.
    Our own, for interactions.

    Args:
        clip: (T, M, V, 3), y up.
        skeleton: The joint layout.

    Raises:
        ValueError: Wrong shape, NaN or infinity.
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
    """Median distance from the middle of the shoulders to the middle of the hips, in the clip's
    unit, over all bodies and frames; 0 for a clip without bodies."""
    layout = get_skeleton(skeleton)
    bodies = check_clip(clip, layout)[present(clip)].astype(np.float64)  # (n, V, 3)
    if not len(bodies):
        return 0.0
    trunk = bodies[:, layout.shoulders].mean(axis=1) - bodies[:, layout.hips].mean(axis=1)
    return float(np.median(np.linalg.norm(trunk, axis=-1)))


def per_torso(clip: np.ndarray, skeleton: str | Skeleton = "kinect_v2") -> np.ndarray:
    """A clip with the torso as its unit of length: float64 (T, M, V, 3).

    All of it is divided by one number, `torso_length`, which makes clips in pixels comparable:
    the same for all bodies and frames, so distances between people and movements towards the
    camera remain. The origin stays where it was.

    Raises:
        ValueError: Wrong shape, NaN or infinity, or a torso without length.
    """
    length = torso_length(clip, skeleton)
    if length < 1e-12:
        raise ValueError("shoulders and hips coincide: there is no torso to measure by")
    return np.asarray(clip, np.float64) / length
