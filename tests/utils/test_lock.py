"""One process at a time writes to an output folder."""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from holding import held

from keras_skeleton.utils import lock as lock_module
from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.full_disk import FullDiskError
from keras_skeleton.utils.lock import InUseError, holds_nothing, locked


@pytest.fixture
def other(tmp_path):
    """A process that holds the lock of `tmp_path / "run"`."""
    with held(tmp_path / "run") as process:
        yield process


def end(process):
    process.stdin.close()
    assert process.wait() == 0


def test_the_message_says_who_and_what_to_do(tmp_path, other):
    with pytest.raises(InUseError) as error, locked(tmp_path / "run", "--crops"):
        pass
    text = str(error.value)
    since = json.loads((tmp_path / "run/.lock").read_text())["since"]
    for part in (f"process {other.pid} on {socket.gethostname()}", f"since {since}", "holding.py",
                 str(tmp_path / "run"), "stop it", "--crops"):  # fmt: skip
        assert part in text
    assert "\n" not in text


def test_another_name_of_the_folder_is_the_same_folder(tmp_path, other):
    (tmp_path / "link").symlink_to("run")
    with pytest.raises(InUseError), locked(tmp_path / "link"):
        pass


def test_a_kill_ends_it(tmp_path, other):
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert (tmp_path / "run/.lock").exists()
    with locked(tmp_path / "run"):
        assert json.loads((tmp_path / "run/.lock").read_text())["process"] == os.getpid()
    assert not (tmp_path / "run").exists() or not list((tmp_path / "run").iterdir())


def test_its_end_ends_it(tmp_path, other):
    end(other)
    assert not (tmp_path / "run").exists()  # nothing was written
    with locked(tmp_path / "run"):
        pass


def test_what_an_interrupted_command_left_is_deleted(tmp_path):
    left = [tmp_path / ".part-12-scores.npz", tmp_path / "attention" / ".part-9-a.png"]
    kept = [tmp_path / "film.part", tmp_path / ".part-of-it", tmp_path / "a/b/c/.part-1-x"]
    for path in left + kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with locked(tmp_path):
        assert not any(path.exists() for path in left)
        with locked(tmp_path / "attention" / ".."):  # the same folder
            left[0].touch()  # of this process
        assert left[0].exists()
        with pytest.raises(UserError), locked(tmp_path):
            raise UserError
        assert (tmp_path / ".lock").exists()
    assert not (tmp_path / ".lock").exists()
    assert all(path.exists() for path in kept)


def test_only_new_folders_that_are_empty_are_deleted(tmp_path):
    for name, content in (("a/b/c", None), ("d/e", "x")):
        with locked(tmp_path / name) as folder:
            assert holds_nothing(folder)
            if content:
                (folder / content).touch()
                assert not holds_nothing(folder)
    (tmp_path / "mine").mkdir()
    with locked(tmp_path / "mine"):
        pass
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert found == {"d", "d/e", "d/e/x", "mine"}


def test_threads_of_a_process_share_it(tmp_path):
    def work(_):
        with locked(tmp_path / "run"):
            assert (tmp_path / "run/.lock").exists()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(200)))
    assert not (tmp_path / "run").exists()
    assert not lock_module._held


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_does_not_end_it(tmp_path):
    with locked(tmp_path):
        child = os.fork()
        if not child:
            try:
                with locked(tmp_path):
                    pass
            finally:
                os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert (tmp_path / ".lock").exists()


@pytest.mark.skipif(os.name == "nt", reason="needs links and pipes")
@pytest.mark.parametrize("make", ["link", "dangling", "pipe", "folder"])
def test_only_a_plain_file_is_written(make, tmp_path):
    """A folder from elsewhere may hold anything under this name."""
    mine, path = tmp_path / "mine.txt", tmp_path / "run/.lock"
    mine.write_text("mine")
    path.parent.mkdir()
    if make == "pipe":
        os.mkfifo(path)
    elif make == "folder":
        path.mkdir()
    else:
        path.symlink_to(mine if make == "link" else tmp_path / "nothing")
    with pytest.raises(UserError, match=r"\.lock: is not a file"), locked(path.parent):
        pass
    assert mine.read_text() == "mine"
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize(
    "content", ["", "{", "[1]", "null", '{"process": "\x1b[31m"}', "9" * 99999]
)
def test_a_message_about_a_damaged_file(content, tmp_path, monkeypatch):
    monkeypatch.setattr(lock_module, "_acquire", lambda file: False)
    (tmp_path / ".lock").write_text(content)
    with pytest.raises(InUseError, match="another process"), locked(tmp_path):
        pass
    assert (tmp_path / ".lock").read_text() == content


def test_control_characters_of_a_command_are_shown(tmp_path, monkeypatch):
    about = {"process": 1, "host": "h\x1b[2J", "command": "a\nb", "since": "x" * 9999}
    (tmp_path / ".lock").write_text(json.dumps(about))
    monkeypatch.setattr(lock_module, "_acquire", lambda file: False)
    with pytest.raises(InUseError) as error, locked(tmp_path):
        pass
    assert "\x1b" not in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP])
def test_a_file_system_without_locks_gives_a_note(number, tmp_path, monkeypatch):
    def acquire(file):
        raise OSError(number, "no locks")

    monkeypatch.setattr(lock_module, "_acquire", acquire)
    notes = []
    with locked(tmp_path, log=notes.append), locked(tmp_path, log=notes.append):
        pass
    assert len(notes) == 1
    assert str(tmp_path) in notes[0]
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    def write(file, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(lock_module.os, "write", write)
    with pytest.raises(FullDiskError), locked(tmp_path / "run"):
        pass
    assert not list(tmp_path.iterdir())
    monkeypatch.undo()
    with locked(tmp_path / "run"):
        pass


COUNT = """
import sys
import time
from pathlib import Path
from keras_skeleton.utils.lock import InUseError, locked
place, counter = Path(sys.argv[1]), Path(sys.argv[2])
for _ in range(int(sys.argv[3])):
    while True:
        try:
            with locked(place):
                number = int(counter.read_text())
                counter.write_text(str(number + 1))
            break
        except InUseError:
            time.sleep(0.001)
"""


@pytest.mark.parametrize("rounds", [5, pytest.param(300, marks=pytest.mark.slow)])
def test_never_two_at_a_time(rounds, tmp_path):
    """Processes add to a number; the folder is created and deleted all the time."""
    counter = tmp_path / "count"
    counter.write_text("0")
    words = [sys.executable, "-c", COUNT, tmp_path / "a/run", counter, str(rounds)]
    processes = [subprocess.Popen(words) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert int(counter.read_text()) == 3 * rounds
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [counter]
