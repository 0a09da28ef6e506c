"""`Recognizer`: a trained network with its preprocessing, skeleton and classes, for predictions and
attention on new clips."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_skeleton.checkpoints.saving import save_weights
from keras_skeleton.checkpoints.weights import load_weights
from keras_skeleton.deploy.compiled import compiled, traced
from keras_skeleton.evaluation.calibration import FILE as CALIBRATION
from keras_skeleton.evaluation.calibration import Calibration, read_calibration
from keras_skeleton.evaluation.scores import softmax
from keras_skeleton.models.attention_maps import (
    attention_on_frames,
    attention_outputs,
    readable_maps,
)
from keras_skeleton.models.head import features_at
from keras_skeleton.models.preprocessing import ClipInputError, Preprocessing
from keras_skeleton.models.registry import MODELS, build_model
from keras_skeleton.skeletons import Skeleton
from keras_skeleton.utils._version import __version__
from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.files import read_json, write_json

RECORD, WEIGHTS = "recognizer.json", "model.weights.h5"
BATCH = 32  # maximum batch size


class RecognizerError(UserError):
    """Raised if weights cannot be used for predictions on clips."""


@dataclass(frozen=True)
class Prediction:
    """The prediction for one clip.

    Attributes:
        label: The most probable class.
        probability: Probability of this class.
        ranking: The most probable classes with their probabilities, best first.
        probabilities: Probabilities of all classes, float64 (C,).
        logits: Logits of all classes, float32 (C,).
        unsure: Whether the probability is low, or the clip far from the training clips, see
            `evaluation.calibration`; None if the weights have no calibration.
        distance: Distance of the clip to the training clips; None without a calibration.
        doubts: Why the prediction is unsure; empty if it is not.
        notes: Changes made to the clip to fit the network's input.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.recognizer import Prediction
        >>> ranking = (("wave", 0.9), ("nod", 0.1))
        >>> probabilities, logits = np.array([0.9, 0.1]), np.array([2.2, 0.0])
        >>> print(Prediction("wave", 0.9, ranking, probabilities, logits))
        wave 90.0 %
    """

    label: str
    probability: float
    ranking: tuple[tuple[str, float], ...]
    probabilities: np.ndarray
    logits: np.ndarray
    unsure: bool | None = None
    distance: float | None = None
    doubts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        doubt = " (unsure)" if self.unsure else ""
        return f"{self.label} {100 * self.probability:.1f} %{doubt}"


@dataclass
class Recognizer:
    """A trained network that recognizes actions in raw clips.

    Attributes:
        model: The network, with its trained weights.
        classes: Class names, in the order of the logits.
        preprocessing: Preprocessing of raw clips to the network's input.
        arguments: Arguments of `build_model` other than skeleton, classes and frames.
        name: Name of the weights.
        about: Source of the weights: dataset, protocol, fold, recipe, accuracy; rows of the swap
            test (`evaluation.swap_test`) if attention was scored.
        calibration: Temperature and thresholds of `unsure`; None if the weights have none.

    Raises:
        RecognizerError: If the calibration is that of another network.

    Example:
        >>> import keras_skeleton as ks
        >>> recognizer = ks.load_recognizer("mans9_synthetic_cs")  # doctest: +SKIP
        >>> recognizer.predict(clip).label  # doctest: +SKIP
        'wave_right_hand'
    """

    model: keras.Model
    classes: Sequence[str]
    preprocessing: Preprocessing
    arguments: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)
    calibration: Calibration | None = None

    def __post_init__(self) -> None:
        self.classes = tuple(self.classes)
        if self.calibration is not None:
            self._check_calibration(self.calibration)

    def _check_calibration(self, calibration: Calibration) -> None:
        try:
            features = features_at(self.model, calibration.layer).shape[-1]
        except ValueError:
            features = None
        if calibration.centres.shape != (len(self.classes), features):
            classes, found = calibration.centres.shape
            raise RecognizerError(
                f"{self.name}: the calibration is that of another network ({classes} classes, "
                f"{found} features of layer '{calibration.layer}'); delete it or calibrate again"
            )

    @cached_property
    def _all(self) -> keras.Model:
        """The network with all its outputs."""
        outputs = {"logits": self.model.output, **attention_outputs(self.model)}
        if self.calibration is not None:
            outputs["features"] = features_at(self.model, self.calibration.layer)
        return keras.Model(self.model.input, outputs)

    @cached_property
    def _forward(self) -> Callable[[Any], dict[str, np.ndarray]]:
        return traced(self._all)

    def in_precision(self, precision: str) -> Recognizer:
        """A recognizer with the same weights that computes in another precision.

        Args:
            precision: `"bfloat16"` or `"float32"`, see `compiled`. The calibration stays that of
                float32: in bfloat16, logits differ by up to a percent.

        Raises:
            UnknownNameError: Unknown precision.
        """
        if precision == "float32":
            return self
        found = replace(self)
        found._forward = compiled(self._all, precision=precision)
        return found

    @property
    def skeleton(self) -> Skeleton:
        """The skeleton of the network's input."""
        return self.preprocessing.skeleton

    def preprocess(self, clip: np.ndarray, skeleton: str | Skeleton | None = None) -> np.ndarray:
        """Converts a raw clip to the network's input, float32 (1, ...).

        Args:
            clip: A clip, (T, V, 3) or (T, M, V, 3).
            skeleton: Skeleton of the clip; by default the network's.
        """
        adapted, _ = self._adapt(clip, skeleton)
        return self.preprocessing(adapted)[None]

    def _adapt(
        self, clip: np.ndarray, skeleton: str | Skeleton | None
    ) -> tuple[np.ndarray, list[str]]:
        if MODELS[self.preprocessing.model].video:
            raise RecognizerError(
                f"'{self.preprocessing.model}' has video inputs, so clips of joints are not "
                "enough; use it with a dataset and crops (zoo.load.on_dataset)"
            )
        return self.preprocessing.adapt(clip, skeleton)

    def predict(
        self,
        clips: np.ndarray | Sequence[np.ndarray],
        top: int = 3,
        skeleton: str | Skeleton | None = None,
    ) -> Any:
        """Predicts the action of a clip, or of each clip of a list.

        Args:
            clips: A clip (T, V, 3) or (T, M, V, 3) in the unit of the training clips, or a list of
                clips. Absent bodies are zero; if there are too many, those with the most motion
                are used.
            top: Number of classes in the ranking.
            skeleton: Skeleton of the clips; by default the network's. Another skeleton is mapped
                by joint names.

        Returns:
            A `Prediction`, or a list of them.

        Raises:
            ClipInputError: If a clip is invalid.
            SkeletonMapError: If the skeleton cannot be mapped to the network's.
            RecognizerError: If the network has video inputs.
        """
        if isinstance(clips, (str, Path)):
            raise ClipInputError(
                f"{clips}: a recognizer predicts arrays; read files with "
                "keras_skeleton.datasets.clip_sources.read_clips, or use the command predict"
            )
        given = [clips] if isinstance(clips, np.ndarray) else list(clips)
        adapted = [self._adapt(clip, skeleton) for clip in given]
        if not given:
            return []
        outputs = self._outputs([clip for clip, _ in adapted])
        distances: Sequence[float | None] = [None] * len(given)
        if self.calibration is not None:
            distances = self.calibration.distances(outputs["features"]).tolist()
        found = [
            self.prediction(logits, distance, top, notes)
            for logits, distance, (_, notes) in zip(
                outputs["logits"], distances, adapted, strict=True
            )
        ]
        return found[0] if isinstance(clips, np.ndarray) else found

    def prediction(
        self,
        logits: np.ndarray,
        distance: float | None = None,
        top: int = 3,
        notes: Sequence[str] = (),
    ) -> Prediction:
        """The prediction that follows from logits, such as the mean of several clips' logits.

        Args:
            logits: (C,).
            distance: Distance to the training clips, see `Calibration.distances`; None if unknown.
            top: Number of classes in the ranking.
            notes: Changes made to the clip.
        """
        own = self.calibration
        probabilities = softmax(logits) if own is None else own.probabilities(logits)
        best = np.argsort(-probabilities, kind="stable")[: max(1, top)]
        ranking = tuple((str(self.classes[k]), float(probabilities[k])) for k in best)
        unsure, doubts = None, []
        if own is not None and distance is not None:
            doubts = own.doubts(ranking[0][1], distance)
            unsure = bool(doubts)
        return Prediction(
            *ranking[0],
            ranking,
            probabilities,
            logits,
            unsure=unsure,
            distance=distance,
            doubts=tuple(doubts),
            notes=tuple(notes),
        )

    def attention(
        self, clip: np.ndarray, skeleton: str | Skeleton | None = None
    ) -> dict[str, np.ndarray]:
        """Attention of the network to a clip, resampled to the clip's frames.

        Args:
            clip: A clip, (T, V, 3) or (T, M, V, 3).
            skeleton: Skeleton of the clip; by default the network's.

        Returns:
            The maps that the network has: `"joints"` (T, M * V), and `"frames"` (T,), or (T, 3)
            with one column per coordinate.

        Raises:
            ClipInputError: If the clip is invalid.
            SkeletonMapError: If the skeleton cannot be mapped to the network's.
            RecognizerError: If the network has video inputs.
        """
        adapted, _ = self._adapt(clip, skeleton)
        return self.attention_of([adapted])[0]

    def attention_of(self, adapted: Sequence[np.ndarray]) -> list[dict[str, np.ndarray]]:
        """As `attention`, for clips returned by `preprocessing.adapt`."""
        outputs = self._outputs(adapted)
        frames = self._frames(adapted)
        return [
            self.maps_on_frames({k: v[b] for k, v in outputs.items()}, len(clip), frames)
            for b, clip in enumerate(adapted)
        ]

    def maps_on_frames(
        self, outputs: Mapping[str, np.ndarray], length: int, frames: int | None
    ) -> dict[str, np.ndarray]:
        """Attention maps of one clip, resampled to its frames.

        Args:
            outputs: Maps of the clip, as in `outputs` without the batch axis.
            length: Number of frames of the clip.
            frames: T of the network's input; None for the model's default.
        """
        rows = self.preprocessing.frame_index(length, frames)
        return {
            name: attention_on_frames(outputs[name], rows, length)
            for name in ("joints", "frames")
            if name in outputs
        }

    def _frames(self, clips: Sequence[np.ndarray]) -> int | None:
        return self.preprocessing.input_frames(max(map(len, clips)))

    def _outputs(self, clips: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Logits and attention of adapted clips."""
        frames = self._frames(clips)
        found = []
        for first in range(0, len(clips), BATCH):
            some = clips[first : first + BATCH]
            size = 1 if len(clips) == 1 else min(BATCH, len(clips))
            batch = np.stack([self.preprocessing(clip, frames) for clip in some])
            outputs = self.outputs(np.resize(batch, (size, *batch.shape[1:])))
            found.append({key: values[: len(some)] for key, values in outputs.items()})
        return {key: np.concatenate([part[key] for part in found]) for key in found[0]}

    def outputs(self, batch: Any) -> dict[str, np.ndarray]:
        """Logits and attention of the network for a batch of its inputs, from one call.

        After 200 calls with one clip of the same shape, XLA compiles the network for it, which
        takes some seconds; answers then differ by rounding.

        Args:
            batch: Inputs (B, ...): an array, or a dict of arrays by input name.

        Returns:
            `"logits"` (B, C); the attention maps that the network has, as in `attention_maps`; with
            a calibration, `"features"` (B, D).
        """
        return readable_maps(self.model, self._forward(batch))

    def save(self, folder: str | Path) -> Path:
        """Writes the weights and a JSON file to a folder, for `load_recognizer`.

        Args:
            folder: Output folder, created if it does not exist.

        Returns:
            The folder.

        Raises:
            RecognizerError: If the folder already holds a recognizer.
        """
        folder = Path(folder)
        if (folder / RECORD).exists():
            raise RecognizerError(f"{folder} already holds a recognizer; choose another folder")
        folder.mkdir(parents=True, exist_ok=True)
        save_weights(self.model, folder / WEIGHTS)
        if self.calibration is not None:
            self.calibration.save(folder / CALIBRATION)
        write_json(
            folder / RECORD,
            {
                "keras_skeleton": __version__,
                "name": self.name,
                "classes": list(self.classes),
                "arguments": dict(self.arguments),
                "preprocessing": self.preprocessing.describe(),
                "about": dict(self.about),
            },
        )
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> Recognizer:
        """Loads a recognizer written by `save`.

        Raises:
            RecognizerError: If the folder holds no recognizer, or if it is damaged.
        """
        path = Path(folder) / RECORD
        try:
            content = read_json(path, "a recognizer")
            preprocessing = Preprocessing.from_description(content["preprocessing"])
            classes, arguments = content["classes"], content["arguments"]
            name, about = content["name"], content["about"]
        except FileNotFoundError:
            raise RecognizerError(f"{folder}: no recognizer ({RECORD} is missing)") from None
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise RecognizerError(f"{path}: damaged ({error})") from None
        return cls.build(
            preprocessing,
            classes,
            arguments,
            weights=Path(folder) / WEIGHTS,
            name=name,
            about=about,
            calibration=read_calibration(Path(folder) / CALIBRATION),
        )

    @classmethod
    def build(
        cls,
        preprocessing: Preprocessing,
        classes: Sequence[str],
        arguments: Mapping[str, Any],
        weights: Path,
        name: str = "",
        about: Mapping[str, Any] | None = None,
        calibration: Calibration | None = None,
    ) -> Recognizer:
        """Builds the network and loads its weights."""
        entry = MODELS[preprocessing.model]
        model = build_model(
            preprocessing.model,
            preprocessing.skeleton,
            len(classes),
            entry.built_frames(preprocessing.frames),
            **arguments,
        )
        load_weights(model, weights)
        return cls(model, classes, preprocessing, arguments, name, about or {}, calibration)
