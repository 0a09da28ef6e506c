"""Clips to batches, by `tf.data`.

`Inputs` turns a clip into what a network reads and remembers it (`part_inputs` is its like for
networks that watch videos); `training_batches` and `evaluation_batches` put the results into
`tf.data`. The order of the clips follows from (seed, epoch) alone, so a run can be repeated and
continued in any epoch. Augmentations are layers (`layers.augmentation`) in front of the network:
they work on whole batches, where the network works.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from keras_skeleton.datasets.dataset import SkeletonDataset
from keras_skeleton.utils.errors import DatasetError

AHEAD = 1 << 30  # bytes of batches made in advance, where one is less
_deterministic = False


def make_deterministic() -> None:
    """From here on in this process every operation gives the same bits for the same input and the
    same number of threads; where TensorFlow has no such implementation, it raises."""
    global _deterministic
    tf.config.experimental.enable_op_determinism()
    _deterministic = True


def is_deterministic() -> bool:
    """Whether `make_deterministic` was called."""
    return _deterministic


Read = Callable[[np.ndarray], np.ndarray]
"""A clip (T, M, V, 3) to what a network reads, float32 of a fixed shape."""


Shape = tuple[int, ...] | dict[str, tuple[int, ...]]
Arrays = np.ndarray | dict[str, np.ndarray]
Draw = tuple[int, int]
"""What a clip's random part depends on: (0, v) is the v-th fixed view of an evaluation, the first
one being the middle of whatever could be drawn; (1 + seed, epoch) belongs to training."""


class ClipInputs(Protocol):
    """What batches are made of.

    Attributes:
        dataset, labels: The clips, int32 (n,).
    """

    dataset: SkeletonDataset
    labels: np.ndarray

    @property
    def shape(self) -> Shape:
        """Of one clip's input, or of each by its name."""
        ...

    def batch(self, indices: np.ndarray, draw: Draw = (0, 0)) -> Arrays:
        """float32 (B, ...) of the clips with these indices."""
        ...


class Inputs:
    """What a network reads of every clip, computed on first use and then kept.

    Nothing in it is random: every draw gives the same.

    Args:
        dataset: The clips; read from the memory-mapped store one by one.
        read: The network's view of a clip.
        memory: Bytes that may be used to keep results. Where all clips need more, nothing is
            kept and each is computed again in every epoch.
    """

    def __init__(self, dataset: SkeletonDataset, read: Read, memory: int = 4 << 30) -> None:
        if not len(dataset):
            raise DatasetError(f"dataset '{dataset.name}' has no clips")
        self.dataset = dataset
        self.labels = dataset.labels.astype(np.int32)
        shape = self._compute(0, read).shape
        self.shape = shape
        self._read = read
        needed = len(dataset) * int(np.prod(shape)) * 4
        self._kept = np.empty((len(dataset), *shape), np.float32) if needed <= memory else None
        self._known = np.zeros(len(dataset), bool)

    def _compute(self, i: int, read: Read) -> np.ndarray:
        try:
            return read(self.dataset.clip(i))
        except ValueError as error:
            name = self.dataset.samples["name"].iloc[i]
            raise DatasetError(f"{self.dataset.name}, clip '{name}': {error}") from error

    def batch(self, indices: np.ndarray, draw: Draw = (0, 0)) -> np.ndarray:
        """float32 (B, ...) of the clips with these indices."""
        indices = np.asarray(indices)
        if self._kept is None:
            batch = np.empty((len(indices), *self.shape), np.float32)
            for row, i in zip(batch, indices, strict=True):
                row[:] = self._compute(i, self._read)
            return batch
        for i in indices[~self._known[indices]]:
            self._kept[i] = self._compute(i, self._read)
            self._known[i] = True
        return self._kept[indices]


