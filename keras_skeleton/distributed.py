"""Training on more than one device: what runs where, and who writes.

    one device    the default
    Mirrored      `--devices all`: the GPUs of this host, by TensorFlow's MirroredStrategy
    Hosts         `--coordinator`: processes on several hosts, by `keras.distribution` on JAX

A batch is the recipe's, however many devices share it, so that results compare. Each device takes
an equal part of it; a batch size that cannot be shared equally is refused.

On hosts a batch is one array that lies on all devices: batch normalisation, dropout, augmentation
and clipped gradients are those of one device, and the weights end equal up to rounding. (XLA adds
up the gradients of a recurrent layer in every step of time, as seen on CPUs: over a slow network
convolutions gain more.) With `Mirrored` each device works by itself and the gradients are added.
Batch normalisation is made to take its statistics over all devices (`synchronized`), and gradients
are clipped after they were added; so a network without dropout and augmentation ends like on one
device. With them it ends like with another seed: every device draws the same for its part of the
batch.

Every process of `Hosts` does the same work and scores the same clips (each on its share of a
batch), but only process 0 has the run's folder. The others write into a folder of their own that is
thrown away, and get from process 0 what a resumed run needs; so no shared folder is needed but for
the data.

Nothing here is known to the rest of the package but `current()`, `Devices` and its methods. What
one device needs is nothing, so its methods do nothing.
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
HEARTBEAT = 60  # seconds without a sign of life after which a process counts as dead
LEAVE = 24 * 3600  # seconds that processes wait at the end, while process 0 writes the report
KEPT = {".npz", ".h5", ".json", ".csv"}  # the state of a fold, and its finished stages
STOPPED = 3  # exit status where another process is gone


class DistributionError(UserError):
    """The devices or processes cannot work together; the message says why and what to do."""


class Devices:
    """One device: the base of the others.

    Attributes:
        process, processes: Which process this is, from 0, and of how many.
        replicas: Devices that share a batch.
    """

    process, processes, replicas = 0, 1, 1

    def describe(self) -> str:
        """For the record, after the name of the backend; empty for one device."""
        return ""

    def scope(self) -> AbstractContextManager[Any]:
        """Networks and optimizers are made in it."""
        return nullcontext()

    def alone(self) -> AbstractContextManager[Any]:
        """Networks that are made in it belong to this process alone."""
        return nullcontext()

    def check_batch(self, batch_size: int) -> None:
        """DistributionError where the devices cannot take equal parts of a batch."""
        if rest := batch_size % self.replicas:
            near = [n for n in (batch_size - rest, batch_size - rest + self.replicas) if n]
            raise DistributionError(
                f"{self.replicas} devices cannot take equal parts of a batch of {batch_size} clips;"
                f" choose --batch-size {' or '.join(map(str, near))}"
            )

    def join_statistics(self, model: Any) -> None:
        """Lets batch normalisation take its statistics over the whole batch."""

    def clip_together(self, optimizer: Any) -> None:
        """Lets the optimizer clip the gradients of the whole batch."""

    def forward(self, model: Any) -> Callable[[Any], np.ndarray]:
        """A function from inputs (B, ...), the same in all processes, to float (B, C) logits."""
        return model.predict_on_batch

    def compare(self, mine: Mapping[str, Any]) -> None:
        """DistributionError where the processes were not started for the same work."""

    def decide(self, make: Callable[[], Any]) -> Any:
        """What `make` returns in process 0, or the UserError that it raises, in every process."""
        return make()

    def send(self, run: Path, folds: Sequence[Path]) -> None:
        """Copies what folds of a run need to go on from process 0 to the other processes' `run`."""

    def leave(self) -> None:
        """The end: waits until every process has come to it."""


class Mirrored(Devices):
    """The devices of this host, each with a copy of the network."""

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
            # Keras would clip each device's gradients and then add them; so they are added first,
            # and each device hands on its part of the result.
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
    """All devices of several processes, which share every batch."""

    def __init__(self, process: int, processes: int) -> None:
        import jax
        import keras

        self._jax, self._keras = jax, keras
        self._layout = keras.distribution.DataParallel(auto_shard_dataset=False)
        keras.distribution.set_distribution(self._layout)
        keras.utils.set_random_seed(0)  # what is drawn must be the same everywhere
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
                    f"process {number} was started for other work than process 0 (other "
                    f"{', '.join(differ)}); give all processes the same command, but for "
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
                shutil.rmtree(fold / "features", ignore_errors=True)  # all compute them again
                for file in sorted(fold.rglob("*")):
                    if file.suffix in KEPT:
                        archive.write(file, file.relative_to(run))
        content = self._from_first(packed.getvalue())
        if self.process:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                for name in archive.namelist():
                    target = run / name
                    if not target.resolve().is_relative_to(run.resolve()):
                        raise DistributionError(f"process 0 sent '{name}', out of the run's folder")
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(archive.read(name))

    def _from_first(self, content: bytes) -> bytes:
        """What process 0 gives, in all processes."""
        from jax.experimental import multihost_utils

        size = int(multihost_utils.broadcast_one_to_all(np.array(len(content))))
        own = np.zeros(size, np.uint8) if self.process else np.frombuffer(content, np.uint8)
        return bytes(np.asarray(multihost_utils.broadcast_one_to_all(own)).astype(np.uint8))

    def leave(self) -> None:
        self._jax.distributed.shutdown()


_current = Devices()


def current() -> Devices:
    """The devices that this process trains on."""
    return _current


