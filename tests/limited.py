"""Runs readers of files in a child process that may take little memory.

Each reader is called with a path that does not exist first, so that it imports what it needs; then
the address space is bounded. Errors are written as lines of JSON.
"""

import json
import os
import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

TIMEOUT = 1200  # seconds of the child; on a busy machine imports alone take minutes


def run_limited(cases, megabytes=256):
    """Calls readers in a child; returns type, bases and message of each error.

    Args:
        cases: Pairs of a reader, such as `"module:function"`, and its path.
        megabytes: Memory that each call may take in addition.
    """
    words = json.dumps([[reader, os.fspath(path)] for reader, path in cases])
    done = subprocess.run(
        [sys.executable, __file__, words, str(megabytes)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(Path(__file__).parent)},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def _child(cases, megabytes):
    import resource

    found = []
    calls = []
    for reader, path in cases:
        module, name = reader.split(":")
        calls.append((getattr(import_module(module), name), Path(path)))
    for call, path in calls:
        with suppress(BaseException):
            call(path.parent / "none" / "none")  # imports what it needs
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + (megabytes << 20)
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))
        error = None
        try:
            call(path)
        except BaseException as caught:
            error = caught
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
        found.append(
            {
                "type": type(error).__name__,
                "bases": [base.__name__ for base in type(error).__mro__],
                "message": str(error)[:100_000],
            }
        )
        del error
    for one in found:
        print(json.dumps(one), flush=True)


if __name__ == "__main__":
    _child(json.loads(sys.argv[1]), int(sys.argv[2]))
