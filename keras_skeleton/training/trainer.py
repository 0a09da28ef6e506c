"""A network compiled for training and reused for every fold.

Compiling the training step takes many seconds. A `Trainer` compiles once; `reset` reinitializes
its weights for the next fold or seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_skeleton.distributed.devices import current
from keras_skeleton.layers import augmentation
from keras_skeleton.models.head import named_layers
from keras_skeleton.recipes.recipe import Recipe
from keras_skeleton.training.layer_rates import with_rates
from keras_skeleton.training.pipeline import (
    ClipInputs,
    epoch_steps,
    evaluation_batches,
    is_deterministic,
)

MAX_STEPS = 16  # upper limit of `steps_per_execution`
EVALUATION_BATCH = 64  # batch size of evaluation
FEW = 16  # on CPUs, XLA speeds up steps with batches up to this size and slows down larger ones
Forward = Callable[[Any], Any]
"""Maps inputs (B, ...) to logits (B, C): a model's `predict_on_batch`, or its counterpart for
several devices."""

OPTIMIZERS: dict[str, Callable[[Recipe], keras.optimizers.Optimizer]] = {
    "sgd": lambda r: keras.optimizers.SGD(
        r.learning_rate, momentum=r.momentum, nesterov=r.nesterov, clipnorm=r.clipnorm
    ),
    "adam": lambda r: keras.optimizers.Adam(r.learning_rate, clipnorm=r.clipnorm),
}


def _jit(recipe: Recipe, replicas: int) -> bool | str:
    """The `jit_compile` argument of Keras: whether XLA compiles the training step."""
    if keras.backend.backend() != "tensorflow":  # JAX always uses XLA
        return "auto"
    if recipe.jit != "small":
        return recipe.jit
    # Keras does not use XLA with several devices or with deterministic operations.
    few = recipe.batch_size <= FEW and replicas == 1 and not is_deterministic()
    return True if few else "auto"


def _steps_per_execution(recipe: Recipe, replicas: int, clips: Sequence[int]) -> int:
    """See `Trainer.steps_per_execution`."""
    if keras.backend.backend() != "tensorflow" or replicas > 1:
        return 1
    common = math.gcd(*(epoch_steps(count, recipe.batch_size) for count in clips))
    return max(n for n in range(1, MAX_STEPS + 1) if common % n == 0) if common else 1


class Trainer:
    """A network with its augmentation and optimizer, compiled for training.

    Args:
        build: Builds a new network; also called by `reset`.
        recipe: Optimizer, learning rate, batch size and augmentation.
        clips: Number of training clips of each fold.
        rates: Learning rates of layers by name (see `models.head.named_layers`), as multiples of
            the recipe's; 1 by default.

    Attributes:
        model: The network, used for evaluation and saved.
        training_model: The network with the recipe's augmentation in front, used for training.
        steps_per_execution: Number of training steps per TensorFlow call, which reduces Python
            overhead. It divides the steps per epoch of all folds, since any other remainder would
            need another compilation.
        devices: Devices that train the network.
        forward: Maps inputs (B, ...) to logits (B, C) on these devices.

    Example:
        >>> from keras_skeleton.training.trainer import Trainer
        >>> from keras_skeleton.models.registry import build_model
        >>> from keras_skeleton.recipes.registry import get_recipe
        >>> recipe = get_recipe("mans9", "synthetic")
        >>> trainer = Trainer(
        ...     lambda: build_model("mans9", classes=8, frames=16), recipe, clips=[40]
        ... )  # doctest: +SKIP
        >>> trainer.reset(seed=0)  # doctest: +SKIP
    """

    def __init__(
        self,
        build: Callable[[], keras.Model],
        recipe: Recipe,
        clips: Sequence[int] = (),
        rates: Mapping[str, float] | None = None,
    ) -> None:
        self._build = build
        self._rates = rates or {}
        self.recipe = recipe
        self.devices = current()
        self.devices.check_batch(recipe.batch_size)
        self.steps_per_execution = _steps_per_execution(recipe, self.devices.replicas, clips)
        with self.devices.scope():
            self._make()

    def _make(self) -> None:
        recipe = self.recipe
        self.model = self._build()
        self.devices.join_statistics(self.model)
        augment = [getattr(augmentation, name)(**arguments) for name, arguments in recipe.augment]
        self.training_model = (
            keras.Sequential([self.model.input, *augment, self.model]) if augment else self.model
        )
        self.training_model.compile(
            optimizer=with_rates(OPTIMIZERS[recipe.optimizer](recipe), self._factors()),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            # Given by name, the metric would create variables in the first step and cause a
            # second trace.
            metrics=[keras.metrics.SparseCategoricalAccuracy("accuracy")],
            jit_compile=_jit(recipe, self.devices.replicas),
            steps_per_execution=self.steps_per_execution,
        )
        self.optimizer = self.training_model.optimizer
        self.devices.clip_together(self.optimizer)
        self.optimizer.build(self.training_model.trainable_variables)
        self._fresh_optimizer = [np.asarray(v) for v in self.optimizer.variables]
        self.forward = self.devices.forward(self.model)

    def _factors(self) -> list[float]:
        """The factor of the learning rate of each trainable variable."""
        factors = {
            id(variable): self._rates.get(name, 1.0)
            for name, layer in named_layers(self.model)
            for variable in layer.variables
        }
        return [factors.get(id(v), 1.0) for v in self.training_model.trainable_variables]

    def variables(self) -> list[keras.Variable]:
        """All variables that training changes: weights, random generators, optimizer."""
        return [*self.training_model.variables, *self.optimizer.variables]

    def values(self) -> list[np.ndarray]:
        """Copies of the values of `variables`."""
        return [np.array(keras.ops.convert_to_numpy(v)) for v in self.variables()]

    def restore(self, values: Sequence[np.ndarray]) -> None:
        """Sets `variables` to values returned by `values`; raises ValueError if the shapes
        differ."""
        variables = self.variables()
        if [v.shape for v in variables] != [np.shape(x) for x in values]:
            raise ValueError("the saved training state belongs to another model or optimizer")
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

    def reset(self, seed: int) -> None:
        """Reinitializes weights and random generators from `seed`, and resets the optimizer."""
        keras.utils.set_random_seed(seed)
        fresh = self._build()
        for variable, start in zip(self.model.variables, fresh.variables, strict=True):
            variable.assign(start)
        own = {id(v) for v in self.model.variables}
        generators = [v for v in self.training_model.variables if id(v) not in own]
        for i, variable in enumerate(generators):
            variable.assign(np.array([seed, i], variable.dtype))
        for variable, start in zip(self.optimizer.variables, self._fresh_optimizer, strict=True):
            variable.assign(start)

    def alone(self) -> keras.Model:
        """The network on this process's own device, for computations that are not distributed."""
        if self.devices.processes == 1:
            return self.model
        with self.devices.alone():
            twin = self._build()
            twin.set_weights(self.weights())
        return twin

    def weights(self) -> list[np.ndarray]:
        """Copies of the network's weights, without optimizer and random generators."""
        return [np.array(w) for w in self.model.get_weights()]


def predict(forward: Forward, batches: Any, count: int) -> np.ndarray:
    """Predicts logits of the first `count` clips of evaluation batches, float32 (count, C)."""
    logits = [
        keras.ops.convert_to_numpy(forward(keras.tree.map_structure(np.asarray, x)))
        for x, _ in batches
    ]
    return np.concatenate(logits)[:count].astype(np.float32)


def predict_views(
    forward: Forward, inputs: ClipInputs, clips: np.ndarray, batch_size: int, views: int
) -> np.ndarray:
    """Predicts logits averaged over the first `views` fixed views of each clip, float32 (n, C)."""
    found = [
        predict(forward, evaluation_batches(inputs, clips, batch_size, view), len(clips))
        for view in range(views)
    ]
    return np.stack(found).mean(axis=0)
