"""`serve`: the command that opens the local page."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from keras_skeleton.cli import main
from keras_skeleton.commands import serve
from keras_skeleton.utils.errors import UserError
from keras_skeleton.zoo.entries import read_zoo

ROOT = Path(__file__).resolve().parents[2]


def test_missing_packages_are_named(monkeypatch, capsys):
    monkeypatch.setattr(serve, "missing_packages", lambda *names: ["uvicorn"])
    assert main(["serve", "--weights", "mans9_synthetic_cs"]) == 2
    text = capsys.readouterr().err
    assert "pip install uvicorn" in text
    assert "keras_skeleton[serve]" in text


def test_there_is_no_way_to_other_computers(capsys):
    for option in ("--host", "--address", "--bind"):
        with pytest.raises(SystemExit):
            main(["serve", option, "0.0.0.0"])
    with serve.listen(serve.PORT) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


def test_the_next_free_port_is_taken_and_said(capsys):
    with serve.listen(20_000) as first:
        port = first.getsockname()[1]
        capsys.readouterr()
        with serve.listen(port) as second:
            assert second.getsockname()[1] > port
            assert f"port {port} is taken" in capsys.readouterr().out


def test_no_free_port(monkeypatch, capsys):
    monkeypatch.setattr(serve, "PORTS", 1)
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(UserError, match="--port"):
        serve.listen(other.getsockname()[1])
    assert main(["serve", "--port", "70000"]) == 2
    assert "65535" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(not read_zoo(), reason="no trained weights here")
@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
@pytest.mark.parametrize("way", [signal.SIGINT, signal.SIGTERM])
def test_from_the_command_to_a_label(tmp_path, way):
    process = subprocess.Popen(
        [sys.executable, "run.py", "serve", "--no-browser", "--weights", "mans9_synthetic_cs"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        address = next(line.strip() for line in process.stdout if line.startswith("http://127."))
        clip = np.random.default_rng(0).normal(size=(30, 25, 3)).astype(np.float32)
        np.save(tmp_path / "clip.npy", clip)

        def ask(path, body=None, **headers):
            request = urllib.request.Request(address + path, body, headers)
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read())

        origin = "/".join(address.split("/")[:3])
        body = (tmp_path / "clip.npy").read_bytes()
        number = ask("jobs?name=clip.npy", body, Origin=origin)["id"]
        while (job := ask(f"jobs/{number}"))["state"] in ("waiting", "working"):
            time.sleep(0.1)
        assert job["state"] == "done", job["error"]
        assert job["answer"]["parts"][0]["page"]
        assert list(tmp_path.glob("keras-skeleton-serve-*"))
    finally:
        process.send_signal(way)
        process.communicate(timeout=60)
    assert not list(tmp_path.glob("keras-skeleton-serve-*"))
