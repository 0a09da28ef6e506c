"""A trained network beside the clips that it is asked about: its answers, and where it looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from keras_skeleton.checkpoints.weights import load_weights
from keras_skeleton.datasets.dataset import SkeletonDataset
from keras_skeleton.evaluation.scores import Score, score
from keras_skeleton.models.attention_maps import attention_maps, attention_on_frames
from keras_skeleton.models.registry import MODELS
from keras_skeleton.training.experiment import Experiment
from keras_skeleton.training.pipeline import ClipInputs
from keras_skeleton.training.trainer import EVALUATION_BATCH, predict_views
from keras_skeleton.utils.errors import UnknownNameError
from keras_skeleton.viz.strips import attention_strip_figure


def weigh_parts(
    model: keras.Model, inputs: ClipInputs, clips: np.ndarray, batch_size: int
) -> np.ndarray | None:
    """float32 (n, K): the weights of the parts in the middle view of each clip, if it has any."""
    found = []
    for some in np.array_split(clips, -(-len(clips) // batch_size)):
        maps = attention_maps(model, inputs.batch(some))
        if "parts" not in maps:
            return None
        found.append(maps["parts"])
    return np.concatenate(found)


def action_frames(row: pd.Series) -> tuple[int, int] | None:
    """First and last frame of a clip that carry its action, where that is known.

    Args:
        row: The clip's, of `SkeletonDataset.samples`.
    """
    if "action_start" not in row:
        return None
    return int(row["action_start"]), int(row["action_end"]) - 1


def weights_label(weights: Path) -> str:
    """What the weights of a run's fold are called in titles: run, fold and file."""
    return "/".join(weights.parts[-3:])


@dataclass(frozen=True)
class Recognizer:
    """A network and clips.

    Attributes:
        name: Of the model.
        model: The network, with its trained weights.
        dataset: The clips.
        test: Which of them it is to be judged by; none where the clips are not of the dataset that
            it was trained on.
        inputs: What it reads of them.
        frames: T of its input.
        preprocessing: Choices of its view of a clip, as a recipe's.
        views: Sub-sequences of a clip whose mean logits count.
        batch_size: Clips at a time.
        weights_label: What the weights are called, for titles.
    """

    name: str
    model: keras.Model
    dataset: SkeletonDataset
    test: np.ndarray
    inputs: ClipInputs
    frames: int | None = None
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    views: int = 1
    batch_size: int = EVALUATION_BATCH
    weights_label: str = ""

    @classmethod
    def of_network(
        cls,
        experiment: Experiment,
        model: keras.Model,
        number: int | None = None,
        weights_label: str = "",
    ) -> Recognizer:
        """A network of an experiment, and the test clips of a fold (from 1)."""
        run, test = experiment, np.arange(0)
        if number is not None:
            test = run.folds[number - 1].test
        return cls(
            name=run.model,
            model=model,
            dataset=run.dataset,
            test=test,
            inputs=run.inputs(model),
            frames=run.frames,
            preprocessing=run.recipe.preprocessing,
            views=run.recipe.views,
            batch_size=run.recipe.batch_size if run.videos else EVALUATION_BATCH,
            weights_label=weights_label,
        )

    @classmethod
    def of_run(
        cls, experiment: Experiment, number: int, model: keras.Model | None = None
    ) -> Recognizer:
        """The weights that a finished fold (from 1) has selected; `model` receives them."""
        model = model or experiment.final_network()
        weights = experiment.fold_folder(number) / "best.weights.h5"
        load_weights(model, weights)
        return cls.of_network(experiment, model, number, weights_label(weights))

    def test_clips(self, label: str) -> np.ndarray:
        """int (n,): the test clips of a class."""
        if label not in self.dataset.classes:
            raise UnknownNameError("class", label, self.dataset.classes, of=self.dataset.name)
        return self.test[self.dataset.labels[self.test] == self.dataset.classes.index(label)]

    def logits(self, clips: ArrayLike) -> np.ndarray:
        """float32 (n, C) of clips."""
        chosen = np.asarray(clips)
        size = min(self.batch_size, len(chosen))
        return predict_views(self.model.predict_on_batch, self.inputs, chosen, size, self.views)

    def score(self) -> Score:
        """How well it tells the test clips apart; ValueError where there are none."""
        if not len(self.test):
            raise ValueError(f"{self.dataset.name}: no test clips of '{self.name}' among these")
        return score(self.inputs.labels[self.test], self.logits(self.test))

    def attention(self, clips: ArrayLike) -> list[dict[str, np.ndarray]]:
        """Attention at each clip's own frames: `"joints"` (T, K), `"frames"` (T,), or (T, 3) where
        the coordinates have attention of their own, as the network has them."""
        chosen, result = np.asarray(clips), []
        for some in np.array_split(chosen, -(-len(chosen) // EVALUATION_BATCH)):
            maps = attention_maps(self.model, self.inputs.batch(some))
            for b, i in enumerate(some):
                length = int(self.dataset.samples["frames"].iloc[i])
                rows = MODELS[self.name].frame_index(length, self.frames, **self.preprocessing)
                result.append(
                    {
                        name: attention_on_frames(values[b], rows, length)
                        for name, values in maps.items()
                        if name in ("joints", "frames")
                    }
                )
        return result

    def part_weights(self, clips: ArrayLike) -> np.ndarray | None:
        """float32 (n, K): the weights of the parts in the middle of each clip, if it has any."""
        return weigh_parts(self.model, self.inputs, np.asarray(clips), self.batch_size)

    def title(self, i: int) -> str:
        """Dataset, class, model, clip and weights, to be set above a figure."""
        row = self.dataset.samples.iloc[i]
        label = self.dataset.classes[row["label"]]
        kind = "test clip" if i in self.test else "clip"
        title = f"{self.name} on {self.dataset.name}: '{label}', {kind} {row['name']}"
        return f"{title}\nweights {self.weights_label}" if self.weights_label else title

    def frame_attention_figure(self, i: int, frames: ArrayLike) -> Figure:
        """Attention to the frames of a clip, from `attention`, above its poses; where it is known
        which frames carry the action, they are shaded."""
        row, info = self.dataset.samples.iloc[i], self.dataset.info
        return attention_strip_figure(
            self.dataset.clip(i),
            self.dataset.skeleton,
            frames,
            self.title(i),
            fps=info.get("fps"),
            interval=action_frames(row),
            unit=info.get("unit", "m"),
        )
