"""Preprocessing of raw clips for a trained network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from keras_skeleton.models.own_code import recorded_model
from keras_skeleton.models.registry import MODELS
from keras_skeleton.skeletons import Skeleton, get_skeleton, joint_map
from keras_skeleton.transforms.bodies import motion
from keras_skeleton.transforms.geometry import LARGEST, SMALLEST, body_size, present
from keras_skeleton.utils.errors import UserError

LENGTHS = (16, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024)  # few, for few compilations
UNITS = (("mm", 1e-3), ("cm", 1e-2))  # that people are measured in instead of metres


class ClipInputError(UserError, ValueError):
    """A clip does not fit the network; the message says why and what to do."""


def check_raw_clip(clip: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Returns a raw clip as an array (T, M, V, 3), of any numeric type.

    Args:
        clip: (T, V, 3) or (T, M, V, 3).
        skeleton: The joint layout of the clip.

    Raises:
        ClipInputError: Wrong shape, NaN or infinity.
    """
    array = np.asarray(clip)
    if array.ndim == 3:
        array = array[:, None]
    if array.ndim != 4 or array.shape[2:] != (skeleton.size, 3) or 0 in array.shape:
        raise ClipInputError(
            f"the clip has shape {np.shape(clip)}; expected (T, {skeleton.size}, 3) or "
            f"(T, M, {skeleton.size}, 3), the joints of {skeleton.name}"
        )
    if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise ClipInputError(
            "the clip contains NaN or infinity; fill missing joints first, see "
            "transforms.fill_missing"
        )
    return array


def fit_bodies(array: np.ndarray, bodies: int) -> tuple[np.ndarray, list[str]]:
    """Brings a clip to a number of bodies, float32 (T, bodies, V, 3); also notes on omitted bodies.

    Of too many bodies, those with most motion are kept; missing ones are filled with zeros.

    Args:
        array: (T, M, V, 3), for any M.
        bodies: Number of bodies of the result.

    Raises:
        ClipInputError: No body in any frame.
    """
    notes = []
    there = present(array).any(axis=0)
    if not there.any():
        raise ClipInputError("no body in any frame: all joints are zero")
    array = array[:, there].astype(np.float32)
    if array.shape[1] > bodies:
        most = np.argsort(-motion(array), kind="stable")[:bodies]
        notes.append(
            f"the clip has {array.shape[1]} bodies, the network takes {bodies}: kept the "
            f"ones with most motion ({', '.join(str(m) for m in sorted(most.tolist()))})"
        )
        array = array[:, np.sort(most)]
    if array.shape[1] < bodies:
        empty = np.zeros((len(array), bodies - array.shape[1], *array.shape[2:]), "f")
        array = np.concatenate([array, empty], axis=1)
    return array, notes


def input_length(length: int, frames: int | None) -> int:
    """T of the input of a model that takes clips at their own length.

    Args:
        length: Number of frames of the longest clip.
        frames: Largest T; None for no limit.
    """
    most = frames or length
    fitting = next((size for size in LENGTHS if size >= min(length, most)), length)
    return min(fitting, most) if frames else fitting


