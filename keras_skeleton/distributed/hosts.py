"""Processes on one or several hosts that train one network, with `keras.distribution` on JAX.

A batch is one array sharded over all devices. Batch normalization, dropout, augmentation and
gradient clipping work as on one device, and the weights are the same up to rounding. (On CPUs, XLA
sums the gradients of a recurrent layer in every time step, so over a slow network convolutions gain
more.)

Every process does the same work and scores the same clips (each its part of a batch), but only
process 0 writes to the run's folder. The others write to a temporary folder and receive from
process 0 the files that a resumed run needs, so only the data must be available on all hosts.

Tested with two processes on the CPUs of one host.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_skeleton.distributed.devices import Devices, DistributionError, padded, use
from keras_skeleton.utils.errors import UserError

JOIN = 300  # seconds that processes wait for each other at the start
HEARTBEAT = 60  # seconds without a heartbeat after which a process counts as dead
LEAVE = 24 * 3600  # seconds that processes wait at the end, while process 0 writes the report
KEPT = {".npz", ".h5", ".json", ".csv"}  # files of a fold's state and its finished stages


class Hosts(Devices):
    """All devices of several processes, over which every batch is sharded."""

    def __init__(self, process: int, processes: int) -> None:
        import jax
        import keras

        self._jax, self._keras = jax, keras
        self._layout = keras.distribution.DataParallel(auto_shard_dataset=False)
        keras.distribution.set_distribution(self._layout)
        keras.utils.set_random_seed(0)  # all processes must draw the same numbers
        self.process, self.processes = process, processes
        self.replicas = jax.device_count()

    def describe(self) -> str:
        return f", {self.replicas} devices in {self.processes} processes"

    def alone(self) -> AbstractContextManager[Any]:
        return _without(self._keras.distribution)

    def forward(self, model: Any) -> Callable[[Any], np.ndarray]:
        jax, keras, layout = self._jax, self._keras, self._layout
        everywhere = keras.distribution.TensorLayout((), layout.device_mesh).backend_layout

        def call(trainable: Any, other: Any, x: Any) -> Any:
            return model.stateless_call(trainable, other, x, training=False)[0]

        run = jax.jit(call, out_shardings=everywhere)

        def spread(a: np.ndarray) -> Any:
            sharding = layout.get_data_layout(a.shape).backend_layout
            return jax.make_array_from_callback(a.shape, sharding, lambda rows: a[rows])

        def logits(x: Any) -> np.ndarray:
            count = len(keras.tree.flatten(x)[0])
            full = padded(count, self.replicas)
            shares = keras.tree.map_structure(lambda a: spread(np.asarray(a)[full]), x)
            trainable = [v.value for v in model.trainable_variables]
            other = [v.value for v in model.non_trainable_variables]
            return np.asarray(run(trainable, other, shares))[:count]

        return logits

    def compare(self, mine: Mapping[str, Any]) -> None:
        from jax.experimental import multihost_utils

        own = np.frombuffer(json.dumps(mine, sort_keys=True).encode(), np.uint8)
        longest = int(multihost_utils.process_allgather(np.array([len(own)])).max())
        sent = np.pad(own, (0, longest - len(own)), constant_values=ord(" "))
        texts = multihost_utils.process_allgather(sent)
        first, *others = (json.loads(bytes(text)) for text in texts.reshape(-1, longest))
        for number, other in enumerate(others, start=1):
            every = {**first, **other}
            if differ := [key for key in every if first.get(key) != other.get(key)]:
                raise DistributionError(
                    f"process {number} and process 0 were started with different settings ("
                    f"{', '.join(differ)}); start all processes with the same command, except for "
                    "--process-id"
                )

    def decide(self, make: Callable[[], Any]) -> Any:
        answer: dict[str, Any] = {}
        if not self.process:
            try:
                answer = {"value": make()}
            except UserError as error:
                answer = {"error": str(error)}
        answer = json.loads(self._from_first(json.dumps(answer).encode()))
        if "error" in answer:
            raise DistributionError(answer["error"])
        return answer["value"]

    def send(self, run: Path, folds: Sequence[Path]) -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for fold in folds:
                shutil.rmtree(fold / "features", ignore_errors=True)  # recomputed everywhere
                for file in sorted(fold.rglob("*")):
                    if file.suffix in KEPT:
                        archive.write(file, file.relative_to(run))
        content = self._from_first(packed.getvalue())
        if self.process:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                for name in archive.namelist():
                    target = run / name
                    if not target.resolve().is_relative_to(run.resolve()):
                        raise DistributionError(f"process 0 sent '{name}', not in the run's folder")
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(archive.read(name))

    def _from_first(self, content: bytes) -> bytes:
        """Returns the `content` of process 0 in all processes."""
        from jax.experimental import multihost_utils

        size = int(multihost_utils.broadcast_one_to_all(np.array(len(content))))
        own = np.zeros(size, np.uint8) if self.process else np.frombuffer(content, np.uint8)
        return bytes(np.asarray(multihost_utils.broadcast_one_to_all(own)).astype(np.uint8))

    def leave(self) -> None:
        self._jax.distributed.shutdown()


@contextmanager
def _without(distribution: Any) -> Iterator[None]:
    kept = distribution.distribution()
    distribution.set_distribution(None)
    try:
        yield
    finally:
        distribution.set_distribution(kept)


@dataclass(frozen=True)
class Job:
    """One process of a training on several hosts.

    Attributes:
        coordinator: HOST:PORT of process 0, reachable from every process.
        processes: Number of processes.
        process: Number of this process, from 0.

    Raises:
        DistributionError: An invalid value, or a KERAS_BACKEND other than JAX.

    Example:
        >>> from keras_skeleton.distributed.hosts import Job
        >>> print(Job("localhost:8476", processes=2, process=0))
        process 0 of 2
    """

    coordinator: str
    processes: int
    process: int

    def __post_init__(self) -> None:
        host, _, port = self.coordinator.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise DistributionError(
                f"--coordinator {self.coordinator}: write HOST:PORT, the address of process 0"
            )
        if not 0 <= self.process < self.processes:
            raise DistributionError(
                f"--process-id {self.process}: with {self.processes} processes it must be 0 to "
                f"{self.processes - 1}"
            )
        if os.environ.get("KERAS_BACKEND", "jax") != "jax":
            raise DistributionError(
                "--coordinator requires Keras' JAX backend, but KERAS_BACKEND is "
                f"'{os.environ['KERAS_BACKEND']}'; unset it"
            )

    def __str__(self) -> str:
        return f"process {self.process} of {self.processes}"

    def prepare(self) -> None:
        """Selects the JAX backend; to be called before Keras is imported.

        Raises:
            DistributionError: JAX or TensorFlow is not installed.
        """
        from importlib.util import find_spec

        for name, why in (("jax", "trains on JAX"), ("tensorflow", "reads data with tf.data")):
            if find_spec(name) is None:
                raise DistributionError(
                    f"--coordinator {why}: install {name} on every host (pip install {name})"
                )
        os.environ["KERAS_BACKEND"] = "jax"
        os.environ.setdefault("JAX_CPU_COLLECTIVES_IMPLEMENTATION", "gloo")

    def join(self) -> None:
        """Connects to the other processes.

        Raises:
            DistributionError: Process 0 cannot be reached.
        """
        import jax

        self._reach()
        jax.distributed.initialize(
            self.coordinator,
            self.processes,
            self.process,
            initialization_timeout=JOIN,
            cluster_detection_method="deactivate",  # SLURM's uses only one device per process
            heartbeat_timeout_seconds=HEARTBEAT,
            shutdown_timeout_seconds=LEAVE,
        )
        use(Hosts(self.process, self.processes))

    def _reach(self) -> None:
        """Checks that process 0 can be reached, or, in process 0, that its port is free.

        Otherwise JAX would end the process without a message.
        """
        host, _, port = self.coordinator.rpartition(":")
        if not self.process:
            with socket.socket() as free:
                free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    free.bind(("", int(port)))
                except OSError as error:
                    raise DistributionError(
                        f"--coordinator {self.coordinator}: this host cannot listen on port {port} "
                        f"({error.strerror}); choose another one"
                    ) from None
            return
        last = time.monotonic() + JOIN
        while True:
            try:
                socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
                return
            except OSError as error:
                if time.monotonic() > last:
                    raise DistributionError(
                        f"--coordinator {self.coordinator}: no process 0 found after {JOIN} s "
                        f"({error.strerror or error}); start it with the same command and "
                        "--process-id 0, on a host and port that the others can reach"
                    ) from None
                time.sleep(0.5)
