"""Matches the layers of a weight file with those of a network, by name and by structure.

Keras numbers layers that have no name of their own, and counts on within a process: the same layer
is `conv2d_5` in a file and `conv2d_17` in a network. So layers are matched in this order:

    1. by a name that was given to them
    2. by a numbered name, if that fits at least as many layers as their structure
    3. by structure: the shapes of a layer's arrays, in the order of the layers

By structure, the longest common subsequence is taken. A layer is matched as a whole or not at all,
and never across a layer that was matched before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

Pairs: TypeAlias = list[tuple[int, int]]  # places of a layer in the file and in the network

MOST_CELLS = 4_000_000  # layers in the file times layers in the network
DIGITS = 9  # of a layer's number


@dataclass(frozen=True)
class Layer:
    """A layer that has arrays.

    Attributes:
        key: What the names of its arrays start with.
        name: The name that was given to it; empty if Keras numbered it.
        numbered: The name that Keras gave to it; empty if such names say nothing here.
        signature: What has to agree: the arrays' names or numbers, shapes and kinds of data type.
    """

    key: str
    name: str
    numbered: str
    signature: tuple[Hashable, ...]


def align(file: Sequence[Layer], network: Sequence[Layer], certain: bool = False) -> Pairs:
    """Matches layers.

    Args:
        file: The file's layers, in its order.
        network: The network's layers, in its order.
        certain: Match by structure only where a single alignment is the longest.

    Returns:
        Pairs of places, in the network's order. Only layers matched by name (`same_name`) may have
        different signatures.
    """
    named = _alike([x.name for x in file], [x.name for x in network])
    numbered = _alike([x.numbered for x in file], [x.numbered for x in network])
    numbered = [
        (i, j)
        for i, j in _without(numbered, named)
        if not (file[i].name and network[j].name)  # those differ, so numbers say nothing
    ]
    shaped = _between(file, network, named, certain)
    if sum(file[i].signature == network[j].signature for i, j in numbered) >= len(shaped):
        named += numbered
        shaped = _between(file, network, named, certain)
    return sorted(named + shaped, key=lambda pair: pair[1])


def same_name(one: Layer, other: Layer) -> bool:
    """Whether both have the same name, given or numbered."""
    if one.name and other.name:
        return one.name == other.name
    return bool(one.numbered) and one.numbered == other.numbered


def longest(file: Sequence[Hashable], network: Sequence[Hashable]) -> Pairs:
    """The longest common subsequence, as pairs of places.

    Of several, the one whose layers come first in the network, then in the file.
    """
    shared = set(network)
    places = [i for i, item in enumerate(file) if item in shared]
    items = [file[i] for i in places]
    length = _lengths(items, network)
    pairs, i, j = [], 0, 0
    while length[i][j]:
        if items[i] == network[j]:
            pairs.append((places[i], j))
            i, j = i + 1, j + 1
        elif length[i + 1][j] == length[i][j]:
            i += 1
        else:
            j += 1
    return pairs


def is_unique(file: Sequence[Hashable], network: Sequence[Hashable]) -> bool:
    """Whether only one set of pairs is as long as the longest."""
    length = _lengths(file, network)
    ways = [[1] * (len(network) + 1) for _ in range(len(file) + 1)]
    for i in reversed(range(len(file))):
        for j in reversed(range(len(network))):
            here, both = length[i][j], ways[i + 1][j + 1]
            ways[i][j] = (
                ways[i + 1][j] * (length[i + 1][j] == here)
                + ways[i][j + 1] * (length[i][j + 1] == here)
                - both * (length[i + 1][j + 1] == here)  # counted in each of the two
                + both * (file[i] == network[j] and length[i + 1][j + 1] + 1 == here)
            )
    return ways[0][0] == 1


def base_and_numbers(name: str) -> tuple[str, tuple[int, ...]]:
    """`conv2d_10` is `("conv2d", (10,))`; names without a number come first."""
    words = name.split("_")
    base = len(words)
    while base > 1 and words[base - 1].isdecimal() and len(words[base - 1]) <= DIGITS:
        base -= 1
    return "_".join(words[:base]), tuple(map(int, words[base:]))


def is_numbered(name: str, kind: str) -> bool:
    """Whether Keras may have given a name to a layer of this class, in any spelling."""
    base, _ = base_and_numbers(name)
    return base.replace("_", "").lower() == kind.replace("_", "").lower()


def _lengths(file: Sequence[Hashable], network: Sequence[Hashable]) -> list[list[int]]:
    """Length of the longest common subsequence of what follows each pair of places."""
    if len(file) * len(network) > MOST_CELLS:
        raise ValueError(f"it has too many layers ({len(file)}) to compare with {len(network)}")
    length = [[0] * (len(network) + 1) for _ in range(len(file) + 1)]
    for i in reversed(range(len(file))):
        row, below = length[i], length[i + 1]
        for j in reversed(range(len(network))):
            if file[i] == network[j]:
                row[j] = below[j + 1] + 1
            else:
                row[j] = max(below[j], row[j + 1])
    return length


def _alike(file: Sequence[str], network: Sequence[str]) -> Pairs:
    """Places of equal names; empty names, and names that come twice, equal none."""

    def once(names: Sequence[str]) -> dict[str, int]:
        times = Counter(names)
        return {name: k for k, name in enumerate(names) if name and times[name] == 1}

    there = once(file)
    return [(there[name], j) for name, j in once(network).items() if name in there]


def _without(pairs: Pairs, taken: Pairs) -> Pairs:
    one, other = {i for i, _ in taken}, {j for _, j in taken}
    return [(i, j) for i, j in pairs if i not in one and j not in other]


def _between(file: Sequence[Layer], network: Sequence[Layer], taken: Pairs, certain: bool) -> Pairs:
    """Aligns what is not taken yet, between the layers that are."""
    order = sorted(taken), sorted(taken, key=lambda pair: pair[1])
    fixed = [order[0][k] for k, _ in longest(*order)]  # taken ones may cross each other
    one, other = {i for i, _ in taken}, {j for _, j in taken}
    found: Pairs = []
    ends = [(-1, -1), *fixed, (len(file), len(network))]
    for (i, j), (next_i, next_j) in pairwise(ends):
        rows = [k for k in range(i + 1, next_i) if k not in one and file[k].signature]
        columns = [k for k in range(j + 1, next_j) if k not in other and network[k].signature]
        here = [file[k].signature for k in rows]
        there = [network[k].signature for k in columns]
        if certain and not is_unique(here, there):
            continue
        found += [(rows[a], columns[b]) for a, b in longest(here, there)]
    return found
