"""Start a training from the weights of another network (fine-tuning).

All layers but the head are taken, by their name (see `models.head.named_layers`) and shape. Where
the two networks have other joints, the weights of each joint are taken by the joint's name, and
those of a joint or person that the other network does not have keep their random start.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_skeleton.checkpoints.weights import load_weights
from keras_skeleton.models.head import named_layers
from keras_skeleton.skeletons import Skeleton, matched_joints
from keras_skeleton.utils.errors import UserError


class InitialWeightsError(UserError):
    """Weights cannot be the start of a training."""


@dataclass(frozen=True)
class Joints:
    """The joints that a network reads: those of `bodies` people.

    Attributes:
        skeleton: The joint layout, V joints.
        bodies: Number of bodies M.
    """

    skeleton: Skeleton
    bodies: int

    def rows_of(self, other: Joints) -> np.ndarray:
        """For each of the M * V joints of all people, its index among those of `other`, or -1."""
        matched = matched_joints(other.skeleton, self.skeleton)  # (V,)
        rows = [
            np.where((matched >= 0) & (m < other.bodies), matched + m * other.skeleton.size, -1)
            for m in range(self.bodies)
        ]
        return np.concatenate(rows)


@dataclass(frozen=True)
class Taken:
    """What a network has taken from another one.

    Attributes:
        whole: Names of the layers that were taken.
        partly: Layers of which the weights of some joints were taken.
        fresh: Layers that keep their random start; the head is among them.
        arrays: Number of arrays taken, wholly or partly.
        total: Number of arrays of the network, without the states of its random generators.
    """

    whole: tuple[str, ...]
    partly: tuple[str, ...]
    fresh: tuple[str, ...]
    arrays: int
    total: int

    def __str__(self) -> str:
        parts = [f"{len(self.whole)} layers taken ({self.arrays} of {self.total} arrays)"]
        if self.partly:
            parts.append(f"by joint: {', '.join(self.partly)}")
        return "; ".join([*parts, f"new: {', '.join(self.fresh) or 'none'}"])


@dataclass(frozen=True)
class InitialWeights:
    """The weights that a training starts from.

    Attributes:
        source: Name of the weights, recorded by the run.
        network: The network that they belong to; None for a file of unknown origin.
        joints: The joints that this network reads; None for a file of unknown origin.
        file: Weights file of unknown origin, of any layout that `load_weights` reads.
        freeze: Regular expression; layers whose name it matches from the start are not trained.
        rate: Learning rate of the layers that were taken, as a multiple of that of the others.
        record: What the run records about the source.

    Example:
        >>> from keras_skeleton.training.initial import InitialWeights
        >>> import keras_skeleton as ks
        >>> recognizer = ks.load_recognizer("mans9_synthetic_cs")  # doctest: +SKIP
        >>> start = InitialWeights("mans9_synthetic_cs", recognizer.model)  # doctest: +SKIP
    """

    source: str
    network: keras.Model | None = None
    joints: Joints | None = None
    file: Path | None = None
    freeze: str | None = None
    rate: float = 1.0
    record: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.rate <= 1:
            raise InitialWeightsError(f"rate={self.rate:g}: expected a number above 0, at most 1")
        if self.freeze is not None:
            try:
                re.compile(self.freeze)
            except re.error as error:
                raise InitialWeightsError(f"freeze '{self.freeze}': {error}") from None

    def describe(self) -> dict[str, Any]:
        """The entry of `run.json`."""
        return {
            "source": self.source,
            **self.record,
            "freeze": self.freeze,
            "rate": self.rate,
        }

    def apply(self, model: keras.Model, head: Collection[str], joints: Joints) -> Taken:
        """Copies the weights into a network.

        Args:
            model: The network.
            head: Names of the layers of its head, which keep their random start.
            joints: The joints that it reads.

        Raises:
            InitialWeightsError: If no layer fits.
        """
        if self.network is not None:
            taken = take_layers(model, self.network, head, joints, self.joints or joints)
        else:
            assert self.file is not None
            taken = _from_file(model, self.file, head)
        if not taken.whole and not taken.partly:
            raise InitialWeightsError(
                f"{self.source}: none of its layers fits '{model.name}'; choose weights of the "
                "same model"
            )
        return taken

    def frozen(self, model: keras.Model) -> keras.Model:
        """Freezes the layers whose names `freeze` matches; returns the network.

        Raises:
            InitialWeightsError: If it matches no layer with weights, or all of them.
        """
        if self.freeze is None:
            return model
        weighted = [(name, layer) for name, layer in named_layers(model) if layer.weights]
        matched = [layer for name, layer in weighted if re.match(self.freeze, name)]
        if not matched or len(matched) == len(weighted):
            names = ", ".join(name for name, _ in weighted)
            raise InitialWeightsError(
                f"freeze '{self.freeze}' matches {'all' if matched else 'none'} of the layers "
                f"with weights: {names}"
            )
        for layer in matched:
            layer.trainable = False
        return model


def take_layers(
    model: keras.Model,
    other: keras.Model,
    head: Collection[str],
    joints: Joints,
    other_joints: Joints,
) -> Taken:
    """Copies weights from one network to another, layer by layer.

    Args:
        model: The network to change.
        other: The network to copy from.
        head: Names of layers that keep their random start.
        joints: The joints that `model` reads.
        other_joints: The joints that `other` reads.
    """
    there = dict(named_layers(other))
    whole: list[str] = []
    partly: list[str] = []
    fresh: list[str] = []
    arrays = 0
    rows = joints.rows_of(other_joints)
    for name, layer in named_layers(model):
        if not layer.weights:  # states of random generators come from the seed
            continue
        theirs = None if name in head else there.get(name)
        if theirs is None or len(theirs.weights) != len(layer.weights):
            fresh.append(name)
            continue
        values = [
            _taken_value(
                np.array(keras.ops.convert_to_numpy(own)),
                np.asarray(keras.ops.convert_to_numpy(its)),
                rows,
                joints=joints,
                other=other_joints,
            )
            for own, its in zip(layer.weights, theirs.weights, strict=True)
        ]
        if any(value is None for value, _ in values):
            fresh.append(name)
            continue
        for own, (value, _) in zip(layer.weights, values, strict=True):
            own.assign(value)
        arrays += len(values)
        (whole if all(same for _, same in values) else partly).append(name)
    return Taken(tuple(whole), tuple(partly), tuple(fresh), arrays, len(model.weights))


def _taken_value(
    own: np.ndarray, its: np.ndarray, rows: np.ndarray, joints: Joints, other: Joints
) -> tuple[np.ndarray | None, bool]:
    """The value of a variable after taking another one's, and whether all of it was taken; None
    if their shapes differ otherwise than by the joints."""
    if own.shape == its.shape:
        return its, True
    if own.ndim != its.ndim:
        return None, False
    # Joints (M V), their coordinates (3 M V), and the joints of one person (V).
    V, W = joints.skeleton.size, other.skeleton.size
    coordinates = np.where(rows[:, None] >= 0, 3 * rows[:, None] + np.arange(3), -1).ravel()
    known = {
        (3 * joints.bodies * V, 3 * other.bodies * W): coordinates,
        (joints.bodies * V, other.bodies * W): rows,
        (V, W): rows[:V],
    }
    value = own
    for axis, sizes in enumerate(zip(own.shape, its.shape, strict=True)):
        if sizes[0] == sizes[1]:
            continue
        if sizes not in known:
            return None, False
        index = known[sizes]
        # Rows without a counterpart keep the start of the new network.
        its = np.take(its, np.maximum(index, 0), axis=axis)
        mask = (index >= 0).reshape([-1 if k == axis else 1 for k in range(its.ndim)])
        if its.shape == own.shape:
            value = np.where(mask, its, own)
        elif not (index >= 0).all():
            return None, False  # two axes of joints, one of them incomplete
    return value, False


def _from_file(model: keras.Model, file: Path, head: Collection[str]) -> Taken:
    """Loads all that fits from a file, but not into the head."""
    heads = [v for name, layer in named_layers(model) if name in head for v in layer.variables]
    own = {id(v) for v in model.weights}
    random = [v for v in model.variables if id(v) not in own]  # their states come from the seed
    before = {id(v): np.array(keras.ops.convert_to_numpy(v)) for v in model.weights}
    result = load_weights(model, file, partial=True, omit=[*heads, *random])
    changed = {
        id(v)
        for v in model.weights
        if not np.array_equal(before[id(v)], keras.ops.convert_to_numpy(v))
    }
    whole: list[str] = []
    fresh: list[str] = []
    for name, layer in named_layers(model):
        if layer.weights:
            taken = any(id(v) in changed for v in layer.weights)
            (whole if taken else fresh).append(name)
    return Taken(tuple(whole), (), tuple(fresh), len(result.loaded), len(model.weights))
