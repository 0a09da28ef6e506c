"""The local page's server with a labeler that only pretends, for tests."""

import http.client
import json
import socket
import threading
import time
from pathlib import Path

import numpy as np

from keras_skeleton.film.segments import Segment
from keras_skeleton.recognizer import Prediction
from keras_skeleton.serve.answer import Answer, Part
from keras_skeleton.serve.app import About, create_app
from keras_skeleton.utils.errors import UserError
from keras_skeleton.video.reading import MOVIE_CODEC, write_video

CLASSES = ("walk", "waveHands", "sitDown", "none")
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
FPS, FRAMES, SIZE = 20.0, 80, (120, 160)
PAGE = "<p id='said'></p><script>document.getElementById('said').textContent='attention'</script>"


def film(path, frames=FRAMES, size=SIZE):
    """A small film: a bright square that moves to the right."""
    pictures = np.full((frames, *size, 3), 40, np.uint8)
    for t in range(frames):
        x = (size[1] - 24) * t // frames
        pictures[t, 40:64, x : x + 24] = (230, 200, 40)
    write_video(path, pictures, FPS, MOVIE_CODEC, compact=True)
    return path


def prediction(label, probability, doubts=None):
    rest = [(other, (1 - probability) / 3) for other in CLASSES if other != label]
    ranking = ((label, probability), *rest)[:3]
    return Prediction(
        label,
        probability,
        ranking,
        np.zeros(4),
        np.zeros(4),
        bool(doubts),
        1.0,
        tuple(doubts or ()),
    )


def wait(condition, what, tries=2400):
    """Until something is so; a slow machine is no failure, a page that never gets there is."""
    for _ in range(tries):
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"still not so after asking {tries} times: {what}")


class Pretend:
    """Labels by the file's name; "slow" waits at one half until the test sets `go`."""

    def __init__(self):
        self.go = threading.Event()
        self.seen = []

    def __call__(self, path, out, progress, layout):
        self.seen.append((path.name, path.read_bytes()[:4], layout))
        progress(0.1, "looking for people, frame 8")
        if "broken" in path.name:
            raise UserError(f"{path}: is damaged; convert it")
        if "crash" in path.name:
            raise RuntimeError(f"secret of {path}")
        if "slow" in path.name:
            while not self.go.wait(0.02):
                progress(0.5, "looking for people, frame 40")
        (out / "predictions.csv").write_text("label\n")
        (out / "page.html").write_text(PAGE)
        files = {"csv": out / "predictions.csv"}
        if path.suffix == ".npy":
            waves = (Segment(0, 60, "waveHands", 0.93),)
            part = Part("", 0, 60, None, prediction("none", 0.7), waves, out / "page.html")
            return Answer((part,), 60, ("25 joints were read as kinect_v2",), files)
        files["overlay"] = film(out / "overlay.mp4")
        waves = (Segment(8, 40, "waveHands", 0.93, False), Segment(48, 76, "walk", 0.61, True))
        page = out / "page.html"
        parts = [Part("Person 0", 0, 80, FPS, prediction("waveHands", 0.93), waves, page)]
        if "two" in path.name:
            doubts = ["low probability"]
            found = prediction("sitDown", 0.41, doubts)
            parts.append(Part("Person 1", 20, 80, FPS, found, (Segment(24, 60, "sitDown", 0.5),)))
        return Answer(tuple(parts), FRAMES, ("cuts at 2.0 s",), files)


def about(**changes):
    values = {
        "name": "a_network", "classes": CLASSES, "colours": COLOURS, "films": (".mp4", ".avi"),
        "clips": (".npy",), "layouts": ("kinect_v2", "coco17"), "command": "run.py serve",
    }  # fmt: skip
    return About(**{**values, **changes})


class Server:
    """The application behind uvicorn, on a free port, in a thread."""

    def __init__(self, label=None, **options):
        import uvicorn

        self.label = label or Pretend()
        self.app = create_app(self.label, options.pop("about", None) or about(), **options)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        self.key = self.app.state.key
        self.address = f"http://{self.host}/{self.key}/"
        # websockets: without this, uvicorn imports a package of them where there is one, which may
        # warn of its own deprecations
        config = uvicorn.Config(
            self.app, log_level="warning", ws="none", timeout_graceful_shutdown=1
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, args=([self.socket],), daemon=True)

    def __enter__(self):
        self.thread.start()
        wait(lambda: self.server.started, "the server has started")
        return self

    def __exit__(self, *_):
        self.server.should_exit = True
        self.thread.join(30)
        self.socket.close()
        assert not self.thread.is_alive()

    @property
    def jobs(self):
        return self.app.state.jobs

    @property
    def folder(self) -> Path:
        return self.jobs._folder

    def ask(self, method, path, body=None, key=None, **headers):
        """Status, headers and body of an answer; `path` comes after the key."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        sent = {"Host": self.host}
        if method != "GET":
            sent["Origin"] = f"http://{self.host}"
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {name: value for name, value in sent.items() if value is not None}
        try:
            connection.request(method, f"/{self.key if key is None else key}/{path}", body, sent)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def json(self, method, path, body=None, **headers):
        status, _, content = self.ask(method, path, body, **headers)
        return status, json.loads(content)

    def finished(self, number):
        """A job, once it is neither waiting nor working."""

        def ended():
            _, job = self.json("GET", f"jobs/{number}")
            return job if job["state"] not in ("waiting", "working") else None

        return wait(ended, f"{number} is finished")
