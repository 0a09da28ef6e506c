"""The fastest of several ways to run a network, chosen by measurement on this machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

import keras
import numpy as np

from keras_skeleton.deploy.runtimes import ExportError

ROUNDS = 5  # runs of each way, in turns, so that other load slows all of them


def fastest(
    ways: Mapping[str, Callable[[Any], Any]], clock: Callable[[], float] = time.perf_counter
) -> Callable[[Any], Any]:
    """Returns a function that runs the fastest of `ways` for each input shape.

    The first call with a shape compiles all ways and runs each `ROUNDS` times on its inputs; the
    way with the smallest median is used from then on. Ways that do not support the network are left
    out.

    Args:
        ways: Functions of the same inputs to the same outputs, by name.
        clock: Returns the time in seconds.

    Raises:
        ExportError: In the first call: no way supports the network.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.deploy.fastest import fastest
        >>> double = fastest({"sum": lambda x: x + x, "product": lambda x: 2 * x})
        >>> double(np.ones(2)).tolist()
        [2.0, 2.0]
    """
    chosen: dict[tuple[tuple[int, ...], ...], Callable[[Any], Any]] = {}
    lock = Lock()  # two measurements at once would slow each other

    def forward(x: Any) -> Any:
        shapes = tuple(np.shape(array) for array in keras.tree.flatten(x))
        with lock:
            if shapes not in chosen:
                chosen[shapes] = _winner(ways, x, clock)
        return chosen[shapes](x)

    return forward


def _winner(
    ways: Mapping[str, Callable[[Any], Any]], x: Any, clock: Callable[[], float]
) -> Callable[[Any], Any]:
    seconds: dict[str, list[float]] = {}
    failed: ExportError | None = None
    for name, way in ways.items():
        try:
            way(x)  # compiles
        except ExportError as error:
            failed = error
        else:
            seconds[name] = []
    if not seconds:
        assert failed is not None
        raise failed
    for _ in range(ROUNDS):
        for name, own in seconds.items():
            start = clock()
            ways[name](x)
            own.append(clock() - start)
    return ways[min(seconds, key=lambda name: statistics.median(seconds[name]))]
