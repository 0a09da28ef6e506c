"""A stream at the frame rate that a detector was trained at, frame by frame."""

from __future__ import annotations

import numpy as np

from keras_skeleton.detection.fit import between_frames


class LiveRate:
    """Poses of a stream at another rate, as `recording.at_rate` has them of a whole recording.

    Args:
        own: Frames per second of the stream.
        fps: Frames per second of the result.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.detection.live_rate import LiveRate
        >>> rate = LiveRate(30, 15)
        >>> [len(rate.push(np.ones((1, 20, 3), "float32"))) for _ in range(4)]
        [1, 0, 1, 0]
    """

    def __init__(self, own: float, fps: float) -> None:
        self._step = own / fps
        self._before: np.ndarray | None = None
        self._taken = self._given = 0

    def push(self, pose: np.ndarray) -> list[np.ndarray]:
        """Takes the next frame, (M, V, 3); returns the frames that are known with it."""
        before = pose if self._before is None else self._before
        pair = np.stack([before, pose]).reshape(2, -1, 3)
        out = []
        while (at := self._given * self._step) <= self._taken:
            part = at - (self._taken - 1)
            out.append(between_frames(pair, np.array([part]))[0].reshape(pose.shape))
            self._given += 1
        self._before = pose
        self._taken += 1
        return out

    def finish(self) -> list[np.ndarray]:
        """Ends the stream; returns its last frames."""
        if self._before is None:
            return []
        return [self._before] * max(round(self._taken / self._step) - self._given, 0)
