"""A trained network as one compiled function, for live recordings or large numbers of clips."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from typing import Any

import keras
import numpy as np

from keras_skeleton.deploy.half import in_bfloat16
from keras_skeleton.utils.errors import UnknownNameError, UserError
from keras_skeleton.utils.processes import cores

LEAST = 4  # smallest number of clips per core for which splitting a batch pays off
# Calls with one clip, after which XLA saves more time than it needs for the compilation: 2 s and
# 10 ms per call (benchmarks/answers.py).
CALLS = 200
COMPILERS = ("xla", "graph", "litert", "fastest")
PRECISIONS = ("float32", "bfloat16")


def compiled(
    network: keras.Model,
    runtime: str = "xla",
    threads: int | None = None,
    precision: str = "float32",
) -> Callable[[Any], Any]:
    """Compiles a network: returns a function from inputs (B, ...) to logits (B, C).

    Which runtime is the fastest depends on the network, the batch and the processor: on CPUs, often
    `"xla"` for LSTMs and single clips, `"graph"` for convolutions in large batches, `"litert"` for
    convolutions of few clips (`benchmarks/README.md`). `"fastest"` finds out.

    XLA turns loops over time and the operations around them into one program, without the overhead
    of starting hundreds of small operations. On CPUs with TensorFlow, where such a program uses one
    core, a batch is split among the cores, at least `LEAST` clips each. Results equal those of
    `network.predict_on_batch` except for rounding.

    The first call with each input shape takes seconds to compile. Use the same batch size
    throughout, and call the network directly to predict only a few hundred clips. PyTorch has no
    XLA: there the network runs as it is, without gradients.

    Args:
        network: A network with one input, or with several inputs by name.
        runtime: `"xla"`, or on TensorFlow `"graph"`, a plain graph with its own kernels: the
            function always uses the network's current weights. `"litert"`, on TensorFlow: it uses a
            copy of them, made by this call; the package ai-edge-litert is used if it is installed,
            see `deploy.litert`. `"fastest"`, on TensorFlow: a copy of the weights, too; the first
            call with each shape tries all of these, which takes longer, see `deploy.fastest`.
        threads: Number of threads of LiteRT; the number of cores by default.
        precision: `"float32"`: each layer computes in the precision that it was built with.
            `"bfloat16"`: a copy of the network in which convolutions and dense layers compute in
            bfloat16; see `deploy.half`. It changes logits by up to a percent, and is fast on GPUs
            and on processors with AMX. On CPUs with TensorFlow it is a plain graph with the kernels
            of oneDNN, since XLA has none for bfloat16.

    Returns:
        A function from an array, or a dict of arrays by input name, to a float array (B, C); to a
        dict of arrays if the network has several outputs by name.

    Raises:
        UserError: The Keras backend is none of TensorFlow, JAX and PyTorch; `threads` with XLA;
            bfloat16 on another runtime than XLA; graph or fastest on another backend.
        UnknownNameError: Unknown runtime or precision.
        ExportError: LiteRT is not installed, or, in the first call, does not support the network.

    Example:
        >>> import numpy as np
        >>> import keras_skeleton as ks
        >>> predict = ks.compiled(ks.build_model("lstm", "sbu", classes=8, units=8))
        >>> predict(np.zeros((4, 20, 30, 3), "float32")).shape
        (4, 8)
    """
    if runtime not in COMPILERS:
        raise UnknownNameError("runtime", runtime, COMPILERS)
    if precision not in PRECISIONS:
        raise UnknownNameError("precision", precision, PRECISIONS)
    halved = precision == "bfloat16"
    if halved and runtime != "xla":
        raise UserError(f"runtime='{runtime}' has no precision='bfloat16'; use runtime='xla'")
    if threads is not None and runtime != "litert":
        raise UserError(f"threads={threads} is an argument of runtime='litert' only")
    if runtime == "litert":
        from keras_skeleton.deploy.litert import on_litert

        return on_litert(network, threads)
    backend = keras.backend.backend()
    if runtime != "xla":
        if backend != "tensorflow":
            raise UserError(f"runtime='{runtime}' needs Keras on TensorFlow; it runs on {backend}")
        return _graph(network) if runtime == "graph" else _fastest(network)
    if backend not in ("tensorflow", "jax", "torch"):
        raise UserError(
            f"compiled networks need Keras on TensorFlow, JAX or PyTorch; it runs on {backend}"
        )
    if halved:
        network = in_bfloat16(network)
    if backend == "jax":
        return _on_jax(network)
    if backend == "torch":
        return _eager(network)
    return _graph(network) if halved and not _gpu() else _on_tensorflow(network)


def traced(network: keras.Model) -> Callable[[Any], Any]:
    """Returns a function as `compiled` does, which answers sooner the first time.

    On TensorFlow, it is one graph without XLA, which is traced in less than a second. When one clip
    of the same shape has been given `CALLS` times, XLA compiles the network for this shape; answers
    then differ by rounding. The function works on all backends.

    Args:
        network: As for `compiled`.

    Example:
        >>> import numpy as np
        >>> import keras_skeleton as ks
        >>> from keras_skeleton.deploy.compiled import traced
        >>> predict = traced(ks.build_model("lstm", "sbu", classes=8, units=8))
        >>> predict(np.zeros((1, 20, 30, 3), "float32")).shape
        (1, 8)
    """
    backend = keras.backend.backend()
    if backend == "jax":
        return _on_jax(network)
    if backend != "tensorflow":
        return _eager(network)
    fast, plain = _on_tensorflow(network), _graph(network)
    calls: Counter[tuple[int, ...]] = Counter()

    def forward(x: Any) -> Any:
        if isinstance(x, np.ndarray) and len(x) == 1:  # several inputs are crops: compiled too long
            calls[x.shape] += 1
            if calls[x.shape] > CALLS:
                return fast(x)
        return plain(x)

    return forward


def _fastest(network: keras.Model) -> Callable[[Any], Any]:
    from keras_skeleton.deploy.export import copied
    from keras_skeleton.deploy.fastest import fastest
    from keras_skeleton.deploy.litert import on_litert
    from keras_skeleton.deploy.runtimes import ExportError

    network = copied(network)
    ways = {"xla": _on_tensorflow(network), "graph": _graph(network)}
    with suppress(ExportError):  # no LiteRT is installed
        ways["litert"] = on_litert(network)
    return fastest(ways)


def _gpu() -> bool:
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def _graph(network: keras.Model) -> Callable[[Any], Any]:
    """One graph of TensorFlow without XLA."""
    import tensorflow as tf

    @tf.function(reduce_retracing=True, autograph=False)
    def run(x: Any) -> Any:
        return network(x, training=False)

    def forward(x: Any) -> Any:
        found = run(keras.tree.map_structure(tf.constant, x))
        return keras.tree.map_structure(lambda values: values.numpy(), found)

    return forward


def _eager(network: keras.Model) -> Callable[[Any], Any]:
    def forward(x: Any) -> Any:
        found = network.predict_on_batch(x)
        return keras.tree.map_structure(keras.ops.convert_to_numpy, found)

    return forward


def _on_tensorflow(network: keras.Model) -> Callable[[Any], Any]:
    import tensorflow as tf

    one = tf.function(
        lambda x: network(x, training=False), jit_compile=True, reduce_retracing=False
    )
    most = 1 if _gpu() else cores()

    @tf.function(reduce_retracing=False)
    def run(x: Any) -> Any:
        batch = keras.tree.flatten(x)[0].shape[0]
        parts = max(1, min(most, batch // LEAST))
        at = [batch * i // parts for i in range(parts + 1)]
        shares = [keras.tree.map_structure(lambda v, a=a, b=b: v[a:b], x) for a, b in pairwise(at)]
        found = [one(share) for share in shares]  # TensorFlow runs them at once
        return keras.tree.map_structure(lambda *values: tf.concat(values, axis=0), *found)

    def forward(x: Any) -> Any:
        found = run(keras.tree.map_structure(tf.constant, x))
        return keras.tree.map_structure(lambda values: values.numpy(), found)

    return forward


def _on_jax(network: keras.Model) -> Callable[[Any], Any]:
    import jax

    @jax.jit
    def run(x: Any, trained: list[Any], other: list[Any]) -> Any:
        found, _ = network.stateless_call(trained, other, x, training=False)
        return found

    def forward(x: Any) -> Any:
        trained = [v.value for v in network.trainable_variables]
        other = [v.value for v in network.non_trainable_variables]
        return keras.tree.map_structure(np.asarray, run(x, trained, other))

    return forward
