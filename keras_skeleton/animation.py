"""A clip as a moving picture: 3D skeletons on a floor, as GIF or MP4.

A wrong joint order, swapped sides or a flipped axis are seen at once in motion. The three axes
have one scale; the floor lies at the lowest joint of the clip.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.animation import AbstractMovieWriter, FFMpegWriter, PillowWriter
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d.art3d import Line3DCollection
from numpy.typing import ArrayLike

from keras_skeleton.plots import LABEL, SIDES, SMALL, TITLE, side_of
from keras_skeleton.skeletons import Skeleton, get_skeleton

DPI = 80


def _writer(path: Path, fps: float) -> AbstractMovieWriter:
    """Chosen by the ending; MP4 needs the ffmpeg program."""
    if path.suffix == ".gif":
        return PillowWriter(fps=round(fps))
    if path.suffix != ".mp4":
        raise ValueError(f"{path}: a moving picture ends in .gif or .mp4")
    if not FFMpegWriter.isAvailable():
        raise ValueError(f"{path}: MP4 needs the program ffmpeg, which is not there; use .gif")
    return FFMpegWriter(fps=round(fps))


def animate(
    clip: ArrayLike,
    skeleton: str | Skeleton,
    path: str | Path,
    title: str,
    fps: float = 30.0,
    unit: str = "m",
    frames: int | None = None,
) -> Path:
    """Writes a clip as a moving picture.

    Args:
        clip: (T, M, V, 3), y up; absent bodies are zero and are not drawn.
        skeleton: The joint layout, or its name.
        path: Ends in `.gif` or `.mp4`.
        title: Says dataset, class and clip.
        fps: Frames a second of the clip.
        unit: Unit of the coordinates, for the labels.
        frames: Show only every n-th frame so that about this many remain, at the same pace.

    Raises:
        ValueError: A clip that does not fit the skeleton or shows no body, or an ending that
            cannot be written.
    """
    layout = get_skeleton(skeleton)
    array = np.asarray(clip, np.float64)
    if array.ndim != 4 or array.shape[2:] != (layout.size, 3):
        raise ValueError(f"clip has shape {array.shape}, expected (T, M, {layout.size}, 3)")
    there = np.isfinite(array).all(axis=(2, 3)) & (array != 0).any(axis=(2, 3))
    if not there.any():
        raise ValueError("the clip shows no body")
    path = Path(path)
    step = -(-len(array) // frames) if frames else 1
    movie = _writer(path, fps / step)

    # Plotted axes: x to the side, z (depth) into the picture, y up.
    array = array[..., [0, 2, 1]]
    points = array[there].reshape(-1, 3)
    low, high = points.min(axis=0), points.max(axis=0)
    reach = max((high - low).max() / 2, 1e-6) * 1.05
    centre = (low + high) / 2

    figure = Figure(figsize=(6, 6), dpi=DPI)
    FigureCanvasAgg(figure)
    axes: Any = figure.add_subplot(projection="3d")
    figure.suptitle(title.replace("$", r"\$"), fontsize=TITLE)
    figure.subplots_adjust(left=0, right=0.95, bottom=0.03, top=0.95)
    axes.view_init(elev=12, azim=-70)
    axes.set_proj_type("ortho")
    ends = [(c - reach, c + reach) for c in centre]
    axes.set(xlim=ends[0], ylim=ends[1], zlim=(low[2], low[2] + 2 * reach))
    axes.set_box_aspect((1, 1, 1))
    for name, label in (("x", "x"), ("y", "z, depth"), ("z", "y, up")):
        getattr(axes, f"set_{name}label")(f"{label} ({unit})" if unit else label, fontsize=LABEL)
    axes.tick_params(labelsize=SMALL)
    axes.locator_params(nbins=4)
    floor = np.meshgrid(np.linspace(*ends[0], 9), np.linspace(*ends[1], 9))
    axes.plot_wireframe(*floor, np.full((9, 9), low[2]), color="0.8", linewidth=0.6)

    bones = np.array(layout.bones)
    colours = [SIDES[side_of(layout.joints[child])] for _, child in layout.bones]
    bodies = [
        Line3DCollection(
            [], colors=colours, linewidths=2.5, alpha=1.0 if m == 0 else 0.55, capstyle="round"
        )
        for m in range(array.shape[1])
    ]
    for body in bodies:
        axes.add_collection3d(body, autolim=False)
    counter = axes.text2D(0.02, 0.02, "", transform=axes.transAxes, fontsize=LABEL)

    path.parent.mkdir(parents=True, exist_ok=True)
    with movie.saving(figure, str(path), DPI):
        for t in range(0, len(array), step):
            for m, body in enumerate(bodies):
                body.set_segments(array[t, m][bones] if there[t, m] else np.zeros((0, 2, 3)))
            counter.set_text(f"frame {t} of {len(array)}")
            movie.grab_frame()
    return path
