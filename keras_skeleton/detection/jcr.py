"""JCR-RNN as a detector: its losses, and intervals from its outputs.

See `models/jcr_rnn.py` for the source of the model and for our own choices.
"""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd

NEAR = 10  # maximum shift of a start or end to its most confident frame; our choice
WEIGHTS = {"labels": 1.0, "ends": 10.0}  # of the losses; that of the regression from memory


def losses() -> dict[str, keras.losses.Loss]:
    """The losses of the outputs of JCR-RNN, by name."""
    return {
        "labels": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        "ends": keras.losses.MeanSquaredError(),
    }


def read_off(probability: np.ndarray, ends: np.ndarray, near: int = NEAR) -> pd.DataFrame:
    """Converts frame-wise outputs to detections.

    Consecutive frames with the same most probable class form a detection. Its start is moved to
    the nearby frame with the highest start confidence, its end likewise; its score is the mean
    probability of the class.

    Args:
        probability: Class probabilities, (T, C + 1); the last class is no action.
        ends: Confidences of start and end, (T, 2).
        near: Maximum shift of start and end in frames; inwards at most half of the detection.

    Returns:
        A table with the columns `label`, `start`, `end`, `score`.
    """
    T = len(probability)
    best = probability.argmax(axis=1) if T else np.zeros(0, int)
    cuts = np.flatnonzero(np.diff(best)) + 1
    rows = []
    for start, end in zip([0, *cuts.tolist()], [*cuts.tolist(), T], strict=True):
        if start == end or best[start] == probability.shape[1] - 1:
            continue
        score = float(probability[start:end, best[start]].mean())
        inwards = min(near, (end - start) // 2)
        first = _surest(ends[:, 0], start, max(start - near, 0), start + inwards + 1)
        last = _surest(ends[:, 1], end - 1, end - 1 - inwards, min(end + near, T))
        if first > last:
            first, last = start, end - 1
        rows.append((int(best[start]), first, last + 1, score))
    return pd.DataFrame(rows, columns=["label", "start", "end", "score"])


def _surest(confidence: np.ndarray, own: int, low: int, high: int) -> int:
    """The frame in [low, high) with the highest confidence; ties go to the nearest to `own`."""
    at = np.arange(max(low, 0), high)
    return int(at[np.lexsort((np.abs(at - own), -confidence[at]))[0]])
