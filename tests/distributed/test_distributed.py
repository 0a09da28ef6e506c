"""Training on two logical devices and in two processes ends like training on one device."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from keras_skeleton import cli
from keras_skeleton.checkpoints.weights import _datasets
from keras_skeleton.distributed import devices, hosts
from keras_skeleton.distributed.devices import DistributionError
from keras_skeleton.distributed.hosts import Hosts, Job
from keras_skeleton.distributed.mirrored import use_all
from keras_skeleton.distributed.session import STOPPED
from keras_skeleton.recipes.registry import get_recipe
from keras_skeleton.training.experiment import Experiment

HERE = Path(__file__).parents[1]
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join(map(str, (HERE, HERE.parent, HERE.parents[1]))),
}
WORDS = "--model lstm --dataset synthetic --protocol cs".split()
jax = pytest.mark.skipif(find_spec("jax") is None, reason="jax is not installed")


def start(kind, *words, **variables):
    return subprocess.Popen(
        [sys.executable, HERE / "distributed_run.py", kind, *map(str, words)],
        env=ENVIRONMENT | variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def end(process):
    """Status, output and errors of a process."""
    output, errors = process.communicate(timeout=500)
    return process.returncode, output, errors


def together(out, *words, variables=({}, {})):
    """Runs one process for each of `variables`; their ends."""
    job = ["--out", out, "--coordinator", f"127.0.0.1:{free_port()}", *words]
    job += ["--processes", len(variables), "--process-id"]
    started = [start("hosts", *job, i, **own) for i, own in enumerate(variables)]
    return [end(process) for process in started]


def weights(folder, name="last"):
    with h5py.File(folder / f"fold_01/{name}.weights.h5") as file:
        return {key: np.asarray(data) for key, data in _datasets(file)}


def assert_same_end(folder, other):
    """Weights and losses of all epochs are equal up to rounding."""
    for name in ("last", "best"):
        mine, theirs = weights(folder, name), weights(other, name)
        assert list(mine) == list(theirs)
        assert max(np.abs(mine[key] - theirs[key]).max() for key in mine) < 1e-5
    mine, theirs = (pd.read_csv(f / "fold_01/history.csv") for f in (folder, other))
    assert len(mine) == 4
    columns = ["epoch", "loss", "val_loss", "test_loss", "learning_rate"]
    np.testing.assert_allclose(mine[columns], theirs[columns], atol=1e-5)


# ---------------------------------------------------------------- two devices


@pytest.fixture(scope="module")
def two_devices(tmp_path_factory):
    root = tmp_path_factory.mktemp("devices")
    status, output, errors = end(start("mirrored", root))
    assert status == 0, errors
    return root, output, errors


@pytest.mark.slow
def test_two_devices_end_like_one(two_devices):
    """With batch normalisation and clipped gradients; stopped in the second stage and resumed."""
    root, output, errors = two_devices
    assert output.count("2 devices: CPU 0 to 1") == 3
    assert_same_end(root / "two", root / "one")
    run = json.loads((root / "two/run.json").read_text())
    assert run["device"].endswith("2 devices")
    assert "--batch-size 6 or 8" in errors


@pytest.mark.slow
def test_a_training_in_bfloat16_is_another_experiment(two_devices):
    root, _, errors = two_devices
    run = json.loads((root / "half/run.json").read_text())
    assert run["precision"] == "mixed_bfloat16"
    assert {value.dtype.name for value in weights(root / "half").values()} <= {"float32", "int64"}
    assert re.search("precision: mixed_bfloat16 and ", errors)


def test_one_device_trains_alone():
    assert "one CPU" in use_all()
    assert devices.current().replicas == 1


# ---------------------------------------------------------------- two processes


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """One process; two, of which the second is killed and which are then resumed."""
    if find_spec("jax") is None:
        pytest.skip("jax is not installed")
    root = tmp_path_factory.mktemp("hosts")
    (single,) = together(root / "one", variables=[{}])
    assert single[0] == 0, single[2]
    killed = together(root / "two", variables=({}, {"DIE": "1"}))
    left = sorted(str(p.relative_to(root)) for p in (root / "two").rglob("*.npz"))
    kept = [{"WEIGHTS": str(root / f"process{i}.npz")} for i in range(2)]
    resumed = together(root / "two", "--resume", variables=kept)
    assert [status for status, *_ in resumed] == [0, 0], resumed
    return root, killed, left, resumed


@pytest.mark.slow
def test_when_a_process_dies_the_others_say_how_to_go_on(runs):
    (first, _, errors), (second, _, last_words) = runs[1]
    assert second == -signal.SIGKILL
    assert first == STOPPED
    assert re.search("process 0 of 2: .*--resume", errors.splitlines()[-1])
    assert "Traceback" not in errors
    assert re.search("process 1 of 2: .*--resume", last_words.splitlines()[-1])


@pytest.mark.slow
def test_a_resumed_training_of_two_processes_ends_like_that_of_one(runs):
    root, _, left, resumed = runs
    assert left == ["two/fold_01/first/scores.npz", "two/fold_01/second/state.npz",
                    "two/fold_01/second/state.previous.npz"]  # fmt: skip
    assert "epoch 1/" not in resumed[0][1]
    assert_same_end(root / "two", root / "one")


@pytest.mark.slow
def test_processes_end_with_the_same_bits_and_only_the_first_one_writes(runs):
    root, _, _, resumed = runs
    with np.load(root / "process0.npz") as mine, np.load(root / "process1.npz") as theirs:
        assert len(mine.files) == 7
        assert all((mine[key] == theirs[key]).all() for key in mine)
    assert "fold 1 done" in resumed[0][1]
    said = [line for line in resumed[1][1].splitlines() if not line.startswith("[Gloo]")]
    assert len(said) == 1  # that it waits for the others
    run = json.loads((root / "two/run.json").read_text())
    assert run["device"].startswith("jax")
    assert run["device"].endswith("2 devices in 2 processes")
    assert (root / "two/report.html").exists()


# ---------------------------------------------------------------- what is refused


def test_words_that_do_not_go_together(capsys, monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    second = "--coordinator h:1 --processes 2 --process-id 1"
    for words, names in (
        ("--processes 2", "--coordinator.*--processes.*--process-id"),
        ("--coordinator h:1 --processes 2", "--coordinator.*--processes.*--process-id"),
        ("--coordinator h --processes 2 --process-id 0", "--coordinator h: .*HOST:PORT"),
        ("--coordinator h:99999 --processes 2 --process-id 0", "h:99999: .*HOST:PORT"),
        ("--coordinator h:1 --processes 2 --process-id 2", "--process-id 2: .*0 to 1"),
        (f"{second} --devices all", "--devices"),
        (f"{second} --deterministic", "XLA_FLAGS"),
        (f"{second} --weights {__file__}", "--coordinator"),
        ("--jobs 2 --devices all", "--jobs"),
    ):
        assert cli.main([*WORDS, *words.split()]) == 2
        assert re.search(names, capsys.readouterr().err), words


def test_another_backend_is_refused(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    with pytest.raises(DistributionError, match="KERAS_BACKEND is 'tensorflow'"):
        Job("host:1234", 2, 0)


def test_a_coordinator_that_is_not_there(monkeypatch):
    monkeypatch.setattr(hosts, "JOIN", 0)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    job = Job(f"127.0.0.1:{free_port()}", 2, 1)
    with pytest.raises(DistributionError, match=f"{job.coordinator}: .*--process-id 0"):
        job._reach()


def test_a_port_that_is_taken(monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]
        job = Job(f"127.0.0.1:{port}", 2, 0)
        with pytest.raises(DistributionError, match=f"port {port}"):
            job._reach()


@jax
def test_other_work_in_another_process(monkeypatch):
    """Both processes' messages, as JAX puts them together."""
    from jax.experimental import multihost_utils

    mine, theirs = {"seed": 0, "model": "lstm"}, {"seed": 10, "model": "lstm"}
    other = json.dumps(theirs, sort_keys=True).encode()

    def gather(own):
        if own.dtype != np.uint8:
            return np.array([own, [len(other)]])
        return np.stack([own, np.pad(np.frombuffer(other, np.uint8), (0, len(own) - len(other)))])

    monkeypatch.setattr(multihost_utils, "process_allgather", gather)
    with pytest.raises(DistributionError, match=r"process 1 .* \(seed\)"):
        Hosts.compare(object.__new__(Hosts), mine)


def test_the_message_of_a_process_that_is_aborted():
    code = (
        "import os; from keras_skeleton.distributed.session import CrashReporter;"
        "reporter = CrashReporter('first'); reporter.set('second'); {}"
    )
    for stop, said in (("os.abort()", "second\n"), ("reporter.set('')", "")):
        done = subprocess.run(
            [sys.executable, "-c", code.format(stop)],
            env=ENVIRONMENT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.stderr == said
        assert (done.returncode == 0) == (said == "")


def test_the_second_process_of_a_finished_run_has_nothing_to_do(tmp_path, toy, monkeypatch):
    """Nor does it write into the run's folder."""

    class Second(devices.Devices):
        process, processes = 1, 2

        def decide(self, make):
            return []  # the folds that process 0 finds open

        def send(self, run, folds):
            raise AssertionError("process 0 sends nothing")

    monkeypatch.setattr(devices, "_current", Second())
    recipe = get_recipe("lstm", "sbu")
    run = Experiment("lstm", toy, "cs", recipe=recipe, folder=tmp_path / "run", command="toy")
    assert run.fit(resume=True) is None
    assert not (tmp_path / "run").exists()
