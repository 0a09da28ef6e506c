"""Stored results in `results/`, with one folder per run. Runs are found by content, not by name.

    RESULTS/runs/NAME/metrics.json               of a run of `run.py --model ...`
    RESULTS/runs/NAME/run.json and scores.csv    of a run of `run.py detect --table ...`
    RESULTS/runs/NAME/attention.csv              of either, if the joints and frames that carry the
                                                 actions are known

Runs directly in RESULTS, as stored before version 0.2, are read as well.

A result belongs to a training if model, dataset, protocol, recipe, settings, reader options and the
clips that it is trained on (all, or with validation clips held out) are equal, all folds are
finished, and the whole dataset was used (or, with reader options that select clips, the whole
selection). All values of the recipe must equal the current ones: a run with another number of
epochs, or with an older version of the recipe, is a different training.
"""

from __future__ import annotations

import errno
import io
import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from keras_skeleton.datasets.registry import get_source
from keras_skeleton.evaluation.run_record import PART, upgraded
from keras_skeleton.evaluation.scores import ResultsError
from keras_skeleton.recipes.recipe import Recipe
from keras_skeleton.recipes.registry import get_recipe, with_arguments
from keras_skeleton.recipes.stage import Stage
from keras_skeleton.reproduction.needs import is_whole
from keras_skeleton.reproduction.tables import DETECTOR, DETECTORS, GATES, Row, Training
from keras_skeleton.utils.files import read_json, read_text, reason, write_json

RUNS = "runs"  # subfolder of the results
METRICS, RUN, SCORES = "metrics.json", "run.json", "scores.csv"
# Attention on the action and weights of body parts; optional.
LOOKS = ("attention.csv", "parts.csv")
KEPT = {False: (METRICS,), True: (RUN, SCORES)}  # stored files; True for detection
CLASSIFIER = "sta_lstm"  # classifier of detection runs
REQUIRED = {"dataset": str, "protocol": str, "recipe": str, "seed": int, "command": str,
            "folds_total": int}  # fmt: skip
RECOGNIZES = {"model": str, "settings": dict, "folds": list, "complete": bool, "clips": int,
              "accuracy": float, "hours": float}  # fmt: skip
DETECTS = {"classifier": str, "recipes": dict}
COLUMNS = ("method", "rule", "theta", "map_action", "f1")


@dataclass(frozen=True)
class Result:
    """A stored run.

    Attributes:
        folder: Its folder.
        about: Content of `metrics.json` (recognition) or `run.json` (detection).
        scores: Content of `scores.csv` (detection).
    """

    folder: Path
    about: Mapping[str, Any]
    scores: pd.DataFrame | None = None

    @property
    def hours(self) -> float | None:
        """Total training time of all folds; None if it was not measured."""
        return self.about.get("hours")


def read_results(folder: Path) -> list[Result]:
    """Reads all stored runs in `folder/runs` or directly in `folder`, sorted by name.

    Raises:
        ResultsError: If a file is damaged.
    """
    found = []
    places = (folder / RUNS, folder)
    paths = [path for own in places for name in (METRICS, SCORES) for path in own.glob(f"*/{name}")]
    for path in sorted(paths, key=lambda path: path.parent.name):
        if path.parent.name.startswith("."):  # incomplete
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
            raise ValueError(f"expected an object, got a {type(about).__name__}")
        for key, kind in {**REQUIRED, **own}.items():
            value = about.get(key)
            if type(value) is not kind and (kind, type(value)) != (float, int):
                raise ValueError(f"'{key}' is {str(value)[:40]!r}, expected {kind.__name__}")
        if own is RECOGNIZES:
            _check_figures(about)
    except (
        OSError,
        ValueError,
        TypeError,
        OverflowError,
        KeyError,
        AttributeError,
        RecursionError,
    ) as error:
        raise ResultsError(
            f"{path}: not the result of a run ({reason(error)}); restore it, or delete its "
            "folder to repeat the run"
        ) from None
    return about


def _check_figures(about: Mapping[str, Any]) -> None:
    for place in [about, *about["folds"], *_stages(about)]:
        for value in (place["accuracy"], place.get("best_test_accuracy")):
            if value is not None and not (type(value) in (int, float) and 0 <= value <= 1):
                raise ValueError(f"an accuracy is {str(value)[:40]!r}, expected a fraction")
    for fold in about["folds"]:
        for value in (fold["seconds"], fold["epochs"], fold["clips"]["train"]):
            if type(value) not in (int, float) or value <= 0:
                raise ValueError(f"seconds, epochs or clips of a fold are {str(value)[:40]!r}")


