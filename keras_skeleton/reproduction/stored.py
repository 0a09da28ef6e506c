"""What was run and kept, in `results/`: a folder a run, found by its content and not by its name.

    RESULTS/runs/NAME/metrics.json               of a run of `run.py --model ...`
    RESULTS/runs/NAME/run.json and scores.csv    of `run.py detect --table ...`
    RESULTS/runs/NAME/attention.csv              of either, where the joints and frames that carry
                                                 the actions are known

Runs that lie directly in RESULTS, as before version 0.2, are read, too.

A result belongs to a training if model, dataset, protocol, recipe, settings and reader's options
are the same, if all folds are there, and if it saw the whole dataset (where the reader's options
choose the clips, what they choose). Of the recipe every number counts, as it is today: what was
made with another number of epochs, or before a recipe was changed, is another training.
"""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from keras_skeleton.datasets.registry import get_source
from keras_skeleton.evaluation.run_record import upgraded
from keras_skeleton.evaluation.scores import ResultsError
from keras_skeleton.recipes.recipe import Recipe
from keras_skeleton.recipes.registry import get_recipe, with_arguments
from keras_skeleton.recipes.stage import Stage
from keras_skeleton.reproduction.needs import is_whole
from keras_skeleton.reproduction.tables import DETECTOR, Row, Training
from keras_skeleton.utils.files import read_json, read_text, reason, write_json

RUNS = "runs"  # folder of the runs, in that of the results
METRICS, RUN, SCORES = "metrics.json", "run.json", "scores.csv"
# Attention to what is known to carry the actions, weights of body parts: not every run has them.
LOOKS = ("attention.csv", "parts.csv")
KEPT = {False: (METRICS,), True: (RUN, SCORES)}  # by whether it detects
CLASSIFIER = "sta_lstm"  # of detections
REQUIRED = {"dataset": str, "protocol": str, "recipe": str, "seed": int, "command": str,
            "folds_total": int}  # fmt: skip
RECOGNIZES = {"model": str, "settings": dict, "folds": list, "complete": bool, "clips": int,
              "accuracy": float, "hours": float}  # fmt: skip
DETECTS = {"classifier": str, "recipes": dict}
COLUMNS = ("method", "rule", "theta", "map_action", "f1")


@dataclass(frozen=True)
class Result:
    """One stored run.

    Attributes:
        folder: Where it is.
        about: The content of its metrics.json or run.json.
        scores: Of a detection: scores.csv.
    """

    folder: Path
    about: Mapping[str, Any]
    scores: pd.DataFrame | None = None

    @property
    def hours(self) -> float | None:
        """Of all folds, one after the other; None where it was not measured."""
        return self.about.get("hours")


def read_results(folder: Path) -> list[Result]:
    """All stored runs in `folder/runs` or directly in `folder`, by name; none where there is no
    such folder.

    Raises:
        ResultsError: A file that is damaged.
    """
    found = []
    places = (folder / RUNS, folder)
    paths = [path for own in places for name in (METRICS, SCORES) for path in own.glob(f"*/{name}")]
    for path in sorted(paths, key=lambda path: path.parent.name):
        if path.parent.name.startswith("."):  # not finished
            continue
        if path.name == METRICS:
            found.append(Result(path.parent, _about(path, RECOGNIZES)))
        else:
            found.append(Result(path.parent, _about(path.with_name(RUN), DETECTS), _scores(path)))
    return found


def _about(path: Path, own: Mapping[str, type]) -> dict[str, Any]:
    try:
        about = upgraded(read_json(path, "a stored result"))
        if not isinstance(about, dict):
            raise ValueError(f"holds a {type(about).__name__}, not an object")
        for key, kind in {**REQUIRED, **own}.items():
            value = about.get(key)
            if type(value) is not kind and (kind, type(value)) != (float, int):
                raise ValueError(f"its '{key}' is {str(value)[:40]!r}, not a {kind.__name__}")
        if own is RECOGNIZES:
            _check_figures(about)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ResultsError(
            f"{path}: not the result of a run ({reason(error)}); get it again, or delete its "
            "folder to run this anew"
        ) from None
    return about


def _check_figures(about: Mapping[str, Any]) -> None:
    for place in [about, *about["folds"], *_stages(about)]:
        for value in (place["accuracy"], place.get("best_test_accuracy")):
            if value is not None and not (type(value) in (int, float) and 0 <= value <= 1):
                raise ValueError(f"an accuracy is {str(value)[:40]!r}, not a fraction")
    for fold in about["folds"]:
        for value in (fold["seconds"], fold["epochs"], fold["clips"]["train"]):
            if type(value) not in (int, float) or value <= 0:
                raise ValueError(f"a fold's time, epochs or clips are {str(value)[:40]!r}")


