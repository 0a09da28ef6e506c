"""Building blocks of evaluation protocols: which clips train, validate and test.

Every protocol also holds out a validation part of its training clips, so that
a checkpoint can be chosen without looking at the test clips.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pandas as pd

from keras_skeleton.datasets.dataset import Fold, Protocol
from keras_skeleton.utils.errors import DatasetError

# Chooses validation clips: (samples, training indices, fold number) -> boolean mask over indices.
Holdout = Callable[[pd.DataFrame, np.ndarray, int], np.ndarray]


def random_holdout(fraction: float = 0.1, seed: int = 0) -> Holdout:
    """A fraction of every class, drawn at random: for splits where subjects are shared anyway."""

    def choose(samples: pd.DataFrame, train: np.ndarray, fold: int) -> np.ndarray:
        rng = np.random.default_rng((seed, fold))
        labels = samples["label"].to_numpy()[train]
        held = np.zeros(len(train), bool)
        for label in np.unique(labels):
            members = rng.permutation(np.flatnonzero(labels == label))
            enough = 1 if len(members) >= 3 else 0  # a small class holds out one, a tiny one none
            held[members[: max(round(fraction * len(members)), enough)]] = True
        return held

    return choose


# A performance is filmed by several cameras: its views must not be parted, or the validation
# clips are known from another side.
PERFORMANCE = ["setup", "subject", "repetition", "label"]


def group_holdout(columns: str | list[str], groups: float = 1, seed: int = 0) -> Holdout:
    """Whole groups (subjects, sequences): the model is chosen on people it has not seen.

    `groups` is their number, or below 1 a share of them.
    """
    keys = [columns] if isinstance(columns, str) else columns

    def choose(samples: pd.DataFrame, train: np.ndarray, fold: int) -> np.ndarray:
        group = samples.iloc[train].groupby(keys, sort=True).ngroup().to_numpy()
        count = int(group.max()) + 1
        order = np.random.default_rng((seed, fold)).permutation(count)
        wanted = max(round(groups * count), 1) if groups < 1 else int(groups)
        drawn = order[: min(wanted, count - 1)]  # somebody must be left to train on
        return np.isin(group, drawn)

    return choose


def split(samples: pd.DataFrame, test: np.ndarray, holdout: Holdout, fold: int = 0) -> Fold:
    """One fold from a boolean mask of the test clips; `holdout` takes validation from the rest."""
    train = np.flatnonzero(~np.asarray(test))
    held = holdout(samples, train, fold) if len(train) else np.zeros(0, bool)
    return Fold(train[~held], train[held], np.flatnonzero(test))


def train_on(column: str, values: Iterable[int], holdout: Holdout) -> Protocol:
    """One fold: clips whose `column` is in `values` train, all others test."""
    wanted = list(values)

    def protocol(samples: pd.DataFrame) -> Iterator[Fold]:
        yield split(samples, ~samples[column].isin(wanted).to_numpy(), holdout)

    return protocol


TRAIN, TEST, NEITHER = 1, 0, -1  # the values of a column that a published list fills


def listed(column: str, holdout: Holdout, absent: str) -> Protocol:
    """One fold: clips with TRAIN in that column train, those with TEST test, others do neither.

    `absent` is the DatasetError's message where there is nothing to train or to test on.
    """

    def protocol(samples: pd.DataFrame) -> Iterator[Fold]:
        train, test = samples[column] == TRAIN, samples[column] == TEST
        if not (train.any() and test.any()):
            raise DatasetError(absent)
        fold = split(samples, ~train.to_numpy(), holdout)
        yield fold._replace(test=np.flatnonzero(test))

    return protocol


def leave_one_out(columns: str | list[str], holdout: Holdout) -> Protocol:
    """One fold a group of `columns`, in sorted order: that group tests, all others train."""
    keys = [columns] if isinstance(columns, str) else columns

    def protocol(samples: pd.DataFrame) -> Iterator[Fold]:
        group = samples.groupby(keys, sort=True).ngroup().to_numpy()
        for fold in range(group.max() + 1 if len(group) else 0):
            yield split(samples, group == fold, holdout, fold)

    return protocol
