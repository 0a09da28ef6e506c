"""The predictions and the attention of a recognizer for one clip, as attention pages and films show
them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from keras_skeleton.evaluation import swap_test
from keras_skeleton.evaluation.scores import softmax
from keras_skeleton.models.attention_maps import is_coupled
from keras_skeleton.recognizer import Recognizer
from keras_skeleton.skeletons import Skeleton
from keras_skeleton.transforms.geometry import present
from keras_skeleton.viz.attended_clip import AttendedClip

LENGTHS = 60  # maximum number of prefixes of a clip that are classified
SIGNED = (
    "This network's attention weights are signed; their absolute values in its position stream "
    "are shown."
)


def attend(
    recognizer: Recognizer,
    clip: np.ndarray,
    name: str,
    skeleton: str | Skeleton | None = None,
    label: int | None = None,
    interval: tuple[int, int] | None = None,
    fps: float | None = None,
    about: Mapping[str, str] | None = None,
) -> AttendedClip:
    """Collects a network's predictions and attention for one clip.

    Args:
        recognizer: The network.
        clip: (T, V, 3) or (T, M, V, 3), as for `Recognizer.predict`.
        name: Name of the clip.
        skeleton: Skeleton of the clip; by default the network's.
        label: Index of the true class; None if unknown.
        interval: First and last frame (inclusive) of the labeled action; None if unknown.
        fps: Frames per second; None if unknown.
        about: Where the data comes from, for display.

    Returns:
        The clip with its class probabilities, overall and after each frame, and its attention on
        the clip's own frames.

    Raises:
        ClipInputError: If the clip is invalid.
        SkeletonMapError: If the skeleton cannot be mapped to the network's.

    Example:
        >>> from keras_skeleton.attention.attended import attend
        >>> seen = attend(recognizer, clip, "clip.npy")  # doctest: +SKIP
        >>> seen.title  # doctest: +SKIP
    """
    own = recognizer.preprocessing
    adapted, _ = own.adapt(clip, skeleton)
    frames = own.input_frames(len(adapted))
    ends, outputs = _prefixes(recognizer, adapted)
    whole = {key: values[-1] for key, values in outputs.items()}
    maps = recognizer.maps_on_frames(whole, len(adapted), frames)
    running = _running(recognizer, ends, outputs["logits"], len(adapted))
    about = dict(about or {"weights": recognizer.name, "clip": f"{len(adapted)} frames"})
    if (calibration := recognizer.calibration) is not None:
        (distance,) = calibration.distances(whole["features"][None])
        if doubts := calibration.doubts(float(running[-1].max()), float(distance)):
            about["unsure"] = ", ".join(doubts)
    notes = [SIGNED] if is_coupled(recognizer.model) else []
    if rows := recognizer.about.get("swap"):
        about["attention"] = swap_test.label(rows)
    return AttendedClip(
        clip=adapted,
        skeleton=recognizer.skeleton,
        classes=tuple(recognizer.classes),
        label=label,
        probabilities=running[-1],
        name=name,
        about=about,
        joints=maps.get("joints"),
        frames=maps.get("frames"),
        running=running,
        interval=interval,
        fps=fps,
        unit=own.unit,
        note=" ".join(notes),
        swap=swap_card(recognizer, bool(maps)),
    )


def swap_card(recognizer: Recognizer, attends: bool = True) -> list[tuple[str, str, str]]:
    """What the swap test says of a network, for a page: that of its record, or that it was not
    measured; empty for networks without attention.

    Args:
        recognizer: The network.
        attends: Whether it has attention to joints or to frames.
    """
    if rows := recognizer.about.get("swap"):
        return swap_test.verdicts(rows)
    return [("", swap_test.NOT_MEASURED, "")] if attends else []


def running_probabilities(recognizer: Recognizer, clip: np.ndarray) -> np.ndarray:
    """Class probabilities of a clip if it ended after each frame.

    Each prefix is classified as a clip of its own, so this works for any network. Of longer clips,
    `LENGTHS` prefixes are classified and the rest is interpolated linearly.

    Args:
        recognizer: The network.
        clip: (T, M, V, 3), from `preprocessing.adapt`, so with a body in some frame.

    Returns:
        Probabilities after each frame, float64 (T, C); NaN before the first frame with a body.
    """
    ends, outputs = _prefixes(recognizer, clip)
    return _running(recognizer, ends, outputs["logits"], len(clip))


def _prefixes(recognizer: Recognizer, clip: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The last frames of the prefixes of a clip, and the network's outputs for them from one call;
    the last prefix is the clip."""
    first = int(np.flatnonzero(present(clip).any(axis=1))[0])
    ends = np.arange(first, len(clip))
    if len(ends) > LENGTHS:
        ends = np.unique(np.linspace(first, len(clip) - 1, LENGTHS).round().astype(int))
    own = recognizer.preprocessing
    frames = own.input_frames(len(clip))
    return ends, recognizer.outputs(np.stack([own(clip[: end + 1], frames) for end in ends]))


def _running(
    recognizer: Recognizer, ends: np.ndarray, logits: np.ndarray, length: int
) -> np.ndarray:
    calibration = recognizer.calibration
    known = softmax(logits) if calibration is None else calibration.probabilities(logits)
    every = np.arange(length)
    running = np.stack([np.interp(every, ends, column) for column in known.T], axis=1)
    running[: ends[0]] = np.nan
    return running
