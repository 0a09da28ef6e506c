"""`DatasetRecognizer`: predictions and attention of a trained network on the clips of a dataset."""

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
    """Part weights of a network with body-part attention, in the middle view of each clip.

    Args:
        model: The network.
        inputs: Its inputs.
        clips: Indices of the clips.
        batch_size: Number of clips per batch.

    Returns:
        float32 (n, K), or None if the network has no body-part attention.
    """
    found = []
    for some in np.array_split(clips, -(-len(clips) // batch_size)):
        maps = attention_maps(model, inputs.batch(some))
        if "parts" not in maps:
            return None
        found.append(maps["parts"])
    return np.concatenate(found)


def action_frames(row: pd.Series) -> tuple[int, int] | None:
    """First and last frame (inclusive) that carry a clip's action, or None if unknown.

    Args:
        row: The clip's row of `SkeletonDataset.samples`.
    """
    if "action_start" not in row:
        return None
    return int(row["action_start"]), int(row["action_end"]) - 1


def weights_label(weights: Path) -> str:
    """Name of a weights file in titles: run, fold and file name."""
    return "/".join(weights.parts[-3:])


@dataclass(frozen=True)
class DatasetRecognizer:
    """A trained network together with a dataset.

    Attributes:
        name: Model name.
        model: The network, with its trained weights.
        dataset: The clips.
        test: Indices of the test clips; empty if the network was trained on another dataset.
        inputs: Preprocessed inputs of all clips.
        frames: Number of input frames T, or None for any length.
        preprocessing: Preprocessing options, as in a recipe.
        views: Number of views per clip over which logits are averaged.
        batch_size: Number of clips per batch.
        weights_label: Name of the weights, used in titles.

    Example:
        >>> import keras_skeleton as ks
        >>> from keras_skeleton.zoo.load import on_dataset
        >>> model, entry = ks.pretrained("sta_lstm", "synthetic", "cs")  # doctest: +SKIP
        >>> recognizer = on_dataset(model, entry, ks.load_dataset("synthetic"))  # doctest: +SKIP
        >>> recognizer.score().accuracy  # doctest: +SKIP
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
    ) -> DatasetRecognizer:
        """Creates a recognizer from a network of an experiment.

        Args:
            experiment: The experiment.
            model: The network, with its weights.
            number: Fold whose test clips are used, counted from 1; by default no test clips.
            weights_label: Name of the weights, used in titles.
        """
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
    ) -> DatasetRecognizer:
        """Creates a recognizer from the selected weights of a finished fold.

        Args:
            experiment: The experiment.
            number: Fold number, counted from 1.
            model: Network into which the weights are loaded; by default a new one.
        """
        model = model or experiment.final_network()
        weights = experiment.fold_folder(number) / "best.weights.h5"
        load_weights(model, weights)
        return cls.of_network(experiment, model, number, weights_label(weights))

    def test_clips(self, label: str) -> np.ndarray:
        """Indices of the test clips of a class, int (n,).

        Raises:
            UnknownNameError: If the dataset has no such class.
        """
        if label not in self.dataset.classes:
            raise UnknownNameError("class", label, self.dataset.classes, of=self.dataset.name)
        return self.test[self.dataset.labels[self.test] == self.dataset.classes.index(label)]

    def logits(self, clips: ArrayLike) -> np.ndarray:
        """Logits of the clips with the given indices, float32 (n, C)."""
        chosen = np.asarray(clips)
        size = min(self.batch_size, len(chosen))
        return predict_views(self.model.predict_on_batch, self.inputs, chosen, size, self.views)

    def score(self) -> Score:
        """Scores on the test clips.

        Raises:
            ValueError: If there are no test clips.
        """
        if not len(self.test):
            raise ValueError(f"{self.dataset.name}: no test clips for '{self.name}'")
        return score(self.inputs.labels[self.test], self.logits(self.test))

    def attention(self, clips: ArrayLike) -> list[dict[str, np.ndarray]]:
        """Attention of the network, resampled to the original frames of each clip.

        Args:
            clips: Indices of the clips.

        Returns:
            One dictionary per clip with the maps that the network has: `"joints"` (T, K) with
            K = M * V, and `"frames"` (T,), or (T, 3) with one column per coordinate.
        """
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
        """Weights of the body parts in the middle view of each clip, float32 (n, K), or None if
        the network has no body-part attention."""
        return weigh_parts(self.model, self.inputs, np.asarray(clips), self.batch_size)

    def title(self, i: int) -> str:
        """Figure title of clip `i`: model, dataset, class, clip and weights."""
        row = self.dataset.samples.iloc[i]
        label = self.dataset.classes[row["label"]]
        kind = "test clip" if i in self.test else "clip"
        title = f"{self.name} on {self.dataset.name}: '{label}', {kind} {row['name']}"
        return f"{title}\nweights {self.weights_label}" if self.weights_label else title

    def frame_attention_figure(self, i: int, frames: ArrayLike) -> Figure:
        """Draws the frame attention of clip `i` above its poses. The frames that carry the action
        are shaded if they are known.

        Args:
            i: Index of the clip.
            frames: Frame attention from `attention`, (T,) or (T, 3).
        """
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
