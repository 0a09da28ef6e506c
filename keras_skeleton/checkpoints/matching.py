"""Says which array of a weight file belongs to which variable of a network; reads no array."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import h5py
import keras
import numpy as np

from keras_skeleton.checkpoints.mans import Stack
from keras_skeleton.checkpoints.structure import (
    Layer,
    align,
    base_and_numbers,
    is_numbered,
    same_name,
)

Array: TypeAlias = h5py.Dataset | Stack
Layers: TypeAlias = dict[str, dict[str, h5py.Dataset]]  # layer name to arrays by name
Variables: TypeAlias = Mapping[str, keras.Variable]
Groups: TypeAlias = dict[str, dict[str, str]]  # layer to {name inside it: name}


@dataclass
class Match:
    """Which array of a file belongs to which variable.

    Attributes:
        found: Arrays by the network's names, as far as they belong to a variable.
        unexpected: The file's names of the other arrays.
        source: The file's names of the arrays that were matched by structure, by the network's.
        halves: The network's names of arrays whose layer has to fit as a whole, and does not.
    """

    found: Mapping[str, Array]
    unexpected: Sequence[str] = ()
    source: dict[str, str] = field(default_factory=dict)
    halves: set[str] = field(default_factory=set)


def by_name(found: Mapping[str, Array], wanted: Variables) -> Match:
    """Matches equal names."""
    return Match(found, [name for name in found if name not in wanted])


def by_name_or_order(layers: Layers, wanted: Variables) -> Match:
    """Matches the arrays of a legacy file by `layer/number`, or in order if all shapes agree.

    Keras numbers unnamed layers, so names may differ; legacy files were loaded by order.
    """
    found = numbered_arrays(layers)
    alike = [d.shape for d in found.values()] == [tuple(v.shape) for v in wanted.values()]
    if alike and found.keys() != wanted.keys():
        source = {ours: name for ours, name in zip(wanted, found, strict=True) if ours != name}
        return Match(dict(zip(wanted, found.values(), strict=True)), source=source)
    return by_name(found, wanted)


def by_layers(layers: Layers, wanted: Variables, kinds: Mapping[str, str]) -> Match:
    """Matches the layers of a legacy file with those of the network.

    Args:
        layers: The file's layers and their arrays, in its order.
        wanted: The network's variables by `layer/number`, in its order.
        kinds: The classes of the network's layers by their names.
    """
    found = numbered_arrays(layers)
    theirs, ours = (
        _grouped(names, lambda name: name.rpartition("/")[0]) for names in (found, wanted)
    )
    unnamed = {name for name in ours if is_numbered(name, kinds[name])}
    bases = {base_and_numbers(name)[0] for name in unnamed}
    counted = {name for name in theirs if base_and_numbers(name)[0] in bases}
    first, second = _first_numbers(counted), _first_numbers(unnamed)

    def made(name: str, numbered: bool, signature: tuple) -> Layer:
        # Numbers tell something only if both sides begin to count at the same one.
        base = base_and_numbers(name)[0]
        tells = numbered and base in first and first[base] == second[base]
        return Layer(name, "" if numbered else name, name if tells else "", signature)

    file = [made(n, n in counted, _signature(theirs[n], found)) for n in theirs]
    network = [made(n, n in unnamed, _signature(ours[n], wanted)) for n in ours]
    return _matched([(file, network)], found, theirs, ours, certain=False)


def by_classes(
    found: Mapping[str, h5py.Dataset],
    wanted: Variables,
    names: Mapping[str, str],
    network_names: Mapping[str, str],
) -> Match:
    """Matches the layers of a Keras 3 file with those of the network, class by class.

    Paths number the layers of a class, in the network's order; the file does not keep the order of
    layers of different classes.

    Args:
        found: The file's arrays by path.
        wanted: The network's variables by path.
        names: The names of the file's layers by path, where they were given.
        network_names: As `names`, of the network's layers.
    """
    theirs, ours = _grouped(found, layer_path), _grouped(wanted, layer_path)
    tracks: dict[str, tuple[list[Layer], list[Layer]]] = {}
    sides = (theirs, found, names), (ours, wanted, network_names)
    for side, (groups, arrays, given) in enumerate(sides):
        for key in sorted(groups, key=base_and_numbers):  # dense_2 before dense_10
            layer = Layer(key, given.get(key, ""), key, _signature(groups[key], arrays))
            tracks.setdefault(base_and_numbers(key)[0], ([], []))[side].append(layer)
    return _matched(tracks.values(), found, theirs, ours, certain=True)


def numbered_arrays(layers: Layers) -> dict[str, h5py.Dataset]:
    """The arrays of a legacy file by `layer/number`."""
    return {
        f"{layer}/{number}": data
        for layer, arrays in layers.items()
        for number, data in enumerate(arrays.values())
    }


def layer_path(name: str) -> str:
    """The layer of an array of a Keras 3 file: `layers/lstm_1` of `layers/lstm_1/cell/vars/0`."""
    owner = f"/{name}".rpartition("/vars/")[0][1:]
    start, found, rest = f"/{owner}".rpartition("/layers/")
    return f"{start}/layers/{rest.partition('/')[0]}"[1:] if found else owner


def _grouped(names: Iterable[str], layer_of: Callable[[str], str]) -> Groups:
    groups: Groups = {}
    for name in names:
        layer = layer_of(name)
        groups.setdefault(layer, {})[name[len(layer) :]] = name
    return groups


def _signature(group: Mapping[str, str], arrays: Mapping) -> tuple:
    """Name, shape and kind of data type of a layer's arrays, without states of random numbers."""
    signature = []
    for inside, name in sorted(group.items()):
        shape, kind = tuple(arrays[name].shape), np.dtype(arrays[name].dtype).kind
        if not (kind in "ui" and shape == (2,)):
            signature.append((inside, shape, kind))
    return tuple(signature)


def _first_numbers(names: Iterable[str]) -> dict[str, tuple[int, ...]]:
    first: dict[str, tuple[int, ...]] = {}
    for name in names:
        base, numbers = base_and_numbers(name)
        first[base] = min(first.get(base, numbers), numbers)
    return first


def _matched(
    tracks: Iterable[tuple[list[Layer], list[Layer]]],
    arrays: Mapping[str, h5py.Dataset],
    theirs: Groups,
    ours: Groups,
    certain: bool,
) -> Match:
    """Aligns the layers of each track, those of the file with those of the network."""
    found: dict[str, h5py.Dataset] = {}
    source: dict[str, str] = {}
    halves: set[str] = set()
    taken: set[str] = set()
    for file, network in tracks:
        for i, j in align(file, network, certain):
            one, other = file[i], network[j]
            for inside, name in ours[other.key].items():
                if (there := theirs[one.key].get(inside)) is None:
                    continue
                found[name] = arrays[there]
                taken.add(there)
                if not same_name(one, other):
                    source[name] = there
                if one.signature != other.signature and not (one.name and one.name == other.name):
                    halves.add(name)
    return Match(found, [name for name in arrays if name not in taken], source, halves)
