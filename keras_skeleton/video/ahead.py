"""Reads ahead: one thread decodes frames while another one uses them."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable
from queue import Full, Queue
from typing import Any, TypeVar

Item = TypeVar("Item")
WAIT = 0.1  # seconds between two looks at whether the reader should stop


def read_ahead(items: Iterable[Item], most: int = 4) -> Generator[Item, None, None]:
    """Yields items that a thread of its own reads ahead.

    Args:
        items: For example the frames of a film. An error while they are read is raised here.
        most: Number of items that wait at most.

    Example:
        >>> from keras_skeleton.video.ahead import read_ahead
        >>> list(read_ahead(iter(range(3))))
        [0, 1, 2]
    """
    queue: Queue[tuple[str, Any]] = Queue(most)
    stop = threading.Event()

    def put(kind: str, value: Any = None) -> bool:
        while not stop.is_set():
            try:
                queue.put((kind, value), timeout=WAIT)
            except Full:
                continue
            return True
        return False

    def read() -> None:
        try:
            for item in items:
                if not put("item", item):
                    return
            put("end")
        except BaseException as error:  # raised again where the items are used
            put("error", error)

    thread = threading.Thread(target=read, name="read-ahead", daemon=True)
    thread.start()
    try:
        while True:
            kind, value = queue.get()
            if kind == "item":
                yield value
            elif kind == "error":
                raise value
            else:
                return
    finally:
        stop.set()
        thread.join()
