"""How good detections are: F1, average precision and its means, average recall of proposals.

Two rules, for the same tables:

    official  PKU-MMD's own script (Liu et al., 2017; evaluate.py of ECHO960/PKU-MMD). Every
              detection goes to the interval of its class that it overlaps most; an interval hit
              many times counts once. Precision is the number of intervals hit over the number of
              detections. In the average precision, detections are dropped from the least
              confident on, and the highest precision so far is weighted with what recall loses
    paper     Song et al. (TIP 2018), Eqs. 10 to 13, as in PASCAL VOC, to which they refer:
              detections in order of their score, each takes the interval that it overlaps most if
              no better one has it, else it is false; interpolated precision

Both take the overlap as intersection over union of [start, end), and detections whose overlap
equals the threshold as right.
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
FINE = np.arange(1, 101) / 100  # the thresholds that `ap_2d` is the mean over


@dataclass(frozen=True)
class Scores:
    """What `evaluate` found.

    Attributes:
        table: One row a theta: `f1`, `ap` (all detections in one list), `map_action` (mean over
            classes), `map_video` (mean over videos).
        ap_2d: Mean of `ap` over the thresholds 0.01, 0.02, ..., 1.
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

    Args:
        detections: `video`, `label`, `start`, `end`, `score`.
        ground_truth: The same without `score`.
        thetas: Least overlap of a right detection.
        rule: See above.
        classes: C: what `map_action` is a mean over. The official rule counts classes that occur
            nowhere (as 0), the other one only classes with ground truth. The official script
            counts only videos that have a file of results; here those of either table count.

    Raises:
        TableError: Columns that lack, NaN, intervals without length, no ground truth.
        ValueError: An unknown rule, or a threshold outside (0, 1].
    """
    if rule not in RULES:
        raise ValueError(f"rule='{rule}' is unknown; it is one of {RULES}")
    if not all(0 < theta <= 1 for theta in thetas):
        raise ValueError(f"thetas={tuple(thetas)}: an overlap is above 0 and at most 1")
    found = checked(detections, "detections", DETECTION)
    truth = checked(ground_truth, "ground truth")
    if not len(truth):
        raise TableError("ground truth: holds no interval, so nothing can be found")
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
    """For every detection the interval of its video and class that it overlaps most.

    Detections are held in order of their score, the most confident first; of equal ones the last
    in the table, which the official script drops last. `best` is -1 where there is none.
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
            # Of equal overlaps the last interval, as the official script has it.
            column = both.shape[1] - 1 - both[:, ::-1].argmax(axis=1)
            self.best[own] = there[column]
            self.overlap[own] = both[np.arange(len(own)), column]

    def truths_of(self, **wanted: object) -> int:
        """How many intervals of a class or a video there are."""
        ((name, value),) = wanted.items()
        return int((self._truth[name] == value).sum())

    def of(self, chosen: np.ndarray, theta: float) -> np.ndarray:
        """The interval that each of these detections hits, -1 where it hits none."""
        return np.where(self.overlap[chosen] >= theta, self.best[chosen], -1)


# ---------------------------------------------------------------- the official script


def _firsts(hits: np.ndarray) -> np.ndarray:
    """bool: the most confident hit of every interval."""
    first = np.zeros(len(hits), bool)
    first[np.unique(hits, return_index=True)[1]] = True
    return first & (hits >= 0)


def _official_ap(matches: _Matches, chosen: np.ndarray, total: int, theta: float) -> float:
    if not total or not len(chosen):
        return 0.0
    hits = matches.of(chosen, theta)
    # Intervals still hit when only the k most confident are left, k = 0 to n.
    positive = np.concatenate([[0], np.cumsum(_firsts(hits))])
    # The script looks at the whole list, then again after each hit that it drops.
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
    return float(interpolated[right].sum() / total)  # Eq. 13: recalls that are never reached: 0


def _f1(matches: _Matches, theta: float) -> float:
    """2 P R / (P + R), P the share of right detections, R that of intervals hit: both rules count
    one detection an interval as right."""
    hits = matches.of(np.arange(len(matches.best)), theta)
    right = int(_firsts(hits).sum())
    return 2 * right / (len(hits) + matches.truths)


def precision_recall(
    detections: pd.DataFrame, ground_truth: pd.DataFrame, theta: float
) -> pd.DataFrame:
    """`recall` and `precision` when only the k most confident detections are left, k = 1 to n, all
    classes together (Fig. 13); a row for each k, with the score that it ends at.

    Args:
        detections, ground_truth: As for `evaluate`.
        theta: Least overlap of a right detection.
    """
    found = checked(detections, "detections", DETECTION)
    truth = checked(ground_truth, "ground truth")
    if not len(truth):
        raise TableError("ground truth: holds no interval, so nothing can be found")
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
    """Share of intervals that a proposal overlaps by theta at least, mean over thetas (Fig. 12).

    Labels play no role.

    Args:
        proposals: `video`, `start`, `end`.
        ground_truth: The same.
        thetas: Thresholds.
    """
    curve = recall_by_number(proposals.assign(score=0.0), ground_truth, thetas)
    return float(curve["recall"].iloc[-1])


def recall_by_number(
    proposals: pd.DataFrame,
    ground_truth: pd.DataFrame,
    thetas: Sequence[float] = (0.1, 0.3, 0.5),
) -> pd.DataFrame:
    """`average_recall` when only the k proposals of a video with the highest scores are taken
    (Fig. 12): `number`, how many that are in a video on average, and `recall`, from k = 0.

    Args:
        proposals: `video`, `start`, `end`, `score`.
        ground_truth: `video`, `start`, `end`.
        thetas: Thresholds.
    """
    found = checked(proposals, "proposals", ["video", *SPAN, "score"])
    truth = checked(ground_truth, "ground truth", ["video", *SPAN])
    if not len(truth):
        raise TableError("ground truth: holds no interval, so nothing can be found")
    found = found.sort_values("score", ascending=False, kind="stable", ignore_index=True)
    places = found.groupby("video").indices
    most = max((len(own) for own in places.values()), default=0)
    best = np.zeros((most + 1, len(truth)))  # overlap of each interval with the first k
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
