"""Films among the sources of the command predict."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from keras_skeleton.commands.common import start_keras
from keras_skeleton.commands.pose_models import pose_estimator, pose_models
from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.executor import executor
from keras_skeleton.utils.files import plain_name
from keras_skeleton.utils.full_disk import FullDiskError
from keras_skeleton.utils.lock import locked
from keras_skeleton.utils.program import program
from keras_skeleton.utils.text import percent
from keras_skeleton.video.film import open_film
from keras_skeleton.video.film_files import film_names
from keras_skeleton.zoo.entries import read_zoo

if TYPE_CHECKING:
    from keras_skeleton.film.result import FilmResult
    from keras_skeleton.recognizer import Recognizer
    from keras_skeleton.video.blazepose import BlazePose
    from keras_skeleton.video.pose_models import PoseModels

DATASET = "film"  # of the networks that are trained for films


def film_weights() -> str:
    """Name of the zoo's network for films.

    Raises:
        UserError: The zoo has none.
    """
    fitting = [entry for entry in read_zoo() if entry.dataset == DATASET]
    if not fitting:
        raise UserError(
            f"the zoo has no network for films; choose one with --weights ({program()} zoo lists "
            "them), such as csta_cnn_ut_kinect_cs"
        )
    return max(fitting, key=lambda entry: entry.figures.get("validation_accuracy") or 0.0).name


def open_network(args: argparse.Namespace) -> Recognizer:
    """The network given by --weights, or the zoo's network for films."""
    name = args.weights or film_weights()
    if args.weights is None:
        print(f"using weights {name}", flush=True)
    start_keras()
    from keras_skeleton.zoo.recognizers import load_recognizer

    return load_recognizer(name, fold=args.fold).in_precision(args.precision)


def weights_notes(args: argparse.Namespace, recognizer: Recognizer) -> Iterator[str]:
    """What to know of the weights beside the predictions."""
    if args.precision != "float32":
        accuracy = recognizer.about.get("accuracy")
        recorded = "" if accuracy is None else f" {percent(accuracy)} on test clips,"
        yield (
            f"note: computed in {args.precision}; the recorded accuracy,{recorded} and the "
            "thresholds of unsure are those of float32"
        )
    if recognizer.calibration is None:
        yield f"note: {recognizer.name} has no calibration, so no prediction is marked as unsure"


def check_options(args: argparse.Namespace) -> None:
    """Refuses options that are for files of key points.

    Raises:
        UserError: There is one.
    """
    for flag, value in (
        ("--skeleton", args.skeleton),
        ("--image-size", args.image_size),
        ("--window", args.window),
        ("--each-person", args.each_person),
    ):
        if value:
            raise UserError(f"{flag} is for files of key points; omit it for films and cameras")


def predict_films(args: argparse.Namespace, films: Sequence[Path]) -> None:
    """Labels films; writes key points, overlays, pages and predictions."""
    check_options(args)
    if args.no_window or args.seconds:
        raise UserError("--no-window and --seconds are for cameras, and for films with --live")
    if args.coarse and args.no_overlay:
        raise UserError("--coarse changes the overlay; omit --no-overlay")
    models = pose_models(args.pose_models)
    more = f"_and_{len(films) - 1}_more" if len(films) > 1 else ""
    out = args.out or Path("runs") / "films" / (plain_name(films[0].stem) + more)
    if lost := [film for film in films if not film.is_file()]:
        raise UserError(f"{lost[0]}: no such file")
    if len(films) == 1:
        open_film(films[0])  # refuses a file that is no film before the network is loaded
    with locked(out):
        _predict_films(args, films, models, out)


@dataclass(frozen=True)
class _Labeling:
    """What a process needs to label films."""

    weights: str
    fold: int | None
    precision: str
    models: PoseModels
    out: Path
    people: int
    overlay: bool
    blocks: int | None


@dataclass(frozen=True)
class _Skipped:
    """Why a film could not be labeled."""

    why: str


class _Opened(NamedTuple):
    recognizer: Recognizer
    pose: BlazePose


_opened: _Opened | None = None  # shared by all films of a process


def _open(how: _Labeling) -> None:
    global _opened
    start_keras()
    from keras_skeleton.zoo.recognizers import load_recognizer

    recognizer = load_recognizer(how.weights, fold=how.fold).in_precision(how.precision)
    _opened = _Opened(recognizer, pose_estimator(how.models))


