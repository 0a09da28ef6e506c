"""Cameras as the source of the command predict, and films played as if from a camera."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_skeleton.commands.film import check_options, open_network
from keras_skeleton.commands.pose_models import pose_estimator, pose_models
from keras_skeleton.utils.files import plain_name
from keras_skeleton.utils.lock import locked
from keras_skeleton.utils.terminal import raw_stream
from keras_skeleton.video.camera import Camera, open_camera
from keras_skeleton.video.film import open_film

if TYPE_CHECKING:
    from keras_skeleton.film.live import LivePicture
    from keras_skeleton.viz.live_window import LiveWindow

SHOWN = 0.5  # seconds between two changes of the line on the console


def predict_live(args: argparse.Namespace, source: str | Path) -> None:
    """Labels a camera, or a film in real time, until it ends or is stopped."""
    check_options(args)
    models = pose_models(args.pose_models)
    with ExitStack() as stack:
        camera = stack.enter_context(
            play(source) if isinstance(source, Path) else open_camera(source)
        )
        recognizer = open_network(args)
        from keras_skeleton.film.live import LiveLabeler, record_live
        from keras_skeleton.film.segments import action_prediction
        from keras_skeleton.film.windows import FPS
        from keras_skeleton.predictions import make_row, predictions_table, write_predictions

        labeler = LiveLabeler(recognizer, pose_estimator(models), camera.size, args.people)
        window = None if args.no_window else _window(labeler.picture_size, camera.name)
        name = _name(source)
        out = stack.enter_context(locked(args.out or Path("runs") / "films" / name))
        print(
            f"{camera.name}: {camera.size[1]} x {camera.size[0]}; labels come "
            f"{labeler.label_delay_s:.1f} s late; stop with Ctrl-C"
            + (", Escape or Q" if window else ""),
            flush=True,
        )
        stopped = stack.enter_context(stop_by_ctrl_c())
        result = record_live(
            labeler, camera, out, name, _shower(window, stopped),
            people=args.people, overlay=not args.no_overlay, seconds=args.seconds,
        )  # fmt: skip
        if window is not None:
            window.close()
    rows = [
        make_row(
            str(source), person, action.start, action.end, FPS,
            action_prediction(action, recognizer.classes),
        )
        for person, action in result.segments
    ]  # fmt: skip
    write_predictions(out, recognizer, rows)
    print("\n" + predictions_table(rows, args.top) if rows else "\nno action was seen")
    print(
        f"\nactions: {len(rows)}; pictures: {result.pictures}; skipped: {camera.skipped}; "
        f"seconds: {result.seconds:.1f}; weights: {recognizer.name}"
    )
    if camera.skipped > result.pictures:
        film = isinstance(source, Path)
        what = "film at its own speed" if film else "camera"
        print(
            f"note: this computer is too slow for this {what}: most pictures were skipped"
            + (
                ", and other ones in each run, so results differ; without --live, every frame is "
                "labeled"
                if film
                else ""
            )
        )
    print(f"results are in {out}")
    if result.error is not None:
        raise result.error


def play(path: Path) -> Camera:
    """A film that is played in real time as if it came from a camera."""
    film = open_film(path)

    def pictures() -> Iterator[tuple[float, Any]]:
        begin = time.monotonic()
        for frame in film.frames():
            time.sleep(max(0.0, begin + frame.time_s - time.monotonic()))
            yield frame.time_s, frame.image

    return Camera(pictures(), film.size, film.fps, path.name)


def _name(source: str | Path) -> str:
    """A name that no earlier run has: nothing that was recorded is written over."""
    first = plain_name(source.stem) if isinstance(source, Path) else "camera"
    return f"{first}_{datetime.now():%Y-%m-%d_%H-%M-%S}"


def _window(size: tuple[int, int], title: str) -> LiveWindow | None:
    from keras_skeleton.viz.live_window import LiveWindow

    try:
        return LiveWindow(size, title)
    except RuntimeError as error:
        print(f"note: no window ({error}): labels are on the console", flush=True)
        return None


@contextmanager
def stop_by_ctrl_c() -> Iterator[threading.Event]:
    """The first Ctrl-C sets the event, so that files are finished; the second one stops at once."""
    stopped = threading.Event()

    def stop(*_: Any) -> None:
        stopped.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)


def _erase_line() -> None:
    raw_stream(sys.stdout).write("\r\033[K")


def _shower(window: LiveWindow | None, stopped: threading.Event) -> Callable[[LivePicture], bool]:
    """Shows pictures in the window, actions as lines and the newest labels in the last line."""
    live = sys.stdout.isatty()
    last = [0.0]

    def show(picture: LivePicture) -> bool:
        for event in picture.events:
            action = event.segment
            what = "starts" if event.kind == "start" else "ended"
            unsure = " (unsure)" if action.unsure else ""
            at = (action.start if event.kind == "start" else action.end) / 30
            line = (
                f"{at:7.1f} s  person {event.person} {what} {action.label} "
                f"{100 * action.probability:.0f} %{unsure}, said {event.delay_s:.1f} s later"
            )
            if live:
                _erase_line()
            print(line, flush=True)
        if live and picture.time_s - last[0] >= SHOWN:
            last[0] = picture.time_s
            said = ", ".join(
                f"person {person}: {label}" for person, (label, *_) in picture.labels.items()
            )
            _erase_line()
            print(
                f"{picture.time_s:7.1f} s  {picture.fps:.0f} pictures a second, labels "
                f"{picture.delay_s:.1f} s behind  {said or 'nobody'}",
                end="",
                flush=True,
            )
        shown = window is None or window.show(picture.image)
        return shown and not stopped.is_set()

    return show
