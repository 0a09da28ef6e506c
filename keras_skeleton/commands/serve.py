"""Open a local page on which films and key-point files are labeled.

The page is served to this computer only; nothing leaves it.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import threading
import webbrowser
from collections.abc import Sequence
from typing import TYPE_CHECKING

from keras_skeleton.commands.common import parser_for, start_keras, whole_number
from keras_skeleton.commands.film import film_weights
from keras_skeleton.commands.known_weights import check_exists
from keras_skeleton.commands.pose_models import add_pose_models, pose_estimator, pose_models
from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.packages import missing_packages
from keras_skeleton.utils.program import program

if TYPE_CHECKING:
    from keras_skeleton.recognizer import Recognizer

ADDRESS, PORT = "127.0.0.1", 8734
PORTS = 20  # that are tried
MOST_PORT = (1 << 16) - 1
PACKAGES = ("starlette", "uvicorn")


def _parser() -> argparse.ArgumentParser:
    parser = parser_for("serve", __doc__)
    parser.add_argument(
        "--weights",
        metavar="WEIGHTS",
        help="load a network of the zoo by name, a run folder or a folder of Recognizer.save "
        "(default: the zoo's network for films)",
    )
    parser.add_argument(
        "--people",
        type=whole_number(1),
        default=2,
        metavar="N",
        help="follow at most N people of a film at a time (default 2)",
    )
    add_pose_models(parser)
    parser.add_argument(
        "--port",
        type=whole_number(1),
        default=PORT,
        help=f"serve at this port or the next free one (default {PORT})",
    )
    parser.add_argument(
        "--most-mb",
        type=whole_number(1),
        default=2000,
        metavar="MB",
        help="refuse files larger than this (default 2000)",
    )
    parser.add_argument("--no-browser", action="store_true", help="do not open the page")
    return parser


def run(words: Sequence[str]) -> None:
    """Runs the command."""
    args = _parser().parse_args(words)
    if args.port > MOST_PORT:
        raise UserError(f"--port {args.port}: ports end at {MOST_PORT}")
    if missing := missing_packages(*PACKAGES):
        raise UserError(
            f"the local page needs {' and '.join(missing)}; run pip install {' '.join(missing)}, "
            "or install the extra keras_skeleton[serve]"
        )
    if args.weights is not None:
        check_exists(args.weights, "--weights")
    name = args.weights or film_weights()
    listener = listen(args.port)
    with listener:
        print(f"loading {name}", flush=True)
        start_keras()
        from keras_skeleton.zoo.recognizers import load_recognizer

        _serve(args, load_recognizer(name), listener)


def listen(port: int) -> socket.socket:
    """A socket that listens at a port of this computer, or at the next free one.

    Raises:
        UserError: None of 20 ports is free.
    """
    last = min(port + PORTS, MOST_PORT + 1) - 1
    for number in range(port, last + 1):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows: nobody may share the port
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
            else:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((ADDRESS, number))
            listener.listen(128)
        except OSError:
            listener.close()
            continue
        if number != port:
            print(f"port {port} is taken; using {number}")
        return listener
    raise UserError(f"no free port from {port} to {last}; choose another one with --port")


def _has_screen() -> bool:
    """Whether a browser has a window; without one, a text browser would take the terminal."""
    if sys.platform in ("win32", "darwin"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def _serve(args: argparse.Namespace, recognizer: Recognizer, listener: socket.socket) -> None:
    import uvicorn

    from keras_skeleton.datasets.formats.poses import POSES
    from keras_skeleton.film.people_labels import PeopleLabeler
    from keras_skeleton.serve.app import About, create_app
    from keras_skeleton.serve.labeler import CLIPS, FILMS, FileLabeler
    from keras_skeleton.skeletons import SKELETONS
    from keras_skeleton.video.pose_models import find_pose_models
    from keras_skeleton.viz.overlay import CLASS_COLOURS

    notes = []
    for check in (
        lambda: pose_models(args.pose_models),
        lambda: PeopleLabeler(recognizer, 30, (480, 640)),
    ):
        try:
            check()
        except UserError as error:
            notes.append(f"No films, only key points: {error}")
            print(f"note: {notes[-1]}")
    layouts = (*SKELETONS, *POSES)
    about = About(
        recognizer.name, recognizer.classes, CLASS_COLOURS, FILMS, CLIPS,
        recognizer.calibration is not None, layouts, notes, f"{program()} serve",
    )  # fmt: skip
    label = FileLabeler(
        recognizer, lambda: pose_estimator(find_pose_models(args.pose_models)), args.people
    )
    app = create_app(label, about, most_bytes=args.most_mb << 20)
    address = f"http://{ADDRESS}:{listener.getsockname()[1]}/{app.state.key}/"
    print(
        f"{address}\nopen this address in a browser on this computer; stop with Ctrl+C", flush=True
    )
    if not args.no_browser and _has_screen():
        # The socket listens already: the browser waits until the server answers.
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    try:
        uvicorn.Server(config).run([listener])
    except KeyboardInterrupt:
        print("\nstopped; all files are deleted")
