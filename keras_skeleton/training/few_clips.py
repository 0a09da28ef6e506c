"""Train on few clips of each class."""

from __future__ import annotations

import numpy as np


def few_clips(clips: np.ndarray, labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Draws `count` clips of each class (all of a class that has fewer), in the given order.

    Args:
        clips: Indices of clips, (n,).
        labels: Labels of all clips of the dataset.
        count: Number of clips of each class.
        seed: Seed of the draw.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.training.few_clips import few_clips
        >>> few_clips(np.array([0, 1, 2, 3]), np.array([0, 0, 0, 1]), count=1, seed=0).tolist()
        [2, 3]
    """
    order = np.random.default_rng(seed).permutation(len(clips))
    kept = [k for c in np.unique(labels[clips]) for k in order[labels[clips[order]] == c][:count]]
    return clips[np.sort(np.array(kept, np.int64))]
