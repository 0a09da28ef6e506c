"""Figures of deletion and insertion of frames or joints in the order of attention.

    deletion_figure    curves of one network
    gains_figure       areas between curves for many networks, with confidence intervals

Every function returns a Matplotlib `Figure`, created without pyplot.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from keras_skeleton.viz.style import COLOURS, LABEL, SMALL, TITLE, WIDTH

STYLES = {  # order: name, colour, line
    "attention": ("attention", COLOURS[0], "-"),
    "attention_shifted": ("attention, shifted in time", COLOURS[0], ":"),
    "saliency": ("gradient saliency", COLOURS[1], "-"),
    "saliency_shifted": ("saliency, shifted in time", COLOURS[1], ":"),
    "random": ("random order", "#3A3A3A", "--"),
}
WAYS = {"deletion": "replaced", "insertion": "kept"}


def deletion_figure(curves: pd.DataFrame, title: str) -> Figure:
    """Plots the probability of the true class against the share of deleted or inserted units.

    One row per kind of unit (frames, joints); the left panel is deletion, the right insertion.

    Args:
        curves: Curves of one network, with the columns `kind`, `order`, `way`, `fraction` and
            `probability`.
        title: Title; name the dataset, clips, model and weights.

    Example:
        >>> import pandas as pd
        >>> from keras_skeleton.viz.deletion_plots import deletion_figure
        >>> rows = [
        ...     {"kind": "frames", "order": order, "way": way, "fraction": x, "probability": 1 - x}
        ...     for order in ("attention", "random")
        ...     for way in ("deletion", "insertion")
        ...     for x in (0.0, 0.5, 1.0)
        ... ]
        >>> figure = deletion_figure(pd.DataFrame(rows), "sta_lstm on SBU, test clips")
        >>> [axes.get_title() for axes in figure.axes]
        ['deletion of frames', 'insertion of frames']
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
    """Plots the gain of attention and saliency orders over their controls, for many networks.

    Args:
        table: One row per network and kind, with the columns `network`, `kind` and, for each guide
            (`attention`, `saliency`) and way (`deletion`, `insertion`), `{guide}_{way}`,
            `{guide}_{way}_low` and `{guide}_{way}_high`.
        title: Title; name what the networks have in common.
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
        ax.set_xlabel("gain in probability (percentage points)", fontsize=LABEL)
        ax.grid(axis="x", alpha=0.3)
        ax.tick_params(labelsize=SMALL)
    names = [f"{row.network}: {row.kind}" for row in table.itertuples()]
    panels[0].set_yticks(table.index, names, fontsize=SMALL)
    panels[0].set_ylim(len(table) - 0.5, -0.5)  # the first row on top
    handles, labels = panels[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=SMALL, frameon=False)
    fig.suptitle(title.replace("$", r"\$"), fontsize=TITLE)
    return fig
