"""Write down what the network for films says of each film in a folder.

    python benchmarks/film_says.py FILM_OR_FOLDER ... --weights csta_cnn_film_cs

One row per person: the label, whether it is unsure, and the actions with their seconds; first the
person who was seen most. It measures nothing: films are checked, not chosen by.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from keras_skeleton import label_film, load_recognizer
from keras_skeleton.film.result import NobodyError, PersonResult
from keras_skeleton.utils.processes import cores
from keras_skeleton.video.blazepose import BlazePose
from keras_skeleton.video.film_files import find_films
from keras_skeleton.video.pose_models import find_pose_models

OUT = Path("results/benchmarks/film_says.csv")


def describe(person: PersonResult, fps: float) -> dict[str, Any]:
    """A person's label and actions."""
    found = person.prediction
    return {
        "person": person.person,
        "person_seconds": round(person.frames / fps, 1),
        "label": found.label,
        "probability": round(found.probability, 3),
        "unsure": bool(found.unsure),
        "doubts": ", ".join(found.doubts),
        "actions": "; ".join(
            f"{action.start / fps:.1f}-{action.end / fps:.1f} {action.label} "
            f"{action.probability:.2f}" + (" unsure" if action.unsure else "")
            for action in person.segments
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("films", nargs="+")
    parser.add_argument("--weights", default="csta_cnn_film_cs")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    films, others = find_films(args.films)
    if others or not films:
        parser.error(f"{', '.join(others) or 'nothing'}: no films there")
    recognizer = load_recognizer(args.weights)
    pose = BlazePose(find_pose_models(), threads=cores())
    rows = []
    for path in films:
        row: dict[str, Any] = {"film": path.name, "weights": args.weights}
        try:
            result = label_film(path, recognizer, pose)
        except NobodyError:
            rows.append(row | {"label": "nobody"})
            continue
        row |= {"seconds": round(result.frames / result.fps, 1)}
        rows += [row | describe(person, result.fps) for person in result.people]
        print(result, flush=True)
    words = [Path(word).name for word in sys.argv[1:]]
    table = pd.DataFrame(rows).assign(command=shlex.join(["film_says.py", *words]))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(args.out, index=False)


if __name__ == "__main__":
    main()
