"""Predict action labels of clips in files, folders or file patterns with a trained network."""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from keras_skeleton.commands.common import parser_for, start_keras, whole_number
from keras_skeleton.commands.known_weights import check_exists
from keras_skeleton.datasets.clip_sources import SourceClip, find_sources, read_clips
from keras_skeleton.utils.errors import DatasetError, UserError
from keras_skeleton.utils.files import plain_name, write_json, write_text
from keras_skeleton.utils.program import program
from keras_skeleton.zoo.entries import ZOO, no_weights, read_zoo

if TYPE_CHECKING:
    from keras_skeleton.recognizer import Prediction, Recognizer

COLUMNS = (
    "source", "person", "start", "end", "start_s", "end_s", "label", "probability", "unsure",
    "label_2", "probability_2", "label_3", "probability_3",
)  # fmt: skip
STREAM = "-"


def _fraction(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 0 to 1")
    return value


def _image_size(text: str) -> tuple[float, float]:
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) > 0 and int(height) > 0):
        raise argparse.ArgumentTypeError(f"'{text}' is not a size such as 1920x1080")
    return float(width), float(height)


def _parser() -> argparse.ArgumentParser:
    parser = parser_for("predict", __doc__)
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="clip file (.npy, .npz, .json, .csv, .skeleton, .pkl), folder, folder of OpenPose's "
        "*_keypoints.json, or pattern; '-' reads "
        "frames from standard input, one JSON list (M, V, 3) or (V, 3) per line",
    )
    group = parser.add_argument_group("network")
    group.add_argument(
        "--weights",
        metavar="WEIGHTS",
        help="load a network of the zoo by name, a run folder, a folder of Recognizer.save, or a "
        "weights file of these (default: the best network of the zoo for the skeleton)",
    )
    group.add_argument(
        "--fold", type=whole_number(1), help="choose the fold of a run with several folds"
    )
    group = parser.add_argument_group("clips")
    group.add_argument("--skeleton", help="set the skeleton of the files (default: from the files)")
    group.add_argument(
        "--no-track",
        action="store_true",
        help="keep the order of people in the files of pose estimators",
    )
    group.add_argument(
        "--image-size",
        type=_image_size,
        metavar="WxH",
        help="set the size of the image for key points from 0 to 1, such as 1920x1080",
    )
    group.add_argument(
        "--window", type=whole_number(1), metavar="N", help="label windows of N frames"
    )
    group.add_argument(
        "--stride", type=whole_number(1), metavar="N", help="start a window every N frames"
    )
    group.add_argument(
        "--each-person", action="store_true", help="label each person of a clip separately"
    )
    group = parser.add_argument_group("results")
    group.add_argument("--out", type=Path, metavar="DIR", help="write predictions.csv and .json")
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
        "--attention", action="store_true", help="write an attention page per clip to --out"
    )
    return parser


def run(words: Sequence[str]) -> None:
    """Runs the command."""
    args = _parser().parse_args(words)
    if args.stride and not args.window:
        raise UserError("--stride needs --window")
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
    paths = find_sources(args.sources)
    clips: list[SourceClip] = []
    skipped = 0
    for path in paths:
        try:
            clips += read_clips(path, args.skeleton, not args.no_track, args.image_size)
        except DatasetError as error:
            if len(paths) == 1:
                raise
            skipped += 1
            print(f"skipped {str(error).splitlines()[0]}", file=sys.stderr)
    if not clips:
        raise UserError("none of the files could be read")
    recognizer = _open(args, clips)
    rows = [row for clip in clips for row in _rows(args, recognizer, clip)]
    shown = [row for row in rows if row.prediction.probability >= args.min_probability]
    print(_table(shown, args.top))
    facts = [
        f"predictions: {len(shown)}",
        f"labels: {len({row.prediction.label for row in shown})} of {len(recognizer.classes)}",
        f"clips: {len(clips)}",
        f"weights: {recognizer.name}",
    ]
    if unsure := sum(bool(row.prediction.unsure) for row in shown):
        facts.append(f"unsure: {unsure}")
    if lacking := len(rows) - len(shown):
        facts.append(f"{lacking} below {args.min_probability:g}")
    if skipped:
        facts.append(f"{skipped} files skipped")
    print("\n" + "; ".join(facts))
    if recognizer.calibration is None:
        print(f"note: {recognizer.name} has no calibration, so no prediction is marked as unsure")
    if args.out is not None:
        _write(args, recognizer, shown, clips)
        print(f"results are in {args.out}")


