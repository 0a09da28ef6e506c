"""Checks unit and upright axis of clips by the bodies in them.

People are between 0.3 and 2.5 m from end to end, whatever they do, and their heads are above their
feet most of the time. What contradicts this is named with the line that would make it right;
coordinates are never changed.
"""

from __future__ import annotations

import numpy as np

from keras_skeleton.datasets.dataset import ReadReport
from keras_skeleton.datasets.formats.poses import turn_up
from keras_skeleton.datasets.formats.skeleton_toml import (
    DEFAULTS,
    FILE,
    UNITS,
    UPS,
    Layout,
)
from keras_skeleton.skeletons import Skeleton
from keras_skeleton.transforms.geometry import LARGEST, SMALLEST, body_size, present
from keras_skeleton.transforms.normalise import torso_length

FRAMES = 50  # about as many frames of a clip are looked at
METRIC = ("m", "cm", "mm")
MIXED, LISTED = 8, 10  # units differ by ten or more, people, even crouching ones, by less


def has_trunk(skeleton: Skeleton) -> bool:
    """Whether a layout is that of a person, and not of a hand or a face."""
    return bool(skeleton.hips) and bool(skeleton.shoulders)


def up_pairs(skeleton: Skeleton) -> tuple[list[int], list[int]]:
    """Joints at the upper end of a standing person, and at the lower end."""

    def named(*words: str) -> list[int]:
        for word in words:
            if found := [j for j, name in enumerate(skeleton.joints) if word in name.lower()]:
                return found
        return []

    upper = named("head", "nose", "neck") or list(skeleton.shoulders or ())
    lower = named("ankle", "foot", "knee") or list(skeleton.hips or ())
    return upper, lower


