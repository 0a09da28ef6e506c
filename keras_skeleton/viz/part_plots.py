"""Bars of body-part weights and accuracies (Das et al., WACV 2019, Figs. 4 and 5)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from keras_skeleton.viz.style import COLOURS, LABEL, SMALL, TITLE, WIDTH, plain_text


def part_bars_figure(weights: pd.DataFrame, accuracies: pd.DataFrame, title: str) -> Figure:
    """Draws (a) the weights of body parts and (b) the accuracies of networks, class by class.

    Args:
        weights: One row per class, one column per part; fractions.
        accuracies: The same rows, one column per network. A part has the same color in both.
        title: Title; name the dataset and protocol.

    Raises:
        ValueError: The two tables have other classes.

    Example:
        >>> import pandas as pd
        >>> from keras_skeleton.viz.part_plots import part_bars_figure
        >>> weights = pd.DataFrame({"left_hand": [0.7], "right_hand": [0.3]}, index=["wave"])
        >>> figure = part_bars_figure(weights, weights + 0.1, "two parts")
        >>> [ax.get_ylabel() for ax in figure.axes]
        ['weight', 'accuracy']
    """
    if list(weights.index) != list(accuracies.index):
        raise ValueError("weights and accuracies are of other classes")
    names = list(dict.fromkeys([*weights.columns, *accuracies.columns]))
    colours = {name: COLOURS[k % len(COLOURS)] for k, name in enumerate(names)}
    fig = Figure(figsize=(WIDTH, 6.0), layout="constrained")
    above, below = fig.subplots(2, 1, sharex=True)
    _bars(above, weights, colours, "weight")
    _bars(below, accuracies, colours, "accuracy")
    labels = [plain_text(name) for name in weights.index]
    below.set_xticks(range(len(labels)), labels, rotation=30, ha="right", fontsize=SMALL)
    handles = {
        plain_text(name.replace("_", " ")): handle
        for ax in (above, below)
        for handle, name in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    fig.legend(
        list(handles.values()), list(handles), loc="outside lower center", ncols=3, fontsize=SMALL
    )
    fig.suptitle(plain_text(title), fontsize=TITLE)
    return fig


def _bars(ax: Axes, table: pd.DataFrame, colours: dict[str, str], label: str) -> None:
    columns: Sequence[str] = list(table.columns)
    width = 0.8 / max(len(columns), 1)
    for k, name in enumerate(columns):
        at = np.arange(len(table)) + (k - (len(columns) - 1) / 2) * width
        ax.bar(at, table[name], width, color=colours[name], label=name)
    ax.set_ylim(0, 1)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_ylabel(label, fontsize=LABEL)
    ax.tick_params(labelsize=SMALL)
