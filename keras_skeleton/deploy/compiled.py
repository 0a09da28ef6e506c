"""A trained network as one compiled function from arrays to arrays: for a clip at a time as it is
recorded, or for very many."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import keras
import numpy as np

from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.processes import cores

LEAST = 4  # clips of a batch that are worth a core of their own


def compiled(network: keras.Model) -> Callable[[Any], np.ndarray]:
    """The function from a network's input (B, ...) to its logits (B, C), compiled by XLA.

    Loops over time and what surrounds them become one program, without the start of hundreds of
    small operations. With TensorFlow on CPUs a batch is shared among the cores, at least `LEAST`
    clips each, since such a loop uses one only. Values are those of `network.predict_on_batch`
    but for rounding. The first call with each shape takes seconds, for compilation; so a few
    hundred clips are scored faster without it, and batches should all have one size.

    Args:
        network: Of one input, or of several by name. Weights that are set later count.

    Raises:
        UserError: Keras runs on another backend than TensorFlow or JAX.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return _on_tensorflow(network)
    if backend == "jax":
        return _on_jax(network)
    raise UserError(f"compiled networks need Keras on TensorFlow or JAX; here it is on {backend}")


def _on_tensorflow(network: keras.Model) -> Callable[[Any], np.ndarray]:
    import tensorflow as tf

    one = tf.function(
        lambda x: network(x, training=False), jit_compile=True, reduce_retracing=False
    )
    most = 1 if tf.config.list_physical_devices("GPU") else cores()

    @tf.function(reduce_retracing=False)
    def run(x: Any) -> Any:
        batch = keras.tree.flatten(x)[0].shape[0]
        parts = max(1, min(most, batch // LEAST))
        at = [batch * i // parts for i in range(parts + 1)]
        shares = [keras.tree.map_structure(lambda v, a=a, b=b: v[a:b], x) for a, b in pairwise(at)]
        return tf.concat([one(share) for share in shares], axis=0)  # at the same time

    def forward(x: Any) -> np.ndarray:
        return run(keras.tree.map_structure(tf.constant, x)).numpy()

    return forward


def _on_jax(network: keras.Model) -> Callable[[Any], np.ndarray]:
    import jax

    @jax.jit
    def run(x: Any, trained: list[Any], other: list[Any]) -> Any:
        logits, _ = network.stateless_call(trained, other, x, training=False)
        return logits

    def forward(x: Any) -> np.ndarray:
        trained = [v.value for v in network.trainable_variables]
        other = [v.value for v in network.non_trainable_variables]
        return np.asarray(run(x, trained, other))

    return forward