def _label(
    how: _Labeling,
    item: tuple[Path, str],
    progress: Callable[[float, str], None] | None = None,
) -> tuple[FilmResult | _Skipped, float]:
    """A film's result, and the seconds that it took."""
    assert _opened is not None
    from keras_skeleton.film.label import label_film

    begin = time.perf_counter()
    film, name = item
    try:
        result: FilmResult | _Skipped = label_film(
            film, _opened.recognizer, _opened.pose, how.out, how.people, overlay=how.overlay,
            progress=progress, blocks=how.blocks, name=name,
        )  # fmt: skip
    except FullDiskError:  # not a fault of this film
        raise
    except UserError as error:
        result = _Skipped(str(error))
    return result, time.perf_counter() - begin


def _label_all(
    args: argparse.Namespace, how: _Labeling, items: Sequence[tuple[Path, str]]
) -> Iterator[tuple[tuple[Path, str], tuple[FilmResult | _Skipped, float]]]:
    """Labels films one after the other, or several at a time; yields them as they are finished."""
    if len(items) > 1 and (args.jobs > 1 or args.dask):
        needs = [how.out, *(film for film, _ in items)]
        run = executor(args.jobs, args.dask)
        yield from run.map(partial(_open, how), partial(_label, how), items, needs=needs)
        return
    for item in items:
        with progress_bar(item[0].name) as progress:
            yield item, _label(how, item, progress)


def _predict_films(
    args: argparse.Namespace, films: Sequence[Path], models: PoseModels, out: Path
) -> None:
    weights = args.weights or film_weights()
    if args.weights is None:
        print(f"using weights {weights}", flush=True)
    how = _Labeling(
        weights,
        args.fold,
        args.precision,
        models,
        out,
        args.people,
        not args.no_overlay,
        args.coarse,
    )
    _open(how)  # also where other processes label: wrong weights are refused before they start
    assert _opened is not None
    recognizer = _opened.recognizer
    from keras_skeleton.predictions import predictions_table, write_predictions

    items = list(zip(films, film_names(films, args.sources), strict=True))
    found: dict[tuple[Path, str], FilmResult] = {}
    for item, (result, seconds) in _label_all(args, how, items):
        if isinstance(result, _Skipped):
            if len(films) == 1:
                raise UserError(result.why)
            print(f"skipped {result.why.splitlines()[0]}", file=sys.stderr)
            continue
        found[item] = result
        print(
            f"{item[0]}: {result.prediction}  ({result.frames / result.fps:.1f} s, "
            f"{result.fps:.4g} frames per second; computed in {seconds:.1f} s)",
            flush=True,
        )
    results = [found[item] for item in items if item in found]
    skipped = len(films) - len(results)
    if not results:
        raise UserError("none of the films could be labeled")
    rows = [row for result in results for row in result.rows]
    shown = [row for row in rows if row.prediction.probability >= args.min_probability]
    if shown:
        print("\n" + predictions_table(shown, args.top))
    else:
        print(f"\nnothing has a probability of at least {args.min_probability:g}")
    for result in results:
        for note in result.notes:
            print(f"note: {result.source}: {note}")
    write_predictions(out, recognizer, shown, {"films": [describe(result) for result in results]})
    facts = [f"films: {len(results)}", f"actions: {len(shown)}", f"weights: {recognizer.name}"]
    if skipped:
        facts.append(f"{skipped} films skipped")
    print("\n" + "; ".join(facts))
    for note in weights_notes(args, recognizer):
        print(note)
    print(f"results are in {out}")


def describe(result: FilmResult) -> dict[str, Any]:
    """A film's result as plain values, for predictions.json."""
    return {
        "source": result.source,
        "fps": result.fps,
        "frames": result.frames,
        "size": list(result.size),
        "notes": list(result.notes),
        "people": [
            {
                "person": person.person,
                "start": person.start,
                "end": person.end,
                "frames": person.frames,
                "label": person.prediction.label,
                "probability": round(person.prediction.probability, 6),
                "unsure": person.prediction.unsure,
                "doubts": list(person.prediction.doubts),
                "windows": [
                    {
                        "start": step.start,
                        "end": step.end,
                        "label": step.label,
                        "probability": round(step.probability, 6),
                        "unsure": step.unsure,
                    }
                    for step in person.steps
                ],
            }
            for person in result.people
        ],
    }


@contextmanager
def progress_bar(name: str) -> Iterator[Callable[[float, str], None] | None]:
    """A progress bar on the terminal; None where there is none."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=1.0)
        yield lambda share, text: bar.update(task, completed=share, description=f"{name}: {text}")
