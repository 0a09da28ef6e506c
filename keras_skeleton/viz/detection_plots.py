"""Figures of action detection, as in the STA-LSTM paper (Song et al., TIP 2018, Sec. IV.C).

    curve_figure              Fig. 11: attention over a recording, with proposals and ground truth
    recall_figure             Fig. 12: average recall over the number of proposals
    precision_recall_figure   Fig. 13: precision over recall, per method and threshold
    timeline_figure           ground truth and detections of each method in a recording

Every function returns a Matplotlib `Figure`, created without pyplot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import ArrayLike

from keras_skeleton.utils.intervals import lanes
from keras_skeleton.viz.style import COLOURS, LABEL, SMALL, TITLE, WIDTH

GAP = 0.3  # between the rows of two sources
# Color and hatching together identify a class, because there are more classes than colors.
HATCHES = ("", "///", "...", "xxx", "\\\\\\", "++", "oo")


def _seconds(frames: Any, fps: float | None) -> Any:
    return np.asarray(frames, float) / fps if fps else np.asarray(frames)


def _time_label(fps: float | None) -> str:
    return "time (s)" if fps else "frame"


def _draw_spans(
    ax: Any,
    table: pd.DataFrame,
    row: float,
    styles: Mapping[int, Mapping[str, Any]],
    fps: float | None,
) -> int:
    """Draws intervals from a row on, overlapping ones in rows of their own; the number of rows."""
    lane = lanes(table["start"].tolist(), table["end"].tolist())
    for span, own in zip(table.itertuples(), lane.tolist(), strict=True):
        start, end = _seconds([span.start, span.end], fps)
        ax.barh(
            row + own,
            end - start,
            0.8,
            left=start,
            edgecolor="black",
            linewidth=0.5,
            **styles[int(span.label)],
        )
    return int(lane.max(initial=0)) + 1


def _styles(labels: Sequence[int]) -> dict[int, dict[str, Any]]:
    n = len(COLOURS) - 2  # without yellow, and without black, which hides the hatching
    colours = [c for c in COLOURS if c not in ("#000000", "#F0E442")]
    return {
        label: {"facecolor": colours[k % n], "hatch": HATCHES[k // n % len(HATCHES)]}
        for k, label in enumerate(labels)
    }


def timeline_figure(
    rows: Mapping[str, pd.DataFrame],
    frames: float,
    classes: Sequence[str],
    title: str,
    fps: float | None = None,
) -> Figure:
    """Plots the intervals of a recording, one row per source (ground truth, methods).

    Where intervals of a source overlap, the source takes several rows.

    Args:
        rows: Row name to a table with the columns `label`, `start` and `end` (frames).
        frames: T of the recording.
        classes: Class names by label.
        title: Title; name the dataset, recording and weights.
        fps: Frames per second; without it the time axis counts frames.

    Example:
        >>> import pandas as pd
        >>> from keras_skeleton.viz.detection_plots import timeline_figure
        >>> truth = pd.DataFrame({"label": [0, 1], "start": [10, 120], "end": [60, 180]})
        >>> figure = timeline_figure({"annotated": truth}, 240, ["wave", "sit"], "A03", fps=30)
        >>> figure.axes[0].get_xlabel()
        'time (s)'
    """
    labels = sorted({int(label) for table in rows.values() for label in table["label"]})
    styles = _styles(labels)
    columns = 5
    legend = -(-len(labels) // columns)
    fig = Figure(layout="compressed")
    ax = fig.subplots()
    middles, row = [], 0.0
    for k, table in enumerate(rows.values()):
        if k:
            ax.axhline(row - 0.5 + GAP / 2, color="#BBBBBB", lw=0.6)
            row += GAP
        count = _draw_spans(ax, table, row, styles, fps)
        middles.append(row + (count - 1) / 2)
        row += count
    fig.set_size_inches(WIDTH, 0.9 + 0.3 * row + 0.26 * legend + 0.25 * title.count("\n"))
    ax.set_yticks(middles, list(rows), fontsize=SMALL)
    ax.set_ylim(row - 0.5, -0.5)
    ax.set_xlim(0, _seconds(frames, fps))
    ax.set_xlabel(_time_label(fps), fontsize=LABEL)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.tick_params(axis="y", length=0)
    if labels:
        keys = [Patch(label=classes[k], edgecolor="black", lw=0.5, **styles[k]) for k in labels]
        fig.legend(
            handles=keys,
            loc="outside lower center",
            ncols=min(columns, len(keys)),
            fontsize=SMALL,
            frameon=False,
        )
    fig.suptitle(title, fontsize=TITLE)
    return fig


def curve_figure(
    curves: Mapping[str, ArrayLike],
    proposals: Mapping[str, pd.DataFrame],
    truth: pd.DataFrame,
    thresholds: Mapping[str, float],
    title: str,
    fps: float | None = None,
) -> Figure:
    """Plots attention over a recording, one panel per network, with proposals and ground truth.

    Args:
        curves: Network name to its smoothed attention curve (T,).
        proposals: Network name to its proposals, with the columns `start` and `end` (frames).
        truth: Ground truth, with the columns `start` and `end` (frames).
        thresholds: Network name to its threshold epsilon, in units of the curve.
        title: Title; name the dataset, recording and weights.
        fps: Frames per second; without it the time axis counts frames.
    """
    fig = Figure(figsize=(WIDTH, 0.8 + 1.7 * len(curves)), layout="compressed")
    axes = fig.subplots(len(curves), 1, squeeze=False, sharex=True)[:, 0]
    for ax, (name, curve) in zip(axes, curves.items(), strict=True):
        values = np.asarray(curve, float)
        time = _seconds(np.arange(len(values)), fps)
        level = thresholds[name]
        top = max(float(values.max(initial=0)), level, 1e-6)
        for span in truth.itertuples():
            ax.axvspan(*_seconds([span.start, span.end], fps), color="#DDDDDD", lw=0)
        ax.plot(time, values, color=COLOURS[0], lw=1.2)
        ax.axhline(level, color="black", lw=1, ls=(0, (5, 3)), zorder=3)
        ax.annotate(
            f"{level:.2g}",
            (1, level),
            (4, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            fontsize=SMALL,
        )
        for span in proposals[name].itertuples():
            ax.plot(
                _seconds([span.start, span.end], fps),
                [1.12 * top] * 2,
                color=COLOURS[1],
                lw=4,
                solid_capstyle="butt",
            )
        ax.set_ylim(-0.08 * top, 1.22 * top)  # a threshold of 0 is not hidden by the frame
        ax.set_xlim(0, time[-1] if len(time) else 1)
        ax.set_ylabel(f"{name}\nattention", fontsize=LABEL)
    axes[-1].set_xlabel(_time_label(fps), fontsize=LABEL)
    keys = [
        Patch(color="#DDDDDD", label="annotated action"),
        Patch(color=COLOURS[1], label="proposal"),
        axes[0].get_lines()[0],
        axes[0].get_lines()[1],
    ]
    labels = ["annotated action", "proposal", "smoothed attention", "threshold"]
    fig.legend(keys, labels, loc="outside lower center", ncols=4, fontsize=SMALL, frameon=False)
    fig.suptitle(title, fontsize=TITLE)
    return fig


def recall_figure(
    panels: Mapping[str, Mapping[str, pd.DataFrame]], title: str, xlabel: str
) -> Figure:
    """Plots average recall over the number of proposals.

    Args:
        panels: Varied parameter (for example epsilon) to curves by its value, with the columns
            `number` and `recall`.
        title: Title; name the dataset, network and weights.
        xlabel: Label of the horizontal axis.
    """
    fig = Figure(figsize=(WIDTH, 3.4), layout="compressed")
    axes = fig.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for ax, (name, curves) in zip(axes, panels.items(), strict=True):
        for (value, curve), colour in zip(curves.items(), COLOURS, strict=False):
            ax.plot(curve["number"], curve["recall"], color=colour, lw=1.5, label=value)
        ax.set_title(name, fontsize=LABEL)
        ax.set_xlim(left=0)
        ax.set_ylim(0, 1)
        ax.legend(fontsize=SMALL, frameon=False, loc="upper left")
        ax.set_xlabel(xlabel, fontsize=LABEL)
    axes[0].set_ylabel("average recall", fontsize=LABEL)
    fig.suptitle(title, fontsize=TITLE)
    return fig


def precision_recall_figure(
    panels: Mapping[str, Mapping[float, pd.DataFrame]], title: str
) -> Figure:
    """Plots precision over recall, one panel per method and one line per threshold.

    Args:
        panels: Method name to curves by IoU threshold, with the columns `recall` and `precision`.
        title: Title; name the dataset, protocol and weights.
    """
    columns = min(len(panels), 4)
    rows = -(-len(panels) // columns)
    fig = Figure(figsize=(WIDTH, 0.9 + 2.3 * rows), layout="compressed")
    axes = fig.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for ax in axes.ravel()[len(panels) :]:
        ax.set_axis_off()
    keys: dict[str, Any] = {}
    for k, (name, curves) in enumerate(panels.items()):
        ax = axes.ravel()[k]
        for (theta, curve), colour in zip(curves.items(), COLOURS, strict=False):
            (line,) = ax.plot(curve["recall"], curve["precision"], color=colour, lw=1.3)
            keys[f"IoU threshold {theta:g}"] = line
        ax.set_title(name, fontsize=LABEL)
        ax.set_xlim(0, 1)
        ax.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        ax.set_ylim(0, 1.02)
        if k % columns == 0:
            ax.set_ylabel("precision", fontsize=LABEL)
        if k + columns >= len(panels):
            ax.set_xlabel("recall", fontsize=LABEL)
            ax.tick_params(labelbottom=True)
    fig.legend(
        list(keys.values()),
        list(keys),
        loc="outside lower center",
        ncols=len(keys),
        fontsize=SMALL,
        frameon=False,
    )
    fig.suptitle(title, fontsize=TITLE)
    return fig
