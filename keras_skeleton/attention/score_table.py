"""The table of `keras-skeleton attention --score`: one row per network and kind of attention.

`attention_score.csv` has these columns, as fractions (the readable table uses percent):

    network, model, dataset, protocol, fold, kind, clips
    accuracy, probability            of the unmodified clips; mean probability of the true class
    on_action, on_action_uniform, on_action_saliency
                                     share on the joints or frames that carry the action, of
                                     attention, uniform attention and saliency
    GUIDE_WAY, _low, _high           gain over the guide's baseline and bounds of its 95 %
                                     interval, for the guides `attention` and `saliency` and the
                                     ways `deletion` and `insertion`; see `attention.deletion`
    GUIDE_WAY_over_random, ...       gain over a random order; for joints the same numbers
    agreement, _spread, _pairs       rank correlation between seeds; see `attention.agreement`
    untrained, _spread, _pairs       rank correlation between untrained networks
    with_untrained, _spread, _pairs  rank correlation between trained and untrained networks
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from keras_skeleton.utils.text import percent

GUIDES = ("attention", "saliency")  # values that define an order
WAYS = ("deletion", "insertion")
SHARES = ("on_action", "on_action_uniform", "on_action_saliency")
AGREEMENTS = ("agreement", "untrained", "with_untrained")

EXPLANATION = """\
on the action: percent of attention on the joints or frames that carry the action, if known;
  uniform: percent for uniform attention; saliency: percent for gradient saliency.
deletion, insertion: gain of the order of attention (saliency) over its baseline in percentage
  points of probability, averaged over the curve, [95 % interval over clips]; positive is better.
  The baseline is a random order of joints; for frames, the same curve shifted in time.
agreement: rank correlation of attention to the same clips between seeds, mean ± standard
  deviation over pairs of networks; untrained: between networks with random weights; with
  untrained: between a trained and an untrained network."""


def gain_column(guide: str, way: str, over: str | None = None) -> str:
    """The column name of a gain."""
    return f"{guide}_{way}" + (f"_over_{over}" if over else "")


def bounds(column: str) -> tuple[str, str, str]:
    """The column names of a gain and of the bounds of its interval."""
    return column, f"{column}_low", f"{column}_high"


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """Formats the table as text, in percent, without empty columns."""
    rows = []
    for _, row in table.iterrows():
        cells = {
            "network": row["network"],
            "attention to": row["kind"],
            "clips": str(row["clips"]),
            "on the action": percent(row["on_action"], unit=""),
            "uniform": percent(row["on_action_uniform"], unit=""),
            "saliency": percent(row["on_action_saliency"], unit=""),
        }
        for guide in GUIDES:
            for way in WAYS:
                name = way if guide == "attention" else f"saliency {way}"
                cells[name] = _interval(*(row[c] for c in bounds(gain_column(guide, way))))
        for name in AGREEMENTS:
            cells[name.replace("_", " ")] = correlation(row, name)
        rows.append(cells)
    text = pd.DataFrame(rows)
    return text[[column for column in text if (text[column] != "-").any()]]


def _interval(mean: float, low: float, high: float) -> str:
    return f"{100 * mean:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


def correlation(row: Any, name: str) -> str:
    """Formats one of `AGREEMENTS` of a table row, with its spread if there are several pairs."""
    mean, spread = row[name], row[f"{name}_spread"]
    if np.isnan(mean):
        return "-"
    return f"{mean:.2f}" + (f" ± {spread:.2f}" if row[f"{name}_pairs"] > 1 else "")
