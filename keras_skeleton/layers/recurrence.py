"""Loops over time for layers with a hand-written gradient.

TensorFlow differentiates a loop step by step. For small sizes that costs several times the loop
itself, because every operation and every weight's gradient is started again in each step. The
layers that use this module define the backward loop themselves, with as few operations in it as
possible.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class Step(keras.layers.Layer):
    """One step of a loop; subclasses implement `call`.

    Args:
        states: Sizes of the states.
        outputs: Size of the step's output.
    """

    def __init__(self, states: list[int], outputs: int) -> None:
        super().__init__(dtype="float32", name="step")
        self.state_size = states
        self.output_size = outputs


def swapped(x: Any) -> Any:
    """(B, T, N) to (T, B, N), or back."""
    return ops.transpose(x, (1, 0, 2))


def before(x: Any) -> Any:
    """x(t-1) for all t of x (T, B, N); x(-1) = 0."""
    return ops.pad(x[:-1], ((1, 0), (0, 0), (0, 0)))


def handed(arguments: tuple[Any, ...], upstream: Any) -> Any:
    """The upstream gradient, which `ops.custom_gradient` passes by position or by name."""
    return arguments[0] if upstream is None else upstream


def scan(step: Step, inputs: Any, backwards: bool = False) -> Any:
    """Applies a step along the time axis: inputs (T, B, ...) to outputs (T, B, ...).

    Args:
        step: The step; its states start at 0.
        inputs: (T, B, ...).
        backwards: Run from the last time step to the first.
    """
    loop = keras.layers.RNN(step, return_sequences=True, dtype="float32", name="scan")
    if backwards:
        return ops.flip(scan(step, ops.flip(inputs, axis=0)), axis=0)
    return swapped(loop(swapped(inputs)))