def _open(args: argparse.Namespace, clips: Sequence[SourceClip]) -> Recognizer:
    """The network given by --weights, or the best network of the zoo for the first clip's
    skeleton."""
    name = args.weights
    if name is None:
        if not read_zoo():
            raise UserError(no_weights(ZOO))
        skeleton = clips[0].skeleton
        fitting = [
            entry
            for entry in read_zoo()
            if entry.task == "recognition"
            and entry.skeleton == skeleton.name
            and entry.model != "pose_i3d"
        ]
        if not fitting:
            raise UserError(
                f"the zoo has no network for the skeleton {skeleton.name}; choose one with "
                f"--weights ({program()} zoo lists them)"
            )
        best = max(fitting, key=lambda entry: entry.figures.get("validation_accuracy") or 0.0)
        name = best.name
        print(f"using weights {name} for the skeleton {skeleton.name}", flush=True)
    start_keras()
    from keras_skeleton.zoo.recognizers import load_recognizer

    return load_recognizer(name, fold=args.fold)


def _windows(length: int, size: int | None, stride: int | None) -> Iterator[tuple[int, int]]:
    """Yields start and end (excluded) of each window; the whole clip if there is no size."""
    if size is None or length <= size:
        yield 0, length
        return
    step = stride or size
    starts = list(range(0, length - size + 1, step))
    if starts[-1] + size < length:
        starts.append(length - size)  # covers the last frames
    yield from ((start, start + size) for start in starts)


@dataclass(frozen=True)
class Row:
    """The prediction for a clip, or for a window or person of a clip."""

    source: str
    person: int | None
    start: int
    end: int
    start_s: float | None
    end_s: float | None
    prediction: Prediction
    notes: tuple[str, ...]


def _rows(args: argparse.Namespace, recognizer: Recognizer, clip: SourceClip) -> list[Row]:
    people: Sequence[int | None] = [None]
    if args.each_person:
        people = np.flatnonzero(clip.clip.any(axis=(0, 2, 3))).tolist()
    pieces, places = [], []
    for person in people:
        own = clip.clip if person is None else clip.clip[:, person : person + 1]
        for start, end in _windows(len(own), args.window, args.stride):
            if own[start:end].any():  # skip windows without a body
                pieces.append(own[start:end])
                places.append((person, start, end))
    found = recognizer.predict(pieces, max(3, args.top), clip.skeleton)
    fps = clip.fps
    return [
        Row(
            clip.source,
            person,
            start,
            end,
            start_s=None if fps is None else start / fps,
            end_s=None if fps is None else end / fps,
            prediction=prediction,
            notes=(*clip.notes, *prediction.notes),
        )
        for (person, start, end), prediction in zip(places, found, strict=True)
    ]


def _cells(row: Row) -> list[str]:
    ranking = [*row.prediction.ranking, ("", None), ("", None)][:3]
    place = [
        row.source,
        *("" if value is None else str(value) for value in (row.person, row.start, row.end)),
        *("" if value is None else f"{value:.3f}" for value in (row.start_s, row.end_s)),
    ]
    told = [text for label, p in ranking for text in (label, "" if p is None else f"{p:.4f}")]
    unsure = "" if row.prediction.unsure is None else str(row.prediction.unsure).lower()
    return [*place, *told[:2], unsure, *told[2:]]


