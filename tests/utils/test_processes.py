"""Work in a process of its own: its result, its errors, its end."""

import os
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import pytest

from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.processes import cores, map_processes, run_in_process


def test_results_and_errors_come_back():
    assert run_in_process(bool, os.getpid) != os.getpid()
    with pytest.raises(ValueError, match="invalid literal"):
        run_in_process(bool, int, "x")


def process_and_threads(item):
    """What a worker is, and what stands in its environment."""
    time.sleep(0.2)
    return os.getpid(), os.environ["TF_NUM_INTRAOP_THREADS"], sys.stdout.isatty()


def test_side_by_side():
    found = dict(map_processes(2, bool, process_and_threads, range(4)))
    assert sorted(found) == [0, 1, 2, 3]
    assert len({pid for pid, *_ in found.values()}) <= 2
    assert {tuple(rest) for _, *rest in found.values()} == {(str(max(1, cores() // 2)), False)}
    anew = dict(map_processes(2, bool, process_and_threads, range(3), anew=True))
    assert len({pid for pid, *_ in anew.values()}) == 3


def test_an_error_stops_what_has_not_begun(tmp_path):
    names = [str(tmp_path / name) for name in ("no/1", "2", "3", "4", "5", "6")]
    with pytest.raises(FileNotFoundError):
        list(map_processes(1, bool, os.mkdir, names))
    assert not (tmp_path / "6").exists()


def test_a_process_that_was_killed_is_told_in_words():
    with pytest.raises(UserError, match="process was killed"):
        run_in_process(bool, os._exit, 9)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux's /proc")
def test_it_ends_with_the_command_that_started_it():
    code = "import time; from keras_skeleton.utils.processes import run_in_process; "
    code += "run_in_process(bool, time.sleep, 600)"
    command = subprocess.Popen(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], stderr=subprocess.PIPE
    )
    listed = Path(f"/proc/{command.pid}/task/{command.pid}/children")

    def workers():
        lines = {p: Path(f"/proc/{p}/cmdline").read_bytes() for p in listed.read_text().split()}
        return [int(pid) for pid, line in lines.items() if b"spawn_main" in line]

    def until(condition):
        while not condition():  # a minute at least, however busy the machine
            assert command.poll() in (None, -signal.SIGKILL), command.stderr.read()
            assert next(tries) < 600
            time.sleep(0.1)

    tries = count()
    try:
        until(workers)
        (worker,) = workers()
        until(lambda: len(list(Path(f"/proc/{worker}/task").iterdir())) > 1)  # it has begun
    finally:
        command.send_signal(signal.SIGKILL)
        command.communicate()
    until(lambda: not Path(f"/proc/{worker}").exists())
