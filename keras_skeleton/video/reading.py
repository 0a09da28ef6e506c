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


class VideoError(UserError):
    """A video cannot be read; the message gives path, position and reason."""


def frames_of(path: str | Path) -> Iterator[np.ndarray]:
    """Yields the frames of a video, uint8 (H, W, 3) in RGB, one at a time.

    Raises:
        VideoError: No such file, no video in it, or a frame cannot be decoded.
    """
    path = Path(path)
    if not path.is_file():
        raise VideoError(f"{path}: no such file")
    number = 0
    try:
        options = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}
        with av.open(f"file:{path}", options=options) as container:
            if not container.streams.video:
                raise VideoError(f"{path}: the file contains no video")
            size = container.streams.video[0].codec_context
            if size.width * size.height > MAX_PIXELS:
                raise VideoError(f"{path}: frames of {size.width} x {size.height} are too large")
            for frame in container.decode(video=0):
                if frame.width * frame.height > MAX_PIXELS:
                    raise VideoError(f"{path}: frame {number + 1} is too large")
                yield frame.to_ndarray(format="rgb24")
                number += 1
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        where = f"after {number} frames" if number else "at the first frame"
        raise VideoError(f"{path}: decoding failed {where}: {reason}") from None
    if not number:
        raise VideoError(f"{path}: no frame could be decoded")


def read_video(path: str | Path, rows: Sequence[int] | None = None) -> np.ndarray:
    """Reads a video, or some of its frames.

    Decoding stops after the last requested frame, and only requested frames are kept in memory.

    Args:
        path: The video file.
        rows: Numbers of the frames to read, from 0, in any order; all frames by default.

    Returns:
        uint8 (T, H, W, 3), RGB.

    Raises:
        VideoError: No such file, a frame cannot be decoded, or the video is too short for `rows`.
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
        return np.stack(list(frames_of(path)))
    wanted = [int(row) for row in rows]
    kept = set(wanted)
    if not wanted or min(wanted) < 0:
        raise ValueError(f"rows={wanted}: give at least one frame, counted from 0")
    found: dict[int, np.ndarray] = {}
    number = -1
    for number, frame in enumerate(frames_of(path)):
        if number in kept:
            found[number] = frame
        if number == max(wanted):
            return np.stack([found[row] for row in wanted])
    raise VideoError(f"{path}: has {number + 1} frames, but frame {max(wanted)} was requested")


def write_video(
    path: str | Path, frames: Iterable[np.ndarray], fps: float = 30, codec: str = "mpeg4"
) -> None:
    """Writes a nearly lossless video.

    Args:
        path: The file; its suffix selects the container.
        frames: Frames uint8 (H, W, 3), RGB; H and W must be even.
        fps: Frames per second.
        codec: `"mpeg4"`, which every build of ffmpeg has, or `MOVIE_CODEC` for videos to watch.

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
                stream.bit_rate = 20 * frame.size * 8  # nearly lossless for simple images
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
