"""`Recipe`: every number of a training, with its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from keras_skeleton.recipes.schedules import Constant, Schedule
from keras_skeleton.recipes.stage import Stage


@dataclass(frozen=True)
class Recipe:
    """Settings of a training.

    Attributes:
        optimizer: `"sgd"` or `"adam"`.
        learning_rate: Base learning rate; the schedule multiplies it.
        schedule: Learning-rate schedule, see `schedules`.
        batch_size: Number of clips in a batch, B.
        epochs: Passes over the training clips.
        momentum: Momentum of SGD.
        nesterov: Whether SGD uses Nesterov momentum.
        clipnorm: Largest norm of each weight's gradient, or None.
        preprocessing: Options of the model's preprocessing (those of `transforms.mans_image` for
            MANs).
        model: Arguments of `build_model`.
        dataset: Options of the dataset's reader.
        augment: Layers of `layers.augmentation` in front of the network, as (class, arguments).
        speed: For networks that learn from whole recordings: each training window is played faster
            or slower by a random factor between 1 / speed and speed.
        frames: T of the network's input. By default the image size of the paper or, for networks
            that take clips at their own length, the length of the longest clip.
        jit: Whether XLA compiles the training steps on TensorFlow: `"auto"` on GPUs if all layers
            support it; `"small"` also on CPUs for small batches (`training.trainer.FEW`).
        stages: Stages of a joint training; empty for end-to-end training.
        test_copies: Number of random copies of each test clip whose mean probability is also
            scored. Networks that sample frames draw them as in training; others by `augment`.
        views: For networks that take videos: number of sub-sequences of each test clip whose mean
            logits are scored. During training, only the middle sub-sequence is scored.
        sources: Source of each value, by field name; `"all"` stands for the whole recipe.
        name: `"paper"`, `"released"`, `"tuned"`, `"equal"` or `"faithful"`; set by
            `registry.get_recipe`.

    Example:
        >>> from dataclasses import replace
        >>> from keras_skeleton.recipes.registry import get_recipe
        >>> recipe = get_recipe("mans9", "ntu")
        >>> recipe.optimizer, recipe.learning_rate, recipe.batch_size, recipe.epochs
        ('sgd', 0.1, 40, 50)
        >>> replace(recipe, epochs=30).epochs
        30
    """

    optimizer: str
    learning_rate: float
    batch_size: int
    epochs: int
    schedule: Schedule = field(default_factory=Constant)
    momentum: float = 0.0
    nesterov: bool = False
    clipnorm: float | None = None
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)
    dataset: Mapping[str, Any] = field(default_factory=dict)
    augment: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    speed: float = 1.0
    frames: int | None = None
    jit: bool | str = "auto"
    stages: tuple[Stage, ...] = ()
    test_copies: int = 0
    views: int = 1
    sources: Mapping[str, str] = field(default_factory=dict)
    name: str = "paper"

    def describe(self) -> dict[str, Any]:
        """All fields except the name as plain values, for `run.json`; `speed` only if it is used,
        which most trainings do not know."""
        schedule = {"name": type(self.schedule).__name__, **asdict(self.schedule)}
        fields = {**asdict(self), "schedule": schedule}
        for hidden in ("name", *(() if self.speed != 1 else ("speed",))):
            del fields[hidden]
        return fields
