"""`ModelEntry`: what a model's file provides to the rest of the package."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_skeleton.models.arguments import GIVEN
from keras_skeleton.skeletons import Skeleton
from keras_skeleton.transforms.padded import padded, padded_rows


class ModelEntry(NamedTuple):
    """A model, as registered by name.

    Attributes:
        build: `build(skeleton, classes, frames, **arguments)` returns the network.
        preprocess: `preprocess(skeleton, frames, **choices)` returns the function from a clip
            (T, M, V, 3) to the network's input.
        frame_index: `frame_index(length, frames, **choices)` returns, for a clip of `length`
            frames, the frame of the clip at each step of the network's time axis; NaN is padding.
        paper: Source of the model.
        sequence: The network takes clips at their own length: `frames` is the length of the longest
            clip, and `build` also takes the number of bodies.
        video: The network also takes videos of body parts, `frames` frames each. `preprocess`
            returns the input of its pose network for every frame, and `build` also takes the number
            of bodies.
        declares: The function whose keyword arguments `--set model.KEY=VALUE` may set; `build` by
            default.

    Example:
        >>> from keras_skeleton.models import MODELS
        >>> MODELS["sta_lstm"].paper
        'STA-LSTM (Song et al., TIP 2018)'
        >>> MODELS["sta_lstm"].options()["units"]
        100
    """

    build: Callable[..., keras.Model]
    preprocess: Callable[..., Callable[[np.ndarray], np.ndarray]]
    frame_index: Callable[..., np.ndarray]
    paper: str
    sequence: bool = False
    video: bool = False
    declares: Callable[..., Any] | None = None

    def input_frame_index(self, length: int, frames: int | None, **choices: Any) -> np.ndarray:
        """As `frame_index`, for each row of the network's input.

        The two differ if the network has a longer input than time axis (CSTA-CNN samples 30
        frames).
        """
        if self.sequence and frames is not None:
            return padded_rows(length, frames)
        return self.frame_index(length, frames, **choices)

    def dataset_arguments(self, bodies: int, size: int | None = None) -> dict[str, int]:
        """Arguments of `build` that follow from the dataset.

        Args:
            bodies: Largest number of bodies M in a clip.
            size: Height and width of the video crops in pixels; None without video.
        """
        arguments = {"bodies": bodies} if self.sequence or self.video else {}
        return arguments if size is None else {**arguments, "size": size}

    def built_frames(self, frames: int | None) -> int | None:
        """T with which a network is built to load weights.

        It is None (any length) for models that take clips at their own length, because their
        weights do not depend on it.
        """
        return None if self.sequence else frames

    def input_frames(self, frames: int | None, longest: int) -> int | None:
        """T of the network's input: that of the recipe, or less if all clips are shorter."""
        return min(frames or longest, longest) if self.sequence else frames

    def options(self) -> dict[str, Any]:
        """Arguments that a user may set, with their defaults."""
        parameters = inspect.signature(self.declares or self.build).parameters.values()
        return {
            p.name: p.default
            for p in parameters
            if p.name not in GIVEN and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        }


def sequence_entry(build: Callable[..., keras.Model], paper: str) -> ModelEntry:
    """Creates the entry of a network on padded sequences, float32 (B, T, M * V, 3).

    Args:
        build: `build(skeleton, classes, frames, bodies, **arguments)` returns the network.
        paper: Source of the model.

    Example:
        >>> import keras
        >>> from keras_skeleton.models.entry import sequence_entry
        >>> def build(skeleton, classes, frames=None, bodies=2):
        ...     x = keras.Input((frames, bodies * skeleton.size, 3))
        ...     h = keras.layers.Reshape((-1, bodies * skeleton.size * 3))(x)
        ...     return keras.Model(x, keras.layers.Dense(classes)(keras.layers.LSTM(8)(h)))
        >>> entry = sequence_entry(build, paper="none")
        >>> entry.sequence
        True
    """

    def sequence(clip: np.ndarray, skeleton: Skeleton, frames: int, **choices: Any) -> np.ndarray:
        return padded(clip, skeleton, frames, **choices).reshape(frames, -1, 3)

    def preprocess(skeleton: Skeleton, frames: int | None = None, **choices: Any) -> Any:
        return partial(sequence, skeleton=skeleton, frames=frames or 300, **choices)

    def frame_index(length: int, frames: int | None = None, **choices: Any) -> np.ndarray:
        return padded_rows(length, frames or 300)

    return ModelEntry(build, preprocess, frame_index, paper=paper, sequence=True)
