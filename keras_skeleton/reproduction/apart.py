"""Work in a process of its own: its memory is free again when it is done, which that of networks
that were trained one after the other in one process is not."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from threading import Thread
from typing import Any

from keras_skeleton.errors import UserError


def apart(begin: Callable[[], None], work: Callable[..., Any], *arguments: Any) -> Any:
    """The result of `work(*arguments)`, in a process that starts with `begin`; all picklable.

    Raises:
        UserError: The process was killed.
        Exception: What the work raises.
    """
    spawn = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(1, spawn, initializer=_start, initargs=(begin,)) as processes:
            return processes.submit(work, *arguments).result()
    except BrokenProcessPool:
        raise UserError(
            "a training was ended from outside (is there enough memory?); the same command goes on "
            "where it was"
        ) from None


def _start(begin: Callable[[], None]) -> None:
    Thread(target=_end_with_parent, daemon=True).start()
    begin()


def _end_with_parent() -> None:
    """Else the training of a command that was killed would go on, unseen, beside the next one."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
