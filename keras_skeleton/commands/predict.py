"""Predict action labels of films, of a camera, or of clips in files with a trained network."""

from __future__ import annotations

import argparse
import json
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from keras_skeleton.commands.common import (
    add_dask,
    add_key_point_arguments,
    parser_for,
    start_keras,
    whole_number,
)
from keras_skeleton.commands.film import predict_films
from keras_skeleton.commands.known_weights import check_exists
from keras_skeleton.commands.live import predict_live
from keras_skeleton.commands.pose_models import add_pose_models
from keras_skeleton.commands.predict_clips import predict_clips
from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.executor import check_dask
from keras_skeleton.utils.lock import locked
from keras_skeleton.video.film_files import find_films, is_film

PRECISIONS = ("float32", "bfloat16")
STREAM, CAMERA = "-", "camera:"
PEOPLE = 2  # followed at a time


def _fraction(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 0 to 1")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = parser_for("predict", __doc__)
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="film (.mp4, .avi, .mov, .mkv, .webm, ...), camera (camera:0), clip file (.npy, .npz, "
        ".json, .csv, .skeleton, .pkl), folder of OpenPose's *_keypoints.json, folder or pattern "
        "of films or of clips; '-' reads frames from standard input, one JSON list (M, V, 3) or "
        "(V, 3) per line",
    )
    group = parser.add_argument_group("network")
    group.add_argument(
        "--weights",
        metavar="WEIGHTS",
        help="load a network of the zoo by name, a run folder, a folder of Recognizer.save, or a "
        "weights file of these (default: the zoo's best network for the skeleton, or for films)",
    )
    group.add_argument(
        "--fold", type=whole_number(1), help="choose the fold of a run with several folds"
    )
    group.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="float32",
        help="compute in float32 (default), or in bfloat16, which is faster on GPUs and on "
        "processors with AMX; logits differ by up to a percent",
    )
    group = parser.add_argument_group("clips")
    group.add_argument("--skeleton", help="set the skeleton of the files (default: from the files)")
    add_key_point_arguments(group)
    group.add_argument(
        "--window", type=whole_number(1), metavar="N", help="label windows of N frames"
    )
    group.add_argument(
        "--stride", type=whole_number(1), metavar="N", help="start a window every N frames"
    )
    group.add_argument(
        "--each-person", action="store_true", help="label each person of a clip separately"
    )
    group = parser.add_argument_group("films and cameras")
    group.add_argument(
        "--people",
        type=whole_number(1),
        default=PEOPLE,
        metavar="N",
        help=f"follow up to N people at a time (default {PEOPLE})",
    )
    add_pose_models(group)
    group.add_argument(
        "--no-overlay", action="store_true", help="omit the film with skeletons and labels"
    )
    group.add_argument(
        "--coarse",
        type=whole_number(1),
        metavar="N",
        help="show N rows of blocks instead of the film, so that nobody is recognized",
    )
    group.add_argument(
        "--live", action="store_true", help="play a film as if it came from a camera"
    )
    group.add_argument(
        "--no-window", action="store_true", help="show a camera's labels on the console only"
    )
    group.add_argument(
        "--seconds", type=whole_number(1), metavar="N", help="stop a camera after N seconds"
    )
    group = parser.add_argument_group("many files")
    group.add_argument(
        "--jobs",
        type=whole_number(1),
        default=1,
        metavar="N",
        help="label N films or files in parallel processes, which share the cores",
    )
    add_dask(group, "films or files")
    group = parser.add_argument_group("results")
    group.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="write predictions.csv and .json; of films, also key points, attention page and "
        "overlay (default for films: runs/films/NAME)",
    )
    group.add_argument(
        "--top", type=whole_number(1), default=3, help="rank the N best classes (default 3)"
    )
    group.add_argument(
        "--min-probability",
        type=_fraction,
        default=0.0,
        metavar="P",
        help="omit predictions with a probability below P",
    )
    group.add_argument(
        "--attention",
        action="store_true",
        help="write an attention page per clip to --out (films always have one)",
    )
    return parser


