"""Classification scores computed from logits and true labels, with NumPy only.

n is the number of clips, C the number of classes. Accuracies are fractions from 0 to 1; they are
converted to percent only for display. Ties between logits are resolved in favor of the lower class
index, as in `argmax`, so that a constant output does not count as correct for every clip.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.files import FileError, open_arrays, write_atomic

# Of a scores.npz; all 113,945 clips of NTU RGB+D 120 take 60 MB, with 14 million logits.
MAX_BYTES, MAX_LOGITS = 256 << 20, 1 << 25


class ResultsError(UserError):
    """Raised if stored results cannot be used."""


@dataclass(frozen=True)
class Score:
    """Scores of a classifier on a set of clips. Created by `score`.

    Attributes:
        accuracy: Fraction of clips whose highest logit is the true class.
        top5: Fraction of clips whose true class is among the five highest logits (among all C
            if C < 5).
        mean_class_accuracy: Mean of the per-class accuracies, over classes that have clips.
        clips: Number of clips n.
        loss: Mean cross-entropy, in nats.

    Example:
        >>> from keras_skeleton.evaluation.scores import score
        >>> result = score([0, 1], [[2.0, 0.0], [1.0, 0.0]])
        >>> result.accuracy, result.clips
        (0.5, 2)
    """

    accuracy: float
    top5: float
    mean_class_accuracy: float
    clips: int
    loss: float

    def as_dict(self) -> dict[str, float]:
        """Returns the scores as a dictionary, for JSON."""
        return asdict(self)


def _check_labels(labels: ArrayLike, classes: int, what: str = "labels") -> np.ndarray:
    """Converts labels to int64 (n,); raises ValueError unless all are from 0 to C - 1."""
    array = np.asarray(labels)
    if array.ndim != 1:
        raise ValueError(f"{what} have shape {array.shape}, expected (n,)")
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"{what} are {array.dtype}, expected integers")
    array = array.astype(np.int64)
    if array.size and (array.min() < 0 or array.max() >= classes):
        raise ValueError(
            f"{what} range from {array.min()} to {array.max()}, but there are {classes} classes"
        )
    return array


def _check(labels: ArrayLike, logits: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Returns labels int64 (n,) and logits float64 (n, C); raises ValueError if n is 0 or the
    shapes do not match."""
    scores = _check_logits(logits)
    if len(scores) == 0:
        raise ValueError("no clips to score")
    truth = _check_labels(labels, scores.shape[1])
    if len(truth) != len(scores):
        raise ValueError(f"{len(truth)} labels for {len(scores)} rows of logits")
    return truth, scores


def _check_logits(logits: ArrayLike) -> np.ndarray:
    scores = np.asarray(logits, np.float64)
    if scores.ndim != 2 or scores.shape[1] == 0:
        raise ValueError(f"logits have shape {scores.shape}, expected (n, C)")
    bad = ~np.isfinite(scores).all(axis=1)
    if bad.any():
        raise ValueError(
            f"logits of {bad.sum()} of {len(scores)} clips are NaN or infinite, the first in row "
            f"{np.flatnonzero(bad)[0]}: the model has diverged"
        )
    return scores


def softmax(logits: ArrayLike) -> np.ndarray:
    """Converts logits (..., C) to probabilities, float64 (..., C)."""
    scores = np.asarray(logits, np.float64)
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def top_k_accuracy(logits: ArrayLike, labels: ArrayLike, k: int = 1) -> float:
    """Computes the fraction of clips whose true class is among the k highest logits.

    Args:
        logits: Finite logits, (n, C).
        labels: True class indices, int (n,).
        k: Number of highest logits, at least 1. Values above C are treated as C.

    Raises:
        ValueError: If shapes do not match, labels are out of range, logits are NaN or infinite,
            there are no clips, or k < 1.

    Example:
        >>> from keras_skeleton.evaluation.scores import top_k_accuracy
        >>> logits = [[0.1, 0.5, 0.4], [0.8, 0.1, 0.1]]
        >>> top_k_accuracy(logits, [2, 0], k=1), top_k_accuracy(logits, [2, 0], k=2)
        (0.5, 1.0)
    """
    truth, scores = _check(labels, logits)
    if k < 1:
        raise ValueError(f"k is {k}, expected 1 or more")
    own = np.take_along_axis(scores, truth[:, None], axis=1)
    tied_before = (scores == own) & (np.arange(scores.shape[1]) < truth[:, None])
    rank = ((scores > own) | tied_before).sum(axis=1)
    return float((rank < k).mean())


