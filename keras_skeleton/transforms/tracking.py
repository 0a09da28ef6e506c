"""Following people from frame to frame.

Pose estimators list the people of each frame in any order: by size, by score or from left to right.
Here each person of a frame goes to the slot of the person nearest to it in the frames before: by
the mean distance of the joints that both have, relative to the size of their bodies, with one
assignment for all (Hungarian method). A slot moves on at its own speed, so two people who cross
keep their slots. Who is lost for a while is found again near the place where the slot would be; the
further, the longer it was lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

# All distances are in bodies, the diagonals of boxes around them.
LIMIT = 0.75  # in the next frame, 1.3 m of an adult; in films of few frames a second people jump
ALONE = 2.0  # the same if no frame has two people
GROWTH, MOST = 0.05, 1.5  # the limit grows with each frame in which somebody was lost
LATER = 0.02  # a slot that was lost comes after one that is just as near and was not
STAY = 0.02  # in doubt the order of the file is kept
NOBODY = 1.3  # cost of a new slot, in limits: more than that of the farthest match
AHEAD = 10  # frames for which a lost person is assumed to keep its speed
RECENT = 32  # slots among which somebody is looked for
PEOPLE = 16  # slots kept at most, unless a frame has more people


@dataclass
class _Slot:
    """A person: where its joints were last, how it moves, and the frames in which it was seen."""

    joints: np.ndarray  # (V, 3), NaN for joints never seen
    size: float
    last: int
    source: int
    number: int = -1
    speed: np.ndarray = field(default_factory=lambda: np.zeros(3))
    frames: list[tuple[int, int]] = field(default_factory=list)

    def see(self, t: int, m: int, joints: np.ndarray, size: float) -> None:
        seen = ~np.isnan(joints[:, 0])
        both = seen & ~np.isnan(self.joints[:, 0])
        if self.frames and both.any():
            moved = np.median(joints[both] - self.joints[both], axis=0)
            speed = moved / (t - self.last)
            self.speed = speed if len(self.frames) < 2 else 0.5 * (self.speed + speed)
            self.joints = self.joints + moved  # unseen joints move with the others
        self.joints = np.where(seen[:, None], joints, self.joints)
        self.size = max(size, 0.97 * self.size)
        self.last, self.source = t, m
        self.frames.append((t, m))


def follow_people(
    points: np.ndarray, ids: np.ndarray | None = None, limit: float | None = None
) -> tuple[np.ndarray, int]:
    """Assigns the people of each frame to slots.

    Args:
        points: (T, M, V, 3) in any unit; joints that are missing are NaN or zero, people who are
            absent have no other joints.
        ids: Numbers of the people given by a tracker, int (T, M), -1 for none. The same number is
            the same slot. Not used if a number occurs twice in a frame.
        limit: How far somebody may be in the next frame, in bodies; by default 0.75, or 2 if no
            frame has two people. Whoever is farther away is somebody else. For hands, which move
            many times their size, it should be larger.

    Returns:
        For each slot the index of the person in the frame, int (T, S), -1 for nobody. Slots are in
        order of first appearance; if no person changes places, S is M and each slot is as it was.
        Also the number of frames in which somebody changed places.

    Raises:
        ValueError: Wrong shape.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.transforms.tracking import follow_people
        >>> points = np.random.default_rng(0).normal(size=(1, 2, 17, 3)) + [[[[0]], [[9]]]]
        >>> clip = np.repeat(points, 4, axis=0)
        >>> clip[2:] = clip[2:, ::-1]  # from frame 2 on, the estimator lists them the other way
        >>> order, changes = follow_people(clip)
        >>> order.tolist(), changes
        ([[0, 1], [0, 1], [1, 0], [1, 0]], 1)
    """
    points = np.array(points, np.float64)
    if points.ndim != 4 or points.shape[3] != 3 or 0 in points.shape:
        raise ValueError(f"points have shape {points.shape}; expected (T, M, V, 3)")
    T, M = points.shape[:2]
    points[~(np.isfinite(points).all(axis=-1) & (points != 0).any(axis=-1))] = np.nan
    there = ~np.isnan(points[..., 0]).all(axis=2)  # (T, M)
    if ids is not None and (ids.shape != (T, M) or _repeated(ids, there)):
        ids = None
    sizes = _sizes(points, there)
    alone = limit is None and not (there.sum(axis=1) > 1).any()
    limits = (ALONE if alone else limit or LIMIT, limit or LIMIT)
    until = {} if ids is None else {int(ids[t, m]): t for t, m in np.argwhere(there & (ids >= 0))}
    slots: list[_Slot] = []
    known: dict[int, int] = {}  # slots by number
    recent: list[int] = []  # slots that may be found again, the latest last
    for t in range(T):
        people = np.flatnonzero(there[t])
        numbers = np.full(len(people), -1) if ids is None else ids[t, people]
        found = [known.get(int(number), -1) for number in numbers]
        # A slot whose number comes again is not for others.
        free = [k for k in recent if k not in found and until.get(slots[k].number, -1) < t]
        new = [i for i, k in enumerate(found) if k < 0]
        if new and free:
            own = people[new]
            old = _assign([slots[k] for k in free], points[t, own], sizes[t, own], own, t, limits)
            for i, k in zip(new, old, strict=True):
                found[i] = free[k] if k >= 0 else -1
        for i, k in enumerate(found):
            m, number = int(people[i]), int(numbers[i])
            if k < 0:
                k = len(slots)
                slots.append(_Slot(points[t, m], sizes[t, m], t, m))
            slots[k].see(t, m, points[t, m], sizes[t, m])
            if number >= 0:
                slots[k].number = number
                known[number] = k
            found[i] = k
        recent = [k for k in recent if k not in found] + sorted(found)
        del recent[: -max(RECENT, 2 * M)]
    return _order(slots, T, M)


def _repeated(ids: np.ndarray, there: np.ndarray) -> bool:
    """Whether a number occurs twice in a frame, as without a tracker."""
    rows = np.sort(np.where(there & (ids >= 0), ids, -1 - np.arange(ids.shape[1])), axis=1)
    return bool((np.diff(rows, axis=1) == 0).any())


def _sizes(points: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Diagonals (T, M) of the boxes around people; half of the median at least."""
    low = np.where(np.isnan(points), np.inf, points).min(axis=2)
    high = np.where(np.isnan(points), -np.inf, points).max(axis=2)
    sizes = np.zeros(there.shape)
    sizes[there] = np.linalg.norm(high[there] - low[there], axis=-1)
    known = sizes[there & (sizes > 0)]
    return np.maximum(sizes, 0.5 * np.median(known) if len(known) else 1.0)


