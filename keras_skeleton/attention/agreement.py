"""Whether networks that differ only in their seed attend to the same: rank correlations.

Attention that another seed would place elsewhere says more about the seed than about the clip.
Untrained networks show how much agreement the layers alone bring about, without any learning.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

Values = Sequence[np.ndarray]
"""One network's attention to the same clips, each (n,), n joints or frames."""


class Agreement(NamedTuple):
    """Spearman's rank correlation: a mean over clips for every pair of networks.

    Attributes:
        mean, spread: Mean and standard deviation over the pairs; NaN where there is none.
        pairs: How many had clips to compare.
    """

    mean: float
    spread: float
    pairs: int


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's correlation of two (n,); NaN where one of them is the same everywhere."""
    ranks = np.stack([rankdata(first), rankdata(second)])
    ranks -= ranks.mean(axis=1, keepdims=True)
    length = np.sqrt((ranks**2).sum(axis=1)).prod()
    return float(ranks[0] @ ranks[1] / length) if length else float("nan")


def agreement(networks: Sequence[Values], others: Sequence[Values] | None = None) -> Agreement:
    """Over all pairs of `networks`; or, with `others`, of one of these and one of those.

    Clips where either network attends to all alike have no ranks and are left out.
    """
    pairs = combinations(networks, 2) if others is None else product(networks, others)
    means = []
    for first, second in pairs:
        values = [rank_correlation(a, b) for a, b in zip(first, second, strict=True)]
        if known := [value for value in values if not np.isnan(value)]:
            means.append(np.mean(known))
    if not means:
        return Agreement(float("nan"), float("nan"), 0)
    return Agreement(float(np.mean(means)), float(np.std(means)), len(means))
