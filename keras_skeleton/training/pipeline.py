"""Input pipelines based on `tf.data`: from clips to batches.

`Inputs` preprocesses clips and caches the results (`part_inputs` does so for networks with video
inputs); `training_batches` and `evaluation_batches` turn them into `tf.data` datasets. The order of
the clips depends only on (seed, epoch), so runs are reproducible and can be resumed at any epoch.
Augmentations are layers (`layers.augmentation`) in front of the network: they process whole
batches on the network's device.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from keras_skeleton.datasets.dataset import SkeletonDataset
from keras_skeleton.utils.errors import DatasetError
from keras_skeleton.utils.large_arrays import MEMORY, large_array

AHEAD = 1 << 30  # memory limit of prefetched batches in bytes; at least one is prefetched
_deterministic = False


def make_deterministic() -> None:
    """Makes TensorFlow operations deterministic for the rest of this process.

    Results are then bit-identical for the same inputs and number of threads. TensorFlow raises an
    error for operations without a deterministic implementation.
    """
    global _deterministic
    tf.config.experimental.enable_op_determinism()
    _deterministic = True


def is_deterministic() -> bool:
    """Whether `make_deterministic` was called."""
    return _deterministic


Read = Callable[[np.ndarray], np.ndarray]
"""Maps a clip (T, M, V, 3) to the input of a network, float32 with a fixed shape."""


Shape = tuple[int, ...] | dict[str, tuple[int, ...]]
Arrays = np.ndarray | dict[str, np.ndarray]
Draw = tuple[int, int]
"""Key of a clip's random sampling. Training uses (1 + seed, epoch). Evaluation uses (0, v) for its
v-th fixed view; (0, 0) takes the middle instead of a random sample."""


class ClipInputs(Protocol):
    """Preprocessed inputs of all clips, from which batches are made.

    Attributes:
        dataset: The clips.
        labels: Class indices, int32 (n,).
    """

    dataset: SkeletonDataset
    labels: np.ndarray

    @property
    def shape(self) -> Shape:
        """Shape of one clip's input, or of each named input."""
        ...

    def batch(self, indices: np.ndarray, draw: Draw = (0, 0)) -> Arrays:
        """Inputs of the clips with the given indices, float32 (B, ...)."""
        ...


class Inputs:
    """Preprocessed inputs of all clips, computed on first use and cached.

    Preprocessing is deterministic: `draw` has no effect.

    Args:
        dataset: The clips, read one at a time from the memory-mapped store.
        read: Preprocessing function, from a clip (T, M, V, 3) to an array of a fixed shape.
        limit: Size limit in bytes. If all inputs need more, nothing is cached and each clip is
            preprocessed again in every epoch.
        memory: Size in bytes up to which the cache is in memory; a larger one is in a temporary
            file, see `utils.large_arrays`.

    Raises:
        DatasetError: If the dataset has no clips.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.training.pipeline import Inputs
        >>> from keras_skeleton.datasets.registry import load_dataset
        >>> dataset = load_dataset("synthetic", subjects=2, repetitions=1)
        >>> inputs = Inputs(dataset, lambda clip: clip[:16, 0])
        >>> inputs.batch(np.array([0, 1])).shape
        (2, 16, 25, 3)
    """

    def __init__(
        self,
        dataset: SkeletonDataset,
        read: Read,
        limit: int = 4 << 30,
        memory: int = MEMORY,
    ) -> None:
        if not len(dataset):
            raise DatasetError(f"dataset '{dataset.name}' has no clips")
        self.dataset = dataset
        self.labels = dataset.labels.astype(np.int32)
        shape = self._compute(0, read).shape
        self.shape = shape
        self._read = read
        needed = len(dataset) * int(np.prod(shape)) * 4
        self._kept = large_array((len(dataset), *shape), memory) if needed <= limit else None
        self._known = np.zeros(len(dataset), bool)

    def _compute(self, i: int, read: Read) -> np.ndarray:
        try:
            return read(self.dataset.clip(i))
        except ValueError as error:
            name = self.dataset.samples["name"].iloc[i]
            raise DatasetError(f"{self.dataset.name}, clip '{name}': {error}") from error

    def batch(self, indices: np.ndarray, draw: Draw = (0, 0)) -> np.ndarray:
        """Inputs of the clips with the given indices, float32 (B, ...).

        Raises:
            DatasetError: If a clip cannot be preprocessed.
        """
        indices = np.asarray(indices)
        if self._kept is None:
            batch = np.empty((len(indices), *self.shape), np.float32)
            for row, i in zip(batch, indices, strict=True):
                row[:] = self._compute(i, self._read)
            return batch
        for i in indices[~self._known[indices]]:
            self._kept[i] = self._compute(i, self._read)
            self._known[i] = True
        return np.asarray(self._kept[indices])


