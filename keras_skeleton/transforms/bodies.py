"""Which bodies of a clip are people, and who comes first.

A tracker also finds bodies in chairs and doors, and gives a person who was lost for a moment a
new number. The rules and constants here are those that the authors of the View Adaptive
networks published with their code (P. Zhang et al., TPAMI 2019,
github.com/microsoft/View-Adaptive-Neural-Networks-for-Skeleton-based-Human-Action-Recognition,
`data/ntu/get_raw_denoised_data.py`); they were chosen for NTU RGB+D. `two_actors` applies all.

A clip is (T, M, V, 3) with any number of bodies M; a body that is absent in a frame is all zero.
"""

from __future__ import annotations

import numpy as np

from keras_skeleton.transforms.geometry import present

SHORTEST = 12  # frames: a body that is there in 11 or fewer is a ghost
WIDTH = 0.8  # a pose is noise where the body's extent in x is more than this times that in y
NOISY = 0.69754  # a body is a ghost where at least this part of its poses is noise


def check_bodies(clip: np.ndarray) -> np.ndarray:
    """The clip as float64, or a ValueError where it is not a finite (T, M, V, 3) of any layout."""
    clip = np.asarray(clip)
    if clip.ndim != 4 or clip.shape[3] != 3 or 0 in clip.shape:
        raise ValueError(f"clip has shape {clip.shape}; expected (T, M, V, 3), none of them 0")
    if not np.isfinite(clip).all():
        raise ValueError("clip holds NaN or infinity; see transforms.missing.fill_missing")
    return clip.astype(np.float64)


def motion(clip: np.ndarray, pooled: bool = False) -> np.ndarray:
    """float64 (M,): how much every body moves while it is there, in squared units.

    The variance over the frames of every coordinate of every joint, summed. An absent body
    moves by 0.

    Args:
        clip: (T, M, V, 3).
        pooled: The variance of all joints of all frames together, one for x, y and z, summed: as
            the released code has it. The size of a body counts in it, too.
    """
    clip = check_bodies(clip)
    there = present(clip)
    amounts = np.zeros(clip.shape[1])
    for m in range(clip.shape[1]):
        body = clip[there[:, m], m]
        if len(body):
            amounts[m] = (body.reshape(-1, 3) if pooled else body).var(axis=0).sum()
    return amounts


def order_by_motion(clip: np.ndarray) -> np.ndarray:
    """The clip with the body that moves most first; equal ones keep their order."""
    clip = check_bodies(clip)
    return clip[:, np.argsort(-motion(clip), kind="stable")]


def noisy_frames(clip: np.ndarray) -> np.ndarray:
    """bool (T, M): poses that are wider (x) than 0.8 of their height (y)."""
    extent = np.ptp(check_bodies(clip), axis=2)  # (T, M, 3)
    return present(clip) & (extent[..., 0] > WIDTH * extent[..., 1])


def drop_ghosts(clip: np.ndarray) -> np.ndarray:
    """The clip without bodies that are no people: (T, M', V, 3), 1 <= M' <= M.

    Bodies that are there in at most 11 frames go first; then, one after the other, those of
    which at least 69.754 % of the frames are noise. Whoever is the last one left stays. Where
    all are short, the longest stays (the released code stops with an error there).
    """
    clip = check_bodies(clip)
    frames = present(clip).sum(axis=0)
    kept = np.flatnonzero(frames >= SHORTEST)
    if not kept.size:
        kept = np.array([np.argmax(frames)])
    share = noisy_frames(clip).sum(axis=0) / np.maximum(frames, 1)
    for m in list(kept):
        if len(kept) > 1 and share[m] >= NOISY:
            kept = kept[kept != m]
    return clip[:, kept]


def merge_bodies(clip: np.ndarray, slots: int = 2) -> np.ndarray:
    """(T, slots, V, 3): bodies that are never there together share a slot.

    Each body in turn goes to the first slot that is free in all its frames; one that fits into
    none is left out. (The released code compares first and last frames, which may be shared, and
    takes the second slot as full from frame 0 on.)
    """
    clip = check_bodies(clip)
    there = present(clip)
    out = np.zeros((len(clip), slots, *clip.shape[2:]))
    taken = np.zeros((len(clip), slots), bool)
    for m in range(clip.shape[1]):
        free = np.flatnonzero(~(taken & there[:, m, None]).any(axis=0))
        if free.size:
            out[there[:, m], free[0]] = clip[there[:, m], m]
            taken[:, free[0]] |= there[:, m]
    return out


def drop_empty_frames(clip: np.ndarray) -> np.ndarray:
    """The clip without the frames that hold no body; a ValueError where no frame does."""
    clip = check_bodies(clip)
    kept = present(clip).any(axis=1)
    if not kept.any():
        raise ValueError(f"no body in any of the {len(clip)} frames")
    return clip[kept]


def two_actors(clip: np.ndarray) -> np.ndarray:
    """(T', 2, V, 3): the two actors of a clip of any number of bodies; who moves most comes first.

    Ghosts are dropped, the rest is sorted by its motion (pooled, and no more than its frames
    that are not noise have), bodies that are never there together are merged, and frames without
    a body are taken out: as in the released code, but for what `drop_ghosts` and `merge_bodies`
    say.

    Raises:
        ValueError: Wrong shape, NaN or infinity, or no body in any frame.
    """
    clip = drop_ghosts(clip)
    clean = np.where(noisy_frames(clip)[:, :, None, None], 0, clip)
    amount = np.minimum(motion(clip, pooled=True), motion(clean, pooled=True))
    return drop_empty_frames(merge_bodies(clip[:, np.argsort(-amount, kind="stable")]))
