"""The one-euro filter: smooths points of a stream, little where they move fast.

G. Casiez, N. Roussel, D. Vogel, "1 € filter: a simple speed-based low-pass filter for noisy input
in interactive systems", CHI 2012, Eqs. (4) to (7). The speed is that of the unfiltered values, as
in the authors' code.
"""

from __future__ import annotations

import math

import numpy as np


class OneEuro:
    """Smooths arrays that arrive one after the other.

    Args:
        min_cutoff: Cutoff frequency at rest, in Hz; lower is smoother.
        beta: Increase of the cutoff with speed, in Hz per unit of the values and second; higher
            lags less behind fast motion.
        speed_cutoff: Cutoff frequency of the speed, in Hz.

    Raises:
        ValueError: A cutoff is not positive, or beta is negative.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.transforms.one_euro import OneEuro
        >>> smooth = OneEuro(min_cutoff=1.0)
        >>> smooth(np.array([0.0]), 0.0), smooth(np.array([1.0]), 0.1).round(3)
        (array([0.]), array([0.386]))
    """

    def __init__(
        self, min_cutoff: float = 1.0, beta: float = 0.0, speed_cutoff: float = 1.0
    ) -> None:
        if not (min_cutoff > 0 and speed_cutoff > 0 and beta >= 0):  # NaN is refused, too
            raise ValueError(
                f"min_cutoff={min_cutoff} and speed_cutoff={speed_cutoff} must be positive, "
                f"beta={beta} must not be negative"
            )
        self.min_cutoff, self.beta, self.speed_cutoff = min_cutoff, beta, speed_cutoff
        self._value: np.ndarray | None = None
        self._raw: np.ndarray | None = None
        self._speed: np.ndarray | float = 0.0
        self._time = 0.0

    def __call__(self, values: np.ndarray, time_s: float, scale: float = 1.0) -> np.ndarray:
        """Returns the smoothed values, float64 with the shape of `values`.

        Args:
            values: An array, always of the same shape.
            time_s: Its time in seconds, later than the time before; otherwise the last values are
                returned.
            scale: Size of what moves, in the unit of the values: speeds are divided by it.
        """
        values = np.array(values, np.float64)  # a copy: buffers of streams are written to again
        if self._value is None:
            self._value, self._raw, self._time = values, values, time_s
            return values
        step = time_s - self._time
        if step <= 0:
            return self._value
        speed = (values - self._raw) / (scale * step)
        self._speed = self._speed + _weight(self.speed_cutoff, step) * (speed - self._speed)
        cutoff = self.min_cutoff + self.beta * np.abs(self._speed)
        self._value = self._value + _weight(cutoff, step) * (values - self._value)
        self._raw, self._time = values, time_s
        return self._value


def _weight(cutoff: np.ndarray | float, step: float) -> np.ndarray | float:
    """Weight of the newest value in exponential smoothing."""
    return 1 / (1 + 1 / (2 * math.pi * cutoff * step))
