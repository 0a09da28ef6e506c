"""Matches joint names of a file with those of a layout, however they are spelled."""

from __future__ import annotations

import re
from collections.abc import Sequence

from keras_skeleton.datasets.formats.clip_array import ClipError
from keras_skeleton.datasets.formats.poses import POSES
from keras_skeleton.datasets.formats.skeleton_toml import Layout
from keras_skeleton.skeletons import SKELETONS

SIDES = {"l": "left", "r": "right", "left": "left", "right": "right"}
WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")


def plain(name: str) -> str:
    """A joint's name without case and separators, with its side first.

    Example:
        >>> from keras_skeleton.datasets.formats.joint_names import plain
        >>> plain("LEFT_SHOULDER"), plain("ShoulderLeft"), plain("l.shoulder")
        ('left shoulder', 'left shoulder', 'left shoulder')
    """
    words = [word.lower() for word in WORD.findall(name)]
    side = next((SIDES[word] for word in words if word in SIDES), "")
    rest = "".join(word for word in words if word not in SIDES)
    if not side:  # leftshoulder, shoulderleft
        found = re.fullmatch(r"(left|right)(.+)|(.+)(left|right)", rest)
        if found:
            side, rest = found[1] or found[4], found[2] or found[3]
    return f"{side} {rest}".strip()


def in_layout(joints: Sequence[str], layout: Layout) -> list[int]:
    """Index of each of the layout's joints among those of the file.

    Raises:
        ClipError: The file has other joints.
    """
    own = {plain(name): k for k, name in enumerate(joints)}
    wanted = [plain(name) for name in layout.names]
    missing = [name for name in layout.names if plain(name) not in own]
    unknown = [name for name in joints if plain(name) not in wanted]
    if missing or unknown:
        other = [name for name in layouts_with(joints) if name != layout.name]
        hint = f'; these are the joints of {other[0]}: set skeleton = "{other[0]}"' if other else ""
        raise ClipError(
            f"its joints are not those of {layout.name}"
            + (f": missing {', '.join(missing[:10])}" if missing else "")
            + (f"; unknown {', '.join(name[:40] for name in unknown[:10])}" if unknown else "")
            + hint
        )
    return [own[name] for name in wanted]


def layouts_with(joints: Sequence[str]) -> list[str]:
    """Names of the known layouts and keypoint formats that have exactly these joints."""
    own = {plain(name) for name in joints}
    known = {name: layout.joints for name, layout in SKELETONS.items()}
    known |= {name: pose.points for name, pose in POSES.items()}
    return [name for name, names in known.items() if {plain(joint) for joint in names} == own]