class BodyChecks:
    """Collects sizes and directions of the bodies in all clips.

    Args:
        layout: The layout of the clips.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.sizes: list[float] = []
        self.names: list[str] = []
        self.torsos: list[bool] = []
        self.ups: list[np.ndarray] = []
        self.low, self.high = np.full(3, np.inf), np.full(3, -np.inf)
        # A sensor's default unit, which its reader corrects, is not what people declare.
        default = layout.name in DEFAULTS and "units" not in layout.declared
        self.declared = "other" if default else layout.unit
        self.upper, self.lower = up_pairs(layout.skeleton)

    def add(self, clip: np.ndarray, name: str = "") -> None:
        """Adds a clip (T, M, V, 3), as it is trained on, and its name."""
        if self.layout.pose is not None:
            self.torsos.append(abs(torso_length(clip, self.layout.skeleton) - 1) < 1e-4)
        bodies = clip[:: 1 + len(clip) // FRAMES]
        bodies = bodies[present(bodies)]
        if not len(bodies):
            return
        self.sizes.append(body_size(clip))
        self.names.append(name)
        low, high = bodies.min(axis=1), bodies.max(axis=1)
        self.low, self.high = np.minimum(self.low, low.min(0)), np.maximum(self.high, high.max(0))
        if self.upper and self.lower:
            ups = bodies[:, self.upper].mean(axis=1) - bodies[:, self.lower].mean(axis=1)
            # The share of frames in which the body is upright along each of the six directions.
            axis = np.abs(ups).argmax(axis=1)
            sign = np.take_along_axis(ups, axis[:, None], 1)[:, 0] < 0
            self.ups.append(np.bincount(axis + 3 * sign, minlength=6) / len(ups))

    @property
    def size(self) -> float:
        """The median size of a body; 0 without clips."""
        return float(np.median(self.sizes)) if self.sizes else 0.0

    @property
    def flat(self) -> bool:
        """Whether all z are zero."""
        return self.low[2] == self.high[2] == 0

    def normalised(self) -> bool:
        """Whether all x and y lie between 0 and 1 (or their negatives, if the axes were turned)."""
        low, high = self.low[:2], self.high[:2]
        inside = ((low >= 0) & (high <= 1)) | ((low >= -1) & (high <= 0))
        return bool(self.sizes) and bool(inside.all())

    @property
    def torso(self) -> bool:
        """Whether lengths are in torsos, see `clip_file.finish_clip`."""
        if self.layout.scale is not None:
            return self.layout.scale == "torso"
        return self.layout.pose is not None and bool(self.torsos) and all(self.torsos)

    @property
    def unit(self) -> str:
        """The unit of the clips: pixels as declared, or `"m"` if bodies have the size of people;
        empty if it is unknown."""
        if self.torso:
            return "torso"
        if self.layout.unit == "pixels":
            return "px"
        likely = SMALLEST <= self.size <= LARGEST and not self.flat and not self.normalised()
        return "m" if likely else ""

    def add_notes(self, report: ReadReport) -> None:
        """Adds notes about a unit or an axis that is probably wrong."""
        known = not self.torso and self.sizes and has_trunk(self.layout.skeleton)
        if known and (why := self._wrong_unit()):
            report.note(why)
        if why := self._mixed_units():
            report.note(why)
        if self.ups and (why := self._wrong_up()):
            report.note(why)

    def _wrong_unit(self) -> str:
        declared, size = self.declared, self.size
        if declared == "pixels":
            return ""
        if self.normalised() and size < 1:
            return (
                "all x and y lie between 0 and 1, as if they were divided by the width and height "
                "of the image, which changes the shape of people; multiply them by width and "
                f'height and put units = "pixels" in {FILE}'
            )
        if SMALLEST <= size <= LARGEST and not (self.flat and declared == "other"):
            return ""
        raw = size / UNITS[declared]
        if declared == "other" and self.flat:
            return (
                f"poses are flat (z = 0), and bodies are {raw:.3g} in size; put units = "
                f'"pixels" and scale = "torso" in {FILE} to make lengths comparable'
            )
        fitting = [unit for unit in METRIC if SMALLEST <= raw * UNITS[unit] <= LARGEST]
        if declared == "other":
            return f"bodies are {raw:.3g} in size, which is no person in metres; put " + (
                f'units = "{fitting[0]}" in {FILE}, or units = "pixels" if they are pixels'
                if fitting
                else f'units = "pixels" or scale = "torso" in {FILE}'
            )
        way = f'put units = "{fitting[0]}"' if fitting else "check the unit of the files"
        return (
            f'with units = "{declared}" in {FILE}, bodies are {size:.3g} m in size, which is no '
            f"person; {way}"
        )

    def _mixed_units(self) -> str:
        """A note about clips in another unit than most: sizes of people differ less than units."""
        sizes = np.array(self.sizes)
        if not sizes.any() or self.declared == "pixels":
            return ""
        usual = float(np.percentile(sizes[sizes > 0], 50, method="lower"))
        other = np.flatnonzero((sizes > MIXED * usual) | ((sizes < usual / MIXED) & (sizes > 0)))
        if not len(other):
            return ""
        named = ", ".join(f"'{self.names[k]}' {sizes[k]:.3g}" for k in other[:LISTED])
        more = f" and {len(other) - LISTED} more" if len(other) > LISTED else ""
        return (
            f"{len(other)} of {len(sizes)} clips have bodies of another size than the others, "
            f"{usual:.3g}: {named}{more}; are they in another unit? Give all clips of the folder "
            f"the same, named in {FILE}"
        )

    def _wrong_up(self) -> str:
        shares = np.mean(self.ups, axis=0)
        best = int(shares.argmax())
        if shares[best] <= 0.5 or best == 1:
            return ""
        direction = np.eye(3)[best % 3] * (1 if best < 3 else -1)
        axis = self._in_files(direction)
        return (
            f"heads are {'below' if best == 4 else 'not above'} feet in "
            f"{shares[best]:.0%} of the frames, but along {axis} in the files; if people "
            f'stand or sit, put up = "{axis}" in {FILE}'
            + (" instead of 'y'" if self.layout.down and self.layout.up is None else "")
        )

    def _in_files(self, direction: np.ndarray) -> str:
        """The axis of the files that became this direction of the clips."""
        now = self.layout.up or ("-y" if self.layout.down else "y")
        for up in UPS:
            own = np.eye(3)["xyz".index(up[-1])] * (-1 if up[0] == "-" else 1)
            if np.allclose(turn_up(own, now), direction):
                return up
        raise AssertionError(direction)


def upward(layout: Layout) -> str:
    """The axis of the files that points up."""
    return layout.up or ("-y" if layout.down else "y")
