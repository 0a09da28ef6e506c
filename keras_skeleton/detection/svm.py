"""SVM-SW: a linear SVM on sliding windows of poses, a baseline of Song et al. (TIP 2018, IV.C).

The paper specifies only the window (10 frames with stride 5). Here, the features of a window are
the concatenated poses of its frames, preprocessed as for the networks; its class is that of its
middle frame; confidences are the softmax of the class margins.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import softmax
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from keras_skeleton.detection.detect import windows
from keras_skeleton.detection.fit import Stream

SIZE, STEP = 10, 5  # window length and stride in frames, Sec. IV.C
MOST = 50_000  # maximum number of training windows, randomly sampled: our choice
COSTS = (0.001, 0.01, 0.1)  # C of the SVM, selected on the validation recordings: our choice


class WindowSVM:
    """Classifies sliding windows with a linear SVM.

    Args:
        classes: Number of classes C; label C is no action.
    """

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self.model: Pipeline | None = None

    def fit(self, train: Sequence[Stream], validation: Sequence[Stream], seed: int = 0) -> float:
        """Fits the SVM. Its cost is selected from `COSTS` on the validation recordings; without
        them, the middle one is used.

        Returns:
            The cost.
        """
        x, y = _features(train, seed)
        held = _features(validation, seed) if validation else None
        best = -1.0, COSTS[1], None
        for cost in COSTS if held else COSTS[1:2]:
            model = make_pipeline(
                StandardScaler(), LinearSVC(C=cost, dual=False, max_iter=2000, random_state=seed)
            )
            model.fit(x, y)
            right = float(model.score(*held)) if held else 0.0
            if right > best[0]:
                best = right, cost, model
        self.model = best[2]
        return best[1]

    def classify(self, frames: np.ndarray) -> np.ndarray:
        """Confidences of the `windows` of a recording (T, K, 3), float64 (n, C + 1)."""
        if self.model is None:
            raise ValueError("the SVM is not fitted: call fit first")
        spans = windows(len(frames), SIZE, STEP)
        margins = self.model.decision_function(_poses(frames, spans))
        known = self.model.classes_
        if margins.ndim == 1:  # with two classes, only the margin of the second is returned
            margins = np.stack([-margins, margins], axis=1)
        found = np.zeros((len(spans), self.classes + 1))
        found[:, known] = softmax(margins, axis=1)
        return found


def _features(streams: Sequence[Stream], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features and labels of at most `MOST` windows of recordings."""
    spans = [windows(len(s.frames), SIZE, STEP) for s in streams]
    ends = np.cumsum([len(own) for own in spans])
    if ends[-1] > MOST:
        taken = np.sort(np.random.default_rng(seed).choice(ends[-1], MOST, replace=False))
        parts = np.split(taken, np.searchsorted(taken, ends[:-1]))
        starts = np.concatenate([[0], ends[:-1]])
        spans = [own[k - start] for own, k, start in zip(spans, parts, starts, strict=True)]
    x = [_poses(s.frames, own) for s, own in zip(streams, spans, strict=True)]
    y = [s.labels[own.sum(axis=1) // 2] for s, own in zip(streams, spans, strict=True)]
    return np.concatenate(x), np.concatenate(y)


def _poses(frames: np.ndarray, spans: np.ndarray) -> np.ndarray:
    """Features of windows, (n, SIZE * K * 3). Recordings shorter than a window repeat their last
    frame."""
    at = np.minimum(spans[:, :1] + np.arange(SIZE), len(frames) - 1)
    return frames[at].reshape(len(spans), -1)
