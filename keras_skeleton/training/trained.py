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

from keras_skeleton.datasets.dataset import SkeletonDataset
from keras_skeleton.errors import UnknownNameError
from keras_skeleton.evaluation.scores import Score, score
from keras_skeleton.models import MODELS, attention_maps
from keras_skeleton.pipeline import ClipInputs
from keras_skeleton.plots import attention_on_frames, attention_strip_figure
from keras_skeleton.training.fold import EVALUATION_BATCH
from keras_skeleton.training.parts import weigh_parts
from keras_skeleton.training.trainee import predict_views


def action_frames(row: pd.Series) -> tuple[int, int] | None:
    """First and last frame of a clip that carry its action, where that is known.

    Args:
        row: The clip's, of `SkeletonDataset.samples`.
    """
    if "action_start" not in row:
        return None
    return int(row["action_start"]), int(row["action_end"]) - 1


def called(weights: Path) -> str:
    """What the weights of a run's fold are called in titles: run, fold and file."""
    return "/".join(weights.parts[-3:])


@dataclass(frozen=True)
class Trained:
    """A network and clips.

    Attributes:
        model: Name of the model.
        network: Itself, with its trained weights.
        dataset: The clips.
        test: Which of them it is to be judged by; none where the clips are not of the dataset that
            it was trained on.
        inputs: What it reads of them.
        frames: T of its input.
        read: Choices of its view of a clip, as a recipe's.
        views: Sub-sequences of a clip whose mean logits count.
        batch_size: Clips at a time.
        weights: What the weights are called, for titles.
    """

    model: str
    network: keras.Model
    dataset: SkeletonDataset
    test: np.ndarray
    inputs: ClipInputs
    frames: int | None = None
    read: Mapping[str, Any] = field(default_factory=dict)
    views: int = 1
    batch_size: int = EVALUATION_BATCH
    weights: str = ""

    def test_clips(self, label: str) -> np.ndarray:
        """int (n,): the test clips of a class."""
        if label not in self.dataset.classes:
            raise UnknownNameError("class", label, self.dataset.classes, of=self.dataset.name)
        return self.test[self.dataset.labels[self.test] == self.dataset.classes.index(label)]

    def logits(self, clips: ArrayLike) -> np.ndarray:
        """float32 (n, C) of clips."""
        chosen = np.asarray(clips)
        size = min(self.batch_size, len(chosen))
        return predict_views(self.network.predict_on_batch, self.inputs, chosen, size, self.views)

    def score(self) -> Score:
        """How well it tells the test clips apart; ValueError where there are none."""
        if not len(self.test):
            raise ValueError(f"{self.dataset.name}: no test clips of '{self.model}' among these")
        return score(self.inputs.labels[self.test], self.logits(self.test))

    def attention(self, clips: ArrayLike) -> list[dict[str, np.ndarray]]:
        """Attention at each clip's own frames: `"joints"` (T, K), `"frames"` (T,), or (T, 3) where
        the coordinates have attention of their own, as the network has them."""
        chosen, result = np.asarray(clips), []
        for some in np.array_split(chosen, -(-len(chosen) // EVALUATION_BATCH)):
            maps = attention_maps(self.network, self.inputs.batch(some))
            for b, i in enumerate(some):
                length = int(self.dataset.samples["frames"].iloc[i])
                rows = MODELS[self.model].rows(length, self.frames, **self.read)
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
        return weigh_parts(self.network, self.inputs, np.asarray(clips), self.batch_size)

    def title(self, i: int) -> str:
        """Dataset, class, model, clip and weights, to be set above a figure."""
        row = self.dataset.samples.iloc[i]
        label = self.dataset.classes[row["label"]]
        kind = "test clip" if i in self.test else "clip"
        title = f"{self.model} on {self.dataset.name}: '{label}', {kind} {row['name']}"
        return f"{title}\nweights {self.weights}" if self.weights else title

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
