"""No process of a killed command goes on."""

import ast
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import keras_skeleton

POOL = """
import multiprocessing, os, time
from concurrent.futures import ProcessPoolExecutor
from keras_skeleton.utils.processes import end_with_parent
if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, context, end_with_parent) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        pool.submit(time.sleep, 600).result()
"""


@pytest.mark.skipif(os.name == "nt", reason="asks for processes by signal 0")
def test_workers_end_with_a_killed_process(tmp_path):
    path = tmp_path / "pool.py"
    path.write_text(POOL)
    with subprocess.Popen([sys.executable, path], stdout=subprocess.PIPE) as process:
        worker = int(process.stdout.readline())
        os.kill(worker, 0)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert process.stdout.read() == b""  # ends when no worker holds it any more
        with pytest.raises(ProcessLookupError):
            while True:  # until it has been collected
                os.kill(worker, 0)
                time.sleep(0.01)


def test_all_pools_of_the_package_do():
    found = 0
    for path in Path(keras_skeleton.__file__).parent.rglob("*.py"):
        if "ProcessPoolExecutor(" not in (text := path.read_text("utf-8")):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "ProcessPoolExecutor":
                given = [ast.unparse(value) for value in node.args]
                given += [ast.unparse(word.value) for word in node.keywords]
                assert {"end_with_parent", "_start"} & set(given), (path, node.lineno)
                found += 1
    assert found >= 2
