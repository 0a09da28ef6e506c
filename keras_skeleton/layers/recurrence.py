"""Loops over time for layers with a gradient of their own.

TensorFlow derives a loop step by step. At small sizes that costs several times the loop itself,
since every operation, and the gradient of every weight, is started anew in each step. Here a layer
gives the loop backwards itself, with as little in it as can be.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class Step(keras.layers.Layer):
    """One step of a loop; subclasses say what it does.

    Args:
        states: Sizes of the states.
        outputs: Size of what a step puts out.
    """

    def __init__(self, states: list[int], outputs: int) -> None:
        super().__init__(dtype="float32", name="step")
        self.state_size = states
        self.output_size = outputs


def swapped(x: Any) -> Any:
    """(B, T, N) to (T, B, N), or back."""
    return ops.transpose(x, (1, 0, 2))


def before(x: Any) -> Any:
    """x(t-1) for all t of (T, B, N); x(-1) = 0."""
    return ops.pad(x[:-1], ((1, 0), (0, 0), (0, 0)))


def handed(arguments: tuple[Any, ...], upstream: Any) -> Any:
    """The gradient that `ops.custom_gradient` hands over: in place, or by name."""
    return arguments[0] if upstream is None else upstream


def scan(step: Step, inputs: Any, backwards: bool = False) -> Any:
    """What the step puts out at all times, (T, B, ...), from what it takes; states begin as 0."""
    loop = keras.layers.RNN(step, return_sequences=True, dtype="float32", name="scan")
    if backwards:
        return ops.flip(scan(step, ops.flip(inputs, axis=0)), axis=0)
    return swapped(loop(swapped(inputs)))
