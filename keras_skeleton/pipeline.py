"""Clips to batches: the only room, with the TensorBoard logs, that imports TensorFlow.

`Inputs` turns a clip into what a network reads and remembers it; `training_batches` and
`evaluation_batches` put the results into `tf.data`. The order of the clips follows from
(seed, epoch) alone, so a run can be repeated and continued in any epoch. Augmentations are
layers (`layers.augmentation`) in front of the network: they work on whole batches, where the
network works.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from keras_skeleton.datasets.dataset import DatasetError, SkeletonDataset

Read = Callable[[np.ndarray], np.ndarray]
"""A clip (T, M, V, 3) to what a network reads, float32 of a fixed shape."""


class Inputs:
    """What a network reads of every clip, computed on first use and then kept.

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
        self.shape = self._compute(0, read).shape
        self._read = read
        needed = len(dataset) * int(np.prod(self.shape)) * 4
        self._kept = np.empty((len(dataset), *self.shape), np.float32) if needed <= memory else None
        self._known = np.zeros(len(dataset), bool)

    def _compute(self, i: int, read: Read) -> np.ndarray:
        try:
            return read(self.dataset.clip(i))
        except ValueError as error:
            name = self.dataset.samples["name"].iloc[i]
            raise DatasetError(f"{self.dataset.name}, clip '{name}': {error}") from error

    def batch(self, indices: np.ndarray) -> np.ndarray:
        """float32 (B, ...) of the clips with these indices."""
        if self._kept is None:
            return np.stack([self._compute(i, self._read) for i in indices])
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


def _batches(orders: tf.data.Dataset, inputs: Inputs) -> tf.data.Dataset:
    """Rows of clip indices to (inputs, labels); the next batches are made while one is used."""

    def gather(indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return inputs.batch(indices), inputs.labels[indices]

    def load(indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        x, y = tf.numpy_function(gather, [indices], (tf.float32, tf.int32), stateful=False)
        x.set_shape((indices.shape[0], *inputs.shape))
        y.set_shape((indices.shape[0],))
        return x, y

    return orders.map(load, num_parallel_calls=2, deterministic=True).prefetch(4)


def training_batches(
    inputs: Inputs,
    indices: np.ndarray,
    batch_size: int,
    seed: int,
    first_epoch: int = 0,
) -> tuple[tf.data.Dataset, int]:
    """An endless dataset of shuffled (inputs (B, ...), labels (B,)) and the steps of an epoch.

    Args:
        inputs: The clips.
        indices: Which of them train.
        batch_size: B.
        seed: Of the shuffling.
        first_epoch: Epoch to begin with, counted from 0 (for a resumed run).
    """
    if not len(indices):
        raise DatasetError(f"dataset '{inputs.dataset.name}': no clips to train on in this fold")

    def orders(epoch: tf.Tensor) -> tf.data.Dataset:
        order = tf.numpy_function(
            lambda e: epoch_order(indices, batch_size, seed, int(e)), [epoch], tf.int64
        )
        order.set_shape((None, batch_size))
        return tf.data.Dataset.from_tensor_slices(order)

    epochs = tf.data.Dataset.counter(first_epoch)
    return _batches(epochs.flat_map(orders), inputs), -(-len(indices) // batch_size)


def evaluation_batches(inputs: Inputs, indices: np.ndarray, batch_size: int) -> tf.data.Dataset:
    """(inputs (B, ...), labels (B,)) in the given order; the last batch repeats clips to be full.

    Cut what is predicted to `len(indices)`.
    """
    rows = -(-len(indices) // batch_size)
    order = np.resize(np.asarray(indices, np.int64), (rows, batch_size))
    return _batches(tf.data.Dataset.from_tensor_slices(order), inputs)
