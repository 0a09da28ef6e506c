"""Measure how faithful a network's attention is, on the test clips of one fold.

This is what `keras-skeleton attention --score` computes for each network:

    shares     share of attention on the joints and frames that carry the action (if they are
               known), compared with uniform attention and gradient saliency
    curves     probability of the true class while frames or joints are deleted or inserted in the
               order of attention, of saliency, and of their baselines; see `attention.deletion`
               and `attention.deletion_curves`

If each coordinate has its own frame attention (MANs), it is averaged; if attention is signed
(CSTA-CNN), its absolute value is used.
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
from keras_skeleton.dataset_recognizer import DatasetRecognizer
from keras_skeleton.models.attention_maps import attention_maps
from keras_skeleton.models.registry import MODELS
from keras_skeleton.training.experiment import Experiment
from keras_skeleton.utils.errors import UserError

KINDS = ("frames", "joints")


class NotScoredError(UserError):
    """Raised if a network has no attention that can be scored."""


def check_scorable(model: str, task: str = "recognition") -> None:
    """Checks that a model classifies clips, of which frames and joints can be deleted.

    Raises:
        NotScoredError: If it detects actions in untrimmed recordings, or has video inputs.
    """
    check_classifies(task)
    if MODELS[model].video:
        raise NotScoredError(
            "the network attends to body parts of videos, not to frames or joints; give --crops "
            "for the swap test, or compare it with --set model.aggregate=... instead, which trains "
            "it without attention or on one part"
        )


def check_classifies(task: str) -> None:
    """Checks that a network classifies clips.

    Raises:
        NotScoredError: If it detects actions in untrimmed recordings.
    """
    if task == "detection":
        raise NotScoredError(
            "the network detects actions in untrimmed recordings, which have no single class; "
            "`keras-skeleton detect` writes its attention to attention.csv"
        )


@dataclass(frozen=True)
class Faithfulness:
    """Measurements of one network. Created by `measure`.

    Attributes:
        clips: Indices of the test clips, (n,).
        attention: Attention to these clips.
        saliency: Gradient saliency of these clips.
        curves: Deletion and insertion curves, by kind (`"frames"`, `"joints"`).
        shares: Shares of attention, uniform attention and saliency on the joints or frames that
            carry the action, by kind; empty if these are not known.
    """

    clips: np.ndarray
    attention: Maps
    saliency: Maps
    curves: Mapping[str, Curves]
    shares: Mapping[str, tuple[float, float, float]]


def score_rows(found: Faithfulness, seed: int = 0) -> list[dict[str, float | str]]:
    """One table row per kind of attention, with the columns listed in `attention.score_table`;
    `seed` is that of the bootstrap."""
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
    """Curves averaged over clips, a table with the columns `kind`, `order`, `way`, `fraction`,
    `probability`, `accuracy`."""
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
    """The test clips of a fold, or a random subset of size `most` if there are more."""
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
    """Measures the faithfulness of a trained network's attention on the test clips of a fold.

    Args:
        run: The experiment of the network.
        weights: Weights file.
        number: Fold number, counted from 1.
        seed: Seed of random orders and of the subset of clips.
        draws: Number of random and of shifted orders per clip.
        most: Maximum number of test clips; all by default.

    Returns:
        Attention, saliency, curves and shares of the test clips.

    Raises:
        NotScoredError: If the network attends neither to frames nor to joints.

    Example:
        >>> from pathlib import Path
        >>> from keras_skeleton.attention.faithfulness import measure
        >>> found = measure(experiment, Path("best.weights.h5"), number=1)  # doctest: +SKIP
        >>> found.curves["frames"].gain("attention", "deletion").mean()  # doctest: +SKIP
    """
    check_scorable(run.model)
    view = View(run, number)
    clips = some_test_clips(run, number, most, seed)
    there_are = attention_maps(view.model, view.inputs.batch(clips[:1]))
    if not (kinds := [kind for kind in KINDS if kind in there_are]):
        raise NotScoredError("the network has no attention to frames or joints")
    load_weights(view.model, weights)
    maps = DatasetRecognizer.of_network(run, view.model).attention(clips)
    maps = [{kind: _one_channel(found[kind], kind) for kind in kinds} for found in maps]
    gradients = [{kind: found[kind] for kind in kinds} for found in view.saliency(clips)]
    curves = {}
    for kind in kinds:
        curves[kind] = view.curves(
            kind, clips, maps=maps, gradients=gradients, seed=seed, draws=draws
        )
    return Faithfulness(clips, maps, gradients, curves, _shares(run, clips, maps, gradients))


def untrained_attention(run: Experiment, clips: np.ndarray, seed: int) -> Maps:
    """Attention of the untrained network, with weights initialized from `seed`."""
    keras.utils.set_random_seed(seed)
    model = run.build()
    maps = DatasetRecognizer.of_network(run, model).attention(clips)
    return [{kind: _one_channel(v, kind) for kind, v in found.items()} for found in maps]


def _one_channel(values: np.ndarray, kind: str) -> np.ndarray:
    """Averages frame attention (T, 3) over coordinates to (T,); other attention is returned
    unchanged."""
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
