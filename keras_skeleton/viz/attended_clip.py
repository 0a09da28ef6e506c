"""A clip with what a network made of it: what the page and the movie of attention are drawn from.

Plain arrays; nothing here knows a network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from keras_skeleton.skeletons import Skeleton


@dataclass(frozen=True)
class AttendedClip:
    """One clip, where a network looks in it and what it takes it for.

    Attributes:
        clip: (T, M, V, 3), y up; absent bodies are zero.
        skeleton: The joint layout.
        classes: C names.
        label: Index of the true class.
        probabilities: (C,), of the whole clip.
        name: Of the clip.
        about: Where all this comes from, to be shown: `{"model": "sta_lstm", ...}`.
        joints: Attention to joints (T, M * V), not negative; None for a network without.
        frames: Attention to frames (T,), or (T, 3) with one a coordinate; None for a network
            without.
        running: (T, C), the probabilities had the clip ended with this frame; NaN in frames
            before the first person. None where that is not known.
        interval: First and last frame, both included, known to carry the action.
        fps: Frames a second; None where that is not known.
        unit: Of the coordinates.
        note: What a reader must know of this network's attention.

    Raises:
        ValueError: Shapes that do not fit, NaN or negative attention to joints, or nobody there.
    """

    clip: np.ndarray
    skeleton: Skeleton
    classes: Sequence[str]
    label: int
    probabilities: np.ndarray
    name: str
    about: Mapping[str, str] = field(default_factory=dict)
    joints: np.ndarray | None = None
    frames: np.ndarray | None = None
    running: np.ndarray | None = None
    interval: tuple[int, int] | None = None
    fps: float | None = None
    unit: str = "m"
    note: str = ""

    def __post_init__(self) -> None:
        V, C = self.skeleton.size, len(self.classes)
        if self.clip.ndim != 4 or self.clip.shape[2:] != (V, 3):
            raise ValueError(f"clip has shape {self.clip.shape}, expected (T, M, {V}, 3)")
        T, M = self.clip.shape[:2]
        expected: dict[str, list[tuple[int, ...]]] = {
            "probabilities": [(C,)],
            "joints": [(T, M * V)],
            "frames": [(T,), (T, 3)],
            "running": [(T, C)],
        }
        for what, shapes in expected.items():
            values = getattr(self, what)
            if values is None:
                continue
            if values.shape not in shapes:
                allowed = " or ".join(map(str, shapes))
                raise ValueError(f"{what} has shape {values.shape}, expected {allowed}")
            if what != "running" and not np.isfinite(values).all():
                raise ValueError(f"{what} holds NaN or infinity")
        if self.joints is not None and self.joints.min() < 0:
            raise ValueError("attention to joints is negative; give its absolute value")
        if not self.there.any():
            raise ValueError(f"clip '{self.name}' shows no body")

    @cached_property
    def there(self) -> np.ndarray:
        """bool (T, M): who is in the frame."""
        return np.isfinite(self.clip).all(axis=(2, 3)) & (self.clip != 0).any(axis=(2, 3))

    @cached_property
    def shares(self) -> np.ndarray | None:
        """float64 (T, M, V): each joint's share of its frame's attention, times M * V: 1 is what
        equal attention to all joints would give it."""
        if self.joints is None:
            return None
        total = self.joints.sum(axis=1, keepdims=True, dtype=np.float64)
        even = np.full(self.joints.shape, 1 / self.joints.shape[1])
        share = np.divide(self.joints, total, out=even, where=total > 0)
        return (share * self.joints.shape[1]).reshape(self.clip.shape[:3])

    @cached_property
    def top_share(self) -> float:
        """Where the colour scale of `shares` ends. One in a hundred of those that are drawn is
        above: one frame's outlier does not leave all others dark. It is 2 at least: nearly equal
        attention does not look like a choice."""
        if self.shares is None:
            return 2.0
        return max(2.0, float(np.quantile(self.shares[self.there], 0.99)))

    @property
    def predicted(self) -> int:
        """Index of the most probable class."""
        return int(np.argmax(self.probabilities))

    def shown_classes(self, most: int) -> list[int]:
        """The `most` probable classes, and the true one."""
        order = [int(i) for i in np.argsort(-self.probabilities, kind="stable")]
        shown = order[:most]
        return shown if self.label in shown else [*shown, self.label]

    @property
    def title(self) -> str:
        """True and predicted class, in one line."""
        true, said = self.classes[self.label], self.classes[self.predicted]
        how = "recognized" if self.label == self.predicted else f"taken for '{said}'"
        return f"'{true}', {how} with probability {self.probabilities[self.predicted]:.2f}"

    @property
    def caption(self) -> str:
        """The clip, what it is taken for, and in a second line where that comes from."""
        about = "; ".join(f"{what} {value}" for what, value in self.about.items())
        return f"{self.name}: {self.title}\n{about}".rstrip()
