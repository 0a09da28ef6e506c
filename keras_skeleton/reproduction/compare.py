"""Paired comparison of two networks over folds and seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from keras_skeleton.reproduction.stored import Result


@dataclass(frozen=True)
class Difference:
    """By how much the accuracy of one network is above that of another, in percent.

    Attributes:
        mean: Mean difference over pairs. A pair is a fold with a seed that both networks have.
        low: Lower end of the 95 % interval of the mean, by Student's t over the pairs; None for a
            single pair.
        high: Its upper end.
        pairs: Number of pairs.
    """

    mean: float
    low: float | None
    high: float | None
    pairs: int

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.mean:+.1f}"
        return f"{self.mean:+.1f} [{self.low:+.1f}, {self.high:+.1f}]"


def paired_difference(one: Mapping[int, Result], other: Mapping[int, Result]) -> Difference | None:
    """Compares two networks on the folds and seeds that both have.

    Folds of a dataset share training clips and seeds share test clips, so pairs are not quite
    independent, and the interval is somewhat too narrow.

    Args:
        one: Results of the first network by seed.
        other: Results of the second.

    Returns:
        The difference, first less second; None if they share no fold and seed.
    """
    found = []
    for seed in sorted(set(one) & set(other)):
        a, b = _by_fold(one[seed]), _by_fold(other[seed])
        found += [100 * (a[fold] - b[fold]) for fold in sorted(set(a) & set(b))]
    if not found:
        return None
    mean = float(np.mean(found))
    if len(found) == 1:
        return Difference(mean, None, None, 1)
    half = float(stats.t.ppf(0.975, len(found) - 1) * stats.sem(found))
    return Difference(mean, mean - half, mean + half, len(found))


def _by_fold(result: Result) -> dict[int, float]:
    return {fold["fold"]: fold["accuracy"] for fold in result.about["folds"]}
