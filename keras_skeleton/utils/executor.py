"""Where independent work runs: processes of this machine, or the workers of a Dask cluster.

Folds, trainings of tables, crops of recordings, and films and files to label go through
`executor(...).map`. Work and data are named, not sent: a worker of another machine finds files
under the same paths, and starts in the same working folder.

Local processes are our own (`utils.processes`) rather than joblib's: they end with the command that
started them, even when it is killed, and can be new for each item.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from keras_skeleton.utils._version import __version__
from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.processes import map_processes, new_processes

CONNECT = 10  # seconds to reach the scheduler
PATIENCE = 60.0  # seconds without any worker
TRIES = 3  # of an item whose process is killed, by each worker


class WorkerError(UserError):
    """Work that a worker of a cluster could not do; the message names the worker."""


class Executor(Protocol):
    """Runs a function on many items."""

    def map(
        self,
        init_process: Callable[[], None],
        work: Callable[[Any], Any],
        items: Sequence[Any],
        anew: bool = False,
        needs: Sequence[Path] = (),
    ) -> Iterator[tuple[Any, Any]]:
        """Yields (item, `work(item)`) in order of completion.

        Functions, items and results must be picklable. If one item fails, those in progress are
        finished before its error is raised.

        Args:
            init_process: Called first in each process.
            work: The function.
            items: Its arguments.
            anew: Start each item with fresh memory.
            needs: Files or folders that every process must see.
        """
        ...


def executor(number: int, scheduler: str | None = None) -> Executor:
    """The executor of `--jobs NUMBER`, or of `--dask SCHEDULER`.

    Args:
        number: Number of local processes, which share the cores.
        scheduler: Address or file of a Dask scheduler; None for local processes.

    Raises:
        UserError: Dask is not installed.

    Example:
        >>> from keras_skeleton.utils.executor import executor
        >>> executor(2)
        Local(number=2)
    """
    if scheduler is None:
        return Local(number)
    check_dask()
    return Dask(scheduler)


def check_dask() -> None:
    """Raises UserError if Dask's scheduler is not installed."""
    if find_spec("distributed") is None:
        raise UserError("--dask needs the packages dask and distributed: pip install '.[dask]'")


@dataclass(frozen=True)
class Local:
    """Processes of this machine.

    Attributes:
        number: How many at the same time.
    """

    number: int

    def map(
        self,
        init_process: Callable[[], None],
        work: Callable[[Any], Any],
        items: Sequence[Any],
        anew: bool = False,
        needs: Sequence[Path] = (),
    ) -> Iterator[tuple[Any, Any]]:
        """See `Executor.map`."""
        yield from map_processes(min(self.number, len(items)), init_process, work, items, anew)


class _Order(NamedTuple):
    """What a worker is told with each item."""

    token: str  # the same for all items of a call of `map`
    folder: str
    needs: tuple[str, ...]
    version: str
    anew: bool


