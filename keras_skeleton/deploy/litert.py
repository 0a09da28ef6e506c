"""A trained network as a LiteRT program, with faster convolutions on CPUs than XLA's."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Lock
from typing import Any

import keras
import numpy as np

from keras_skeleton.deploy.export import copied, lacking
from keras_skeleton.deploy.runtimes import ExportError, litert_class, litert_interpreter, quiet
from keras_skeleton.utils.processes import cores

LEAST = 4  # smallest number of clips per thread for which splitting a batch pays off


def on_litert(network: keras.Model, threads: int | None = None) -> Callable[[Any], Any]:
    """Compiles a network for LiteRT: returns a function from inputs (B, ...) to logits (B, C).

    The function keeps a copy of the weights. Its first call with each input shape converts the
    network in memory, which takes seconds. Batches are split among the threads, at least `LEAST`
    clips each, because loops over time use one thread only; smaller batches are given to all
    threads as a whole.

    Args:
        network: A network with one input, or with several inputs by name.
        threads: Number of threads; the number of cores by default.

    Returns:
        A function as that of `compiled`.

    Raises:
        ExportError: The Keras backend is not TensorFlow, or no LiteRT runtime is installed. In the
            first call: LiteRT does not support the network.

    Example:
        >>> import numpy as np
        >>> import keras_skeleton as ks
        >>> from keras_skeleton.deploy.litert import on_litert
        >>> predict = on_litert(ks.build_model("lstm", "sbu", classes=8, units=8), threads=1)
        >>> predict(np.zeros((4, 20, 30, 3), "float32")).shape
        (4, 8)
    """
    if keras.backend.backend() != "tensorflow":
        raise ExportError(
            f"runtime='litert' needs the Keras backend tensorflow, not {keras.backend.backend()}"
        )
    most = cores() if threads is None else threads
    if most < 1:
        raise ExportError(f"threads={threads}: at least one is needed")
    litert_class()  # raises if none is installed
    fixed = copied(network)
    programs: dict[Any, Callable[[list[np.ndarray]], list[np.ndarray]]] = {}
    lock = Lock()  # interpreters are not safe for threads

    def forward(x: Any) -> Any:
        x = keras.tree.map_structure(lambda k, v: np.asarray(v, k.dtype), network.input, x)
        arrays = keras.tree.flatten(x)
        shapes = tuple(array.shape for array in arrays)
        with lock:
            if shapes not in programs:
                programs[shapes] = _program(fixed, shapes, most)
            found = programs[shapes](arrays)
        return keras.tree.pack_sequence_as(network.output, found)

    return forward


def _program(
    network: keras.Model, shapes: tuple[tuple[int, ...], ...], threads: int
) -> Callable[[list[np.ndarray]], list[np.ndarray]]:
    """A function from arrays of these shapes to the flat outputs of a network."""
    batch = shapes[0][0]
    parts = max(1, min(threads, batch // LEAST))
    at = [batch * i // parts for i in range(parts + 1)]
    sizes = [b - a for a, b in pairwise(at)]
    files = {n: _converted(network, [(n, *shape[1:]) for shape in shapes]) for n in set(sizes)}
    runs = [_interpreted(files[size], threads // parts) for size in sizes]
    pool = ThreadPoolExecutor(parts) if parts > 1 else None

    def run(arrays: list[np.ndarray]) -> list[np.ndarray]:
        if pool is None:
            return runs[0](arrays)
        shares = [[array[a:b] for array in arrays] for a, b in pairwise(at)]
        found = list(pool.map(lambda one, share: one(share), runs, shares))
        return [np.concatenate(values) for values in zip(*found, strict=True)]

    return run


def _converted(network: keras.Model, shapes: list[tuple[int, ...]]) -> bytes:
    """The content of a LiteRT file for inputs of these shapes."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    run = tf.function(lambda x: network(x, training=False), autograph=False)
    specs = [
        tf.TensorSpec(shape, x.dtype, name=f"input_{i}")
        for i, (x, shape) in enumerate(zip(keras.tree.flatten(network.input), shapes, strict=True))
    ]
    try:
        with quiet():
            traced = run.get_concrete_function(keras.tree.pack_sequence_as(network.input, specs))
            constant = convert_variables_to_constants_v2(traced)
            converter = tf.lite.TFLiteConverter.from_concrete_functions([constant])
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
            return converter.convert()
    except Exception as error:  # the converter has its own exceptions
        raise ExportError(
            f"litert does not support '{network.name}': {lacking(error)}; use runtime='xla'"
        ) from error


def _interpreted(content: bytes, threads: int) -> Callable[[list[np.ndarray]], list[np.ndarray]]:
    """A LiteRT file as a function from flat inputs to flat outputs."""
    with quiet():  # logs the kernels that it uses
        interpreter = litert_interpreter(content, threads)
        interpreter.allocate_tensors()
    inputs = [one["index"] for one in interpreter.get_input_details()]
    outputs = [one["index"] for one in interpreter.get_output_details()]

    def run(arrays: list[np.ndarray]) -> list[np.ndarray]:
        for index, array in zip(inputs, arrays, strict=True):
            interpreter.set_tensor(index, array)
        interpreter.invoke()
        return [interpreter.get_tensor(index) for index in outputs]

    return run
