"""SIGKILL at any moment, then --resume: the same bits as without."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from killed_run import train

from keras_skeleton.checkpoints.weights import _datasets

HERE = Path(__file__).parent
KILLS = {
    "in_an_epoch": "plain",
    "in_a_checkpoint": "plain",
    "in_the_results": "plain",
    "in_the_second_stage": "staged",
}


ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join(map(str, (HERE, HERE.parent, HERE.parents[1]))),
}


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """Folders of runs that were killed, each in a process of its own, two at a time."""
    root = tmp_path_factory.mktemp("killed")
    waiting, ended = list(KILLS.items()), {}
    while waiting:
        some, waiting = waiting[:2], waiting[2:]
        started = {
            when: subprocess.Popen(
                [sys.executable, HERE / "killed_run.py", root / when, kind, when],
                env=ENVIRONMENT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
            )
            for when, kind in some
        }  # fmt: skip
        for when, process in started.items():
            errors = process.communicate()[1]
            assert process.returncode == -signal.SIGKILL, errors
            ended[when] = root / when
    return ended


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """The same runs, not killed."""
    root = tmp_path_factory.mktemp("straight")
    for kind in ("plain", "staged"):
        train(root / kind, kind == "staged")
    return root


def everything(folder):
    """Bits of all weights, histories and scores below a folder, without times."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.suffix == ".h5":
            with h5py.File(path) as file:
                for key, data in _datasets(file):
                    found[f"{name}:{key}"] = np.asarray(data).tobytes()
        elif path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as data:
                found |= {f"{name}:{key}": data[key].tobytes() for key in data}
        elif path.name == "history.csv":
            found[name] = pd.read_csv(path).drop(columns="seconds").to_csv()
    return found


@pytest.mark.parametrize(("when", "kind"), KILLS.items())
def test_a_killed_run_ends_with_the_same_bits(when, kind, killed, straight):
    folder = killed[when]
    left = sorted(p.name for p in folder.rglob("state*"))
    if when == "in_a_checkpoint":
        assert left == ["state.npz", "state.npz.part", "state.previous.npz"]
    if when == "in_the_second_stage":
        assert (folder / "first/metrics.json").exists()
        assert not (folder / "second/metrics.json").exists()
    assert not (folder / "metrics.json").exists()

    train(folder, kind == "staged", resume=True)
    mine, theirs = everything(folder), everything(straight / kind)
    assert list(mine) == list(theirs)  # nothing half-written is left
    assert len([name for name in mine if ".h5:" in name]) >= 8
    assert [name for name in mine if mine[name] != theirs[name]] == []


def test_deterministic_runs_end_with_the_same_bits(tmp_path):
    words = [sys.executable, HERE / "killed_run.py", tmp_path, "twice"]
    done = subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    one, other = everything(tmp_path / "one"), everything(tmp_path / "other")
    assert [name for name in one if one[name] != other[name]] == []
    assert len(one) >= 8
