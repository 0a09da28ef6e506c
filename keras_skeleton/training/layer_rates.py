"""Learning rates of single weights, as multiples of the optimizer's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras


def with_rates(
    optimizer: keras.optimizers.Optimizer, factors: Sequence[float]
) -> keras.optimizers.Optimizer:
    """An optimizer of the same kind that multiplies the learning rate of each weight.

    Gradients are not scaled, because Adam's steps do not depend on their scale.

    Args:
        optimizer: An optimizer that has not been built.
        factors: One factor for each trainable variable, in the order of `build`.

    Example:
        >>> import keras
        >>> from keras_skeleton.training.layer_rates import with_rates
        >>> import numpy as np
        >>> slow = with_rates(keras.optimizers.SGD(1.0), [0.1, 1.0])
        >>> weights = [keras.Variable([0.0]), keras.Variable([0.0])]
        >>> slow.apply([np.ones(1, "f"), np.ones(1, "f")], weights)
        >>> [round(float(w[0]), 2) for w in weights]
        [-0.1, -1.0]
    """
    if all(factor == 1 for factor in factors):
        return optimizer
    kind: Any = type(optimizer)

    class WithRates(kind):
        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            factor = factors[self._get_variable_index(variable)]
            super().update_step(gradient, variable, learning_rate * factor)

    return WithRates.from_config(optimizer.get_config())
