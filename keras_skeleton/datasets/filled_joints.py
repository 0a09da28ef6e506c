"""Counts missing joints of one's own clips, which were filled, and joints at (0, 0, 0)."""

from __future__ import annotations

from collections import Counter

import numpy as np

from keras_skeleton.datasets.dataset import ReadReport
from keras_skeleton.datasets.formats.skeleton_toml import FILE, Layout
from keras_skeleton.transforms.geometry import present

LISTED = 20


class FilledJoints:
    """Counts joints over all clips.

    Args:
        layout: The layout of the clips.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.skeleton = layout.skeleton
        self.shares: dict[str, float] = {}
        self.never: Counter[str] = Counter()
        self.zero: Counter[str] = Counter()
        self.zero_clips = 0
        self.first_zero = ""

    def add(self, name: str, clip: np.ndarray, filled: np.ndarray) -> float:
        """Counts one clip; returns the fraction of its joints that were filled.

        Args:
            name: Name of the clip.
            clip: (T, M, V, 3).
            filled: bool (T, M, V), the joints that were filled.
        """
        there = present(clip)
        share = float(filled.sum() / (there.sum() * self.skeleton.size))
        self.shares[name] = share
        never = np.equal(filled.sum(axis=0), there.sum(axis=0)[:, None])  # (M, V)
        joints = np.flatnonzero(np.any(never & np.any(there, axis=0)[:, None], axis=0))
        self.never.update(self.skeleton.joints[j] for j in joints)
        self._add_zeros(name, clip, filled, there)
        return round(share, 4)

    def _add_zeros(
        self, name: str, clip: np.ndarray, filled: np.ndarray, there: np.ndarray
    ) -> None:
        zero: np.ndarray = np.all(clip == 0, axis=-1) & there[:, :, None] & ~filled
        if not zero.any():
            return
        # A root that is always at the origin says that clips are centered on it.
        always = (zero.sum(axis=0) == there.sum(axis=0)[:, None]).all(axis=0)
        joints = zero.any(axis=(0, 1)) & ~(always & (np.arange(len(always)) == self.skeleton.root))
        if joints.any():
            frame = np.flatnonzero(zero[..., joints].any(axis=(1, 2)))[0]
            self.first_zero = self.first_zero or f"'{name}', frame {frame}"
            self.zero_clips += 1
            self.zero.update(self.skeleton.joints[j] for j in np.flatnonzero(joints))

    def add_notes(self, report: ReadReport) -> None:
        """Adds notes about filled joints and zeros to the report."""
        gaps = {name: share for name, share in self.shares.items() if share}
        if gaps:
            worst = max(gaps, key=lambda name: gaps[name])
            report.note(
                f"{len(gaps)} of {len(self.shares)} clips had missing joints, which were "
                f"interpolated from other frames (most in '{worst}': {_percent(gaps[worst])})"
            )
        if self.never:
            report.note(
                "joints missing in all frames of a clip were placed on the nearest known joint "
                f"(number of clips): {_listed(self.never)}"
            )
        if self.zero and self.layout.zeros is None:
            report.note(
                f"{self.zero_clips} clips have joints at exactly (0, 0, 0), first {self.first_zero}"
                f" (number of clips): {_listed(self.zero)}; if zeros mean that a joint was not "
                f'seen, put zeros = "missing" in {FILE}, otherwise zeros = "kept"'
            )


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.005 else "less than 1%"


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{joint} ({n})" for joint, n in counts.most_common(LISTED))