def _stages(about: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for fold in about["folds"]:
        yield from fold.get("stages", [])


def _scores(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(io.StringIO(read_text(path, "scores")))
        return table[list(COLUMNS)].astype(dict.fromkeys(COLUMNS[2:], float))
    except (OSError, ValueError, KeyError) as error:
        raise ResultsError(
            f"{path}: not the scores of a run ({reason(error)}); restore it, or delete its "
            "folder to repeat the run"
        ) from None


def recipe_of(training: Training) -> Recipe:
    """The current recipe of a training."""
    recipe = get_recipe(training.model, training.dataset, training.recipe)
    return with_arguments(recipe, training.model, dict(training.settings))


def recipes_of(training: Training) -> dict[str, Recipe]:
    """The current recipes of all networks of a detection run."""
    names = (DETECTOR, CLASSIFIER, "jcr_rnn")
    found = {name: get_recipe(name, training.dataset, training.recipe) for name in names}
    if training.model == GATES:  # our own detectors have one recipe
        found |= {name: get_recipe(name, training.dataset, "tuned") for name in DETECTORS[GATES]}
    return found


def belongs(result: Result, training: Training) -> bool:
    """Whether a result belongs to a training, for any seed."""
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
        methods = set(result.scores["method"]) if result.scores is not None else set()
        if not methods >= set(DETECTORS[training.model]):
            return False
        if training.model == GATES:
            return all(own[name] == stored.get(name) for name in DETECTORS[GATES])
        same = all(stored.get(name) == recipe for name, recipe in own.items())
        return about["classifier"] == CLASSIFIER and same
    source = get_source(training.dataset)
    return (
        about["model"] == training.model
        and about.get("train_on", PART) == training.train_on
        and about["complete"]
        and bool(about.get("published")) == training.i3d
        and about.get("streams", {}).get("dataset", "") == training.streams
        and (bool(training.options) or is_whole(about["clips"], source))
        and _plain(about["settings"]) == _plain(recipe_of(training).describe())
    )


def _plain(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a recipe that affect a training, without descriptions and speed settings.
    Fields that did not exist when it was stored have their defaults."""
    defaults = Recipe("", 0.0, 1, 1).describe()
    stage = asdict(Stage("", "", {}, ()))
    found = {**defaults, **recipe, "sources": None, "jit": None, "test_copies": None}
    found.pop("name", None)
    found["stages"] = [{**stage, **own, "what": None} for own in found["stages"]]
    return dict(json.loads(json.dumps(found)))


def seeds_of(results: Sequence[Result], training: Training) -> dict[int, Result]:
    """The results of a training by seed; of several with the same seed, the first by name."""
    found: dict[int, Result] = {}
    for result in results:
        if belongs(result, training):
            found.setdefault(result.about["seed"], result)
    return dict(sorted(found.items()))


def figures(
    result: Result, row: Row, metric: str, overlaps: Sequence[float]
) -> tuple[list[float | None], list[float | None]]:
    """The numbers of a row in one result: of the best epoch on test clips (the papers' convention),
    and of the weights that the run ended with (selected on validation clips, or averaged in a
    training on all clips). Detections have one number per overlap.

    Raises:
        ResultsError: If the result does not contain the stage or method of the row.
    """
    if result.scores is not None:
        table = result.scores[result.scores["rule"] == "paper"]
        own = table[table["method"] == row.method].set_index("theta")[metric]
        if missing := [theta for theta in overlaps if theta not in own.index]:
            raise ResultsError(
                f"{result.folder / SCORES}: no scores of '{row.method}' at overlap {missing[0]}"
            )
        return [None] * len(overlaps), [float(own[theta]) for theta in overlaps]
    places: list[Mapping[str, Any]] = [result.about]
    if row.stage:
        places = [stage for stage in _stages(result.about) if stage.get("name") == row.stage]
        if len(places) != result.about["folds_total"]:
            raise ResultsError(f"{result.folder / METRICS}: stage '{row.stage}' is missing")
    return _mean(places, "best_test_accuracy"), _mean(places, "accuracy")


def _mean(places: Sequence[Mapping[str, Any]], key: str) -> list[float | None]:
    values = [place.get(key) for place in places]
    return [None if None in values else float(np.mean([v for v in values if v is not None]))]


def keep(run: Path, training: Training, seed: int, results: Path, **more: Any) -> Path:
    """Copies the small files of a finished run that tables need into the results.

    Args:
        run: Folder of the run.
        training: The training.
        seed: Its seed.
        results: Folder of the results; the run is copied to its subfolder `runs` without
            overwriting anything.
        **more: Entries to add to the stored JSON file.

    Returns:
        The new folder.
    """
    name = f"{training.name}_seed{seed}"
    runs = results / RUNS
    runs.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{name}-", suffix=".part", dir=runs))
    part.chmod(runs.stat().st_mode & 0o777)  # mkdtemp's are for the owner alone
    for file in KEPT[training.detection]:
        shutil.copyfile(run / file, part / file)
    for file in LOOKS:
        if (run / file).is_file():
            shutil.copyfile(run / file, part / file)
    if more:
        path = part / KEPT[training.detection][0]
        write_json(path, {**read_json(path, "a run's JSON file"), **more})
    number = 0
    while True:
        number += 1
        folder = runs / (name if number == 1 else f"{name}-{number}")
        if folder.exists():
            continue
        try:
            return part.rename(folder)
        except OSError as error:  # another process has taken the name since
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
