"""Films as a camera saw them: upright, with square pixels, at a constant rate.

`frames_of` gives what a file stores. A film from a phone is stored lying on its side, with frames
at uneven times, or with 240 frames a second; networks of skeletons expect upright people at about
30. `open_film` decides on a rate when it opens the film, then `Film.frames` streams: for each tick
of that rate the frame nearest in time, in constant memory.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from av.video.reformatter import VideoReformatter

from keras_skeleton.video.reading import (
    CONTAINERS,
    MAX_PIXELS,
    READING_ERRORS,
    VideoError,
    open_container,
    reason_of,
)

USUAL_FPS = 30.0  # of films whose rate is unknown; faster films are thinned to about this
PROBE = 300  # packets whose times are read to find the rate
REORDERED = 16  # frames of H.264 that may be stored before ones that are shown earlier
MOST_MISSING = 0.1  # of the frames of a film that counts as constant; they are repeated
LONGEST_GAP = 60.0  # seconds; a longer jump of the time stamps is an error of them
LONGEST_STEP_BACK = 0.25  # seconds by which frames may be out of order
MOST_SQUEEZED = 4.0  # pixels that are wider or narrower than this are an error of the file
VARIABLE = "the times between frames vary: for each moment the frame nearest in time is used"


@dataclass(frozen=True)
class FilmFrame:
    """A frame of a film or of a camera.

    Attributes:
        number: Its number, from 0, without gaps.
        time_s: When it is shown, in seconds after the first frame.
        image: uint8 (H, W, 3), RGB, upright.
    """

    number: int
    time_s: float
    image: np.ndarray


class Film:
    """A film to be read frame by frame, any number of times. `open_film` makes one.

    Attributes:
        path: The file.
        size: Height and width of every frame, after turning and scaling.
        fps: Frames per second that `frames` yields, constant.
        source_fps: Frames per second of the file, on average.
        frames_expected: About how many frames `frames` yields, or None if the file does not say.
    """

    def __init__(
        self, path: str | Path, most_fps: float = 45.0, most_pixels: int | None = None
    ) -> None:
        if not most_fps > 0:
            raise ValueError(f"most_fps={most_fps}: give a positive number")
        if most_pixels is not None and most_pixels < 1:
            raise ValueError(f"most_pixels={most_pixels}: give at least 1")
        self.path = Path(path)
        self._notes: list[str] = []
        first, probe = self._probe()
        self.source_fps, constant = probe.rate()
        self._step = 1
        if self.source_fps > most_fps:
            needed = math.ceil(self.source_fps / most_fps - 1e-9)
            self._step = max(needed, round(self.source_fps / USUAL_FPS))
        self.fps = self.source_fps / self._step
        self._turn = _Turn.of(first)
        self._stored, self.size = self._sizes(first, probe.pixel_aspect, most_pixels)
        silent = not probe.has_sound or probe.own_seconds
        self._seconds = (probe.seconds or 0.0) if silent else 0.0  # sound may last longer
        self._seconds = max(self._seconds, probe.frames / self.source_fps)
        self.frames_expected = probe.expected(self.fps, self._step, constant)
        if self._step > 1:
            self._note(
                f"{self.source_fps:.4g} frames per second: "
                f"every {_ordinal(self._step)} frame is used"
            )
        if not constant:
            self._note(VARIABLE)
        if self._turn.changes:
            self._note(self._turn.text)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was changed. `frames` may add to it, for example where a damaged film stops."""
        return tuple(self._notes)

    def frames(self) -> Generator[FilmFrame, None, None]:
        """Yields the frames at the constant rate `fps`, one at a time.

        Frames of a film with a constant rate are yielded one to one (or every n-th of them). A
        film that is damaged ends before the damage, and `notes` says when.

        Raises:
            VideoError: The file disappeared or its frames became too large.
        """
        number = 0
        held: Any = None  # the frame before the newest
        held_time = 0.0
        image: np.ndarray | None = None
        unused = 0  # frames of the file since the last one that was yielded
        converter = VideoReformatter()  # keeps its tables from frame to frame
        for time, frame in self._decoded():
            if held is not None:
                uses = 0
                while number / self.fps <= (held_time + time) / 2:
                    image = self._picture(held, converter) if image is None else image.copy()
                    yield FilmFrame(number, number / self.fps, image)
                    number, uses = number + 1, uses + 1
                unused = 0 if uses else unused + 1
                if uses > 1 or unused >= self._step:
                    self._note(VARIABLE)
            held, held_time, image = frame, time, None
        while held is not None and number / self.fps <= held_time + 0.5 / self.source_fps:
            image = self._picture(held, converter) if image is None else image.copy()
            yield FilmFrame(number, number / self.fps, image)
            number += 1

    def _decoded(self) -> Iterator[tuple[float, Any]]:
        """Times and decoded frames of the file, as far as it can be read."""
        count, time, length = 0, 0.0, 0.0
        skipped: list[float] = []
        try:
            container, stream = open_container(self.path)
        except READING_ERRORS as error:
            raise VideoError(f"{self.path}: cannot be opened again: {reason_of(error)}") from None
        with container:
            stream.thread_type = "AUTO"
            clock = _Clock(stream.time_base, 1 / self.source_fps)
            counted = container.format.name == "avi"
            packets = container.demux(stream)
            packet: Any = True
            while packet is not None:
                try:
                    packet = next(packets, None)
                except READING_ERRORS as error:
                    self._note(f"the film is damaged and ends at {time:.1f} s: {reason_of(error)}")
                    packet = None
                try:  # after the last packet: the frames that the decoder still has
                    source = stream.codec_context if packet is None else packet
                    frames = source.decode()
                except EOFError:  # it has none
                    continue
                except READING_ERRORS:
                    skipped.append(time)
                    continue
                for frame in frames:
                    if frame.width * frame.height > MAX_PIXELS:
                        raise VideoError(f"{self.path}: frame {count + 1} is too large")
                    time = clock(_stamp(frame, counted))
                    length = float((getattr(frame, "duration", 0) or 0) * stream.time_base)
                    yield time, frame
                    count += 1
        if skipped:
            self._note(
                f"the film is damaged: {len(skipped)} part(s) of it cannot be decoded, "
                f"the first at {skipped[0]:.1f} s"
            )
        if clock.repaired:
            self._note("time stamps that jump or run backwards were replaced")
        end = time + max(length, 1 / self.source_fps)
        missing = self._seconds - end
        if missing > max(0.5, 3 / self.source_fps) and not clock.repaired:
            self._note(
                f"the film should last {self._seconds:.1f} s, but its frames end at {end:.1f} s: "
                "it is cut off or damaged"
            )

    def _probe(self) -> tuple[Any, _Probe]:
        """The first frame and what the file says, and shows, of its rate."""
        if self.path.is_file() and not self.path.stat().st_size:
            raise VideoError(f"{self.path}: the file is empty (0 bytes); copy or download it again")
        try:
            container, stream = open_container(self.path)
            with container:
                return self._first_frame(container, stream)
        except READING_ERRORS as error:
            raise VideoError(
                f"{self.path}: cannot be read as a film: {reason_of(error)}. Known formats: "
                f"{CONTAINERS.replace(',', ', ')}. If it plays elsewhere, convert it to MP4; "
                "if not, copy or download it again"
            ) from None

    def _first_frame(self, container: Any, stream: Any) -> tuple[Any, _Probe]:
        counted = container.format.name == "avi"
        first, stamps, whole, reason = None, [], True, ""
        previous = None
        for number, packet in enumerate(container.demux(stream), start=1):
            stamp = packet.dts if counted else packet.pts
            if None not in (previous, packet.dts) and packet.dts < previous:
                whole = False  # another film, joined to this one, begins
            if packet.size and stamp is not None and number <= PROBE and whole:
                stamps.append(stamp)
            previous = packet.dts
            if first is None:
                try:
                    first = next(iter(packet.decode()), None)
                except READING_ERRORS as error:  # a film may begin with a damaged part
                    reason = f" ({reason_of(error)})"
            if first is not None and number >= PROBE:
                whole = False
                break
        if first is None:
            raise VideoError(
                f"{self.path}: no frame could be decoded{reason}; if the film plays elsewhere, "
                "convert it to MP4, otherwise copy or download it again"
            )
        if first.width * first.height > MAX_PIXELS:
            raise VideoError(f"{self.path}: frame 1 is too large")
        stamps.sort()
        return first, _Probe.of(container, stream, stamps if whole else stamps[:-REORDERED], whole)

    def _sizes(
        self, frame: Any, aspect: Fraction | None, most_pixels: int | None
    ) -> tuple[tuple[int, int], tuple[int, int]]:
        """Height and width of a frame before and after it is turned."""
        height, width = frame.height, float(frame.width)
        if aspect and aspect > 0 and aspect != 1:
            if max(aspect, 1 / aspect) <= MOST_SQUEEZED:
                width *= float(aspect)
                self._note(
                    f"pixels are not square ({aspect.numerator}:{aspect.denominator}): "
                    f"the width of {frame.width} is scaled to {round(width)}"
                )
            else:
                self._note(f"the shape of its pixels ({aspect}) is impossible and is ignored")
        most = min(most_pixels or MAX_PIXELS, MAX_PIXELS)
        scale = min(1.0, math.sqrt(most / (height * width)))
        stored = (max(1, int(height * scale)), max(1, int(width * scale)))
        if scale == 1:
            stored = (height, max(1, round(width)))
        else:
            self._note(f"scaled down to {stored[1]} x {stored[0]} pixels")
        self._first_shape = (frame.height, frame.width)
        return stored, stored[::-1] if self._turn.swaps else stored

    def _picture(self, frame: Any, converter: Any) -> np.ndarray:
        height, width = self._stored
        if (frame.height, frame.width) != self._first_shape:
            self._note("the size of its frames changes: all are scaled to that of the first")
        picture = converter.reformat(frame, width, height, "rgb24").to_ndarray()
        return self._turn(picture)

    def _note(self, text: str) -> None:
        if text not in self._notes:
            self._notes.append(text)


