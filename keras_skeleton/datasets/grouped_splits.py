"""Splits of clips that keep groups together, such as the clips of a subject or the segments of a
recording, and balance the classes.

The splits decide what an accuracy means, so they depend on nothing but the table of clips: not on
the version of a library.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def linked_groups(samples: pd.DataFrame, columns: Iterable[str]) -> np.ndarray:
    """Numbers the groups of clips that share a value in any of the columns: int (n,).

    Groups are numbered in the order of their first clips. A value of 0 means unknown, as does a
    missing column.

    Example:
        >>> table = pd.DataFrame({"subject": [1, 1, 2, 3], "recording": [1, 2, 3, 3]})
        >>> linked_groups(table, ["subject", "recording"])
        array([0, 0, 1, 1])
    """
    count = len(samples)
    ends = [np.zeros((2, 0), int)]
    for column in columns:
        if column in samples:
            values = samples[column].to_numpy()
            first = pd.Series(np.arange(count)).groupby(values).transform("min").to_numpy()
            known = np.flatnonzero(values != 0)
            ends.append(np.stack([known, first[known]]))
    rows, to = np.concatenate(ends, axis=1)
    links = coo_array((np.ones(len(rows), bool), (rows, to)), shape=(count, count))
    found = connected_components(links, directed=False)[1]
    return pd.factorize(found)[0]


def _counts(groups: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Number of clips of each class in each group: int (G, C), the classes that occur."""
    classes, label = np.unique(labels, return_inverse=True)
    counts = np.zeros((int(groups.max()) + 1, len(classes)), int)
    np.add.at(counts, (groups, label), 1)
    return counts


def deal_groups(groups: np.ndarray, labels: np.ndarray, hands: int) -> np.ndarray:
    """Deals groups to parts with similar numbers of clips of each class: int (n,), the parts.

    The largest groups are dealt first, each to the part that has the fewest clips of its classes,
    and of those to the smallest part. No part is empty if there are at least as many groups.

    Args:
        groups: int (n,), numbers from 0 without gaps.
        labels: int (n,).
        hands: Number of parts.

    Example:
        >>> deal_groups(np.arange(6), np.array([0, 0, 0, 1, 1, 1]), 3)
        array([0, 1, 2, 0, 1, 2])
    """
    counts = _counts(groups, labels)
    parts = np.zeros((hands, counts.shape[1]), int)
    dealt = np.zeros(len(counts), int)
    sizes = counts.sum(axis=1)
    turn = np.argsort(-sizes, kind="stable")
    for done, group in enumerate(turn):
        own = parts @ counts[group]
        total = parts.sum(axis=1)
        free = np.flatnonzero(total == 0)
        if len(free) and len(turn) - done <= len(free):
            part = int(free[0])
        else:
            part = int(np.lexsort((total, own))[0])
        dealt[group] = part
        parts[part] += counts[group]
    return dealt[groups]


def draw_groups(
    groups: np.ndarray, labels: np.ndarray, fraction: float, seed: tuple[int, ...]
) -> np.ndarray:
    """Draws groups with about this fraction of each class: bool (n,), the clips drawn.

    At least one group is drawn and one is left if there are two. A class of at least three groups
    contributes at least one clip, unless that took more than half of the clips.

    Args:
        groups: int (n,), numbers from 0 without gaps.
        labels: int (n,).
        fraction: Fraction of each class.
        seed: Seed of the draw.

    Example:
        >>> drawn = draw_groups(np.arange(20), np.repeat([0, 1], 10), 0.2, (0,))
        >>> int(drawn[:10].sum()), int(drawn[10:].sum())
        (2, 2)
    """
    counts = _counts(groups, labels)
    if len(counts) < 2:
        return np.zeros(len(groups), bool)
    enough = (counts > 0).sum(axis=0) >= 3
    target = np.maximum(np.round(fraction * counts.sum(axis=0)), enough)
    turn = np.random.default_rng(seed).permutation(len(counts))
    drawn = np.zeros(len(counts), bool)
    have = np.zeros(counts.shape[1], int)
    for group in turn:
        now, then = np.abs(target - have).sum(), np.abs(target - have - counts[group]).sum()
        if then < now and drawn.sum() < len(counts) - 1:
            drawn[group] = True
            have += counts[group]
    for label in np.flatnonzero(enough & (have == 0)):
        fitting = [g for g in turn if counts[g, label] and not drawn[g]]
        group = min(fitting, key=lambda g: counts[g].sum())
        if 2 * (have.sum() + counts[group].sum()) <= len(groups):
            drawn[group] = True
            have += counts[group]
    if not drawn.any():
        drawn[min(turn, key=lambda g: counts[g].sum())] = True
    return drawn[groups]
