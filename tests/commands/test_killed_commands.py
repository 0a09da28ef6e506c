"""SIGKILL and full disks at random moments, then the same command again: the same files as without.

`killed_commands.py` runs the commands; `full_disk.c` ends them, or fails their writes.
"""

import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import matplotlib.image
import numpy as np
import pytest

from keras_skeleton.checkpoints.weights import _datasets
from keras_skeleton.utils.files import is_part

TESTS = Path(__file__).parents[1]
NAMES = ["prepare", "crops", "report", "predict", "detect"]
ROUNDS = 3
TIMES = {"started", "seconds", "hours", "made", "command"}  # entries that always differ
BY_TIME = {"sources.json", "verified.json"}  # of a store: the times of files

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="needs LD_PRELOAD"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler"),
]


@pytest.fixture(scope="module", params=NAMES)
def cases(request, tmp_path_factory):
    """The folder of a command's cases, and what happened in each."""
    root = tmp_path_factory.mktemp("killed")
    library = root / "full_disk.so"
    subprocess.run(
        ["cc", "-O1", "-shared", "-fPIC", "-o", library, TESTS / "full_disk.c", "-ldl"], check=True
    )
    places = [TESTS / "commands", TESTS / "evaluation", TESTS, TESTS.parent]
    environment = {
        **os.environ,
        "LD_PRELOAD": str(library),
        "PYTHONPATH": os.pathsep.join(map(str, places)),
        "OPENBLAS_NUM_THREADS": "1",  # NumPy's threads would be forked, too
    }
    done = subprocess.run(
        [sys.executable, TESTS / "commands/killed_commands.py", root, str(ROUNDS), request.param],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return root / request.param, json.loads(done.stdout.splitlines()[-1])


def without_times(value):
    if isinstance(value, dict):
        return {key: without_times(own) for key, own in value.items() if key not in TIMES}
    return [without_times(own) for own in value] if isinstance(value, list) else value


def in_version(path):
    """Whether a file is of a version of a store that was not finished: another process could be
    writing it, so it is deleted after some time."""
    return any(re.fullmatch(r"\.[0-9a-f]{32}\.part", part) for part in path.parts)


# Pictures of a detection run, whose titles have the folder's name.
TITLED = ("attention.png", "precision_recall.png", "timeline.png")


def content(folder):
    """What the files of a folder hold, without times and the folder's name."""
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = str(path.relative_to(folder))
        if path.name in BY_TIME or in_version(path):
            continue
        if path.suffix == ".h5":
            with h5py.File(path) as file:
                found |= {f"{name}:{k}": np.asarray(v).tobytes() for k, v in _datasets(file)}
        elif path.suffix == ".json":
            found[name] = without_times(json.loads(path.read_text()))
        elif path.name == "history.csv":
            rows = csv.DictReader(io.StringIO(path.read_text()))
            found[name] = [without_times(row) for row in rows]
        elif path.suffix == ".html":
            text = path.read_text().replace(str(folder), "")
            found[name] = re.sub(r"\b\d+(\.\d+)? (hours|minutes|seconds)\b", "", text)
        elif path.suffix == ".eaf":
            found[name] = re.sub(r' DATE="[^"]*"', "", path.read_text())
        elif path.name in TITLED:
            found[name] = matplotlib.image.imread(path).shape
        elif path.parent.name != "tensorboard":
            found[name] = path.read_bytes()
    return found


def test_the_result_is_that_of_an_undisturbed_run(cases):
    place, happened = cases
    expected = content(place / "straight")
    assert len(expected) >= 3
    for _, name, how, moment, code, again in happened:
        case = f"{name}, at {moment}"
        logs = [path.read_text() for path in sorted(place.glob(f"{name}*.log"))]
        assert again == 0, (case, logs)
        if how == "full":
            assert code == 2, (case, logs)
            assert "no space left" in logs[-1].lower()
            assert "Traceback" not in logs[-1]
        else:
            assert code in ((-signal.SIGKILL,) if how == "killed" else (0, -signal.SIGKILL))
        found = content(place / name)
        assert list(found) == list(expected), case
        assert [key for key in found if found[key] != expected[key]] == [], case
        left = [path for path in (place / name).rglob("*") if is_part(path)]
        assert [path for path in left if not in_version(path)] == [], case