def open_film(path: str | Path, most_fps: float = 45.0, most_pixels: int | None = None) -> Film:
    """Opens a film to be read upright, with square pixels, at a constant rate.

    Args:
        path: An AVI, MP4, MOV, MKV, WebM, MPEG or GIF file.
        most_fps: Of films with more frames per second every n-th frame is used, so that about 30
            remain: of 60, 120 and 240 frames per second 30, of 50 frames 25.
        most_pixels: Larger frames are scaled down to this number of pixels at most.

    Returns:
        The film. Its first frame has been decoded, thus it can be read and its size is known.

    Raises:
        VideoError: No such file, no film, or not one frame of it can be decoded.

    Example:
        >>> from keras_skeleton.video.film import open_film
        >>> import tempfile
        >>> import numpy as np
        >>> from keras_skeleton.video.reading import write_video
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_video(f"{folder}/fast.avi", np.zeros((60, 32, 48, 3), "uint8"), fps=60)
        ...     film = open_film(f"{folder}/fast.avi")
        ...     times = [round(frame.time_s, 3) for frame in film.frames()]
        >>> film.size, film.fps, film.notes
        ((32, 48), 30.0, ('60 frames per second: every 2nd frame is used',))
        >>> len(times), times[:3]
        (30, [0.0, 0.033, 0.067])
    """
    return Film(path, most_fps, most_pixels)


