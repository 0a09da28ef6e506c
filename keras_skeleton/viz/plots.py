"""Figures: confusion matrices, learning curves, skeletons, attention over frames.

Every function returns a `matplotlib.figure.Figure` made without pyplot: no
display, no global state, nothing to close. `save_figure` writes it.

Coordinates are drawn as stored: `side` (x by default) to the right, `up` (y by
default) upwards; the third axis is the depth that a picture does not show. In
Kinect coordinates this is a mirror's view: the left hand of a subject who faces
the sensor is drawn on the left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize, PowerNorm, to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import ArrayLike

from keras_skeleton.skeletons import Skeleton, get_skeleton
from keras_skeleton.utils.files import write_atomic

# Okabe and Ito's palette: eight colours that all common kinds of colour vision tell apart.
COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442",
)  # fmt: skip
SIDES = {"left": "#0072B2", "right": "#D55E00", "trunk": "#3A3A3A"}
TITLE, LABEL, SMALL = 12, 10, 9  # points; figures are 9 to 10 inches wide
WIDTH = 9.0  # inches
AXES = "xyz"


def _plain(text: object) -> str:
    """Text that matplotlib draws as it is: names may hold dollar signs, which mean formulas."""
    return str(text).replace("$", r"\$")


def save_figure(fig: Figure, path: str | Path, dpi: int = 150) -> Path:
    """Writes a figure, whole or not at all; the same figure always gives the same bytes.

    Args:
        fig: The figure.
        path: Where to; the ending (`.png`, `.svg`, `.pdf`) says the format.
        dpi: Pixels an inch.

    Returns:
        The path.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = path.suffix.lstrip(".").lower() or "png"
    # Version and date would differ between machines and days.
    metadata = {
        "png": {"Software": None},
        "svg": {"Date": None, "Creator": None},
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    }.get(kind)
    write_atomic(path, lambda part: fig.savefig(part, dpi=dpi, format=kind, metadata=metadata))
    return path


# Confusion matrix


def confusion_figure(matrix: ArrayLike, classes: Sequence[str], title: str) -> Figure:
    """A confusion matrix: the colour is the share of a true class's clips.

    Up to 20 classes every cell that is not empty shows its count. Above 30 the columns are
    numbered instead of named; the rows show number and name. A class without clips is grey.

    Args:
        matrix: Counts (C, C), rows are true classes.
        classes: C names.
        title: Says dataset, protocol and model.

    Raises:
        ValueError: A matrix that is not (C, C), or names that are not C many.
    """
    counts = np.asarray(matrix)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not len(counts):
        raise ValueError(f"confusion matrix has shape {counts.shape}, expected (C, C)")
    if len(classes) != len(counts):
        raise ValueError(f"{len(classes)} class names for {len(counts)} classes")
    C = len(counts)
    clips = counts.sum(axis=1, keepdims=True)
    share = np.full(counts.shape, np.nan)
    np.divide(counts, clips, out=share, where=clips > 0)

    numbered = C > 30
    most = 28 if numbered else 32
    names = [name if len(name) <= most else name[: most - 1] + "…" for name in map(str, classes)]
    rows = [f"{name}  {i}" for i, name in enumerate(names, 1)] if numbered else names
    columns = [str(i) for i in range(1, C + 1)] if numbered else names

    font = SMALL if C <= 20 else 8
    # An inch is 72 points: a row must be a little higher than its label.
    cells = min(max(C * font * (3.0 if C <= 12 else 2.0 if C <= 20 else 1.12) / 72, 3.5), 16)
    longest = max(map(len, rows)) * font * 0.6 / 72
    below = max(map(len, columns)) * font * 0.6 / 72
    fig = Figure(figsize=(cells + longest + 1.6, cells + below + 1.1), layout="compressed")
    ax = fig.add_subplot()
    ax.set_facecolor("#D9D9D9")
    # On a linear scale one clip of a hundred would look like none.
    image = ax.imshow(np.ma.masked_invalid(share), cmap="cividis", norm=PowerNorm(0.5, 0, 1))
    ax.set_xticks(range(C), [_plain(name) for name in columns], rotation=90, fontsize=font)
    ax.set_yticks(range(C), [_plain(name) for name in rows], fontsize=font)
    ax.tick_params(length=2)
    ax.set_xlabel("predicted class" + (" (number)" if numbered else ""), fontsize=LABEL)
    ax.set_ylabel("true class", fontsize=LABEL)
    ax.set_title(_plain(title), fontsize=TITLE, wrap=True)
    bar = fig.colorbar(image, ax=ax, shrink=0.8, pad=0.02, format=PercentFormatter(1.0, 0))
    bar.set_ticks([0, 0.05, 0.2, 0.4, 0.6, 0.8, 1])
    bar.set_label("share of the true class's clips", fontsize=LABEL)
    bar.ax.tick_params(labelsize=SMALL)
    if C <= 20:
        for row, column in zip(*np.nonzero(counts), strict=True):
            light = share[row, column] < 0.3
            ax.text(
                column, row, f"{counts[row, column]}", ha="center", va="center", fontsize=font,
                color="white" if light else "black",
            )  # fmt: skip
    return fig