def run(words: Sequence[str]) -> None:
    """Runs the command."""
    args = _parser().parse_args(words)
    if args.stride and not args.window:
        raise UserError("--stride needs --window")
    _check_parallel(args)
    if cameras := [word for word in args.sources if word.startswith(CAMERA)]:
        if len(args.sources) > 1:
            raise UserError(f"'{cameras[0]}' must be the only source")
        predict_live(args, cameras[0].removeprefix(CAMERA))
        return
    if args.live:
        if len(args.sources) > 1 or not is_film(args.sources[0]):
            raise UserError("--live needs one film, or a camera such as camera:0")
        predict_live(args, Path(args.sources[0]))
        return
    films, others = find_films(args.sources)
    if films:
        if others:
            raise UserError(
                f"{films[0]} is a film and {others[0]} is none; label films and clips with two "
                "commands"
            )
        predict_films(args, films)
        return
    for flag, value in (
        ("--people", args.people != PEOPLE),
        ("--coarse", args.coarse),
        ("--no-overlay", args.no_overlay),
        ("--no-window", args.no_window),
        ("--seconds", args.seconds),
        ("--pose-models", args.pose_models),
    ):
        if value:
            raise UserError(f"{flag} is for films and cameras; omit it for files of key points")
    if args.attention and args.out is None:
        raise UserError("--attention needs an output folder; add --out")
    if args.attention and (args.window or args.each_person):
        raise UserError("--attention draws whole clips; omit --window and --each-person")
    if args.weights is not None:
        check_exists(args.weights, "--weights")
    if STREAM in args.sources:
        if args.sources != [STREAM] or args.weights is None or args.out or args.attention:
            raise UserError(
                f"'{STREAM}' must be the only source and needs --weights; omit --out and "
                "--attention"
            )
        _stream(args)
        return
    with locked(args.out) if args.out else nullcontext():
        predict_clips(args)


def _check_parallel(args: argparse.Namespace) -> None:
    """Refuses --jobs and --dask for what is one stream of frames."""
    if args.dask is not None:
        if args.jobs > 1:
            raise UserError("--dask labels on the workers of a cluster; omit --jobs")
        check_dask()
    for word in args.sources:
        if (args.jobs > 1 or args.dask) and (word == STREAM or word.startswith(CAMERA)):
            raise UserError(f"--jobs and --dask are for many files, not for '{word}'; omit them")


def _stream(args: argparse.Namespace) -> None:
    """Reads frames from standard input and prints a line of JSON for each window."""
    start_keras()
    from keras_skeleton.datasets.formats.frame_lines import parse_frame, read_lines
    from keras_skeleton.skeletons import get_skeleton
    from keras_skeleton.transforms.missing import fill_missing
    from keras_skeleton.zoo.recognizers import load_recognizer

    recognizer = load_recognizer(args.weights, fold=args.fold).in_precision(args.precision)
    layout = get_skeleton(args.skeleton) if args.skeleton else recognizer.skeleton
    size = args.window or 60
    stride = args.stride or size
    frames: deque[np.ndarray] = deque(maxlen=size)
    seen = windows = 0
    said: set[str] = set()
    for number, line in enumerate(read_lines(sys.stdin), 1):
        frame = parse_frame(line, number)
        if len(frame) and frame.shape[1] != layout.size:
            raise UserError(
                f"line {number}: has {frame.shape[1]} joints, but {layout.name} has {layout.size}; "
                "--skeleton names another layout"
            )
        for what, text in _unseen(frame):
            if what not in said:
                said.add(what)
                print(f"note: line {number}: {text}", file=sys.stderr, flush=True)
        frames.append(frame)
        seen += 1
        if seen < size or (seen - size) % stride:
            continue
        if not any(map(len, frames)):
            continue
        clip = np.zeros((size, max(map(len, frames)), layout.size, 3), np.float32)
        for t, own in enumerate(frames):
            if len(own):
                clip[t, : len(own)] = own
        if np.isnan(clip).any():
            clip = fill_missing(clip, layout)[0].astype(np.float32)
        if not clip.any():
            continue
        windows += 1
        found = recognizer.predict(clip, args.top, args.skeleton)
        for text in found.notes:
            what = " ".join(text.split()[:2])  # numbers in it differ from window to window
            if what not in said:
                said.add(what)
                print(f"note: {text}", file=sys.stderr, flush=True)
        if found.probability >= args.min_probability:
            row = {
                "start": seen - size,
                "end": seen,
                "label": found.label,
                "probability": round(found.probability, 4),
                "unsure": found.unsure,
                "ranking": [[label, round(p, 4)] for label, p in found.ranking],
            }
            print(json.dumps(row), flush=True)
    if seen < size:
        raise UserError(
            f"standard input: has {seen} frames, fewer than a window of {size}; --window sets its "
            "frames"
        )
    if not windows:
        raise UserError(f"standard input: nobody is in any of the {seen} frames")


def _unseen(frame: np.ndarray) -> Iterator[tuple[str, str]]:
    """What of a frame on standard input was not seen, and how that is read."""
    if not len(frame):
        yield "nobody", "no person (NaN, null, [] or nothing); such lines count as frames"
    elif np.isnan(frame).any():
        yield "joints", "joints that were not seen (NaN, null) are filled from the window's frames"
