"""From a curve of attention over a stream to intervals, and from scored intervals to detections.

Song et al., "Spatio-Temporal Attention-Based LSTM Networks for 3D Action Recognition and
Detection", TIP 2018, Sec. III.E and IV.C. Intervals are rows (start, end) in frames, the end not
included (the paper's e_p is our end - 1). All of it takes time in proportion to T.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import uniform_filter1d

WINDOW = 30  # frames of the average filter, Sec. IV.C
MERGE = 20  # detections of one class with fewer frames in between become one, Sec. III.E


def smooth(curve: ArrayLike, window: int = WINDOW) -> np.ndarray:
    """float64 (T,): the mean of `window` frames around each; the ends are continued.

    Args:
        curve: (T,), attention of each frame.
        window: In frames; of an even number the middle is half a frame early.
    """
    values = np.asarray(curve, np.float64)
    if values.ndim != 1 or window < 1:
        raise ValueError(f"curve has shape {values.shape}, window={window}: expected (T,) and >= 1")
    return uniform_filter1d(values, window, mode="nearest") if len(values) else values


def propose(curve: ArrayLike, epsilon: float = 0.0, omega: int = 30) -> np.ndarray:
    """int64 (P, 2): the intervals where attention is above a threshold (Eqs. 8 and 9).

    Args:
        curve: (T,), attention of each frame, smoothed.
        epsilon: The threshold; the paper takes 0 for Cross-Subject, 0.2 for Cross-View.
        omega: Intervals with fewer frames in between are one.
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
    """int64 (n, 2): several candidates for every proposal (Sec. III.E, 2).

    With delta a third of a proposal's length: centres at its own and delta to either side, and at
    each the lengths 2, 3 and 4 delta (our reading of a blurred print). The proposal itself is one
    of the nine (with another delta, which Fig. 12 tries, a tenth); what reaches out of the stream
    is cut, what repeats is left out.

    Args:
        proposals: (P, 2).
        frames: T of the stream.
        lengths: In delta.
        delta: Share of a proposal's length.
    """
    own = np.asarray(proposals, np.int64).reshape(-1, 2)
    start, end = own.T
    step = np.maximum(np.floor((end - start) * delta + 1e-9), 1)
    centre = (start + end) / 2
    shift = np.array([-1, 0, 1])[:, None]
    middle = (centre + shift * step)[:, None]  # (3, 1, P)
    half = np.array(lengths)[:, None] * step / 2  # (L, P)
    # Of length 3 delta at its own centre: the proposal, whatever 3 does not divide.
    candidates = np.stack([middle - half, middle + half], axis=-1).reshape(-1, 2)
    candidates = np.concatenate([own, np.round(candidates)]).astype(np.int64).clip(0, frames)
    return np.unique(candidates[candidates[:, 1] > candidates[:, 0]], axis=0)


def overlaps(spans: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(n, m): intersection over union of intervals (n, 2) with others (m, 2); 0 where they part.

    Where two intervals meet, what reaches from the first start to the last end is their union.
    """
    start, end = spans[:, None, 0], spans[:, None, 1]
    low, high = others[:, 0], others[:, 1]
    shared = np.minimum(end, high) - np.maximum(start, low)
    return np.maximum(shared, 0) / (np.maximum(end, high) - np.minimum(start, low))


def suppress(
    intervals: ArrayLike, scores: ArrayLike, least: float = 0.1, overlap: float = 0.3
) -> np.ndarray:
    """int64 (k,): indices of the intervals of one class that non-maximum suppression keeps.

    The highest score first; what overlaps it by more than `overlap` goes.

    Args:
        intervals: (n, 2).
        scores: (n,).
        least: Lower scores are dropped; 0.1 in the paper.
        overlap: Intersection over union; our choice, the paper gives none. 1 keeps all.
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
    """Intervals of one class with fewer than `distance` frames in between become one.

    Returns:
        Intervals (k, 2) in order of their start, and the highest score of each (our choice).
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
