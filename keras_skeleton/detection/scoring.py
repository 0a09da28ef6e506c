"""Score detections: F1, average precision and its means, and average recall of proposals.

There are two rules:

    official  the script of PKU-MMD (Liu et al., 2017; evaluate.py of ECHO960/PKU-MMD). Every
              detection is assigned to the interval of its class that it overlaps most; several
              detections of an interval count once. Precision is the number of detected intervals
              divided by the number of detections. For average precision, detections are removed by
              increasing confidence, and the highest precision so far is weighted by the loss of
              recall
    paper     Song et al. (TIP 2018), Eqs. 10 to 13, following PASCAL VOC: by decreasing score,
              each detection takes the interval that it overlaps most; it is a false positive if a
              better detection has taken it. Precision is interpolated

With both rules, overlap is the intersection over union of [start, end), and a detection is correct
if its overlap is at least the threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from keras_skeleton.detection.proposals import overlaps
from keras_skeleton.detection.tables import DETECTION, TableError, checked

RULES = ("official", "paper")
SPAN = ["start", "end"]
THETAS = (0.1, 0.3, 0.5, 0.7)
FINE = np.arange(1, 21) / 20  # overlap thresholds of `ap_2d`, those of the official script


@dataclass(frozen=True)
class Scores:
    """Scores of detections, computed by `evaluate`.

    Attributes:
        table: One row per overlap threshold, with `f1`, `ap` (average precision of all
            detections), `map_action` (mean over classes) and `map_video` (mean over videos).
        ap_2d: Mean of `ap` over the thresholds 0.05, 0.10, ..., 1, as in the official script.
        rule: `"official"` or `"paper"`.
    """

    table: pd.DataFrame
    ap_2d: float
    rule: str


def evaluate(
    detections: pd.DataFrame,
    ground_truth: pd.DataFrame,
    thetas: Sequence[float] = THETAS,
    rule: str = "official",
    classes: int = 51,
) -> Scores:
    """Scores detections.

    Videos of both tables count; the official script counts only videos with a result file.

    Args:
        detections: Table with `video`, `label`, `start`, `end`, `score`.
        ground_truth: Table with `video`, `label`, `start`, `end`.
        thetas: Minimum overlaps of a correct detection.
        rule: `"official"`, the script of PKU-MMD: each detection is assigned to the interval of its
            class that it overlaps most, and several detections of an interval count once. Or
            `"paper"`, Song et al. (TIP 2018), Eqs. 10 to 13: by decreasing score, each detection
            takes the interval that it overlaps most, and a later one of the same interval is a
            false positive; precision is interpolated.
        classes: Number of classes C over which `map_action` is averaged. The official rule includes
            classes that never occur (as 0); the paper's rule only classes with ground truth.

    Raises:
        TableError: If columns are missing, values are NaN, intervals are empty, or there is no
            ground truth.
        ValueError: If the rule is unknown or a threshold is outside (0, 1].

    Example:
        >>> import pandas as pd
        >>> from keras_skeleton.detection.scoring import evaluate
        >>> truth = pd.DataFrame({"video": "a", "label": [0, 1], "start": [0, 50], "end": [40, 90]})
        >>> found = truth.assign(score=[0.9, 0.8])
        >>> evaluate(found, truth, thetas=[0.5], rule="paper", classes=2).table["map_action"][0.5]
        np.float64(1.0)
    """
    if rule not in RULES:
        raise ValueError(f"unknown rule '{rule}'; choose one of {RULES}")
    if not all(0 < theta <= 1 for theta in thetas):
        raise ValueError(f"thetas={tuple(thetas)}: thresholds must be above 0 and at most 1")
    found = checked(detections, "detections", DETECTION)
    truth = checked(ground_truth, "ground truth")
    if not len(truth):
        raise TableError("ground truth: contains no intervals")
    matches = _Matches(found, truth)
    curve = _official_ap if rule == "official" else _paper_ap
    everything = np.arange(len(found))
    videos = sorted({*found["video"], *truth["video"]})
    present = set(truth["label"])
    rows = []
    for theta in thetas:
        by_class = [
            curve(matches, np.flatnonzero(matches.label == c), matches.truths_of(label=c), theta)
            for c in sorted(present)
        ]
        by_video = [
            curve(matches, np.flatnonzero(matches.video == v), matches.truths_of(video=v), theta)
            for v in videos
        ]
        rows.append(
            {
                "theta": theta,
                "f1": _f1(matches, theta),
                "ap": curve(matches, everything, len(truth), theta),
                "map_action": sum(by_class) / (classes if rule == "official" else len(present)),
                "map_video": sum(by_video) / len(videos),
            }
        )
    fine = [curve(matches, everything, len(truth), theta) for theta in FINE]
    return Scores(pd.DataFrame(rows).set_index("theta"), float(np.mean(fine)), rule)


class _Matches:
    """Assigns each detection to the interval of its video and class that it overlaps most.

    Detections are sorted by decreasing score; among equal scores, the last row of the table comes
    first, as in the official script. `best` is -1 for detections without an interval.
    """

    def __init__(self, found: pd.DataFrame, truth: pd.DataFrame) -> None:
        order = np.argsort(found["score"].to_numpy(np.float64), kind="stable")[::-1]
        self.score = found["score"].to_numpy(np.float64)[order]
        self.video = found["video"].to_numpy(str)[order]
        self.label = found["label"].to_numpy(np.float64)[order]
        self.best = np.full(len(found), -1)
        self.overlap = np.zeros(len(found))
        self._truth, self.truths = truth, len(truth)
        spans = found[SPAN].to_numpy(np.float64)[order]
        truths = truth.groupby(["video", "label"]).indices
        places = pd.DataFrame({"v": self.video, "l": self.label}).groupby(["v", "l"]).indices
        real = truth[SPAN].to_numpy(np.float64)
        for key, own in places.items():
            if key not in truths:
                continue
            there = truths[key]
            both = overlaps(spans[own], real[there])
            # Among equal overlaps the last interval, as in the official script.
            column = both.shape[1] - 1 - both[:, ::-1].argmax(axis=1)
            self.best[own] = there[column]
            self.overlap[own] = both[np.arange(len(own)), column]

    def truths_of(self, **wanted: object) -> int:
        """Number of intervals of a class or a video."""
        ((name, value),) = wanted.items()
        return int((self._truth[name] == value).sum())

    def of(self, chosen: np.ndarray, theta: float) -> np.ndarray:
        """The interval matched by each of the given detections, -1 for none."""
        return np.where(self.overlap[chosen] >= theta, self.best[chosen], -1)


# ---------------------------------------------------------------- the official script


def _firsts(hits: np.ndarray) -> np.ndarray:
    """Marks the most confident detection of every interval."""
    first = np.zeros(len(hits), bool)
    first[np.unique(hits, return_index=True)[1]] = True
    return first & (hits >= 0)


def _official_ap(matches: _Matches, chosen: np.ndarray, total: int, theta: float) -> float:
    if not total or not len(chosen):
        return 0.0
    hits = matches.of(chosen, theta)
    # Number of intervals detected by the k most confident detections, k = 0 to n.
    positive = np.concatenate([[0], np.cumsum(_firsts(hits))])
    # The script evaluates the whole list, then again after removing each matched detection.
    kept = np.concatenate([[len(hits)], np.flatnonzero(hits >= 0)[::-1]])
    precision = positive[kept] / np.maximum(kept, 1)
    recall = positive[kept] / total
    highest = np.maximum.accumulate(precision)
    return float((highest[1:] * (recall[:-1] - recall[1:])).sum())


# ---------------------------------------------------------------- Eqs. 10 to 13


def _paper_ap(matches: _Matches, chosen: np.ndarray, total: int, theta: float) -> float:
    if not total or not len(chosen):
        return 0.0
    right = _firsts(matches.of(chosen, theta))
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    interpolated = np.maximum.accumulate(precision[::-1])[::-1]  # Eq. 12
    return float(interpolated[right].sum() / total)  # Eq. 13: recalls never reached count as 0


def _f1(matches: _Matches, theta: float) -> float:
    """F1 = 2 P R / (P + R), with the precision P and recall R. With both rules, one detection per
    interval is correct."""
    hits = matches.of(np.arange(len(matches.best)), theta)
    right = int(_firsts(hits).sum())
    return 2 * right / (len(hits) + matches.truths)


def precision_recall(
    detections: pd.DataFrame, ground_truth: pd.DataFrame, theta: float
) -> pd.DataFrame:
    """Computes precision and recall of the k most confident detections, k = 1 to n, over all
    classes (Fig. 13).

    Args:
        detections: Table with `video`, `label`, `start`, `end`, `score`.
        ground_truth: Table with `video`, `label`, `start`, `end`.
        theta: Minimum overlap of a correct detection.

    Returns:
        A table with one row per k and the columns `score` (of the k-th detection), `recall` and
        `precision`.

    Example:
        >>> import pandas as pd
        >>> from keras_skeleton.detection.scoring import precision_recall
        >>> truth = pd.DataFrame({"video": "a", "label": [0, 1], "start": [0, 50], "end": [40, 90]})
        >>> found = truth.iloc[:1].assign(score=0.9)
        >>> precision_recall(found, truth, theta=0.5).values.tolist()
        [[0.9, 0.5, 1.0]]
    """
    found = checked(detections, "detections", DETECTION)
    truth = checked(ground_truth, "ground truth")
    if not len(truth):
        raise TableError("ground truth: contains no intervals")
    matches = _Matches(found, truth)
    right = np.cumsum(_firsts(matches.of(np.arange(len(found)), theta)))
    return pd.DataFrame(
        {
            "score": matches.score,
            "recall": right / len(truth),
            "precision": right / np.arange(1, len(found) + 1),
        }
    )


# ---------------------------------------------------------------- proposals


def average_recall(
    proposals: pd.DataFrame,
    ground_truth: pd.DataFrame,
    thetas: Sequence[float] = (0.1, 0.3, 0.5),
) -> float:
    """Computes the fraction of intervals covered by a proposal, averaged over overlap thresholds
    (Fig. 12). Labels are ignored.

    Args:
        proposals: Table with `video`, `start`, `end`.
        ground_truth: Table with `video`, `start`, `end`.
        thetas: Overlap thresholds.

    Example:
        >>> import pandas as pd
        >>> from keras_skeleton.detection.scoring import average_recall
        >>> truth = pd.DataFrame({"video": "a", "start": [0, 50], "end": [40, 90]})
        >>> average_recall(truth.iloc[:1], truth)
        0.5
    """
    curve = recall_by_number(proposals.assign(score=0.0), ground_truth, thetas)
    return float(curve["recall"].iloc[-1])


def recall_by_number(
    proposals: pd.DataFrame,
    ground_truth: pd.DataFrame,
    thetas: Sequence[float] = (0.1, 0.3, 0.5),
) -> pd.DataFrame:
    """Computes `average_recall` of the k proposals with the highest scores in each video, for
    k = 0, 1, ... (Fig. 12).

    Args:
        proposals: Table with `video`, `start`, `end`, `score`.
        ground_truth: Table with `video`, `start`, `end`.
        thetas: Overlap thresholds.

    Returns:
        A table with the columns `number` (mean number of proposals per video) and `recall`.
    """
    found = checked(proposals, "proposals", ["video", *SPAN, "score"])
    truth = checked(ground_truth, "ground truth", ["video", *SPAN])
    if not len(truth):
        raise TableError("ground truth: contains no intervals")
    found = found.sort_values("score", ascending=False, kind="stable", ignore_index=True)
    places = found.groupby("video").indices
    most = max((len(own) for own in places.values()), default=0)
    best = np.zeros((most + 1, len(truth)))  # best overlap of each interval with the first k
    for video, there in truth.groupby("video").indices.items():
        if video in places:
            own, real = found[SPAN].to_numpy()[places[video]], truth[SPAN].to_numpy()[there]
            reached = np.maximum.accumulate(overlaps(own, real))
            best[1 : len(own) + 1, there] = reached
            best[len(own) + 1 :, there] = reached[-1]
    videos = len({*truth["video"], *places})
    counts = np.array([len(own) for own in places.values()], int)
    number = np.minimum(np.arange(most + 1)[:, None], counts).sum(axis=1) / videos
    recall = np.mean([(best >= theta).mean(axis=1) for theta in thetas], axis=0)
    return pd.DataFrame({"number": number, "recall": recall})