@dataclass(frozen=True)
class Preprocessing:
    """Preprocessing of one network: raw clips (T, M, V, 3) to the network's input.

    Attributes:
        model: Name of the model.
        skeleton: Joint layout that the network was trained on.
        bodies: M, the number of bodies in its training clips.
        frames: T of the network's input; for models that take clips at their own length, the
            largest length, beyond which frames are subsampled. None for the model's default.
        choices: Options of the model's preprocessing, as in `Recipe.preprocessing`.
        unit: Unit of the coordinates that it was trained with; empty for none.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.models.preprocessing import Preprocessing
        >>> from keras_skeleton.skeletons import get_skeleton
        >>> preprocess = Preprocessing("mans9", get_skeleton("kinect_v1"), bodies=1)
        >>> clip = np.random.default_rng(0).normal(size=(40, 1, 20, 3))  # T, M, V, C
        >>> preprocess(clip).shape
        (50, 50, 3)
    """

    model: str
    skeleton: Skeleton
    bodies: int
    frames: int | None = None
    choices: Mapping[str, Any] = field(default_factory=dict)
    unit: str = "m"

    def adapt(
        self, clip: np.ndarray, skeleton: str | Skeleton | None = None
    ) -> tuple[np.ndarray, list[str]]:
        """Converts a clip to the network's joints and number of bodies.

        Args:
            clip: (T, V, 3) or (T, M, V, 3); absent bodies are zero.
            skeleton: Joint layout of the clip; that of the network by default.

        Returns:
            The clip, float32 (T, M, V, 3), and a list of notes on changes: mapped joints and
            omitted bodies.

        Raises:
            ClipInputError: Wrong shape, NaN or infinity, or no body in any frame.
            SkeletonMapError: A layout that cannot be mapped to that of the network.
        """
        own = self.skeleton if skeleton is None else get_skeleton(skeleton)
        array, notes = check_raw_clip(clip, own), []
        if own.joints != self.skeleton.joints:
            array = array[:, :, joint_map(own, self.skeleton)]
            notes.append(f"joints of {own.name} were mapped to {self.skeleton.name}")
        array, more = fit_bodies(array, self.bodies)
        return array, notes + more + self.size_notes(array, own)

    def size_notes(self, clip: np.ndarray, own: Skeleton, file: bool = True) -> list[str]:
        """A note if people do not have the size of people, in a network that knows metres.

        Args:
            clip: (T, M, V, 3), as `adapt` returns it.
            own: The joint layout that it had before.
            file: Whether it comes from a file, which a skeleton.toml may describe.
        """
        whole = self.skeleton.hips and self.skeleton.shoulders
        if self.unit != "m" or not whole or SMALLEST <= (size := body_size(clip)) <= LARGEST:
            return []
        fitting = [unit for unit, length in UNITS if SMALLEST <= size * length <= LARGEST]
        way = f'put skeleton = "{own.name}" and units = "{fitting[0]}"' if fitting else "put units"
        way = f"{way} in a skeleton.toml beside the file, or " if file else ""
        return [
            f"bodies are {size:.3g} in size, which is no person in metres"
            + (f", but one in {fitting[0]}" if fitting else "")
            + f"; the network was trained in metres: {way}convert the coordinates"
        ]

    def input_frames(self, length: int) -> int | None:
        """T of the input for clips of at most `length` frames.

        A larger T than necessary is harmless, because padded frames are masked, and few different
        values mean few compilations.
        """
        if not MODELS[self.model].sequence:
            return self.frames
        return input_length(length, self.frames)

    def __call__(self, clip: np.ndarray, frames: int | None = None) -> np.ndarray:
        """The network's input for a clip returned by `adapt`: float32, without the batch axis.

        Args:
            clip: (T, M, V, 3) with the network's joints and number of bodies.
            frames: T of the input; by default that of `input_frames`.
        """
        wanted = frames or self.input_frames(len(clip))
        return MODELS[self.model].preprocess(self.skeleton, wanted, **self.choices)(clip)

    def frame_index(self, length: int, frames: int | None = None) -> np.ndarray:
        """Frame of the clip at each step of the network's time axis, see `ModelEntry`."""
        wanted = frames or self.input_frames(length)
        return MODELS[self.model].frame_index(length, wanted, **self.choices)

    def describe(self) -> dict[str, Any]:
        """All fields as plain values, for JSON."""
        return {
            "model": self.model,
            "skeleton": describe_skeleton(self.skeleton),
            "bodies": self.bodies,
            "frames": self.frames,
            "choices": dict(self.choices),
            "unit": self.unit,
        }

    @classmethod
    def from_description(cls, content: Mapping[str, Any]) -> Preprocessing:
        """The inverse of `describe`; the skeleton may be the name of a known layout."""
        layout = content["skeleton"]
        skeleton = get_skeleton(layout) if isinstance(layout, str) else read_skeleton(layout)
        names = ("model", "bodies", "frames", "choices", "unit")
        recorded_model(content["model"])
        return cls(skeleton=skeleton, **{name: content[name] for name in names})


def describe_skeleton(skeleton: Skeleton) -> dict[str, Any]:
    """A joint layout as plain values, for JSON."""
    return {
        "name": skeleton.name,
        "joints": list(skeleton.joints),
        "bones": [list(bone) for bone in skeleton.bones],
        "root": skeleton.root,
        "hips": list(skeleton.hips),
        "shoulders": list(skeleton.shoulders),
        "spine": list(skeleton.spine),
        "torso": list(skeleton.torso),
        "feet": [list(pair) for pair in skeleton.feet],
        "hands": list(skeleton.hands),
    }


def read_skeleton(content: Mapping[str, Any]) -> Skeleton:
    """The inverse of `describe_skeleton`."""
    lists = ("joints", "hips", "shoulders", "spine", "torso", "hands")
    fields: dict[str, Any] = {key: tuple(content[key]) for key in lists}
    fields |= {key: tuple(map(tuple, content[key])) for key in ("bones", "feet")}
    return Skeleton(name=content["name"], root=content["root"], **fields)