def confusion_pair_figure(
    matrices: Mapping[str, ArrayLike], classes: int | None = None, title: str = ""
) -> Figure:
    """Confusion matrices of two settings side by side, classes numbered (CSTA-CNN, Fig. 3).

    Args:
        matrices: Counts (C, C) by what their panel is called; rows are true classes.
        classes: C, checked where given.
        title: Above both.

    Raises:
        ValueError: A matrix that is not (C, C), or matrices of different sizes.
    """
    counts = {name: np.asarray(matrix, np.float64) for name, matrix in matrices.items()}
    C = classes or len(next(iter(counts.values())))
    if any(matrix.shape != (C, C) for matrix in counts.values()):
        shapes = {name: matrix.shape for name, matrix in counts.items()}
        raise ValueError(f"confusion matrices have shapes {shapes}, expected ({C}, {C})")
    fig = Figure(figsize=(WIDTH, WIDTH / len(counts) + 0.5), layout="constrained")
    axes = fig.subplots(1, len(counts), squeeze=False)[0]
    step = max(1, C // 10)
    ticks = [*range(0, C, step)]
    for ax, (name, matrix) in zip(axes, counts.items(), strict=True):
        clips = matrix.sum(axis=1, keepdims=True)
        share = np.full(matrix.shape, np.nan)
        np.divide(matrix, clips, out=share, where=clips > 0)
        ax.set_facecolor("#D9D9D9")
        image = ax.imshow(np.ma.masked_invalid(share), cmap="cividis", norm=PowerNorm(0.5, 0, 1))
        ax.set_xticks(ticks, [str(i + 1) for i in ticks], fontsize=SMALL)
        ax.set_yticks(ticks, [str(i + 1) for i in ticks], fontsize=SMALL)
        ax.set_xlabel("predicted class", fontsize=LABEL)
        ax.set_title(_plain(name), fontsize=TITLE)
    axes[0].set_ylabel("true class", fontsize=LABEL)
    bar = fig.colorbar(image, ax=axes, shrink=0.8, pad=0.01, format=PercentFormatter(1.0, 0))
    bar.set_ticks([0, 0.05, 0.2, 0.4, 0.6, 0.8, 1])
    bar.set_label("share of the true class's clips", fontsize=LABEL)
    bar.ax.tick_params(labelsize=SMALL)
    if title:
        fig.suptitle(_plain(title), fontsize=TITLE)
    return fig


# Learning curves


def _error(history: pd.DataFrame, column: str) -> pd.Series:
    """Percent wrong by epoch, without the epochs that were not measured."""
    if column not in history:
        return pd.Series(dtype=float)
    error = 100 * (1 - history.set_index("epoch")[column].astype(float)).dropna()
    return error.groupby(level=0).last()  # a resumed training may have written an epoch twice


def _draw_folds(
    ax: Any, folds: Sequence[pd.DataFrame], column: str, colour: str, label: str | None, style: str
) -> bool:
    """Mean line over folds and the band from the best to the worst; False if never measured."""
    errors = pd.concat([_error(history, column) for history in folds], axis=1).sort_index()
    errors = errors.dropna(axis=1, how="all")
    if errors.empty:
        return False
    epochs = errors.index.to_numpy()
    marker = "o" if len(epochs) == 1 else None  # a single epoch makes no line
    ax.plot(
        epochs, errors.mean(axis=1), style, color=colour, linewidth=1.8 if style == "-" else 1.2,
        marker=marker, label=label,
    )  # fmt: skip
    if errors.shape[1] > 1 and style == "-":
        low, high = errors.min(axis=1), errors.max(axis=1)
        ax.fill_between(epochs, low, high, color=colour, alpha=0.15, linewidth=0)
    return True


def _highest(ax: Any) -> float:
    """The largest value that a line or a band reaches; at least 1."""
    lines = [np.max(line.get_ydata()) for line in ax.lines if len(line.get_ydata())]
    bands = [band.get_datalim(ax.transData).y1 for band in ax.collections]
    return float(max([1.0, *lines, *bands]))


def curves_figure(
    histories: Mapping[str, pd.DataFrame | Sequence[pd.DataFrame]],
    title: str,
    selected: Mapping[str, int | Sequence[int]] | None = None,
) -> Figure:
    """Training and testing error over epochs, as in Fig. 3 of the MANs paper (Li et al., 2018).

    Panel (a) shows the training error, panel (b) the testing error as a solid line and the
    validation error as a dashed one, all in percent.

    Args:
        histories: One line a name. A table has the columns `epoch` and `accuracy` (a fraction of
            the training clips), and `test_accuracy` and `val_accuracy` where they were measured.
            A list of tables is the folds of one experiment: the line is their mean, the band
            reaches from the best to the worst of them.
        title: Says dataset, protocol and model.
        selected: The epoch whose checkpoint was kept, by the same names (one a fold for lists);
            a dot marks each one's testing error.

    Raises:
        ValueError: No histories, or a table without `epoch` or `accuracy`.
    """
    if not histories:
        raise ValueError("there are no histories to draw")
    fig = Figure(figsize=(WIDTH, 3.9), layout="constrained")
    left, right = fig.subplots(1, 2, sharex=True)
    last = 1
    several = dashed = dotted = tested = False
    for i, (name, tables) in enumerate(histories.items()):
        folds = [tables] if isinstance(tables, pd.DataFrame) else list(tables)
        for history in folds:
            if missing := {"epoch", "accuracy"} - set(history.columns):
                raise ValueError(f"history of '{name}' lacks the columns {sorted(missing)}")
            last = max(last, int(history["epoch"].max()))
        colour = COLOURS[i % len(COLOURS)]
        several |= len(folds) > 1
        _draw_folds(left, folds, "accuracy", colour, _plain(name), "-")
        measured = _draw_folds(right, folds, "test_accuracy", colour, None, "-")
        tested |= measured
        dashed |= _draw_folds(right, folds, "val_accuracy", colour, None, "--")
        epochs = (selected or {}).get(name)
        if epochs is None:
            continue
        column = "test_accuracy" if measured else "val_accuracy"
        chosen = [epochs] if isinstance(epochs, (int, np.integer)) else list(epochs)
        if len(chosen) != len(folds):
            raise ValueError(f"'{name}': {len(chosen)} selected epochs for {len(folds)} histories")
        for epoch, history in zip(chosen, folds, strict=True):
            error = _error(history, column)
            if epoch in error.index:
                dotted = True
                right.plot(
                    epoch, error.loc[epoch], "o", color=colour, markersize=5,
                    markeredgecolor="white", markeredgewidth=0.8, zorder=3,
                )  # fmt: skip
    what = "validation" if dashed and not tested else "testing"
    for ax, panel, part in ((left, "a", "training"), (right, "b", what)):
        ax.set_title(f"({panel}) {part} error", fontsize=LABEL)
        ax.set_ylabel(f"{part} error (%)", fontsize=LABEL)
        ax.set_xlabel("epoch", fontsize=LABEL)
        ax.set_xlim(0, 1.02 * last + (last == 1))
        ax.set_ylim(0, 1.06 * _highest(ax))
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        ax.tick_params(labelsize=SMALL)
        ax.grid(alpha=0.3)
        ax.spines[["top", "right"]].set_visible(False)
    if not (tested or dashed):
        right.text(0.5, 0.5, "not measured", ha="center", transform=right.transAxes, fontsize=LABEL)
    left.legend(fontsize=SMALL, frameon=False)
    key: list[Any] = []
    if tested:
        key.append(Line2D([], [], color="0.3", linewidth=1.8, label="testing"))
    if dashed:
        key.append(Line2D([], [], color="0.3", linewidth=1.2, linestyle="--", label="validation"))
    if several:
        key.append(Patch(color="0.3", alpha=0.2, linewidth=0, label="best to worst fold"))
    if dotted:
        name = "selected on validation"
        key.append(Line2D([], [], color="0.3", marker="o", linestyle="", markersize=5, label=name))
    if key:
        right.legend(handles=key, fontsize=SMALL, frameon=False)
    fig.suptitle(_plain(title), fontsize=TITLE)
    return fig


# Skeletons


def _check_clip(clip: ArrayLike, skeleton: str | Skeleton) -> tuple[np.ndarray, Skeleton]:
    layout = get_skeleton(skeleton)
    array = np.asarray(clip, np.float64)
    if array.ndim != 4 or array.shape[2:] != (layout.size, 3) or not array.shape[0]:
        raise ValueError(f"clip has shape {array.shape}, expected (T, M, {layout.size}, 3)")
    return array, layout


def _present(clip: np.ndarray) -> np.ndarray:
    """Boolean (..., M): bodies that are there. An absent body is zero everywhere, or NaN."""
    return np.isfinite(clip).all(axis=(-2, -1)) & (clip != 0).any(axis=(-2, -1))


def side_of(joint: str) -> str:
    side = joint.split("_", 1)[0]
    return side if side in ("left", "right") else "trunk"


def _draw_body(ax: Any, points: np.ndarray, layout: Skeleton, width: float, alpha: float) -> None:
    """One body's bones from points (V, 2), coloured by side, and a dot for the head."""
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


def _body_key(bodies: int, width: float) -> list[Any]:
    """Legend entries for the colours."""
    names = {"left": "left limbs", "right": "right limbs", "trunk": "trunk and head"}
    key: list[Any] = [
        Line2D([], [], color=SIDES[s], linewidth=width, label=n) for s, n in names.items()
    ]
    if bodies > 1:
        name = "second body (paler)" if bodies == 2 else "other bodies (paler)"
        key.append(Line2D([], [], color="0.3", alpha=0.5, linewidth=width, label=name))
    return key


def _alpha(body: int) -> float:
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
    """Draws one frame into matplotlib axes, at its own coordinates, with equal axes.

    Args:
        ax: The axes.
        pose: (M, V, 3); absent bodies (all zero) are left out, the second one is paler.
        skeleton: The joint layout, or its name.
        side: Coordinate drawn to the right: 0, 1 or 2 for x, y, z. Give 2 for a view from the side.
        up: Coordinate drawn upwards.
        unit: Unit of the coordinates, for the labels; empty for none.
        width: Line width in points.

    Raises:
        ValueError: A pose that is not (M, V, 3) of this skeleton, or `side` equal to `up`.
    """
    array = np.asarray(pose, np.float64)
    if array.ndim != 3:
        raise ValueError(f"pose has shape {array.shape}, expected (M, V, 3)")
    clip, layout = _check_clip(array[None], skeleton)
    _check_view(side, up)
    for body in np.flatnonzero(_present(clip[0])):
        _draw_body(ax, clip[0, body][:, [side, up]], layout, width, _alpha(int(body)))
    ax.autoscale_view()
    ax.set_aspect("equal", adjustable="datalim")
    ax.set_xlabel(_axis_label(side, unit), fontsize=LABEL)
    ax.set_ylabel(_axis_label(up, unit), fontsize=LABEL)
    ax.tick_params(labelsize=SMALL)


def _check_view(side: int, up: int) -> None:
    if side not in (0, 1, 2) or up not in (0, 1, 2) or side == up:
        raise ValueError(f"side={side} and up={up}: expected two different ones of 0, 1, 2")


def _axis_label(axis: int, unit: str) -> str:
    return f"{AXES[axis]} ({unit})" if unit else AXES[axis]


def _choose_frames(frames: int, poses: int | None, fitting: float) -> np.ndarray:
    """The frames to draw: `poses` of them, or by default the 6 to 12 that fit."""
    if poses == 1:
        return np.array([frames // 2])
    if poses is not None:
        places = np.linspace(0, frames - 1, max(1, min(poses, frames)))
        return np.unique(np.round(places).astype(int))
    if frames <= 12:
        return np.arange(frames)
    count = int(np.clip(fitting, 6, 12))
    if frames < 4 * count:  # rounding would leave gaps that the eye takes for missing poses
        step = (frames - 1) // (count - 1)
        step += (frames - 1) // step >= 12
        return np.arange(0, frames, step)
    return np.round(np.linspace(0, frames - 1, count)).astype(int)


LEFT, RIGHT = 0.85, 0.2  # inches beside the strip
SCALE = 0.75  # inches that a colour scale takes


class _Strip:
    """Where the poses of a clip go: each over its frame, all in one scale in both directions.

    The horizontal axis counts frames and the vertical one is in the clip's unit, so equal scale
    is a matter of inches.

    Attributes:
        frames: The frames whose poses are drawn.
        points: (T, M, V, 2), sideways from the pose's own centre and upwards, in the clip's unit.
        present: Boolean (T, M), bodies that are there.
        bodies: 1 + the last body that is ever there.
        limits: First and last value of the frame axis.
        low, high: Lowest and highest value of the vertical axis.
        height: Inches that the vertical axis needs.
        stretch: Frames that are as long on paper as one unit is high.
        inches: Width of the frame axis.
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
        self.present = _present(clip)
        seen: np.ndarray = np.any(self.present, axis=1)
        if not seen.any():
            raise ValueError("no body is seen in the clip: every one is zero or NaN throughout")
        self.bodies = 1 + int(np.flatnonzero(self.present.any(axis=0))[-1])

        # A walk stays over its frame: sideways, every pose is centred on its bodies' roots.
        roots = np.where(self.present, clip[:, :, layout.root, side], 0).sum(axis=1)
        centre = roots / np.maximum(self.present.sum(axis=1), 1)
        self.points = clip[..., [side, up]].copy()
        self.points[..., 0] -= centre[:, None, None]

        T = len(clip)
        wide, low, high = self._extent(np.flatnonzero(seen))
        self.frames = _choose_frames(T, poses, inches * (high - low) / (1.4 * wide))
        drawn = self.frames[seen[self.frames]]
        wide, low, high = self._extent(drawn if len(drawn) else np.flatnonzero(seen))

        # The widest pose fills nine tenths of the room between two of them.
        room = inches / len(self.frames)
        inches_per_unit = min(0.9 * room / wide, 2.4 / (high - low))
        margin = room / 2 * (T - 1) / (inches - room) if len(self.frames) > 1 else T / 2
        self.limits = (-margin, T - 1 + margin)
        self.stretch = inches_per_unit * (self.limits[1] - self.limits[0]) / inches
        self.low, self.high = low - 0.04 * (high - low), high + 0.04 * (high - low)
        self.height = inches_per_unit * (self.high - self.low)

    def _extent(self, frames: np.ndarray) -> tuple[float, float, float]:
        """Width around the centre, lowest and highest value of the bodies in these frames."""
        points = self.points[frames][self.present[frames]]
        low, high = points[..., 1].min(), points[..., 1].max()
        high = max(high, low + 1e-6)
        wide = 2 * np.abs(points[..., 0]).max()
        return float(max(wide, (high - low) / 4)), float(low), float(high)

    def draw(
        self, ax: Any, shares: np.ndarray | None = None, norm: Normalize | None = None
    ) -> None:
        """Draws the poses into axes that have the strip's limits and height; with `shares`
        (T, M, V) a dot on every joint, larger and darker for more."""
        for t in self.frames:
            for body in np.flatnonzero(self.present[t]):
                points = self.points[t, body] * [self.stretch, 1.0] + [t, 0.0]
                _draw_body(ax, points, self.layout, 1.6, _alpha(int(body)))
                if shares is not None and norm is not None:
                    order = np.argsort(shares[t, body])  # the largest on top
                    own = shares[t, body][order]
                    ax.scatter(
                        *points[order].T, s=4 + 70 * np.clip(norm(own), 0, 1), c=own, norm=norm,
                        cmap="cividis_r", edgecolors="white", linewidths=0.3, zorder=5,
                    )  # fmt: skip


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
    array, layout = _check_clip(clip, skeleton)
    _check_view(side, up)
    inches = WIDTH - LEFT - RIGHT - (0 if shares is None else SCALE)
    strip = _Strip(array, layout, side, up, poses, inches)
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
            ScalarMappable(norm, "cividis_r"), cax=fig.add_axes(place, label="scale"),
            extend="neither" if top is None else "max",
        )  # fmt: skip
        bar.set_label("attention to the joint", fontsize=SMALL)
        bar.ax.tick_params(labelsize=SMALL)
    ax.set_ylim(strip.low, strip.high)
    ax.set_ylabel(_axis_label(up, unit), fontsize=LABEL)
    ax.set_xlabel("frame", fontsize=LABEL)
    panels = [ax]
    key = _body_key(strip.bodies, 2.0)
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
        key.append(Patch(color="#E69F00", alpha=0.3, linewidth=0, label="labelled action"))
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
        handles=key, loc="lower center", ncols=len(key), fontsize=SMALL, frameon=False,
        bbox_to_anchor=(0.5, 0.0), borderaxespad=0.2,
    )  # fmt: skip
    fig.suptitle(_plain(title), fontsize=LABEL if lines else TITLE, y=1 - 0.1 / tall, va="top")
    return fig


def _ticks(end: float, integer: bool = False) -> np.ndarray:
    """Round numbers from 0 to `end`: there is no frame before the first or after the last."""
    ticks: Any = MaxNLocator(nbins=9, steps=[1, 2, 5, 10], integer=integer).tick_values(0, end)
    return ticks[(ticks >= 0) & (ticks <= end * (1 + 1e-9))]


def draw_attention(ax: Any, attention: np.ndarray, marks: np.ndarray) -> None:
    """Attention over frames in axes of their own.

    Args:
        ax: The axes.
        attention: The curve (T,), or one curve a coordinate (T, 3), drawn with their mean.
        marks: Frames that get a dot.
    """
    frames = np.arange(len(attention))
    mean = attention if attention.ndim == 1 else attention.mean(axis=1)
    if attention.ndim == 2:
        styles = zip(AXES, ("#56B4E9", "#CC79A7", "#009E73"), ("-", "--", ":"), strict=True)
        for i, (name, colour, style) in enumerate(styles):
            ax.plot(frames, attention[:, i], style, color=colour, linewidth=1.2, label=name)
    ax.plot(frames, mean, color="black", linewidth=1.8, label="mean", zorder=3)
    ax.plot(frames[marks], mean[marks], "o", color="black", markersize=4, zorder=4)
    if attention.ndim == 2:
        ax.legend(fontsize=SMALL, frameon=False, ncols=4, loc="best")
    ax.set_ylabel("attention", fontsize=LABEL)
    ax.margins(y=0.12)


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
    """A clip as a strip of poses, each above its frame, all in one scale.

    Sideways every pose is centred on the roots of its bodies, so a walk stays over its frame;
    heights are as stored.

    Args:
        clip: (T, M, V, 3); absent bodies are zero and are not drawn.
        skeleton: The joint layout, or its name.
        title: Says dataset, class and, if any, model.
        poses: How many, spread evenly over the clip; by default 6 to 12, as their width allows.
        fps: Frames a second: adds an axis in seconds.
        interval: First and last frame, both included, known to carry the action: shaded.
        side: Coordinate drawn to the right: 0, 1 or 2 for x, y, z.
        up: Coordinate drawn upwards.
        unit: Unit of the coordinates, for the label; empty for none.

    Raises:
        ValueError: A clip that does not fit the skeleton, or that shows no body.
    """
    return _strip(clip, skeleton, title, None, poses, fps, interval, side, up, unit)


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
    """Attention over frames, drawn above the strip of the clip's poses on the same frame axis.

    Args:
        attention: (T,), or (T, 3) with one attention a coordinate: three curves and their mean.
            See `attention_on_frames` for attention of another length than the clip. None for
            a network without.
        clip, skeleton, title, poses, fps, interval, side, up, unit: As `strip_figure`.
        shares: (T, M, V), attention to joints, not negative: a dot on each, larger and darker for
            more.
        top: Where their colours end; the largest one by default.

    Raises:
        ValueError: As `strip_figure`, or attention of another length, or not finite.
    """
    joints = None if shares is None else np.asarray(shares, np.float64)
    if joints is not None and joints.shape != np.shape(clip)[:3]:
        raise ValueError(f"shares have shape {joints.shape}, expected {np.shape(clip)[:3]}")
    if attention is None:
        return _strip(
            clip, skeleton, title, None, poses, fps, interval, side, up, unit, joints, top
        )
    values = np.asarray(attention, np.float64)
    T = len(np.asarray(clip))
    if values.shape not in ((T,), (T, 3)):
        raise ValueError(
            f"attention has shape {values.shape}, expected ({T},) or ({T}, 3) for a clip of {T} "
            "frames; attention_on_frames resamples it"
        )
    if not np.isfinite(values).all():
        raise ValueError("attention holds NaN or infinity")
    return _strip(clip, skeleton, title, values, poses, fps, interval, side, up, unit, joints, top)
