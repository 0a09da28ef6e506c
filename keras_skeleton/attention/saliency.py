"""Gradient saliency: how much each number of a clip moves the class that a network predicts.

Keras has no call for gradients by an input that all of its backends share, so this file speaks to
TensorFlow and to JAX themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_skeleton.utils.errors import UserError

Gradient = Callable[[np.ndarray], np.ndarray]


def input_gradient(model: keras.Model) -> Gradient:
    """The function from a batch (B, ...) to the gradient of its largest logits, the same shape.

    The largest logit of a clip is the one of the class that the network predicts. Nothing is
    dropped out.

    Args:
        model: Of one input, with logits (B, classes).

    Raises:
        UserError: Keras runs on another backend than TensorFlow or JAX.

    Reference:
        Simonyan et al., "Deep inside convolutional networks: visualising image classification
        models and saliency maps", 2014.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return _on_tensorflow(model)
    if backend == "jax":
        return _on_jax(model)
    raise UserError(f"saliency needs Keras on TensorFlow or JAX; here it runs on {backend}")


def _on_tensorflow(model: keras.Model) -> Gradient:
    import tensorflow as tf

    @tf.function
    def gradient(batch: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(batch)
            largest = tf.reduce_max(model(batch, training=False), axis=1)
        return tape.gradient(largest, batch)

    # One trace for batches of every shape: without it each network's first batch is a new one,
    # and TensorFlow warns of too many.
    traced = gradient.get_concrete_function(tf.TensorSpec(model.input_shape, tf.float32))
    return lambda batch: traced(tf.constant(batch, tf.float32)).numpy()


def _on_jax(model: keras.Model) -> Gradient:
    import jax

    def largest(batch: Any, trained: list[Any], other: list[Any]) -> Any:
        logits, _ = model.stateless_call(trained, other, batch, training=False)
        return logits.max(axis=1).sum()

    gradient = jax.jit(jax.grad(largest))

    def compute(batch: np.ndarray) -> np.ndarray:
        trained = [v.value for v in model.trainable_variables]
        other = [v.value for v in model.non_trainable_variables]
        return np.asarray(gradient(batch, trained, other))

    return compute


def saliency(gradient: np.ndarray, batch: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """|(x - rest) * gradient|, summed over coordinates: (B, R, K, C) to (B, R, K).

    To the first order: how far the logit moves when the number x is put to rest. With `rest` 0 it
    would be input x gradient, which depends on where a clip's origin happens to lie.

    Args:
        gradient: From `input_gradient`.
        batch: The clips, (B, R, K, C), R rows of frames with K joints.
        rest: (K, C), the pose that stands for nothing.
    """
    return np.abs((batch - rest) * gradient).sum(axis=-1)
