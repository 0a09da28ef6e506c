"""Protocols for one's own clips, which have subjects, views and splits, or none of them.

    folds   the default: every clip is tested on once. Leaves subjects out, in five folds or one
            per subject if there are fewer than five; with one subject or none, five folds of
            recordings with a fifth of each class
    split   the column `split` of labels.csv; the default if there is one
    cs      train on the first half of the subjects (rounded up), test on the others; without
            subjects a random split, as 'random'
    loso    leave one subject out: one fold per subject
    cv      leave one view out: one fold per view
    random  train on 70 % of each class, test on 30 %; always the same split
    all     train on everything, test on nothing: the network to use afterwards

`folds`, `random` and validation never part segments of a recording, and the first two never part
clips of a subject, if there are two subjects. Validation holds out subjects where three or more
train in `folds` and `split`, one subject where two or more train in `cs` and `loso`, and otherwise
a tenth of each class. With `all` it is a tenth of each class, or nothing if that were more than a
fifth of all clips.

Whole recordings (clips=untrimmed) are split in the same way, but validation, which also chooses the
settings of detection, holds out a fifth where it would hold out a tenth, and at least one of three.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from keras_skeleton.datasets.dataset import Fold, Protocol
from keras_skeleton.datasets.grouped_splits import deal_groups, draw_groups, linked_groups
from keras_skeleton.datasets.own_labels import TEST, TRAIN, VALIDATION
from keras_skeleton.datasets.protocols import (
    group_holdout,
    leave_one_out,
    random_holdout,
    split,
    train_on,
)
from keras_skeleton.utils.errors import DatasetError
from keras_skeleton.utils.program import program

FOLDS = 5
ONE = "all clips are segments of one recording"
DEFAULT, SPLIT = "folds", "split"


def _known(samples: pd.DataFrame, column: str) -> int:
    """The number of distinct subjects or views; 0 if they are unknown."""
    if column not in samples or not samples[column].any():
        return 0
    return int(samples[column].nunique())


def _are_recordings(samples: pd.DataFrame) -> bool:
    """Whether the samples are untrimmed recordings, whose label has no meaning."""
    return "video" in samples


def _table(samples: pd.DataFrame) -> str:
    """The file with the columns of the samples."""
    return "intervals.csv" if _are_recordings(samples) else "labels.csv"


def _check_classes(samples: pd.DataFrame) -> None:
    if _are_recordings(samples):
        return
    if len(samples) and samples["label"].nunique() < 2:
        raise DatasetError(
            f"all {len(samples)} clips have the same label, and a network learns to tell two or "
            f"more apart; to label clips with a trained network: {program()} predict PATH"
        )


def _checked(protocol: Protocol) -> Protocol:
    """The protocol for clips of two or more classes; others raise a DatasetError."""

    def checked(samples: pd.DataFrame) -> Iterator[Fold]:
        _check_classes(samples)
        yield from protocol(samples)

    return checked


def _groups(samples: pd.DataFrame) -> np.ndarray:
    """What must not be parted: subjects if there are two, else recordings."""
    if _known(samples, "subject") > 1:
        groups = linked_groups(samples, ["subject", "recording"])
        if groups.max() > 0:
            return groups
    return linked_groups(samples, ["recording"])


# ---------------------------------------------------------------- validation


def hold_tenth(fraction: float = 0.1, seed: int = 0) -> Callable[..., np.ndarray]:
    """Holds out a fraction of each class, as `random_holdout`, without parting recordings."""

    def choose(samples: pd.DataFrame, train: np.ndarray, fold: int) -> np.ndarray:
        own = samples.iloc[train]
        groups = linked_groups(own, ["recording"])
        share = 2 * fraction if _are_recordings(samples) else fraction
        if len(groups) == groups.max() + 1:
            return random_holdout(share, seed)(samples, train, fold)
        return draw_groups(groups, own["label"].to_numpy(), share, (seed, fold))

    return choose


def _hold_people(samples: pd.DataFrame, train: np.ndarray, fold: int) -> np.ndarray:
    """Holds out a training subject, or a tenth of each class if there is only one."""
    return _hold_subjects(samples, train, fold, least=2, share=1)


def _hold_few(samples: pd.DataFrame, train: np.ndarray, fold: int) -> np.ndarray:
    """Holds out a tenth of the subjects, or of each class if one subject were half of them."""
    share = 0.2 if _are_recordings(samples) else 0.1
    return _hold_subjects(samples, train, fold, least=3, share=share)


def _hold_subjects(
    samples: pd.DataFrame, train: np.ndarray, fold: int, least: int, share: float
) -> np.ndarray:
    own = samples.iloc[train]
    if _known(own, "subject") < least:
        return hold_tenth()(samples, train, fold)
    if _known(samples, "recording") == len(samples) or "recording" not in samples:
        return group_holdout("subject", share)(samples, train, fold)
    own = own.assign(group=linked_groups(own, ["subject", "recording"]))
    if own["group"].nunique() < least:
        return hold_tenth()(samples, train, fold)
    return group_holdout("group", share)(own, np.arange(len(own)), fold)


# ---------------------------------------------------------------- protocols


def folds(samples: pd.DataFrame) -> Iterator[Fold]:
    """Five folds, or fewer, that test on every clip once; see the module's docstring."""
    groups = _groups(samples)
    count = int(groups.max()) + 1 if len(groups) else 0
    if count < 2:
        one = "there is one recording only" if _are_recordings(samples) else ONE
        raise DatasetError(
            f"{one}, so none can be tested on that is new; record another one, or train on "
            f"everything with '{ALL}'"
        )
    parts = deal_groups(groups, samples["label"].to_numpy(), min(FOLDS, count))
    for fold in range(min(FOLDS, count)):
        yield split(samples, parts == fold, _hold_few, fold)


