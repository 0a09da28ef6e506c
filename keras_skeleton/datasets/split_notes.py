"""Says in words who trains and who tests, and what is doubtful about a split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keras_skeleton.datasets.dataset import Fold, SkeletonDataset

FEW = 10  # validation clips, below which the choice of the epoch is noisy
LISTED = 10
ACTORS = ["actor1", "actor2"]  # columns of datasets whose subjects are pairs of people


def _names(dataset: SkeletonDataset, clips: np.ndarray) -> list[str]:
    """Names of the subjects of clips, in order of their numbers."""
    known = {"0": "unknown"} | dataset.info.get("subjects", {})
    numbers = np.unique(dataset.samples["subject"].to_numpy()[clips])
    return [known.get(str(number), str(number)) for number in numbers]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


def subjects_line(dataset: SkeletonDataset, fold: Fold) -> str:
    """Who is trained, validated and tested on; empty if the subjects are unknown.

    Where subjects are pairs, it also says how many people of the test pairs are in training, too.

    Example:
        >>> from keras_skeleton.datasets.split_notes import subjects_line
        >>> import keras_skeleton as ks
        >>> dataset = ks.load_dataset("synthetic", subjects=4, repetitions=1)
        >>> subjects_line(dataset, next(dataset.folds("cs")))
        'train on subject 3, validate on 1, test on 2, 4'
    """
    if not dataset.samples["subject"].any():
        return ""
    noun = "pair" if _are_pairs(dataset) else "subject"
    train, validation, test = (_names(dataset, clips) for clips in fold)
    if {*validation} <= {*train} and (not test or {*test} == {*train}):
        same = "" if not test else ", who also test" if len(train) > 1 else ", who also tests"
        return f"train on {_plural(noun, train)} {_listed(train)}{same}"
    words = [f"train on {_plural(noun, train)} {_listed(train)}"]
    for part, names in (("validate", validation), ("test", test)):
        if names and sorted(names) == sorted(train):
            words.append(f"{part} on the same")
        elif names:
            shared = sorted(set(names) & set(train))
            some = f" (of these, {_listed(shared)} also in training)"
            own = " (also in training)" if len(shared) == len(names) else some
            words.append(f"{part} on {_listed(names)}{own if shared else ''}")
    return ", ".join(words) + _shared_people(dataset, fold)


def _are_pairs(dataset: SkeletonDataset) -> bool:
    return set(ACTORS) <= set(dataset.samples.columns)


def _shared_people(dataset: SkeletonDataset, fold: Fold) -> str:
    """How many people of the test pairs are also in training pairs."""
    if not _are_pairs(dataset) or not len(fold.test):
        return ""
    people = dataset.samples[ACTORS].to_numpy()
    train, test = set(people[fold.train].ravel()), set(people[fold.test].ravel())
    if not (shared := len(train & test)):
        return ""
    return f"; of the {len(test)} people in the test pairs, {shared} also in training pairs"


def lacking_note(dataset: SkeletonDataset, fold: Fold) -> str:
    """A note on classes that are tested without training clips; empty if there are none.

    Example:
        >>> import numpy as np
        >>> import keras_skeleton as ks
        >>> from keras_skeleton.datasets.dataset import Fold
        >>> from keras_skeleton.datasets.split_notes import lacking_note
        >>> dataset = ks.load_dataset("synthetic", subjects=1, repetitions=1)
        >>> others, own = (np.flatnonzero(dataset.labels != 0), np.flatnonzero(dataset.labels == 0))
        >>> lacking_note(dataset, Fold(others, own[:0], own))
        'no training clip of: wave_right_hand (all its clips are of subject 1); its recall is 0'
    """
    labels = dataset.labels
    lacking = sorted(set(labels[fold.test].tolist()) - set(labels[fold.train].tolist()))
    if not lacking:
        return ""
    words = [f"{dataset.classes[label]}{_why_lacking(dataset, label)}" for label in lacking]
    which = "its" if len(lacking) == 1 else "their"
    return f"no training clip of: {_listed(words)}; {which} recall is 0"


def _why_lacking(dataset: SkeletonDataset, label: int) -> str:
    """Why a class may have no training clips, in brackets; empty if it is not evident."""
    clips = np.flatnonzero(dataset.labels == label)
    if len(clips) == 1:
        return " (it has one clip)"
    noun = "pair" if _are_pairs(dataset) else "subject"
    numbers = np.unique(dataset.samples["subject"].to_numpy()[clips])
    if len(numbers) > 1 or not numbers[0]:
        return ""
    return f" (all its clips are of {noun} {_names(dataset, clips)[0]})"


def _plural(noun: str, names: Sequence[str]) -> str:
    return noun + ("s" if len(names) > 1 else "")


def noisy_note(fold: Fold) -> str:
    """A note if the epoch is selected on few clips or none; empty otherwise.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.datasets.dataset import Fold
        >>> from keras_skeleton.datasets.split_notes import noisy_note
        >>> noisy_note(Fold(np.arange(30), np.arange(30, 36), np.arange(36, 60)))
        'the epoch is selected on 6 validation clips only, which is a noisy choice'
    """
    count = len(fold.validation)
    if not count:
        return "there are no validation clips, so the last epoch is kept"
    if count < FEW:
        clips = "clip" if count == 1 else "clips"
        return f"the epoch is selected on {count} validation {clips} only, which is a noisy choice"
    return ""
