"""Data-parallel training on several devices.

    one device    the default
    Mirrored      `--devices all`: the GPUs of this host, with TensorFlow's MirroredStrategy
    Hosts         `--coordinator`: processes on several hosts, with `keras.distribution` on JAX

The batch size is the recipe's, regardless of the number of devices, so results are comparable.
Each device processes an equal part of the batch; a batch size that is not divisible by the number
of devices raises an error.

With `Hosts`, a batch is one array sharded over all devices. Batch normalization, dropout,
augmentation and gradient clipping work as on one device, and the weights are the same up to
rounding. (On CPUs, XLA sums the gradients of a recurrent layer in every time step, so over a slow
network convolutions gain more.)

With `Mirrored`, each device processes its part separately and the gradients are summed. Batch
normalization computes its statistics over all devices (`synchronized`), and gradients are clipped
after summing, so the results match those of one device for a network without dropout and
augmentation. With dropout or augmentation they differ as with another seed, because every device
draws the same random numbers for its part of the batch.

Every process of `Hosts` does the same work and scores the same clips (each process its part of a
batch), but only process 0 writes to the run's folder. The others write to a temporary folder and
receive from process 0 the files that a resumed run needs, so only the data must be available on all
hosts.

The rest of the package uses only `current()` and the methods of `Devices`. The base class `Devices`
is one device; most of its methods do nothing.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import traceback
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_skeleton.utils.errors import UserError

JOIN = 300  # seconds that processes wait for each other at the start
HEARTBEAT = 60  # seconds without a heartbeat after which a process counts as dead
LEAVE = 24 * 3600  # seconds that processes wait at the end, while process 0 writes the report
KEPT = {".npz", ".h5", ".json", ".csv"}  # files of a fold's state and its finished stages
STOPPED = 3  # exit status if another process has stopped


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


class Mirrored(Devices):
    """All devices of this host, each with a copy of the network."""

    def __init__(self, names: Sequence[str]) -> None:
        import tensorflow as tf

        self._tf = tf
        self._strategy = tf.distribute.MirroredStrategy(list(names))
        self.replicas = len(names)

    def describe(self) -> str:
        return f", {self.replicas} devices"

    def scope(self) -> AbstractContextManager[Any]:
        return self._strategy.scope()

    def join_statistics(self, model: Any) -> None:
        import keras

        for layer in model.layers:
            if isinstance(layer, keras.Model):
                self.join_statistics(layer)
            elif isinstance(layer, keras.layers.BatchNormalization):
                layer.synchronized = True

    def clip_together(self, optimizer: Any) -> None:
        if (norm := optimizer.clipnorm) is None:
            return
        tf, n, apply = self._tf, self.replicas, optimizer.apply

        def apply_clipped(gradients: Any, variables: Any = None) -> Any:
            # Keras would clip each device's gradients before summing them. Sum and clip them here;
            # each device passes on 1 / n of the result, because Keras sums again.
            context = tf.distribute.get_replica_context()
            whole = context.all_reduce(tf.distribute.ReduceOp.SUM, list(gradients))
            return apply([tf.clip_by_norm(g, norm) / n for g in whole], variables)

        optimizer.clipnorm = None
        optimizer.apply = apply_clipped

    def forward(self, model: Any) -> Callable[[Any], np.ndarray]:
        import keras

        tf, strategy = self._tf, self._strategy

        @tf.function
        def run(shares: Any) -> Any:
            return strategy.run(lambda x: model(x, training=False), args=(shares,))

        def logits(x: Any) -> np.ndarray:
            count = len(keras.tree.flatten(x)[0])
            parts = np.split(_filled(count, self.replicas), self.replicas)
            shares = strategy.experimental_distribute_values_from_function(
                lambda context: keras.tree.map_structure(
                    lambda a: tf.constant(a[parts[context.replica_id_in_sync_group]]), x
                )
            )
            found = strategy.experimental_local_results(run(shares))
            return np.concatenate([np.asarray(part) for part in found])[:count]

        return logits


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
            full = _filled(count, self.replicas)
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


_current = Devices()


def current() -> Devices:
    """Returns the devices on which this process trains."""
    return _current


def _filled(count: int, parts: int) -> np.ndarray:
    """Indices of a batch, padded with its first ones to a multiple of `parts`."""
    return np.arange(-(-count // parts) * parts) % count


@contextmanager
def _without(distribution: Any) -> Iterator[None]:
    kept = distribution.distribution()
    distribution.set_distribution(None)
    try:
        yield
    finally:
        distribution.set_distribution(kept)


# ---------------------------------------------------------------- setup before training


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


def use_all() -> str:
    """Implements `--devices all`: makes this process train on all devices of this host.

    These are all GPUs, or all of TensorFlow's logical CPUs if there are no GPUs.

    Returns:
        A message that names the devices.

    Raises:
        DistributionError: Keras' backend is not TensorFlow.
    """
    global _current
    import keras
    import tensorflow as tf

    if (backend := keras.backend.backend()) != "tensorflow":
        raise DistributionError(
            f"--devices all requires Keras' TensorFlow backend, but the backend is '{backend}'; "
            "unset KERAS_BACKEND, or train on JAX with --coordinator"
        )
    names = [d.name for d in tf.config.list_logical_devices("GPU")]
    names = names or [d.name for d in tf.config.list_logical_devices("CPU")]
    kind = names[0].split(":")[-2]
    if len(names) == 1:
        return f"--devices all: there is only one {kind}; training on it"
    if not isinstance(_current, Mirrored):  # a second strategy would conflict with the first one
        _current = Mirrored(names)
    return f"training on {len(names)} devices: {kind} 0 to {len(names) - 1}"


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
        global _current
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
        _current = Hosts(self.process, self.processes)

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


# ---------------------------------------------------------------- lost processes

_SPEAKER = """
import sys
*_, last = sys.stdin  # ends with the process that writes to it
sys.stderr.write(last.lstrip())
"""


class CrashReporter:
    """Prints a message if this process ends unexpectedly.

    If another process is lost, JAX ends this one from a thread, and none of our code runs any more.
    Therefore a small child process waits for the end of this one and prints the last message set.
    """

    def __init__(self, words: str) -> None:
        self._speaker = subprocess.Popen(  # noqa: S603 - a constant program
            [sys.executable, "-S", "-c", _SPEAKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # ignores Ctrl-C
        )
        self.set(words)

    def set(self, words: str) -> None:
        """Replaces the message; `""` prints nothing."""
        assert self._speaker.stdin is not None
        self._speaker.stdin.write(words.replace("\n", " ") + "\n")
        self._speaker.stdin.flush()


@contextmanager
def distributed_session(job: Job | None) -> Iterator[Callable[[], None]]:
    """Context of a training by several processes; if one stops, all stop with a message.

    An error prints its message and ends the process at once: a normal exit would hang, because JAX
    waits for the other processes while they wait for this one.

    Args:
        job: This process; with None the context does nothing.

    Yields:
        A function to call when all processes are connected.
    """
    if job is None:
        yield lambda: None
        return
    words = CrashReporter(
        f"keras-skeleton: {job}: not all processes have connected; start all of them within "
        f"{JOIN} s, with the same command except for --process-id"
    )
    lost = (
        f"keras-skeleton: {job}: stopped, because another process of this training has stopped; "
        "to resume, start all processes again with the same command and --resume"
    )
    try:
        yield lambda: words.set(lost)
    except BaseException as error:
        status = _say(error, job)
        if status != STOPPED:
            words.set("")
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    words.set("")


def _say(error: BaseException, job: Job) -> int:
    """Prints an error and returns the exit status."""
    if isinstance(error, UserError):
        print(f"keras-skeleton: {job}: {error}", file=sys.stderr)
        return 2
    if isinstance(error, KeyboardInterrupt):
        print("\nstopped", file=sys.stderr)
        return 130
    import jax

    if isinstance(error, jax.errors.JaxRuntimeError) or "Gloo" in str(error):
        print(f"{job}: {str(error).splitlines()[0]:.300}", file=sys.stderr)
        return STOPPED
    traceback.print_exception(error)
    return 1
