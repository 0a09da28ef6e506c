"""The devices that train a network; this file has the default, one device.

    devices.py    one device, and the methods that the rest of the package calls
    mirrored.py   `--devices all`: the GPUs of this host, with TensorFlow's MirroredStrategy
    hosts.py      `--coordinator`: processes on several hosts, with `keras.distribution` on JAX
    session.py    messages and exit statuses if one of these processes stops

The rest of the package uses only `current()` and the methods of `Devices`. The batch size is the
recipe's, regardless of the number of devices, so results are comparable. Each device processes an
equal part of the batch; a batch size that is not divisible by the number of devices raises an
error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any

import numpy as np

from keras_skeleton.utils.errors import UserError


class DistributionError(UserError):
    """The devices or processes cannot train together."""


class Devices:
    """One device; base class of the other configurations.

    Attributes:
        process, processes: Number of this process, from 0, and the number of processes.
        replicas: Number of devices that share a batch.
    """

    process, processes, replicas = 0, 1, 1

    def describe(self) -> str:
        """Text appended to the backend's name in the run's record; empty for one device."""
        return ""

    def scope(self) -> AbstractContextManager[Any]:
        """Context in which networks and optimizers are created."""
        return nullcontext()

    def alone(self) -> AbstractContextManager[Any]:
        """Context in which networks are created that are local to this process."""
        return nullcontext()

    def check_batch(self, batch_size: int) -> None:
        """Checks that the batch size is divisible by the number of devices.

        Raises:
            DistributionError: It is not.
        """
        if rest := batch_size % self.replicas:
            near = [n for n in (batch_size - rest, batch_size - rest + self.replicas) if n]
            raise DistributionError(
                f"{self.replicas} devices cannot split a batch of {batch_size} clips equally; "
                f"choose --batch-size {' or '.join(map(str, near))}"
            )

    def join_statistics(self, model: Any) -> None:
        """Makes batch normalization compute its statistics over the whole batch."""

    def clip_together(self, optimizer: Any) -> None:
        """Makes the optimizer clip the gradients of the whole batch."""

    def forward(self, model: Any) -> Callable[[Any], np.ndarray]:
        """Returns a function from inputs (B, ...), the same in all processes, to logits (B, C)."""
        return model.predict_on_batch

    def compare(self, mine: Mapping[str, Any]) -> None:
        """Checks that all processes were started with the same settings.

        Raises:
            DistributionError: They were not.
        """

    def decide(self, make: Callable[[], Any]) -> Any:
        """Calls `make` in process 0 and returns its result, or raises its UserError, in all."""
        return make()

    def send(self, run: Path, folds: Sequence[Path]) -> None:
        """Copies the files that folds need to resume from process 0 to the others' `run` folder."""

    def leave(self) -> None:
        """Waits at the end of the run for all processes."""


_current = Devices()


def current() -> Devices:
    """Returns the devices on which this process trains."""
    return _current


def use(devices: Devices) -> None:
    """Makes this process train on these devices."""
    global _current
    _current = devices


def padded(count: int, parts: int) -> np.ndarray:
    """Indices of a batch, padded with its first ones to a multiple of `parts`."""
    return np.arange(-(-count // parts) * parts) % count


def free_memory() -> None:
    """Makes TensorFlow allocate GPU memory as needed.

    With another backend TensorFlow only reads data, so all GPUs are hidden from it.
    """
    import keras

    try:
        import tensorflow as tf
    except ModuleNotFoundError:
        return
    with suppress(RuntimeError):  # TensorFlow has started already: its settings are fixed
        if keras.backend.backend() != "tensorflow":
            tf.config.set_visible_devices([], "GPU")
            return
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
