"""Scores of a classifier, from its logits and the true labels. NumPy only.

n is the number of clips, C the number of classes. Every accuracy is a fraction
from 0 to 1; percent are made where a number is shown. Of equal logits the class
with the lower number wins, as in `argmax`, so a constant output is not right by
chance for every clip.
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

MAX_BYTES = 512 << 20  # of a scores.npz; all 113,945 clips of NTU RGB+D 120 take 60 MB


class ResultsError(UserError):
    """Finished results cannot be used; the message says what is wrong, where, and what to do."""


@dataclass(frozen=True)
class Score:
    """The numbers of one set of clips.

    Attributes:
        accuracy: Share of clips whose highest logit is the true class.
        top5: Share of clips whose true class is among the five highest logits (all C if C < 5).
        mean_class_accuracy: Mean of the classes' own accuracies, over the classes that have clips.
        clips: n.
        loss: Mean cross-entropy, in nats.
    """

    accuracy: float
    top5: float
    mean_class_accuracy: float
    clips: int
    loss: float

    def as_dict(self) -> dict[str, float]:
        """The same as a plain dictionary, for JSON."""
        return asdict(self)


def _check_labels(labels: ArrayLike, classes: int, what: str = "labels") -> np.ndarray:
    """int64 (n,), each from 0 to C - 1, or a ValueError."""
    array = np.asarray(labels)
    if array.ndim != 1:
        raise ValueError(f"{what} have shape {array.shape}, expected (n,)")
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"{what} are {array.dtype}, expected whole numbers")
    array = array.astype(np.int64)
    if array.size and (array.min() < 0 or array.max() >= classes):
        raise ValueError(
            f"{what} run from {array.min()} to {array.max()}, there are {classes} classes"
        )
    return array


def _check(labels: ArrayLike, logits: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Labels int64 (n,) and logits float64 (n, C), n > 0, or a ValueError."""
    scores = _check_logits(logits)
    if len(scores) == 0:
        raise ValueError("there are no clips to score")
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
            f"logits of {bad.sum()} of {len(scores)} clips hold NaN or infinity, the first in row "
            f"{np.flatnonzero(bad)[0]}: the model has diverged"
        )
    return scores


def softmax(logits: ArrayLike) -> np.ndarray:
    """Probabilities float64 (..., C) of logits (..., C); each row sums to 1."""
    scores = np.asarray(logits, np.float64)
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def top_k_accuracy(logits: ArrayLike, labels: ArrayLike, k: int = 1) -> float:
    """Share of clips whose true class is among the k highest logits.

    Args:
        logits: (n, C), finite.
        labels: int (n,).
        k: At least 1; more than C counts as C.

    Raises:
        ValueError: Wrong shapes, labels out of range, NaN or infinity, no clips, or k < 1.
    """
    truth, scores = _check(labels, logits)
    if k < 1:
        raise ValueError(f"k is {k}, expected 1 or more")
    own = np.take_along_axis(scores, truth[:, None], axis=1)
    tied_before = (scores == own) & (np.arange(scores.shape[1]) < truth[:, None])
    rank = ((scores > own) | tied_before).sum(axis=1)
    return float((rank < k).mean())


def mean_class_accuracy(labels: ArrayLike, predictions: ArrayLike, classes: int) -> float:
    """Mean of the classes' own accuracies, over the classes that have clips.

    Raises:
        ValueError: As `confusion_matrix`, or no clips.
    """
    matrix = confusion_matrix(labels, predictions, classes)
    clips = matrix.sum(axis=1)
    if not clips.any():
        raise ValueError("there are no clips to score")
    present = clips > 0
    return float((np.diag(matrix)[present] / clips[present]).mean())


