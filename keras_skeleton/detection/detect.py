"""From a stream's attention curve to its actions (Song et al., TIP 2018, Sec. III.E)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
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

MOST_FRAMES = 1_000_000  # that settings may speak of: nine hours

Classify = Callable[[np.ndarray], np.ndarray]
"""Intervals int64 (n, 2) to probabilities (n, C + 1), the last class for no action."""


@dataclass(frozen=True)
class Settings:
    """Numbers of the detection; the paper's, but for `overlap`.

    Attributes:
        window: Frames of the average filter over the curve.
        epsilon: Attention above it is an action; a share of the curve's largest value with
            `relative`, since trained gates have no scale of their own (our choice).
        omega: Proposals with fewer frames in between are one.
        scales: Nine candidates for every proposal instead of one.
        least: Lower probabilities are dropped.
        overlap: Of two detections of a class that overlap more only the better one is kept.
        distance: Detections of a class with fewer frames in between become one.
        relative: See epsilon.
    """

    window: int = WINDOW
    epsilon: float = 0.0
    omega: int = 30
    scales: bool = True
    least: float = 0.1
    overlap: float = 0.3
    distance: int = MERGE
    relative: bool = False


def read_settings(path: Path) -> tuple[Settings, dict[str, int]]:
    """What a method was run with, and its test recordings with their frames.

    Raises:
        UserError: No such file, or it is damaged.
    """
    try:
        chosen = dict(read_json(path, "settings"))
        tested = {str(video): int(frames) for video, frames in chosen.pop("test").items()}
        settings = Settings(**chosen)
        kinds = {field.name: type(field.default) for field in fields(Settings)}
        for name, kind in kinds.items():
            value = getattr(settings, name)
            whole = type(value) is kind or (kind is float and type(value) is int)
            if not whole or not math.isfinite(value) or not 0 <= value <= MOST_FRAMES:
                raise ValueError(f"{name} = {value!r:.40}")
    except FileError:
        raise
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{path}: damaged ({reason(error)})") from None
    return settings, tested


def smoothed(curve: np.ndarray, settings: Settings) -> tuple[np.ndarray, float]:
    """A curve of attention (T,) after the average filter, and epsilon in its units."""
    values = smooth(curve, settings.window)
    scale = float(values.max(initial=0)) if settings.relative else 1.0
    return values, settings.epsilon * scale


def candidates(curve: np.ndarray, settings: Settings) -> np.ndarray:
    """int64 (n, 2): the intervals that are worth classifying.

    Args:
        curve: (T,), attention of each frame, as the network puts it out.
        settings: See there.
    """
    values, level = smoothed(curve, settings)
    found = propose(values, level, settings.omega)
    return multiscale(found, len(values)) if settings.scales else found


def classified(intervals: np.ndarray, classify: Classify, settings: Settings) -> pd.DataFrame:
    """Detections, in order of their start: `label`, `start`, `end`, `score`.

    An interval counts for its most probable class alone, and not at all if that is no action;
    suppression and merging go class by class (all of this is our reading: the paper says that
    suppression is by classification scores).

    Args:
        intervals: (n, 2), proposals or windows.
        classify: See `Classify`.
        settings: See there.
    """
    rows: list[tuple[int, int, int, float]] = []
    if len(intervals):
        probability = np.asarray(classify(intervals))
        if probability.shape[:1] != intervals.shape[:1] or probability.ndim != 2:
            raise ValueError(
                f"classify gave {probability.shape} for {len(intervals)} intervals; expected "
                f"({len(intervals)}, C + 1)"
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
    """int64 (n, 2): windows over a stream, as the sliding-window baselines see it (Sec. IV.C).

    The last one ends with the stream.
    """
    last = max(length - size, 0)
    starts = np.append(np.arange(0, last, step), last)
    return np.stack([starts, np.minimum(starts + size, length)], axis=1)
