"""`Detections`: what a detector finds in a whole recording, at the recording's own frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from keras_skeleton.datasets.dataset import SkeletonDataset
from keras_skeleton.detection.recording import (
    NUMBERS_A_SECOND,
    at_rate,
    back_at_rate,
    is_other_rate,
    rate_of_rows,
    times_of,
    trained_fps,
)

COLUMNS = ["label", "start", "end", "start_s", "end_s", "score"]
# Detects in a recording at the detector's rate: the detections, and the probabilities of its
# frames, (T, C + 1), if the method has them.
Detect = Callable[[SkeletonDataset], tuple[pd.DataFrame, np.ndarray | None]]


@dataclass(frozen=True)
class Detections:
    """Actions found in one recording.

    Attributes:
        found: Table with `label` (number of the class), `start` and `end` (frames of the
            recording, the end excluded) and `score`.
        classes: Names of the classes.
        frames: Number of frames T of the recording.
        fps: Frames per second of the recording; None if unknown.
        notes: Assumptions and changes, such as another frame rate.
        times: Seconds of uneven frames, (T + 1,), see `recording.times_of`; None if even.
        probability: Probabilities of the classes and of no action for every frame, (T, C + 1); None
            if the method has none.

    Example:
        >>> import pandas as pd
        >>> from keras_skeleton.detection.detections import Detections
        >>> found = pd.DataFrame([[0, 30, 60, 0.9]], columns=["label", "start", "end", "score"])
        >>> Detections(found, ("wave",), 90, fps=30.0).table.values.tolist()
        [['wave', 30, 60, 1.0, 2.0, 0.9]]
    """

    found: pd.DataFrame
    classes: tuple[str, ...]
    frames: int
    fps: float | None = None
    notes: tuple[str, ...] = ()
    times: np.ndarray | None = None
    probability: np.ndarray | None = None

    @property
    def table(self) -> pd.DataFrame:
        """The actions with their names: `label`, `start`, `end` (frames of the recording, the end
        excluded), `start_s`, `end_s` (seconds; NaN if the frame rate is unknown) and `score`."""
        from keras_skeleton.detection.outputs import named  # draws, too: slow to import

        return named(self.found, "", self.classes, self.fps, self.times)[COLUMNS]


def at_trained_rate(
    detect: Detect, run: Mapping[str, Any], recording: SkeletonDataset, fps: float | None = None
) -> Detections:
    """Detects in a recording of any frame rate with a detector that knows one.

    Args:
        detect: Detects in a recording at the detector's rate.
        run: The `run` of the detector.
        recording: A recording of `read_recording` or `recording_of`.
        fps: Frames per second, in place of what the recording says; of recordings with frame
            numbers, the numbers per second.
    """
    own, notes = recording.info["fps"], list(recording.info["notes"])
    times, trained = times_of(recording, fps), trained_fps(run)
    if times is not None:
        own = rate_of_rows(times, run)
        notes.append(_numbers_note(recording.info["numbers"], fps))
    elif fps is not None:
        own = fps
    if own is None and trained:
        own = trained
        notes.append(
            f"the frame rate is unknown: {trained:.4g} per second is taken, that of the training "
            "recordings; if this recording has another, labels and times are wrong: set it "
            "(--fps, in Python fps=)"
        )
    length = int(recording.samples["frames"].iloc[0])
    other = trained if own and is_other_rate(trained, own) else None
    if own is None or other is None:
        found, probability = detect(recording)
    else:
        even = replace(recording, info={**recording.info, "fps": own})
        found, probability = detect(at_rate(even, other))
        found = back_at_rate(found, other, own, length)
        if probability is not None:
            at = np.round(np.arange(length) * other / own).astype(int)
            probability = probability[np.minimum(at, len(probability) - 1)]
        notes.append(
            f"the recording has {own:.4g} frames per second; it was shown to the detector at "
            f"{other:.4g}, the rate of the training recordings"
        )
    return Detections(found, tuple(run["classes"]), length, own, tuple(notes), times, probability)


def _numbers_note(numbers: np.ndarray, fps: float | None) -> str:
    """How frames and seconds of a recording with frame numbers are counted."""
    rate = "as given" if fps else "of the Kinect"
    return (
        f"frames are the rows of the file, from 0; seconds are those of its frame numbers, "
        f"{numbers[0]} to {numbers[-1]}, {fps or NUMBERS_A_SECOND:g} a second ({rate}), from the "
        "first row"
    )
