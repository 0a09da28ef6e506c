"""Files of clips among the sources of the command predict."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from keras_skeleton.commands.common import start_keras
from keras_skeleton.commands.film import DATASET, film_weights, weights_notes
from keras_skeleton.datasets.clip_sources import (
    SourceClip,
    find_sources,
    read_clips,
    unreadable,
)
from keras_skeleton.utils.errors import DatasetError, UserError
from keras_skeleton.utils.executor import executor
from keras_skeleton.utils.files import plain_name
from keras_skeleton.utils.program import program
from keras_skeleton.zoo.entries import ZOO, no_weights, read_zoo

if TYPE_CHECKING:
    from keras_skeleton.predictions import Row
    from keras_skeleton.recognizer import Recognizer

LONG, USUAL_FPS = 30.0, 30.0  # seconds: longer than the clips that networks are trained on


def predict_clips(args: argparse.Namespace) -> None:
    """Labels the clips of files, and writes predictions and attention pages."""
    paths = find_sources(args.sources)
    left_out = unreadable(args.sources)
    for path, why in left_out:
        print(f"skipped {path}: {why}", file=sys.stderr)
    if len(paths) > 1 and (args.jobs > 1 or args.dask):
        recognizer, found = _in_processes(args, paths)
    else:
        recognizer, found = _here(args, paths)
    done = [labeled for labeled in found if not isinstance(labeled, str)]
    skipped = len(left_out) + len(found) - len(done)
    from keras_skeleton.predictions import predictions_table, write_predictions

    rows = [row for _, own in done for row in own]
    shown = [row for row in rows if row.prediction.probability >= args.min_probability]
    print(predictions_table(shown, args.top))
    facts = [
        f"predictions: {len(shown)}",
        f"labels: {len({row.prediction.label for row in shown})} of {len(recognizer.classes)}",
        f"clips: {sum(clips for clips, _ in done)}",
        f"weights: {recognizer.name}",
    ]
    if unsure := sum(bool(row.prediction.unsure) for row in shown):
        facts.append(f"unsure: {unsure}")
    if lacking := len(rows) - len(shown):
        facts.append(f"{lacking} below {args.min_probability:g}")
    if skipped:
        facts.append(f"{skipped} files skipped")
    print("\n" + "; ".join(facts))
    for note in weights_notes(args, recognizer):
        print(note)
    if args.out is not None:
        write_predictions(args.out, recognizer, shown)
        print(f"results are in {args.out}")


# Of a file: the number of its clips and their rows, or why it is skipped.
Labeled = tuple[int, list["Row"]] | str


def _read(args: argparse.Namespace, path: Path) -> list[SourceClip]:
    return list(read_clips(path, args.skeleton, not args.no_track, args.image_size))


def _skip(error: DatasetError) -> str:
    why = str(error).splitlines()[0]
    print(f"skipped {why}", file=sys.stderr)
    return why


def _here(args: argparse.Namespace, paths: Sequence[Path]) -> tuple[Recognizer, list[Labeled]]:
    """Labels files in this process; the network is loaded after all of them are read."""
    read: list[list[SourceClip] | str] = []
    for path in paths:
        try:
            read.append(_read(args, path))
        except DatasetError as error:
            if len(paths) == 1:
                raise
            read.append(_skip(error))
    clips = [clip for own in read if not isinstance(own, str) for clip in own]
    if not clips:
        raise UserError(NOTHING)
    recognizer = _load(args, _weights(args, clips[0]))
    return recognizer, [
        own if isinstance(own, str) else (len(own), _label(args, recognizer, own)) for own in read
    ]


def _in_processes(
    args: argparse.Namespace, paths: Sequence[Path]
) -> tuple[Recognizer, list[Labeled]]:
    """Labels files in processes, or on the workers of a cluster."""
    weights = args.weights or _weights(args, _first(args, paths))
    recognizer = _load(args, weights)  # for its classes; wrong weights are refused here
    work = partial(_label_file, args)
    run = executor(args.jobs, args.dask)
    needs = [path for path in (*paths, args.out) if path is not None]
    found = dict(run.map(partial(_open, args, weights), work, paths, needs=needs))
    labeled = [found[path] for path in paths]
    for own in labeled:
        if isinstance(own, str):
            print(f"skipped {own}", file=sys.stderr)
    if all(isinstance(own, str) for own in labeled):
        raise UserError(NOTHING)
    return recognizer, labeled


NOTHING = "none of the files could be read"
_opened: Recognizer | None = None  # shared by all files of a process


def _open(args: argparse.Namespace, weights: str) -> None:
    global _opened
    _opened = _load(args, weights)


def _label_file(args: argparse.Namespace, path: Path) -> Labeled:
    assert _opened is not None
    try:
        clips = _read(args, path)
    except DatasetError as error:
        return str(error).splitlines()[0]
    return len(clips), _label(args, _opened, clips)


def _first(args: argparse.Namespace, paths: Sequence[Path]) -> SourceClip:
    """The first clip that can be read."""
    for path in paths:
        try:
            return _read(args, path)[0]
        except DatasetError:
            continue
    raise UserError(NOTHING)


def _load(args: argparse.Namespace, weights: str) -> Recognizer:
    start_keras()
    from keras_skeleton.zoo.recognizers import load_recognizer

    return load_recognizer(weights, fold=args.fold).in_precision(args.precision)


def _weights(args: argparse.Namespace, clip: SourceClip) -> str:
    """The name given by --weights, or the best network of the zoo for the clip's skeleton."""
    if args.weights is not None:
        return str(args.weights)
    name = _default_weights(clip)
    print(f"using weights {name}", flush=True)
    return name


