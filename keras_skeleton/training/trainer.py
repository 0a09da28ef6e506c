"""A network made ready to train by a recipe, and used again for every fold.

Compiling the training step costs many seconds. A `Trainer` compiles once; `reset` gives it
the weights of a freshly built network for the next fold or seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_skeleton.distributed import current
from keras_skeleton.layers import augmentation
from keras_skeleton.recipes.recipe import Recipe
from keras_skeleton.training.pipeline import (
    ClipInputs,
    epoch_steps,
    evaluation_batches,
    is_deterministic,
)

MAX_STEPS = 16  # steps, at most, that one call takes
EVALUATION_BATCH = 64  # clips scored at a time
FEW = 16  # clips of a batch; XLA makes the steps of small ones faster on CPUs, of large ones slower
Forward = Callable[[Any], Any]
"""Inputs (B, ...) to logits (B, C): `predict_on_batch` of a model, or its like on more devices."""

OPTIMIZERS: dict[str, Callable[[Recipe], keras.optimizers.Optimizer]] = {
    "sgd": lambda r: keras.optimizers.SGD(
        r.learning_rate, momentum=r.momentum, nesterov=r.nesterov, clipnorm=r.clipnorm
    ),
    "adam": lambda r: keras.optimizers.Adam(r.learning_rate, clipnorm=r.clipnorm),
}


def _jit(recipe: Recipe, replicas: int) -> bool | str:
    """Whether XLA compiles a step, as Keras wants it said."""
    if keras.backend.backend() != "tensorflow":  # on JAX nothing else compiles one
        return "auto"
    if recipe.jit != "small":
        return recipe.jit
    # Keras compiles neither for several devices nor with operations that give the same bits.
    few = recipe.batch_size <= FEW and replicas == 1 and not is_deterministic()
    return True if few else "auto"


def _steps_per_execution(recipe: Recipe, replicas: int, clips: Sequence[int]) -> int:
    """`Trainer.steps_per_execution`."""
    if keras.backend.backend() != "tensorflow" or replicas > 1:
        return 1
    common = math.gcd(*(epoch_steps(count, recipe.batch_size) for count in clips))
    return max(n for n in range(1, MAX_STEPS + 1) if common % n == 0) if common else 1


class Trainer:
    """One network, its augmentation and its optimizer.

    Args:
        build: Makes a new network; called again by `reset`.
        recipe: How it is trained.
        clips: Numbers of training clips, one for each fold.

    Attributes:
        model: The network itself: what is evaluated and saved.
        training_model: The same with the recipe's augmentation in front: what is fitted.
        steps_per_execution: Steps that one call of TensorFlow takes, which saves what Python does
            between them. They divide the epochs of all folds: another number is another
            compilation.
        devices: What they work on.
        forward: From inputs (B, ...) to logits (B, C), on these devices.
    """

    def __init__(
        self, build: Callable[[], keras.Model], recipe: Recipe, clips: Sequence[int] = ()
    ) -> None:
        self._build = build
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
            optimizer=OPTIMIZERS[recipe.optimizer](recipe),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            # An object, since the name alone makes its variables in the first step, which is
            # therefore traced twice.
            metrics=[keras.metrics.SparseCategoricalAccuracy("accuracy")],
            jit_compile=_jit(recipe, self.devices.replicas),
            steps_per_execution=self.steps_per_execution,
        )
        self.optimizer = self.training_model.optimizer
        self.devices.clip_together(self.optimizer)
        self.optimizer.build(self.training_model.trainable_variables)
        self._fresh_optimizer = [np.asarray(v) for v in self.optimizer.variables]
        self.forward = self.devices.forward(self.model)

    def variables(self) -> list[keras.Variable]:
        """Everything that training changes: weights, random generators, optimizer."""
        return [*self.training_model.variables, *self.optimizer.variables]

    def values(self) -> list[np.ndarray]:
        """The present values of `variables`."""
        return [np.array(keras.ops.convert_to_numpy(v)) for v in self.variables()]

    def restore(self, values: Sequence[np.ndarray]) -> None:
        """Sets `variables` to what `values` gave before; ValueError where they do not fit."""
        variables = self.variables()
        if [v.shape for v in variables] != [np.shape(x) for x in values]:
            raise ValueError("the saved training state belongs to another model or optimizer")
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

    def reset(self, seed: int) -> None:
        """Starts anew: weights and random generators as drawn from `seed`, optimizer at zero."""
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
        """The network on this process's own device, for what the devices do not share."""
        if self.devices.processes == 1:
            return self.model
        with self.devices.alone():
            twin = self._build()
            twin.set_weights(self.weights())
        return twin

    def weights(self) -> list[np.ndarray]:
        """Copies of the network's weights (without optimizer and random generators)."""
        return [np.array(w) for w in self.model.get_weights()]


def predict(forward: Forward, batches: Any, count: int) -> np.ndarray:
    """float32 (count, C): logits of the first `count` clips of evaluation batches."""
    logits = [
        keras.ops.convert_to_numpy(forward(keras.tree.map_structure(np.asarray, x)))
        for x, _ in batches
    ]
    return np.concatenate(logits)[:count].astype(np.float32)


def predict_views(
    forward: Forward, inputs: ClipInputs, clips: np.ndarray, batch_size: int, views: int
) -> np.ndarray:
    """float32 (n, C): mean logits of these clips over their first `views` fixed views."""
    found = [
        predict(forward, evaluation_batches(inputs, clips, batch_size, view), len(clips))
        for view in range(views)
    ]
    return np.stack(found).mean(axis=0)
