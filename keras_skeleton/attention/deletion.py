"""Deletion and insertion: delete frames or joints of a clip, most important first.

If attention reflects importance, the probability of the true class should drop sooner when frames
(or joints) are deleted in its order than in a baseline order, and rise sooner when they are
inserted in this order.

Deleted values must be replaced by something:

    a joint     is fixed at its mean position over the frames of the training clips. Its mean over
                the clip itself would still distinguish a sitting from a standing person
    a frame     is interpolated linearly between the nearest kept frames; before the first and after
                the last kept frame, that frame is repeated. Zeros or a mean pose between moving
                poses would be jumps that never occur in real data
    all frames  the mean pose of the training clips in every frame

Linear interpolation hides the loss of single frames better than that of many neighboring frames.
Attention varies slowly over time, so its order deletes neighboring frames together. Compared with a
random order of frames, any smooth curve therefore wins in deletion, wherever its peak is, and loses
in insertion on real clips, whose motion is smooth. The fair baseline is the same attention curve
shifted in time with wrap-around (`shifted`): equally smooth, but at the wrong position.

The area between two curves is their mean difference. Curves and measures follow Petsiuk et al.,
"RISE: randomized input sampling for explanation of black-box models", BMVC 2018.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from keras_skeleton.utils.bootstrap import confidence_interval as confidence_interval

FRACTIONS = np.linspace(0, 1, 11)


def there(clip: np.ndarray) -> np.ndarray:
    """Marks the joints of a clip (..., K, C) that are present, bool (..., K). Joints of absent
    bodies are all zeros."""
    return np.any(clip != 0, axis=-1)


def mean_pose(clips: Sequence[np.ndarray]) -> np.ndarray:
    """Mean position of each joint, float64 (K, C), over the frames of clips (S, K, C) in which it
    is present; zeros for joints that are never present."""
    total = np.sum([clip.sum(axis=0, dtype=np.float64) for clip in clips], axis=0)
    count = np.sum([there(clip).sum(axis=0) for clip in clips], axis=0)
    return total / np.maximum(count, 1)[:, None]


def keep_joints(clip: np.ndarray, kept: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Creates copies of a clip in which only some joints are kept, the others fixed at `rest`.

    Args:
        clip: Clip with S frames, (S, K, C). Joints of absent bodies are zeros and stay zeros.
        kept: The joints that each copy keeps, bool (N, K).
        rest: Positions of deleted joints from `mean_pose`, (K, C).

    Returns:
        The copies, (N, S, K, C).

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.attention.deletion import keep_joints
        >>> clip = np.array([[[1.0], [2.0]], [[3.0], [4.0]]])  # 2 frames, 2 joints, 1 coordinate
        >>> keep_joints(clip, np.array([[True, False]]), np.array([[9.0], [9.0]]))[0, :, :, 0]
        array([[1., 9.],
               [3., 9.]])
    """
    stays = kept[:, None, :] | ~there(clip)
    return np.where(stays[..., None], clip, rest).astype(clip.dtype)


def keep_frames(clip: np.ndarray, kept: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Creates copies of a clip in which only some frames are kept, the others interpolated.

    Args:
        clip: Clip with S frames, (S, K, C). Joints of absent bodies are zeros and stay zeros.
        kept: The frames that each copy keeps, bool (N, S).
        rest: Positions of joints without a kept frame from `mean_pose`, (K, C).

    Returns:
        The copies, (N, S, K, C).

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.attention.deletion import keep_frames
        >>> clip = np.array([[[1.0]], [[5.0]], [[3.0]]])  # 3 frames, 1 joint, 1 coordinate
        >>> keep_frames(clip, np.array([[True, False, True]]), np.zeros((1, 1)))[0, :, 0, 0]
        array([1., 2., 3.])
    """
    result = np.zeros((len(kept), *clip.shape), clip.dtype)
    patterns, pattern = np.unique(there(clip), axis=1, return_inverse=True)
    for p in range(patterns.shape[1]):  # joints present in the same frames: mostly a whole body
        joints, frames = np.flatnonzero(pattern == p), np.flatnonzero(patterns[:, p])
        own = clip[np.ix_(frames, joints)]
        for copy, known in zip(result, kept[:, frames], strict=True):
            at = np.flatnonzero(known)
            filled = _between(own[at], frames[at], frames) if len(at) else rest[joints]
            copy[np.ix_(frames, joints)] = filled
    return result


def _between(poses: np.ndarray, at: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Interpolates poses at the frames `at` linearly to `frames`; constant beyond both ends."""
    place = np.interp(frames, at, np.arange(len(at)))
    low = place.astype(int)
    high = np.minimum(low + 1, len(at) - 1)
    weight = (place - low)[:, None, None]
    return poses[low] * (1 - weight) + poses[high] * weight


def importance_order(values: ArrayLike, rng: np.random.Generator) -> np.ndarray:
    """Indices of values (n,) in descending order, int64 (n,); ties are in random order.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.attention.deletion import importance_order
        >>> importance_order([0.1, 0.7, 0.2], np.random.default_rng(0))
        array([1, 2, 0])
    """
    values = np.asarray(values)
    return np.lexsort((rng.random(len(values)), -values))


def kept_after(order: np.ndarray, fractions: np.ndarray = FRACTIONS) -> np.ndarray:
    """Marks the elements left after deleting each fraction of `order` from its start, bool (F, n).

    Insertion in an order equals deletion in the reverse order, read from the end.
    """
    rank = np.empty(len(order), int)
    rank[order] = np.arange(len(order))
    return rank >= np.round(np.asarray(fractions) * len(order)).astype(int)[:, None]


def shifted(values: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Copies of values (n,) shifted in time with wrap-around, by random offsets from 1 to n - 1;
    (count, n)."""
    n = len(values)
    if n < 2:
        return np.repeat(values[None], count, axis=0)
    return np.stack([np.roll(values, k) for k in rng.integers(1, n, size=count)])


def area(curve: ArrayLike, fractions: np.ndarray = FRACTIONS) -> np.ndarray:
    """Area under curves (..., F) by the trapezoidal rule. Fractions range from 0 to 1, so that the
    area is the mean of the curve."""
    return np.trapezoid(np.asarray(curve), fractions, axis=-1)
