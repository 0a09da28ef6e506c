"""Deletion and insertion: what a network loses when frames or joints go, most important first.

If attention says what counts, the class should become improbable sooner when frames (or joints) are
taken away in its order than in a random one, and probable sooner when they are put back.

Nothing can be cut out of a clip without leaving something in its place. Here:

    a joint    stands still where it is on average over the training clips' frames. Its own mean
               over the clip would still tell a sitting person from a standing one
    a frame    lies on a straight line between the kept frames around it; before the first and
               after the last of them it repeats that one. Zeros, or a mean pose among moving ones,
               would be jumps that no camera sees, and a network's answer to them says nothing
    all frames the mean pose of the training clips, standing still

Straight lines hide the loss of single frames better than that of many neighbours, and attention
changes little from a frame to the next, so its order takes neighbours away together. A smooth curve
beats a random order of frames in deletion wherever it peaks, and in real clips, whose motion is
smooth, loses to it in insertion. The fair rival is attention itself, moved in time, round the end
(`shifted`): as smooth, in the wrong place.

The area between two curves is the mean gap between them, in the unit of the curves. Curves and
measures as in Petsiuk et al., "RISE: randomized input sampling for explanation of black-box
models", BMVC 2018.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

FRACTIONS = np.linspace(0, 1, 11)


def there(clip: np.ndarray) -> np.ndarray:
    """bool (..., K) of (..., K, C): joints that are not all zeros; those of absent bodies are."""
    return np.any(clip != 0, axis=-1)


def mean_pose(clips: Sequence[np.ndarray]) -> np.ndarray:
    """float64 (K, C): where each joint is on average over the frames of clips (S, K, C) that have
    it; zeros for a joint that none has."""
    total = np.sum([clip.sum(axis=0, dtype=np.float64) for clip in clips], axis=0)
    count = np.sum([there(clip).sum(axis=0) for clip in clips], axis=0)
    return total / np.maximum(count, 1)[:, None]


def keep_joints(clip: np.ndarray, kept: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Copies of a clip in which only some joints move, the others rest: (N, S, K, C).

    Args:
        clip: (S, K, C), S frames; joints that are not there are zeros and stay so.
        kept: bool (N, K), which joints each copy keeps.
        rest: (K, C), from `mean_pose`.
    """
    stays = kept[:, None, :] | ~there(clip)
    return np.where(stays[..., None], clip, rest).astype(clip.dtype)


def keep_frames(clip: np.ndarray, kept: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Copies of a clip in which only some frames are as they were: (N, S, K, C).

    Args:
        clip: (S, K, C), S frames; joints that are not there are zeros and stay so.
        kept: bool (N, S), which frames each copy keeps.
        rest: (K, C), from `mean_pose`; what is shown where a joint has no kept frame.
    """
    result = np.zeros((len(kept), *clip.shape), clip.dtype)
    patterns, pattern = np.unique(there(clip), axis=1, return_inverse=True)
    for p in range(patterns.shape[1]):  # joints that come and go together: mostly all of a body
        joints, frames = np.flatnonzero(pattern == p), np.flatnonzero(patterns[:, p])
        own = clip[np.ix_(frames, joints)]
        for copy, known in zip(result, kept[:, frames], strict=True):
            at = np.flatnonzero(known)
            filled = _between(own[at], frames[at], frames) if len(at) else rest[joints]
            copy[np.ix_(frames, joints)] = filled
    return result


def _between(poses: np.ndarray, at: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Poses of the frames `at`, at all `frames`: on straight lines, held at both ends."""
    place = np.interp(frames, at, np.arange(len(at)))
    low = place.astype(int)
    high = np.minimum(low + 1, len(at) - 1)
    weight = (place - low)[:, None, None]
    return poses[low] * (1 - weight) + poses[high] * weight


def importance_order(values: ArrayLike, rng: np.random.Generator) -> np.ndarray:
    """int64 (n,): largest value first; equal ones in random order."""
    values = np.asarray(values)
    return np.lexsort((rng.random(len(values)), -values))


def kept_after(order: np.ndarray, fractions: np.ndarray = FRACTIONS) -> np.ndarray:
    """bool (F, n): what is left when each fraction of `order` is gone, its first ones first.

    Insertion in an order is deletion in the reverse one, read from the end.
    """
    rank = np.empty(len(order), int)
    rank[order] = np.arange(len(order))
    return rank >= np.round(np.asarray(fractions) * len(order)).astype(int)[:, None]


def shifted(values: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, n): values (n,) moved in time, round the end, by offsets drawn from 1 to n - 1."""
    n = len(values)
    if n < 2:
        return np.repeat(values[None], count, axis=0)
    return np.stack([np.roll(values, k) for k in rng.integers(1, n, size=count)])


def area(curve: ArrayLike, fractions: np.ndarray = FRACTIONS) -> np.ndarray:
    """Areas below curves (..., F) over `fractions`, by straight lines; fractions run from 0 to 1,
    so that it is the curve's mean."""
    return np.trapezoid(np.asarray(curve), fractions, axis=-1)


def confidence_interval(
    values: ArrayLike, seed: int = 0, level: float = 0.95, resamples: int = 1000
) -> tuple[float, float, float]:
    """The mean of clips' values (n,), and the interval that a bootstrap over the clips gives it.

    The bounds are percentiles of the means of `resamples` draws of n clips with replacement. NaN
    three times where there are no values. The interval is about other clips of the kind; another
    training of the network is another matter.
    """
    values = np.asarray(values, np.float64)
    if not len(values):
        return (float("nan"),) * 3
    draws = np.random.default_rng(seed).integers(len(values), size=(resamples, len(values)))
    means = values[draws].mean(axis=1)
    low, high = np.percentile(means, [50 * (1 - level), 50 * (1 + level)])
    return float(values.mean()), float(low), float(high)
