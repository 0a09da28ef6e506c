"""The swap test: does a network need the attention of the very clip that it classifies?

`attention.swap` classifies test clips with attention that is not their own, and writes what becomes
of each clip; this module turns that into accuracies, intervals and words. Needs neither Keras nor
TensorFlow, so that reports and pages can read stored results.

    RUN/fold_01/swap_clips.csv   one row per clip, kind of attention and swap
    RUN/attention_swap.csv       the summary of all folds

The cost of a swap is the accuracy with the clip's own attention minus that with the other one. Both
are of the same clips, so its interval is of paired differences: 95 %, by bootstrap over clips.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from keras_skeleton.evaluation.scores import ResultsError
from keras_skeleton.utils.bootstrap import confidence_interval
from keras_skeleton.utils.files import reason
from keras_skeleton.utils.tables import read_table, write_table
from keras_skeleton.utils.text import percent

CLIPS, SUMMARY = "swap_clips.csv", "attention_swap.csv"
COLUMNS = ("clip", "kind", "swap", "own", "swapped", "changed")
SWAPS = {
    "other": "of a clip of another class",
    "mean": "mean of the training clips",
    "uniform": "uniform",
    "reversed": "reversed in time",
}
BOTH = "joints and frames"  # kind: both are swapped together
LEAST = 0.01  # a smaller cost is none
MOST = 0.05  # an interval that reaches this cost does not show that there is none
RULE_OF_THREE = 3  # of n clips of which none changes, at most 3 / n would in 95 % of samples
COSTS, NOTHING, UNCLEAR = "costs", "nothing", "unclear"

NOT_MEASURED = (
    "Whether this attention depends on the clip has not been measured; measure it with: "
    "keras-skeleton attention --score --only-swap --weights WEIGHTS"
)
EXPLANATION = f"""\
own: accuracy in percent with the clip's own attention; swapped: with the attention of a test clip
  of another class, with the mean attention of the training clips at each position, with uniform
  attention (the mean of the clip's own), or with its own reversed in time.
cost: own minus swapped in percentage points, [95 % interval over clips]; changed: percent of the
  answers that differ. A swap costs nothing if its interval includes 0 or lies below
  {100 * LEAST:.0f} point, unless it reaches {100 * MOST:.0f} points or there are at most
  {RULE_OF_THREE / MOST:.0f} clips: then it is unclear."""


def verdict(low: float, high: float, clips: int) -> str:
    """What an interval of a swap's cost says.

    An interval from few clips that all agree is too narrow, so that it cannot show that a swap
    costs less than `RULE_OF_THREE` / clips.

    Returns:
        `"costs"` if the interval lies above 0 and reaches `LEAST`; otherwise `"nothing"`, or
        `"unclear"` if it reaches `MOST`, so that there are too few clips to tell.

    Example:
        >>> from keras_skeleton.evaluation.swap_test import verdict
        >>> verdict(0.06, 0.17, 99), verdict(-0.02, 0.02, 99), verdict(-0.03, 0.08, 99)
        ('costs', 'nothing', 'unclear')
        >>> verdict(0.0, 0.0, 12)
        'unclear'
    """
    if low > 0 and high >= LEAST:
        return COSTS
    return NOTHING if max(high, RULE_OF_THREE / clips) < MOST else UNCLEAR


def summarize(clips: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Summarizes a swap test.

    Args:
        clips: One row per clip, kind and swap, with the columns `COLUMNS`: whether the class is
            right with its `own` attention, the share of draws with which it is right when
            `swapped`, and the share with which the answer has `changed`.
        seed: Seed of the bootstrap.

    Returns:
        One row per kind and swap: `kind`, `swap`, `clips`, the accuracies `own` and `swapped`,
        `cost` with `low` and `high`, `changed` and `verdict`. Accuracies and costs are fractions.

    Example:
        >>> import pandas as pd
        >>> from keras_skeleton.evaluation.swap_test import summarize
        >>> clips = pd.DataFrame(
        ...     {
        ...         "clip": ["a", "b"],
        ...         "kind": "frames",
        ...         "swap": "other",
        ...         "own": [1, 1],
        ...         "swapped": [0.0, 0.0],
        ...         "changed": [1.0, 1.0],
        ...     }
        ... )
        >>> summarize(clips)[["cost", "low", "high", "verdict"]].values.tolist()
        [[1.0, 1.0, 1.0, 'costs']]
    """
    rows = []
    for (kind, swap), own in clips.groupby(["kind", "swap"], sort=False):
        cost, low, high = confidence_interval(own["own"] - own["swapped"], seed)
        rows.append(
            {
                "kind": kind,
                "swap": swap,
                "clips": len(own),
                "own": float(own["own"].mean()),
                "swapped": float(own["swapped"].mean()),
                "cost": cost,
                "low": low,
                "high": high,
                "changed": float(own["changed"].mean()),
                "verdict": verdict(low, high, len(own)),
            }
        )
    return pd.DataFrame(rows)


def points(row: Mapping[str, Any]) -> str:
    """The cost of a swap in percentage points, with its interval.

    Example:
        >>> from keras_skeleton.evaluation.swap_test import points
        >>> points({"cost": 0.11, "low": 0.061, "high": 0.162})
        '+11.0 [+6.1, +16.2]'
    """
    cost, low, high = (100 * float(row[key]) for key in ("cost", "low", "high"))
    return f"{cost:+.1f} [{low:+.1f}, {high:+.1f}]"


def readable(summary: pd.DataFrame) -> pd.DataFrame:
    """Formats a summary as text, in percent; keeps a column `network` if there is one."""
    rows = [
        {
            **({"network": row["network"]} if "network" in row else {}),
            "attention to": row["kind"],
            "swapped for": SWAPS[row["swap"]],
            "clips": str(row["clips"]),
            "own": percent(row["own"], unit=""),
            "swapped": percent(row["swapped"], unit=""),
            "cost": points(row),
            "changed": percent(row["changed"], unit=""),
            "swap": row["verdict"].replace(NOTHING, "costs nothing"),
        }
        for row in summary.to_dict("records")
    ]
    return pd.DataFrame(rows)


# ---------------------------------------------------------------- words


def _of(rows: Iterable[Mapping[str, Any]], swap: str) -> dict[str, Mapping[str, Any]]:
    return {str(row["kind"]): row for row in rows if row["swap"] == swap}


def sentences(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a swap test says, one sentence per kind of attention.

    Args:
        rows: Rows of `summarize`.

    Example:
        >>> from keras_skeleton.evaluation.swap_test import sentences
        >>> row = {"kind": "frames", "swap": "other", "clips": 99, "own": 0.838, "swapped": 0.838}
        >>> row |= {"cost": 0.0, "low": -0.01, "high": 0.01, "changed": 0.02, "verdict": "nothing"}
        >>> print(sentences([row])[0])  # doctest: +ELLIPSIS
        This network's attention to frames hardly depends on the clip: 83.8 % of 99 ...
    """
    return [
        f"This network's attention to {kind} {found}: {details}"
        for kind, _, found, details in _findings(rows)
    ]


def verdicts(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """What a swap test says, for a page: (verdict, heading, details) per kind of attention.

    Joints and frames together are left out, unless only together they cost something.

    Args:
        rows: Rows of `summarize`.

    Example:
        >>> from keras_skeleton.evaluation.swap_test import verdicts
        >>> row = {"kind": "frames", "swap": "other", "clips": 99, "own": 0.838, "swapped": 0.838}
        >>> row |= {"cost": 0.0, "low": -0.01, "high": 0.01, "changed": 0.02, "verdict": "nothing"}
        >>> [(said, heading) for said, heading, details in verdicts([row])]
        [('nothing', 'Attention to frames hardly depends on the clip')]
    """
    found = list(_findings(rows))
    alone = [said for kind, said, *_ in found if kind != BOTH]
    return [
        (said, f"Attention to {kind} {heading}", f"{details[0].upper()}{details[1:]}")
        for kind, said, heading, details in found
        if kind != BOTH or (said == COSTS and COSTS not in alone)
    ]


def _findings(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, str, str]]:
    """Kind of attention, verdict, the verdict in words, and the numbers behind it."""
    means = _of(rows, "mean")
    words = {
        COSTS: "depends on the clip",
        NOTHING: "hardly depends on the clip",
        UNCLEAR: "may or may not depend on the clip",
    }
    for kind, row in _of(rows, "other").items():
        found = str(row["verdict"])
        said = words[found]
        details = (
            f"{percent(row['own'])} of {row['clips']} test clips are right with their own, "
            f"{percent(row['swapped'])} with that of a clip of another class (cost in points "
            f"{points(row)}; {percent(row['changed'])} of the answers change)"
        )
        details += ", too few clips to tell." if found == UNCLEAR else "."
        mean = means.get(kind)
        if found == COSTS and mean is not None and mean["verdict"] == NOTHING:
            said += ", but its mean over clips does as well"
            details += f" The cost of the mean attention of the training clips: {points(mean)}."
        yield kind, found, said, details


def label(rows: Sequence[Mapping[str, Any]]) -> str:
    """A few words for captions; empty without rows.

    Example:
        >>> from keras_skeleton.evaluation.swap_test import label
        >>> frames = {"kind": "frames", "swap": "other", "verdict": "nothing"}
        >>> label([frames])
        'hardly depends on the clip'
        >>> label([frames, {**frames, "kind": "joints", "verdict": "costs"}])
        'to frames hardly depends on the clip, to joints does'
    """
    said = {
        COSTS: "depends on the clip",
        NOTHING: "hardly depends on the clip",
        UNCLEAR: "may depend on the clip",
    }
    found = {kind: str(row["verdict"]) for kind, row in _of(rows, "other").items()}
    both = found.pop(BOTH, None)
    if both == COSTS and COSTS not in found.values():  # neither alone, but both together
        found = {BOTH: COSTS}
    if len(set(found.values())) <= 1:
        return said[next(iter(found.values()))] if found else ""
    parts = [f"to {kind} {said[what]}" for kind, what in found.items()]
    if found[last := list(found)[-1]] == COSTS:
        parts[-1] = f"to {last} does"
    elif COSTS in found.values() and found[last] == NOTHING:
        parts[-1] = f"to {last} hardly"
    return ", ".join(parts)


# ---------------------------------------------------------------- files


def write_clips(path: Path, clips: pd.DataFrame) -> None:
    """Writes `swap_clips.csv`."""
    write_table(clips[list(COLUMNS)], path, index=False, float_format="%.4f")


def read_clips(folders: Iterable[Path]) -> pd.DataFrame | None:
    """The swap tests of folds, as one table; None if no fold has one.

    Args:
        folders: Folders of folds.

    Raises:
        ResultsError: If a file is damaged.
    """
    found = []
    for path in (folder / CLIPS for folder in folders):
        if not path.is_file():
            continue
        try:
            table = read_table(path, "a swap test")
            table = table[list(COLUMNS)].astype(dict.fromkeys(COLUMNS[3:], float))
        except (KeyError, ValueError, OSError) as error:
            raise _damaged(path, reason(error)) from None
        if not len(table) or not set(table["swap"]) <= set(SWAPS):
            raise _damaged(path, f"no swap of {', '.join(SWAPS)}")
        if not np.isfinite(table[list(COLUMNS[3:])].to_numpy()).all():
            raise _damaged(path, "numbers are missing")
        found.append(table)
    return pd.concat(found, ignore_index=True) if found else None


def _damaged(path: Path, why: str) -> ResultsError:
    return ResultsError(f"{path}: not readable ({why}); delete it, and measure again if you like")


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """Rows of the summary of one fold's swap test; empty if it has none."""
    clips = read_clips([folder])
    if clips is None:
        return []
    return [{str(k): v for k, v in row.items()} for row in summarize(clips).to_dict("records")]
