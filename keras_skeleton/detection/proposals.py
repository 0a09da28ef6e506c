"""Generate proposals from an attention curve, and detections from scored intervals.

Source: Song et al., "Spatio-Temporal Attention-Based LSTM Networks for 3D Action Recognition and
Detection", TIP 2018, Sec. III.E and IV.C. Intervals are rows (start, end) in frames, with the end
excluded (the paper's e_p is end - 1). The run time is linear in T.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import uniform_filter1d

WINDOW = 30  # length of the averaging filter in frames, Sec. IV.C
MERGE = 20  # detections of a class with fewer frames between them are merged, Sec. III.E


def smooth(curve: ArrayLike, window: int = WINDOW) -> np.ndarray:
    """Smooths a curve with an averaging filter, float64 (T,). The ends are extended by constants.

    Args:
        curve: Attention of each frame, (T,).
        window: Filter length in frames; with an even length, the center is half a frame early.
    """
    values = np.asarray(curve, np.float64)
    if values.ndim != 1 or window < 1:
        raise ValueError(f"curve has shape {values.shape}, window={window}: expected (T,) and >= 1")
    return uniform_filter1d(values, window, mode="nearest") if len(values) else values


def propose(curve: ArrayLike, epsilon: float = 0.0, omega: int = 30) -> np.ndarray:
    """Proposes the intervals in which attention exceeds a threshold (Eqs. 8 and 9).

    Args:
        curve: Smoothed attention of each frame, (T,).
        epsilon: Threshold; the paper uses 0 for cross-subject and 0.2 for cross-view.
        omega: Intervals with fewer frames between them are joined.

    Returns:
        Proposals, int64 (P, 2).

    Raises:
        ValueError: If the curve is not (T,), or omega is negative.

    Example:
        >>> from keras_skeleton.detection.proposals import propose
        >>> propose([0, 1, 1, 0, 1, 0, 0, 0, 1, 0], epsilon=0.5, omega=2)
        array([[1, 5],
               [8, 9]])
    """
    values = np.asarray(curve)
    if values.ndim != 1 or omega < 0:
        raise ValueError(f"curve has shape {values.shape}, omega={omega}: expected (T,) and >= 0")
    above = np.concatenate([[False], values > epsilon, [False]])
    starts, ends = np.flatnonzero(np.diff(above.astype(np.int8))).reshape(-1, 2).T
    apart = starts[1:] - ends[:-1] >= omega
    first, last = np.concatenate([[True], apart]), np.concatenate([apart, [True]])
    if not len(starts):
        return np.zeros((0, 2), np.int64)
    return np.stack([starts[first], ends[last]], axis=1)


def multiscale(
    proposals: ArrayLike,
    frames: int,
    lengths: tuple[float, ...] = (2, 3, 4),
    delta: float = 1 / 3,
) -> np.ndarray:
    """Creates several candidates for every proposal (Sec. III.E, 2).

    With delta a third of the proposal's length, centers are the proposal's own and those shifted by
    delta to either side, each with the lengths 2, 3 and 4 delta (our reading of a blurred print).
    The proposal is one of these nine candidates; with another delta, as in Fig. 12, it is a tenth.
    Candidates are cut at the ends of the stream, and duplicates are removed.

    Args:
        proposals: Proposals, (P, 2).
        frames: Number of frames T of the stream.
        lengths: Candidate lengths as multiples of delta.
        delta: Fraction of a proposal's length.

    Returns:
        Candidates, int64 (n, 2).

    Example:
        >>> from keras_skeleton.detection.proposals import multiscale
        >>> multiscale([[10, 16]], frames=20).tolist()[:5]
        [[7, 15], [8, 14], [9, 13], [9, 17], [10, 16]]
    """
    own = np.asarray(proposals, np.int64).reshape(-1, 2)
    start, end = own.T
    step = np.maximum(np.floor((end - start) * delta + 1e-9), 1)
    centre = (start + end) / 2
    shift = np.array([-1, 0, 1])[:, None]
    middle = (centre + shift * step)[:, None]  # (3, 1, P)
    half = np.array(lengths)[:, None] * step / 2  # (L, P)
    # The proposal itself is added, since length 3 delta differs if 3 does not divide its length.
    candidates = np.stack([middle - half, middle + half], axis=-1).reshape(-1, 2)
    candidates = np.concatenate([own, np.round(candidates)]).astype(np.int64).clip(0, frames)
    return np.unique(candidates[candidates[:, 1] > candidates[:, 0]], axis=0)


def overlaps(spans: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Computes the intersection over union of intervals (n, 2) with others (m, 2): (n, m).

    Disjoint intervals have 0. For intersecting intervals, the union extends from the first start
    to the last end.
    """
    start, end = spans[:, None, 0], spans[:, None, 1]
    low, high = others[:, 0], others[:, 1]
    shared = np.minimum(end, high) - np.maximum(start, low)
    return np.maximum(shared, 0) / (np.maximum(end, high) - np.minimum(start, low))


def suppress(
    intervals: ArrayLike, scores: ArrayLike, least: float = 0.1, overlap: float = 0.3
) -> np.ndarray:
    """Applies non-maximum suppression to the intervals of one class.

    Args:
        intervals: Intervals, (n, 2).
        scores: Scores, (n,).
        least: Intervals with a lower score are dropped; 0.1 in the paper.
        overlap: Maximum intersection over union with a better interval; our choice, since the
            paper gives none. With 1, no interval is suppressed.

    Returns:
        Indices of the kept intervals by descending score, int64 (k,).

    Example:
        >>> from keras_skeleton.detection.proposals import suppress
        >>> suppress([[0, 10], [1, 11], [20, 30]], [0.6, 0.9, 0.3])
        array([1, 2])
    """
    spans, confidence = np.asarray(intervals).reshape(-1, 2), np.asarray(scores)
    order = np.argsort(-confidence, kind="stable")
    order = order[confidence[order] >= least]
    if overlap >= 1:
        return order
    kept = []
    while len(order):
        kept.append(order[0])
        rest = order[1:]
        order = rest[overlaps(spans[order[:1]], spans[rest])[0] <= overlap]
    return np.array(kept, np.int64)


def merge(
    intervals: ArrayLike, scores: ArrayLike, distance: int = MERGE
) -> tuple[np.ndarray, np.ndarray]:
    """Merges intervals of one class with fewer than `distance` frames between them.

    Args:
        intervals: Intervals, (n, 2).
        scores: Scores, (n,).
        distance: Distance in frames.

    Returns:
        Intervals (k, 2) sorted by start, and the highest score of each (our choice), (k,).

    Example:
        >>> from keras_skeleton.detection.proposals import merge
        >>> merge([[0, 10], [25, 30], [60, 70]], [0.5, 0.8, 0.4])
        (array([[ 0, 30],
               [60, 70]]), array([0.8, 0.4]))
    """
    spans, confidence = np.asarray(intervals).reshape(-1, 2), np.asarray(scores, np.float64)
    if not len(spans):
        return spans, confidence
    order = np.argsort(spans[:, 0], kind="stable")
    spans, confidence = spans[order], confidence[order]
    reach = np.maximum.accumulate(spans[:, 1])
    first = np.concatenate([[True], spans[1:, 0] - reach[:-1] >= distance])
    at = np.flatnonzero(first)
    ends = np.maximum.reduceat(spans[:, 1], at)
    return np.stack([spans[at, 0], ends], axis=1), np.maximum.reduceat(confidence, at)