def mean_class_accuracy(labels: ArrayLike, predictions: ArrayLike, classes: int) -> float:
    """Computes the mean of the per-class accuracies, over classes that have clips.

    Args:
        labels: True class indices, int (n,).
        predictions: Predicted class indices, int (n,).
        classes: Number of classes C.

    Raises:
        ValueError: As for `confusion_matrix`, or if there are no clips.

    Example:
        >>> from keras_skeleton.evaluation.scores import mean_class_accuracy
        >>> mean_class_accuracy([0, 0, 0, 1], [0, 0, 0, 0], classes=2)
        0.5
    """
    matrix = confusion_matrix(labels, predictions, classes)
    clips = matrix.sum(axis=1)
    if not clips.any():
        raise ValueError("no clips to score")
    present = clips > 0
    return float((np.diag(matrix)[present] / clips[present]).mean())


def confusion_matrix(labels: ArrayLike, predictions: ArrayLike, classes: int) -> np.ndarray:
    """Counts predictions by true and predicted class.

    Args:
        labels: True class indices, int (n,).
        predictions: Predicted class indices, int (n,).
        classes: Number of classes C.

    Returns:
        int64 (C, C): rows are true classes, columns are predicted classes.

    Raises:
        ValueError: If the lengths differ, or if a class is not an integer from 0 to C - 1.

    Example:
        >>> from keras_skeleton.evaluation.scores import confusion_matrix
        >>> confusion_matrix([0, 0, 1], [0, 1, 1], classes=2)
        array([[1, 1],
               [0, 1]])
    """
    truth = _check_labels(labels, classes)
    guesses = _check_labels(predictions, classes, "predictions")
    if len(truth) != len(guesses):
        raise ValueError(f"{len(truth)} labels for {len(guesses)} predictions")
    flat = np.bincount(truth * classes + guesses, minlength=classes * classes)
    return flat.reshape(classes, classes).astype(np.int64)


def per_class_table(labels: ArrayLike, logits: ArrayLike, classes: Sequence[str]) -> pd.DataFrame:
    """Computes a table with one row per class, in label order.

    Args:
        labels: True class indices, int (n,).
        logits: Logits, (n, C).
        classes: C class names.

    Returns:
        A table with the columns `class`, `clips`, `correct`, `recall` (accuracy of the class; NaN
        without clips), `precision` (NaN if never predicted), `confused_with` (the most frequent
        wrong prediction; empty if there is none) and `confused` (its number of clips).

    Raises:
        ValueError: As for `top_k_accuracy`, or if the number of names is not C.

    Example:
        >>> from keras_skeleton.evaluation.scores import per_class_table
        >>> table = per_class_table([0, 0, 1], [[2, 1], [0, 1], [0, 3]], ["wave", "clap"])
        >>> table[["class", "recall", "confused_with"]].values.tolist()
        [['wave', 0.5, 'clap'], ['clap', 1.0, '']]
    """
    truth, scores = _check(labels, logits)
    if len(classes) != scores.shape[1]:
        raise ValueError(f"{len(classes)} class names for {scores.shape[1]} logits")
    matrix = confusion_matrix(truth, scores.argmax(axis=1), len(classes))
    clips, guessed, correct = matrix.sum(axis=1), matrix.sum(axis=0), np.diag(matrix)
    wrong = matrix - np.diag(correct)
    worst, times = wrong.argmax(axis=1), wrong.max(axis=1)
    nothing = np.full(len(classes), np.nan)
    return pd.DataFrame(
        {
            "class": list(classes),
            "clips": clips,
            "correct": correct,
            "recall": np.divide(correct, clips, out=nothing.copy(), where=clips > 0),
            "precision": np.divide(correct, guessed, out=nothing.copy(), where=guessed > 0),
            "confused_with": [classes[i] if n else "" for i, n in zip(worst, times, strict=True)],
            "confused": times,
        }
    )


def score(labels: ArrayLike, logits: ArrayLike) -> Score:
    """Computes all scores of a set of clips.

    Args:
        labels: True class indices, int (n,).
        logits: Logits, (n, C).

    Raises:
        ValueError: As for `top_k_accuracy`.

    Example:
        >>> from keras_skeleton.evaluation.scores import score
        >>> score([0, 1], [[2.0, 0.0], [1.0, 0.0]]).accuracy
        0.5
    """
    truth, scores = _check(labels, logits)
    shifted = scores - scores.max(axis=1, keepdims=True)
    log_total = np.log(np.exp(shifted).sum(axis=1))
    own = np.take_along_axis(shifted, truth[:, None], axis=1)[:, 0]
    return Score(
        accuracy=top_k_accuracy(scores, truth, 1),
        top5=top_k_accuracy(scores, truth, 5),
        mean_class_accuracy=mean_class_accuracy(truth, scores.argmax(axis=1), scores.shape[1]),
        clips=len(truth),
        loss=float((log_total - own).mean()),
    )


