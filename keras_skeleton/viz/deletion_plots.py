"""Figures of deletion and insertion: whether a network loses its class when frames or joints go in
the order of its attention.

    deletion_figure    one network's curves
    gains_figure       the areas between curves of many networks, with their intervals

As in `plots`, every function returns a matplotlib Figure made without pyplot.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from keras_skeleton.viz.style import COLOURS, LABEL, SMALL, TITLE, WIDTH

STYLES = {  # order: name, colour, line
    "attention": ("attention", COLOURS[0], "-"),
    "attention_shifted": ("attention, moved in time", COLOURS[0], ":"),
    "saliency": ("gradient saliency", COLOURS[1], "-"),
    "saliency_shifted": ("saliency, moved in time", COLOURS[1], ":"),
    "random": ("random order", "#3A3A3A", "--"),
}
WAYS = {"deletion": "replaced", "insertion": "kept"}


def deletion_figure(curves: pd.DataFrame, title: str) -> Figure:
    """Probability of the true class while frames or joints go, and while they come back.

    Args:
        curves: One network's: `kind`, `order`, `way`, `fraction`, `probability`.
        title: Says dataset, clips, model and weights.
    """
    kinds = list(dict.fromkeys(curves["kind"]))
    fig = Figure(figsize=(WIDTH, 2.9 * len(kinds) + 1.1), layout="constrained")
    panels = fig.subplots(len(kinds), 2, sharey=True, squeeze=False)
    for row, kind in zip(panels, kinds, strict=True):
        for ax, (way, done) in zip(row, WAYS.items(), strict=True):
            for order, (name, colour, line) in STYLES.items():
                chosen = (curves["kind"] == kind) & (curves["way"] == way)
                own = curves[chosen & (curves["order"] == order)]
                if len(own):
                    ax.plot(
                        100 * own["fraction"],
                        own["probability"],
                        line,
                        color=colour,
                        linewidth=2,
                        label=name,
                    )
            ax.set_title(f"{way} of {kind}", fontsize=LABEL)
            ax.set_xlabel(f"{kind} {done} (%)", fontsize=LABEL)
            ax.set_xlim(0, 100)
            ax.set_ylim(0, 1)
            ax.grid(alpha=0.3)
            ax.tick_params(labelsize=SMALL)
        row[0].set_ylabel("probability of the true class", fontsize=LABEL)
    handles, names = panels[0, 0].get_legend_handles_labels()
    fig.legend(handles, names, loc="outside lower center", ncols=3, fontsize=SMALL, frameon=False)
    fig.suptitle(title.replace("$", r"\$"), fontsize=TITLE)
    return fig


def gains_figure(table: pd.DataFrame, title: str) -> Figure:
    """What the orders of attention and of saliency gain over their rivals, network by network.

    Args:
        table: Columns as `evaluation.attention_score` lists them, a row a network and kind.
        title: Says what the networks have in common.
    """
    table = table.sort_values(["kind", "network"], ignore_index=True)
    fig = Figure(figsize=(WIDTH, 0.34 * len(table) + 1.9), layout="constrained")
    panels = fig.subplots(1, 2, sharex=True, sharey=True)
    for ax, way in zip(panels, WAYS, strict=True):
        for guide, marker, place in (("attention", "o", -0.15), ("saliency", "s", 0.15)):
            name, colour, _ = STYLES[guide]
            mean, low, high = (100 * table[f"{guide}_{way}{end}"] for end in ("", "_low", "_high"))
            ax.errorbar(
                mean,
                table.index + place,
                xerr=[mean - low, high - mean],
                fmt=marker,
                color=colour,
                markersize=5,
                capsize=2,
                linewidth=1.3,
                label=name,
            )
        ax.axvline(0, color="#3A3A3A", linewidth=1)
        ax.set_title(way, fontsize=LABEL)
        ax.set_xlabel("gain (points of probability)", fontsize=LABEL)
        ax.grid(axis="x", alpha=0.3)
        ax.tick_params(labelsize=SMALL)
    names = [f"{row.network}: {row.kind}" for row in table.itertuples()]
    panels[0].set_yticks(table.index, names, fontsize=SMALL)
    panels[0].set_ylim(len(table) - 0.5, -0.5)  # the first row on top
    handles, labels = panels[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=SMALL, frameon=False)
    fig.suptitle(title.replace("$", r"\$"), fontsize=TITLE)
    return fig