@dataclass(frozen=True)
class _Probe:
    """What a file says of its rate and length, and the times of its first frames."""

    times: np.ndarray  # (N,) seconds, in order
    whole: bool  # `times` are those of all frames
    stated: tuple[float, ...]  # rates that the file states, the most trustworthy first
    frames: int
    seconds: float | None
    own_seconds: bool  # `seconds` is of the video, not of the longest stream
    has_sound: bool
    pixel_aspect: Fraction | None

    @classmethod
    def of(cls, container: Any, stream: Any, stamps: Iterable[int], whole: bool) -> _Probe:
        unit = stream.time_base
        own = stream.duration is not None and stream.duration > 0
        seconds = None
        if own:
            seconds = float(stream.duration * unit)
        elif container.duration is not None and container.duration > 0:
            seconds = container.duration / 1e6
        rates = (stream.average_rate, stream.guessed_rate, stream.base_rate)
        return cls(
            times=np.array([float(stamp * unit) for stamp in stamps]),
            whole=whole,
            stated=tuple(float(rate) for rate in rates if rate and 0.01 < rate < 1001),
            frames=stream.frames,
            seconds=seconds,
            own_seconds=own,
            has_sound=len(container.streams) > 1,
            pixel_aspect=stream.sample_aspect_ratio,
        )

    def rate(self) -> tuple[float, bool]:
        """Frames per second, and whether they are constant."""
        times = self.times - self.times[:1]
        if len(times) < 2 or times[-1] <= 0:
            return (self.stated[0] if self.stated else USUAL_FPS), True
        intervals = np.diff(times)
        usual = intervals[intervals <= 10 * max(np.median(intervals), 1e-3)]  # wrong stamps: no
        measured = float(1 / max(usual.mean(), 1e-3))
        for rate in (*self.stated, measured):
            ticks = np.round(times * rate)
            # Every frame is nearest to a tick of its own, thus is used once; some may be missing.
            if np.abs(times * rate - ticks).max() < 0.45 and (np.diff(ticks) > 0).all():
                missing = ticks[-1] + 1 - len(ticks)
                if missing <= MOST_MISSING * len(ticks):
                    return rate, not missing
        if not self.whole and self.frames and self.seconds and self.own_seconds:
            return self.frames / self.seconds, False
        return measured, False

    def expected(self, fps: float, step: int, constant: bool) -> int | None:
        """About how many frames there are at `fps`, every `step`-th of the file."""
        if self.whole and len(self.times) > 1:
            return math.ceil((self.times[-1] - self.times[0]) * fps + 1 / step - 0.1)
        if constant and self.frames:
            return math.ceil(self.frames / step)
        return max(1, round(self.seconds * fps)) if self.seconds else None


