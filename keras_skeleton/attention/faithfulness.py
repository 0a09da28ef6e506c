"""How far a network's attention can be trusted: what `run.py attention --score` measures of one
network on a fold's test clips.

    shares     of attention on the joints and frames that carry the action, where that is known,
               beside uniform attention and gradient saliency
    curves     the true class's probability while frames or joints are deleted or inserted in the
               order of attention, of saliency, and of their rivals; see `evaluation.deletion` and
               `training.deletion_curves`

Where each coordinate has frame attention of its own (MANs), their mean counts; where attention has
signs (CSTA-CNN), its size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from keras_skeleton.attention.deletion import FRACTIONS, confidence_interval
from keras_skeleton.attention.deletion_curves import Curves, Maps, View
from keras_skeleton.attention.run_attention import known_shares
from keras_skeleton.attention.score_table import GUIDES, SHARES, WAYS, bounds, gain_column
from keras_skeleton.checkpoints.weights import load_weights
from keras_skeleton.models.attention_maps import attention_maps
from keras_skeleton.models.registry import MODELS
from keras_skeleton.recognizer import Recognizer
from keras_skeleton.training.experiment import Experiment
from keras_skeleton.utils.errors import UserError

KINDS = ("frames", "joints")


class NotScoredError(UserError):
    """A network whose attention is not what is scored here; the message says why."""


def check_scorable(model: str, task: str = "recognition") -> None:
    """Refuses models of other things than clips of one class; NotScoredError."""
    if task == "detection" or model == "tap_lstm":
        raise NotScoredError(
            "it proposes intervals of untrimmed recordings, whose frames have no one class to "
            "lose; run.py detect writes what it attends to (attention.csv)"
        )
    if MODELS[model].video:
        raise NotScoredError(
            "it weighs body parts of videos, not frames or joints; run.py --aggregate trains it "
            "without weights, or on one part"
        )


@dataclass(frozen=True)
class Faithfulness:
    """What was measured of one network.

    Attributes:
        clips: Indices (n,) of the test clips.
        attention, saliency: Of these clips.
        curves: By kind.
        shares: By kind, on the joints or frames that carry the action: of attention, of uniform
            attention, of saliency; none where the truth is not known.
    """

    clips: np.ndarray
    attention: Maps
    saliency: Maps
    curves: Mapping[str, Curves]
    shares: Mapping[str, tuple[float, float, float]]


def score_rows(found: Faithfulness, seed: int = 0) -> list[dict[str, float | str]]:
    """A row for every kind of attention, as `evaluation.attention_score` lists the columns; the
    seed is the bootstrap's."""
    rows = []
    for kind, curves in found.curves.items():
        whole = ("attention", "deletion")
        row: dict[str, float | str] = {
            "kind": kind,
            "clips": len(found.clips),
            "accuracy": float(curves.correct[whole][:, 0].mean()),
            "probability": float(curves.probability[whole][:, 0].mean()),
        }
        shares = found.shares.get(kind, (np.nan,) * 3)
        row |= dict(zip(SHARES, shares, strict=True))
        for guide, way, over in product(GUIDES, WAYS, (None, "random")):
            column = gain_column(guide, way, over)
            interval = confidence_interval(curves.gain(guide, way, over), seed)
            row |= dict(zip(bounds(column), interval, strict=True))
        rows.append(row)
    return rows


def mean_curves(found: Faithfulness) -> pd.DataFrame:
    """The curves' means over clips: `kind`, `order`, `way`, `fraction`, `probability`,
    `accuracy`."""
    return pd.concat(
        pd.DataFrame(
            {
                "kind": kind,
                "order": order,
                "way": way,
                "fraction": FRACTIONS,
                "probability": values.mean(axis=0),
                "accuracy": curves.correct[order, way].mean(axis=0),
            }
        )
        for kind, curves in found.curves.items()
        for (order, way), values in curves.probability.items()
    )


def some_test_clips(run: Experiment, number: int, most: int | None, seed: int) -> np.ndarray:
    """The test clips of a fold; `most` of them, drawn from the seed, where they are more."""
    test = run.folds[run.check_folds([number])[0] - 1].test
    if most is None or len(test) <= most:
        return test
    return np.sort(np.random.default_rng(seed).choice(test, most, replace=False))


def measure(
    run: Experiment,
    weights: Path,
    number: int,
    seed: int = 0,
    draws: int = 3,
    most: int | None = None,
) -> Faithfulness:
    """Measures a trained network on the test clips of a fold.

    Args:
        run: The experiment that it belongs to.
        weights: Its weights.
        number: Of the fold, from 1.
        seed: Of random orders and of what is drawn.
        draws: Random and shifted orders of each clip.
        most: Test clips, at most; all by default.

    Raises:
        NotScoredError: It has attention neither to frames nor to joints.
    """
    check_scorable(run.model)
    view = View(run, number)
    clips = some_test_clips(run, number, most, seed)
    there_are = attention_maps(view.model, view.inputs.batch(clips[:1]))
    if not (kinds := [kind for kind in KINDS if kind in there_are]):
        raise NotScoredError("it has no attention")
    load_weights(view.model, weights)
    maps = Recognizer.of_network(run, view.model).attention(clips)
    maps = [{kind: _one_channel(found[kind], kind) for kind in kinds} for found in maps]
    gradients = [{kind: found[kind] for kind in kinds} for found in view.saliency(clips)]
    curves = {}
    for kind in kinds:
        curves[kind] = view.curves(
            kind, clips, maps=maps, gradients=gradients, seed=seed, draws=draws
        )
    return Faithfulness(clips, maps, gradients, curves, _shares(run, clips, maps, gradients))


def untrained_attention(run: Experiment, clips: np.ndarray, seed: int) -> Maps:
    """What the network attends to with the weights it starts from, drawn from the seed."""
    keras.utils.set_random_seed(seed)
    model = run.build()
    maps = Recognizer.of_network(run, model).attention(clips)
    return [{kind: _one_channel(v, kind) for kind, v in found.items()} for found in maps]


def _one_channel(values: np.ndarray, kind: str) -> np.ndarray:
    """Frame attention (T,) of (T,) or, with one channel a coordinate, of (T, 3)."""
    return values.reshape(len(values), -1).mean(axis=1) if kind == "frames" else values


def _shares(
    run: Experiment, clips: np.ndarray, maps: Maps, gradients: Maps
) -> dict[str, tuple[float, float, float]]:
    dataset = run.dataset
    if "informative_joints" not in dataset.extras:
        return {}
    tables = [known_shares(dataset, clips, found) for found in (maps, gradients)]

    def mean(table: int, column: str) -> float:
        known = tables[table].dropna(subset=[column])
        return float(np.average(known[column], weights=known["clips"]))

    return {
        kind: (mean(0, kind), mean(0, f"{kind}_uniform"), mean(1, kind))
        for kind in maps[0]
        if tables[0][kind].notna().any()
    }
