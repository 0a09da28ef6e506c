"""Figures of action detection, as in the STA-LSTM paper (Song et al., TIP 2018, Sec. IV.C).

    curve_figure              Fig. 11: attention over a recording, proposals and what is annotated
    recall_figure             Fig. 12: average recall over the number of proposals
    precision_recall_figure   Fig. 13: precision over recall, a panel a method, a line a threshold
    timeline_figure           what is annotated in a recording and what each method detects

As in `plots`, every function returns a matplotlib Figure made without pyplot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import ArrayLike

from keras_skeleton.viz.style import COLOURS, LABEL, SMALL, TITLE, WIDTH

# A class is told by colour and hatching together: eight colours are not enough for all classes.
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
    height: float = 0.8,
) -> None:
    lengths = table["end"] - table["start"]
    for span in table.iloc[np.argsort(-lengths.to_numpy(), kind="stable")].itertuples():
        start, end = _seconds([span.start, span.end], fps)  # short ones over long ones
        ax.barh(
            row,
            end - start,
            height,
            left=start,
            edgecolor="black",
            linewidth=0.5,
            **styles[int(span.label)],
        )


def _styles(labels: Sequence[int]) -> dict[int, dict[str, Any]]:
    n = len(COLOURS) - 2  # not black, whose hatching cannot be seen, nor yellow
    colours = [c for c in COLOURS if c not in ("#000000", "#F0E442")]
    return {
        label: {"facecolor": colours[k % n], "hatch": HATCHES[k // n % len(HATCHES)]}
        for k, label in enumerate(labels)
    }


def timeline_figure(
    rows: Mapping[str, pd.DataFrame],
    frames: int,
    classes: Sequence[str],
    title: str,
    fps: float | None = None,
) -> Figure:
    """A recording's intervals, one line for each source (the annotation first, say).

    Args:
        rows: Name of a line to its table: `label`, `start`, `end`.
        frames: T of the recording.
        classes: Names by label.
        title: Says dataset, recording and weights.
        fps: Frames a second; without, time is drawn in frames.
    """
    labels = sorted({int(label) for table in rows.values() for label in table["label"]})
    styles = _styles(labels)
    columns = 5
    legend = -(-len(labels) // columns)
    fig = Figure(figsize=(WIDTH, 0.9 + 0.36 * len(rows) + 0.26 * legend), layout="compressed")
    ax = fig.subplots()
    for k, table in enumerate(rows.values()):
        _draw_spans(ax, table, k, styles, fps)
    ax.set_yticks(range(len(rows)), list(rows), fontsize=SMALL)
    ax.set_ylim(len(rows) - 0.5, -0.5)
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
    """Attention over a recording, a panel a network, with its proposals and the annotation.

    Args:
        curves: Name of a network to its smoothed curve (T,).
        proposals: Name to its proposals, `start`, `end`.
        truth: What is annotated, `start`, `end`.
        thresholds: Name to epsilon, in units of the curve.
        title: Says dataset, recording and weights.
        fps: Frames a second; without, time is drawn in frames.
    """
    fig = Figure(figsize=(WIDTH, 0.8 + 1.7 * len(curves)), layout="compressed")
    axes = fig.subplots(len(curves), 1, squeeze=False, sharex=True)[:, 0]
    for ax, (name, curve) in zip(axes, curves.items(), strict=True):
        values = np.asarray(curve, float)
        time = _seconds(np.arange(len(values)), fps)
        top = max(float(values.max(initial=0)), 1e-6)
        for span in truth.itertuples():
            ax.axvspan(*_seconds([span.start, span.end], fps), color="#DDDDDD", lw=0)
        ax.plot(time, values, color=COLOURS[0], lw=1.2)
        ax.axhline(thresholds[name], color="black", lw=0.8, ls="--")
        for span in proposals[name].itertuples():
            ax.plot(
                _seconds([span.start, span.end], fps),
                [1.12 * top] * 2,
                color=COLOURS[1],
                lw=4,
                solid_capstyle="butt",
            )
        ax.set_ylim(0, 1.22 * top)
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
    """Average recall over the number of proposals.

    Args:
        panels: What varies (epsilon, say) to its values' curves: `number` and `recall`.
        title: Says dataset, network and weights.
        xlabel: What the number counts.
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
    """Precision over recall, a panel a method, a line a threshold.

    Args:
        panels: Name of a method to the curves by least overlap: `recall` and `precision`.
        title: Says dataset, protocol and weights.
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
            keys[f"overlap {theta:g}"] = line
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
