"""What a model's file hands to the rest of the package."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_skeleton.skeletons import Skeleton
from keras_skeleton.transforms.padded import padded, padded_rows

# Arguments of a building function that the dataset, not the user, decides.
_GIVEN = {"name", "skeleton", "classes", "frames", "joints", "values", "bodies", "size"}


class ModelEntry(NamedTuple):
    """One model by name.

    Attributes:
        build: `build(skeleton, classes, frames, **arguments)` gives the network.
        preprocess: `preprocess(skeleton, frames, **choices)` gives the function from a clip
            (T, M, V, 3) to the network's input.
        frame_index: `frame_index(length, frames, **choices)` gives, for a clip of that length, the
            clip's frame behind every step of the network's time axis; NaN where it is padding.
        paper: Where the model comes from.
        sequence: It reads clips at their own length: `frames` is the longest one's, and `build`
            takes the number of bodies.
        video: It also watches videos of a clip's parts, `frames` of them, and `preprocess` gives
            what its pose network reads of every frame; `build` takes the number of bodies.
        declares: The function whose keyword arguments `--set model.KEY=VALUE` may set; `build` by
            default.
    """

    build: Callable[..., keras.Model]
    preprocess: Callable[..., Callable[[np.ndarray], np.ndarray]]
    frame_index: Callable[..., np.ndarray]
    paper: str
    sequence: bool = False
    video: bool = False
    declares: Callable[..., Any] | None = None

    def input_frame_index(self, length: int, frames: int | None, **choices: Any) -> np.ndarray:
        """As `frame_index`, for every row of the network's input: a network with a long input may
        have a short time axis (CSTA-CNN samples 30 frames)."""
        if self.sequence and frames is not None:
            return padded_rows(length, frames)
        return self.frame_index(length, frames, **choices)

    def dataset_arguments(self, bodies: int, size: int | None = None) -> dict[str, int]:
        """Arguments of `build` that follow from the data.

        Args:
            bodies: M, the most people in a clip.
            size: Side of the video crops in pixels, where there are any.
        """
        arguments = {"bodies": bodies} if self.sequence or self.video else {}
        return arguments if size is None else {**arguments, "size": size}

    def built_frames(self, frames: int | None) -> int | None:
        """T that a network is built with to load weights: None, any length, for models that read
        clips at their own length, whose weights do not depend on it."""
        return None if self.sequence else frames

    def input_frames(self, frames: int | None, longest: int) -> int | None:
        """T of the network's input: the recipe's, at most the longest clip where that matters."""
        return min(frames or longest, longest) if self.sequence else frames

    def options(self) -> dict[str, Any]:
        """Arguments that a user may set, with their defaults."""
        parameters = inspect.signature(self.declares or self.build).parameters.values()
        return {
            p.name: p.default
            for p in parameters
            if p.name not in _GIVEN and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        }


def sequence_entry(build: Callable[..., keras.Model], paper: str) -> ModelEntry:
    """The entry of a network that reads padded sequences, float32 (B, T, M * V, 3).

    Args:
        build: `build(skeleton, classes, frames, bodies, **arguments)`.
        paper: Where it comes from.
    """

    def sequence(clip: np.ndarray, skeleton: Skeleton, frames: int, **choices: Any) -> np.ndarray:
        return padded(clip, skeleton, frames, **choices).reshape(frames, -1, 3)

    def preprocess(skeleton: Skeleton, frames: int | None = None, **choices: Any) -> Any:
        return partial(sequence, skeleton=skeleton, frames=frames or 300, **choices)

    def frame_index(length: int, frames: int | None = None, **choices: Any) -> np.ndarray:
        return padded_rows(length, frames or 300)

    return ModelEntry(build, preprocess, frame_index, paper=paper, sequence=True)
