"""A training by several processes: if one stops, all stop, each with a message."""

from __future__ import annotations

import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from keras_skeleton.distributed.hosts import JOIN, Job
from keras_skeleton.utils.errors import UserError

STOPPED = 3  # exit status if another process has stopped
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
