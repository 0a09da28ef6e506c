"""A clip as a strip of poses over time, optionally with its frame attention above."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from keras_skeleton.skeletons import Skeleton
from keras_skeleton.viz.attended_clip import relative_attention
from keras_skeleton.viz.poses import (
    axis_label,
    body_alpha,
    body_key,
    check_clip,
    check_view,
    draw_body,
    present_bodies,
)
from keras_skeleton.viz.style import (
    ATTENTION,
    AXES,
    EDGE,
    EVERY_FRAME,
    EVERY_JOINT,
    LABEL,
    SMALL,
    TITLE,
    WIDTH,
    plain_text,
    wrapped,
)


def _choose_frames(frames: int, poses: int | None, fitting: float) -> np.ndarray:
    """Frames to draw: `poses` of them or, by default, the 6 to 12 that fit."""
    if poses == 1:
        return np.array([frames // 2])
    if poses is not None:
        places = np.linspace(0, frames - 1, max(1, min(poses, frames)))
        return np.unique(np.round(places).astype(int))
    if frames <= 12:
        return np.arange(frames)
    count = int(np.clip(fitting, 6, 12))
    if frames < 4 * count:  # equal steps: rounding would look like missing poses
        step = (frames - 1) // (count - 1)
        step += (frames - 1) // step >= 12
        return np.arange(0, frames, step)
    return np.round(np.linspace(0, frames - 1, count)).astype(int)


LEFT, RIGHT = 0.85, 0.2  # margins of the strip in inches
SCALE = 0.95  # width of a color scale in inches


class _Strip:
    """Layout of a clip's poses above a frame axis, with the same scale in both directions.

    The horizontal axis counts frames and the vertical axis is in the clip's unit, so the common
    scale is computed in inches.

    Attributes:
        frames: Frames whose poses are drawn.
        points: (T, M, V, 2), horizontal offset from the pose's center and height, in the clip's
            unit.
        present: Bodies that are present, bool (T, M).
        bodies: 1 + index of the last body that is ever present.
        limits: First and last value of the frame axis.
        low: Lowest value of the vertical axis.
        high: Highest value of the vertical axis.
        height: Height of the vertical axis in inches.
        stretch: Number of frames whose width on paper equals one unit of height.
        inches: Width of the frame axis in inches.
    """

    def __init__(
        self,
        clip: np.ndarray,
        layout: Skeleton,
        side: int,
        up: int,
        poses: int | None,
        inches: float,
    ) -> None:
        self.inches = inches
        self.layout = layout
        self.present = present_bodies(clip)
        seen: np.ndarray = np.any(self.present, axis=1)
        if not seen.any():
            raise ValueError("the clip shows no body: all are zero or NaN in every frame")
        self.bodies = 1 + int(np.flatnonzero(self.present.any(axis=0))[-1])

        # Poses are centered on the roots of their bodies, so that walking does not shift them.
        roots = np.where(self.present, clip[:, :, layout.root, side], 0).sum(axis=1)
        centre = roots / np.maximum(self.present.sum(axis=1), 1)
        self.points = clip[..., [side, up]].copy()
        self.points[..., 0] -= centre[:, None, None]

        T = len(clip)
        wide, low, high = self._extent(np.flatnonzero(seen))
        self.frames = _choose_frames(T, poses, inches * (high - low) / (1.4 * wide))
        drawn = self.frames[seen[self.frames]]
        wide, low, high = self._extent(drawn if len(drawn) else np.flatnonzero(seen))

        # The widest pose fills nine tenths of the space between two poses.
        room = inches / len(self.frames)
        inches_per_unit = min(0.9 * room / wide, 2.4 / (high - low))
        margin = room / 2 * (T - 1) / (inches - room) if len(self.frames) > 1 else T / 2
        self.limits = (-margin, T - 1 + margin)
        self.stretch = inches_per_unit * (self.limits[1] - self.limits[0]) / inches
        self.low, self.high = low - 0.04 * (high - low), high + 0.04 * (high - low)
        self.height = inches_per_unit * (self.high - self.low)

    def _extent(self, frames: np.ndarray) -> tuple[float, float, float]:
        """Width around the center, lowest and highest value of the bodies in these frames."""
        points = self.points[frames][self.present[frames]]
        low, high = points[..., 1].min(), points[..., 1].max()
        high = max(high, low + 1e-6)
        wide = 2 * np.abs(points[..., 0]).max()
        return float(max(wide, (high - low) / 4)), float(low), float(high)

    def draw(
        self, ax: Any, shares: np.ndarray | None = None, norm: Normalize | None = None
    ) -> None:
        """Draws the poses into axes with the strip's limits and height.

        Args:
            ax: The axes.
            shares: Joint attention (T, M, V), drawn as dots that are larger and brighter for more.
            norm: Color scale of `shares`.
        """
        for t in self.frames:
            for body in np.flatnonzero(self.present[t]):
                points = self.points[t, body] * [self.stretch, 1.0] + [t, 0.0]
                draw_body(ax, points, self.layout, 1.6, body_alpha(int(body)))
                if shares is not None and norm is not None:
                    order = np.argsort(shares[t, body])  # largest on top
                    own = shares[t, body][order]
                    ax.scatter(
                        *points[order].T,
                        s=4 + 70 * np.clip(norm(own), 0, 1),
                        c=own,
                        norm=norm,
                        cmap=ATTENTION,
                        edgecolors=EDGE,
                        linewidths=0.4,
                        zorder=5,
                    )


def _strip(
    clip: ArrayLike,
    skeleton: str | Skeleton,
    title: str,
    attention: np.ndarray | None,
    poses: int | None,
    fps: float | None,
    interval: tuple[float, float] | None,
    side: int,
    up: int,
    unit: str,
    shares: np.ndarray | None = None,
    top: float | None = None,
) -> Figure:
    array, layout = check_clip(clip, skeleton)
    check_view(side, up)
    inches = WIDTH - LEFT - RIGHT - (0 if shares is None else SCALE)
    strip = _Strip(array, layout, side=side, up=up, poses=poses, inches=inches)
    title = wrapped(title)
    curve = 0.0 if attention is None else 1.5
    lines = title.count("\n")
    head = 0.45 + 0.15 * lines + (0.4 if fps else 0.0)
    foot, gap = 0.85, 0.12
    tall = head + curve + (gap if curve else 0.0) + strip.height + foot
    fig = Figure(figsize=(WIDTH, tall))
    across = inches / WIDTH

    ax = fig.add_axes((LEFT / WIDTH, foot / tall, across, strip.height / tall), label="strip")
    if shares is None:
        strip.draw(ax)
    else:
        norm = Normalize(0, top or max(float(shares[strip.present].max()), 1e-12))
        strip.draw(ax, shares, norm)
        place = ((LEFT + inches + 0.15) / WIDTH, foot / tall, 0.12 / WIDTH, strip.height / tall)
        bar = fig.colorbar(
            ScalarMappable(norm, ATTENTION),
            cax=fig.add_axes(place, label="scale"),
            extend="neither" if top is None else "max",
        )
        bar.set_label(f"attention to joints\n{EVERY_JOINT}", fontsize=SMALL)
        bar.ax.tick_params(labelsize=SMALL)
    ax.set_ylim(strip.low, strip.high)
    ax.set_ylabel(axis_label(up, unit), fontsize=LABEL)
    ax.set_xlabel("frame", fontsize=LABEL)
    panels = [ax]
    key = body_key(strip.bodies, 2.0)
    if attention is not None:
        bottom = foot + strip.height + gap
        above = fig.add_axes((LEFT / WIDTH, bottom / tall, across, curve / tall), label="attention")
        panels.insert(0, above)
        draw_attention(above, attention, strip.frames)
        above.tick_params(labelbottom=False)
    for panel in panels:
        panel.set_xlim(*strip.limits)
        panel.set_xticks(_ticks(len(array) - 1, integer=True))
        panel.tick_params(labelsize=SMALL)
        panel.spines[["top", "right"]].set_visible(False)
        for t in strip.frames:
            panel.axvline(t, color="0.85", linewidth=0.8, zorder=0)
        if interval is not None:
            shade = np.clip([interval[0] - 0.5, interval[1] + 0.5], -0.5, len(array) - 0.5)
            panel.axvspan(*shade, color="#E69F00", alpha=0.18, linewidth=0, zorder=0)
    fig.align_ylabels(panels)
    if interval is not None:
        key.append(Patch(color="#E69F00", alpha=0.3, linewidth=0, label="labeled action"))
    if fps:

        def to_seconds(frame: Any) -> Any:
            return frame / fps

        def to_frames(second: Any) -> Any:
            return second * fps

        seconds = panels[0].secondary_xaxis("top", functions=(to_seconds, to_frames))
        seconds.set_xticks(_ticks((len(array) - 1) / fps))
        seconds.set_xlabel("time (s)", fontsize=LABEL, labelpad=3)
        seconds.tick_params(labelsize=SMALL)
    fig.legend(
        handles=key,
        loc="lower center",
        ncols=len(key),
        fontsize=SMALL,
        frameon=False,
        bbox_to_anchor=(0.5, 0.0),
        borderaxespad=0.2,
    )
    fig.suptitle(plain_text(title), fontsize=LABEL if lines else TITLE, y=1 - 0.1 / tall, va="top")
    return fig


def _ticks(end: float, integer: bool = False) -> np.ndarray:
    """Round numbers from 0 to `end`: there is no frame before the first or after the last."""
    ticks: Any = MaxNLocator(nbins=9, steps=[1, 2, 5, 10], integer=integer).tick_values(0, end)
    return ticks[(ticks >= 0) & (ticks <= end * (1 + 1e-9))]


def draw_attention(ax: Any, attention: np.ndarray, marks: np.ndarray) -> None:
    """Plots frame attention into axes, relative to its mean over the clip.

    The axis starts at 0 and reaches at least 2, so that nearly equal attention looks like that.

    Args:
        ax: The axes.
        attention: One curve (T,), or one per coordinate (T, 3), plotted with their mean.
        marks: Frames to mark with a dot.
    """
    attention = relative_attention(attention)
    frames = np.arange(len(attention))
    ax.axhline(1, color="0.6", linewidth=0.8, linestyle="--", zorder=1)
    mean = attention if attention.ndim == 1 else attention.mean(axis=1)
    if attention.ndim == 2:
        styles = zip(AXES, ("#56B4E9", "#CC79A7", "#009E73"), ("-", "--", ":"), strict=True)
        for i, (name, colour, style) in enumerate(styles):
            ax.plot(frames, attention[:, i], style, color=colour, linewidth=1.2, label=name)
    ax.plot(frames, mean, color="black", linewidth=1.8, label="mean", zorder=3)
    ax.plot(frames[marks], mean[marks], "o", color="black", markersize=4, zorder=4)
    if attention.ndim == 2:
        ax.legend(fontsize=SMALL, frameon=False, ncols=4, loc="best")
    ax.set_ylabel(f"attention to frames\n{EVERY_FRAME}", fontsize=SMALL)
    ax.set_ylim(0, max(2.0, 1.08 * float(attention.max())))


def strip_figure(
    clip: ArrayLike,
    skeleton: str | Skeleton,
    title: str,
    poses: int | None = None,
    fps: float | None = None,
    interval: tuple[float, float] | None = None,
    side: int = 0,
    up: int = 1,
    unit: str = "m",
) -> Figure:
    """Draws a clip as a strip of poses, each above its frame, all to the same scale.

    Horizontally, every pose is centered on the roots of its bodies; heights are as stored.

    Args:
        clip: (T, M, V, 3); absent bodies are zero and are not drawn.
        skeleton: The joint layout, or its name.
        title: Title; name the dataset, class and, if any, model.
        poses: Number of poses, evenly spaced over the clip; by default 6 to 12, depending on their
            width.
        fps: Frames per second; adds an axis in seconds.
        interval: First and last frame (inclusive) of the labeled action, to be shaded.
        side: Coordinate drawn to the right: 0, 1 or 2 for x, y, z.
        up: Coordinate drawn upward.
        unit: Unit of the coordinates, for the label; empty for none.

    Raises:
        ValueError: The clip does not fit the skeleton, or shows no body.

    Example:
        >>> from keras_skeleton.datasets.synthetic.dataset import make_clips
        >>> from keras_skeleton.viz.strips import strip_figure
        >>> clip = next(make_clips())
        >>> figure = strip_figure(clip.joints, "kinect_v2", "synthetic: wave", fps=30)
        >>> figure.axes[0].get_xlabel()
        'frame'
    """
    return _strip(
        clip,
        skeleton,
        title=title,
        attention=None,
        poses=poses,
        fps=fps,
        interval=interval,
        side=side,
        up=up,
        unit=unit,
    )


def attention_strip_figure(
    clip: ArrayLike,
    skeleton: str | Skeleton,
    attention: ArrayLike | None,
    title: str,
    poses: int | None = None,
    fps: float | None = None,
    interval: tuple[float, float] | None = None,
    side: int = 0,
    up: int = 1,
    unit: str = "m",
    shares: ArrayLike | None = None,
    top: float | None = None,
) -> Figure:
    """Plots frame attention above the strip of the clip's poses, on the same frame axis.

    It is drawn relative to its mean over the clip: at 1, every frame gets the same.

    Args:
        attention: (T,), or (T, 3) with one value per coordinate, not negative: three curves and
            their mean. Use `attention_on_frames` to resample attention of another length. None for
            a network without frame attention.
        clip, skeleton, title, poses, fps, interval, side, up, unit: As for `strip_figure`.
        shares: Joint attention relative to equal attention (T, M, V), as `AttendedClip.shares`:
            dots on the joints, larger and brighter for more.
        top: Upper end of the color scale of `shares`; their maximum by default.

    Raises:
        ValueError: As for `strip_figure`, or attention of another length or not finite.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.datasets.synthetic.dataset import make_clips
        >>> from keras_skeleton.viz.strips import attention_strip_figure
        >>> clip = next(make_clips()).joints
        >>> attention = np.linspace(0, 1, len(clip))
        >>> figure = attention_strip_figure(clip, "kinect_v2", attention, "synthetic: wave")
        >>> sorted(axes.get_label() for axes in figure.axes)
        ['attention', 'strip']
    """
    joints = None if shares is None else np.asarray(shares, np.float64)
    if joints is not None and joints.shape != np.shape(clip)[:3]:
        raise ValueError(f"shares have shape {joints.shape}, expected {np.shape(clip)[:3]}")
    if attention is None:
        return _strip(
            clip,
            skeleton,
            title=title,
            attention=None,
            poses=poses,
            fps=fps,
            interval=interval,
            side=side,
            up=up,
            unit=unit,
            shares=joints,
            top=top,
        )
    values = np.asarray(attention, np.float64)
    T = len(np.asarray(clip))
    if values.shape not in ((T,), (T, 3)):
        raise ValueError(
            f"attention has shape {values.shape}, expected ({T},) or ({T}, 3) for a clip of {T} "
            "frames; use attention_on_frames to resample it"
        )
    if not np.isfinite(values).all():
        raise ValueError("attention holds NaN or infinity")
    return _strip(
        clip,
        skeleton,
        title=title,
        attention=values,
        poses=poses,
        fps=fps,
        interval=interval,
        side=side,
        up=up,
        unit=unit,
        shares=joints,
        top=top,
    )
