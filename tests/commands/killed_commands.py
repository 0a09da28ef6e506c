"""Commands that are killed, or whose disk is full, at a random moment, and are run again:
`killed_commands.py FOLDER ROUNDS` writes to FOLDER/COMMAND/CASE and prints what happened.

`full_disk.c` is loaded before, and counts the writes below a case's folder. All commands are forked
from this process, which has loaded TensorFlow and run nothing of it (see `killed_run.py`).
"""

import ctypes
import json
import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path

import keras  # noqa: F401  (loaded before the forks)
import numpy as np
import own_data
from test_report import make_run

from keras_skeleton import cli
from keras_skeleton.attention import run_attention  # noqa: F401
from keras_skeleton.datasets.registry import load_dataset
from keras_skeleton.detection import experiment, fit  # noqa: F401
from keras_skeleton.training import fold
from keras_skeleton.video.synthetic import write_recordings
from keras_skeleton.zoo import recognizers  # noqa: F401

COUNT, KILL, FULL, DELAY = range(4)
HOW = {"killed": KILL, "full": FULL, "stopped": DELAY}
library = ctypes.CDLL(None)
fit.SAVE_EVERY = fold.SAVE_EVERY = -1.0  # after every epoch


def make_data(data):
    lines = [f"clip{i}.npy,{'wave' if i % 2 else 'sit'},{i % 3}" for i in range(9)]
    own_data.write(data / "own", ["file,label,subject", *lines])
    write_recordings(data / "studio", 108, 192, 0, [1], [1], [0, 3], [1])
    for number, folds in enumerate(((1,), (2, 3))):
        make_run(data / f"run{number}", folds)
    load_dataset("synthetic", None, data / "cache", **RECORDINGS)


RECORDINGS = {"clips": "untrimmed", "subjects": 4, "repetitions": 1}


def prepare(data, out):
    return f"prepare --dataset folder --data-dir {data}/own --cache-dir {out}"


def crops(data, out):
    return f"crops --dataset ntu --data-dir {data}/studio --crops {out} --size 32 --workers 1"


def report(data, out):
    return f"report {data}/run0 {data}/run1 --out {out}"


def predict(data, out):
    clips = f"{data}/own/clip1.npy {data}/own/clip2.npy"
    return f"predict {clips} --weights mans9_synthetic_cs --out {out} --attention"


def detect(data, out):
    options = " ".join(f"--option {key}={value}" for key, value in RECORDINGS.items())
    return (
        f"detect --dataset synthetic --protocol untrimmed --cache-dir {data}/cache {options} "
        f"--method gate_u --epochs 2 --deterministic --out {out}"
        + (" --resume" if (out / "run.json").exists() else "")
    )


COMMANDS = (prepare, crops, report, predict, detect)


def child(command, data, out, mode, number, log):
    """The exit status of a command, its writes and its seconds; `number` is that of the write, or
    the seconds after which it is killed."""
    counted = log.with_suffix(".count")
    begin = time.perf_counter()
    process = os.fork()
    if not process:
        code = 1
        try:
            with log.open("a") as file:
                os.dup2(file.fileno(), 1)
                os.dup2(file.fileno(), 2)
            if mode != DELAY:
                library.arm(os.fsencode(out), mode, ctypes.c_long(number))
            code = cli.main(command(data, out).split())
            counted.write_text(str(library.writes()))
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    if mode == DELAY:
        time.sleep(number)
        os.kill(process, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.wait()[1])
    writes = int(counted.read_text()) if counted.exists() else 0
    return code, writes, time.perf_counter() - begin


def main(root, rounds, names):
    assert threading.active_count() == 1
    random, happened = np.random.default_rng(0), []
    data = root / "data"
    if not os.fork():  # a process of its own: reading starts threads
        make_data(data)
        os._exit(0)
    assert not os.wait()[1]
    for command in COMMANDS:
        name = command.__name__
        if names and name not in names:
            continue
        place = root / name
        place.mkdir()
        code, writes, seconds = child(command, data, place / "straight", COUNT, 0,
                                      place / "straight.log")  # fmt: skip
        assert code == 0, (place / "straight.log").read_text()
        print(name, writes, "writes", f"{seconds:.1f} s", file=sys.stderr, flush=True)
        for how, mode in HOW.items():
            for k in range(rounds if mode != DELAY else -(-rounds // 2)):
                out, log = place / f"{how}{k}", place / f"{how}{k}.log"
                number = random.uniform(0, seconds) if mode == DELAY else random.integers(writes)
                number = number if mode == DELAY else int(number) + 1
                code, *_ = child(command, data, out, mode, number, log)
                again, *_ = child(command, data, out, COUNT, 0, log.with_suffix(".again.log"))
                happened.append([name, out.name, how, number, code, again])
    print(json.dumps(happened))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
