"""Pictures of a camera as they come; who is slow gets fewer of them, not old ones.

A thread reads the camera and keeps the newest picture only. A film is read by `open_film`; both
yield `FilmFrame`s, thus whatever labels the one labels the other.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from pathlib import Path
from threading import Condition, Thread
from typing import Any

import av
import numpy as np

from keras_skeleton.video.film import USUAL_FPS, FilmFrame
from keras_skeleton.video.reading import MAX_PIXELS, READING_ERRORS, VideoError, reason_of

DEVICES = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}  # of ffmpeg
PATIENCE = 10.0  # seconds until the first picture
LONGEST_CLOSE = 2.0  # seconds to wait for a thread that hangs in a driver
PAUSE = 0.005  # seconds between questions to a camera that has no picture yet


class Camera:
    """Reads a source of pictures in a thread and yields the newest. `open_camera` makes one.

    Args:
        source: Yields pairs of seconds since the start and a picture. It is read, and closed if it
            is a generator, in the camera's own thread.
        size: Height and width of the pictures.
        fps: Pictures per second that the source promises.
        name: The camera, for messages.
        to_image: Makes a picture an image, uint8 (H, W, 3), RGB. Skipped pictures never become
            images, which saves time.

    Attributes:
        size: Height and width of the images.
        fps: Pictures per second that the camera promises. Fewer come if there is little light or
            if the reader is slow: rely on `time_s`.
        skipped: How many pictures were replaced by newer ones before they were asked for.

    Example:
        >>> from keras_skeleton.video.camera import Camera
        >>> import numpy as np
        >>> black = np.zeros((48, 64, 3), np.uint8)
        >>> with Camera([(0.0, black)], size=(48, 64), fps=30) as camera:
        ...     [(frame.number, frame.time_s) for frame in camera.frames()]
        [(0, 0.0)]
    """

    def __init__(
        self,
        source: Iterable[tuple[float, Any]],
        size: tuple[int, int],
        fps: float,
        name: str = "camera",
        to_image: Callable[[Any], np.ndarray] = np.ascontiguousarray,
    ) -> None:
        self.name, self.size, self.fps = name, size, fps
        self.skipped = 0
        self._source, self._to_image = source, to_image
        self._thread: Thread | None = None
        self._changed = Condition()  # guards what follows
        self._newest: tuple[float, Any] | None = None
        self._error: Exception | None = None
        self._ended = self._closed = False
        self._number = 0

    def frames(self) -> Generator[FilmFrame, None, None]:
        """Yields the newest picture, waiting for one if need be, until the camera ends or closes.

        `number` counts the pictures that are yielded; `time_s` is when each was taken, in seconds
        since the camera was opened.

        Raises:
            VideoError: The camera fails, or it was closed before.
        """
        with self._changed:
            if self._closed:
                raise VideoError(f"{self.name}: the camera is closed; open it again")
            if self._thread is None:
                self._thread = Thread(target=self._read, name=f"reads {self.name}", daemon=True)
                self._thread.start()
        while (pair := self._take()) is not None:
            yield FilmFrame(self._number, pair[0], self._to_image(pair[1]))
            self._number += 1

    def close(self) -> None:
        """Stops the thread and frees the camera; loops over `frames` end. Twice does no harm."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is None:
            _close(self._source)
        else:
            # A camera that hangs must not keep the program from ending.
            self._thread.join(timeout=LONGEST_CLOSE)

    def __enter__(self) -> Camera:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take(self) -> tuple[float, Any] | None:
        with self._changed:
            while self._newest is None and not self._ended and not self._closed:
                self._changed.wait(0.5)  # Windows hears Ctrl-C only between waits
            if self._closed:
                return None
            pair, self._newest = self._newest, None
            if pair is None and self._error is not None:
                reason = reason_of(self._error)
                raise VideoError(f"{self.name}: the camera failed: {reason}") from self._error
            return pair

    def _read(self) -> None:
        error = None
        try:
            for pair in self._source:
                with self._changed:
                    if self._closed:
                        break
                    self.skipped += self._newest is not None
                    self._newest = pair
                    self._changed.notify_all()
        except Exception as caught:  # raised in frames(), where somebody sees it
            error = caught
        finally:
            with suppress(Exception):
                _close(self._source)
            with self._changed:
                self._error, self._ended = error, True
                self._changed.notify_all()


def _close(source: object) -> None:
    close = getattr(source, "close", None)
    if close is not None:
        close()


def list_cameras(platform: str = sys.platform) -> dict[str, str]:
    """Names of cameras, as `open_camera` takes them, and what they are.

    Empty where there is none, or where this version of PyAV cannot list them.

    Args:
        platform: `sys.platform` of the system to look at.

    Example:
        >>> from keras_skeleton.video.camera import list_cameras
        >>> list_cameras()  # doctest: +SKIP
        {'/dev/video0': 'Integrated Camera'}
    """
    if platform == "linux":
        found = sorted(Path("/dev").glob("video[0-9]*"), key=lambda path: (len(path.name), path))
        return {str(path): _title(path) for path in found}
    devices: list[Any] = []
    with suppress(ImportError, *READING_ERRORS):
        from av.device import enumerate_input_devices  # PyAV before 17 has none

        devices = enumerate_input_devices(DEVICES[platform])
    return {
        device.name: device.description
        for device in devices
        if not device.media_types or "video" in device.media_types
    }


