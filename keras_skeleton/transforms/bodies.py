"""Cleaning and ordering the bodies of a clip.

A tracker also detects bodies in chairs and doors, and assigns a new number to a person whom it
lost for a moment. The rules and constants are those of the released code of the View Adaptive
networks (P. Zhang et al., TPAMI 2019,
github.com/microsoft/View-Adaptive-Neural-Networks-for-Skeleton-based-Human-Action-Recognition,
`data/ntu/get_raw_denoised_data.py`), chosen for NTU RGB+D. `two_actors` applies all of them.

`join_tracks` is not from that code: it gives a person back the track that the tracker has lost,
judged by place, for readers that keep every frame.

A clip is (T, M, V, 3) with any number of bodies M; a body that is absent in a frame is all zeros.
"""

from __future__ import annotations

import numpy as np

from keras_skeleton.transforms.geometry import present

SHORTEST = 12  # frames; a body that is present in fewer is a ghost
WIDTH = 0.8  # a pose is noise if its extent in x exceeds this fraction of its extent in y
NOISY = 0.69754  # a body is a ghost if at least this fraction of its poses is noise

# How far joints may be, on average, from where a person was lost (our choice): half a metre, plus
# 1.5 m/s of walking at 30 Hz, but never more than 1.5 m.
REACH, STRIDE, FAR = 0.5, 0.05, 1.5
MAX_TRACKS = 32  # more are no recording of people


def check_bodies(clip: np.ndarray) -> np.ndarray:
    """Returns the clip as float64 (T, M, V, 3), for any joint layout.

    Raises:
        ValueError: Wrong shape, NaN or infinity.
    """
    clip = np.asarray(clip)
    if clip.ndim != 4 or clip.shape[3] != 3 or 0 in clip.shape:
        raise ValueError(f"clip has shape {clip.shape}; expected (T, M, V, 3), all at least 1")
    if not np.isfinite(clip).all():
        raise ValueError("clip contains NaN or infinity; see transforms.missing.fill_missing")
    return clip.astype(np.float64)


