"""Work in processes of their own.

`apart` does one thing in one: its memory is free again when it is done, which that of networks that
were trained one after the other in one process is not. `side_by_side` does several at a time.
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

from keras_skeleton.errors import UserError

THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def apart(begin: Callable[[], None], work: Callable[..., Any], *arguments: Any) -> Any:
    """The result of `work(*arguments)`, in a process that starts with `begin`; all picklable.

    Raises:
        UserError: The process was killed.
        Exception: What the work raises.
    """
    with _told(), _processes(1, begin) as processes:
        return processes.submit(work, *arguments).result()


def side_by_side(
    number: int,
    begin: Callable[[], None],
    work: Callable[[Any], Any],
    items: Sequence[Any],
    anew: bool = False,
) -> Iterator[tuple[Any, Any]]:
    """Each item with the result of `work(item)`, as they come, from `number` processes that share
    the cores; with `anew` each item has a process of its own. Where one fails, those that have
    begun are finished before its error is raised.

    Raises:
        As `apart`.
    """
    with _told(), _processes(number, begin, max(1, cores() // number), anew) as processes:
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
    number: int, begin: Callable[[], None], threads: int = 0, anew: bool = False
) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        number,
        multiprocessing.get_context("spawn"),
        initializer=_start,
        initargs=(begin, threads),
        max_tasks_per_child=1 if anew else None,
    )


@contextmanager
def _told() -> Iterator[None]:
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


def _start(begin: Callable[[], None], threads: int) -> None:
    Thread(target=_end_with_parent, daemon=True).start()
    if threads:
        os.environ.update(dict.fromkeys(THREADS, str(threads)))
        sys.stdout = _Lines(sys.stdout.buffer, line_buffering=True)
    begin()


def _end_with_parent() -> None:
    """Else the training of a command that was killed would go on, unseen, beside the next one."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
