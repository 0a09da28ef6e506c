"""Announces starts and ends of actions in a stream that is still growing, in constant memory.

What is announced as ended equals what `detection.gate.decode` finds in the whole recording. A start
is announced when the action is sure to be one: when its class's probability has reached `on` and
has stayed above `off` for `shortest` of the class's typical length. An end is announced when its
place is known. `StartAndEnd.delays` says how late that is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from keras_skeleton.detection.detect import GateSettings
from keras_skeleton.detection.detector import GATES, PROPOSALS, Detector
from keras_skeleton.detection.gate import GateStream
from keras_skeleton.detection.live_rate import LiveRate
from keras_skeleton.detection.recording import is_other_rate, size_warnings, trained_fps
from keras_skeleton.models.preprocessing import ClipInputError
from keras_skeleton.models.registry import MODELS
from keras_skeleton.utils.errors import UserError

SIZED = 30  # frames with a person after which their size is known


@dataclass(frozen=True)
class Announcement:
    """An action starts or has ended.

    Attributes:
        kind: `"start"` or `"end"`.
        label: Class.
        start: First frame of the action. That of an end may differ by a few frames from the one
            that was announced, if the action was short.
        end: End of the action (excluded); None for a start.
        score: Score; None for a start.
        frame: Number of frames of the stream when this was announced.
    """

    kind: str
    label: int
    start: int
    end: int | None
    score: float | None
    frame: int


@dataclass
class _Run:
    """Frames of a class above `off`, from which an action may become."""

    start: int
    low: int  # first frame of `sums`
    sums: np.ndarray  # sum of all probabilities before each frame from `low` on
    highest: float = 0.0
    end: int | None = None
    first: int | None = None
    announced: bool = False


class StartAndEnd:
    """Finds the actions of one class, frame by frame; see `detection.gate.decode`.

    Args:
        label: The class.
        settings: Parameters of detection.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.detection.detect import GateSettings
        >>> from keras_skeleton.detection.live import StartAndEnd
        >>> finder = StartAndEnd(0, GateSettings(lengths=(20.0,)))
        >>> probability = np.full(60, 0.1)
        >>> probability[10:30] = 0.9
        >>> said = [a for p in probability for a in finder.push(p, 0.0, 0.0)] + finder.finish()
        >>> [(a.kind, a.start, a.end, a.frame) for a in said]
        [('start', 9, None, 19), ('end', 9, 32, 38)]
    """

    def __init__(self, label: int, settings: GateSettings) -> None:
        self.label, self.settings = label, settings
        self.length = settings.lengths[label]
        self.window = min(max(round(settings.smoothing * self.length), 1), settings.longest)
        self.before = self.window // 2
        self.after = self.window - self.before - 1
        self.far = max(int(settings.near * self.length), 1)
        self.kept = 2 * self.far + 2 * self.window + 2  # frames that are remembered
        self._first = 0  # number of the first remembered frame
        self._rows = np.zeros((0, 4))  # probability, start, end, and the sum before the frame
        self._count = 0
        self._next = 0  # first frame whose smoothed probability is not known yet
        self._runs: list[_Run] = []

    @property
    def delays(self) -> tuple[int, int]:
        """Most frames from the start of an action to its announcement, and from its end, if its
        probability rises and falls at once."""
        start = max(math.ceil(self.settings.shortest * self.length), self.far + 1)
        return start + self.window, self.far + self.window

    def push(self, probability: float, start: float, end: float) -> list[Announcement]:
        """Takes the outputs of the next frame; returns what is known with it."""
        total = self._rows[-1, 3] + self._rows[-1, 0] if self._count else 0.0
        self._rows = np.concatenate([self._rows, [[probability, start, end, total]]])
        self._count += 1
        said = self._advance(self._count - self.after, last=False)
        old = min(self._next - self.before - 1, self._count - 1) - self.far - 1
        open_run = next((run for run in self._runs if run.end is None), None)
        if open_run is None or open_run.first is not None:
            keep = max(old, 0)
        else:
            keep = max(min(old, open_run.start - self.far), 0)
        for run in self._runs:
            if run.end is not None:
                keep = min(keep, max(run.end - 2 - self.far, 0))
        if keep > self._first:
            self._rows, self._first = self._rows[keep - self._first :], keep
        return said

    def finish(self) -> list[Announcement]:
        """Ends the stream; returns what is known at its end."""
        return self._advance(self._count, last=True)

    def _value(self, t: int) -> float:
        """The smoothed probability of a frame; the ends of the stream are continued."""
        at = np.clip(np.arange(t - self.before, t + self.after + 1), 0, self._count - 1)
        return float(self._rows[at - self._first, 0].mean())

    def _advance(self, known: int, last: bool) -> list[Announcement]:
        said: list[Announcement] = []
        while self._next < known:
            t = self._next
            value = self._value(t)
            run = self._runs[-1] if self._runs and self._runs[-1].end is None else None
            if value > self.settings.off:
                if run is None:
                    low = max(t - self.far, 0)
                    run = _Run(t, low, np.zeros(0))
                    self._runs.append(run)
                run.highest = max(run.highest, value)
            elif run is not None:
                run.end = t
            self._next += 1
        if last and self._runs and self._runs[-1].end is None:
            self._runs[-1].end = self._count
        done = []
        for run in self._runs:
            said += self._start(run, last)
            if run.end is not None and (last or self._count >= run.end + self.far):
                said += self._end(run)
                done.append(run)
        self._runs = [run for run in self._runs if run not in done]
        return said

    def _is_action(self, run: _Run) -> bool:
        length = (self._next if run.end is None else run.end) - run.start
        enough = length >= self.settings.shortest * self.length
        return enough and run.highest >= self.settings.on

    def _start(self, run: _Run, last: bool) -> list[Announcement]:
        far = run.start + self.far + 1
        if run.first is None and (run.end is not None or last or self._next >= far):
            stop = far if run.end is None else min(far, run.end)
            pull = self.settings.pull / self.far
            run.first = self._best(1, run.start, run.low, stop, pull)
            places = np.arange(run.low, max(run.start, run.first) + 1) - self._first
            run.sums = self._rows[places, 3].copy()
        if run.first is None or run.announced or not self._is_action(run):
            return []
        run.announced = True
        return [Announcement("start", self.label, run.first, None, None, self._count)]

    def _end(self, run: _Run) -> list[Announcement]:
        assert run.end is not None
        assert run.first is not None
        if not self._is_action(run):
            return []
        low = max(run.end - 1 - self.far, run.start)
        pull = self.settings.pull / self.far
        found = self._best(2, run.end - 1, low, run.end + self.far, pull)
        start, end = run.start, run.end
        if run.first <= found:
            start, end = run.first, found + 1
        mean = (self._sum(end) - run.sums[start - run.low]) / (end - start)
        score = mean * min(1.0, (end - start) / self.length) ** 0.5
        return [Announcement("end", self.label, start, end, float(score), self._count)]

    def _best(self, column: int, own: int, low: int, high: int, pull: float) -> int:
        """The frame in [low, high) with the highest probability of a start or end, less `pull` a
        frame of distance."""
        at = np.arange(low, min(high, self._count))
        rows = self._rows[at - self._first, column]
        return int(at[np.argmax(rows - pull * np.abs(at - own))])

    def _sum(self, t: int) -> float:
        """Sum of the probabilities before a frame."""
        if t < self._count:
            return float(self._rows[t - self._first, 3])
        return float(self._rows[-1, 3] + self._rows[-1, 0])


class LiveDetector:
    """Finds the actions of a stream with GateNet, frame by frame.

    The method `gate_u` is causal; `gate_b` needs later frames and is later by `delay`. Frames are
    resampled to the detector's rate, as `Detector.detect_recording` does it, if `fps` is given.

    Args:
        detector: A detector with `gate_u` or `gate_b`.
        method: The method.
        block: Frames that go through the network together. More are faster, and later.
        on_probabilities: Called with the probabilities of the classes and of no action, (n, C + 1),
            of the next n frames at the detector's rate, once they are known.
        fps: Frames per second of the stream; None for frames at the detector's rate (see
            `recording.trained_fps`).

    Attributes:
        count: Number of frames of the stream so far.
        shown: Number of frames so far at the detector's rate.
        delay: Frames, at the detector's rate, after which the network knows a frame; `delays`
            includes them.

    Raises:
        UserError: The method cannot be used frame by frame, or `fps` is not positive.

    Example:
        >>> from keras_skeleton.detection.live import LiveDetector
        >>> live = LiveDetector(detector, "gate_u", fps=30)  # doctest: +SKIP
        >>> for pose in poses:  # (V, 3) or (M, V, 3), the detector's joints  # doctest: +SKIP
        ...     for said in live.push(pose):
        ...         print(said.kind, detector.run["classes"][said.label], said.start)
        >>> live.finish()  # doctest: +SKIP
    """

    def __init__(
        self,
        detector: Detector,
        method: str,
        block: int = 4,
        on_probabilities: Callable[[np.ndarray], None] | None = None,
        fps: float | None = None,
    ) -> None:
        settings = detector.settings(method)
        if method not in GATES or not isinstance(settings, GateSettings):
            raise UserError(
                f"'{method}' needs whole recordings; frame by frame, use {' or '.join(GATES)}"
            )
        choices = detector.recipe(method)["preprocessing"]
        if str(choices.get("coordinates")).startswith("actor") and detector.run["bodies"] > 1:
            raise UserError(
                f"'{method}' of this run chooses the main person of whole recordings (coordinates "
                f"'{choices['coordinates']}'), so it cannot be used frame by frame"
            )
        self.detector, self.block = detector, block
        self._prepare = lambda clip: MODELS[PROPOSALS].preprocess(
            detector.skeleton, len(clip), **choices
        )(clip)
        self._stream = GateStream(detector.network(method))
        self.delay = self._stream.delay + block - 1
        self._classes = [StartAndEnd(label, settings) for label in range(detector.classes)]
        self._waiting: list[np.ndarray] = []
        self._on_probabilities = on_probabilities
        self._sized: list[np.ndarray] | None = []  # frames with a person, until they are enough
        self.count = self.shown = 0
        if fps is not None and not 0 < fps < math.inf:
            raise UserError(f"fps={fps}: must be frames per second, above 0")
        self._rate: LiveRate | None = None
        self._scale = 1.0  # frames of the stream per frame that is shown
        trained = trained_fps(detector.run) if fps else None
        if fps and trained and is_other_rate(trained, fps):
            self._rate, self._scale = LiveRate(fps, trained), fps / trained

    def delays(self, label: int) -> tuple[int, int]:
        """Most frames of the stream from start and end of an action of a class to their
        announcements, if its probability rises and falls at once."""
        start, end = self._classes[label].delays
        return (
            math.ceil((start + self.delay) * self._scale),
            math.ceil((end + self.delay) * self._scale),
        )

    def push(self, pose: np.ndarray) -> list[Announcement]:
        """Takes the next frame, in the detector's joints and in metres.

        Args:
            pose: (V, 3), or (M, V, 3) with at most as many bodies as the detector takes; zeros
                where nobody is.

        Raises:
            ClipInputError: Another shape, NaN or infinity; or, after 30 frames with a person, an
                impossible size, such as that of people in millimetres.
        """
        own = self._checked(pose)
        self.count += 1
        if self._sized is not None and own.any():
            self._sized.append(own)
            if len(self._sized) == SIZED:
                self._check_size()
        return self._show(self._rate.push(own) if self._rate else [own])

    def finish(self) -> list[Announcement]:
        """Ends the stream; returns the last announcements."""
        self._check_size()
        said = self._show(self._rate.finish()) if self._rate else []
        said += self._flush() if self._waiting else []
        last = self._decode(self._stream.finish())
        for own in self._classes:
            last += own.finish()
        return said + self._placed(last)

    def _checked(self, pose: np.ndarray) -> np.ndarray:
        """A frame as (M, V, 3) with the detector's number of bodies."""
        array, size = np.asarray(pose), self.detector.skeleton.size
        bodies = self.detector.run["bodies"]
        own = array[None] if array.ndim == 2 else array
        if own.ndim != 3 or own.shape[1:] != (size, 3) or own.dtype.kind not in "fiu":
            raise ClipInputError(
                f"the frame has shape {array.shape}; expected ({size}, 3) or (M, {size}, 3), the "
                f"joints of {self.detector.skeleton.name}; `skeletons.joint_map` maps others"
            )
        if len(own) > bodies:
            raise ClipInputError(
                f"the frame has {len(own)} bodies, the detector takes {bodies}; choose them first"
            )
        if not np.isfinite(own).all():
            raise ClipInputError(
                "the frame has NaN or infinity; fill joints that were not seen, or give zeros for "
                "nobody"
            )
        result = np.zeros((bodies, size, 3), np.float32)
        result[: len(own)] = own
        return result

    def _check_size(self) -> None:
        """Refuses people of an impossible size."""
        if self._sized:
            clip, self._sized = np.stack(self._sized), None
            skeleton, unit = self.detector.skeleton, self.detector.run.get("unit", "m")
            size_warnings(clip, skeleton, skeleton, unit)

    def _show(self, frames: list[np.ndarray]) -> list[Announcement]:
        """Gives frames at the detector's rate to the network."""
        said = []
        for frame in frames:
            self._waiting.append(frame)
            self.shown += 1
            said += self._flush() if len(self._waiting) == self.block else []
        return said

    def _flush(self) -> list[Announcement]:
        frames = self._prepare(np.stack(self._waiting))
        self._waiting = []
        return self._placed(self._decode(self._stream.push(frames)))

    def _decode(self, outputs: np.ndarray) -> list[Announcement]:
        if self._on_probabilities is not None and len(outputs):
            self._on_probabilities(outputs[:, :-2])
        return [
            said
            for row in outputs.astype(np.float64)
            for own in self._classes
            for said in own.push(row[own.label], row[-2], row[-1])
        ]

    def _placed(self, said: list[Announcement]) -> list[Announcement]:
        """Announcements in frames of the stream."""
        return [self._place(one) for one in said]

    def _place(self, one: Announcement) -> Announcement:
        if self._rate is None:
            return replace(one, frame=self.count)
        start = min(round(one.start * self._scale), self.count - 1)
        end = None
        if one.end is not None:
            end = max(min(round(one.end * self._scale), self.count), start + 1)
        return replace(one, start=start, end=end, frame=self.count)
