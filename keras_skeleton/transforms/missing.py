"""Joints that were not seen: NaN in a clip, filled from the frames around."""

from __future__ import annotations

import numpy as np

from keras_skeleton.skeletons import Skeleton, get_skeleton
from keras_skeleton.transforms.geometry import check_clip


def fill_missing(
    clip: np.ndarray, skeleton: str | Skeleton = "kinect_v2"
) -> tuple[np.ndarray, np.ndarray]:
    """A clip without NaN, float64 (T, M, V, 3), and which joints were filled, bool (T, M, V).

    A joint with NaN in any coordinate is missing. Between two frames in which it is seen it
    moves on a straight line; before the first and after the last it stays where it was. A joint
    that a body never shows lies on the nearest joint, along the bones, that it does. A body
    with no joint seen in a frame (all NaN or zero) is absent there, and becomes zero.

    Args:
        clip: (T, M, V, 3); NaN where a joint was not seen.
        skeleton: The joint layout.

    Raises:
        ValueError: Wrong shape or infinity.
    """
    layout = get_skeleton(skeleton)
    clip = np.array(clip, np.float64)
    check_clip(np.where(np.isnan(clip), 0.0, clip), layout)
    seen = np.all(~np.isnan(clip), axis=-1)  # (T, M, V)
    clip[~seen] = 0.0
    there = np.any(clip != 0, axis=(2, 3))
    filled = ~seen & there[:, :, None]
    for m in np.flatnonzero(filled.any(axis=(0, 2))):
        frames = np.flatnonzero(there[:, m])
        clip[frames, m] = _fill_body(clip[frames, m], ~filled[frames, m], frames, layout)
    return clip, filled


def _fill_body(
    body: np.ndarray, seen: np.ndarray, frames: np.ndarray, layout: Skeleton
) -> np.ndarray:
    """A body (n, V, 3) whose joints are seen as (n, V) says, in frames with these numbers."""
    for v in np.flatnonzero(~seen.all(axis=0) & seen.any(axis=0)):
        at = np.flatnonzero(seen[:, v])
        for c in range(3):
            body[:, v, c] = np.interp(frames, frames[at], body[at, v, c])
    never = np.all(~seen, axis=0)
    while never.any():  # the bones form a tree: every round reaches one joint further
        known = ~never
        for parent, child in layout.bones:
            for joint, source in ((child, parent), (parent, child)):
                if never[joint] and known[source]:
                    body[:, joint] = body[:, source]
                    never[joint] = False
    return body
