"""Detection while it goes on: starts and ends are printed as soon as they are known."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
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
from keras_skeleton.video.camera import open_camera

if TYPE_CHECKING:
    from keras_skeleton.detection.detector import Detector
    from keras_skeleton.detection.live import Announcement, LiveDetector
    from keras_skeleton.film.live_person import LivePose
    from keras_skeleton.film.rows_on_disk import RowsOnDisk

KINECTS = ("kinect_v1", "kinect_v2")
LIVE_FPS = 30.0  # poses per second of cameras if the detector's rate is unknown


class Announcer:
    """Prints a line of JSON for each start and end, and keeps the actions.

    Args:
        live: The detector; its frames are counted.
        shown: Frames per second that it is shown; None if unknown.
        fps: Frames per second in which places are given: those of the stream or film.
        first: Seconds of the first frame.
    """

    def __init__(
        self, live: LiveDetector, shown: float | None, fps: float | None, first: float = 0.0
    ) -> None:
        self.live, self.fps, self.first = live, fps, first
        self.shown = shown or fps
        self.actions: list[tuple[int, int, int, float]] = []

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
            start = self.place(one.start)
            end = None if one.end is None else max(self.place(one.end), start + 1)
            label = self.live.detector.run["classes"][one.label]
            line: dict[str, Any] = {"event": one.kind, "label": label, "start": start, "end": end}
            line |= {"score": one.score, "frame": self.place(one.frame)}
            if self.fps:
                line |= {"start_s": start / self.fps}
                line |= {} if end is None else {"end_s": end / self.fps}
            short = {k: round(v, 4) if isinstance(v, float) else v for k, v in line.items()}
            print(json.dumps({k: v for k, v in short.items() if v is not None}), flush=True)
            if end is not None and one.score is not None:
                self.actions.append((one.label, start, end, one.score))

    def place(self, frame: int) -> int:
        """A frame as it is counted in what is printed and written."""
        if not self.fps or not self.shown:
            return frame
        return round((frame / self.shown + self.first) * self.fps)

    def _duration(self, frames: int) -> int:
        return math.ceil(frames * self.fps / self.shown) if self.fps and self.shown else frames

    def write(self, out: Path, name: str, method: str, source: str, media: Path | None) -> None:
        """Writes the actions, as of a recording."""
        from keras_skeleton.detection.outputs import write_outputs

        found = pd.DataFrame(self.actions, columns=["label", "start", "end", "score"])
        found = found.sort_values(["start", "label"], ignore_index=True)
        run = self.live.detector.run
        title = f"{source}: detected by {method}, trained on {run['dataset']}"
        length = max([self.place(self.live.count), *found["end"]])
        file = media.name if media else name
        write_outputs(out, name, found, length, run["classes"], title, self.fps, file, media)


def _range(late: Sequence[int], fps: float | None) -> str:
    low, high = min(late), max(late)
    frames = f"{low} to {high} frames" if low < high else f"{high} frames"
    return frames + (f" ({low / fps:.1f} to {high / fps:.1f} s)" if fps else "")


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
    from keras_skeleton.detection.live import LiveDetector
    from keras_skeleton.detection.live_rate import LiveRate
    from keras_skeleton.detection.recording import is_other_rate, trained_fps

    trained = trained_fps(detector.run)
    fps = args.fps or trained
    rate = LiveRate(fps, trained) if fps and trained and is_other_rate(trained, fps) else None
    announcer = Announcer(LiveDetector(detector, method), trained if rate else fps, fps)
    if fps and rate:
        note(f"{fps:.4g} frames per second are shown to the detector at {trained:.4g}")
    elif fps and not args.fps:
        note(f"{fps:.4g} frames per second are expected (--fps sets another rate)")
    note(announcer.describe())
    with contextlib.suppress(KeyboardInterrupt):
        for pose in _poses_of_lines(detector, args.skeleton):
            for own in rate.push(pose) if rate else [pose]:
                announcer.say(announcer.live.push(own))
    for own in rate.finish() if rate else []:
        announcer.say(announcer.live.push(own))
    if not announcer.live.count:
        raise UserError("standard input: no frames")
    announcer.say(announcer.live.finish())
    if args.out is not None:
        announcer.write(args.out, "stream", method, "standard input", None)


def _poses_of_lines(detector: Detector, skeleton: str | None) -> Iterator[np.ndarray]:
    """The frames of standard input, each (M, V, 3) in the detector's joints and bodies."""
    from keras_skeleton.detection.recording import parse_frame, stream_skeleton
    from keras_skeleton.skeletons import joint_map

    bodies, order = detector.run["bodies"], None
    for number, line in enumerate(sys.stdin, start=1):
        if not line.strip():
            continue
        frame = parse_frame(line, number)
        if order is None:
            layout = stream_skeleton(frame.shape[1], detector.skeleton, skeleton)
            order = joint_map(layout, detector.skeleton)
        if frame.shape[1] != layout.size:
            raise UserError(f"line {number}: has {frame.shape[1]} joints, not {layout.size}")
        pose = np.zeros((bodies, detector.skeleton.size, 3), np.float32)
        people = frame[:bodies]
        pose[: len(people)] = people[:, order]
        yield pose


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
        live = LiveDetector(detector, method, block=1)
        announcer = Announcer(live, shown, camera.fps if film else shown)
        note(
            f"{camera.name}, {camera.size[1]} x {camera.size[0]}, is shown to {method} at "
            f"{shown:.4g} frames per second; stop with Ctrl-C"
        )
        note(announcer.describe() + ", plus the time of computing")
        world = None if film or args.out is None else stack.enter_context(_world())
        stopped = stack.enter_context(stop_by_ctrl_c())
        begin, pictures, followed = time.perf_counter(), 0, None
        for frame in camera.frames():
            pictures += 1
            for pose in person.push(frame):
                if pose.person != followed:
                    followed = pose.person
                    note(f"person {followed} is followed")
                if world is not None:
                    _keep(world, live.count, pose)
                own = np.zeros((detector.run["bodies"], len(order), 3), np.float32)
                own[0] = pose.joints[order]
                announcer.first = person.first_s or 0.0 if film else 0.0
                announcer.say(live.push(own))
            late = time.perf_counter() - begin
            if stopped.is_set() or (args.seconds is not None and late >= args.seconds):
                break
        announcer.say(live.finish())
        if followed is None:
            note("nobody was seen")
        elif film and not announcer.actions:
            note(nothing_in_film(detector.run, str(film)))
        if camera.skipped > pictures:
            what = "film at its own speed" if film else "camera"
            note(
                f"this computer is too slow for this {what}: most pictures were skipped"
                + (", and other ones in each run, so results differ; omit --live" if film else "")
            )
        if args.out is None:
            return
        announcer.write(args.out, name, method, camera.name, film)
        if world is not None:
            from keras_skeleton.film.keypoints import KEYPOINTS, write_keypoints

            write_keypoints(world.read(live.count), shown, args.out / KEYPOINTS, name)
    note(f"results are in {args.out}")


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
