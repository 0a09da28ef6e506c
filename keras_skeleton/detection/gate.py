"""GateNet as a detector: its losses, and intervals from its frame-wise probabilities.

See `models/gate_net.py` for the network. It is trained on whole recordings (`detection.fit`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import pandas as pd
from scipy.ndimage import uniform_filter1d

from keras_skeleton.detection.detect import GateSettings
from keras_skeleton.models.gate_net import gate_net, reach
from keras_skeleton.skeletons import Skeleton

WEIGHTS = {"labels": 1.0, "ends": 2.0}  # of the losses
STEP = 64  # a stream's frames are processed in multiples of STEP
SIGMA = 3.0  # width of the targets at starts and ends, in frames


def losses() -> dict[str, keras.losses.Loss]:
    """The losses of the outputs of GateNet, by name."""
    return {
        "labels": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        "ends": keras.losses.BinaryCrossentropy(),
    }


def build_gate(
    skeleton: Skeleton, classes: int, bodies: int, arguments: Mapping[str, Any]
) -> keras.Model:
    """Builds GateNet for recordings of any length.

    Args:
        skeleton: The joint layout.
        classes: C, without the class for no action.
        bodies: Number of bodies M.
        arguments: Further arguments of `models.gate_net.gate_net`.
    """
    return gate_net(skeleton.size, classes, bodies, root=skeleton.root, **arguments)


def typical_lengths(actions: pd.DataFrame, classes: int) -> tuple[float, ...]:
    """The median length of each class in frames; of classes without an action, that of all.

    Args:
        actions: Annotated actions, with `label`, `start`, `end`; at least one.
        classes: Number of classes.

    Example:
        >>> import pandas as pd
        >>> from keras_skeleton.detection.gate import typical_lengths
        >>> actions = pd.DataFrame({"label": [0, 0], "start": [0, 90], "end": [20, 120]})
        >>> typical_lengths(actions, classes=2)
        (25.0, 25.0)
    """
    lengths = actions["end"] - actions["start"]
    found = lengths.groupby(actions["label"]).median()
    return tuple(float(found.get(c, lengths.median())) for c in range(classes))


def decode(probability: np.ndarray, ends: np.ndarray, settings: GateSettings) -> pd.DataFrame:
    """Converts frame-wise outputs to detections.

    Each class is decoded on its own. An action is an interval in which its smoothed probability
    exceeds `off` and reaches `on`, if it is at least `shortest` of the class's typical length. Its
    start moves to the nearby frame that is most probably a start, if the gain in probability
    outweighs the distance; its end likewise. The score is the mean probability of the class; if the
    interval is shorter than typical, times the square root of the ratio of both lengths.

    Args:
        probability: Class probabilities, (T, C + 1); the last class is no action.
        ends: Probabilities of start and end, (T, 2).
        settings: Parameters of detection, with C lengths.

    Returns:
        A table sorted by start with the columns `label`, `start`, `end` (frames, end excluded),
        `score`.

    Raises:
        ValueError: The settings have another number of classes.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.detection.detect import GateSettings
        >>> from keras_skeleton.detection.gate import decode
        >>> probability = np.full((40, 2), 0.1)
        >>> probability[10:30, 0] = 0.9
        >>> found = decode(probability, np.zeros((40, 2)), GateSettings(lengths=(20.0,)))
        >>> found.round(2).values.tolist()
        [[0.0, 9.0, 32.0, 0.8]]
    """
    if probability.shape[1] != len(settings.lengths) + 1:
        raise ValueError(
            f"{probability.shape[1]} probabilities of a frame, but the lengths of "
            f"{len(settings.lengths)} classes"
        )
    rows = []
    for label, length in enumerate(settings.lengths):
        own = probability[:, label].astype(np.float64)
        values = smoothed_class(own, length, settings)
        above = np.concatenate([[False], values > settings.off, [False]])
        edges = np.flatnonzero(np.diff(above.astype(np.int8))).reshape(-1, 2)
        far = max(int(settings.near * length), 1)
        for start, end in edges.tolist():
            if end - start < settings.shortest * length or values[start:end].max() < settings.on:
                continue
            pull = settings.pull / far
            first = _moved(ends[:, 0], start, max(start - far, 0), min(start + far + 1, end), pull)
            last = _moved(ends[:, 1], end - 1, max(end - 1 - far, start), end + far, pull)
            if first <= last:
                start, end = first, last + 1
            score = own[start:end].mean() * min(1.0, (end - start) / length) ** 0.5
            rows.append((label, start, end, float(score)))
    table = pd.DataFrame(rows, columns=["label", "start", "end", "score"])
    return table.sort_values(["start", "label"], ignore_index=True)


def smoothed_class(probability: np.ndarray, length: float, settings: GateSettings) -> np.ndarray:
    """The probability of a class (T,) after its averaging filter."""
    if not len(probability):
        return probability
    window = min(max(round(settings.smoothing * length), 1), settings.longest)
    return uniform_filter1d(probability, window, mode="nearest")


def _moved(probability: np.ndarray, own: int, low: int, high: int, pull: float) -> int:
    """The frame in [low, high) with the highest probability, less `pull` a frame of distance."""
    at = np.arange(low, min(high, len(probability)))
    return int(at[np.argmax(probability[at] - pull * np.abs(at - own))])


class GateStream:
    """The outputs of GateNet for a stream that is still growing, with constant memory.

    The outputs of a frame are ready `delay` frames after it (0 for a causal network), and equal
    those for the whole recording.

    Args:
        network: The network with one output, (B, T, N), see `detection.fit.per_frame`.

    Attributes:
        delay: Number of later frames that the network needs.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.detection.gate import GateStream
        >>> from keras_skeleton.models.gate_net import gate_net
        >>> from keras_skeleton.detection.fit import per_frame
        >>> network = per_frame(gate_net(joints=20, classes=10, causal=True, width=8))
        >>> stream = GateStream(network)
        >>> stream.push(np.ones((5, 20, 3), "float32")).shape, stream.delay
        ((5, 13), 0)
    """

    def __init__(self, network: keras.Model) -> None:
        self.network = network
        self.before, self.delay = reach(network)
        self._kept = np.zeros((0, *network.input_shape[2:]), np.float32)
        self._old = 0  # frames at the front of `_kept` whose outputs have been returned

    def push(self, frames: np.ndarray) -> np.ndarray:
        """Takes the next frames (n, K, 3), and returns the outputs that are now ready, (m, N)."""
        return self._ready(frames, self.delay)

    def finish(self) -> np.ndarray:
        """Returns the outputs of the last frames, at the end of the stream."""
        return self._ready(self._kept[:0], 0)

    def _ready(self, frames: np.ndarray, delay: int) -> np.ndarray:
        self._kept = np.concatenate([self._kept, frames])
        ready = len(self._kept) - delay - self._old
        if ready <= 0:
            return np.zeros((0, *self.network.output_shape[2:]), np.float32)
        # Few shapes, so that the network is traced a few times only; zeros are no frames.
        batch = np.zeros((1, -(-len(self._kept) // STEP) * STEP, *self._kept.shape[1:]), np.float32)
        batch[0, : len(self._kept)] = self._kept
        found = np.asarray(self.network.predict_on_batch(batch))[0, self._old : self._old + ready]
        self._old += ready
        drop = max(self._old - self.before, 0)
        self._kept, self._old = self._kept[drop:], self._old - drop
        return found