def _assign(
    slots: list[_Slot],
    people: np.ndarray,
    sizes: np.ndarray,
    sources: np.ndarray,
    t: int,
    limits: tuple[float, float],
) -> list[int]:
    """The slot of each person (n, V, 3) of frame t; -1 for none of them.

    `limits` are for slots that were seen in the frame before, and for those that were lost.
    """
    costs = np.full((len(people), len(slots)), NOBODY)
    for k, slot in enumerate(slots):
        gap = t - slot.last
        reach = limits[0]
        if gap > 1:
            reach = max(limits[1], min(limits[1] + GROWTH * (gap - 1), MOST))
        distance = _distance(people, slot.joints + slot.speed * min(gap, AHEAD))
        if gap > 1:  # who was lost may have stood still
            distance = np.minimum(distance, _distance(people, slot.joints))
        distance = distance / np.maximum(sizes, slot.size)
        distance += min(LATER * (gap - 1), 0.3)
        if gap == 1:
            distance -= STAY * (sources == slot.source)
        costs[:, k] = np.where(distance <= reach, distance / reach, NOBODY)
    # As many columns again for new slots.
    costs = np.concatenate([costs, np.full((len(people), len(people)), NOBODY)], axis=1)
    found = [-1] * len(people)
    from scipy.optimize import linear_sum_assignment  # here: it takes 0.4 s

    for i, k in zip(*linear_sum_assignment(costs), strict=True):
        if k < len(slots) and costs[i, k] < NOBODY:
            found[i] = int(k)
    return found


def _distance(people: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Mean distance of joints (n, V, 3) from those of a slot (V, 3), over those that both have."""
    apart = np.linalg.norm(people - joints, axis=-1)  # NaN where one is missing
    both = ~np.isnan(apart)
    count = both.sum(axis=1)
    mean = np.where(both, apart, 0.0).sum(axis=1) / np.maximum(count, 1)
    for i in np.flatnonzero(count == 0):
        mean[i] = np.linalg.norm(np.nanmean(people[i], axis=0) - np.nanmean(joints, axis=0))
    return mean


def _order(slots: list[_Slot], T: int, M: int) -> tuple[np.ndarray, int]:
    sources = [{m for _, m in slot.frames} for slot in slots]
    if all(len(own) == 1 for own in sources) and len({min(own) for own in sources}) == len(slots):
        order = np.full((T, M), -1)
        for slot in slots:
            for t, m in slot.frames:
                order[t, m] = m
        return order, 0
    most = max(M, PEOPLE)
    if len(slots) > most:
        kept = sorted(range(len(slots)), key=lambda k: -len(slots[k].frames))[:most]
        slots = [slots[k] for k in sorted(kept)]
    order = np.full((T, len(slots)), -1)
    changed = set()
    for k, slot in enumerate(slots):
        for (_, before), (t, m) in zip([slot.frames[0], *slot.frames], slot.frames, strict=False):
            order[t, k] = m
            if m != before:
                changed.add(t)
    return order, len(changed)


def is_clearer(points: np.ndarray, order: np.ndarray) -> bool:
    """Whether people move much less from frame to frame in an order than in that of the array.

    Random points, and people at the same place, change places without getting any nearer.

    Args:
        points: (T, M, V, 3), NaN or zero for missing joints.
        order: int (T, S), see `follow_people`.
    """
    points = np.where((points != 0).any(axis=-1, keepdims=True), points, np.nan)
    moved, stayed = [], []
    for s in range(order.shape[1]):
        frames = np.flatnonzero(order[:, s] >= 0)
        for before, t in pairwise(frames):
            m, source = order[t, s], order[before, s]
            if m != source:
                old = points[before, source]
                steps = [_distance(points[t, k][None], old)[0] for k in (m, source)
                         if not np.isnan(points[t, k]).all()]  # fmt: skip
                if len(steps) == 2:
                    moved.append(steps[0])
                    stayed.append(steps[1])
    return not moved or float(np.mean(moved)) <= 0.5 * float(np.mean(stayed))


def take_people(values: np.ndarray, order: np.ndarray, nobody: float = np.nan) -> np.ndarray:
    """Puts the people of an array (T, M, ...) in the slots of `follow_people`: (T, S, ...).

    Args:
        values: (T, M, ...).
        order: int (T, S), the person of each slot, -1 for nobody.
        nobody: The value where nobody is.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.transforms.tracking import take_people
        >>> take_people(np.array([[1.0, 2.0]]), np.array([[1, -1, 0]]), 0)
        array([[2., 0., 1.]])
    """
    taken = values[np.arange(len(order))[:, None], order]
    taken[order < 0] = nobody
    return taken
