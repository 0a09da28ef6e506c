"""Gradient saliency: how strongly each input value affects the logit of the predicted class.

Keras has no backend-independent gradient function, so this module uses TensorFlow and JAX
directly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_skeleton.utils.errors import UserError

Gradient = Callable[[np.ndarray], np.ndarray]


def input_gradient(model: keras.Model) -> Gradient:
    """Returns a function that computes the gradient of each clip's largest logit by the input.

    It maps a batch (B, ...) to gradients of the same shape. The largest logit is that of the
    predicted class. Dropout is inactive.

    Args:
        model: A model with one input and logits (B, classes).

    Raises:
        UserError: If Keras uses a backend other than TensorFlow or JAX.

    Reference:
        Simonyan et al., "Deep inside convolutional networks: visualising image classification
        models and saliency maps", 2014.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return _on_tensorflow(model)
    if backend == "jax":
        return _on_jax(model)
    raise UserError(f"saliency needs the Keras backend TensorFlow or JAX, not {backend}")


def _on_tensorflow(model: keras.Model) -> Gradient:
    import tensorflow as tf

    @tf.function
    def gradient(batch: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(batch)
            largest = tf.reduce_max(model(batch, training=False), axis=1)
        return tape.gradient(largest, batch)

    # One trace for all batch shapes. Otherwise every network's first batch causes a retrace, and
    # TensorFlow warns about too many.
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
    """Computes |(x - rest) * gradient|, summed over coordinates.

    This is a first-order estimate of how much the logit changes when x is replaced by `rest`. With
    `rest` = 0 it would be input x gradient, which depends on the origin of the coordinates.

    Args:
        gradient: Gradients from `input_gradient`, (B, R, K, C).
        batch: Network inputs, (B, R, K, C), with R rows (frames) of K joints.
        rest: Reference pose, (K, C).

    Returns:
        Saliency of every joint in every row, (B, R, K).

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.attention.saliency import saliency
        >>> batch = np.array([[[[1.0, 3.0]]]])  # 1 clip, 1 row, 1 joint, 2 coordinates
        >>> saliency(np.array([[[[2.0, -1.0]]]]), batch, rest=np.zeros((1, 2)))
        array([[[5.]]])
    """
    return np.abs((batch - rest) * gradient).sum(axis=-1)
