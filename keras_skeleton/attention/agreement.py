"""Agreement of attention between networks, measured by rank correlation.

If networks that differ only in their seed attend to different joints or frames, attention depends
on the seed rather than on the clip. Untrained networks are the baseline: their agreement comes from
the architecture alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

Values = Sequence[np.ndarray]
"""Attention of one network to a list of clips, each (n,) over joints or frames."""


class Agreement(NamedTuple):
    """Rank correlation between networks, averaged over clips for every pair of networks.

    Attributes:
        mean: Mean over the pairs; NaN without pairs.
        spread: Standard deviation over the pairs; NaN without pairs.
        pairs: Number of pairs with at least one comparable clip.
    """

    mean: float
    spread: float
    pairs: int


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Computes Spearman's rank correlation of two arrays (n,); NaN if one of them is constant.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.attention.agreement import rank_correlation
        >>> round(rank_correlation(np.array([1, 2, 3]), np.array([10, 20, 15])), 3)
        0.5
    """
    ranks = np.stack([rankdata(first), rankdata(second)])
    ranks -= ranks.mean(axis=1, keepdims=True)
    length = np.sqrt((ranks**2).sum(axis=1)).prod()
    return float(ranks[0] @ ranks[1] / length) if length else float("nan")


def agreement(networks: Sequence[Values], others: Sequence[Values] | None = None) -> Agreement:
    """Computes the agreement over pairs of networks.

    Clips to which either network attends uniformly have no ranks and are skipped.

    Args:
        networks: Attention of each network to the same clips.
        others: If given, the pairs are formed between `networks` and `others`; otherwise within
            `networks`.

    Returns:
        Spearman's rank correlation, from -1 to 1: mean and standard deviation over the pairs.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.attention.agreement import agreement
        >>> first, second = [np.array([0.1, 0.2, 0.7])], [np.array([0.2, 0.1, 0.7])]
        >>> round(agreement([first, second]).mean, 3)
        0.5
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
