"""SIGKILL at any moment, then --resume: the same bits as without."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from killed_run import KILLS, train

from keras_skeleton.checkpoints.weights import _datasets
from keras_skeleton.utils.files import is_part

HERE = Path(__file__).parent
KILLED = {when.__name__: kind for when, kind in KILLS.items()}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folder of what `killed_run.py` does."""
    root = tmp_path_factory.mktemp("killed")
    places = map(str, (HERE, HERE.parent, HERE.parents[1]))
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(places),
        "OPENBLAS_NUM_THREADS": "1",  # NumPy's threads would be forked, too
    }
    done = subprocess.run(
        [sys.executable, HERE / "killed_run.py", root],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    expected = {**dict.fromkeys(KILLED, -signal.SIGKILL), "twice": 0}
    for name, code in json.loads(done.stdout.splitlines()[-1]).items():
        assert code == expected.pop(name), (root / f"{name}.log").read_text()
    assert not expected
    return root


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


@pytest.mark.parametrize(("when", "kind"), KILLED.items())
def test_a_killed_run_ends_with_the_same_bits(when, kind, runs, straight):
    folder = runs / when
    if when == "in_a_checkpoint":
        assert len([path for path in folder.iterdir() if is_part(path)]) == 1
        assert {path.name for path in folder.glob("state*")} == {"state.npz", "state.previous.npz"}
    if when == "in_the_second_stage":
        assert (folder / "first/metrics.json").exists()
        assert not (folder / "second/metrics.json").exists()
    assert not (folder / "metrics.json").exists()

    train(folder, kind == "staged", resume=True)
    mine, theirs = everything(folder), everything(straight / kind)
    assert list(mine) == list(theirs)  # nothing half-written is left
    assert len([name for name in mine if ".h5:" in name]) >= 8
    assert [name for name in mine if mine[name] != theirs[name]] == []


def test_deterministic_runs_end_with_the_same_bits(runs):
    one, other = everything(runs / "twice" / "one"), everything(runs / "twice" / "other")
    assert [name for name in one if one[name] != other[name]] == []
    assert len(one) >= 8
