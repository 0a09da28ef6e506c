"""Building blocks of evaluation protocols, which split clips into training, validation and test.

Every protocol holds out validation clips from its training clips, so that a checkpoint can be
selected without using the test clips.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pandas as pd

from keras_skeleton.datasets.dataset import Fold, Protocol
from keras_skeleton.utils.errors import DatasetError

# Selects validation clips: (samples, training indices, fold number) -> boolean mask over indices.
Holdout = Callable[[pd.DataFrame, np.ndarray, int], np.ndarray]


def random_holdout(fraction: float = 0.1, seed: int = 0) -> Holdout:
    """Holds out a random fraction of each class.

    It is intended for protocols whose training and test clips share subjects. A class of at least
    three training clips contributes at least one.

    Args:
        fraction: Fraction of each class's training clips.
        seed: Seed of the random choice.

    Returns:
        A function of (samples, training indices, fold number) that returns a mask over the indices.

    Example:
        >>> import numpy as np
        >>> import pandas as pd
        >>> from keras_skeleton.datasets.protocols import random_holdout
        >>> samples = pd.DataFrame({"label": [0] * 10 + [1] * 10})
        >>> held = random_holdout(0.2)(samples, np.arange(20), 0)
        >>> int(held[:10].sum()), int(held[10:].sum())
        (2, 2)
    """

    def choose(samples: pd.DataFrame, train: np.ndarray, fold: int) -> np.ndarray:
        rng = np.random.default_rng((seed, fold))
        labels = samples["label"].to_numpy()[train]
        held = np.zeros(len(train), bool)
        for label in np.unique(labels):
            members = rng.permutation(np.flatnonzero(labels == label))
            enough = 1 if len(members) >= 3 else 0
            held[members[: max(round(fraction * len(members)), enough)]] = True
        return held

    return choose


# A performance is recorded by several cameras. Its views must stay in the same part, otherwise
# validation clips are known from another view.
PERFORMANCE = ["setup", "subject", "repetition", "label"]


def group_holdout(columns: str | list[str], groups: float = 1, seed: int = 0) -> Holdout:
    """Holds out all clips of randomly chosen groups, such as subjects.

    Thus the model is selected on groups that are not in the training set. At least one group
    remains for training.

    Args:
        columns: The columns of the samples that define a group.
        groups: Number of groups to hold out; below 1, a fraction of them.
        seed: Seed of the random choice.

    Returns:
        A function of (samples, training indices, fold number) that returns a mask over the indices.

    Example:
        >>> import numpy as np
        >>> import pandas as pd
        >>> from keras_skeleton.datasets.protocols import group_holdout
        >>> samples = pd.DataFrame({"subject": [1, 1, 2, 2, 3, 3]})
        >>> held = group_holdout("subject")(samples, np.arange(6), 0)
        >>> samples["subject"][held].nunique()
        1
    """
    keys = [columns] if isinstance(columns, str) else columns

    def choose(samples: pd.DataFrame, train: np.ndarray, fold: int) -> np.ndarray:
        group = samples.iloc[train].groupby(keys, sort=True).ngroup().to_numpy()
        count = int(group.max()) + 1
        order = np.random.default_rng((seed, fold)).permutation(count)
        wanted = max(round(groups * count), 1) if groups < 1 else int(groups)
        drawn = order[: min(wanted, count - 1)]  # at least one group remains for training
        return np.isin(group, drawn)

    return choose


def split(samples: pd.DataFrame, test: np.ndarray, holdout: Holdout, fold: int = 0) -> Fold:
    """Builds a fold from a mask of the test clips.

    Args:
        samples: Table of the clips.
        test: bool (n,), the test clips; all others are training clips.
        holdout: Selects validation clips from the training clips.
        fold: Number of the fold, which `holdout` uses as a seed.

    Example:
        >>> import pandas as pd
        >>> from keras_skeleton.datasets.protocols import group_holdout, split
        >>> samples = pd.DataFrame({"subject": [1, 2, 3, 3]})
        >>> fold = split(samples, samples["subject"] == 3, group_holdout("subject"))
        >>> len(fold.train), len(fold.validation), fold.test
        (1, 1, array([2, 3]))
    """
    train = np.flatnonzero(~np.asarray(test))
    held = holdout(samples, train, fold) if len(train) else np.zeros(0, bool)
    return Fold(train[~held], train[held], np.flatnonzero(test))


def train_on(column: str, values: Iterable[int], holdout: Holdout) -> Protocol:
    """A protocol of one fold that trains on the given values of a column and tests on the others.

    Args:
        column: Column of the samples, such as `"subject"` or `"view"`.
        values: Its values for training.
        holdout: Selects validation clips from the training clips.

    Example:
        >>> import pandas as pd
        >>> from keras_skeleton.datasets.protocols import random_holdout, train_on
        >>> samples = pd.DataFrame({"label": [0, 0, 0, 0], "view": [1, 2, 3, 3]})
        >>> [fold] = train_on("view", [2, 3], random_holdout())(samples)
        >>> fold.test
        array([0])
    """
    wanted = list(values)

    def protocol(samples: pd.DataFrame) -> Iterator[Fold]:
        yield split(samples, ~samples[column].isin(wanted).to_numpy(), holdout)

    return protocol


TRAIN, TEST, NEITHER = 1, 0, -1  # values of a column that holds a published split


def listed(column: str, holdout: Holdout, absent: str) -> Protocol:
    """A protocol of one fold that follows a published split.

    Args:
        column: Column of the samples with the values TRAIN (1), TEST (0) and NEITHER (-1).
        holdout: Selects validation clips from the training clips.
        absent: Message of the DatasetError raised if there are no training or no test clips.

    Example:
        >>> import pandas as pd
        >>> from keras_skeleton.datasets.protocols import listed, random_holdout
        >>> samples = pd.DataFrame({"label": [0, 0, 0], "xsub": [TRAIN, TEST, NEITHER]})
        >>> [fold] = listed("xsub", random_holdout(), "no split file")(samples)
        >>> fold.train, fold.test
        (array([0]), array([1]))
    """

    def protocol(samples: pd.DataFrame) -> Iterator[Fold]:
        train, test = samples[column] == TRAIN, samples[column] == TEST
        if not (train.any() and test.any()):
            raise DatasetError(absent)
        fold = split(samples, ~train.to_numpy(), holdout)
        yield fold._replace(test=np.flatnonzero(test))

    return protocol


def leave_one_out(columns: str | list[str], holdout: Holdout) -> Protocol:
    """A protocol with one fold per group, which tests on that group and trains on all others.

    Args:
        columns: The columns of the samples that define a group; folds are in sorted order.
        holdout: Selects validation clips from the training clips.

    Example:
        >>> import pandas as pd
        >>> from keras_skeleton.datasets.protocols import leave_one_out, random_holdout
        >>> samples = pd.DataFrame({"label": [0, 0, 0], "subject": [1, 2, 2]})
        >>> [fold.test for fold in leave_one_out("subject", random_holdout())(samples)]
        [array([0]), array([1, 2])]
    """
    keys = [columns] if isinstance(columns, str) else columns

    def protocol(samples: pd.DataFrame) -> Iterator[Fold]:
        group = samples.groupby(keys, sort=True).ngroup().to_numpy()
        for fold in range(group.max() + 1 if len(group) else 0):
            yield split(samples, group == fold, holdout, fold)

    return protocol
