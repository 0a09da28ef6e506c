"""Which frames of a clip a network reads: drawn at random for training, fixed for tests.

Functions on arrays with a time axis, (T, ...). A generator `rng` draws; without one the choice is
the middle one, the same every time. `time.py` has what is never random.
"""

from __future__ import annotations

import numpy as np

RULES = ("even", "p_i3d")
PADDING = -1  # in place of a row: zeros


def segment_rows(
    T: int, size: int, rng: np.random.Generator | None = None, rule: str = "even"
) -> np.ndarray:
    """int64 (size,): one row of every segment of T frames, in order.

    Shahroudy et al. (CVPR 2016, P-LSTM) cut a clip into equal segments and draw one frame of
    each; so do Das et al. (2019) and others after them.

    Args:
        T: Number of frames.
        size: S, the number of segments.
        rng: Draws within each segment; without, its middle frame is taken.
        rule: What happens where S does not divide T. `"even"`: segment k reaches from kT/S to
            (k + 1)T/S, wherever between two frames that is; a clip of fewer than S frames shows
            some twice. `"p_i3d"`, the rule of the released code of Das et al.: with r = T mod S,
            the last r frames are cut off if r < S/2, else zeros are added up to the next
            multiple; segments then hold equally many frames. Rows of these zeros are -1.

    Raises:
        ValueError: T or size below 1, an unknown rule, or a clip that `"p_i3d"` cuts to nothing
            (fewer than S/2 frames).
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
            f"{T} frames are fewer than half of {size} segments: rule 'p_i3d' leaves none of them"
        )
    rows = np.arange(size) * length + np.minimum((at * length).astype(np.int64), length - 1)
    return np.where(rows < T, rows, PADDING)


def random_rows(T: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """int64 (size,): rows drawn from T frames, in order (Wang, CSTA-CNN, 2019, Sec. 2.4 and 3.1).

    None comes twice while there are enough; in a shorter clip every row comes size/T times,
    rounded up or down.
    """
    if T < 1 or size < 1:
        raise ValueError(f"{size} rows of {T} frames: both must be 1 or more")
    extra = rng.choice(T, size % T, replace=False)
    return np.sort(np.concatenate([np.repeat(np.arange(T), size // T), extra]))


def video_rows(T: int, size: int, rng: np.random.Generator | None = None) -> np.ndarray:
    """int64 (size,): the frames of a video of T frames that I3D sees, in order.

    The rule of the released code of Das et al. (WACV 2019) for 64 of them: from more than twice
    as many every second one, from fewer all, as many times as needed (slow motion), else
    neighbours. Where there is a choice, `rng` draws the first one; without, the middle is taken.
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
    """int64 (n,): consecutive rows, a part of T between `low` and `high`, anywhere in the clip.

    "Temporal random cropping" of CSTA-CNN (Wang, 2019, Sec. 3.1: 0.5 to 1 on UESTC, 0.9 to 1 on
    NTU RGB+D). Without `rng`: a part of (low + high) / 2 from the middle. At least one row.
    """
    if T < 1 or not 0 < low <= high <= 1:
        raise ValueError(f"T={T}, low={low}, high={high}: T is 1 or more, 0 < low <= high <= 1")
    part = (low + high) / 2 if rng is None else rng.uniform(low, high)
    size = max(1, round(part * T))
    start = (T - size) // 2 if rng is None else int(rng.integers(T - size + 1))
    return np.arange(start, start + size)


def take_rows(array: np.ndarray, rows: np.ndarray, axis: int = 0) -> np.ndarray:
    """The array's rows along `axis`, in the given order; zeros for a row of -1."""
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
    """Length `size`: one frame of each of `size` equal segments, see `segment_rows`."""
    return take_rows(array, segment_rows(array.shape[axis], size, rng, rule), axis)


def crop_time(
    array: np.ndarray,
    low: float = 0.5,
    high: float = 1.0,
    rng: np.random.Generator | None = None,
    axis: int = 0,
) -> np.ndarray:
    """A consecutive part of the array, see `crop_rows`; `time.resize` makes it any length."""
    return take_rows(array, crop_rows(array.shape[axis], low, high, rng), axis)


def pad_end(array: np.ndarray, size: int, axis: int = 0) -> np.ndarray:
    """Zeros after the end of `axis` up to `size`, for masking networks. Longer is refused."""
    missing = size - array.shape[axis]
    if missing < 0:
        raise ValueError(f"axis {axis} has length {array.shape[axis]}, more than {size}")
    widths = [(0, missing if i == axis % array.ndim else 0) for i in range(array.ndim)]
    return np.pad(array, widths)
