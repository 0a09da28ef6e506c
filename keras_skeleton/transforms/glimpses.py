"""Boxes around the hands and the body in a video: the glimpse sensor of Das et al. (WACV 2019).

Boxes are (top, left, bottom, right) in pixels with real-valued edges: pixel (y, x) covers
[y, y + 1) x [x, x + 1). They may extend beyond the image.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from keras_skeleton.skeletons import Skeleton, get_skeleton

PARTS = ("left_hand", "right_hand", "full_body")  # the order of the released models
TRACKS = (*PARTS, "full_image")  # the last one is for comparison only
GREY = 128.0  # value outside the image, on a scale of 0 to 255

# Half the side of a hand's box, as a fraction of the trunk's length: about 23 cm. The paper gives
# no number, and the released code does not crop. The recipe published by the same group (improved
# P-CNN) uses joint +- side for a hand and all joints +- 3/4 side for the body, where `side` scales
# with the person.
HAND = 0.45
BODY_MARGIN = 0.75 * HAND
SMOOTH = 15  # window of the running median of the trunk's length, in frames
ENOUGH = 0.5  # fraction of joints required for a body's box


class Boxes(NamedTuple):
    """The boxes of a clip.

    Attributes:
        edges: float64 (T, 3, 4), in the order of `PARTS`.
        held: bool (T, 3), True where the part is not visible and has the box of the last frame in
            which it is (before the first such frame: of that one).
    """

    edges: np.ndarray
    held: np.ndarray


def part_boxes(
    points: np.ndarray, skeleton: str | Skeleton = "kinect_v2", tracked: np.ndarray | None = None
) -> Boxes:
    """Computes the boxes of both hands and of the body in each frame.

    Args:
        points: (T, V, 2), x and y of one person's joints in pixels; a joint is missing where they
            are not finite or both 0.
        skeleton: The joint layout, with the roles hands, shoulders and hips.
        tracked: bool (T, V), the joints to use; by default all that are not missing. For a Kinect,
            use the states 1 (inferred) and 2 (tracked), because a hand in front of the face is
            rarely in state 2.

    Raises:
        ValueError: Wrong shapes, or a part that is not visible in any frame.
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
            raise ValueError(f"'{part}' is not visible in any of the {len(points)} frames")
        last = np.searchsorted(frames, np.arange(len(points)), side="right") - 1
        edges[:, k] = edges[frames[np.maximum(last, 0)], k]
    return Boxes(edges, ~seen)


def trunk_length(points: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Distance between the middle of the shoulders and that of the hips in pixels, float64 (T,).

    It is interpolated over gaps and smoothed by a running median.

    Args:
        points: (T, V, 2), NaN for missing joints.
        skeleton: The joint layout.

    Raises:
        ValueError: No frame shows both shoulders and both hips.
    """
    skeleton.need("shoulders", "hips", of="the size of the box")
    shoulders, hips = (
        points[:, list(pair)].mean(axis=1) for pair in (skeleton.shoulders, skeleton.hips)
    )
    length = np.linalg.norm(shoulders - hips, axis=-1)
    known = np.flatnonzero(np.isfinite(length) & (length > 0))
    if not known.size:
        raise ValueError("no frame shows both shoulders and both hips, which define the box size")
    filled = np.interp(np.arange(len(length)), known, length[known])
    from scipy.ndimage import median_filter  # here: it takes 0.2 s

    return median_filter(filled, SMOOTH, mode="nearest")


def crop(frames: np.ndarray, boxes: np.ndarray, size: int) -> np.ndarray:
    """Crops one box per image, with bilinear interpolation: float64 (T, size, size, 3).

    This is the reference implementation of `layers.Glimpse`, pixel by pixel. Outside the image the
    result is gray.

    Args:
        frames: (T, H, W, 3), 0 to 255.
        boxes: (T, 4), in pixels.
        size: Height and width of the result, in pixels.
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
