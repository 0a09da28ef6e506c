"""JCR-RNN as a detector: frame-wise training targets, training, and intervals from its outputs.

See `models/jcr_rnn.py` for the source of the model and for our own choices.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import pandas as pd

from keras_skeleton.training.fold import DivergedError

SIGMA = 5.0  # width of the confidence curves at starts and ends, in frames; from memory
NEAR = 10  # maximum shift of a start or end to its most confident frame; our choice
WEIGHT = 10.0  # weight of the regression loss; from memory


class Stream(NamedTuple):
    """A recording with frame-wise targets.

    Attributes:
        frames: Network inputs, float32 (T, K, 3).
        labels: Class of each frame, int32 (T,); C for no action.
        ends: Confidences of start and end, float32 (T, 2), see `targets`.
    """

    frames: np.ndarray
    labels: np.ndarray
    ends: np.ndarray


def targets(
    actions: pd.DataFrame, frames: int, classes: int, sigma: float = SIGMA
) -> tuple[np.ndarray, np.ndarray]:
    """Computes the frame-wise targets of a recording.

    Args:
        actions: Annotated actions, with `label`, `start`, `end`.
        frames: Number of frames T.
        classes: Number of classes C.
        sigma: Width of the confidence curves, in frames.

    Returns:
        Labels, int32 (T,), with C for no action; and confidences of start and end, float32 (T, 2):
        exp(-d^2 / (2 sigma^2)) for the distance d to the nearest first or last frame of an action.
    """
    labels = np.full(frames, classes, np.int32)
    ends = np.zeros((frames, 2), np.float32)
    t = np.arange(frames)
    for label, start, end in actions[["label", "start", "end"]].to_numpy(int).tolist():
        labels[start:end] = label
        for column, at in enumerate((start, end - 1)):
            bump = np.exp(-((t - at) ** 2) / (2 * sigma**2))
            ends[:, column] = np.maximum(ends[:, column], bump)
    return labels, ends


class Windows(keras.utils.PyDataset):
    """Batches of windows of recordings, with new window positions in every epoch.

    Args:
        streams: The recordings.
        size: Window length in frames; shorter windows are padded with zeros of weight 0.
        batch_size: Batch size B.
        seed: Seed of positions and order; None for fixed positions in order.
    """

    def __init__(
        self, streams: Sequence[Stream], size: int, batch_size: int, seed: int | None
    ) -> None:
        super().__init__()
        self.streams, self.size, self.batch_size, self.seed = streams, size, batch_size, seed
        self.epoch = 0
        self.count = sum(-(-len(s.frames) // size) for s in streams)
        self._cut()

    def _cut(self) -> None:
        """Draws (stream, start) of every window; the first window may start before the stream."""
        rng = None if self.seed is None else np.random.default_rng((self.seed, self.epoch))
        cuts = []
        for i, stream in enumerate(self.streams):
            windows = -(-len(stream.frames) // self.size)
            spare = windows * self.size - len(stream.frames)
            first = 0 if rng is None else -int(rng.integers(spare + 1))
            cuts += [(i, first + k * self.size) for k in range(windows)]
        self.cuts = cuts if rng is None else [cuts[k] for k in rng.permutation(len(cuts))]

    def on_epoch_end(self) -> None:
        self.epoch += 1
        self._cut()

    def __len__(self) -> int:
        return math.ceil(self.count / self.batch_size)

    def __getitem__(self, step: int) -> tuple[np.ndarray, dict[str, Any], dict[str, Any]]:
        first = step * self.batch_size
        own = [self.cuts[k % self.count] for k in range(first, first + self.batch_size)]
        first_stream = self.streams[0]
        shape = (len(own), self.size)
        x = np.zeros((*shape, *first_stream.frames.shape[1:]), np.float32)
        labels, ends = np.zeros(shape, np.int32), np.zeros((*shape, 2), np.float32)
        weight = np.zeros(shape, np.float32)
        for row, (i, start) in enumerate(own):
            low, high = max(start, 0), start + self.size
            n = len(self.streams[i].frames[low:high])
            x[row, :n] = self.streams[i].frames[low:high]
            labels[row, :n] = self.streams[i].labels[low:high]
            ends[row, :n] = self.streams[i].ends[low:high]
            weight[row, :n] = 1
        return x, {"labels": labels, "ends": ends}, {"labels": weight, "ends": weight}


def train(
    network: keras.Model,
    streams: Sequence[Stream],
    validation: Sequence[Stream],
    rate: Callable[[int], float],
    epochs: int,
    augment: Sequence[keras.layers.Layer] = (),
    size: int = 200,
    batch_size: int = 8,
    seed: int = 0,
    on_epoch_end: Callable[[dict[str, float]], None] = lambda row: None,
) -> pd.DataFrame:
    """Trains JCR-RNN and restores the weights of the epoch with the lowest validation loss.

    Args:
        network: A network from `models.jcr_rnn`.
        streams: Training recordings.
        validation: Validation recordings; if empty, the last epoch is used.
        rate: Learning rate of each epoch, counted from 0.
        epochs: Number of epochs.
        augment: Augmentation layers, used during training only.
        size: Window length in frames.
        batch_size: Batch size B.
        seed: Seed of the window positions.
        on_epoch_end: Called after every epoch with its row of the history.

    Returns:
        The history, with one row per epoch.

    Raises:
        DivergedError: If a loss is NaN or infinite.
    """
    model = network
    if augment:
        x = h = keras.Input(network.input_shape[1:])
        for layer in augment:
            h = layer(h)
        model = keras.Model(x, network(h))
    model.compile(
        optimizer=keras.optimizers.Adam(rate(0), clipnorm=1.0),
        loss={
            "labels": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            "ends": keras.losses.MeanSquaredError(),
        },
        loss_weights={"labels": 1.0, "ends": WEIGHT},
        jit_compile=False,
    )
    batches = Windows(streams, size, batch_size, seed)
    held = Windows(validation, size, batch_size, None) if validation else None
    rows: list[dict[str, float]] = []
    best: list[Any] = [np.inf, network.get_weights()]

    def note(epoch: int, logs: dict[str, float] | None) -> None:
        row = {"epoch": epoch + 1, **{k: float(v) for k, v in (logs or {}).items()}}
        rows.append(row)
        if not np.isfinite(list(row.values())).all():
            raise DivergedError(
                f"the loss of JCR-RNN is NaN or infinite after epoch {epoch + 1}; try another "
                "--seed or a larger --batch-size"
            )
        if row.get("val_loss", -epoch) < best[0]:
            best[:] = [row.get("val_loss", -epoch), network.get_weights()]
        on_epoch_end(row)

    model.fit(
        batches,
        validation_data=held,
        epochs=epochs,
        callbacks=[
            keras.callbacks.LearningRateScheduler(lambda epoch, _: rate(epoch)),
            keras.callbacks.LambdaCallback(on_epoch_end=note),
        ],
        verbose=0,
    )
    network.set_weights(best[1])
    return pd.DataFrame(rows)


def per_frame(network: keras.Model) -> keras.Model:
    """Returns the network with one output, (B, T, C + 3), for `along`: class probabilities, then
    confidences of start and end."""
    probabilities = keras.layers.Activation("softmax")(network.output["labels"])
    joined = keras.layers.Concatenate()([probabilities, network.output["ends"]])
    return keras.Model(network.input, joined)


def read_off(probability: np.ndarray, ends: np.ndarray, near: int = NEAR) -> pd.DataFrame:
    """Converts frame-wise outputs to detections.

    Consecutive frames with the same most probable class form a detection. Its start is moved to
    the nearby frame with the highest start confidence, its end likewise; its score is the mean
    probability of the class.

    Args:
        probability: Class probabilities, (T, C + 1); the last class is no action.
        ends: Confidences of start and end, (T, 2).
        near: Maximum shift of start and end in frames; inwards at most half of the detection.

    Returns:
        A table with the columns `label`, `start`, `end`, `score`.
    """
    T = len(probability)
    best = probability.argmax(axis=1) if T else np.zeros(0, int)
    cuts = np.flatnonzero(np.diff(best)) + 1
    rows = []
    for start, end in zip([0, *cuts.tolist()], [*cuts.tolist(), T], strict=True):
        if start == end or best[start] == probability.shape[1] - 1:
            continue
        score = float(probability[start:end, best[start]].mean())
        inwards = min(near, (end - start) // 2)
        first = _surest(ends[:, 0], start, max(start - near, 0), start + inwards + 1)
        last = _surest(ends[:, 1], end - 1, end - 1 - inwards, min(end + near, T))
        if first > last:
            first, last = start, end - 1
        rows.append((int(best[start]), first, last + 1, score))
    return pd.DataFrame(rows, columns=["label", "start", "end", "score"])


def _surest(confidence: np.ndarray, own: int, low: int, high: int) -> int:
    """The frame in [low, high) with the highest confidence; ties go to the nearest to `own`."""
    at = np.arange(max(low, 0), high)
    return int(at[np.lexsort((np.abs(at - own), -confidence[at]))[0]])
