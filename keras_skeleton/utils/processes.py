"""Work in processes of their own.

`run_in_process` does one thing in one: its memory is free again when it is done, which that of
networks trained one after the other in one process is not. `map_processes` does several at a time.
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

THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def run_in_process(
    init_process: Callable[[], None], work: Callable[..., Any], *arguments: Any
) -> Any:
    """The result of `work(*arguments)`, in a process that starts with `init_process`; all can
    be pickled.

    Raises:
        UserError: The process was killed.
        Exception: What the work raises.
    """
    with report_killed(), _processes(1, init_process) as processes:
        return processes.submit(work, *arguments).result()


def map_processes(
    number: int,
    init_process: Callable[[], None],
    work: Callable[[Any], Any],
    items: Sequence[Any],
    anew: bool = False,
) -> Iterator[tuple[Any, Any]]:
    """Each item with the result of `work(item)`, as they come, from `number` processes that share
    the cores; with `anew` each item has a process of its own. Where one fails, those that have
    begun are finished before its error is raised.

    Raises:
        As `run_in_process`.
    """
    with (
        report_killed(),
        _processes(number, init_process, max(1, cores() // number), anew) as processes,
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


def _processes(
    number: int, init_process: Callable[[], None], threads: int = 0, anew: bool = False
) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        number,
        multiprocessing.get_context("spawn"),
        initializer=_start,
        initargs=(init_process, threads),
        max_tasks_per_child=1 if anew else None,
    )


@contextmanager
def report_killed() -> Iterator[None]:
    """Says in words that a process was killed."""
    try:
        yield
    except BrokenProcessPool:
        raise UserError(
            "a training was ended from outside (is there enough memory?); the same command goes on "
            "where it was"
        ) from None


class _Lines(io.TextIOWrapper):
    """A console that several processes write to: no line is written over another."""

    def isatty(self) -> bool:
        return False


def _start(init_process: Callable[[], None], threads: int) -> None:
    Thread(target=_end_with_parent, daemon=True).start()
    if threads:
        os.environ.update(dict.fromkeys(THREADS, str(threads)))
        sys.stdout = _Lines(sys.stdout.buffer, line_buffering=True)
    init_process()


def _end_with_parent() -> None:
    """Else the training of a command that was killed would go on, unseen, beside the next one."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
