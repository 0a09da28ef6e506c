"""Weight files of the released code of MANs, for the networks of `models.mans` with a TARM.

The code is memory-attention-networks/MANs of 2018-12-05, Keras 2.0.8 with TensorFlow 1.3:
MANs_9.py builds the network, train_MANs.py saves it. There each coordinate has its own Dense, BiGRU
and Dense layers; here one layer holds the weights of all three along a first axis
(`layers.grouped`).

Layers are matched by these properties only:

    names      Keras numbers unnamed layers of each kind in the order of their creation: `dense_4`,
               `bidirectional_2`. So numbers increase from x to y to z, from a branch's first Dense
               to its last, and along the STCM (a shortcut follows the two convolutions that it
               bypasses); the classifier is the last Dense. Numbers may start anywhere and have
               gaps. The order of layers in the file (by depth, which interleaves the branches) is
               not used. MANs_densenet161.py gives names to its classifier, `fc6_new`, and to the
               layers of DenseNet-161, as `models.backbones.densenet161` with `released=True`
    shapes     tell the first Dense of a branch from the last
    variables  end in `kernel`, `recurrent_kernel`, `bias`, `gamma`, ...; those of a BiGRU have
               `forward_` or `backward_` in their path

No file contains the frame attention: its two Dense layers were created inside a Lambda, which Keras
neither trained nor saved. The other layers were trained with its random values, which are lost.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import h5py
import keras
import numpy as np

from keras_skeleton.checkpoints.h5_values import read_values

AXES = 3  # x, y, z
CLASSIFIER = "fc6_new"  # of MANs_densenet161.py
STACKED = ("tarm_in", "memory", "tarm_out")
NO_ATTENTION = (
    "the released MANs code never saved its frame attention (random, untrained, in a Lambda): "
    "partial=True loads the rest and leaves the attention unchanged; a network built with "
    "attention='none' matches the file"
)


@dataclass(frozen=True)
class Stack:
    """Arrays of a file, stacked along a new first axis as in the network; read only when needed."""

    parts: tuple[h5py.Dataset, ...]

    def __post_init__(self) -> None:
        first = self.parts[0]
        for part in self.parts:
            if (part.shape, part.dtype) != (first.shape, first.dtype):
                raise ValueError(f"'{first.name}' and '{part.name}' differ in shape or data type")

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.parts), *self.parts[0].shape)

    @property
    def dtype(self) -> np.dtype:
        return self.parts[0].dtype

    def read(self) -> np.ndarray:
        """The values of all arrays."""
        return np.stack([read_values(part) for part in self.parts])


def matched(
    layers: Mapping[str, Mapping[str, h5py.Dataset]], wanted: Mapping[str, keras.Variable]
) -> dict[str, h5py.Dataset | Stack] | None:
    """Maps the network's variable names to the file's arrays.

    Args:
        layers: The file's layers by name, each with its arrays by name.
        wanted: The network's variables by `layer/number`.

    Returns:
        Array by variable name; None if the file or the network is of another kind.
    """
    ours: dict[str, dict[str, str]] = {}  # layer to {variable's name: key in `wanted`}
    for key, variable in wanted.items():
        ours.setdefault(key.rpartition("/")[0], {})[variable.name] = key
    dense = [_variables(layers[name]) for name in _numbered(layers, "dense")]
    dense += [_variables(layers[CLASSIFIER])] if CLASSIFIER in layers else []
    memory = [layers[name] for name in _numbered(layers, "bidirectional")]
    if not {*STACKED, "logits"} <= ours.keys() or (len(dense), len(memory)) != (2 * AXES + 1, AXES):
        return None

    *tarm, classifier = dense
    shape = tuple(wanted[ours["tarm_in"]["kernel"]].shape[1:])
    first = [d for d in tarm if "kernel" in d and d["kernel"].shape == shape]
    if len(first) != AXES:  # K equals the number of joints, or the images have another size
        first = tarm[::2]
    last = [d for d in tarm if all(d is not other for other in first)]
    ways = [_variables(layer, way) for way in ("forward_", "backward_") for layer in memory]
    found: dict[str, h5py.Dataset | Stack] = {}
    for name, parts in zip(STACKED, (first, ways, last), strict=True):
        if any(part.keys() != ours[name].keys() for part in parts):
            return None
        for variable, key in ours[name].items():
            found[key] = Stack(tuple(part[variable] for part in parts))
    found |= {ours["logits"].get(name, f"dense/{name}"): data for name, data in classifier.items()}

    numbered: set[str] = set()
    for kind in ("conv2d", "batch_normalization"):
        theirs, mine = _numbered(layers, kind), _numbered(ours, kind)
        numbered |= {*theirs, *mine}
        for place, layer in enumerate(theirs):
            for name, data in _variables(layers[layer]).items():
                key = f"{layer}/{name} (of {len(theirs)} {kind}, here {len(mine)})"
                if len(theirs) == len(mine):  # otherwise numbers do not identify layers
                    key = ours[mine[place]].get(name, f"{layer}/{name}")
                found[key] = data
    for name in (layers.keys() & ours.keys()) - {*STACKED, "logits", *numbered}:
        for variable, data in _variables(layers[name]).items():
            own = variable.removeprefix(f"{name}_")  # Scale: conv1_scale/conv1_scale_gamma
            found[ours[name].get(own, f"{name}/{own}")] = data
    return found


def _numbered(names: Mapping[str, Any], kind: str) -> list[str]:
    """The layers of a kind among `names` that Keras named, in the order of their numbers.

    `dense` comes before `dense_1`; a network rebuilt in the same process may have `dense_1_1`.
    """
    numbers = {}
    for name in names:
        if found := re.fullmatch(rf"{kind}((?:_\d+)*)", name):
            numbers[name] = [int(number) for number in found[1].split("_")[1:]]
    return sorted(numbers, key=lambda name: numbers[name])


def _variables(arrays: Mapping[str, h5py.Dataset], way: str = "") -> dict[str, h5py.Dataset]:
    """A layer's arrays by the last part of their path; only paths that contain `way`."""
    return {
        path.rpartition("/")[2].partition(":")[0]: data
        for path, data in arrays.items()
        if way in path
    }
