"""Detection while it goes on: starts and ends are printed as soon as they are known."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from keras_skeleton.commands.live import play, stop_by_ctrl_c
from keras_skeleton.commands.pose_models import pose_estimator
from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.files import plain_name
from keras_skeleton.utils.program import program
from keras_skeleton.utils.text import counted
from keras_skeleton.video.camera import open_camera

if TYPE_CHECKING:
    from keras_skeleton.detection.detector import Detector
    from keras_skeleton.detection.live import Announcement, LiveDetector
    from keras_skeleton.film.live_person import LivePose
    from keras_skeleton.film.rows_on_disk import RowsOnDisk

KINECTS = ("kinect_v1", "kinect_v2")
LIVE_FPS = 30.0  # poses per second of cameras if the detector's rate is unknown
STREAM = "stream"  # name of what comes from standard input
SIZED = 30  # frames with a person after which their size is known


class Announcer:
    """Prints a line of JSON for each start and end, and keeps the actions.

    Args:
        live: The detector; its frames are counted.
        shown: Frames per second in which it gives places; None if unknown.
        fps: Frames per second in which places are printed: those of the stream or film.
        probabilities: Those of the frames that it was shown; None if they are not kept.
        seen: Frames per second of the probabilities; by default `shown`.

    Attributes:
        first: Seconds of the first frame.
        frames: Frames of the stream or film so far; None for a camera, where those that are shown
            count.
        actions: Label, start, end and score of what has ended.
    """

    def __init__(
        self,
        live: LiveDetector,
        shown: float | None,
        fps: float | None,
        probabilities: Probabilities | None = None,
        seen: float | None = None,
    ) -> None:
        self.live, self.fps, self.probabilities = live, fps, probabilities
        self.first = 0.0
        self.frames: int | None = None
        self.shown = shown or fps
        self.seen = seen or self.shown
        self.actions: list[tuple[int, int, int, float]] = []
        self._nobody_reads = False

    @property
    def length(self) -> int:
        """Number of frames so far, as they are counted in what is printed and written."""
        return self.place(self.live.count) if self.frames is None else self.frames

    def describe(self) -> str:
        """How late starts and ends are announced."""
        delays = [self.live.delays(label) for label in range(self.live.detector.classes)]
        starts, ends = ([self._duration(late) for late in own] for own in zip(*delays, strict=True))
        return (
            f"a start is said at most {_range(starts, self.fps)} after it, "
            f"an end {_range(ends, self.fps)}, depending on the class"
        )

    def say(self, announcements: Sequence[Announcement]) -> None:
        """Prints announcements."""
        for one in announcements:
            start = max(min(self.place(one.start), self.length - 1), 0)
            end = self.place(one.end) if one.end is not None else None
            end = max(min(end, self.length), start + 1) if end is not None else None
            label = self.live.detector.run["classes"][one.label]
            line: dict[str, Any] = {"event": one.kind, "label": label, "start": start, "end": end}
            line |= {"score": one.score, "frame": self.length}
            if self.fps:
                line |= {"start_s": start / self.fps}
                line |= {} if end is None else {"end_s": end / self.fps}
            short = {k: round(v, 4) if isinstance(v, float) else v for k, v in line.items()}
            if end is not None and one.score is not None:
                self.actions.append((one.label, start, end, one.score))
            if self._nobody_reads:
                continue
            try:
                print(json.dumps({k: v for k, v in short.items() if v is not None}), flush=True)
            except BrokenPipeError:
                self._nobody_reads = True
                raise

    def place(self, frame: int) -> int:
        """A frame as it is counted in what is printed and written."""
        if not self.fps or not self.shown:
            return frame
        return round((frame / self.shown + self.first) * self.fps)

    def _duration(self, frames: int) -> int:
        return math.ceil(frames * self.fps / self.shown) if self.fps and self.shown else frames

    def sum_up(self, source: str) -> None:
        """Says how many actions were found."""
        seconds = f" ({self.length / self.fps:.1f} s)" if self.fps else ""
        note(f"{counted(len(self.actions), 'action')} in {self.length} frames{seconds} of {source}")

    def frame_probabilities(self) -> np.ndarray | None:
        """Probabilities of all frames, (T, C + 1), NaN before the first; None if unknown."""
        own = self.probabilities.read() if self.probabilities else None
        if own is None or not len(own):
            return None
        at = np.arange(self.length, dtype=float)
        if self.fps and self.seen:
            at = (at / self.fps - self.first) * self.seen
        at = np.round(at).astype(int)
        found = np.array(own[np.clip(at, 0, len(own) - 1)])
        found[at < 0] = np.nan
        return found

    def write(self, out: Path, name: str, method: str, source: str, media: Path | None) -> None:
        """Writes the actions, as of a recording."""
        from keras_skeleton.detection.outputs import write_outputs

        found = pd.DataFrame(self.actions, columns=["label", "start", "end", "score"])
        found = found.sort_values(["start", "label"], ignore_index=True)
        run = self.live.detector.run
        title = f"{source}: detected by {method}, trained on {run['dataset']}"
        write_outputs(
            out, name, found, self.length, run["classes"], title, self.fps,
            media.name if media else name, media, self.frame_probabilities(),
        )  # fmt: skip


def _range(late: Sequence[int], fps: float | None) -> str:
    low, high = min(late), max(late)
    frames = f"{low} to {high} frames" if low < high else f"{high} frames"
    return frames + (f" ({low / fps:.1f} to {high / fps:.1f} s)" if fps else "")


class Probabilities:
    """Probabilities of the frames of a stream, on disk.

    Args:
        folder: A folder for the file.
        classes: C, without that for no action.
    """

    def __init__(self, folder: Path, classes: int) -> None:
        from keras_skeleton.film.rows_on_disk import RowsOnDisk

        self._rows = RowsOnDisk(folder / "probabilities", (classes + 1,), np.dtype("f4").type)
        self._count = 0

    def keep(self, rows: np.ndarray) -> None:
        """Takes those of the next frames, (n, C + 1)."""
        self._rows.write(self._count, rows)
        self._count += len(rows)

    def read(self) -> np.ndarray:
        """All of them, (T, C + 1)."""
        return self._rows.read(self._count)

    def close(self) -> None:
        """Ends the writing."""
        self._rows.close()


@contextlib.contextmanager
def _probabilities(args: argparse.Namespace, detector: Detector) -> Iterator[Probabilities | None]:
    """Room for the probabilities of a stream whose results are written."""
    if args.out is None:
        yield None
        return
    with TemporaryDirectory(prefix="keras-skeleton-", ignore_cleanup_errors=True) as folder:
        kept = Probabilities(Path(folder), detector.classes)
        with contextlib.closing(kept):
            yield kept


def _read_and_finish(read: Callable[[], None], finish: Callable[[], None]) -> None:
    """Reads a stream and finishes its results, also when reading ends with an error."""
    try:
        read()
    except Exception as error:
        # What was found until then counts; another error does not hide the first one.
        with contextlib.suppress(Exception):
            finish()
        raise error from None
    finish()


def note(text: str) -> None:
    """Prints a note beside the announcements, which are on standard output."""
    print(f"note: {text}", file=sys.stderr, flush=True)


def nothing_in_film(run: Mapping[str, Any], film: str) -> str:
    """What may be tried where a detector finds no action in a film."""
    kinect = " of a Kinect" if run["skeleton"] in KINECTS else ""
    return (
        f"the detector was trained on joints{kinect} ({run['dataset']}), which those of a film "
        f"resemble only roughly, and knows {', '.join(run['classes'])} only; for a label of the "
        f"film: {program()} predict {film}"
    )


def announce_lines(args: argparse.Namespace, detector: Detector, method: str) -> None:
    """Reads frames from standard input until it ends or Ctrl-C; with --out, writes the actions."""
    from keras_skeleton.datasets.formats.frame_lines import read_lines
    from keras_skeleton.detection.live import LiveDetector
    from keras_skeleton.detection.recording import is_other_rate, trained_fps

    trained = trained_fps(detector.run)
    fps = args.fps or trained
    other = is_other_rate(trained, fps)
    with _probabilities(args, detector) as kept:
        live = LiveDetector(detector, method, on_probabilities=kept.keep if kept else None, fps=fps)
        announcer = Announcer(live, fps, fps, kept, trained if other else fps)
        announcer.frames = 0
        if other:
            note(f"{fps:.4g} frames per second are shown to the detector at {trained:.4g}")
        elif fps and not args.fps:
            note(
                f"{fps:.4g} frames per second are expected; at another rate, labels and times are "
                "wrong: set it by --fps"
            )
        note(announcer.describe())
        lines = PosesOfLines(detector, args.skeleton)

        def read() -> None:
            with contextlib.suppress(KeyboardInterrupt):
                for line in read_lines(sys.stdin):
                    pose = lines.push(line)
                    announcer.frames = lines.count
                    announcer.say(live.push(pose))

        def finish() -> None:
            if not lines.filled:
                raise UserError("standard input: no frames")
            announcer.say(live.finish())
            announcer.sum_up("standard input")
            lines.finish()
            if args.out is not None:
                announcer.write(args.out, STREAM, method, "standard input", None)
                note(f"results are in {args.out}")

        _read_and_finish(read, finish)


class PosesOfLines:
    """The frames of standard input in the detector's joints and bodies; notes are said once.

    Args:
        detector: The detector.
        skeleton: Name of the joint layout; by default that of the number of joints.

    Attributes:
        count: Number of lines so far, each of which is a frame.
        filled: Number of those that are not empty.
    """

    def __init__(self, detector: Detector, skeleton: str | None = None) -> None:
        from keras_skeleton.datasets.formats.frame_lines import UnseenJoints
        from keras_skeleton.skeletons import Skeleton

        self.detector, self.skeleton = detector, skeleton
        self.count = self.filled = 0
        self._layout: Skeleton | None = None
        self._order: np.ndarray
        self._unseen: UnseenJoints
        self._sized: list[np.ndarray] | None = []  # frames with a person, until they are enough
        self._warnings: list[str] = []
        self._said: set[str] = set()

    def push(self, line: str) -> np.ndarray:
        """The frame of the next line, (M, V, 3); zeros where nobody is.

        Raises:
            UserError: The line is no frame, or has joints that cannot be mapped.
        """
        from keras_skeleton.datasets.formats.frame_lines import parse_frame

        number = self.count + 1
        frame = parse_frame(line, number)
        if len(frame) and self._layout is None:
            self._begin(frame.shape[1])
        bodies = self.detector.run["bodies"]
        pose = np.zeros((bodies, self.detector.skeleton.size, 3), np.float32)
        if self._layout is not None and len(frame):
            if frame.shape[1] != self._layout.size:
                raise UserError(
                    f"line {number}: has {frame.shape[1]} joints, not {self._layout.size}"
                )
            people = frame[:bodies]
            if len(frame) > bodies:
                first = "the first is" if bodies == 1 else f"the first {bodies} are"
                self._once("people", f"line {number}: of {len(frame)} people, {first} taken")
            if np.isnan(people).any():
                self._once(
                    "joints",
                    f"line {number}: joints that were not seen (NaN, null) stay where they were, "
                    "as seen from their neighbours",
                )
            pose[: len(people)] = self._unseen.fill(people)[:, self._order]
            self._size(pose)
        if not len(frame):
            self._once(
                "nobody",
                f"line {number}: no person (NaN, null, [] or nothing); such lines count as frames",
            )
        self.count = number
        self.filled += bool(line.strip())
        return pose

    def finish(self) -> None:
        """Repeats what puts the results in doubt."""
        warned = bool(self._warnings)
        self._check_size()
        for warning in self._warnings if warned else []:
            note(warning)

    def _begin(self, joints: int) -> None:
        from keras_skeleton.datasets.formats.frame_lines import UnseenJoints
        from keras_skeleton.detection.recording import stream_skeleton
        from keras_skeleton.skeletons import joint_map

        own = self.detector.skeleton
        self._layout = stream_skeleton(joints, own, self.skeleton)
        self._order = joint_map(self._layout, own)
        self._unseen = UnseenJoints(self._layout)
        if self._layout.joints != own.joints:
            note(f"joints of {self._layout.name} were mapped to {own.name}")

    def _once(self, what: str, text: str) -> None:
        if what not in self._said:
            self._said.add(what)
            note(text)

    def _size(self, pose: np.ndarray) -> None:
        if self._sized is None or not pose.any():
            return
        self._sized.append(pose)
        if len(self._sized) == SIZED:
            self._check_size()

    def _check_size(self) -> None:
        from keras_skeleton.detection.recording import size_warnings

        if not self._sized or self._layout is None:
            return
        clip, self._sized = np.stack(self._sized), None
        run = self.detector.run
        try:
            self._warnings = size_warnings(
                clip, self.detector.skeleton, self._layout, run.get("unit", "m")
            )
        except UserError as error:
            raise UserError(f"standard input: {error}") from None
        for warning in self._warnings:
            note(warning)


def announce_film(
    args: argparse.Namespace, detector: Detector, method: str, source: str | Path, models: Any
) -> None:
    """Detects in front of a camera, or in a film that is played, until it ends or Ctrl-C; with
    --out, writes the actions and, of a camera, the key points."""
    from keras_skeleton.detection.live import LiveDetector
    from keras_skeleton.detection.recording import trained_fps
    from keras_skeleton.film.live_person import LivePerson
    from keras_skeleton.skeletons import KINECT_V2, joint_map

    shown = trained_fps(detector.run) or LIVE_FPS
    order = joint_map(KINECT_V2, detector.skeleton)
    film = source if isinstance(source, Path) else None
    name = plain_name(film.stem) if film else f"camera_{datetime.now():%Y-%m-%d_%H-%M-%S}"
    with contextlib.ExitStack() as stack:
        camera = stack.enter_context(play(film) if film else open_camera(str(source)))
        person = LivePerson(pose_estimator(models), shown, args.person)
        _warm_up(detector, method)
        kept = stack.enter_context(_probabilities(args, detector))
        live = LiveDetector(detector, method, 1, kept.keep if kept else None)
        announcer = Announcer(live, shown, camera.fps if film else shown, kept)
        note(
            f"{camera.name}, {camera.size[1]} x {camera.size[0]}, is shown to {method} at "
            f"{shown:.4g} frames per second; stop with Ctrl-C"
        )
        note(announcer.describe() + ", plus the time of computing")
        world = None if film or args.out is None else stack.enter_context(_world())
        stopped = stack.enter_context(stop_by_ctrl_c())
        followed: list[int] = []  # people, in turn
        pictures = [0]

        def read() -> None:
            begin = time.perf_counter()
            for frame in camera.frames():
                pictures[0] += 1
                poses = person.push(frame)
                if film:
                    announcer.first = person.first_s or 0.0
                    announcer.frames = round(frame.time_s * camera.fps) + 1
                for pose in poses:
                    if pose.person is not None and pose.person not in followed[-1:]:
                        followed.append(pose.person)
                        note(f"person {pose.person} is followed")
                    if world is not None:
                        _keep(world, live.count, pose)
                    own = np.zeros((detector.run["bodies"], len(order), 3), np.float32)
                    own[0] = pose.joints[order]
                    announcer.say(live.push(own))
                late = time.perf_counter() - begin
                if stopped.is_set() or (args.seconds is not None and late >= args.seconds):
                    break

        def finish() -> None:
            announcer.say(live.finish())
            announcer.sum_up(camera.name)
            if not followed:
                note("nobody was seen" if args.person is None else f"no person {args.person}")
            elif film and not announcer.actions:
                note(nothing_in_film(detector.run, str(film)))
            if camera.skipped > pictures[0]:
                what = "film at its own speed" if film else "camera"
                other = ", and other ones in each run, so results differ; omit --live"
                note(
                    f"this computer is too slow for this {what}: most pictures were skipped"
                    + (other if film else "")
                )
            if args.out is None or not live.count:
                return
            announcer.write(args.out, name, method, camera.name, film)
            if world is not None:
                from keras_skeleton.film.keypoints import KEYPOINTS, write_keypoints

                write_keypoints(world.read(live.count), shown, args.out / KEYPOINTS, name)
            note(f"results are in {args.out}")

        _read_and_finish(read, finish)


def _warm_up(detector: Detector, method: str) -> None:
    """Compiles the network before a live stream starts."""
    from keras_skeleton.detection.gate import STEP
    from keras_skeleton.detection.live import LiveDetector

    nobody = np.zeros((detector.run["bodies"], detector.skeleton.size, 3), np.float32)
    for block in range(1, sum(detector.reach(method)) + 2, STEP):
        live = LiveDetector(detector, method, block)
        for _ in range(block):
            live.push(nobody)


@contextlib.contextmanager
def _world() -> Iterator[RowsOnDisk]:
    """Room for the key points of a person, on disk."""
    from keras_skeleton.datasets.formats.poses import MEDIAPIPE33
    from keras_skeleton.film.rows_on_disk import RowsOnDisk

    with TemporaryDirectory(prefix="keras-skeleton-", ignore_cleanup_errors=True) as folder:
        rows = RowsOnDisk(Path(folder) / "world", (1, MEDIAPIPE33.size, 4), np.dtype("f4").type)
        with contextlib.closing(rows):
            yield rows


def _keep(world: RowsOnDisk, tick: int, pose: LivePose) -> None:
    if pose.found is not None:
        world.write(tick, pose.found.world[None, None])
