"""`DatasetRecognizer`: predictions and attention of a trained network on the clips of a dataset."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from keras_skeleton.checkpoints.weights import load_weights
from keras_skeleton.datasets.dataset import SkeletonDataset
from keras_skeleton.evaluation.scores import Score, score
from keras_skeleton.models.preprocessing import Preprocessing
from keras_skeleton.recognizer import Recognizer
from keras_skeleton.training.experiment import Experiment
from keras_skeleton.training.pipeline import ClipInputs
from keras_skeleton.training.trainer import EVALUATION_BATCH, predict_views
from keras_skeleton.utils.errors import UnknownNameError
from keras_skeleton.viz.strips import attention_strip_figure


def action_frames(row: pd.Series) -> tuple[int, int] | None:
    """First and last frame (inclusive) that carry a clip's action, or None if unknown.

    Args:
        row: The clip's row of `SkeletonDataset.samples`.
    """
    if "action_start" not in row:
        return None
    return int(row["action_start"]), int(row["action_end"]) - 1


def recognizer_of(experiment: Experiment, model: keras.Model, name: str = "") -> Recognizer:
    """The recognizer of a network of an experiment, without a calibration.

    Args:
        experiment: The experiment.
        model: The network, with its weights.
        name: Name of the weights.
    """
    run = experiment
    return Recognizer(
        model,
        run.dataset.classes,
        Preprocessing(
            run.model,
            run.dataset.skeleton,
            bodies=run.dataset.max_bodies,
            frames=run.recipe.frames,
            choices=run.recipe.preprocessing,
            unit=run.dataset.info.get("unit", "m"),
        ),
        run.arguments(**run.final_changes),
        name,
    )


def weights_label(weights: Path) -> str:
    """Name of a weights file in titles: run, fold and file name."""
    return "/".join(weights.parts[-3:])


@dataclass(frozen=True)
class DatasetRecognizer:
    """A recognizer together with a dataset.

    Attributes:
        recognizer: The trained network with its preprocessing and classes.
        dataset: The clips.
        test: Indices of the test clips; empty if the network was trained on another dataset.
        inputs: Preprocessed inputs of all clips.
        frames: Number of input frames T, or None for the model's default.
        views: Number of views per clip over which logits are averaged.
        batch_size: Number of clips per batch.

    Example:
        >>> import keras_skeleton as ks
        >>> from keras_skeleton.zoo.load import on_dataset
        >>> network = ks.pretrained("sta_lstm", "synthetic", "cs")  # doctest: +SKIP
        >>> recognizer = on_dataset(network, ks.load_dataset("synthetic"))  # doctest: +SKIP
        >>> recognizer.score().accuracy  # doctest: +SKIP
    """

    recognizer: Recognizer
    dataset: SkeletonDataset
    test: np.ndarray
    inputs: ClipInputs
    frames: int | None = None
    views: int = 1
    batch_size: int = EVALUATION_BATCH

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
            recognizer=recognizer_of(run, model, weights_label),
            dataset=run.dataset,
            test=test,
            inputs=run.inputs(model),
            frames=run.frames,
            views=run.recipe.views,
            batch_size=run.recipe.batch_size if run.videos else EVALUATION_BATCH,
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

    @property
    def name(self) -> str:
        """Model name."""
        return self.recognizer.preprocessing.model

    @property
    def model(self) -> keras.Model:
        """The network."""
        return self.recognizer.model

    @property
    def weights_label(self) -> str:
        """Name of the weights, used in titles."""
        return self.recognizer.name

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
        lengths = self.dataset.samples["frames"].to_numpy()
        result = []
        for some, outputs in self._outputs(np.asarray(clips)):
            for b, i in enumerate(some):
                own = {key: values[b] for key, values in outputs.items()}
                result.append(self.recognizer.maps_on_frames(own, int(lengths[i]), self.frames))
        return result

    def part_weights(self, clips: ArrayLike) -> np.ndarray | None:
        """Weights of the body parts in the middle view of each clip, float32 (n, K), or None if
        the network has no body-part attention."""
        found = []
        for _, outputs in self._outputs(np.asarray(clips)):
            if "parts" not in outputs:
                return None
            found.append(outputs["parts"])
        return np.concatenate(found)

    def _outputs(self, clips: np.ndarray) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """Yields parts of the clips with the network's outputs for them."""
        for some in np.array_split(clips, -(-len(clips) // self.batch_size)):
            yield some, self.recognizer.outputs(self.inputs.batch(some))

    def title(self, i: int) -> str:
        """Figure title of clip `i`: model, dataset, class, clip and weights."""
        row = self.dataset.samples.iloc[i]
        label = self.dataset.classes[row["label"]]
        kind = "test clip" if i in self.test else "clip"
        title = f"{self.name} on {self.dataset.name}: '{label}', {kind} {row['name']}"
        weights = self.recognizer.name
        return f"{title}\nweights {weights}" if weights else title

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
