"""Locks a folder until its input ends: `holding.py FOLDER` says `ready` when it has the lock."""

import subprocess
import sys
from contextlib import contextmanager

from keras_skeleton.utils.lock import locked


@contextmanager
def held(folder):
    """Runs this file for a folder; the process."""
    words = [sys.executable, __file__, str(folder)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        yield process
        process.kill()


if __name__ == "__main__":
    with locked(sys.argv[1]):
        print("ready", flush=True)
        sys.stdin.read()
