"""Detection in one recording: a file, a film, a camera, or frames on standard input."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_skeleton.commands.common import (
    add_key_point_arguments,
    folders_of,
    start_keras,
    whole_number,
)
from keras_skeleton.commands.detect_live import (
    STREAM,
    announce_film,
    announce_lines,
    nothing_in_film,
)
from keras_skeleton.commands.film import progress_bar
from keras_skeleton.commands.pose_models import add_pose_models, pose_estimator, pose_models
from keras_skeleton.datasets.clip_sources import check_content
from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.files import plain_name
from keras_skeleton.utils.lock import locked
from keras_skeleton.utils.text import counted
from keras_skeleton.video.film_files import is_film
from keras_skeleton.zoo.detectors import describe_detectors, detectors, find_detector

if TYPE_CHECKING:
    from keras_skeleton.datasets.dataset import SkeletonDataset
    from keras_skeleton.detection.detect import AnySettings
    from keras_skeleton.detection.detector import Detector
    from keras_skeleton.video.pose_models import PoseModels

STANDARD_INPUT, CAMERA = "-", "camera:"


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
        "film; in front of a camera (camera:0); '-' reads frames from standard input, one JSON "
        "list (M, V, 3) or (V, 3) per line",
    )
    group.add_argument(
        "--weights",
        metavar="DETECTOR",
        help="use this ready-made detector (names: see below), or the folder of a detection run",
    )
    group.add_argument(
        "--method", help="choose a row of the run's table (default: the last; live, gate_u)"
    )
    group.add_argument(
        "--fps", type=positive, help="set the frames per second of the recording, for seconds"
    )
    group.add_argument("--skeleton", help="set the joint layout of the recording")
    add_key_point_arguments(group)
    group.add_argument(
        "--person",
        type=whole_number(0),
        metavar="N",
        help="take this person of a film (default: who is seen most; live, who is seen first)",
    )
    group.add_argument(
        "--live", action="store_true", help="play a film as if it came from a camera"
    )
    group.add_argument(
        "--seconds", type=whole_number(1), metavar="N", help="stop a camera after N seconds"
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
    """Detects actions in one recording or in front of a camera; prints and writes them."""
    if args.stream is None or args.weights is None:
        known = ready_made()
        raise UserError(
            "--stream SOURCE and --weights DETECTOR must be given together"
            + (f"; {known}" if args.weights is None and known else "")
        )
    source = args.stream
    camera = source.startswith(CAMERA)
    film = not camera and source != STANDARD_INPUT and is_film(source)
    _check_options(args, camera, film)
    if not camera and source != STANDARD_INPUT and not Path(source).exists():
        raise UserError(f"{source}: no such file or folder")
    if not (camera or film or source == STANDARD_INPUT):
        check_content(Path(source))
    place = find_detector(args.weights)
    models = pose_models(args.pose_models) if film or camera else None
    start_keras()
    from keras_skeleton.detection.detector import GATES, METHODS, TAP, Detector

    if args.out is not None and not camera:  # the name of a camera's files is the time
        _check_free(args.out, _name(args), args.force)
    folds = Detector(place).folds()
    number = args.fold[0] if args.fold else (folds or [1])[0]
    detector = Detector(place, number)
    live = camera or args.live
    methods = detector.methods()
    method = args.method or detector.default_method(live or source == STANDARD_INPUT)
    settings = detector.settings(method)
    if chosen := chosen_settings(args):
        if method not in TAP:
            raise UserError(
                f"--window, --omega and --epsilon are settings of {', '.join(TAP)}, not of {method}"
            )
        settings = replace(settings, **chosen)
    if live and method not in GATES:
        raise UserError(
            f"'{method}' needs whole recordings; for cameras and --live, use a detector with "
            f"{' or '.join(GATES)}{_gates_of_zoo()}"
        )
    chosen_notes = []
    if len(folds) > 1 and not args.fold:
        chosen_notes.append(
            f"the network of fold {number} detects, of {len(folds)} (--fold takes another; a run "
            "with --protocol all has one, trained on all recordings)"
        )
    if len(methods) > 1 and not args.method:
        chosen_notes.append(f"{method} detects, of {', '.join(methods)} (--method takes another)")
    announced = live or (source == STANDARD_INPUT and method in GATES)
    for note in chosen_notes:
        print(f"note: {note}", file=sys.stderr if announced else sys.stdout)
    if live:
        for note in _place_notes(detector, METHODS[method]):
            print(f"note: {note}", file=sys.stderr)
        announce_film(
            args, detector, method, source.removeprefix(CAMERA) if camera else Path(source), models
        )
    elif source == STANDARD_INPUT and method in GATES:
        announce_lines(args, detector, method)
    else:
        _detect_in_recording(args, detector, method, settings, models)


def _name(args: argparse.Namespace) -> str:
    """Name of the files of a recording."""
    return STREAM if args.stream == STANDARD_INPUT else plain_name(Path(args.stream).stem)


def _check_free(folder: Path, name: str, force: bool) -> None:
    """Refuses to replace results, which may have been corrected by hand."""
    from keras_skeleton.detection.outputs import existing_outputs

    found = [] if force else existing_outputs(folder, name)
    if found:
        more = f" and {len(found) - 1} more of '{name}'" if len(found) > 1 else ""
        raise UserError(
            f"{found[0]}{more}: already there, from this recording or another of its name; choose "
            "another folder with --out, or replace them with --force"
        )


@contextmanager
def _folder_of_results(args: argparse.Namespace) -> Iterator[Path]:
    """Locks the folder of a recording's results: --out, or else a new one, or with --force the
    first."""
    base = Path("detections") / _name(args)
    for folder in [args.out] if args.out else folders_of(base):
        if not args.out and folder.exists() and not args.force:
            continue
        with locked(folder):
            if folder not in (args.out, base):
                print(f"{base} exists; results go to {folder}")
            _check_free(folder, _name(args), args.force)
            yield folder
            return


def _check_options(args: argparse.Namespace, camera: bool, film: bool) -> None:
    """Refuses options that would do nothing."""
    if args.fold and len(args.fold) > 1:
        raise UserError("the network of one fold detects in a recording; give --fold once")
    if args.live and not (film or camera):
        raise UserError("--live needs a film, or a camera such as camera:0")
    if args.seconds is not None and not (camera or args.live):
        raise UserError("--seconds is for cameras, and for films with --live")
    if args.person is not None and not (film or camera):
        raise UserError("--person is for films; files of key points have no numbers of people")
    for flag, value in (("--skeleton", args.skeleton), ("--image-size", args.image_size)):
        if value and (film or camera):
            raise UserError(f"{flag} is for files of key points; omit it for films and cameras")
    if args.fps is not None and (camera or args.live):
        raise UserError("--fps is for recordings; pictures of cameras have times of their own")


def _gates_of_zoo() -> str:
    names = [entry.name for entry in detectors() if entry.model.startswith("gate_")]
    return f", such as {', '.join(reversed(names))}" if names else ""


def _detect_in_recording(
    args: argparse.Namespace,
    detector: Detector,
    method: str,
    settings: AnySettings,
    models: PoseModels | None,
) -> None:
    """Detects actions in a whole recording; prints and writes them."""
    from keras_skeleton.detection.detector import METHODS
    from keras_skeleton.detection.outputs import write_outputs

    film = models is not None
    recording = (
        _read_film(args, detector, models, METHODS[method]) if film else _read(args, detector)
    )
    run = detector.run
    found = detector.detect_recording(recording, args.fps, method=method, settings=settings)
    fps, times, length = found.fps, found.times, found.frames
    path = Path(STREAM if args.stream == STANDARD_INPUT else args.stream)
    for note in found.notes:  # on what was read, before what was found in it
        print(f"note: {note}")
    shown = found.table
    if len(shown):
        columns = ["label", "start", "end", *(["start_s", "end_s"] if fps else []), "score"]
        print(shown[columns].to_string(index=False, formatters={"score": "{:.3f}".format}))
    seconds = f" ({length / fps:.1f} s at {fps:.4g} frames per second)" if fps else ""
    if times is not None:
        seconds = f" ({times[-1]:.1f} s)"
    print(f"{counted(len(shown), 'action')} in {length} frames{seconds} of {path.name}")
    for note in [*_notes(run, fps, film), *recording.info["warnings"]]:
        print(f"note: {note}")
    if film and not len(shown):
        print(f"note: {nothing_in_film(run, args.stream)}")
    with _folder_of_results(args) as folder:
        paths = write_outputs(
            folder,
            _name(args),
            found.found,
            length,
            run["classes"],
            f"{path.name}: detected by {method}, trained on {run['dataset']}",
            fps,
            path.name,
            path if film else None,
            found.probability,
            times,
        )
    print("\n".join(map(str, paths)))


def _read(args: argparse.Namespace, detector: Detector) -> SkeletonDataset:
    from keras_skeleton.datasets.formats.frame_lines import read_lines
    from keras_skeleton.detection.recording import read_frames_of, read_recording, recording_of

    run = detector.run
    known = (detector.skeleton, run["bodies"], run["classes"])
    if args.stream == STANDARD_INPUT:
        lines = read_lines(sys.stdin)
        found = read_frames_of(lines, detector.skeleton, args.skeleton, args.fps)
        return recording_of(found, *known, STREAM, run.get("unit", "m"), "stream")
    return read_recording(
        Path(args.stream), *known, args.skeleton, not args.no_track, args.image_size,
        run.get("unit", "m"),
    )  # fmt: skip


def _read_film(
    args: argparse.Namespace, detector: Detector, models: Any, parts: Sequence[str]
) -> SkeletonDataset:
    from keras_skeleton.detection.recording import recording_of
    from keras_skeleton.film.film_stream import film_poses

    path, run = Path(args.stream), detector.run
    with progress_bar(path.name) as progress:
        poses = film_poses(path, pose_estimator(models), args.person, progress=progress)
    recording = recording_of(
        poses.clip, detector.skeleton, run["bodies"], run["classes"], path.stem,
        run.get("unit", "m"), "film",
    )  # fmt: skip
    recording.info["notes"] += _place_notes(detector, parts)
    return recording


def _place_notes(detector: Detector, parts: Sequence[str]) -> list[str]:
    """Notes on coordinates that key points from film do not have."""
    from keras_skeleton.film.film_stream import place_note

    run, recipes = detector.run, detector.run["recipes"]
    used = {
        str(recipe["preprocessing"].get("coordinates"))
        for part in parts
        for recipe in [
            recipes.get(run["classifier"] if part == "classifier" else part) or recipes["tap_lstm"]
        ]
    }
    return [note for one in sorted(used) if (note := place_note(one))]


def _notes(run: Mapping[str, Any], fps: float | None, film: bool) -> Iterator[str]:
    """What the user should know about times."""
    if fps is None:
        yield (
            "the frame rate is unknown, so no file with seconds was written (.eaf, .vtt, "
            ".activitynet.json); give it with --fps"
        )
    if film and run["bodies"] > 1:
        yield (
            f"the detector was trained with {run['bodies']} people, but key points from film do "
            "not say how far people are from each other: one was given to it"
        )
