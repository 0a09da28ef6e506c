"""The table of `run.py attention --score`: a row for every network and kind of attention.

`attention_score.csv` has fractions under these names; what people read has percent.

    network, model, dataset, protocol, fold, kind, clips
    accuracy, probability            of the whole clips; the true class's probability
    on_action, on_action_uniform, on_action_saliency
                                     shares on the joints or frames that carry the action, of
                                     attention, of uniform attention, of saliency
    GUIDE_WAY, _low, _high           gain over the guide's rival, for the guides `attention` and
                                     `saliency` and the ways `deletion` and `insertion`, with the
                                     bounds of its 95 % interval; see `evaluation.deletion`
    GUIDE_WAY_over_random, ...       the same over random order; of joints, the same numbers
    agreement, _spread, _pairs       rank correlation between trainings; see `evaluation.agreement`
    untrained, _spread, _pairs       between untrained networks
    with_untrained, _spread, _pairs  between trained and untrained ones
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from keras_skeleton.utils.text import percent

GUIDES = ("attention", "saliency")  # what an order follows
WAYS = ("deletion", "insertion")
SHARES = ("on_action", "on_action_uniform", "on_action_saliency")
AGREEMENTS = ("agreement", "untrained", "with_untrained")

EXPLANATION = """\
on the action: percent of attention on the joints or frames that carry the action, where that is
  known; if uniform: what attention to all alike would spend there; saliency: of gradient saliency.
deletion, insertion: by how many points of probability, on average over the curve, the order of
  attention (of saliency) does better than its rival, [95 % interval over clips]; 0 is no better,
  less is worse. The rival is a random order of joints; of frames, the same curve moved in time.
agreement: rank correlation with another seed's attention to the same clips, mean ± standard
  deviation over pairs of networks; untrained: of networks with random weights; with untrained: of
  a trained and an untrained one."""


def gain_column(guide: str, way: str, over: str | None = None) -> str:
    """The name of a gain's column."""
    return f"{guide}_{way}" + (f"_over_{over}" if over else "")


def bounds(column: str) -> tuple[str, str, str]:
    """A gain's column and those of its interval."""
    return column, f"{column}_low", f"{column}_high"


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The table for people: text, in percent, without columns that say nothing."""
    rows = []
    for _, row in table.iterrows():
        cells = {
            "network": row["network"],
            "attention to": row["kind"],
            "clips": str(row["clips"]),
            "on the action": percent(row["on_action"], unit=""),
            "if uniform": percent(row["on_action_uniform"], unit=""),
            "saliency": percent(row["on_action_saliency"], unit=""),
        }
        for guide in GUIDES:
            for way in WAYS:
                name = way if guide == "attention" else f"saliency's {way}"
                cells[name] = _interval(*(row[c] for c in bounds(gain_column(guide, way))))
        for name in AGREEMENTS:
            cells[name.replace("_", " ")] = correlation(row, name)
        rows.append(cells)
    text = pd.DataFrame(rows)
    return text[[column for column in text if (text[column] != "-").any()]]


def _interval(mean: float, low: float, high: float) -> str:
    return f"{100 * mean:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


def correlation(row: Any, name: str) -> str:
    """One of `AGREEMENTS` in a row of the table, for people: with its spread over several pairs."""
    mean, spread = row[name], row[f"{name}_spread"]
    if np.isnan(mean):
        return "-"
    return f"{mean:.2f}" + (f" ± {spread:.2f}" if row[f"{name}_pairs"] > 1 else "")
