"""The splits of PYSKL annotation files, and the protocols that follow them.

A split maps names like 'xsub_train' to lists of clip names. Names that differ only in a word for
training, validation or test are one fold: 'fold1_train', 'fold1_val' and 'fold1_test', or 'train2'
and 'test2'. A fold without a test list tests on its validation list, as PYSKL does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from keras_skeleton.datasets.dataset import Fold, Protocol, ReadReport
from keras_skeleton.datasets.grouped_splits import draw_groups, linked_groups
from keras_skeleton.datasets.protocols import (
    NEITHER,
    PERFORMANCE,
    TEST,
    TRAIN,
    random_holdout,
    split,
)
from keras_skeleton.utils.errors import DatasetError

VALIDATION = 2  # further value of a column that holds a split, beside TRAIN, TEST and NEITHER
COLUMNS = ("xsub", "xview", "xset", "own")
MAX_FOLDS = 100
LISTED = 20  # names of splits in a note

# The first fitting word of a split's name, not within another word.
_PARTS = {
    TRAIN: "training|train|trn",
    VALIDATION: "validation|valid|val|dev",
    TEST: "testing|test|tst|evaluation|eval",
}
_WORDS = {
    part: re.compile(rf"(?<![a-z])({words})(set)?(?![a-z])") for part, words in _PARTS.items()
}


def _place(key: str) -> tuple[str, int] | None:
    """The name of a split without its word, and the part that the word stands for."""
    text = key.lower()
    for part, words in _WORDS.items():
        if found := words.search(text):
            return text[: found.start()] + "*" + text[found.end() :], part
    return None


def clip_name(name: Any) -> str | None:
    """The name of a clip as text; None if it is neither printable text nor an integer."""
    if type(name) is int:
        return str(name)
    return name if type(name) is str and name and name.isprintable() else None


def _pair_keys(given: dict[Any, Any], report: ReadReport) -> dict[str, dict[int, Any]]:
    """Maps each column to its lists' names, by part; `own` has further columns own2, own3, ..."""
    stems: dict[str, dict[int, Any]] = {}
    unused = []
    for key in given:
        place = _place(str(key))
        if place is None or place[1] in stems.setdefault(place[0], {}):
            unused.append(str(key))
        else:
            stems[place[0]][place[1]] = key
    columns: dict[str, dict[int, Any]] = {}
    own = 0
    for stem, parts in stems.items():
        if TEST not in parts and VALIDATION in parts:
            parts[TEST] = parts.pop(VALIDATION)
        if not (TRAIN in parts and TEST in parts):
            unused += map(str, parts.values())
        elif (column := stem.removesuffix("_*")) in COLUMNS[:-1]:
            columns[column] = parts
        elif own < MAX_FOLDS:
            own += 1
            columns["own" if own == 1 else f"own{own}"] = parts
            if own > 1 or stem != "*":
                report.note(
                    f"protocol 'own', fold {own}: trains on '{parts[TRAIN]!s:.40}', tests on "
                    f"'{parts[TEST]!s:.40}'"
                )
    if unused:
        report.note(
            "splits that are not used, because no other has the same name but for train, val or "
            "test: " + ", ".join(f"'{key:.40}'" for key in unused[:LISTED])
        )
    return columns


def read_splits(path: Path, given: dict[Any, Any], report: ReadReport) -> dict[str, dict[str, int]]:
    """Reads the splits of a file.

    Args:
        path: The file, for messages.
        given: Maps the splits' names to lists of clip names.
        report: Receives bad lists and names, and which lists are a fold.

    Returns:
        For each column (`xsub`, `xview`, `xset`, `own`, `own2`, ...) of the table of clips, a
        dict from clip names to TRAIN, VALIDATION or TEST.

    Example:
        >>> from pathlib import Path
        >>> from keras_skeleton.datasets.dataset import ReadReport
        >>> from keras_skeleton.datasets.pyskl_splits import read_splits
        >>> given = {"sub_train": ["a", "b"], "sub_test": ["c"]}
        >>> read_splits(Path("x.pkl"), given, ReadReport())
        {'own': {'a': 1, 'b': 1, 'c': 0}}
    """
    splits: dict[str, dict[str, int]] = {}
    for column, keys in _pair_keys(given, report).items():
        members = splits[column] = {}
        for part in (TRAIN, TEST, VALIDATION):
            if part not in keys:
                continue
            key = keys[part]
            where = f"{path}: split '{key!s:.40}'"
            if not isinstance(given[key], list | tuple):
                report.skip(where, "is not a list of names")
                continue
            for item in given[key]:
                name = clip_name(item)
                if name is None:
                    report.skip(where, "contains an invalid name")
                elif (first := members.setdefault(name, part)) != part:
                    use = {TRAIN: "training", TEST: "testing"}[first]
                    report.skip(
                        where, f"{name:.40} is also in '{keys[first]!s:.40}'; used for {use}"
                    )
    return splits


def by_file(column: str, absent: str) -> Protocol:
    """A protocol that follows the file's splits, with one fold for each column.

    Validation clips are those of the split; without any, a random twentieth of each class.

    Args:
        column: `xsub`, `xview`, `xset` or `own`; with the latter, own2, own3, ... are further
            folds.
        absent: Message of the DatasetError raised if there are no training or no test clips.
    """

    def protocol(samples: pd.DataFrame) -> Iterator[Fold]:
        columns = [name for name in samples.columns if re.fullmatch(rf"{column}\d*", str(name))]
        for fold, name in enumerate(columns):
            part = samples[name].to_numpy()
            if not ((part == TRAIN).any() and (part == TEST).any()):
                raise DatasetError(absent)
            test, held = np.flatnonzero(part == TEST), np.flatnonzero(part == VALIDATION)
            if len(held):
                yield Fold(np.flatnonzero(part == TRAIN), held, test)
            else:
                yield split(samples, part != TRAIN, random_holdout(0.05), fold)._replace(test=test)

    return protocol


def random_split(samples: pd.DataFrame) -> Iterator[Fold]:
    """One fold that tests on about 30 % of each class, drawn with a fixed seed.

    Clips of a subject stay together if there are at least three, else those of a performance. Clips
    of unknown subjects are drawn one by one.
    """
    groups = linked_groups(samples, ["subject"])
    if groups.max() < 2:
        known = samples["subject"].to_numpy() > 0
        performances = samples.groupby(PERFORMANCE, sort=True).ngroup().to_numpy()
        groups = pd.factorize(np.where(known, performances, -1 - np.arange(len(samples))))[0]
    labels = samples["label"].to_numpy()

    def hold(samples: pd.DataFrame, train: np.ndarray, fold: int) -> np.ndarray:
        left = np.unique(groups[train], return_inverse=True)[1]
        return draw_groups(left, labels[train], 0.1, (1, fold))

    yield split(samples, draw_groups(groups, labels, 0.3, (0,)), hold)


def split_columns(name: str, splits: dict[str, dict[str, int]]) -> dict[str, int]:
    """The values of a clip in the columns of all splits."""
    absent = dict.fromkeys(COLUMNS, NEITHER)
    return absent | {column: members.get(name, NEITHER) for column, members in splits.items()}
