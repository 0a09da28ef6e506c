"""Splits of clips that keep groups together, such as the clips of a subject or the segments of a
recording, and balance the classes.

The splits decide what an accuracy means, so they depend on nothing but the table of clips: not on
the version of a library.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd


def linked_groups(samples: pd.DataFrame, columns: Iterable[str]) -> np.ndarray:
    """Numbers the groups of clips that share a value in any of the columns: int (n,).

    Groups are numbered in the order of their first clips. A value of 0 means unknown, as does a
    missing column.

    Example:
        >>> import pandas as pd
        >>> from keras_skeleton.datasets.grouped_splits import linked_groups
        >>> table = pd.DataFrame({"subject": [1, 1, 2, 3], "recording": [1, 2, 3, 3]})
        >>> linked_groups(table, ["subject", "recording"])
        array([0, 0, 1, 1])
    """
    from scipy.sparse import coo_array  # here: both take 0.2 s
    from scipy.sparse.csgraph import connected_components

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


class _Group(NamedTuple):
    """The classes that occur in a group, and their numbers of clips."""

    labels: np.ndarray
    counts: np.ndarray

    @property
    def size(self) -> int:
        """The number of clips."""
        return int(self.counts.sum())


def _count(groups: np.ndarray, labels: np.ndarray) -> tuple[list[_Group], np.ndarray]:
    """The groups, with classes numbered from 0, and the class number of each clip."""
    classes, label = np.unique(labels, return_inverse=True)
    pairs, counts = np.unique(groups * len(classes) + label, return_counts=True)
    group, own = pairs // len(classes), pairs % len(classes)
    ends = np.flatnonzero(np.diff(group)) + 1
    parts = zip(np.split(own, ends), np.split(counts, ends), strict=True)
    return [_Group(*part) for part in parts], label


def deal_groups(groups: np.ndarray, labels: np.ndarray, hands: int) -> np.ndarray:
    """Deals groups to parts with similar numbers of clips of each class: int (n,), the parts.

    The largest groups are dealt first, each to the part that has the fewest clips of its classes,
    and of those to the smallest part. No part is empty if there are at least as many groups.

    Args:
        groups: int (n,), numbers from 0 without gaps.
        labels: int (n,).
        hands: Number of parts.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.datasets.grouped_splits import deal_groups
        >>> deal_groups(np.arange(6), np.array([0, 0, 0, 1, 1, 1]), 3)
        array([0, 1, 2, 0, 1, 2])
    """
    members, label = _count(groups, labels)
    have = np.zeros((hands, int(label.max()) + 1), int)
    sizes = np.zeros(hands, int)
    dealt = np.zeros(len(members), int)
    turn = sorted(range(len(members)), key=lambda g: -members[g].size)
    for left, number in zip(range(len(turn), 0, -1), turn, strict=True):
        group = members[number]
        empty = np.flatnonzero(sizes == 0)
        own = have[:, group.labels] @ group.counts
        part = empty[0] if left <= len(empty) else np.lexsort((sizes, own))[0]
        have[part, group.labels] += group.counts
        sizes[part] += group.size
        dealt[number] = part
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
        >>> import numpy as np
        >>> from keras_skeleton.datasets.grouped_splits import draw_groups
        >>> drawn = draw_groups(np.arange(20), np.repeat([0, 1], 10), 0.2, (0,))
        >>> int(drawn[:10].sum()), int(drawn[10:].sum())
        (2, 2)
    """
    members, label = _count(groups, labels)
    if len(members) < 2:
        return np.zeros(len(groups), bool)
    total = np.bincount(label)
    enough = np.bincount(np.concatenate([g.labels for g in members]), minlength=len(total)) >= 3
    left = np.maximum(np.round(fraction * total), enough)  # clips that are still to be drawn
    turn = np.random.default_rng(seed).permutation(len(members)).tolist()
    drawn = np.zeros(len(members), bool)
    clips = 0

    def draw(number: int) -> None:
        nonlocal clips
        drawn[number] = True
        left[members[number].labels] -= members[number].counts
        clips += members[number].size

    for number in turn:
        own = left[members[number].labels]
        nearer = np.abs(own - members[number].counts).sum() < np.abs(own).sum()
        if nearer and drawn.sum() < len(members) - 1:
            draw(number)
    have = np.bincount(label[drawn[groups]], minlength=len(total))
    for missing in np.flatnonzero(enough & (have == 0)):
        if not drawn[groups[label == missing]].any():
            fitting = [n for n in turn if missing in members[n].labels]
            number = min(fitting, key=lambda n: members[n].size)
            if 2 * (clips + members[number].size) <= len(groups):
                draw(number)
    if not drawn.any():
        draw(min(turn, key=lambda n: members[n].size))
    return drawn[groups]