def epoch_order(indices: np.ndarray, batch_size: int, seed: int, epoch: int) -> np.ndarray:
    """int64 (steps, batch_size): the clips of every step of an epoch, shuffled.

    All clips come once. Where the last batch is not full, it is filled with the first clips
    of the same order, so that every step has the same shape (and costs no new compilation).
    """
    order = np.random.default_rng((seed, epoch)).permutation(indices)
    steps = -(-len(order) // batch_size)
    return np.resize(order, (steps, batch_size))


def _batches(rows: tf.data.Dataset, inputs: ClipInputs) -> tf.data.Dataset:
    """Rows of (clip indices, draw) to (inputs, labels); the next batches are made while one is
    used."""
    shape = inputs.shape
    named = isinstance(shape, dict)
    shapes = shape if isinstance(shape, dict) else {"": shape}

    def gather(indices: np.ndarray, draw: np.ndarray) -> list[np.ndarray]:
        found: Any = inputs.batch(indices, (int(draw[0]), int(draw[1])))
        values = [found[name] for name in shapes] if named else [found]
        return [*values, inputs.labels[indices]]

    def load(indices: tf.Tensor, draw: tf.Tensor) -> tuple[Any, tf.Tensor]:
        kinds = [tf.float32] * len(shapes) + [tf.int32]
        *values, y = tf.numpy_function(gather, [indices, draw], kinds, stateful=False)
        for value, own in zip(values, shapes.values(), strict=True):
            value.set_shape((indices.shape[0], *own))
        y.set_shape((indices.shape[0],))
        return dict(zip(shapes, values, strict=True)) if named else values[0], y

    size = 4 * int(rows.element_spec[0].shape[0]) * sum(map(math.prod, shapes.values()))
    ahead = max(1, min(4, AHEAD // size))
    batches = rows.map(load, num_parallel_calls=2, deterministic=True).prefetch(ahead)
    # There is nothing to tune, and an iterator that is tuned may end only when the tuner looks
    # next: up to a minute after the last step.
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.with_options(options)


def epoch_steps(clips: int, batch_size: int) -> int:
    """Steps of an epoch in which each clip is seen."""
    return -(-clips // batch_size)


def training_batches(
    inputs: ClipInputs,
    indices: np.ndarray,
    batch_size: int,
    seed: int,
    first_epoch: int = 0,
    part: tuple[int, int] = (0, 1),
) -> tuple[tf.data.Dataset, int]:
    """An endless dataset of shuffled (inputs (B, ...), labels (B,)) and the steps of an epoch.

    Args:
        inputs: The clips.
        indices: Which of them train.
        batch_size: B.
        seed: Of the shuffling.
        first_epoch: Epoch to begin with, counted from 0 (for a resumed run).
        part: (i, n): the i-th of n equal parts of every batch, B / n clips, where n processes
            share it.
    """
    i, n = part
    own = slice(i * batch_size // n, (i + 1) * batch_size // n)
    if not len(indices):
        raise DatasetError(f"dataset '{inputs.dataset.name}': no clips to train on in this fold")

    def rows(epoch: tf.Tensor) -> tf.data.Dataset:
        order = tf.numpy_function(
            lambda e: epoch_order(indices, batch_size, seed, int(e))[:, own], [epoch], tf.int64
        )
        order.set_shape((None, batch_size // n))
        draw = tf.stack([tf.constant(1 + seed, tf.int64), epoch])
        orders = tf.data.Dataset.from_tensor_slices(order)
        return tf.data.Dataset.zip((orders, tf.data.Dataset.from_tensors(draw).repeat()))

    epochs = tf.data.Dataset.counter(first_epoch)
    return _batches(epochs.flat_map(rows), inputs), epoch_steps(len(indices), batch_size)


def evaluation_batches(
    inputs: ClipInputs, indices: np.ndarray, batch_size: int, view: int = 0
) -> tf.data.Dataset:
    """(inputs (B, ...), labels (B,)) in the given order; the last batch repeats clips to be full.

    Cut what is predicted to `len(indices)`. `view` counts the fixed views of a clip.
    """
    count = -(-len(indices) // batch_size)
    order = np.resize(np.asarray(indices, np.int64), (count, batch_size))
    draws = np.tile(np.array([0, view], np.int64), (count, 1))
    return _batches(tf.data.Dataset.from_tensor_slices((order, draws)), inputs)