def _title(path: Path) -> str:
    with suppress(OSError):
        return Path("/sys/class/video4linux", path.name, "name").read_text("utf-8").strip()
    return "camera"


def address_of(name: str, platform: str = sys.platform) -> tuple[str, str]:
    """What ffmpeg calls a camera: its address and the kind of device.

    Raises:
        VideoError: There is no such camera, or this system's cameras are unknown.
    """
    if platform not in DEVICES:
        raise VideoError(
            f"camera '{name}': cameras of this system ({platform}) cannot be read; record a film "
            "and give its path"
        )
    kind = DEVICES[platform]
    if kind == "v4l2":
        path = f"/dev/video{name}" if name.isdecimal() else name
        if not Path(path).exists():
            raise VideoError(f"camera '{name}': no such camera.{_known(platform)}")
        return path, kind
    if kind == "avfoundation":
        return f"{name}:none", kind  # no sound
    if name.isdecimal():
        names = list(list_cameras(platform))
        if int(name) >= len(names):
            raise VideoError(f"camera '{name}': no such camera.{_known(platform)}")
        name = names[int(name)]
    return f"video={name.removeprefix('video=')}", kind


def _known(platform: str = sys.platform) -> str:
    cameras = list_cameras(platform)
    listed = "; ".join(f"{name} ({title})" for name, title in cameras.items())
    examples = {
        "linux": "'0' for /dev/video0, or a path such as '/dev/video2'",
        "darwin": "'0' for the first one, or its name in the system's settings",
        "win32": "'0' for the first one, or its name in the Device Manager",
    }
    found = f" Found: {listed}." if listed else " None was found: is it plugged in and switched on?"
    return f"{found} Name one by {examples[platform]}"


def open_camera(name: str = "0") -> Camera:
    """Opens a camera of this computer.

    Args:
        name: A number from 0, or the camera's own name. On Linux the path of a device, which is
            `/dev/video0` for `"0"`; on Windows and macOS what the system calls it.

    Returns:
        The camera, to be used in a `with` block or closed. It has given a first picture, thus
        works, and its size is known.

    Raises:
        VideoError: No such camera, it may not be used, or it gives no picture. The message lists
            the cameras that there are.

    Example:
        >>> from keras_skeleton.video.camera import open_camera
        >>> with open_camera("0") as camera:  # doctest: +SKIP
        ...     for frame in camera.frames():
        ...         print(frame.time_s, frame.image.shape)
    """
    name = str(name)
    address, kind = address_of(name)
    try:
        container = _open(address, kind)
        source = _pictures(container, time.monotonic())
        try:
            _, first = next(source)  # lost, but it shows that the camera works
            if first.width * first.height > MAX_PIXELS:
                raise VideoError(f"camera '{name}': its pictures are too large")
            stream = container.streams.video[0]
            rate = float(stream.average_rate or stream.guessed_rate or 0)
        except BaseException:
            source.close()
            raise
    except StopIteration:
        raise VideoError(f"camera '{name}': it gives no picture.{_known()}") from None
    except READING_ERRORS as error:
        raise VideoError(f"camera '{name}': {reason_of(error)}.{_hint(error)}{_known()}") from None
    return Camera(
        source,
        size=(first.height, first.width),
        fps=rate if 0 < rate <= 1000 else USUAL_FPS,
        name=f"camera '{name}'",
        to_image=lambda frame: frame.to_ndarray(format="rgb24"),
    )


def _open(address: str, kind: str) -> Any:
    try:
        # Some cameras of Macs refuse the rate that ffmpeg asks for by itself.
        return av.open(address, format=kind, options={"framerate": "30"})
    except READING_ERRORS:
        return av.open(address, format=kind)


def _pictures(container: Any, start: float) -> Generator[tuple[float, Any], None, None]:
    """Decoded frames and when they came, until the camera ends."""
    with container:
        stream = container.streams.video[0]
        seen = False
        while True:
            try:
                for packet in container.demux(stream):
                    with suppress(av.error.InvalidDataError):  # one picture that USB damaged
                        for frame in packet.decode():
                            seen = True
                            yield time.monotonic() - start, frame
                return
            except BlockingIOError:  # a Mac's way to say: not yet
                if not seen and time.monotonic() - start > PATIENCE:
                    raise TimeoutError(f"no picture within {PATIENCE:.0f} s") from None
                time.sleep(PAUSE)


def _hint(error: Exception) -> str:
    if isinstance(error, PermissionError):
        return " Allow this program to use the camera (on Linux: join the group 'video')."
    if "busy" in str(error).lower():
        return " Close the program that uses it."
    return ""
