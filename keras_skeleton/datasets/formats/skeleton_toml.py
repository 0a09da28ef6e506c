"""`skeleton.toml`, the file that describes the joints and coordinates of the clips in a folder.

It has one of (without, the number of joints tells a known layout, if it can):
    skeleton = "kinect_v2"        a known layout
    skeleton = "coco17"           keypoints, converted to Kinect v2 joints (`formats/poses.py`)
    joints, bones, root, [roles]  a layout of your own, see `EXAMPLE`
and optionally:
    units = "mm"                  m, cm and mm are converted to meters; pixels and other (default)
                                  are kept
    coordinates = "xyc"           the numbers of a joint: xy, xyz, xyc or xyzc (c: confidence)
    min_confidence = 0.2          joints with a lower confidence are missing (default: only those
                                  with 0)
    y = "down"                    as in images (default for keypoints, else "up"): x and y are
                                  flipped, see `poses.image_to_camera`
    up = "z"                      the axis that points up, instead of `y`: x, y, z, -x, -y or -z
    scale = "torso"               divide by the torso length, see `normalise.per_torso` (default
                                  for 2D keypoints, else "none")
    zeros = "missing"             a joint at (0, 0, 0) was not seen, or is "kept" there; by default
                                  it is kept in the layouts of sensors, and missing in keypoints
                                  and layouts of your own, unless it is the origin of the clip
    image_size = [1920, 1080]     width and height, for keypoints that are fractions of the image
    fps = 30                      frames per second
    track = false                 keep the order of people in the files (default: people of pose
                                  estimators are followed, see `transforms.tracking`)
    axes = "MTVC"                 the order of the arrays' axes, if it is not TMVC or TVC
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_skeleton.datasets.formats.array_axes import ORDERS
from keras_skeleton.datasets.formats.poses import COORDINATES, POSES, Pose
from keras_skeleton.skeletons import KINECT_V2, SKELETONS, Skeleton
from keras_skeleton.utils.errors import DatasetError, UnknownNameError
from keras_skeleton.utils.files import FileError, read_text, reason
from keras_skeleton.utils.folders import is_there

FILE = "skeleton.toml"
MAX_JOINTS = 1000
MAX_BYTES = 1 << 18  # a thousand joints take 100 kB
# A key a.b.c... costs the square of its parts. Dots in text and comments do not count. A text that
# does not end is taken to its end, so that no part of the file is searched twice.
MAX_DOTS = 1000
_CONTENT = re.compile(
    r"""#[^\n]*|"{3}(?:\\.|[^\\])*?(?:"{3}|\\?\Z)|'{3}.*?(?:'{3}|\Z)|"(?:\\.|[^"\\\n])*+"?"""
    r"""|'[^'\n]*'?""",
    re.DOTALL,
)
UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "pixels": 1.0, "other": 1.0}

OWN_KEYS = ("name", "joints", "bones", "root", "roles")
KEYS = (
    "skeleton",
    "units",
    "coordinates",
    "min_confidence",
    "y",
    "up",
    "scale",
    "zeros",
    "fps",
    "image_size",
    "track",
    "axes",
    *OWN_KEYS,
)
UPS = ("x", "y", "z", "-x", "-y", "-z")
MAX_FPS = 10_000
IMAGES = ("mediapipe_hand21",)  # layouts whose joints are points of an image
# What a sensor's own files have, if skeleton.toml does not say otherwise.
DEFAULTS: dict[str, dict[str, str]] = {
    "azure_kinect": {"units": "mm", "y": "down"},
    "mediapipe_hand21": {"y": "down"},
}
ROLES = ("hips", "shoulders", "spine", "hands")

