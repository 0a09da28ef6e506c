"""Predicts the action of raw clips with an exported network, without Keras.

`standalone` copies this module, with one network's preprocessing, into the `predict.py` beside an
exported file; all numbers are in the JSON file there.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from keras_skeleton.deploy.runtimes import Exported, load_exported
from keras_skeleton.models.preprocessing import (
    UNITS,
    check_raw_clip,
    fit_bodies,
    input_length,
    read_skeleton,
)
from keras_skeleton.skeletons import Skeleton
from keras_skeleton.transforms.geometry import LARGEST, SMALLEST, body_size
from keras_skeleton.utils.errors import UserError

HELP = "Predict the action of raw clips with the exported network beside this file."

# Replaced in the copy: the network's preprocessing, and its name in the JSON file.
PREPROCESS: Callable[..., np.ndarray] = np.asarray
FUNCTION = ""


class PredictError(UserError, ValueError):
    """An export or a clip that cannot be used; the message says why."""


class Prediction(NamedTuple):
    """The prediction for one clip.

    Attributes:
        label: The most probable class.
        probability: Probability of this class.
        ranking: The most probable classes with their probabilities, best first.
        probabilities: Probabilities of all classes, float64 (C,).
        logits: Logits of all classes, float32 (C,).
        notes: Changes made to the clip to fit the network's input, and doubts about its unit.
    """

    label: str
    probability: float
    ranking: tuple[tuple[str, float], ...]
    probabilities: np.ndarray
    logits: np.ndarray
    notes: tuple[str, ...] = ()


def find_export(folder: Path) -> Path:
    """The exported network of a folder.

    Raises:
        PredictError: There is none, or more than one.
    """
    found = sorted(about.with_suffix("") for about in folder.glob("*.json"))
    found = [path for path in found if path.exists()]
    if len(found) != 1:
        raise PredictError(
            f"{folder}: {len(found)} exported networks with a .json file; choose one with --model "
            f"(model= in Python): {', '.join(path.name for path in found) or 'a path'}"
        )
    return found[0]


def read_about(model: Path) -> dict[str, Any]:
    """The description of an exported network, from the JSON file beside it.

    Raises:
        PredictError: No such file, or it belongs to another `predict.py`.
    """
    path = model.with_name(model.name + ".json")
    try:
        about = json.loads(path.read_text("utf-8"))
        function = about["preprocessing_function"]
    except FileNotFoundError:
        raise PredictError(f"{path}: no such file; it describes the network {model}") from None
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise PredictError(f"{path}: does not describe an exported network ({error!r})") from None
    if function != FUNCTION:
        raise PredictError(
            f"{path}: this network needs the preprocessing {function}; this script has {FUNCTION}"
        )
    return about


def network_input(clip: np.ndarray, about: dict[str, Any]) -> tuple[np.ndarray, list[str]]:
    """Converts a raw clip to the network's input, float32 (1, ...), and returns notes on changes.

    Args:
        clip: (T, V, 3) or (T, M, V, 3), in the unit and with the joints of the JSON file; absent
            bodies are zero.
        about: The content of the JSON file.

    Raises:
        ClipInputError: Wrong shape, NaN or infinity, or no body in any frame.
    """
    layout = {"name": about["skeleton"], "joints": about["joints"], "bones": about["bones"]}
    skeleton: Skeleton = read_skeleton({**layout, **about["joint_roles"]})
    array, notes = fit_bodies(check_raw_clip(clip, skeleton), about["bodies"])
    notes += size_notes(array, skeleton, about["unit"])
    numbers = dict(about["preprocessing"])
    if about["frames_argument"] is not None:
        numbers[about["frames_argument"]] = input_length(len(array), about["frames"])
    return PREPROCESS(array, skeleton=skeleton, **numbers)[None], notes


def size_notes(clip: np.ndarray, skeleton: Skeleton, unit: str) -> list[str]:
    """A note if people do not have the size of people, in a network that knows metres.

    Args:
        clip: (T, M, V, 3).
        skeleton: Its joint layout.
        unit: Unit that the network was trained with.
    """
    size = body_size(clip)
    whole = skeleton.hips and skeleton.shoulders
    if unit != "m" or not whole or SMALLEST <= size <= LARGEST:
        return []
    fitting = [name for name, length in UNITS if SMALLEST <= size * length <= LARGEST]
    return [
        f"bodies are {size:.3g} in size, which is no person in metres"
        + (f", but one in {fitting[0]}" if fitting else "")
        + "; the network was trained in metres: convert the coordinates"
    ]


@lru_cache(maxsize=4)
def _load(model: Path) -> tuple[dict[str, Any], Exported]:
    about = read_about(model)
    return about, load_exported(model, about["format"])


def predict(clip: np.ndarray, top: int = 3, model: str | Path | None = None) -> Prediction:
    """Predicts the action of a raw clip.

    Args:
        clip: (T, V, 3) or (T, M, V, 3), in the unit and with the joints of the JSON file; absent
            bodies are zero. If there are too many bodies, those with most motion are used.
        top: Number of classes in the ranking.
        model: The exported network; by default the one beside this script. It is loaded once.

    Raises:
        ClipInputError: Wrong shape, NaN or infinity, or no body in any frame.
        PredictError: No exported network, or it does not belong to this script.
        ExportError: The network cannot be loaded.
    """
    path = find_export(Path(__file__).resolve().parent) if model is None else Path(model).resolve()
    about, network = _load(path)
    batch, notes = network_input(clip, about)
    logits = network(batch)[0]
    scores = np.asarray(logits, np.float64) / about["temperature"]
    scores = np.exp(scores - scores.max())
    probabilities = scores / scores.sum()
    best = np.argsort(-probabilities, kind="stable")[: max(1, top)]
    ranking = tuple((str(about["classes"][k]), float(probabilities[k])) for k in best)
    return Prediction(*ranking[0], ranking, probabilities, logits, tuple(notes))


def main(words: Sequence[str] | None = None) -> int:
    """Prints one line of JSON for each clip; returns the exit status."""
    parser = argparse.ArgumentParser(description=HELP)
    parser.add_argument("clips", nargs="+", metavar="CLIP.npy", help="an array (T, M, V, 3)")
    parser.add_argument("--model", help="the exported network (default: the one beside this file)")
    parser.add_argument("--top", type=int, default=3, help="rank so many classes (default 3)")
    args = parser.parse_args(words)
    for path in args.clips:
        try:
            found = predict(np.load(path, allow_pickle=False), args.top, args.model)
        except (UserError, ValueError, OSError, EOFError) as error:
            print(f"error: {path}: {error}", file=sys.stderr)
            return 1
        line = {"clip": path, "label": found.label, "probability": found.probability}
        print(json.dumps({**line, "ranking": found.ranking, "notes": found.notes}))
    return 0
