"""Reads and writes video files with PyAV (the libraries of ffmpeg)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from keras_skeleton.utils.errors import UserError

# Other formats are refused: a playlist named like a video could refer to other files.
CONTAINERS = "avi,mov,mp4,matroska,webm,mpegts,mpeg,gif"
# H.264 plays in every browser, but not every build of ffmpeg has it; MPEG-4 is always available.
MOVIE_CODEC = "libx264" if "libx264" in av.codecs_available else "mpeg4"
MAX_PIXELS = 1 << 24  # per frame; NTU RGB+D has two million
ATTACHED_PICTURE = 0x400  # of a stream's disposition
# IndexError: PyAV's, where damage in a file looks like more streams than there are.
READING_ERRORS = (av.error.FFmpegError, OSError, ValueError, IndexError)


class VideoError(UserError):
    """A video cannot be read; the message gives path, position and reason."""


def open_container(path: Path) -> tuple[Any, Any]:
    """Opens a video file for reading; names, sizes and what it refers to are not trusted.

    Args:
        path: The video file.

    Returns:
        PyAV's container, to be closed by the caller, and its video stream.

    Raises:
        VideoError: No such file, no video in it, or its frames are too large.
        av.error.FFmpegError, OSError, ValueError: The file cannot be opened, see `reason_of`.
    """
    if not path.is_file():
        raise VideoError(f"{path}: no such file")
    container: Any = av.open(
        f"file:{path}",
        options={"format_whitelist": CONTAINERS, "protocol_whitelist": "file"},
        metadata_errors="ignore",  # titles need not be UTF-8
    )
    try:
        # The cover picture of a piece of music is a stream of video, too.
        streams = [s for s in container.streams.video if not _is_cover(s)]
        if not streams:
            raise VideoError(f"{path}: the file contains no video; give one with pictures")
        codec = streams[0].codec_context
        if codec is None:
            raise VideoError(
                f"{path}: no decoder for its video; convert the film, for example to H.264"
            )
        if codec.width * codec.height > MAX_PIXELS:
            raise VideoError(f"{path}: frames of {codec.width} x {codec.height} are too large")
    except BaseException:
        container.close()
        raise
    return container, streams[0]


def _is_cover(stream: Any) -> bool:
    return bool(int(getattr(stream, "disposition", 0)) & ATTACHED_PICTURE)  # PyAV 14 has none


def reason_of(error: Exception) -> str:
    """What ffmpeg says about an error, without names of classes and codes."""
    if isinstance(error, IndexError):
        return "its table of streams is damaged"
    return getattr(error, "strerror", None) or str(error)


def frames_of(path: str | Path) -> Iterator[np.ndarray]:
    """Yields the frames of a video, uint8 (H, W, 3) in RGB, one at a time.

    They are the stored frames: `keras_skeleton.video.film` turns, scales and resamples them.

    Raises:
        VideoError: No such file, no video in it, or a frame cannot be decoded.
    """
    path = Path(path)
    number = 0
    try:
        container, stream = open_container(path)
        with container:
            for frame in container.decode(stream):
                if frame.width * frame.height > MAX_PIXELS:
                    raise VideoError(f"{path}: frame {number + 1} is too large")
                yield frame.to_ndarray(format="rgb24")
                number += 1
    except READING_ERRORS as error:
        where = f"after {number} frames" if number else "at the first frame"
        raise VideoError(f"{path}: decoding failed {where}: {reason_of(error)}") from None
    if not number:
        raise VideoError(f"{path}: no frame could be decoded")


def read_video(
    path: str | Path,
    rows: Sequence[int] | None = None,
    size: int | None = None,
    most: int | None = None,
) -> np.ndarray:
    """Reads a video, or some of its frames.

    Decoding stops after the last requested frame, and only requested frames are kept in memory.

    Args:
        path: The video file.
        rows: Numbers of the frames to read, from 0, in any order; all frames by default.
        size: Height and width that its frames must have; any by default.
        most: Largest number of frames that it may have.

    Returns:
        uint8 (T, H, W, 3), RGB.

    Raises:
        VideoError: No such file, a frame cannot be decoded, the video is too short for `rows`, or
            its frames have another size or are too many.
        ValueError: `rows` is empty or has negative numbers.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from keras_skeleton.video.reading import read_video, write_video
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_video(f"{folder}/black.avi", np.zeros((10, 32, 48, 3), "uint8"))
        ...     video = read_video(f"{folder}/black.avi", rows=[0, 9])
        >>> video.shape
        (2, 32, 48, 3)
    """
    if rows is None:
        return np.stack(list(_checked(path, size, most)))
    wanted = [int(row) for row in rows]
    kept = set(wanted)
    if not wanted or min(wanted) < 0:
        raise ValueError(f"rows={wanted}: give at least one frame, counted from 0")
    found: dict[int, np.ndarray] = {}
    number = -1
    for number, frame in enumerate(_checked(path, size, most)):
        if number in kept:
            found[number] = frame
        if number == max(wanted):
            return np.stack([found[row] for row in wanted])
    raise VideoError(f"{path}: has {number + 1} frames, but frame {max(wanted)} was requested")


def _checked(path: str | Path, size: int | None, most: int | None) -> Iterator[np.ndarray]:
    """The frames of a video; an error as soon as one has another size, or they are too many."""
    for number, frame in enumerate(frames_of(path)):
        if size is not None and frame.shape[:2] != (size, size):
            height, width = frame.shape[:2]
            raise VideoError(f"{path}: its frames are {height} x {width}, expected {size} x {size}")
        if most is not None and number >= most:
            raise VideoError(f"{path}: has more than the expected {most} frames")
        yield frame


def write_video(
    path: str | Path,
    frames: Iterable[np.ndarray],
    fps: float = 30,
    codec: str = "mpeg4",
    compact: bool = False,
) -> None:
    """Writes a video, nearly lossless by default.

    Args:
        path: The file; its suffix selects the container.
        frames: Frames uint8 (H, W, 3), RGB; H and W must be even.
        fps: Frames per second.
        codec: `"mpeg4"`, which every build of ffmpeg has, or `MOVIE_CODEC` for videos to watch.
        compact: Whether the file is small, for videos to watch only.

    Raises:
        ValueError: There are no frames.
    """
    with av.open(str(path), "w") as container:
        stream: Any = None
        for frame in frames:
            if stream is None:
                stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1001))
                stream.height, stream.width = frame.shape[:2]
                stream.pix_fmt = "yuv420p"
                if not compact:
                    stream.bit_rate = 20 * frame.size * 8  # nearly lossless for simple images
                elif codec == "libx264":
                    stream.options = {"crf": "23", "preset": "veryfast"}
                else:
                    stream.bit_rate = round(0.15 * frame.size * fps)
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            container.mux(stream.encode(picture))
        if stream is None:
            raise ValueError(f"{path}: no frames to write")
        container.mux(stream.encode())


def coarse(frames: np.ndarray, pixels: int) -> np.ndarray:
    """Pixelates frames, to make people unrecognizable in pictures.

    Args:
        frames: uint8 (T, H, W, 3).
        pixels: Number of rows of blocks in a frame.

    Returns:
        uint8 (T, H, W, 3).
    """
    height, width = frames.shape[1:3]
    small = (max(1, round(width * pixels / height)), pixels)

    def blocks(frame: np.ndarray) -> np.ndarray:
        shrunk = Image.fromarray(frame).resize(small, Image.Resampling.BOX)
        return np.asarray(shrunk.resize((width, height), Image.Resampling.NEAREST))

    return np.stack([blocks(frame) for frame in frames])