def _label(
    args: argparse.Namespace, recognizer: Recognizer, clips: Sequence[SourceClip]
) -> list[Row]:
    """The rows of clips; draws their attention."""
    rows = [row for clip in clips for row in _rows(args, recognizer, clip)]
    if args.attention:
        for clip in clips:
            _draw(args.out, recognizer, clip)
    return rows


def _default_weights(clip: SourceClip) -> str:
    """The zoo's network for films if the joints were estimated from one, else the best network for
    the skeleton."""
    if not read_zoo():
        raise UserError(no_weights(ZOO))
    if clip.from_film and any(entry.dataset == DATASET for entry in read_zoo()):
        return film_weights()
    fitting = [
        entry
        for entry in read_zoo()
        if entry.task == "recognition"
        and entry.skeleton == clip.skeleton.name
        and entry.model != "pose_i3d"
    ]
    if not fitting:
        raise UserError(
            f"the zoo has no network for the skeleton {clip.skeleton.name}; choose one with "
            f"--weights ({program()} zoo lists them)"
        )
    return max(fitting, key=lambda entry: entry.figures.get("validation_accuracy") or 0.0).name


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


def _rows(args: argparse.Namespace, recognizer: Recognizer, clip: SourceClip) -> list[Row]:
    from keras_skeleton.predictions import make_row

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
    return [
        make_row(
            clip.source,
            person,
            start,
            end,
            clip.fps,
            prediction,
            (*clip.notes, *prediction.notes, *_long_notes(end - start, clip.fps)),
        )
        for (person, start, end), prediction in zip(places, found, strict=True)
    ]


def _long_notes(length: int, fps: float | None) -> list[str]:
    """A note on a clip that is a recording of many actions rather than a clip of one."""
    if length / (fps or USUAL_FPS) <= LONG:
        return []
    rate = "" if fps else f" (of {USUAL_FPS:.0f} frames; the frame rate is unknown)"
    return [
        f"more than {LONG:.0f} seconds{rate} get one label, but networks are trained on clips of "
        f"one action: label windows with --window N, or find actions and their times with "
        f"{program()} detect --stream FILE"
    ]


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
