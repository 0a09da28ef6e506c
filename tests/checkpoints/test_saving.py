"""Weights are saved in the layout of Keras; a full disk is an error, not a crash of HDF5."""

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from keras_skeleton.checkpoints.saving import save_weights
from keras_skeleton.utils.errors import UserError

TESTS = Path(__file__).parents[1]


def fitted():
    """A network with an optimizer's state."""
    model = keras.Sequential([keras.Input((3,)), *[keras.layers.Dense(16) for _ in range(6)]])
    model.compile("adam", "mse")
    model.fit(np.ones((2, 3)), np.ones((2, 16)), verbose=0)
    return model


def values(path):
    found = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: found.update(
                {name: (item[()].tolist() if isinstance(item, h5py.Dataset) else dict(item.attrs))}
            )
        )
    return found


def test_the_file_is_that_of_keras(tmp_path):
    model = fitted()
    model.save_weights(tmp_path / "keras.weights.h5")
    save_weights(model, tmp_path / "own.weights.h5")
    assert values(tmp_path / "own.weights.h5") == values(tmp_path / "keras.weights.h5")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["keras.weights.h5", "own.weights.h5"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs LD_PRELOAD")
@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_a_full_disk_at_any_write_keeps_the_previous_file(tmp_path):
    library = tmp_path / "full_disk.so"
    subprocess.run(
        ["cc", "-O1", "-shared", "-fPIC", "-o", library, TESTS / "full_disk.c", "-ldl"], check=True
    )
    out = tmp_path / "out"
    out.mkdir()
    done = subprocess.run(
        [sys.executable, __file__, out], capture_output=True, text=True, check=False,
        env={**os.environ, "LD_PRELOAD": str(library)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split()[-2:] == ["failed", "saved"]


def _main(out):
    library, model = ctypes.CDLL(None), fitted()
    path = out / "a.weights.h5"
    save_weights(model, path)
    before = path.read_bytes()
    for write in range(1, 1000):
        library.arm(os.fsencode(out), 2, ctypes.c_long(write))
        try:
            save_weights(model, path)
        except UserError:
            assert path.read_bytes() == before
            assert len(list(out.iterdir())) == 1
            print("failed")
        else:
            print("saved")
            return


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