@dataclass(frozen=True)
class ClipScores:
    """Logits of a model for every test clip: the content of `scores.npz`.

    Attributes:
        names: Clip names, str (n,).
        labels: True class indices, int64 (n,).
        logits: Logits, float32 (n, C).
        classes: Class names, str (C,).
        fold: The fold in which each clip was a test clip, counted from 1, int64 (n,).
    """

    names: np.ndarray
    labels: np.ndarray
    logits: np.ndarray
    classes: np.ndarray
    fold: np.ndarray


def _text(values: Iterable[object]) -> np.ndarray:
    # Not an object array, which could only be loaded with pickle.
    return np.array([str(value) for value in values], np.str_)


def write_scores(
    path: str | Path,
    names: Iterable[object],
    labels: ArrayLike,
    logits: ArrayLike,
    classes: Iterable[object],
    fold: ArrayLike,
) -> None:
    """Writes `scores.npz` atomically.

    Args:
        path: Output file.
        names: n clip names.
        labels: True class indices, int (n,).
        logits: Logits (n, C), stored as float32.
        classes: C class names.
        fold: Fold number, counted from 1: one for all clips, or (n,).

    Raises:
        ValueError: If shapes do not match, or if logits are NaN or infinite.

    Example:
        >>> from pathlib import Path
        >>> from keras_skeleton.evaluation.scores import read_scores, write_scores
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "scores.npz"
        ...     write_scores(path, ["clip1"], [0], [[2.0, 1.0]], ["wave", "clap"], fold=1)
        ...     read_scores(path).logits
        array([[2., 1.]], dtype=float32)
    """
    scores = _check_logits(logits)
    content = {
        "names": _text(names),
        "labels": _check_labels(labels, scores.shape[1]),
        "logits": scores.astype(np.float32),
        "classes": _text(classes),
        "fold": np.broadcast_to(np.asarray(fold, np.int64), (len(scores),)),
    }
    _check_sizes(content)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)

    def write(part: Path) -> None:
        with part.open("wb") as file:  # given a path, NumPy would append .npz
            np.savez_compressed(file, **content)  # type: ignore[arg-type]

    write_atomic(path, write)


def _check_sizes(content: dict[str, np.ndarray]) -> None:
    n, classes = content["logits"].shape
    sizes = {"names": n, "labels": n, "classes": classes, "fold": n}
    for key, size in sizes.items():
        if content[key].shape != (size,):
            raise ValueError(f"{key} have shape {content[key].shape}, expected ({size},)")


def read_scores(path: str | Path) -> ClipScores:
    """Reads `scores.npz`.

    Raises:
        ResultsError: If the file is missing, damaged or has other content.

    Example:
        >>> from keras_skeleton.evaluation.scores import read_scores, score
        >>> scores = read_scores("runs/mans9_ntu_cs/scores.npz")  # doctest: +SKIP
        >>> score(scores.labels, scores.logits).accuracy  # doctest: +SKIP
    """
    path = Path(path)
    keys = ("names", "labels", "logits", "classes", "fold")
    try:
        with open_arrays(path, "scores", MAX_BYTES) as file:
            if missing := [key for key in keys if key not in file.files]:
                raise ResultsError(
                    f"{path}: has no array {', '.join(missing)}; expected {', '.join(keys)}"
                )
            content = {key: file[key] for key in keys}
        for key, kinds in zip(keys, ("U", "iu", "f", "U", "iu"), strict=True):
            if content[key].size and content[key].dtype.kind not in kinds:
                raise ValueError(f"{key} are {content[key].dtype!s:.40}")
        if content["logits"].size > MAX_LOGITS:
            raise ValueError(f"more than {MAX_LOGITS:,} logits")
        content["logits"] = _check_logits(content["logits"]).astype(np.float32)
        content["labels"] = _check_labels(content["labels"], content["logits"].shape[1])
        if content["fold"].shape == ():
            content["fold"] = np.full(len(content["labels"]), content["fold"])
        _check_sizes(content)
    except FileNotFoundError:
        raise ResultsError(f"{path}: missing") from None
    except FileError as error:
        raise ResultsError(str(error)) from None
    except ResultsError:
        raise
    except Exception as error:  # damaged zip files raise many types of errors
        raise ResultsError(f"{path}: not a readable scores file ({error})") from error
    return ClipScores(**content)
