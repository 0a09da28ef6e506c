"""Films among the sources of the command predict."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_skeleton.commands.common import start_keras
from keras_skeleton.commands.pose_models import pose_estimator, pose_models
from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.files import plain_name
from keras_skeleton.utils.full_disk import FullDiskError
from keras_skeleton.utils.lock import locked
from keras_skeleton.utils.program import program
from keras_skeleton.video.film import open_film
from keras_skeleton.video.film_files import film_names
from keras_skeleton.zoo.entries import read_zoo

if TYPE_CHECKING:
    from keras_skeleton.film.result import FilmResult
    from keras_skeleton.recognizer import Recognizer
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

    return load_recognizer(name, fold=args.fold)


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


def _predict_films(
    args: argparse.Namespace, films: Sequence[Path], models: PoseModels, out: Path
) -> None:
    recognizer = open_network(args)
    from keras_skeleton.film.label import label_film
    from keras_skeleton.predictions import predictions_table, write_predictions

    pose = pose_estimator(models)
    results: list[FilmResult] = []
    skipped = 0
    for film, name in zip(films, film_names(films, args.sources), strict=True):
        begin = time.perf_counter()
        try:
            with progress_bar(film.name) as progress:
                result = label_film(
                    film, recognizer, pose, out, args.people, overlay=not args.no_overlay,
                    progress=progress, blocks=args.coarse, name=name,
                )  # fmt: skip
        except FullDiskError:  # not a fault of this film
            raise
        except UserError as error:
            if len(films) == 1:
                raise
            skipped += 1
            print(f"skipped {str(error).splitlines()[0]}", file=sys.stderr)
            continue
        results.append(result)
        speed = result.frames / (time.perf_counter() - begin)
        print(
            f"{film}: {result.prediction}  ({result.frames / result.fps:.1f} s, "
            f"{result.fps:.4g} frames per second; labeled at {speed:.0f} frames per second)",
            flush=True,
        )
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
    if recognizer.calibration is None:
        print(f"note: {recognizer.name} has no calibration, so no prediction is marked as unsure")
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