def confusion_matrix(labels: ArrayLike, predictions: ArrayLike, classes: int) -> np.ndarray:
    """Counts int64 (C, C): row = true class, column = predicted class.

    Raises:
        ValueError: Lengths that differ, or classes that are not whole numbers from 0 to C - 1.
    """
    truth = _check_labels(labels, classes)
    guesses = _check_labels(predictions, classes, "predictions")
    if len(truth) != len(guesses):
        raise ValueError(f"{len(truth)} labels for {len(guesses)} predictions")
    flat = np.bincount(truth * classes + guesses, minlength=classes * classes)
    return flat.reshape(classes, classes).astype(np.int64)


def per_class_table(labels: ArrayLike, logits: ArrayLike, classes: Sequence[str]) -> pd.DataFrame:
    """One row a class, in label order.

    Columns: `class`, `clips`, `correct`, `recall` (= the class's accuracy; NaN without clips),
    `precision` (NaN if never predicted), `confused_with` (the wrong class that its clips were
    given most often; empty if none was) and `confused` (how many clips that was).

    Raises:
        ValueError: As `top_k_accuracy`, or names that are not C many.
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
    """Every number of `Score`, from labels (n,) and logits (n, C).

    Raises:
        ValueError: As `top_k_accuracy`.
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
    """What a model said about every test clip: the content of a scores.npz.

    Attributes:
        names: str (n,), the clips' names.
        labels: int64 (n,), true classes.
        logits: float32 (n, C).
        classes: str (C,), class names.
        fold: int64 (n,), the fold that tested the clip, counted from 1.
    """

    names: np.ndarray
    labels: np.ndarray
    logits: np.ndarray
    classes: np.ndarray
    fold: np.ndarray


def _text(values: Iterable[object]) -> np.ndarray:
    # Never an object array: those need pickle to be read back.
    return np.array([str(value) for value in values], np.str_)


def write_scores(
    path: str | Path,
    names: Iterable[object],
    labels: ArrayLike,
    logits: ArrayLike,
    classes: Iterable[object],
    fold: ArrayLike,
) -> None:
    """Writes a scores.npz, whole or not at all.

    Args:
        path: Where to.
        names: n names of clips.
        labels: int (n,).
        logits: (n, C), stored as float32.
        classes: C names.
        fold: One fold number for all, or (n,); folds count from 1.

    Raises:
        ValueError: Shapes that do not fit together, or NaN or infinity in the logits.
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
        with part.open("wb") as file:  # with a name, NumPy would add an ending
            np.savez_compressed(file, **content)  # type: ignore[arg-type]

    write_atomic(path, write)


def _check_sizes(content: dict[str, np.ndarray]) -> None:
    n, classes = content["logits"].shape
    sizes = {"names": n, "labels": n, "classes": classes, "fold": n}
    for key, size in sizes.items():
        if content[key].shape != (size,):
            raise ValueError(f"{key} have shape {content[key].shape}, expected ({size},)")


def read_scores(path: str | Path) -> ClipScores:
    """Reads a scores.npz; a ResultsError names the file if it is missing, broken or not one."""
    path = Path(path)
    keys = ("names", "labels", "logits", "classes", "fold")
    try:
        with open_arrays(path, "scores", MAX_BYTES) as file:
            content = {key: file[key] for key in keys}
        for key, kinds in zip(keys, ("U", "iu", "f", "U", "iu"), strict=True):
            if content[key].size and content[key].dtype.kind not in kinds:
                raise ValueError(f"{key} are {content[key].dtype!s:.40}")
        content["logits"] = _check_logits(content["logits"]).astype(np.float32)
        content["labels"] = _check_labels(content["labels"], content["logits"].shape[1])
        if content["fold"].shape == ():
            content["fold"] = np.full(len(content["labels"]), content["fold"])
        _check_sizes(content)
    except FileNotFoundError:
        raise ResultsError(f"{path}: missing") from None
    except FileError as error:
        raise ResultsError(str(error)) from None
    except KeyError as error:
        raise ResultsError(f"{path}: holds no array {error}, expected {', '.join(keys)}") from None
    except Exception as error:  # a damaged zip raises a dozen kinds of errors
        raise ResultsError(f"{path}: not a readable scores file ({error})") from error
    return ClipScores(**content)
