"""Detection in one recording: a file, a film, or frames on standard input."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from keras_skeleton.commands.common import add_key_point_arguments, start_keras, whole_number
from keras_skeleton.commands.film import progress_bar
from keras_skeleton.commands.pose_models import add_pose_models, pose_estimator, pose_models
from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.files import plain_name
from keras_skeleton.video.film_files import is_film
from keras_skeleton.zoo.detectors import describe_detectors, find_detector

if TYPE_CHECKING:
    from keras_skeleton.datasets.dataset import SkeletonDataset
    from keras_skeleton.detection.detector import Detector
    from keras_skeleton.detection.live import Announcement

STANDARD_INPUT = "-"
RATES = 1.25  # recordings whose rate differs by more are resampled to that of the training


def positive(text: str) -> float:
    """An argument that is a number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number above 0")
    return value


def fraction(text: str) -> float:
    """An argument that is a number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 0 to 1")
    return value


def add_stream_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options for one recording."""
    group = parser.add_argument_group("one recording")
    group.add_argument(
        "--stream",
        metavar="SOURCE",
        help="detect in this recording: an array or the output of a pose estimator (.npy, .npz, "
        ".json, .csv, .skeleton, folder of OpenPose's frames), .txt of UT-Kinect or PKU-MMD, or a "
        "film; '-' reads frames from standard input, one JSON list (M, V, 3) or (V, 3) per line",
    )
    group.add_argument(
        "--weights",
        metavar="DETECTOR",
        help="use this ready-made detector (names: see below), or the folder of a detection run",
    )
    group.add_argument("--method", help="choose a row of the run's table (default: the last)")
    group.add_argument(
        "--fps", type=positive, help="set the frames per second of the recording, for seconds"
    )
    group.add_argument("--skeleton", help="set the joint layout of the recording")
    add_key_point_arguments(group)
    group.add_argument(
        "--person",
        type=whole_number(0),
        metavar="N",
        help="take this person of a film (default: who is seen most)",
    )
    add_pose_models(group)


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Adds the options for the proposals of TAP-LSTM."""
    group = parser.add_argument_group(
        "proposals of TAP-LSTM (default: chosen on validation recordings)"
    )
    group.add_argument(
        "--window", type=whole_number(1), metavar="N", help="smooth attention over N frames"
    )
    group.add_argument(
        "--omega",
        type=whole_number(0),
        metavar="N",
        help="join proposals with fewer than N frames between them",
    )
    either = group.add_mutually_exclusive_group()
    either.add_argument(
        "--epsilon",
        type=fraction,
        metavar="E",
        help="set the threshold of attention, as a fraction of the recording's maximum",
    )
    either.add_argument(
        "--absolute-epsilon",
        type=fraction,
        metavar="E",
        help="set the threshold of attention itself, as in the paper (0 or 0.2)",
    )


def chosen_settings(args: argparse.Namespace) -> dict[str, Any]:
    """The settings of proposals that were given."""
    chosen = {"window": args.window, "omega": args.omega, "epsilon": args.epsilon}
    if args.epsilon is not None:
        chosen["relative"] = True
    if args.absolute_epsilon is not None:
        chosen |= {"epsilon": args.absolute_epsilon, "relative": False}
    return {key: value for key, value in chosen.items() if value is not None}


def ready_made() -> str:
    """The detectors of the zoo, for the end of the help."""
    known = describe_detectors()
    return f"ready-made detectors for --weights:\n{known}" if known else ""


def detect_in_stream(args: argparse.Namespace) -> None:
    """Detects actions in one recording; prints and writes them."""
    if args.stream is None or args.weights is None:
        known = ready_made()
        raise UserError(
            "--stream SOURCE and --weights DETECTOR must be given together"
            + (f"; {known}" if args.weights is None and known else "")
        )
    source = args.stream
    film = source != STANDARD_INPUT and is_film(source)
    if source != STANDARD_INPUT and not Path(source).exists():
        raise UserError(f"{source}: no such file or folder")
    if args.person is not None and not film:
        raise UserError("--person is for films; files of key points have no numbers of people")
    models = pose_models(args.pose_models) if film else None
    place = find_detector(args.weights)
    start_keras()
    from keras_skeleton.detection.detector import GATES, METHODS, TAP, Detector
    from keras_skeleton.detection.outputs import named, write_outputs
    from keras_skeleton.detection.recording import at_rate, back_at_rate

    detector = Detector(place, (args.fold or [1])[0])
    method = args.method or (detector.methods() or ["tap_u_m"])[-1]
    settings = detector.settings(method)
    if chosen := chosen_settings(args):
        if method not in TAP:
            raise UserError(
                f"--window, --omega and --epsilon are settings of {', '.join(TAP)}, not of {method}"
            )
        settings = replace(settings, **chosen)
    if source == STANDARD_INPUT and method in GATES:
        _announce(args, detector, method)
        return
    recording = (
        _read_film(args, detector, models, METHODS[method]) if film else _read(args, detector)
    )
    if args.fps is not None:
        recording.info["fps"] = args.fps
    run = detector.run
    if recording.info["fps"] is None and run["fps"]:
        recording.info["fps"] = run["fps"]
        recording.info["notes"].append(
            f"the frame rate is unknown: {run['fps']:.4g} per second is taken, that of the "
            "training recordings (--fps sets another)"
        )
    fps = recording.info["fps"]
    length = int(recording.samples["frames"].iloc[0])
    seen, changed = recording, _other_rate(run["fps"], fps)
    if changed:
        seen = at_rate(recording, run["fps"])
    found = detector.detect(method, seen, 0, settings)
    probability = _probability(detector, METHODS[method], seen)
    if changed:
        found = back_at_rate(found, run["fps"], fps, length)
        if probability is not None:
            at = np.round(np.arange(length) * run["fps"] / fps).astype(int)
            probability = probability[np.minimum(at, len(probability) - 1)]
    path = Path("stream" if source == STANDARD_INPUT else source)
    shown = named(found, path.name, run["classes"], fps)
    if len(shown):
        columns = ["label", "start", "end", *(["start_s", "end_s"] if fps else []), "score"]
        print(shown[columns].to_string(index=False, formatters={"score": "{:.3f}".format}))
    seconds = f" ({length / fps:.1f} s at {fps:.4g} frames per second)" if fps else ""
    print(f"{len(shown)} actions in {length} frames{seconds} of {path.name}")
    for note in [*recording.info["notes"], *_notes(run, fps, film)]:
        print(f"note: {note}")
    name = plain_name(path.stem)
    paths = write_outputs(
        args.out or Path("detections") / name,
        name,
        found,
        length,
        run["classes"],
        f"{path.name}: detected by {method}, trained on {run['dataset']}",
        fps,
        path.name,
        path if film else None,
        probability,
    )
    print("\n".join(map(str, paths)))


def _read(args: argparse.Namespace, detector: Detector) -> SkeletonDataset:
    from keras_skeleton.detection.recording import read_frames_of, read_recording, recording_of

    run = detector.run
    known = (detector.skeleton, run["bodies"], run["classes"])
    if args.stream == STANDARD_INPUT:
        found = read_frames_of(sys.stdin, detector.skeleton, args.skeleton, args.fps)
        return recording_of(found, *known, "stream", run.get("unit", "m"))
    return read_recording(
        Path(args.stream), *known, args.skeleton, not args.no_track, args.image_size,
        run.get("unit", "m"),
    )  # fmt: skip


def _announce(args: argparse.Namespace, detector: Detector, method: str) -> None:
    """Reads frames from standard input, and prints a line of JSON for each start and end of an
    action as soon as it is known; with --out, writes the actions at the end."""
    from keras_skeleton.detection.live import LiveDetector
    from keras_skeleton.detection.outputs import write_outputs
    from keras_skeleton.detection.recording import parse_frame, stream_skeleton
    from keras_skeleton.skeletons import joint_map

    run, live = detector.run, LiveDetector(detector, method)
    fps, order, rows = args.fps or run["fps"], None, []
    if _other_rate(run["fps"], fps):
        print(
            f"note: the detector was trained at {run['fps']:.4g} frames per second; give it frames "
            f"at this rate, not at {fps:.4g}",
            file=sys.stderr,
        )

    def tell(announcements: Sequence[Announcement]) -> None:
        for one in announcements:
            said: dict[str, Any] = {"event": one.kind, "label": run["classes"][one.label]}
            said |= {"start": one.start, "end": one.end, "score": one.score, "frame": one.frame}
            if fps:
                times = {"start_s": one.start, "end_s": one.end}
                said |= {key: t / fps for key, t in times.items() if t is not None}
            print(json.dumps({k: _short(v) for k, v in said.items() if v is not None}), flush=True)
            if one.kind == "end":
                rows.append((one.label, one.start, one.end, one.score))

    with contextlib.suppress(KeyboardInterrupt):
        for number, line in enumerate(sys.stdin, start=1):
            if not line.strip():
                continue
            frame = parse_frame(line, number)
            if order is None:
                layout = stream_skeleton(frame.shape[1], detector.skeleton, args.skeleton)
                order = joint_map(layout, detector.skeleton)
            if frame.shape[1] != layout.size:
                raise UserError(f"line {number}: has {frame.shape[1]} joints, not {layout.size}")
            pose = np.zeros((run["bodies"], detector.skeleton.size, 3), np.float32)
            people = frame[: run["bodies"]]
            pose[: len(people)] = people[:, order]
            tell(live.push(pose))
    tell(live.finish())
    if args.out is not None:
        found = pd.DataFrame(rows, columns=["label", "start", "end", "score"])
        found = found.sort_values(["start", "label"], ignore_index=True)
        title = f"standard input: detected by {method}, trained on {run['dataset']}"
        write_outputs(args.out, "stream", found, live.count, run["classes"], title, fps)


def _short(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value


def _read_film(
    args: argparse.Namespace, detector: Detector, models: Any, parts: Sequence[str]
) -> SkeletonDataset:
    from keras_skeleton.detection.recording import recording_of
    from keras_skeleton.film.film_stream import film_poses, place_note

    path, run = Path(args.stream), detector.run
    with progress_bar(path.name) as progress:
        poses = film_poses(path, pose_estimator(models), args.person, progress=progress)
    recording = recording_of(
        poses.clip, detector.skeleton, run["bodies"], run["classes"], path.stem,
        run.get("unit", "m"),
    )  # fmt: skip
    recipes = run["recipes"]
    used = {
        str(recipe["preprocessing"].get("coordinates"))
        for part in parts
        for recipe in [
            recipes.get(run["classifier"] if part == "classifier" else part) or recipes["tap_lstm"]
        ]
    }
    recording.info["notes"] += [note for one in sorted(used) if (note := place_note(one))]
    return recording


def _other_rate(trained: float | None, fps: float | None) -> bool:
    """Whether a recording is much faster or slower than those of the training."""
    return bool(trained and fps and not 1 / RATES <= fps / trained <= RATES)


def _notes(run: Mapping[str, Any], fps: float | None, film: bool) -> Iterator[str]:
    """What the user should know about times."""
    if fps is None:
        yield (
            "the frame rate is unknown, so no file with seconds was written (.eaf, .vtt, "
            "activitynet.json); give it with --fps"
        )
    elif _other_rate(run["fps"], fps):
        yield (
            f"the recording has {fps:.4g} frames per second; it was shown to the detector at "
            f"{run['fps']:.4g}, the rate of the training recordings"
        )
    if film and run["bodies"] > 1:
        yield (
            f"the detector was trained with {run['bodies']} people, but key points from film do "
            "not say how far people are from each other: one was given to it"
        )


def _probability(detector: Detector, parts: tuple[str, ...], recording: SkeletonDataset) -> Any:
    """Probabilities of every frame, (T, C + 1), of networks that label frames; None for others."""
    for part in parts:
        if part != "classifier" and not part.startswith("tap"):
            return detector.curve(part, recording, 0)[:, : detector.classes + 1]
    return None
