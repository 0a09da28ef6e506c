"""A queue of files to be labeled, and their results; one thread works through it."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from keras_skeleton.serve.answer import Answer
from keras_skeleton.utils.errors import UserError

log = logging.getLogger(__name__)

State = Literal["waiting", "working", "done", "failed", "cancelled"]
ACTIVE = ("waiting", "working")
FULL = 20  # files that wait at a time
CLOSING = 10.0  # seconds for the end of the work when the server stops


class LabelFile(Protocol):
    """Labels a file and writes results to `out`; calls `progress` with the share that is done, 0
    to 1, and what is being done. An exception of `progress` stops it."""

    def __call__(
        self, path: Path, out: Path, progress: Callable[[float, str], None], layout: str | None
    ) -> Answer: ...


class FullError(UserError):
    """Too many files are waiting."""


class CancelledError(Exception):
    """The user has cancelled the work."""


@dataclass
class Job:
    """A file and what has become of it.

    Attributes:
        id: Random name, which nobody can guess.
        name: Name of the file, for display.
        path: The file, in a folder of its own; deleted once it is labeled.
        layout: Joint layout that the user has chosen; None for the file's own.
        state: Waiting, working, done, failed or cancelled.
        share: Share of the work that is done.
        text: What is being done.
        error: Why it failed; empty if it has not.
        answer: The result, once it is done.
    """

    id: str
    name: str
    path: Path
    layout: str | None = None
    state: State = "waiting"
    share: float = 0.0
    text: str = "waiting"
    error: str = ""
    answer: Answer | None = None
    began: float = 0.0
    ended: float = 0.0
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def seconds(self) -> float:
        """Seconds of work so far."""
        return (self.ended or time.monotonic()) - self.began if self.began else 0.0


class Jobs:
    """The jobs of a server.

    Args:
        label: Labels one file.
        folder: Holds uploads and results. It must exist; `close` deletes it.
        most: Number of finished jobs that are kept. The oldest is deleted first.

    Example:
        >>> from keras_skeleton.serve.jobs import Jobs
        >>> jobs = Jobs(label, folder)  # doctest: +SKIP
        >>> job = jobs.submit(*jobs.new_file("film.mp4"), "film.mp4")  # doctest: +SKIP
        >>> jobs.close()  # doctest: +SKIP
    """

    def __init__(self, label: LabelFile, folder: Path, most: int = 20) -> None:
        self._label, self._folder, self._most = label, folder, most
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="label", daemon=True)
        self._thread.start()

    def new_file(self, name: str) -> tuple[str, Path]:
        """A random id, and the path in a new folder to which a file can be uploaded.

        Raises:
            FullError: Too many files are waiting.
        """
        if sum(job.state == "waiting" for job in self.all()) >= FULL:
            raise FullError(f"{FULL} files are waiting; cancel some, or wait")
        number = secrets.token_urlsafe(12)
        folder = self._folder / number
        folder.mkdir()
        return number, folder / name

    def discard(self, number: str) -> None:
        """Deletes a file whose upload has failed."""
        shutil.rmtree(self._folder / number, ignore_errors=True)

    def submit(self, number: str, path: Path, name: str, layout: str | None = None) -> Job:
        """Puts an uploaded file at the end of the queue."""
        job = Job(number, name, path, layout)
        with self._lock:
            self._jobs[number] = job
        self._queue.put(job)
        return job

    def all(self) -> list[Job]:
        """All jobs, the newest last."""
        with self._lock:
            return list(self._jobs.values())

    def get(self, number: str) -> Job | None:
        """A job by id; None if there is none."""
        with self._lock:
            return self._jobs.get(number)

    def remove(self, number: str) -> None:
        """Cancels a job that is not finished, and deletes one that is."""
        with self._lock:
            job = self._jobs.get(number)
            if job is None:
                return
            job.stop.set()
            if job.state == "working":  # its thread sees `stop` and deletes the files
                job.text = "stopping"
                return
            if job.state == "waiting":
                job.state = "cancelled"
            else:
                del self._jobs[number]
        self.discard(number)

    def close(self) -> None:
        """Stops the work and deletes all files."""
        self._closed = True
        for job in self.all():
            job.stop.set()
        self._queue.put(None)
        self._thread.join(CLOSING)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _work(self) -> None:
        while (job := self._queue.get()) is not None and not self._closed:
            with self._lock:
                if job.state != "waiting":
                    continue
                job.state, job.text, job.began = "working", "starting", time.monotonic()
            state, error, answer = self._attempt(job)
            if state == "done":
                with contextlib.suppress(OSError):
                    job.path.unlink()
            else:
                self.discard(job.id)
            with self._lock:
                job.state, job.error, job.answer = state, error, answer
                job.ended = time.monotonic()
                job.share, job.text = (1.0, "") if state == "done" else (job.share, "")
                finished = [j.id for j in self._jobs.values() if j.state not in ACTIVE]
                old = finished[: max(0, len(finished) - self._most)]
                for number in old:
                    del self._jobs[number]
            for number in old:
                self.discard(number)

    def _attempt(self, job: Job) -> tuple[State, str, Answer | None]:
        def progress(share: float, text: str) -> None:
            if job.stop.is_set():
                raise CancelledError
            job.share, job.text = max(job.share, min(share, 1.0)), text

        try:
            out = job.path.parent / "out"
            out.mkdir()
            answer = self._label(job.path, out, progress, job.layout)
            if job.stop.is_set():
                raise CancelledError
            return "done", "", answer
        except CancelledError:
            return "cancelled", "", None
        except UserError as error:
            # The page speaks of the user's file; where its copy lies means nothing to anybody.
            text = str(error).replace(str(job.path), job.name)
            return "failed", text.replace(f"{job.path.parent}{os.sep}", ""), None
        except MemoryError:
            return "failed", "not enough memory for this file", None
        except Exception as error:
            log.exception("labeling %s failed", job.name)
            if isinstance(error, OSError) and error.strerror:
                return "failed", f"{error.strerror}.", None
            return (
                "failed",
                (
                    f"an error in the program ({type(error).__name__}); the window in which it was "
                    "started shows more"
                ),
                None,
            )