class _Clock:
    """Time stamps to seconds after the first frame, always growing.

    Args:
        unit: Seconds per unit of the stamps.
        interval: Seconds between frames, where stamps are missing or wrong.
    """

    def __init__(self, unit: Fraction, interval: float) -> None:
        self.unit, self.interval = unit, interval
        self.repaired = False
        self._origin: float | None = None
        self._last: float | None = None

    def __call__(self, stamp: int | None) -> float:
        following = 0.0 if self._last is None else self._last + self.interval
        time = following
        if stamp is not None:
            seconds = float(stamp * self.unit)
            if self._origin is None:
                self._origin = seconds - following
            time = seconds - self._origin
            if self._last is not None and not 0 < time - self._last <= LONGEST_GAP:
                if (
                    not -LONGEST_STEP_BACK < time - self._last <= LONGEST_GAP
                ):  # as where films were joined
                    self._origin = seconds - following
                    self.repaired = True
                time = following
        self._last = time
        return time


@dataclass(frozen=True)
class _Turn:
    """How to turn and mirror a stored frame, so that it is upright."""

    swaps: bool  # rows and columns
    left_right: bool
    up_down: bool

    @classmethod
    def of(cls, frame: Any) -> _Turn:
        """Reads a frame's display matrix, rounded to quarter turns.

        The matrix takes x to (a, b) and y to (c, d): PyAV 14.0 has it, but not the angle.
        """
        matrix = frame.side_data.get("DISPLAYMATRIX")
        if matrix is None:
            return cls(False, False, False)
        a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].astype(float)
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(False, a < 0, d < 0)
        return cls(True, c < 0, b < 0)

    @property
    def changes(self) -> bool:
        return self.swaps or self.left_right or self.up_down

    @property
    def text(self) -> str:
        turned = {
            (True, True, False): "turned by 90 degrees clockwise",
            (True, False, True): "turned by 90 degrees counter-clockwise",
            (False, True, True): "turned by 180 degrees",
        }
        found = turned.get((self.swaps, self.left_right, self.up_down), "turned and mirrored")
        return f"{found}, as the file says"

    def __call__(self, image: np.ndarray) -> np.ndarray:
        image = np.ascontiguousarray(image)
        if not self.changes:
            return image
        pixels = image.view("V3")[..., 0]  # moving whole pixels takes half the time
        pixels = pixels.T if self.swaps else pixels
        pixels = pixels[:: -1 if self.up_down else 1, :: -1 if self.left_right else 1]
        return np.ascontiguousarray(pixels).view(np.uint8).reshape(*pixels.shape, 3)


def _stamp(frame: Any, counted: bool) -> int | None:
    # AVI numbers its packets only: with B-frames in them, the frames' own stamps are out of order.
    return frame.dts if counted else frame.pts


def _ordinal(n: int) -> str:
    return {2: "2nd", 3: "3rd"}.get(n, f"{n}th")
