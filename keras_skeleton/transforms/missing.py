"""Interpolation of missing joints."""

from __future__ import annotations

import numpy as np

from keras_skeleton.skeletons import Skeleton, get_skeleton
from keras_skeleton.transforms.geometry import check_clip


def fill_missing(
    clip: np.ndarray, skeleton: str | Skeleton = "kinect_v2"
) -> tuple[np.ndarray, np.ndarray]:
    """Fills missing joints by linear interpolation over time.

    A joint with NaN in any coordinate is missing. Between two frames in which it is known, it is
    interpolated linearly; before the first and after the last it keeps its position. A joint that
    is missing in all frames of a body gets the position of the nearest known joint along the bones.
    A body whose joints are all missing or zero in a frame is absent there and becomes zero.

    Args:
        clip: (T, M, V, 3), NaN for missing joints.
        skeleton: The joint layout.

    Returns:
        The clip, float64 (T, M, V, 3), without NaN, and the joints that were filled, bool
        (T, M, V).

    Raises:
        ValueError: Wrong shape or infinity.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.transforms.missing import fill_missing
        >>> clip = np.ones((3, 1, 25, 3))
        >>> clip[:, 0, 7, 0] = [2, np.nan, 4]
        >>> clip, filled = fill_missing(clip)
        >>> clip[:, 0, 7, 0], int(filled.sum())
        (array([2., 3., 4.]), 1)
    """
    layout = get_skeleton(skeleton)
    clip = np.array(clip, np.float64)
    nan = np.isnan(clip)
    clip[nan] = 0.0
    check_clip(clip, layout)
    seen = ~nan.any(axis=-1)  # (T, M, V)
    clip[~seen] = 0.0
    there = np.any(clip != 0, axis=(2, 3))
    filled = ~seen & there[:, :, None]
    for m in np.flatnonzero(filled.any(axis=(0, 2))):
        frames = np.flatnonzero(there[:, m])
        _fill_body(clip[:, m], ~filled[frames, m], frames, layout)
    return clip, filled


def _fill_body(body: np.ndarray, seen: np.ndarray, frames: np.ndarray, layout: Skeleton) -> None:
    """Fills one body (T, V, 3) in place, in `frames` (n,); `seen` is bool (n, V)."""
    for v in np.flatnonzero(~seen.all(axis=0) & seen.any(axis=0)):
        at = np.flatnonzero(seen[:, v])
        for c in range(3):
            body[frames, v, c] = np.interp(frames, frames[at], body[frames[at], v, c])
    never = np.all(~seen, axis=0)
    while never.any():  # the bones form a tree: each pass reaches at least one more joint
        known = ~never
        for parent, child in layout.bones:
            for joint, source in ((child, parent), (parent, child)):
                if never[joint] and known[source]:
                    body[frames, joint] = body[frames, source]
                    never[joint] = False
