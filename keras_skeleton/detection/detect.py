"""Detect actions in a stream from its attention curve (Song et al., TIP 2018, Sec. III.E)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from keras_skeleton.detection.proposals import (
    MERGE,
    WINDOW,
    merge,
    multiscale,
    propose,
    smooth,
    suppress,
)
from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.files import FileError, read_json, reason

MOST_FRAMES = 1_000_000  # upper limit of all settings: nine hours

Classify = Callable[[np.ndarray], np.ndarray]
"""Maps intervals, int64 (n, 2), to probabilities (n, C + 1); the last class is no action."""


@dataclass(frozen=True)
class Settings:
    """Parameters of detection from an attention curve.

    Source: Song et al., TIP 2018, Secs. III.E and IV.C. The defaults are the paper's for the
    cross-subject protocol of PKU-MMD, except `overlap`, which the paper does not give.

    Attributes:
        window: Length of the averaging filter over the curve, in frames.
        epsilon: Attention threshold of proposals.
        omega: Proposals with fewer frames between them are joined.
        scales: Use nine candidates per proposal instead of one.
        least: Detections with a lower probability are dropped.
        overlap: If two detections of a class have a larger intersection over union, only the better
            one is kept.
        distance: Detections of a class with fewer frames between them are merged.
        relative: `epsilon` is a fraction of the curve's maximum, since the scale of trained gates
            is arbitrary (our choice).

    Example:
        >>> from keras_skeleton.detection.detect import Settings
        >>> Settings(epsilon=0.2).omega
        30
    """

    window: int = WINDOW
    epsilon: float = 0.0
    omega: int = 30
    scales: bool = True
    least: float = 0.1
    overlap: float = 0.3
    distance: int = MERGE
    relative: bool = False


@dataclass(frozen=True)
class GateSettings:
    """Parameters of detection from the frame-wise probabilities of GateNet, see
    `detection.gate.decode`. `smoothing`, `shortest` and `near` are fractions of the typical length
    of each class, so the same numbers suit short and long actions and any frame rate.

    Attributes:
        lengths: Typical length of each class in frames: the median of the training recordings.
        on: Probability that an action must reach.
        off: Probability that it must stay above from its first to its last frame.
        smoothing: Length of the averaging filter.
        longest: Upper limit of the filter, in frames.
        shortest: Shorter detections are dropped.
        near: Largest distance by which a start or an end may move to a frame that is more probably
            one.
        pull: Probability that a move by this largest distance must gain; a shorter one in
            proportion.

    Example:
        >>> from keras_skeleton.detection.detect import GateSettings
        >>> GateSettings(lengths=(40.0, 12.0)).on
        0.5
    """

    lengths: tuple[float, ...]
    on: float = 0.5
    off: float = 0.3
    smoothing: float = 0.3
    longest: int = 15
    shortest: float = 0.4
    near: float = 0.3
    pull: float = 0.3

    def __post_init__(self) -> None:
        if not all(length > 0 for length in self.lengths):
            raise ValueError(f"lengths={self.lengths!r:.80} must be positive")


AnySettings = Settings | GateSettings
MOST_LENGTHS = 10_000  # classes


def read_settings(path: Path) -> tuple[AnySettings, dict[str, int]]:
    """Reads the settings of a method, and its test recordings with their number of frames.

    Raises:
        UserError: If the file is missing or damaged.
    """
    try:
        chosen = dict(read_json(path, "settings"))
        tested = {str(video): int(frames) for video, frames in chosen.pop("test").items()}
        settings: AnySettings
        usual: AnySettings
        if "lengths" in chosen:
            lengths = tuple(chosen.pop("lengths"))[:MOST_LENGTHS]
            settings, usual = GateSettings(lengths, **chosen), GateSettings((1.0,))
        else:
            settings, usual = Settings(**chosen), Settings()
        for name, like in asdict(usual).items():
            value = getattr(settings, name)
            for one in value if isinstance(value, tuple) else (value,):
                wanted = float if isinstance(value, tuple) else type(like)
                whole = type(one) is wanted or (wanted is float and type(one) is int)
                if not whole or not math.isfinite(one) or not 0 <= one <= MOST_FRAMES:
                    raise ValueError(f"{name} = {one!r:.40}")
    except FileError:
        raise
    except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise UserError(f"{path}: damaged ({reason(error)})") from None
    return settings, tested


def smoothed(curve: np.ndarray, settings: Settings) -> tuple[np.ndarray, float]:
    """The attention curve (T,) after the averaging filter, and the threshold in its units."""
    values = smooth(curve, settings.window)
    scale = float(values.max(initial=0)) if settings.relative else 1.0
    return values, settings.epsilon * scale


def candidates(curve: np.ndarray, settings: Settings) -> np.ndarray:
    """Candidate intervals for classification, int64 (n, 2).

    Args:
        curve: Attention of each frame as output by the network, (T,).
        settings: Parameters of detection.
    """
    values, level = smoothed(curve, settings)
    found = propose(values, level, settings.omega)
    return multiscale(found, len(values)) if settings.scales else found


def classified(intervals: np.ndarray, classify: Classify, settings: Settings) -> pd.DataFrame:
    """Classifies intervals and returns detections.

    Each interval counts only for its most probable class, and is dropped if that is no action.
    Suppression and merging are done per class. (This is our interpretation; the paper only says
    that suppression uses classification scores.)

    Args:
        intervals: Proposals or windows, (n, 2).
        classify: The classifier.
        settings: Parameters of detection.

    Returns:
        A table sorted by start with the columns `label`, `start`, `end`, `score`.
    """
    rows: list[tuple[int, int, int, float]] = []
    if len(intervals):
        probability = np.asarray(classify(intervals))
        if probability.shape[:1] != intervals.shape[:1] or probability.ndim != 2:
            raise ValueError(
                f"classify returned shape {probability.shape} for {len(intervals)} intervals; "
                f"expected ({len(intervals)}, C + 1)"
            )
        best = probability.argmax(axis=1)
        for label in range(probability.shape[1] - 1):
            own = np.flatnonzero(best == label)
            kept = own[
                suppress(intervals[own], probability[own, label], settings.least, settings.overlap)
            ]
            spans, scores = merge(intervals[kept], probability[kept, label], settings.distance)
            for (start, end), score in zip(spans.tolist(), scores.tolist(), strict=True):
                rows.append((label, start, end, score))
    table = pd.DataFrame(rows, columns=["label", "start", "end", "score"])
    return table.sort_values(["start", "label"], ignore_index=True)


def windows(length: int, size: int = 10, step: int = 5) -> np.ndarray:
    """Sliding windows over a stream for the baselines, int64 (n, 2) (Sec. IV.C).

    The last window ends at the end of the stream.
    """
    last = max(length - size, 0)
    starts = np.append(np.arange(0, last, step), last)
    return np.stack([starts, np.minimum(starts + size, length)], axis=1)
