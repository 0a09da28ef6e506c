"""Draws poses as stick figures.

Coordinates are drawn as stored: `side` (x by default) to the right, `up` (y by default) upward; the
third axis, the depth, is not shown. In Kinect coordinates the view is mirrored: the left hand of a
subject facing the sensor is drawn on the left.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from keras_skeleton.skeletons import Skeleton, get_skeleton
from keras_skeleton.viz.style import AXES, LABEL, SIDES, SMALL


def check_clip(clip: ArrayLike, skeleton: str | Skeleton) -> tuple[np.ndarray, Skeleton]:
    """Checks the shape of a clip; returns it as float64 (T, M, V, 3) with its skeleton."""
    layout = get_skeleton(skeleton)
    array = np.asarray(clip, np.float64)
    if array.ndim != 4 or array.shape[2:] != (layout.size, 3) or not array.shape[0]:
        raise ValueError(f"clip has shape {array.shape}, expected (T, M, {layout.size}, 3)")
    return array, layout


def present_bodies(clip: np.ndarray) -> np.ndarray:
    """Bodies that are present, bool (..., M); absent bodies are zero everywhere, or NaN."""
    return np.isfinite(clip).all(axis=(-2, -1)) & (clip != 0).any(axis=(-2, -1))


def side_of(joint: str) -> str:
    side = joint.split("_", 1)[0]
    return side if side in ("left", "right") else "trunk"


def draw_body(ax: Any, points: np.ndarray, layout: Skeleton, width: float, alpha: float) -> None:
    """Draws a body's bones from points (V, 2), colored by side, and a dot for the head."""
    sides = [side_of(layout.joints[child]) for _, child in layout.bones]
    bones = LineCollection(
        points[np.array(layout.bones)],
        colors=[to_rgba(SIDES[side], alpha) for side in sides],
        linewidths=width,
        capstyle="round",
        zorder=3,
    )
    ax.add_collection(bones)
    if "head" in layout.joints:
        head = points[layout.index("head")]
        colour = to_rgba(SIDES["trunk"], alpha)
        ax.plot(*head, "o", color=colour, markersize=2.2 * width, markeredgewidth=0, zorder=4)


def body_key(bodies: int, width: float) -> list[Any]:
    """Legend entries for the colors."""
    names = {"left": "left limbs", "right": "right limbs", "trunk": "trunk and head"}
    key: list[Any] = [
        Line2D([], [], color=SIDES[s], linewidth=width, label=n) for s, n in names.items()
    ]
    if bodies > 1:
        name = "second body (paler)" if bodies == 2 else "other bodies (paler)"
        key.append(Line2D([], [], color="0.3", alpha=0.5, linewidth=width, label=name))
    return key


def body_alpha(body: int) -> float:
    return 1.0 if body == 0 else 0.5


def draw_pose(
    ax: Any,
    pose: ArrayLike,
    skeleton: str | Skeleton,
    side: int = 0,
    up: int = 1,
    unit: str = "m",
    width: float = 2.0,
) -> None:
    """Draws one frame into Matplotlib axes, in its own coordinates with equal scales.

    Args:
        ax: The axes.
        pose: (M, V, 3); absent bodies (all zero) are not drawn, further bodies are paler.
        skeleton: The joint layout, or its name.
        side: Coordinate drawn to the right: 0, 1 or 2 for x, y, z. Use 2 for a side view.
        up: Coordinate drawn upward.
        unit: Unit of the coordinates, for the labels; empty for none.
        width: Line width in points.

    Raises:
        ValueError: The pose is not (M, V, 3) for this skeleton, or `side` equals `up`.

    Example:
        >>> from matplotlib.figure import Figure
        >>> from keras_skeleton.datasets.synthetic.dataset import make_clips
        >>> from keras_skeleton.viz.poses import draw_pose
        >>> ax = Figure().subplots()
        >>> draw_pose(ax, next(make_clips()).joints[0], "kinect_v2")
        >>> ax.get_xlabel(), ax.get_ylabel()
        ('x (m)', 'y (m)')
    """
    array = np.asarray(pose, np.float64)
    if array.ndim != 3:
        raise ValueError(f"pose has shape {array.shape}, expected (M, V, 3)")
    clip, layout = check_clip(array[None], skeleton)
    check_view(side, up)
    for body in np.flatnonzero(present_bodies(clip[0])):
        draw_body(ax, clip[0, body][:, [side, up]], layout, width, body_alpha(int(body)))
    ax.autoscale_view()
    ax.set_aspect("equal", adjustable="datalim")
    ax.set_xlabel(axis_label(side, unit), fontsize=LABEL)
    ax.set_ylabel(axis_label(up, unit), fontsize=LABEL)
    ax.tick_params(labelsize=SMALL)


def check_view(side: int, up: int) -> None:
    if side not in (0, 1, 2) or up not in (0, 1, 2) or side == up:
        raise ValueError(f"side={side} and up={up}: expected two different values of 0, 1, 2")


def axis_label(axis: int, unit: str) -> str:
    return f"{AXES[axis]} ({unit})" if unit else AXES[axis]
