"""Video files to frames and back, by PyAV (ffmpeg's libraries)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from keras_skeleton.utils.errors import UserError

# Only these are opened: a playlist by the name of a video could lead to other files.
CONTAINERS = "avi,mov,mp4,matroska,webm,mpegts,mpeg,gif"
# H.264 plays in every browser; MPEG-4, which every build of ffmpeg has, in few.
MOVIE_CODEC = "libx264" if "libx264" in av.codecs_available else "mpeg4"
MAX_PIXELS = 1 << 24  # of a frame; those of NTU RGB+D have two million


class VideoError(UserError):
    """A video that cannot be read; the message says which, where and why."""


def frames_of(path: str | Path) -> Iterator[np.ndarray]:
    """Yields the frames, uint8 (H, W, 3), RGB, one at a time.

    Raises:
        VideoError: No such file, no video in it, or it breaks off.
    """
    path = Path(path)
    if not path.is_file():
        raise VideoError(f"{path}: no such video")
    number = 0
    try:
        options = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}
        with av.open(f"file:{path}", options=options) as container:
            if not container.streams.video:
                raise VideoError(f"{path}: there is no video in this file")
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
        where = f"after {number} frames" if number else "from its beginning"
        raise VideoError(f"{path}: does not decode {where}: {reason}") from None
    if not number:
        raise VideoError(f"{path}: not a single frame could be decoded")


def read_video(path: str | Path, rows: Sequence[int] | None = None) -> np.ndarray:
    """uint8 (T, H, W, 3): all frames, or those with the numbers `rows` (from 0, in any order).

    Decoding ends with the last frame asked for; only what is asked for is kept.

    Raises:
        VideoError: As `frames_of`, or the video is shorter than `rows` ask for.
    """
    if rows is None:
        return np.stack(list(frames_of(path)))
    wanted = [int(row) for row in rows]
    kept = set(wanted)
    if not wanted or min(wanted) < 0:
        raise ValueError(f"rows={wanted}: one frame at least, counted from 0")
    found: dict[int, np.ndarray] = {}
    number = -1
    for number, frame in enumerate(frames_of(path)):
        if number in kept:
            found[number] = frame
        if number == max(wanted):
            return np.stack([found[row] for row in wanted])
    raise VideoError(f"{path}: has {number + 1} frames, frame {max(wanted)} was asked for")


def write_video(
    path: str | Path, frames: Iterable[np.ndarray], fps: float = 30, codec: str = "mpeg4"
) -> None:
    """Writes frames, uint8 (H, W, 3), near to lossless.

    Height and width must be even.

    Args:
        path: Its ending says the container.
        frames: In their order.
        fps: Frames a second.
        codec: `"mpeg4"`, which every build of ffmpeg has, or `MOVIE_CODEC` for people.
    """
    with av.open(str(path), "w") as container:
        stream: Any = None
        for frame in frames:
            if stream is None:
                stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1001))
                stream.height, stream.width = frame.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.bit_rate = 20 * frame.size * 8  # near to lossless for a plain picture
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            container.mux(stream.encode(picture))
        if stream is None:
            raise ValueError(f"{path}: no frames to write")
        container.mux(stream.encode())


def coarse(frames: np.ndarray, pixels: int) -> np.ndarray:
    """The frames, uint8 (T, H, W, 3), with `pixels` rows of detail, at their size: for pictures of
    people who shall not be recognized in them."""
    height, width = frames.shape[1:3]
    small = (max(1, round(width * pixels / height)), pixels)

    def blocks(frame: np.ndarray) -> np.ndarray:
        shrunk = Image.fromarray(frame).resize(small, Image.Resampling.BOX)
        return np.asarray(shrunk.resize((width, height), Image.Resampling.NEAREST))

    return np.stack([blocks(frame) for frame in frames])
