"""Where the hands and the body are in a video: the glimpse sensor of Das et al. (WACV 2019).

Boxes are (top, left, bottom, right) in pixels, edges as real numbers: pixel (y, x) covers
[y, y + 1) x [x, x + 1). They may reach out of the image.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.ndimage import median_filter

from keras_skeleton.skeletons import Skeleton, get_skeleton

PARTS = ("left_hand", "right_hand", "full_body")  # the order of the released models
TRACKS = (*PARTS, "full_image")  # the last one for comparison only
GREY = 128.0  # what is outside the image, of 0 to 255

# Half the side of a hand's box, in lengths of the trunk: about 23 cm. The paper gives no number
# and the released code does not crop; its group's published recipe (improved P-CNN) has a hand's
# box of joint +- side and a body's of all joints +- 3/4 side, with `side` in scale with the person.
HAND = 0.45
BODY_MARGIN = 0.75 * HAND
SMOOTH = 15  # frames of the running median of the trunk's length
ENOUGH = 0.5  # share of joints that a body's box needs


class Boxes(NamedTuple):
    """The boxes of a clip.

    Attributes:
        edges: float64 (T, 3, 4), in the order of `PARTS`.
        held: bool (T, 3): the part was not seen, and its last box was kept (or, before the first
            good one, that).
    """

    edges: np.ndarray
    held: np.ndarray


def part_boxes(
    points: np.ndarray, skeleton: str | Skeleton = "kinect_v2", tracked: np.ndarray | None = None
) -> Boxes:
    """The boxes of both hands and of the body in every frame.

    Args:
        points: (T, V, 2): x and y of one person's joints in pixels; not finite, or both 0, where
            there is none.
        skeleton: The joint layout; hands, shoulders and hips are its roles.
        tracked: bool (T, V): joints to rely on; all with a place by default. Of a Kinect: states
            1 (inferred) and 2; a hand before the face is hardly ever in state 2.

    Raises:
        ValueError: Wrong shapes, or a part that is in no frame.
    """
    layout = get_skeleton(skeleton)
    points = np.asarray(points, np.float64)
    if points.ndim != 3 or points.shape[1:] != (layout.size, 2) or not len(points):
        raise ValueError(
            f"points have shape {points.shape}; expected (T, {layout.size}, 2) for skeleton "
            f"'{layout.name}', T at least 1"
        )
    good = np.isfinite(points).all(axis=-1) & (points != 0).any(axis=-1)
    if tracked is not None:
        tracked = np.asarray(tracked, bool)
        if tracked.shape != good.shape:
            raise ValueError(f"tracked has shape {tracked.shape}; expected {good.shape}")
        good &= tracked
    points = np.where(good[..., None], points, np.nan)

    side = HAND * trunk_length(points, layout)[:, None]  # (T, 1)
    hands = points[:, list(layout.hands), ::-1]  # (T, 2, 2) as y, x
    body = good.mean(axis=1) >= ENOUGH
    low = np.where(good[..., None], points, np.inf).min(axis=1)[:, ::-1]
    high = np.where(good[..., None], points, -np.inf).max(axis=1)[:, ::-1]
    margin = BODY_MARGIN / HAND * side
    edges = np.stack(
        [
            np.concatenate([hands[:, 0] - side, hands[:, 0] + side], axis=1),
            np.concatenate([hands[:, 1] - side, hands[:, 1] + side], axis=1),
            np.concatenate([low - margin, high + margin], axis=1),
        ],
        axis=1,
    )
    seen = np.stack([*good[:, list(layout.hands)].T, body], axis=1)
    for k, part in enumerate(PARTS):
        frames = np.flatnonzero(seen[:, k])
        if not frames.size:
            raise ValueError(f"'{part}' is not seen in any of the {len(points)} frames")
        last = np.searchsorted(frames, np.arange(len(points)), side="right") - 1
        edges[:, k] = edges[frames[np.maximum(last, 0)], k]
    return Boxes(edges, ~seen)


def trunk_length(points: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """(T,): from between the shoulders to between the hips, in pixels; smoothed, gaps filled.

    Args:
        points: (T, V, 2), NaN where there is none.
    """
    shoulders, hips = (
        points[:, list(pair)].mean(axis=1) for pair in (skeleton.shoulders, skeleton.hips)
    )
    length = np.linalg.norm(shoulders - hips, axis=-1)
    known = np.flatnonzero(np.isfinite(length) & (length > 0))
    if not known.size:
        raise ValueError("no frame shows both shoulders and both hips: the person has no size")
    filled = np.interp(np.arange(len(length)), known, length[known])
    return median_filter(filled, SMOOTH, mode="nearest")


def crop(frames: np.ndarray, boxes: np.ndarray, size: int) -> np.ndarray:
    """Boxes of images, resized by bilinear interpolation: float64 (T, size, size, 3).

    The reference for `layers.Glimpse`, one pixel after the other. Outside the image all is grey.

    Args:
        frames: (T, H, W, 3), 0 to 255.
        boxes: (T, 4).
        size: Height and width of the result.
    """
    frames, boxes = np.asarray(frames, np.float64), np.asarray(boxes, np.float64)
    T, H, W, _ = frames.shape
    out = np.empty((T, size, size, 3))
    for t, (top, left, bottom, right) in enumerate(boxes):
        filled = np.pad(frames[t], ((1, 1), (1, 1), (0, 0)), constant_values=GREY)
        for i in range(size):
            y = np.clip(top + (i + 0.5) / size * (bottom - top) - 0.5, -1, H)
            for j in range(size):
                x = np.clip(left + (j + 0.5) / size * (right - left) - 0.5, -1, W)
                a, b = min(int(np.floor(y)), H - 1), min(int(np.floor(x)), W - 1)
                p, q = y - a, x - b
                window = filled[a + 1 : a + 3, b + 1 : b + 3]  # rows a, a + 1, columns b, b + 1
                weights = np.outer((1 - p, p), (1 - q, q))
                out[t, i, j] = (weights[..., None] * window).sum(axis=(0, 1))
    return out
