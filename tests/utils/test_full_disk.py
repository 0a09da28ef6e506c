"""A full disk is one sentence: which file, how much space there is, how to go on."""

import errno
import os
from pathlib import Path

import pytest

from keras_skeleton import cli
from keras_skeleton.utils.files import write_atomic, write_json, write_text
from keras_skeleton.utils.full_disk import FullDiskError, full_disk, writing


def fill(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_the_file_is_named_and_the_one_before_is_kept(tmp_path):
    path = tmp_path / "state.npz"
    path.write_text("before")
    with pytest.raises(FullDiskError) as error:
        write_atomic(path, fill)
    for part in ("state.npz", "free", "--resume"):
        assert part in str(error.value)
    assert path.read_text() == "before"
    assert [file.name for file in tmp_path.iterdir()] == ["state.npz"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_device_that_is_full(tmp_path):
    """The system's own error, where a file is written."""
    path = tmp_path / "metrics.json"
    (tmp_path / f".part-{os.getpid()}-metrics.json").symlink_to("/dev/full")
    with pytest.raises(FullDiskError, match=r"metrics\.json: no space left"):
        write_json(path, {"a": 1})
    assert not path.exists()


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded", "run/a.npy"),
        # As HDF5 and TensorFlow say it.
        OSError("Can't write data (file write failed: errno = 28, No space left on device')"),
        RuntimeError("events.v2; No space left on device"),
    ],
)
def test_the_command_line_says_one_line(error, monkeypatch, capsys):
    def run(words):
        try:
            raise error
        except Exception as cause:
            raise ValueError("while writing") from cause

    from keras_skeleton.commands import list as command

    monkeypatch.setattr(command, "run", run)
    assert cli.main(["list"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "no space left" in said
    assert "--resume" in said


def test_other_errors_pass():
    assert full_disk(OSError(errno.EACCES, "no", "x")) is None
    with pytest.raises(PermissionError), writing("x"):
        raise PermissionError(errno.EACCES, "no")


def test_names_that_are_not_utf8_can_be_written(tmp_path):
    write_text(tmp_path / "a.csv", "caf\udce9,1\n")
    assert (tmp_path / "a.csv").read_text("utf-8") == "caf\\xe9,1\n"
