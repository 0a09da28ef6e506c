"""GateNet as a detector: its losses, and intervals from its frame-wise probabilities.

See `models/gate_net.py` for the network. It is trained on whole recordings (`detection.fit`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from keras_skeleton.models.gate_net import gate_net
from keras_skeleton.skeletons import Skeleton

WEIGHTS = {"labels": 1.0, "ends": 1.0}  # of the losses


def losses() -> dict[str, keras.losses.Loss]:
    """The losses of the outputs of GateNet, by name."""
    return {
        "labels": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        "ends": keras.losses.BinaryCrossentropy(),
    }


def build_gate(
    skeleton: Skeleton, classes: int, bodies: int, arguments: Mapping[str, Any]
) -> keras.Model:
    """Builds GateNet for recordings of any length.

    Args:
        skeleton: The joint layout.
        classes: C, without the class for no action.
        bodies: M.
        arguments: Further arguments of `models.gate_net.gate_net`.
    """
    return gate_net(skeleton.size, classes, bodies, root=skeleton.root, **arguments)