def epoch_order(indices: np.ndarray, batch_size: int, seed: int, epoch: int) -> np.ndarray:
    """Shuffled clip indices of every step of an epoch, int64 (steps, batch_size).

    Every clip occurs once. An incomplete last batch is filled with the first clips of the epoch,
    so that all steps have the same shape and nothing is compiled twice.
    """
    order = np.random.default_rng((seed, epoch)).permutation(indices)
    steps = -(-len(order) // batch_size)
    return np.resize(order, (steps, batch_size))


def _batches(rows: tf.data.Dataset, inputs: ClipInputs) -> tf.data.Dataset:
    """Maps rows of (clip indices, draw) to (inputs, labels), prefetching the next batches."""
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
    # There is nothing to tune, and with autotuning an iterator may end up to a minute after the
    # last step.
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.with_options(options)


def epoch_steps(clips: int, batch_size: int) -> int:
    """Number of steps in an epoch that covers every clip."""
    return -(-clips // batch_size)


def training_batches(
    inputs: ClipInputs,
    indices: np.ndarray,
    batch_size: int,
    seed: int,
    first_epoch: int = 0,
    part: tuple[int, int] = (0, 1),
) -> tuple[tf.data.Dataset, int]:
    """Creates an endless dataset of shuffled training batches.

    Args:
        inputs: Preprocessed inputs of all clips.
        indices: Indices of the training clips.
        batch_size: Batch size B.
        seed: Seed of the shuffling.
        first_epoch: First epoch, counted from 0 (for a resumed run).
        part: (i, n): return only part i of n equal parts of every batch, B / n clips, for
            training with n processes.

    Returns:
        The dataset of (inputs (B, ...), labels (B,)), and the number of steps per epoch.

    Raises:
        DatasetError: If there are no training clips.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.training.pipeline import Inputs, training_batches
        >>> from keras_skeleton.datasets.registry import load_dataset
        >>> dataset = load_dataset("synthetic", subjects=2, repetitions=1)
        >>> inputs = Inputs(dataset, lambda clip: clip[:16, 0])
        >>> batches, steps = training_batches(inputs, np.arange(10), batch_size=4, seed=0)
        >>> x, y = next(iter(batches))
        >>> x.shape.as_list(), y.shape.as_list(), steps
        ([4, 16, 25, 3], [4], 3)
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
    """Creates a dataset of evaluation batches, in the given order.

    An incomplete last batch is filled by repeating clips: truncate predictions to `len(indices)`.

    Args:
        inputs: Preprocessed inputs of all clips.
        indices: Indices of the clips to evaluate.
        batch_size: Batch size B.
        view: Index of the fixed view of each clip, for inputs that sample frames.

    Returns:
        A dataset of (inputs (B, ...), labels (B,)).

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.training.pipeline import Inputs, evaluation_batches
        >>> from keras_skeleton.datasets.registry import load_dataset
        >>> dataset = load_dataset("synthetic", subjects=2, repetitions=1)
        >>> inputs = Inputs(dataset, lambda clip: clip[:16, 0])
        >>> batches = evaluation_batches(inputs, np.arange(6), batch_size=4)
        >>> [x.shape.as_list() for x, _ in batches]
        [[4, 16, 25, 3], [4, 16, 25, 3]]
    """
    count = -(-len(indices) // batch_size)
    order = np.resize(np.asarray(indices, np.int64), (count, batch_size))
    draws = np.tile(np.array([0, view], np.int64), (count, 1))
    return _batches(tf.data.Dataset.from_tensor_slices((order, draws)), inputs)
