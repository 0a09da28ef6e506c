"""Large arrays are in files that nobody sees; without space they are in memory."""

import errno
import os
import tempfile

import numpy as np
import pytest

from keras_skeleton.utils import large_arrays
from keras_skeleton.utils.large_arrays import large_array


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_only_large_arrays_are_mapped(folder):
    assert type(large_array((4, 3), memory=48)) is np.ndarray
    array = large_array((4, 3), memory=47)
    assert isinstance(array, np.memmap)
    assert (array.shape, array.dtype) == ((4, 3), np.float32)
    array[2] = 7
    assert array.sum() == 21
    assert not list(folder.iterdir()) or os.name == "nt"


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="no such call here")
def test_without_space_it_is_in_memory(monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    array = large_array((4, 3), memory=0)
    assert type(array) is np.ndarray
    array[:] = 1


def test_without_a_folder_it_is_in_memory(monkeypatch):
    monkeypatch.setenv("TMPDIR", "/no/such/folder")
    assert type(large_array((4, 3), memory=0)) is np.ndarray


def test_without_a_setting_it_is_on_a_disk(monkeypatch, folder):
    asked = []
    real = tempfile.TemporaryFile
    monkeypatch.delenv("TMPDIR")
    monkeypatch.setattr(large_arrays, "DISK", folder)
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda dir: asked.append(dir) or real(dir=dir))
    large_array((4, 3), memory=0)
    assert asked == [folder]