def motion(clip: np.ndarray, pooled: bool = False) -> np.ndarray:
    """The amount of motion of each body, float64 (M,), in squared units of the clip.

    It is the variance over the frames in which the body is present, summed over all joints and
    coordinates. The motion of an absent body is 0.

    Args:
        clip: (T, M, V, 3).
        pooled: Compute one variance per coordinate over all joints and frames together, as in the
            released code. This also depends on the size of the body.

    Raises:
        ValueError: Wrong shape, NaN or infinity.
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
    """Orders the bodies of a clip by decreasing motion: float64 (T, M, V, 3).

    Bodies with equal motion keep their order.

    Args:
        clip: (T, M, V, 3).

    Raises:
        ValueError: Wrong shape, NaN or infinity.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.transforms.bodies import order_by_motion
        >>> clip = np.ones((3, 2, 25, 3))
        >>> clip[:, 1, :, 0] = [[1], [2], [3]]  # body 1 moves along x
        >>> order_by_motion(clip)[:, 0, 0, 0]
        array([1., 2., 3.])
    """
    clip = check_bodies(clip)
    return clip[:, np.argsort(-motion(clip), kind="stable")]


def noisy_frames(clip: np.ndarray) -> np.ndarray:
    """Poses whose width (x) exceeds 0.8 of their height (y): bool (T, M)."""
    extent = np.ptp(check_bodies(clip), axis=2)  # (T, M, 3)
    return present(clip) & (extent[..., 0] > WIDTH * extent[..., 1])


def drop_ghosts(clip: np.ndarray) -> np.ndarray:
    """Removes bodies that are not people: float64 (T, M', V, 3) with 1 <= M' <= M.

    First, bodies that are present in at most 11 frames are removed. If all are that short, the
    longest one is kept (the released code raises an error there). Then bodies are removed of which
    at least 69.754 % of the poses are noise, that is, wider than 0.8 of their height. The last
    remaining body is always kept.

    Args:
        clip: (T, M, V, 3).

    Raises:
        ValueError: Wrong shape, NaN or infinity.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.transforms.bodies import drop_ghosts
        >>> clip = np.ones((20, 2, 25, 3))
        >>> clip[5:, 1] = 0  # body 1 is present in 5 frames only
        >>> drop_ghosts(clip).shape
        (20, 1, 25, 3)
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
    """Merges bodies that are never present together: float64 (T, slots, V, 3).

    Each body in turn is assigned to the first slot that is free in all its frames; a body that
    fits into no slot is left out. (The released code compares only the first and last frames,
    which two bodies may share, and treats the second slot as occupied from frame 0 on.)

    Args:
        clip: (T, M, V, 3).
        slots: Number of bodies of the result.

    Raises:
        ValueError: Wrong shape, NaN or infinity.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.transforms.bodies import merge_bodies
        >>> clip = np.zeros((4, 3, 25, 3))
        >>> clip[:, 0] = 1
        >>> clip[:2, 1] = 2  # the tracker lost this person after two frames
        >>> clip[2:, 2] = 3  # and found the same person again under a new number
        >>> merge_bodies(clip)[:, :, 0, 0]
        array([[1., 2.],
               [1., 2.],
               [1., 3.],
               [1., 3.]])
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


def join_tracks(poses: np.ndarray, frames: np.ndarray, tracks: np.ndarray) -> np.ndarray:
    """Joins tracks of the same person, whom the tracker lost and found again: int (N,).

    Two tracks may be one person if they have no frame in common, and if wherever one follows the
    other, the joints are near those before: at most 0.5 m on average for the next frame, 5 cm more
    for each further frame without the person, and never more than 1.5 m. Tracks that begin in the
    same frame are assigned together, so that the sum of distances is smallest (Hungarian method).
    Of more than 32 tracks, none are joined.

    Args:
        poses: Poses in the order of their frames, (N, V, 3), in meters.
        frames: The frame of each pose at 30 Hz, int (N,), not decreasing.
        tracks: The track of each pose, int (N,), numbered from 0 in order of appearance.

    Returns:
        The person of each pose, numbered from 0 in order of appearance.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.transforms.bodies import join_tracks
        >>> poses = np.ones((4, 25, 3))
        >>> poses[2] += 1.2  # another person
        >>> join_tracks(poses, np.array([0, 1, 5, 5]), np.array([0, 0, 1, 2]))
        array([0, 0, 1, 0])
    """
    count = int(tracks.max(initial=-1)) + 1
    if not 1 < count <= MAX_TRACKS:
        return tracks
    rows: list[np.ndarray] = []  # of each track; of several poses in a frame, the first
    for track in range(count):
        own = np.flatnonzero(tracks == track)
        rows.append(own[np.unique(frames[own], return_index=True)[1]])
    starts = np.array([frames[own[0]] for own in rows])
    people: list[np.ndarray] = []  # rows of each person
    person_of = np.zeros(count, np.int64)
    for start in np.unique(starts):
        new = np.flatnonzero(starts == start).tolist()
        costs = np.array([[_apart(poses, frames, old, rows[i]) for old in people] for i in new])
        found: dict[int, int] = {}
        if costs.size:
            from scipy.optimize import linear_sum_assignment  # here: it takes 0.4 s

            pairs = linear_sum_assignment(np.minimum(costs, 1000.0))
            found = {i: p for i, p in zip(*map(np.ndarray.tolist, pairs), strict=True)}
        for i, track in enumerate(new):
            person = found.get(i)
            if person is not None and costs[i, person] <= 1:
                people[person] = np.sort(np.concatenate([people[person], rows[track]]))
                person_of[track] = person
            else:
                person_of[track] = len(people)
                people.append(rows[track])
    return person_of[tracks]


def _apart(poses: np.ndarray, frames: np.ndarray, old: np.ndarray, new: np.ndarray) -> float:
    """The largest distance between rows of two tracks that follow each other, as a fraction of
    what is allowed; infinite if they have a frame in common."""
    together = np.concatenate([old, new])
    order = np.argsort(frames[together], kind="stable")
    together, is_new = together[order], (order >= len(old))
    gaps = np.diff(frames[together])
    if (gaps == 0).any():
        return np.inf
    at = np.flatnonzero(is_new[1:] != is_new[:-1])
    steps = poses[together[at + 1]].astype(np.float64) - poses[together[at]]
    distance = np.linalg.norm(steps, axis=-1).mean(axis=-1)
    allowed = np.minimum(REACH + STRIDE * (gaps[at] - 1), FAR)
    return float((distance / allowed).max())


def drop_empty_frames(clip: np.ndarray) -> np.ndarray:
    """Removes the frames without a body; a ValueError if no frame has one."""
    clip = check_bodies(clip)
    kept = present(clip).any(axis=1)
    if not kept.any():
        raise ValueError(f"no body in any of the {len(clip)} frames")
    return clip[kept]


def two_actors(clip: np.ndarray) -> np.ndarray:
    """Reduces a clip to its two actors, by decreasing motion: float64 (T', 2, V, 3).

    Ghosts are dropped (`drop_ghosts`), the other bodies are sorted by their motion (the smaller of
    the pooled motion over all frames and over those that are not noise), bodies that are never
    present together are merged (`merge_bodies`), and frames without a body are removed. This
    follows the released code, except for the differences described in `drop_ghosts` and
    `merge_bodies`.

    Args:
        clip: (T, M, V, 3) with any number of bodies M.

    Raises:
        ValueError: Wrong shape, NaN or infinity, or no body in any frame.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.transforms.bodies import two_actors
        >>> clip = np.random.default_rng(0).normal(size=(30, 4, 25, 3))
        >>> clip[10:, 2:] = 0
        >>> two_actors(clip).shape
        (30, 2, 25, 3)
    """
    clip = drop_ghosts(clip)
    clean = np.where(noisy_frames(clip)[:, :, None, None], 0, clip)
    amount = np.minimum(motion(clip, pooled=True), motion(clean, pooled=True))
    return drop_empty_frames(merge_bodies(clip[:, np.argsort(-amount, kind="stable")]))
