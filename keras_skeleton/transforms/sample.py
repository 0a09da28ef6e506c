"""Temporal sampling and cropping: random for training, deterministic for testing.

The functions work on arrays with a time axis, (T, ...). With a generator `rng` the choice is
random; without one it is deterministic (the middle). Functions that are never random are in
`time.py`.
"""

from __future__ import annotations

import numpy as np

RULES = ("even", "p_i3d")
PADDING = -1  # row number that stands for a row of zeros


def segment_rows(
    T: int, size: int, rng: np.random.Generator | None = None, rule: str = "even"
) -> np.ndarray:
    """One row of each of `size` equal segments of T frames: int64 (size,), in order.

    Shahroudy et al. (CVPR 2016, P-LSTM) divide a clip into equal segments and draw one frame from
    each; Das et al. (2019) and others follow them.

    Args:
        T: Number of frames.
        size: Number of segments S.
        rng: Generator that draws a frame of each segment; by default its middle frame.
        rule: How to divide T frames if S does not divide T. `"even"`: segment k extends from kT/S
            to (k + 1)T/S, with fractional borders; if T < S, some frames occur more than once.
            `"p_i3d"`, the rule of the released code of Das et al.: with r = T mod S, the last r
            frames are dropped if r < S/2; otherwise zeros are appended up to the next multiple of
            S. All segments then have the same number of frames. Rows of these zeros are -1.

    Raises:
        ValueError: T or size below 1, an unknown rule, or a clip of fewer than S/2 frames, of which
            `"p_i3d"` leaves none.
    """
    if rule not in RULES:
        raise ValueError(f"rule='{rule}' is unknown; it is one of {RULES}")
    if T < 1 or size < 1:
        raise ValueError(f"{size} segments of {T} frames: both must be 1 or more")
    at = np.full(size, 0.5) if rng is None else rng.random(size)
    if rule == "even":
        return np.minimum(((np.arange(size) + at) * T / size).astype(np.int64), T - 1)
    rest = T % size
    length = (T - rest) // size if rest < size / 2 else (T - rest) // size + 1
    if not length:
        raise ValueError(
            f"{T} frames are fewer than half of {size} segments, so rule 'p_i3d' leaves none"
        )
    rows = np.arange(size) * length + np.minimum((at * length).astype(np.int64), length - 1)
    return np.where(rows < T, rows, PADDING)


def video_rows(T: int, size: int, rng: np.random.Generator | None = None) -> np.ndarray:
    """The frames of a video that are the input of I3D: int64 (size,), in order.

    The rule of the released code of Das et al. (WACV 2019), for 64 frames: a video of more than
    2 x size frames is sampled at every second frame; one of fewer than `size` frames is repeated
    frame by frame (slow motion); otherwise consecutive frames are used. The first frame is drawn by
    `rng`; by default the sample is centered.

    Args:
        T: Number of frames of the video.
        size: Number of frames to sample.
        rng: Generator that draws the first frame.

    Raises:
        ValueError: T or size below 1.
    """
    if T < 1 or size < 1:
        raise ValueError(f"{size} rows of {T} frames: both must be 1 or more")
    if size > T:
        return np.sort(np.resize(np.arange(T), size))
    stride = 1 if 2 * size >= T else 2
    free = T - stride * (size - 1)  # possible first frames
    first = (free - 1) // 2 if rng is None else int(rng.integers(free))
    return first + stride * np.arange(size)


def crop_rows(
    T: int, low: float = 0.5, high: float = 1.0, rng: np.random.Generator | None = None
) -> np.ndarray:
    """Consecutive rows that cover a fraction of T between `low` and `high`: int64 (n,), n >= 1.

    "Temporal random cropping" of CSTA-CNN (Wang, 2019, Sec. 3.1: 0.5 to 1 on UESTC, 0.9 to 1 on
    NTU RGB+D). Without `rng`, the fraction is (low + high) / 2 and the crop is centered.
    """
    if T < 1 or not 0 < low <= high <= 1:
        raise ValueError(f"T={T}, low={low}, high={high}: T is 1 or more, 0 < low <= high <= 1")
    part = (low + high) / 2 if rng is None else rng.uniform(low, high)
    size = max(1, round(part * T))
    start = (T - size) // 2 if rng is None else int(rng.integers(T - size + 1))
    return np.arange(start, start + size)


def take_rows(array: np.ndarray, rows: np.ndarray, axis: int = 0) -> np.ndarray:
    """The given rows of the array along `axis`; zeros for row -1."""
    taken = np.take(array, np.maximum(rows, 0), axis=axis)
    shape = [-1 if i == axis % array.ndim else 1 for i in range(array.ndim)]
    return np.where(np.reshape(rows, shape) == PADDING, np.zeros((), array.dtype), taken)


def sample_segments(
    array: np.ndarray,
    size: int,
    rng: np.random.Generator | None = None,
    rule: str = "even",
    axis: int = 0,
) -> np.ndarray:
    """Samples one frame of each of `size` equal segments.

    Shahroudy et al. (CVPR 2016), Das et al. (2019); see `segment_rows` for the details.

    Args:
        array: (..., T, ...), with the time axis at `axis`.
        size: Number of segments, the length of the result.
        rng: Generator that draws a frame of each segment; by default its middle frame.
        rule: `"even"` or `"p_i3d"`, see `segment_rows`.
        axis: The time axis.

    Raises:
        ValueError: T or size below 1, an unknown rule, or too short a clip for `"p_i3d"`.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.transforms.sample import sample_segments
        >>> sample_segments(np.arange(12), 4)
        array([ 1,  4,  7, 10])
        >>> sample_segments(np.arange(12), 4, np.random.default_rng(0))
        array([1, 3, 6, 9])
    """
    return take_rows(array, segment_rows(array.shape[axis], size, rng, rule), axis)


def crop_time(
    array: np.ndarray,
    low: float = 0.5,
    high: float = 1.0,
    rng: np.random.Generator | None = None,
    axis: int = 0,
) -> np.ndarray:
    """Crops an array to consecutive frames, as in CSTA-CNN (Wang, 2019, Sec. 3.1).

    Use `resize` to bring the result to a fixed length.

    Args:
        array: (..., T, ...), with the time axis at `axis`.
        low: Smallest fraction of T to keep, above 0.
        high: Largest fraction of T to keep, at most 1.
        rng: Generator that draws the fraction and the position; by default (low + high) / 2 of the
            frames, from the middle.
        axis: The time axis.

    Raises:
        ValueError: The fractions are invalid or the array is empty.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.transforms.sample import crop_time
        >>> crop_time(np.arange(10), low=0.4, high=0.6)
        array([2, 3, 4, 5, 6])
    """
    return take_rows(array, crop_rows(array.shape[axis], low, high, rng), axis)


def pad_end(array: np.ndarray, size: int, axis: int = 0) -> np.ndarray:
    """Pads an axis with zeros at the end, as networks with masking expect.

    Args:
        array: The array.
        size: Length of the axis after padding.
        axis: The axis.

    Raises:
        ValueError: The axis is longer than `size`.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.transforms.sample import pad_end
        >>> pad_end(np.array([1, 2, 3]), 5)
        array([1, 2, 3, 0, 0])
    """
    missing = size - array.shape[axis]
    if missing < 0:
        raise ValueError(f"axis {axis} has length {array.shape[axis]}, more than {size}")
    widths = [(0, missing if i == axis % array.ndim else 0) for i in range(array.ndim)]
    return np.pad(array, widths)