@dataclass(frozen=True)
class Dask:
    """The workers of a Dask cluster, one item each at a time.

    Each worker has a child process, which does its work. An item whose process is killed is done
    again, and that of a worker that dies is given to another one: work must be able to start again
    from what it left. Workers must have one thread, one for each item at a time.

    Attributes:
        address: HOST:PORT of the scheduler, or the .json file that it writes.
    """

    address: str

    def map(
        self,
        init_process: Callable[[], None],
        work: Callable[[Any], Any],
        items: Sequence[Any],
        anew: bool = False,
        needs: Sequence[Path] = (),
    ) -> Iterator[tuple[Any, Any]]:
        """See `Executor.map`. Raises WorkerError if a worker fails, or lacks what it needs."""
        import cloudpickle
        import distributed

        # As bytes, which the scheduler does not look into: it would import Keras.
        packed = cloudpickle.dumps((init_process, work))
        order = _Order(
            uuid.uuid4().hex,
            str(Path.cwd()),
            tuple(str(path.absolute()) for path in needs),
            __version__,
            anew,
        )
        running: dict[Any, Any] = {}
        left = list(enumerate(items))[::-1]
        seen = time.monotonic()  # the last time that there was a worker
        with self._client() as client:
            while left or running:
                threads = client.nthreads()
                if many := [worker for worker, n in threads.items() if n != 1]:
                    raise WorkerError(
                        f"worker {many[0]} has {threads[many[0]]} threads; start workers with "
                        "--nthreads 1, one for each item at a time"
                    )
                if threads:
                    seen = time.monotonic()
                elif time.monotonic() - seen > PATIENCE:
                    raise WorkerError(f"the scheduler {self.address} has no workers; start some")
                while left and len(running) < len(threads):
                    index, item = left.pop()
                    key = f"keras_skeleton-{order.token}-{index}"
                    future = client.submit(_run, order, packed, cloudpickle.dumps(item), key=key)
                    running[future] = item
                for future in _finished(list(running)):
                    try:
                        result = future.result()
                    except distributed.KilledWorker as error:
                        distributed.wait([f for f in running if f is not future])
                        raise WorkerError(
                            f"workers were killed again and again while they did "
                            f"{running[future]}, possibly for lack of memory: {error}"
                        ) from None
                    except Exception:
                        distributed.wait([f for f in running if f is not future])
                        raise
                    yield running.pop(future), result

    def _client(self) -> Any:
        import distributed

        try:
            if self.address.endswith(".json"):
                return distributed.Client(scheduler_file=self.address, timeout=CONNECT)
            return distributed.Client(self.address, timeout=CONNECT)
        except (OSError, ValueError) as error:
            raise UserError(f"--dask {self.address}: no scheduler answers ({error})") from None


def _finished(futures: Sequence[Any]) -> list[Any]:
    """Those that have ended, after at most a second."""
    import distributed

    if not futures:
        time.sleep(0.2)
        return []
    try:
        return list(distributed.wait(futures, timeout=1, return_when="FIRST_COMPLETED").done)
    except TimeoutError:
        return []


# ---------------------------------------------------------------- in a worker


class _Child(NamedTuple):
    """The process that does a worker's work."""

    token: str
    pool: ProcessPoolExecutor


_child: _Child | None = None
_begun = False  # in the child: whether it was initialized


def _run(order: _Order, packed: bytes, item: bytes) -> Any:
    """Does an item in a child process of the worker.

    The worker's own process draws random numbers for its connections, which would change those of a
    training, and must answer the scheduler while a network is compiled.
    """
    global _child
    from distributed import get_worker

    where = get_worker().address
    try:
        for _ in range(TRIES):
            if _child is None or _child.token != order.token:
                _check(order)
                if _child is not None:
                    _child.pool.shutdown(wait=False)
                _child = _Child(order.token, new_processes(1, _nothing, anew=order.anew))
            try:
                return _child.pool.submit(_work, packed, item).result()
            except BrokenProcessPool:
                _child = None
        raise UserError(f"its process was killed {TRIES} times, possibly for lack of memory")
    except UserError as error:
        raise WorkerError(f"worker {where}: {error}") from None


def _nothing() -> None:
    pass


def _work(packed: bytes, item: bytes) -> Any:
    global _begun
    # Trusted as the scheduler is, whose workers run whatever they are sent.
    init_process, work = pickle.loads(packed)  # noqa: S301
    if not _begun:
        init_process()
        _begun = True
    return work(pickle.loads(item))  # noqa: S301


def _check(order: _Order) -> None:
    if multiprocessing.current_process().daemon:
        raise UserError(
            "may not start processes; start it with --no-nanny, or set "
            "DASK_DISTRIBUTED__WORKER__DAEMON=False in its environment"
        )
    if order.version != __version__:
        raise UserError(f"has keras_skeleton {__version__}, but {order.version} gives the work")
    for path in (order.folder, *order.needs):
        if not os.path.exists(path):  # noqa: PTH110 - a name, not a path of this machine
            raise UserError(
                f"does not see {path}; data, working folder and results must lie under the same "
                "paths on all machines, such as on a shared file system"
            )
    os.chdir(order.folder)