def _table(rows: Sequence[Row], top: int) -> str:
    """A table of sources, frames and best classes, as text."""
    lines = [["source", "frames", "label", "probability", "", "next"]]
    for row in rows:
        prediction = row.prediction
        who = "" if row.person is None else f", person {row.person}"
        after = ", ".join(f"{label} {100 * p:.0f} %" for label, p in prediction.ranking[1:top])
        lines.append(
            [
                row.source + who,
                f"{row.start}-{row.end - 1}",
                prediction.label,
                f"{100 * prediction.probability:.1f} %",
                f"unsure: {', '.join(prediction.doubts)}" if prediction.unsure else "",
                after,
            ]
        )
    kept = [k for k in range(6) if any(line[k] for line in lines[1:])] or range(4)
    lines = [[line[k] for k in kept] for line in lines]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    notes = dict.fromkeys(f"note: {note}" for row in rows for note in row.notes)
    return "\n".join([*text, *notes])


def _write(
    args: argparse.Namespace,
    recognizer: Recognizer,
    rows: Sequence[Row],
    clips: Sequence[SourceClip],
) -> None:
    args.out.mkdir(parents=True, exist_ok=True)
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_cells(row) for row in rows)
    write_text(args.out / "predictions.csv", buffer.getvalue())
    content = [
        {
            **{key: getattr(row, key) for key in COLUMNS[:6]},
            "label": row.prediction.label,
            "probability": round(row.prediction.probability, 6),
            "unsure": row.prediction.unsure,
            "distance": row.prediction.distance,
            "doubts": list(row.prediction.doubts),
            "probabilities": {
                str(name): round(float(p), 6)
                for name, p in zip(recognizer.classes, row.prediction.probabilities, strict=True)
            },
            "notes": list(row.notes),
        }
        for row in rows
    ]
    write_json(
        args.out / "predictions.json",
        {
            "weights": recognizer.name,
            "classes": list(recognizer.classes),
            **_thresholds(recognizer),
            "predictions": content,
        },
    )
    if args.attention:
        for clip in clips:
            _draw(args.out, recognizer, clip)


def _thresholds(recognizer: Recognizer) -> dict[str, float]:
    """The numbers that decide what is unsure; none without a calibration."""
    own = recognizer.calibration
    if own is None:
        return {}
    names = ("temperature", "min_probability", "max_distance")
    return {name: getattr(own, name) for name in names}


def _draw(out: Path, recognizer: Recognizer, clip: SourceClip) -> None:
    """Writes the attention page and the strip of poses of a clip."""
    from keras_skeleton.attention.attended import attend
    from keras_skeleton.viz.attention_page import write_attention_page
    from keras_skeleton.viz.strips import attention_strip_figure
    from keras_skeleton.viz.style import save_figure

    seen = attend(recognizer, clip.clip, clip.source, clip.skeleton, fps=clip.fps)
    stem = plain_name(Path(clip.source).name)
    write_attention_page(seen, out / f"{stem}.html")
    figure = attention_strip_figure(
        seen.clip, seen.skeleton, seen.frames, seen.caption,
        fps=seen.fps, unit=seen.unit, shares=seen.shares, top=seen.top_share,
    )  # fmt: skip
    save_figure(figure, out / f"{stem}.png")


def _stream(args: argparse.Namespace) -> None:
    """Reads frames from standard input and prints a line of JSON for each window."""
    start_keras()
    from keras_skeleton.zoo.recognizers import load_recognizer

    recognizer = load_recognizer(args.weights, fold=args.fold)
    size = args.window or 60
    stride = args.stride or size
    frames: deque[np.ndarray] = deque(maxlen=size)
    seen = 0
    for number, line in enumerate(sys.stdin, 1):
        if not line.strip():
            continue
        try:
            frame = np.asarray(json.loads(line), np.float32)
        except (ValueError, TypeError) as error:
            raise UserError(f"line {number}: not a JSON frame ({error})") from None
        if frame.ndim not in (2, 3) or frame.shape[-1] != 3:
            raise UserError(f"line {number}: has shape {frame.shape}; expected (V, 3) or (M, V, 3)")
        frames.append(frame[None] if frame.ndim == 2 else frame)
        seen += 1
        if seen < size or (seen - size) % stride:
            continue
        most = max(len(frame) for frame in frames)
        clip = np.zeros((size, most, *frame.shape[-2:]), np.float32)
        for t, frame in enumerate(frames):
            clip[t, : len(frame)] = frame
        if not clip.any():
            continue
        found = recognizer.predict(clip, args.top, args.skeleton)
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
