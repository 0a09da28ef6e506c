"""Animations of a clip: 3D skeletons on a floor, as GIF or MP4.

    animate              the clip alone
    animate_attention    with a network's attention and predictions

In motion, a wrong joint order, swapped sides or a flipped axis are easy to see. All three axes have
the same scale; the floor is at the lowest joint of the clip.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d.art3d import Line3DCollection
from numpy.typing import ArrayLike
from PIL import Image

from keras_skeleton.skeletons import Skeleton, get_skeleton
from keras_skeleton.utils.files import write_atomic
from keras_skeleton.video.reading import MOVIE_CODEC, write_video
from keras_skeleton.viz.attended_clip import AttendedClip
from keras_skeleton.viz.poses import side_of
from keras_skeleton.viz.strips import draw_attention
from keras_skeleton.viz.style import (
    ATTENTION,
    COLOURS,
    EDGE,
    EVERY_JOINT,
    LABEL,
    SIDES,
    SMALL,
    TITLE,
    wrapped,
)

DPI = 80
MOVIES = (".gif", ".mp4")


def animate(
    clip: ArrayLike,
    skeleton: str | Skeleton,
    path: str | Path,
    title: str,
    fps: float = 30.0,
    unit: str = "m",
    frames: int | None = None,
) -> Path:
    """Writes an animation of a clip.

    Args:
        clip: (T, M, V, 3), y upward; absent bodies are zero and are not drawn.
        skeleton: The joint layout, or its name.
        path: Output file, `.gif` or `.mp4`.
        title: Title; name the dataset, class and clip.
        fps: Frames per second of the clip.
        unit: Unit of the coordinates, for the labels; empty for none.
        frames: Show only every n-th frame, so that about this many remain, at the same speed.

    Returns:
        The path.

    Raises:
        ValueError: The clip does not fit the skeleton or shows no body, or another suffix.

    Example:
        >>> import tempfile
        >>> from keras_skeleton.datasets.synthetic.dataset import make_clips
        >>> from keras_skeleton.viz.animation import animate
        >>> clip = next(make_clips()).joints
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = animate(clip, "kinect_v2", f"{folder}/wave.gif", "synthetic: wave", frames=2)
        >>> path.name
        'wave.gif'
    """
    layout = get_skeleton(skeleton)
    array = np.asarray(clip, np.float64)
    if array.ndim != 4 or array.shape[2:] != (layout.size, 3):
        raise ValueError(f"clip has shape {array.shape}, expected (T, M, {layout.size}, 3)")
    there = np.isfinite(array).all(axis=(2, 3)) & (array != 0).any(axis=(2, 3))
    if not there.any():
        raise ValueError("the clip shows no body")
    figure = Figure(figsize=(6, 6), dpi=DPI)
    axes: Any = figure.add_subplot(projection="3d")
    figure.suptitle(title.replace("$", r"\$"), fontsize=TITLE)
    figure.subplots_adjust(left=0, right=0.95, bottom=0.03, top=0.95)
    stage = _Stage(axes, array, there, layout, unit)
    step = -(-len(array) // frames) if frames else 1
    shown = range(0, len(array), step)
    return _write(Path(path), _pictures(figure, shown, stage.draw), fps / step)


def animate_attention(seen: AttendedClip, path: str | Path, frames: int | None = None) -> Path:
    """Writes an animation of a clip with a network's attention and predictions.

    Joints glow with their attention, a line moves along the frame attention, and bars show the
    class probabilities if the clip ended at this frame.

    Args:
        seen: The clip and its attention. If its frame rate is unknown, 30 frames per second are
            assumed.
        path: Output file, `.gif` or `.mp4`.
        frames: Show only every n-th frame, so that about this many remain, at the same speed.

    Returns:
        The path.

    Raises:
        ValueError: Another suffix.
    """
    figure = Figure(figsize=(10, 6.5), dpi=96)
    grid = figure.add_gridspec(
        2,
        2,
        height_ratios=(3.4, 1),
        width_ratios=(2.2, 1),
        left=0.075,
        right=0.93,
        bottom=0.09,
        top=0.86,
        hspace=0.2,
        wspace=0.42,
    )
    axes: Any = figure.add_subplot(grid[0, 0], projection="3d")
    figure.suptitle(wrapped(seen.caption, 110).replace("$", r"\$"), fontsize=LABEL)
    stage = _Stage(axes, np.asarray(seen.clip, np.float64), seen.there, seen.skeleton, seen.unit)
    glow = _Glow(axes, seen)
    bars = _Bars(figure.add_subplot(grid[0, 1]), seen)
    head = _time_line(figure.add_subplot(grid[1, :]), seen)

    def draw(t: int) -> None:
        stage.draw(t)
        glow.draw(t)
        bars.draw(t)
        head.set_xdata([t, t])

    step = -(-len(seen.clip) // frames) if frames else 1
    shown = range(0, len(seen.clip), step)
    return _write(Path(path), _pictures(figure, shown, draw), (seen.fps or 30.0) / step)


# ---------------------------------------------------------------- what is drawn


class _Stage:
    """3D axes with a floor and the bodies on it.

    Plotted axes: x to the side, z (depth) into the image, y upward.
    """

    def __init__(
        self, axes: Any, clip: np.ndarray, there: np.ndarray, layout: Skeleton, unit: str
    ) -> None:
        self.clip, self.there = clip[..., [0, 2, 1]], there
        points = self.clip[there].reshape(-1, 3)
        low, high = points.min(axis=0), points.max(axis=0)
        reach = max((high - low).max() / 2, 1e-6) * 1.05
        ends = [(c - reach, c + reach) for c in (low + high) / 2]
        axes.view_init(elev=12, azim=-70)
        axes.set_proj_type("ortho")
        axes.set(xlim=ends[0], ylim=ends[1], zlim=(low[2], low[2] + 2 * reach))
        axes.set_box_aspect((1, 1, 1))
        for name, label in (("x", "x"), ("y", "z, depth"), ("z", "y, up")):
            getattr(axes, f"set_{name}label")(
                f"{label} ({unit})" if unit else label, fontsize=LABEL
            )
        axes.tick_params(labelsize=SMALL)
        axes.locator_params(nbins=4)
        floor = np.meshgrid(np.linspace(*ends[0], 9), np.linspace(*ends[1], 9))
        axes.plot_wireframe(*floor, np.full((9, 9), low[2]), color="0.8", linewidth=0.6)

        self.bones = np.array(layout.bones)
        colours = [SIDES[side_of(layout.joints[child])] for _, child in layout.bones]
        self.bodies = [
            Line3DCollection(
                [], colors=colours, linewidths=2.5, alpha=1.0 if m == 0 else 0.55, capstyle="round"
            )
            for m in range(clip.shape[1])
        ]
        for body in self.bodies:
            axes.add_collection3d(body, autolim=False)
        self.counter = axes.text2D(0.02, 0.95, "", transform=axes.transAxes, fontsize=LABEL)

    def draw(self, t: int) -> None:
        for m, body in enumerate(self.bodies):
            there = self.there[t, m]
            body.set_segments(self.clip[t, m][self.bones] if there else np.zeros((0, 2, 3)))
        self.counter.set_text(f"frame {t} / {len(self.clip) - 1}")


class _Glow:
    """Joints that are larger and change color with their attention."""

    def __init__(self, axes: Any, seen: AttendedClip) -> None:
        self.axes, self.seen = axes, seen
        self.drawn: list[Any] = []
        self.norm = Normalize(0, seen.top_share)
        if seen.shares is not None:
            scale = ScalarMappable(self.norm, ATTENTION)
            bar = axes.figure.colorbar(scale, ax=axes, shrink=0.7, pad=0.1, extend="max")
            bar.set_label(f"attention to joints ({EVERY_JOINT})", fontsize=SMALL)
            bar.ax.tick_params(labelsize=SMALL)

    def draw(self, t: int) -> None:
        for dots in self.drawn:
            dots.remove()
        self.drawn = []
        if self.seen.shares is None:
            return
        there = self.seen.there[t]
        x, up, depth = np.asarray(self.seen.clip[t][there], np.float64).reshape(-1, 3).T
        share = self.seen.shares[t][there].reshape(-1)
        part = np.clip(self.norm(share), 0, 1)
        style: dict[str, Any] = {
            "c": share, "norm": self.norm, "cmap": ATTENTION, "depthshade": False,
        }  # fmt: skip
        self.drawn = [
            self.axes.scatter(x, depth, up, s=12 + 420 * part, alpha=0.3, linewidths=0, **style),
            self.axes.scatter(
                x, depth, up, s=12 + 70 * part, edgecolors=EDGE, linewidths=0.4, **style
            ),
        ]


class _Bars:
    """Probabilities of the most probable classes and of the true class (blue)."""

    def __init__(self, axes: Any, seen: AttendedClip) -> None:
        self.shown = seen.shown_classes(8)
        self.running = seen.running
        names = [str(seen.classes[k]).replace("$", r"\$") for k in self.shown]
        colours = [COLOURS[0] if k == seen.label else "0.6" for k in self.shown]
        self.bars = axes.barh(range(len(names)), seen.probabilities[self.shown], color=colours)
        if seen.running is not None:  # mark the prediction for the whole clip
            axes.scatter(
                seen.probabilities[self.shown],
                range(len(names)),
                marker="|",
                s=90,
                color="black",
                zorder=3,
            )
        axes.set_yticks(range(len(names)), [n if len(n) <= 22 else n[:21] + "…" for n in names])
        axes.set_xlim(0, 1)
        axes.invert_yaxis()
        axes.tick_params(labelsize=SMALL)
        axes.spines[["top", "right"]].set_visible(False)
        so_far = "probability so far (mark: whole clip)"
        axes.set_xlabel("probability" if seen.running is None else so_far, fontsize=SMALL)
        axes.set_title("blue: true class", fontsize=SMALL)

    def draw(self, t: int) -> None:
        if self.running is not None:
            for bar, width in zip(self.bars, self.running[t, self.shown], strict=True):
                bar.set_width(0 if np.isnan(width) else width)


def _time_line(axes: Any, seen: AttendedClip) -> Any:
    """Plots frame attention or, without it, the probability of the true class so far.

    Returns:
        The line that marks the current frame.
    """
    if seen.frames is not None:
        draw_attention(axes, seen.frames, np.zeros(0, int))
    elif seen.running is not None:
        shown = seen.predicted if seen.label is None else seen.label
        axes.plot(seen.running[:, shown], color=COLOURS[0], linewidth=1.8)
        axes.set_ylabel("probability", fontsize=LABEL)
        axes.set_ylim(0, 1.03)
    if seen.interval is not None:
        first, last = seen.interval
        axes.axvspan(first - 0.5, last + 0.5, color="#E69F00", alpha=0.18, linewidth=0, zorder=0)
    axes.set_xlim(-0.5, len(seen.clip) - 0.5)
    shaded = "; shaded: labeled action" if seen.interval is not None else ""
    axes.set_xlabel(f"frame{shaded}", fontsize=LABEL)
    axes.tick_params(labelsize=SMALL)
    axes.spines[["top", "right"]].set_visible(False)
    return axes.axvline(0, color=COLOURS[1], linewidth=2)


# ---------------------------------------------------------------- files


def _pictures(figure: Figure, frames: Iterable[int], draw: Any) -> Iterator[np.ndarray]:
    """Yields the figure after each `draw(t)`, uint8 (H, W, 3)."""
    canvas = FigureCanvasAgg(figure)
    for t in frames:
        draw(t)
        canvas.draw()
        yield np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _write(path: Path, pictures: Iterator[np.ndarray], fps: float) -> Path:
    """Writes an animation atomically."""
    if path.suffix not in MOVIES:
        raise ValueError(f"{path}: the file name of an animation must end in {' or '.join(MOVIES)}")
    path.parent.mkdir(parents=True, exist_ok=True)

    def write(part: Path) -> None:
        if path.suffix == ".mp4":
            write_video(part, pictures, fps, MOVIE_CODEC)
        else:
            first, *rest = map(Image.fromarray, pictures)
            first.save(part, save_all=True, append_images=rest, duration=1000 / fps, loop=0)

    write_atomic(path, write)
    return path