def _two(samples: pd.DataFrame, column: str, protocol: str) -> np.ndarray:
    """The sorted subjects or views; a DatasetError if there are fewer than two."""
    groups = np.unique(samples[column].to_numpy())
    if len(groups) < 2:
        have = "there are none" if not groups.any() else "there is one"
        raise DatasetError(
            f"protocol '{protocol}' needs at least two {column}s, but {have} (column '{column}' of "
            f"{_table(samples)}); use '{DEFAULT}'"
        )
    return groups


def cross_subject(samples: pd.DataFrame) -> Iterator[Fold]:
    """One fold that trains on the first half of the subjects; a random split without subjects."""
    if not samples["subject"].any():
        yield from random_split(samples)
        return
    people = _two(samples, "subject", "cs")
    yield from train_on("subject", people[: (len(people) + 1) // 2], _hold_people)(samples)


def leave_subject_out(samples: pd.DataFrame) -> Iterator[Fold]:
    """One fold per subject, in order, which tests on that subject."""
    _two(samples, "subject", "loso")
    yield from leave_one_out("subject", _hold_people)(samples)


def leave_view_out(samples: pd.DataFrame) -> Iterator[Fold]:
    """One fold per view, in order, which tests on that view."""
    _two(samples, "view", "cv")
    yield from leave_one_out("view", hold_tenth())(samples)


def random_split(samples: pd.DataFrame) -> Iterator[Fold]:
    """One fold that tests on 30 % of each class, drawn with a fixed seed."""
    clips = np.arange(len(samples))
    groups = _groups(samples)
    if len(groups) and groups.max() == 0 and (len(groups) > 1 or _are_recordings(samples)):
        one = "there is one recording only" if _are_recordings(samples) else ONE
        raise DatasetError(
            f"{one}, and a random split never parts those; record another one, or train on "
            f"everything with '{ALL}'"
        )
    single = len(groups) == 0 or groups.max() + 1 == len(groups)
    if single and (test := random_holdout(0.3)(samples, clips, 0)).any():
        yield split(samples, test, random_holdout(seed=1))
        return
    test = draw_groups(groups, samples["label"].to_numpy(), 0.3, (0, 0))
    yield split(samples, test, hold_within(groups))


def hold_within(groups: np.ndarray) -> Callable[..., np.ndarray]:
    """Holds out a tenth of each class without parting these groups, int (n,)."""

    def choose(samples: pd.DataFrame, train: np.ndarray, fold: int) -> np.ndarray:
        own = pd.factorize(groups[train])[0]
        if own.max() < 2:  # one group, or one of two, would be half of the clips
            return hold_tenth(seed=1)(samples, train, fold)
        return draw_groups(own, samples["label"].to_numpy()[train], 0.1, (1, fold))

    return choose


def given_split(samples: pd.DataFrame) -> Iterator[Fold]:
    """One fold: the column `split` of labels.csv."""
    if SPLIT not in samples:
        raise DatasetError(
            f"protocol '{SPLIT}' needs a column 'split' in {_table(samples)} with the values "
            f"{TRAIN}, {VALIDATION} and {TEST}; use '{DEFAULT}'"
        )
    parts = samples[SPLIT].to_numpy(str)
    what = "recording" if _are_recordings(samples) else "clip"
    for part in (TRAIN, TEST):
        if not (parts == part).any():
            raise DatasetError(
                f"no {what} has split '{part}' in {_table(samples)}; protocol '{SPLIT}' needs "
                f"{TRAIN} and {TEST}, and optionally {VALIDATION}; '{DEFAULT}' needs no such column"
            )
    test = np.flatnonzero(parts == TEST)
    if (parts == VALIDATION).any():
        yield Fold(np.flatnonzero(parts == TRAIN), np.flatnonzero(parts == VALIDATION), test)
        return
    yield split(samples, parts == TEST, _hold_few)


def everything(samples: pd.DataFrame) -> Iterator[Fold]:
    """One fold without test clips."""
    train = np.arange(len(samples))
    held = hold_tenth()(samples, train, 0) if len(train) else np.zeros(0, bool)
    if 5 * held.sum() > len(train) and not _are_recordings(samples):
        held[:] = False
    yield Fold(train[~held], train[held], np.zeros(0, int))


ALL = "all"

PROTOCOLS: dict[str, Protocol] = {
    name: _checked(protocol)
    for name, protocol in {
        DEFAULT: folds,
        SPLIT: given_split,
        "cs": cross_subject,
        "loso": leave_subject_out,
        "cv": leave_view_out,
        "random": random_split,
        ALL: everything,
    }.items()
}