def _stages(about: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for fold in about["folds"]:
        yield from fold.get("stages", [])


def _scores(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(io.StringIO(read_text(path, "scores")))
        return table[list(COLUMNS)].astype(dict.fromkeys(COLUMNS[2:], float))
    except (OSError, ValueError, KeyError) as error:
        raise ResultsError(
            f"{path}: not the scores of a run ({reason(error)}); get it again, or delete its "
            "folder to run this anew"
        ) from None


def recipe_of(training: Training) -> Recipe:
    """What it is trained by today."""
    recipe = get_recipe(training.model, training.dataset, training.recipe)
    return with_arguments(recipe, training.model, dict(training.settings))


def recipes_of(training: Training) -> dict[str, Recipe]:
    """Of a detection: those of all its networks."""
    names = (DETECTOR, CLASSIFIER, "jcr_rnn")
    return {name: get_recipe(name, training.dataset, training.recipe) for name in names}


def belongs(result: Result, training: Training) -> bool:
    """Whether the result is one of this training, with whatever seed."""
    about = result.about
    place = (training.dataset, training.protocol, training.recipe)
    if (about["dataset"], about["protocol"], about["recipe"]) != place:
        return False
    if (result.scores is not None) != training.detection:
        return False
    options = re.findall(r"--option (\S+)", about["command"].partition("\n")[0])
    if set(options) != set(training.option_words):
        return False
    if training.detection:
        own = {name: _plain(recipe.describe()) for name, recipe in recipes_of(training).items()}
        stored = {name: _plain(recipe) for name, recipe in about["recipes"].items()}
        return about["classifier"] == CLASSIFIER and own == stored
    source = get_source(training.dataset)
    return (
        about["model"] == training.model
        and about["complete"]
        and bool(about.get("published")) == training.i3d
        and (bool(training.options) or is_whole(about["clips"], source))
        and _plain(about["settings"]) == _plain(recipe_of(training).describe())
    )


def _plain(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe's numbers: without words for people and what only makes it faster, and with the
    defaults of fields that did not exist when it was stored."""
    defaults = Recipe("", 0.0, 1, 1).describe()
    stage = asdict(Stage("", "", {}, ()))
    found = {**defaults, **recipe, "sources": None, "jit": None}
    found.pop("name", None)
    found["stages"] = [{**stage, **own, "what": None} for own in found["stages"]]
    return dict(json.loads(json.dumps(found)))


def seeds_of(results: Sequence[Result], training: Training) -> dict[int, Result]:
    """The training's results by their seeds; of several with one seed the first by name."""
    found: dict[int, Result] = {}
    for result in results:
        if belongs(result, training):
            found.setdefault(result.about["seed"], result)
    return dict(sorted(found.items()))


def figures(
    result: Result, row: Row, metric: str, overlaps: Sequence[float]
) -> tuple[list[float | None], list[float | None]]:
    """A row's figures in one result: by the papers' convention (the best epoch on test clips), and
    selected on validation. Of detections one for each overlap.

    Raises:
        ResultsError: The stage or the method is not in it.
    """
    if result.scores is not None:
        table = result.scores[result.scores["rule"] == "paper"]
        own = table[table["method"] == row.method].set_index("theta")[metric]
        if missing := [theta for theta in overlaps if theta not in own.index]:
            raise ResultsError(f"{result.folder / SCORES}: lacks {row.method} at {missing[0]}")
        return [None] * len(overlaps), [float(own[theta]) for theta in overlaps]
    places: list[Mapping[str, Any]] = [result.about]
    if row.stage:
        places = [stage for stage in _stages(result.about) if stage.get("name") == row.stage]
        if len(places) != result.about["folds_total"]:
            raise ResultsError(f"{result.folder / METRICS}: lacks the stage '{row.stage}'")
    return _mean(places, "best_test_accuracy"), _mean(places, "accuracy")


def _mean(places: Sequence[Mapping[str, Any]], key: str) -> list[float | None]:
    values = [place.get(key) for place in places]
    return [None if None in values else float(np.mean([v for v in values if v is not None]))]


def keep(run: Path, training: Training, seed: int, results: Path, **more: Any) -> Path:
    """Copies what is small and needed of a finished run into the results; returns its new folder.

    Args:
        run: Folder of the run.
        training, seed: What it is.
        results: Folder of the results; the run goes into its `runs`, and nothing there is
            overwritten.
        more: To be added to its notes.
    """
    name = f"{training.name}_seed{seed}"
    runs = results / RUNS
    folder = runs / name
    number = 1
    while folder.exists():
        number += 1
        folder = runs / f"{name}-{number}"
    part = runs / f".{folder.name}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for file in KEPT[training.detection]:
        shutil.copyfile(run / file, part / file)
    for file in LOOKS:
        if (run / file).is_file():
            shutil.copyfile(run / file, part / file)
    if more:
        path = part / KEPT[training.detection][0]
        write_json(path, {**read_json(path, "a run's notes"), **more})
    part.rename(folder)
    return folder
