"""Runs functions in child processes.

`run_in_process` runs one function in a new process, which frees all its memory at the end;
networks trained one after another in the same process do not. `map_processes` runs several
processes at the same time.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait
from threading import Thread
from typing import Any

from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.terminal import plain_streams

THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def run_in_process(
    init_process: Callable[[], None], work: Callable[..., Any], *arguments: Any
) -> Any:
    """Returns the result of `work(*arguments)`, computed in a new process.

    Functions, arguments and the result must be picklable.

    Args:
        init_process: Called first in the new process.
        work: The function.
        *arguments: Its arguments.

    Raises:
        UserError: The process was killed.
        Exception: Any error of `work`.
    """
    with report_killed(), new_processes(1, init_process) as processes:
        return processes.submit(work, *arguments).result()


def map_processes(
    number: int,
    init_process: Callable[[], None],
    work: Callable[[Any], Any],
    items: Sequence[Any],
    anew: bool = False,
) -> Iterator[tuple[Any, Any]]:
    """Yields (item, `work(item)`) in order of completion, computed by several processes.

    If one item fails, the items in progress are finished before its error is raised.

    Args:
        number: Number of processes, which share the processor cores.
        init_process: Called first in each process.
        work: The function.
        items: Its arguments.
        anew: Start a new process for each item.

    Raises:
        UserError: A process was killed.
        Exception: Any error of `work`.
    """
    with (
        report_killed(),
        new_processes(number, init_process, max(1, cores() // number), anew) as processes,
    ):
        found = {processes.submit(work, item): item for item in items}
        try:
            for future in as_completed(found):
                yield found[future], future.result()
        except KeyboardInterrupt:
            for process in multiprocessing.active_children():
                process.terminate()
            raise
        finally:
            processes.shutdown(cancel_futures=True)


def cores() -> int:
    """The number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def new_processes(
    number: int, init_process: Callable[[], None], threads: int = 0, anew: bool = False
) -> ProcessPoolExecutor:
    """A pool of spawned processes, which end with this one.

    Args:
        number: Number of processes.
        init_process: Called first in each.
        threads: Threads of TensorFlow in each; 0 leaves that to the environment.
        anew: Start a new process for each item.
    """
    return ProcessPoolExecutor(
        number,
        multiprocessing.get_context("spawn"),
        initializer=_start,
        initargs=(init_process, threads),
        max_tasks_per_child=1 if anew else None,
    )


@contextmanager
def report_killed() -> Iterator[None]:
    """Raises a UserError if a process of the block was killed."""
    try:
        yield
    except BrokenProcessPool:
        raise UserError(
            "a process was killed, possibly for lack of memory; rerun the same command to resume"
        ) from None


class _Lines(io.TextIOWrapper):
    """A console shared by several processes: not a terminal, so no line overwrites another."""

    def isatty(self) -> bool:
        return False


def _start(init_process: Callable[[], None], threads: int) -> None:
    end_with_parent()
    if threads:
        os.environ.update(dict.fromkeys(THREADS, str(threads)))
        sys.stdout = _Lines(sys.stdout.buffer, line_buffering=True)
    plain_streams()
    init_process()


def end_with_parent() -> None:
    """Lets this process end with its parent, so that nothing continues after a killed command; for
    the `initializer` of pools of processes."""
    Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