def _filled(count: int, parts: int) -> np.ndarray:
    """Rows of a batch, the first ones again at the end, so that it has `parts` equal parts."""
    return np.arange(-(-count // parts) * parts) % count


@contextmanager
def _without(distribution: Any) -> Iterator[None]:
    kept = distribution.distribution()
    distribution.set_distribution(None)
    try:
        yield
    finally:
        distribution.set_distribution(kept)


# ---------------------------------------------------------------- before anything is trained


def free_memory() -> None:
    """Lets TensorFlow take a GPU's memory as it needs it. Where JAX computes, TensorFlow only
    reads: it keeps off the GPUs."""
    import keras

    try:
        import tensorflow as tf
    except ModuleNotFoundError:
        return
    with suppress(RuntimeError):  # TensorFlow has started in this process: as it was then
        if keras.backend.backend() != "tensorflow":
            tf.config.set_visible_devices([], "GPU")
            return
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)


def use_all() -> str:
    """`--devices all`: from here on this process trains on all GPUs, or without any on all of
    TensorFlow's logical CPUs; says which."""
    global _current
    import keras
    import tensorflow as tf

    if (backend := keras.backend.backend()) != "tensorflow":
        raise DistributionError(
            f"--devices all works on Keras' TensorFlow backend, not on '{backend}'; unset "
            "KERAS_BACKEND, or train on JAX with --coordinator"
        )
    names = [d.name for d in tf.config.list_logical_devices("GPU")]
    names = names or [d.name for d in tf.config.list_logical_devices("CPU")]
    kind = names[0].split(":")[-2]
    if len(names) == 1:
        return f"--devices all: there is one {kind}, which trains alone"
    if not isinstance(_current, Mirrored):  # a second strategy would meet the first one's messages
        _current = Mirrored(names)
    return f"trains on {len(names)} devices: {kind} 0 to {len(names) - 1}"


@dataclass(frozen=True)
class Job:
    """One process among those that train together.

    Attributes:
        coordinator: HOST:PORT of process 0, as every process reaches it.
        processes: How many.
        process: Which one this is, from 0.
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
                f"--process-id {self.process}: of {self.processes} processes the numbers are 0 to "
                f"{self.processes - 1}"
            )
        if os.environ.get("KERAS_BACKEND", "jax") != "jax":
            raise DistributionError(
                "--coordinator trains on Keras' JAX backend, but KERAS_BACKEND is "
                f"'{os.environ['KERAS_BACKEND']}'; unset it"
            )

    def __str__(self) -> str:
        return f"process {self.process} of {self.processes}"

    def prepare(self) -> None:
        """Before Keras is imported: chooses the backend; DistributionError where it lacks."""
        from importlib.util import find_spec

        for name, why in (("jax", "trains on JAX"), ("tensorflow", "reads data by tf.data")):
            if find_spec(name) is None:
                raise DistributionError(
                    f"--coordinator {why}: install {name} on every host (pip install {name})"
                )
        os.environ["KERAS_BACKEND"] = "jax"
        os.environ.setdefault("JAX_CPU_COLLECTIVES_IMPLEMENTATION", "gloo")

    def join(self) -> None:
        """Meets the other processes; from here on all train together."""
        global _current
        import jax

        self._reach()
        jax.distributed.initialize(
            self.coordinator,
            self.processes,
            self.process,
            initialization_timeout=JOIN,
            cluster_detection_method="deactivate",  # SLURM's would leave one device a process
            heartbeat_timeout_seconds=HEARTBEAT,
            shutdown_timeout_seconds=LEAVE,
        )
        _current = Hosts(self.process, self.processes)

    def _reach(self) -> None:
        """DistributionError where process 0 cannot be reached, or in it, where its port is taken:
        JAX would end the process without a word."""
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
                        f"--coordinator {self.coordinator}: no process 0 there after {JOIN} s "
                        f"({error.strerror or error}); start it with the same command and "
                        "--process-id 0, on a host and port that the others can reach"
                    ) from None
                time.sleep(0.5)


# ---------------------------------------------------------------- when a process is lost

_SPEAKER = """
import sys
*_, last = sys.stdin  # ends with the process that writes to it
sys.stderr.write(last.lstrip())
"""


class CrashReporter:
    """What is printed when this process ends before it has said that all is well.

    Where another process is gone, JAX ends this one from a thread of its own: no code of ours runs
    any more. So another, small process waits for this one's end, whatever it comes from, and
    speaks for it.
    """

    def __init__(self, words: str) -> None:
        self._speaker = subprocess.Popen(
            [sys.executable, "-S", "-c", _SPEAKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # Ctrl-C is not for it
        )
        self.set(words)

    def set(self, words: str) -> None:
        """Says something else from here on; `""` for nothing."""
        assert self._speaker.stdin is not None
        self._speaker.stdin.write(words.replace("\n", " ") + "\n")
        self._speaker.stdin.flush()


@contextmanager
def distributed_session(job: Job | None) -> Iterator[Callable[[], None]]:
    """What several processes do together; gives a function to call once they have met. Whichever
    stops, all stop, and each says how to go on.

    An error ends the process at once, with its message: on the way out JAX would wait for the
    other processes, which wait for this one.

    Args:
        job: Which process this is; without it, nothing happens here.
    """
    if job is None:
        yield lambda: None
        return
    words = CrashReporter(
        f"run.py: {job}: not all processes have met; start all of them within {JOIN} s, each with "
        "the same command, but for --process-id"
    )
    lost = (
        f"run.py: {job}: stops, because a process of this training has stopped; to go on, start "
        "all of them again, each with the same command and --resume"
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
    """Prints what an error says; the exit status."""
    if isinstance(error, UserError):
        print(f"run.py: {job}: {error}", file=sys.stderr)
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
