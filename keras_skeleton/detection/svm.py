"""SVM-SW: a linear SVM on sliding windows of poses; a baseline of Song et al. (TIP 2018, IV.C).

The paper gives the window (10 frames, 5 apart) and nothing else. Here a window's feature is the
poses of its frames, one after the other, as the networks read them; its class is that of its middle
frame; confidences are the softmax of the classes' margins.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import softmax
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from keras_skeleton.detection.detect import windows
from keras_skeleton.detection.jcr import Stream

SIZE, STEP = 10, 5  # frames, Sec. IV.C
MOST = 50_000  # windows that are learnt from, drawn at random where there are more: our choice
COSTS = (0.001, 0.01, 0.1)  # C of the SVM, chosen on the validation recordings: our choice


class WindowSVM:
    """The classifier of windows.

    Args:
        classes: C; label C is no action.
    """

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self.model: Pipeline | None = None

    def fit(self, train: Sequence[Stream], validation: Sequence[Stream], seed: int = 0) -> float:
        """Learns from recordings; the cost is the best of `COSTS` on others, or the middle one.

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
        """float64 (n, C + 1): confidences of the `windows` of a recording (T, K, 3)."""
        if self.model is None:
            raise ValueError("the SVM has not been trained: call fit first")
        spans = windows(len(frames), SIZE, STEP)
        margins = self.model.decision_function(_poses(frames, spans))
        known = self.model.classes_
        if margins.ndim == 1:  # of two classes only the second one's is given
            margins = np.stack([-margins, margins], axis=1)
        found = np.zeros((len(spans), self.classes + 1))
        found[:, known] = softmax(margins, axis=1)
        return found


def _features(streams: Sequence[Stream], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Poses and labels of the windows of recordings, of at most `MOST` of them."""
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
    """(n, SIZE * K * 3): a recording shorter than a window repeats its last frame."""
    at = np.minimum(spans[:, :1] + np.arange(SIZE), len(frames) - 1)
    return frames[at].reshape(len(spans), -1)
