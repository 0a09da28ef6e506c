"""Calibration of a trained network: probabilities that can be read as such, and two measures of
whether a prediction can be trusted.

    temperature      logits are divided by it before the softmax (Guo et al., "On Calibration of
                     Modern Neural Networks", ICML 2017, Eq. 9), fitted on validation clips so that
                     the predicted class is right as often as its probability says
    probability      of the predicted class; low between classes that the network confuses
    distance         Mahalanobis distance of a clip's features to the nearest class of the training
                     clips (Lee et al., "A Simple Unified Framework for Detecting
                     Out-of-Distribution Samples", NeurIPS 2018, Eq. 2); high for clips unlike them

A prediction is unsure if its probability is lower, or its distance larger, than for 95 % of the
validation clips. Needs neither Keras nor TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from keras_skeleton.evaluation.scores import ResultsError, softmax
from keras_skeleton.utils.files import FileError, open_arrays, write_atomic

FILE = "calibration.npz"
KEPT = 0.95  # share of the validation clips on the sure side of each threshold
TEMPERATURES = (0.05, 20.0)  # limits of the search
MAX_BYTES = 256 << 20


@dataclass(frozen=True)
class Calibration:
    """What is known about a network's predictions from its training and validation clips.

    Attributes:
        temperature: Divisor of the logits.
        min_probability: Predictions with a lower probability are unsure.
        max_distance: Predictions for clips with a larger distance are unsure.
        layer: Name of the layer whose pooled input is the features.
        whitening: (D, D); features times it have the covariance 1 within each class.
        centres: (C, D), means of the classes' whitened features; NaN for classes without clips.
        clips: Number of validation clips.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.evaluation.calibration import Calibration
        >>> calibration = Calibration(2.0, 0.6, 3.0, "logits", np.eye(2), np.eye(2), clips=20)
        >>> calibration.probabilities([[2.0, 0.0]]).round(2)
        array([[0.73, 0.27]])
        >>> calibration.distances([[1.0, 0.0], [0.0, 5.0]])
        array([0., 4.])
        >>> calibration.unsure(probability=0.7, distance=4.0)
        True
    """

    temperature: float
    min_probability: float
    max_distance: float
    layer: str
    whitening: np.ndarray
    centres: np.ndarray
    clips: int

    def probabilities(self, logits: ArrayLike) -> np.ndarray:
        """Converts logits (..., C) to probabilities, float64 (..., C)."""
        return softmax(np.asarray(logits, np.float64) / self.temperature)

    def distances(self, features: ArrayLike) -> np.ndarray:
        """Distance of features (n, D) to the nearest class, float64 (n,)."""
        white = np.asarray(features, np.float64) @ self.whitening  # (n, D)
        return np.nanmin(np.linalg.norm(white[:, None] - self.centres, axis=-1), axis=1)

    def unsure(self, probability: float, distance: float) -> bool:
        """Whether a prediction with this probability and distance is unsure."""
        return bool(self.doubts(probability, distance))

    def doubts(self, probability: float, distance: float) -> list[str]:
        """Why a prediction is unsure: `"low probability"`, `"unlike the training clips"`."""
        reasons = []
        if probability < self.min_probability:
            reasons.append("low probability")
        if distance > self.max_distance:
            reasons.append("unlike the training clips")
        return reasons

    def save(self, path: str | Path) -> None:
        """Writes the calibration to an `.npz` file."""
        content: Mapping[str, Any] = {
            "thresholds": np.array([self.temperature, self.min_probability, self.max_distance]),
            "layer": np.array(self.layer),
            "whitening": self.whitening.astype(np.float32),
            "centres": self.centres.astype(np.float32),
            "clips": np.array(self.clips),
        }

        def write(part: Path) -> None:
            with part.open("wb") as file:  # given a path, NumPy would append .npz
                np.savez_compressed(file, **content)

        write_atomic(path, write)

    @classmethod
    def load(cls, path: str | Path) -> Calibration:
        """Reads a file written by `save`.

        Raises:
            ResultsError: If the file is damaged.
            FileNotFoundError: If it does not exist.
        """
        try:
            with open_arrays(path, "a calibration", MAX_BYTES) as arrays:
                temperature, low, far = map(float, arrays["thresholds"])
                found = cls(
                    temperature=temperature,
                    min_probability=low,
                    max_distance=far,
                    layer=str(arrays["layer"]),
                    whitening=arrays["whitening"].astype(np.float64),
                    centres=arrays["centres"].astype(np.float64),
                    clips=int(arrays["clips"]),
                )
        except (FileNotFoundError, FileError):
            raise
        except Exception as error:  # NumPy and zipfile raise errors of many types
            raise ResultsError(
                f"{path}: damaged ({error}); delete it and calibrate again"
            ) from None
        D = found.centres.shape[-1] if found.centres.ndim == 2 else -1
        if (
            found.whitening.shape != (D, D)
            or not temperature > 0
            or not np.isfinite([temperature, low, far]).all()
            or not np.isfinite(found.whitening).all()
            or not np.isfinite(found.centres).all(axis=1).any()  # some class has clips
        ):
            raise ResultsError(f"{path}: damaged (arrays do not fit); calibrate again")
        return found


def read_calibration(path: Path) -> Calibration | None:
    """The calibration in a file; None if there is no such file."""
    return Calibration.load(path) if path.is_file() else None


def fit_calibration(
    train: tuple[ArrayLike, ArrayLike],
    validation: tuple[ArrayLike, ArrayLike, ArrayLike],
    layer: str,
) -> Calibration:
    """Fits a calibration.

    Args:
        train: Features (n, D) and labels (n,) of the training clips.
        validation: Features (m, D), labels (m,) and logits (m, C) of the validation clips.
        layer: Name of the layer whose pooled input is the features.

    Raises:
        ValueError: If there are no training or no validation clips.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.evaluation.calibration import fit_calibration
        >>> rng = np.random.default_rng(0)
        >>> labels = np.arange(60) % 3
        >>> features = np.eye(3)[labels] + rng.normal(0, 0.1, (60, 3))
        >>> held = (features[40:], labels[40:], 4 * features[40:])
        >>> calibration = fit_calibration((features[:40], labels[:40]), held, layer="logits")
        >>> bool(calibration.distances([[5.0, 5.0, 5.0]]) > calibration.max_distance)
        True
    """
    from sklearn.covariance import ledoit_wolf  # here: its import takes a second

    features, labels = np.asarray(train[0], np.float64), np.asarray(train[1])
    held, truth = np.asarray(validation[0], np.float64), np.asarray(validation[1])
    logits = np.asarray(validation[2], np.float64)
    if not len(features) or not len(held):
        raise ValueError("a calibration needs training and validation clips")
    classes = logits.shape[1]
    centres = np.full((classes, features.shape[1]), np.nan)
    for c in np.unique(labels):
        centres[c] = features[labels == c].mean(axis=0)
    # The shrinkage of Ledoit and Wolf keeps the covariance invertible with few clips.
    scatter = np.resize(features - centres[labels], (max(len(features), 2), features.shape[1]))
    covariance, _ = ledoit_wolf(scatter, assume_centered=True)  # warns of a single clip
    values, vectors = np.linalg.eigh(covariance)
    floor = max(float(values.max()), 1.0) * 1e-12  # constant features have no variance
    whitening = vectors / np.sqrt(np.maximum(values, floor))
    found = Calibration(
        temperature=fit_temperature(logits, truth),
        min_probability=0.0,
        max_distance=np.inf,
        layer=layer,
        whitening=whitening,
        centres=centres @ whitening,
        clips=len(held),
    )
    probability = found.probabilities(logits).max(axis=1)
    return Calibration(
        temperature=found.temperature,
        min_probability=float(np.quantile(probability, 1 - KEPT)),
        max_distance=float(np.quantile(found.distances(held), KEPT)),
        layer=layer,
        whitening=found.whitening,
        centres=found.centres,
        clips=found.clips,
    )


def fit_temperature(logits: ArrayLike, labels: ArrayLike) -> float:
    """The temperature at which the probability of the predicted class fits validation clips best.

    It minimizes the cross-entropy of "the predicted class is right". Of n right and m wrong clips,
    the right ones have the target (n + 1) / (n + 2) and the wrong ones 1 / (m + 2) (Platt,
    "Probabilistic Outputs for Support Vector Machines", 1999, Eq. 14). Without this, the
    temperature would go to zero if a network recognizes all of a few clips.

    Args:
        logits: (n, C).
        labels: True class indices, int (n,).

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.evaluation.calibration import fit_temperature
        >>> logits = 10 * np.eye(2)[[0, 1, 0, 1]]
        >>> labels = [0, 1, 1, 0]  # half of them wrong, with a probability of 1
        >>> fit_temperature(logits, labels) > 10
        True
    """
    scores, truth = np.asarray(logits, np.float64), np.asarray(labels, np.int64)
    right = scores.argmax(axis=1) == truth
    n, m = int(right.sum()), int((~right).sum())
    target = np.where(right, (n + 1) / (n + 2), 1 / (m + 2))

    def loss(log_temperature: float) -> float:
        p = softmax(scores / np.exp(log_temperature)).max(axis=1)
        p = np.clip(p, 1e-12, 1 - 1e-12)
        return float(-(target * np.log(p) + (1 - target) * np.log(1 - p)).mean())

    from scipy.optimize import minimize_scalar  # here: it takes 0.4 s

    low, high = np.log(TEMPERATURES)
    return float(np.exp(minimize_scalar(loss, bounds=(low, high), method="bounded").x))


def auroc(known: ArrayLike, unknown: ArrayLike) -> float:
    """Area under the ROC curve of a score that should be higher for unknown clips.

    It is the probability that a random unknown clip has a higher score than a random known one;
    ties count half. 0.5 is chance.

    Args:
        known: Scores of clips like the training clips, (n,).
        unknown: Scores of other clips, (m,).

    Example:
        >>> from keras_skeleton.evaluation.calibration import auroc
        >>> auroc([0.1, 0.2, 0.3], [0.3, 0.9])
        0.9166666666666666
    """
    from scipy.stats import rankdata

    low, high = np.asarray(known, np.float64), np.asarray(unknown, np.float64)
    ranks = rankdata(np.concatenate([low, high]))[len(low) :]
    return float((ranks.sum() - len(high) * (len(high) + 1) / 2) / (len(low) * len(high)))
