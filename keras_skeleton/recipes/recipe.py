"""`Recipe`: every number of a training, with where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from keras_skeleton.recipes.schedules import Constant, Schedule
from keras_skeleton.recipes.stage import Stage


@dataclass(frozen=True)
class Recipe:
    """One training.

    Attributes:
        optimizer: `"sgd"` or `"adam"`.
        learning_rate: The base rate, multiplied by the schedule.
        schedule: See `schedules`.
        batch_size: B.
        epochs: Passes over the training clips.
        momentum, nesterov: Of SGD.
        clipnorm: Largest norm of each weight's gradient, or None.
        preprocessing: Choices of the model's view of a clip (`transforms.mans_image` for MANs).
        model: Arguments of `build_model`.
        dataset: Reader options of the dataset.
        augment: Layers of `layers.augmentation` in front of the network, as (class, arguments).
        frames: T of the network's input; by default the paper's image size, or for networks that
            read clips at their own length the longest clip of the dataset.
        jit: Whether XLA compiles the steps of a training with TensorFlow: `"auto"` on GPUs where
            all layers support it, `"small"` on CPUs, too, where a batch is small (`trainee.FEW`).
        stages: Stages of a joint training, in place of one training from end to end.
        test_copies: Random copies of each test clip whose mean probability is scored, too (for
            networks that sample frames).
        views: Sub-sequences of each test clip whose mean logits are the result (for networks that
            watch videos). During training a clip is scored on one, its middle.
        sources: Field name to where its value comes from.
        name: `"paper"`, `"released"` or `"tuned"`; set by `registry.get_recipe`.
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
    frames: int | None = None
    jit: bool | str = "auto"
    stages: tuple[Stage, ...] = ()
    test_copies: int = 0
    views: int = 1
    sources: Mapping[str, str] = field(default_factory=dict)
    name: str = "paper"

    def describe(self) -> dict[str, Any]:
        """All fields but the name as plain values, for `run.json`."""
        schedule = {"name": type(self.schedule).__name__, **asdict(self.schedule)}
        fields = {**asdict(self), "schedule": schedule}
        del fields["name"]
        return fields