EXAMPLE = """\
  skeleton = "kinect_v2"    (or kinect_v1, azure_kinect, sbu, hdm05, mediapipe_hand21, coco17,
                             openpose_body25, openpose_coco18, mediapipe33, halpe26, h36m17)
or a layout of your own, with joints in the order of the files:
  joints = ["pelvis", "chest", "left_hip", "left_knee", ...]
  bones = [["pelvis", "chest"], ["pelvis", "left_hip"], ...]   # parent, child
  [roles]             # those that the layout has; networks that need others refuse it
  hips = ["left_hip", "right_hip"]
  shoulders = ["left_shoulder", "right_shoulder"]
  spine = ["pelvis", "chest"]                                  # lower, upper
  hands = ["left_wrist", "right_wrist"]
  feet = [["left_ankle", "left_toes"], ["right_ankle", "right_toes"]]   # optional"""


@dataclass(frozen=True)
class Layout:
    """The content of a `skeleton.toml`; see the module's docstring.

    Attributes:
        skeleton: The joint layout of the resulting clips.
        pose: The keypoint format of the files, if it differs from the skeleton.
        coordinates: As declared; None to derive them from the shape of a clip.
        min_confidence: Joints with a lower confidence are missing.
        down: Whether y points down in the files.
        scale: `"torso"`, `"none"`, or None for the default.
        unit: A key of `UNITS`.
        up: The axis that points up in the files, one of `UPS`; None to use `down`.
        zeros: `"missing"`, `"kept"`, or None if not declared.
        fps: Frames per second; None if not declared.
        image_size: Width and height of the image, for fractions of it; None if not declared.
        track: Whether people of pose estimators are followed from frame to frame.
        axes: Order of the axes of arrays, such as `"MTVC"`; None for (T, M, V, C) and (T, V, C).
        declared: The keys of the file.
    """

    skeleton: Skeleton
    pose: Pose | None = None
    coordinates: str | None = None
    min_confidence: float = 0.0
    down: bool = False
    scale: str | None = None
    unit: str = "other"
    up: str | None = None
    zeros: str | None = None
    fps: float | None = None
    image_size: tuple[float, float] | None = None
    track: bool = True
    axes: str | None = None
    declared: frozenset[str] = frozenset()

    @property
    def image(self) -> bool:
        """Whether the joints in the files are points of an image."""
        return self.pose is not None or self.skeleton.name in IMAGES

    @property
    def name(self) -> str:
        """Name of the joints in the files."""
        return self.pose.name if self.pose else self.skeleton.name

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the joints in the files."""
        return self.pose.points if self.pose else self.skeleton.joints

    @property
    def size(self) -> int:
        """The number of joints in the files."""
        return self.pose.size if self.pose else self.skeleton.size


def read_layout(root: Path, skeleton: str | None = None) -> Layout:
    """Reads the `skeleton.toml` of a folder.

    Args:
        root: The folder.
        skeleton: A known layout or keypoint format that replaces the joints in the file.

    Raises:
        DatasetError: The file has an error, is no file that can be read, or is missing and
            `skeleton` is not given.
    """
    path = root / FILE
    table: dict[str, Any] = {}
    if is_there(path):
        table = _read_table(path)
    elif skeleton is None:
        raise DatasetError(f"{path}: missing; it describes the joints, in one line:\n{EXAMPLE}")
    if skeleton is not None:
        table = {key: value for key, value in table.items() if key not in OWN_KEYS}
        table["skeleton"] = skeleton
    try:
        return _layout(table)
    except ValueError as error:
        raise DatasetError(f"{path}: {reason(error)}") from None


def read_partial(root: Path) -> dict[str, Any] | None:
    """The content of a `skeleton.toml` that names no joints; None if it does or has a wrong key, or
    if there is no such file.

    Raises:
        DatasetError: It is no file that can be read, or no TOML.
    """
    path = root / FILE
    table = _read_table(path) if is_there(path) else {"skeleton": ""}
    whole = "skeleton" in table or any(key in OWN_KEYS or key not in KEYS for key in table)
    return None if whole else table


def _read_table(path: Path) -> dict[str, Any]:
    try:
        text = read_text(path, "a page of text", most=MAX_BYTES)
        if _CONTENT.sub("", text).count(".") > MAX_DOTS:
            raise DatasetError(f"{path}: has more than {MAX_DOTS} dots outside of names")
        return tomllib.loads(text)
    except FileError as error:
        raise DatasetError(str(error)) from None
    except RecursionError:
        raise DatasetError(f"{path}: is nested too deeply") from None
    except ValueError as error:  # both bad UTF-8 and bad TOML
        raise DatasetError(f"{path}: {reason(error)}") from None


def known_layout(name: str) -> Layout:
    """The layout of a `skeleton.toml` that only names a known layout or keypoint format.

    Raises:
        UnknownNameError: There is no layout of this name.

    Example:
        >>> from keras_skeleton.datasets.formats.skeleton_toml import known_layout
        >>> known_layout("coco17").size, known_layout("azure_kinect").unit
        (17, 'mm')
    """
    return _layout({"skeleton": name})


def _layout(table: dict[str, Any]) -> Layout:
    for key in table:
        if key not in KEYS:
            raise UnknownNameError("key", key, KEYS)
    pose = None
    if "skeleton" in table:
        if both := [key for key in OWN_KEYS if key in table]:
            raise ValueError(f"'skeleton' is a known layout: remove {both} or 'skeleton'")
        name = str(_choice(table, "skeleton", (*SKELETONS, *POSES)))
        pose = POSES.get(name)
        skeleton = KINECT_V2 if pose else SKELETONS[name]
    else:
        skeleton = own_skeleton(table)
    confidence = table.get("min_confidence", 0.0)
    if type(confidence) not in (int, float) or not 0 <= confidence <= 1:
        raise ValueError(f"min_confidence = {confidence!r}: must be a number from 0 to 1")
    if "up" in table and "y" in table:
        raise ValueError("'up' and 'y' both say what points up: remove 'y'")
    fps = table.get("fps")
    if fps is not None and (type(fps) not in (int, float) or not 0 < fps <= MAX_FPS):
        raise ValueError(f"fps = {fps!r}: must be a number of frames per second, up to {MAX_FPS}")
    defaults = DEFAULTS.get(skeleton.name, {}) if pose is None else {"y": "down"}
    if "up" in table:
        defaults = {**defaults, "y": "up"}
    scale = _choice(table, "scale", ("torso", "none"))
    if scale == "torso":
        skeleton.need("hips", "shoulders", of='scale = "torso"')
    track = table.get("track", True)
    if not isinstance(track, bool):
        raise ValueError(f"track = {track!r}: must be true or false")
    return Layout(
        skeleton=skeleton,
        pose=pose,
        coordinates=_choice(table, "coordinates", COORDINATES),
        min_confidence=confidence,
        down=_choice(table, "y", ("up", "down"), defaults.get("y", "up")) == "down",
        scale=scale,
        unit=_choice(table, "units", UNITS, defaults.get("units")) or "other",
        up=_choice(table, "up", UPS),
        zeros=_choice(table, "zeros", ("missing", "kept")),
        fps=None if fps is None else float(fps),
        image_size=_image_size(table.get("image_size")),
        track=track,
        axes=_choice(table, "axes", [order for orders in ORDERS.values() for order in orders]),
        declared=frozenset(table),
    )


def _image_size(value: Any) -> tuple[float, float] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError(f"image_size = {value!r}: must be [width, height], such as [1920, 1080]")
    for number in value:
        if type(number) not in (int, float) or not 1 <= number <= 1e5:
            raise ValueError(f"image_size = {value!r}: must be two numbers of pixels")
    return float(value[0]), float(value[1])


def _choice(
    table: dict[str, Any], key: str, known: Iterable[str], default: str | None = None
) -> str | None:
    value = table.get(key, default)
    if value is not None and value not in list(known):
        raise UnknownNameError(f"value of '{key}'", str(value), known)
    return value


def own_skeleton(table: dict[str, Any]) -> Skeleton:
    """Builds a layout from the keys joints, bones and roles, and optionally name and root.

    A layout may lack roles: what needs them refuses it, see `Skeleton.need`.

    Raises:
        ValueError: A key is missing or invalid, or the bones do not form a tree.
    """
    if "joints" not in table:
        raise ValueError(
            'names no joints: add a known layout, such as skeleton = "kinect_v1", or joints, bones '
            "and [roles]"
        )
    joints = _names(table["joints"], "joints")
    if not 2 <= len(joints) <= MAX_JOINTS or "" in joints:
        raise ValueError(f"joints: must be a list of 2 to {MAX_JOINTS} names")
    if twice := [joint for joint, count in Counter(joints).items() if count > 1]:
        raise ValueError(f"joints: {twice} occur more than once")
    for joint in joints:
        for side, other in (("left_", "right_"), ("right_", "left_")):
            if joint.startswith(side) and other + joint.removeprefix(side) not in joints:
                raise ValueError(
                    f"joints: '{joint}' has no counterpart '{other}{joint.removeprefix(side)}'"
                )

    def at(value: Any, what: str) -> tuple[int, ...]:
        names = _names(value, what)
        for name in names:
            if name not in joints:
                raise ValueError(f"{what}: {UnknownNameError('joint', name, joints)}")
        return tuple(joints.index(name) for name in names)

    def pair(value: Any, what: str) -> tuple[int, int]:
        found = at(value, what)
        if len(found) != 2:
            raise ValueError(f"{what}: {len(found)} joints, expected 2")
        return found[0], found[1]

    bones = tuple(pair(bone, "bones") for bone in _items(table.get("bones"), "bones"))
    root = _tree_root(joints, bones)
    if "root" in table and at([table["root"]], "root") != (root,):
        raise ValueError(f"root = '{table['root']}': the root of the bones is '{joints[root]}'")
    roles = table.get("roles")
    if not isinstance(roles, dict):
        raise ValueError(
            "[roles] is missing: it names hips, shoulders, spine and hands, as far as the layout "
            "has them"
        )
    for role in roles:
        if role not in (*ROLES, "torso", "feet"):
            raise UnknownNameError("role", role, (*ROLES, "torso", "feet"))
    hips, shoulders, spine, hands = (
        pair(roles[role], f"roles.{role}") if role in roles else () for role in ROLES
    )
    name = table.get("name", "own")
    if not isinstance(name, str) or not name or name in SKELETONS or name in POSES:
        raise ValueError(f"name = {name!r}: must be a text other than the names of known layouts")
    feet = _items(roles.get("feet", []), "roles.feet")
    return Skeleton(
        name=name,
        joints=tuple(joints),
        bones=bones,
        root=root,
        hips=hips,
        shoulders=shoulders,
        spine=spine,
        torso=at(roles["torso"], "roles.torso")
        if "torso" in roles
        else tuple(dict.fromkeys(spine + shoulders + hips)),
        feet=tuple(pair(foot, "roles.feet") for foot in feet),
        hands=hands,
    )


def _items(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{what}: expected a list, not {value!r}")
    return value


def _names(value: Any, what: str) -> list[str]:
    if not all(isinstance(name, str) for name in _items(value, what)):
        raise ValueError(f"{what}: expected a list of joint names, not {value!r}")
    return value


def _tree_root(joints: Sequence[str], bones: Sequence[tuple[int, int]]) -> int:
    """Index of the root of the tree of bones; a ValueError if they do not form a tree."""
    parents = Counter(child for _, child in bones)
    if twice := [joints[child] for child, count in parents.items() if count > 1]:
        raise ValueError(f"bones: {twice} have more than one parent")
    roots = [j for j in range(len(joints)) if j not in parents]
    if len(roots) != 1:
        names = [joints[j] for j in roots]
        raise ValueError(f"bones: exactly one joint must have no parent, but {names} have none")
    reached = {roots[0]}
    for _ in joints:
        reached |= {child for parent, child in bones if parent in reached}
    if len(reached) < len(joints):
        names = [joint for j, joint in enumerate(joints) if j not in reached]
        raise ValueError(f"bones: {names} form a cycle")
    return roots[0]
