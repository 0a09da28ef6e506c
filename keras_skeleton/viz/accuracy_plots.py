"""Confusion matrices and learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import ArrayLike

from keras_skeleton.viz.style import COLOURS, LABEL, SMALL, TITLE, WIDTH, plain_text

MOST_LABELS = 200  # each takes Matplotlib milliseconds


def confusion_figure(matrix: ArrayLike, classes: Sequence[str], title: str) -> Figure:
    """Plots a confusion matrix; colors show the share of each true class's clips.

    With up to 20 classes, every nonzero cell shows its count. With more than 30, columns have
    numbers instead of names, and rows have both; with more than 200, only some are labeled. Classes
    without clips are gray.

    Args:
        matrix: Counts (C, C); rows are true classes.
        classes: Names of the C classes.
        title: Title; name the dataset, protocol and model.

    Raises:
        ValueError: The matrix is not (C, C), or there are not C names.

    Example:
        >>> from keras_skeleton.viz.accuracy_plots import confusion_figure
        >>> figure = confusion_figure([[9, 1], [2, 8]], ["wave", "sit"], "test clips")
        >>> figure.axes[0].get_xlabel()
        'predicted class'
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
    # A row must be slightly higher than its label; 72 points are an inch.
    cells = min(max(C * font * (3.0 if C <= 12 else 2.0 if C <= 20 else 1.12) / 72, 3.5), 16)
    longest = max(map(len, rows)) * font * 0.6 / 72
    below = max(map(len, columns)) * font * 0.6 / 72
    fig = Figure(figsize=(cells + longest + 1.6, cells + below + 1.1), layout="compressed")
    ax = fig.add_subplot()
    ax.set_facecolor("#D9D9D9")
    # On a linear scale 1 clip of 100 would look like 0.
    image = ax.imshow(np.ma.masked_invalid(share), cmap="cividis", norm=PowerNorm(0.5, 0, 1))
    every = -(-C // MOST_LABELS)
    shown = range(0, C, every)
    ax.set_xticks(shown, [plain_text(columns[i]) for i in shown], rotation=90, fontsize=font)
    ax.set_yticks(shown, [plain_text(rows[i]) for i in shown], fontsize=font)
    ax.tick_params(length=2)
    ax.set_xlabel("predicted class" + (" (number)" if numbered else ""), fontsize=LABEL)
    ax.set_ylabel("true class", fontsize=LABEL)
    ax.set_title(plain_text(title), fontsize=TITLE, wrap=True)
    bar = fig.colorbar(image, ax=ax, shrink=0.8, pad=0.02, format=PercentFormatter(1.0, 0))
    bar.set_ticks([0, 0.05, 0.2, 0.4, 0.6, 0.8, 1])
    bar.set_label("share of the true class's clips", fontsize=LABEL)
    bar.ax.tick_params(labelsize=SMALL)
    if C <= 20:
        for row, column in zip(*np.nonzero(counts), strict=True):
            light = share[row, column] < 0.3
            ax.text(
                column,
                row,
                f"{counts[row, column]}",
                ha="center",
                va="center",
                fontsize=font,
                color="white" if light else "black",
            )
    return fig


def _error(history: pd.DataFrame, column: str) -> pd.Series:
    """Error in percent by epoch, without epochs that were not measured."""
    if column not in history:
        return pd.Series(dtype=float)
    error = 100 * (1 - history.set_index("epoch")[column].astype(float)).dropna()
    return error.groupby(level=0).last()  # resumed training may have written an epoch twice


def _draw_folds(
    ax: Any, folds: Sequence[pd.DataFrame], column: str, colour: str, label: str | None, style: str
) -> bool:
    """Draws the mean over folds and the range over folds; returns False if never measured."""
    errors = pd.concat([_error(history, column) for history in folds], axis=1).sort_index()
    errors = errors.dropna(axis=1, how="all")
    if errors.empty:
        return False
    epochs = errors.index.to_numpy()
    marker = "o" if len(epochs) == 1 else None  # a single epoch gives no line
    ax.plot(
        epochs,
        errors.mean(axis=1),
        style,
        color=colour,
        linewidth=1.8 if style == "-" else 1.2,
        marker=marker,
        label=label,
    )
    if errors.shape[1] > 1 and style == "-":
        low, high = errors.min(axis=1), errors.max(axis=1)
        ax.fill_between(epochs, low, high, color=colour, alpha=0.15, linewidth=0)
    return True


def _highest(ax: Any) -> float:
    """Largest value of all lines and bands; at least 1."""
    lines = [np.max(line.get_ydata()) for line in ax.lines if len(line.get_ydata())]
    bands = [band.get_datalim(ax.transData).y1 for band in ax.collections]
    return float(max([1.0, *lines, *bands]))


def curves_figure(
    histories: Mapping[str, pd.DataFrame | Sequence[pd.DataFrame]],
    title: str,
    selected: Mapping[str, int | Sequence[int]] | None = None,
) -> Figure:
    """Plots training and testing error over epochs, as in Fig. 3 of MANs (Xie et al., 2018).

    Panel (a) shows the training error, panel (b) the testing error (solid) and the validation error
    (dashed), all in percent.

    Args:
        histories: One line per name. A table has the columns `epoch` and `accuracy` (a fraction of
            the training clips) and, where measured, `test_accuracy` and `val_accuracy`. A list of
            tables holds the folds of one experiment: the line is their mean, the band their range.
        title: Title; name the dataset, protocol and model.
        selected: Epoch of the selected checkpoint, by the same names (one per fold for lists),
            marked by a dot.

    Raises:
        ValueError: There are no histories, a table has no `epoch` or `accuracy`, or `selected` does
            not fit.

    Example:
        >>> import pandas as pd
        >>> from keras_skeleton.viz.accuracy_plots import curves_figure
        >>> history = pd.DataFrame(
        ...     {"epoch": [1, 2], "accuracy": [0.6, 0.8], "test_accuracy": [0.5, 0.7]}
        ... )
        >>> figure = curves_figure({"mans9": history}, "synthetic, cs")
        >>> [axes.get_ylabel() for axes in figure.axes]
        ['training error (%)', 'testing error (%)']
    """
    if not histories:
        raise ValueError("there are no histories to plot")
    fig = Figure(figsize=(WIDTH, 3.9), layout="constrained")
    left, right = fig.subplots(1, 2, sharex=True)
    last = 1
    several = dashed = dotted = tested = False
    for i, (name, tables) in enumerate(histories.items()):
        folds = [tables] if isinstance(tables, pd.DataFrame) else list(tables)
        for history in folds:
            if missing := {"epoch", "accuracy"} - set(history.columns):
                raise ValueError(f"history of '{name}': missing columns {sorted(missing)}")
            last = max(last, int(history["epoch"].max()))
        colour = COLOURS[i % len(COLOURS)]
        several |= len(folds) > 1
        _draw_folds(
            left, folds, column="accuracy", colour=colour, label=plain_text(name), style="-"
        )
        measured = _draw_folds(
            right, folds, column="test_accuracy", colour=colour, label=None, style="-"
        )
        tested |= measured
        dashed |= _draw_folds(
            right, folds, column="val_accuracy", colour=colour, label=None, style="--"
        )
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
                    epoch,
                    error.loc[epoch],
                    "o",
                    color=colour,
                    markersize=5,
                    markeredgecolor="white",
                    markeredgewidth=0.8,
                    zorder=3,
                )
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
        key.append(Patch(color="0.3", alpha=0.2, linewidth=0, label="range over folds"))
    if dotted:
        name = "selected on validation clips"
        key.append(Line2D([], [], color="0.3", marker="o", linestyle="", markersize=5, label=name))
    if key:
        right.legend(handles=key, fontsize=SMALL, frameon=False)
    fig.suptitle(plain_text(title), fontsize=TITLE)
    return fig
