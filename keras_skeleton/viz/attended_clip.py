"""A clip with a network's attention and predictions: the data of attention pages and animations.

Only arrays; nothing in this module depends on a network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from keras_skeleton.skeletons import Skeleton


def relative_attention(values: np.ndarray) -> np.ndarray:
    """Frame attention relative to its mean over the clip: 1 if every frame gets the same.

    Args:
        values: (T,), or (T, 3) with one value per coordinate, which share one mean; not negative.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.viz.attended_clip import relative_attention
        >>> relative_attention(np.array([0.25, 0.25, 1.0])).tolist()
        [0.5, 0.5, 2.0]
    """
    values = np.asarray(values, np.float64)
    mean = values.mean()
    return values / mean if mean > 0 else np.ones_like(values)


@dataclass(frozen=True)
class AttendedClip:
    """A clip with a network's attention and predictions.

    Attributes:
        clip: (T, M, V, 3), y upward; absent bodies are zero.
        skeleton: The joint layout.
        classes: Names of the C classes.
        label: Index of the true class; None if unknown.
        probabilities: (C,), for the whole clip.
        name: Name of the clip.
        about: Where the data comes from, for display: `{"model": "sta_lstm", ...}`.
        joints: Joint attention (T, M * V), not negative; None if the network has none.
        frames: Frame attention (T,), or (T, 3) with one value per coordinate, not negative; None if
            the network has none.
        running: (T, C), probabilities if the clip ended with this frame; NaN in frames before the
            first body appears. None if unknown.
        windows: Whether `running` is of windows around each frame, not of all frames up to it.
        interval: First and last frame (inclusive) of the labeled action; None if unknown.
        fps: Frames per second; None if unknown.
        unit: Unit of the coordinates.
        note: A remark on this network's attention, for display.
        swap: What the swap test says: one (verdict, heading, details) per kind of attention, see
            `evaluation.swap_test.verdicts`. Empty if nothing is to be said.

    Raises:
        ValueError: Shapes that do not fit, NaN, negative attention, or no body in the clip.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.skeletons import get_skeleton
        >>> from keras_skeleton.viz.attended_clip import AttendedClip
        >>> seen = AttendedClip(
        ...     clip=np.ones((60, 1, 25, 3)),
        ...     skeleton=get_skeleton("kinect_v2"),
        ...     classes=["wave", "sit"],
        ...     label=0,
        ...     probabilities=np.array([0.9, 0.1]),
        ...     name="clip 1",
        ...     joints=np.full((60, 25), 1 / 25),
        ... )
        >>> seen.title
        "'wave', recognized with probability 0.90"
    """

    clip: np.ndarray
    skeleton: Skeleton
    classes: Sequence[str]
    label: int | None
    probabilities: np.ndarray
    name: str
    about: Mapping[str, str] = field(default_factory=dict)
    joints: np.ndarray | None = None
    frames: np.ndarray | None = None
    running: np.ndarray | None = None
    windows: bool = False
    interval: tuple[int, int] | None = None
    fps: float | None = None
    unit: str = "m"
    note: str = ""
    swap: Sequence[tuple[str, str, str]] = ()

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
        for what, weights in (("joint", self.joints), ("frame", self.frames)):
            if weights is not None and weights.min() < 0:
                raise ValueError(f"{what} attention is negative; pass its absolute value")
        if not self.there.any():
            raise ValueError(f"clip '{self.name}' shows no body")

    @cached_property
    def there(self) -> np.ndarray:
        """Bodies present in each frame, bool (T, M)."""
        return np.isfinite(self.clip).all(axis=(2, 3)) & (self.clip != 0).any(axis=(2, 3))

    @cached_property
    def shares(self) -> np.ndarray | None:
        """Joint attention relative to equal attention, float64 (T, M, V): 1 if all joints are
        equal."""
        if self.joints is None:
            return None
        total = self.joints.sum(axis=1, keepdims=True, dtype=np.float64)
        even = np.full(self.joints.shape, 1 / self.joints.shape[1])
        share = np.divide(self.joints, total, out=even, where=total > 0)
        return (share * self.joints.shape[1]).reshape(self.clip.shape[:3])

    @cached_property
    def top_share(self) -> float:
        """Upper end of the color scale of `shares`.

        It is the 99th percentile of the drawn values, so that a single outlier does not darken all
        others, and at least 2, so that nearly equal attention does not look like a preference.
        """
        if self.shares is None:
            return 2.0
        return max(2.0, float(np.quantile(self.shares[self.there], 0.99)))

    @cached_property
    def frame_shares(self) -> np.ndarray | None:
        """`relative_attention` of the frames, float64 (T,) or (T, 3)."""
        return None if self.frames is None else relative_attention(self.frames)

    @cached_property
    def peak(self) -> int:
        """The most attended frame that shows a body.

        With attention to joints, it is the one where the product of frame attention and the most
        attended joint's is largest. Without any attention, it is the first.
        """
        most = np.ones(len(self.clip))
        if self.frame_shares is not None:
            most = self.frame_shares.reshape(len(most), -1).mean(axis=1)
        if self.shares is not None:
            most = most * np.where(self.there[..., None], self.shares, 0).max(axis=(1, 2))
        return int(np.argmax(np.where(self.there.any(axis=1), most, -1)))

    @property
    def predicted(self) -> int:
        """Index of the most probable class."""
        return int(np.argmax(self.probabilities))

    def shown_classes(self, most: int) -> list[int]:
        """Indices of the `most` most probable classes, and of the true class."""
        order = [int(i) for i in np.argsort(-self.probabilities, kind="stable")]
        shown = order[:most]
        if self.label is None or self.label in shown:
            return shown
        return [*shown, self.label]

    @property
    def heading(self) -> str:
        """The true class if it is known, and the name of the clip."""
        return self.name if self.label is None else f"{self.classes[self.label]}: {self.name}"

    @property
    def title(self) -> str:
        """True class if known, predicted class and its probability, in one line."""
        said, probability = self.classes[self.predicted], self.probabilities[self.predicted]
        if self.label is None:
            return f"predicted '{said}' with probability {probability:.2f}"
        true = self.classes[self.label]
        how = "recognized" if self.label == self.predicted else f"predicted as '{said}'"
        return f"'{true}', {how} with probability {probability:.2f}"

    @property
    def caption(self) -> str:
        """Name of the clip and `title`; on a second line, where the data comes from."""
        about = "; ".join(f"{what} {value}" for what, value in self.about.items())
        return f"{self.name}: {self.title}\n{about}".rstrip()
