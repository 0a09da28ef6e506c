"""A Dask scheduler and two workers on loopback, and work for them."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from keras_skeleton.utils.errors import UserError

TESTS = Path(__file__).resolve().parent


@contextmanager
def cluster(folder, workers=2, threads=1):
    """Starts the processes in a folder; yields the scheduler's address, and ends them."""
    file = folder / "scheduler.json"
    paths = [TESTS.parent, TESTS, TESTS / "training"]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        # A worker that starts TensorFlow on a busy machine is silent for long.
        "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "15 minutes",
    }
    shared = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(file)]
    commands = [["scheduler", "--port", "0", *shared]]
    one = ["worker", "--nthreads", str(threads), "--no-nanny", "--local-directory", str(folder)]
    commands += [[*one, *shared] for _ in range(workers)]
    running = []
    try:
        for command in commands:
            with (folder / f"{len(running)}.log").open("w") as log:
                words = [sys.executable, "-m", "dask", *command]
                running.append(
                    subprocess.Popen(words, stdout=log, stderr=log, env=environment, cwd=folder)
                )
            while not (file.exists() and file.read_text().endswith("}")):
                assert running[0].poll() is None, (folder / "0.log").read_text()
                time.sleep(0.1)
        yield json.loads(file.read_text())["address"]
    finally:
        for process in running:
            process.kill()
            process.wait()


def nothing():
    pass


def square(number):
    return number * number


def kill(worker):
    """Kills this process, or the worker that it belongs to and so itself."""
    os.kill(multiprocessing.parent_process().pid if worker else os.getpid(), signal.SIGKILL)
    time.sleep(600)


def killed_once(number, folder):
    """Counts to three in a file, and is killed at two the first time, in item 2 with its worker;
    returns its processes."""
    file = Path(folder) / f"{number}.txt"
    done = file.read_text().split() if file.exists() else []
    while len(done) < 3:
        done.append(str(os.getpid()))
        file.write_text(" ".join(done))
        if number in (1, 2) and len(done) == 2:
            kill(worker=number == 2)
    return done


def reads(number, path):
    if number == 2:
        raise UserError(f"{path}: no such folder")
    return number
