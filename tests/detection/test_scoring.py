import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_skeleton.detection.scoring import (
    average_recall,
    evaluate,
    precision_recall,
    recall_by_number,
)
from keras_skeleton.detection.tables import DETECTION, INTERVAL, TableError

TRUTH = pd.DataFrame([("a", 1, 0, 100), ("a", 2, 200, 300), ("b", 1, 50, 150)], columns=INTERVAL)


def detections(*rows):
    return pd.DataFrame(rows, columns=DETECTION)


def by_hand(found, truth, theta, rule):
    """F1 and AP of all detections in one list, one detection after the other."""
    rows = sorted(
        enumerate(found.itertuples(index=False)), key=lambda pair: (-pair[1].score, -pair[0])
    )
    hits = []
    for _, row in rows:
        best, most = None, 0.0
        for k, real in enumerate(truth.itertuples(index=False)):
            if (real.video, real.label) == (row.video, row.label):
                shared = min(row.end, real.end) - max(row.start, real.start)
                overlap = shared / (max(row.end, real.end) - min(row.start, real.start))
                if overlap >= theta and overlap >= most:
                    best, most = k, overlap
        hits.append(best)
    positive = len({h for h in hits if h is not None})
    f1 = 0.0
    if positive:
        p, r = positive / len(hits), positive / len(truth)
        f1 = 2 * p * r / (p + r)
    area = 0.0
    if rule == "paper":
        taken, points = set(), []
        for n, hit in enumerate(hits, start=1):
            right = hit is not None and hit not in taken
            taken.add(hit)
            points.append((right, len(taken - {None}) / n))
        for n, (right, _) in enumerate(points):
            if right:
                area += max(p for _, p in points[n:]) / len(truth)
        return f1, area
    highest = positive / len(hits) if hits else 0.0
    recall = positive / len(truth)
    for n in range(len(hits) - 1, -1, -1):  # n detections are left
        if hits[n] is None:
            continue
        left = len({h for h in hits[:n] if h is not None})
        highest = max(highest, left / n if n else 0.0)
        area += highest * (recall - left / len(truth))
        recall = left / len(truth)
    return f1, area


@pytest.mark.parametrize("rule", ["official", "paper"])
def test_perfect_detections(rule):
    found = evaluate(TRUTH.assign(score=[0.5, 0.7, 0.6]), TRUTH, rule=rule, classes=2)
    assert found.rule == rule
    assert list(found.table.index) == [0.1, 0.3, 0.5, 0.7]
    assert (found.table == 1).all().all()
    assert found.ap_2d == pytest.approx(1)


def test_ap_2d_is_the_mean_over_the_twenty_thresholds_of_the_official_script():
    truth = pd.DataFrame({"video": "a", "label": [0], "start": [0], "end": [100]})
    found = truth.assign(end=[62], score=[0.9])  # overlap 0.62: right up to the threshold 0.60
    assert evaluate(found, truth, classes=1).ap_2d == pytest.approx(12 / 20)


def test_an_example_by_hand():
    """Of three intervals two are hit, one of them twice; one detection is of another class."""
    found = detections(
        ("a", 1, 0, 50, 0.9),  # overlap 0.5
        ("a", 1, 10, 100, 0.8),  # the same interval again, 0.9
        ("a", 1, 200, 300, 0.7),  # no such class there
        ("b", 1, 50, 140, 0.6),  # 0.9
    )
    official = evaluate(found, TRUTH, [0.5, 0.6], "official", classes=51)
    assert official.table.loc[0.5, "f1"] == pytest.approx(2 * 2 / (4 + 3))
    # At 0.5: with all 2 / 4; without the last 1 / 3; then 1 / 1 with one left; recall 2/3, 1/3, 0.
    assert official.table.loc[0.5, "ap"] == pytest.approx(0.5 / 3 + 0 + 1 / 3)
    # By class: class 1 has 2 intervals, all detections; class 2 none.
    assert official.table.loc[0.5, "map_action"] == pytest.approx((0.5 / 2 + 1 / 2) / 51)
    assert official.table.loc[0.5, "map_video"] == pytest.approx((1 / 2 + 1) / 2)
    paper = evaluate(found, TRUTH, [0.5, 0.6], "paper")
    # Right, false (taken), false, right: precision 1 and 2 / 4 at recalls 1/3 and 2/3.
    assert paper.table.loc[0.5, "ap"] == pytest.approx((1 + 0.5) / 3)
    assert paper.table.loc[0.5, "map_action"] == pytest.approx(((1 + 0.5) / 2 + 0) / 2)
    # At 0.6 the first one misses, so the second is the first that is right: 1 / 2 and 2 / 4.
    assert paper.table.loc[0.6, "ap"] == pytest.approx((0.5 + 0.5) / 3)


intervals = st.tuples(
    st.sampled_from("ab"), st.integers(1, 2), st.integers(0, 30), st.integers(1, 20)
)


@settings(deadline=None, max_examples=150)
@given(
    truth=st.lists(intervals, min_size=1, max_size=8),
    found=st.lists(st.tuples(intervals, st.integers(0, 5)), max_size=12),
    theta=st.sampled_from([0.1, 0.3, 0.5, 0.7, 1.0]),
)
def test_any_tables_score_as_counted_one_by_one(truth, found, theta):
    real = pd.DataFrame([(v, c, s, s + n) for v, c, s, n in truth], columns=INTERVAL)
    table = detections(*((v, c, s, s + n, p / 5) for (v, c, s, n), p in found))
    for rule in ("official", "paper"):
        scores = evaluate(table, real, [theta], rule, classes=2)
        f1, area = by_hand(table, real, theta, rule)
        assert scores.table.loc[theta, "f1"] == pytest.approx(f1)
        assert scores.table.loc[theta, "ap"] == pytest.approx(area)
        assert ((scores.table >= 0) & (scores.table <= 1 + 1e-9)).all().all()


def test_no_detections_score_nothing():
    for rule in ("official", "paper"):
        found = evaluate(detections(), TRUTH, rule=rule)
        assert (found.table == 0).all().all()
        assert found.ap_2d == 0


def test_of_equal_scores_the_last_row_comes_first():
    """As in the official script, which drops the first one first."""
    right, wrong = ("a", 1, 0, 100, 0.5), ("a", 1, 400, 500, 0.5)
    truth = TRUTH.iloc[:1]
    for rows, paper in (((right, wrong), 1 / 2), ((wrong, right), 1.0)):
        found = detections(*rows)
        assert evaluate(found, truth, [0.5], "paper").table.loc[0.5, "ap"] == paper
        # One of two is right in the whole list, and the list is not looked at without the hit.
        assert evaluate(found, truth, [0.5], "official").table.loc[0.5, "ap"] == 1 / 2


def test_a_class_that_occurs_nowhere():
    """Its detections are false; by the official rule it counts as 0 in the mean over classes."""
    found = detections(("a", 1, 0, 100, 0.9), ("a", 7, 0, 100, 0.8))
    truth = TRUTH.iloc[:1]
    official, paper = (
        evaluate(found, truth, [0.5], rule, classes=4).table.loc[0.5]
        for rule in ("official", "paper")
    )
    assert official["f1"] == paper["f1"] == pytest.approx(2 * 1 / (2 + 1))
    assert official["map_action"] == 1 / 4
    assert paper["map_action"] == 1


def test_touching_intervals_do_not_meet():
    found = detections(("a", 1, 100, 200, 1.0), ("a", 2, 100, 200, 1.0))
    assert evaluate(found, TRUTH, [0.01]).table.loc[0.01, "f1"] == 0


def test_refusals():
    good = TRUTH.assign(score=1.0)
    for table, why in (
        (good.drop(columns="score"), "detections: .*score"),
        (good.assign(score=[1, np.nan, 1]), "detections: row 1 .*nan"),
        (good.assign(end=[100, 200, 150]), "detections: row 1 .*ends at 200"),
        (good.assign(start=["x", 1, 2]), "'start'"),
    ):
        with pytest.raises(TableError, match=why):
            evaluate(table, TRUTH)
    with pytest.raises(TableError, match="ground truth: "):
        evaluate(good, TRUTH.iloc[:0])
    with pytest.raises(ValueError, match="'voc'"):
        evaluate(good, TRUTH, rule="voc")
    with pytest.raises(ValueError, match="0.0|above 0"):
        evaluate(good, TRUTH, [0.0])


def test_average_recall():
    proposals = detections(("a", 0, 0, 40, 1), ("a", 0, 180, 320, 1), ("b", 0, 0, 10, 1))
    # Overlaps 0.4, 100 / 140 and 0: at 0.1 two of three, at 0.3 two, at 0.5 one.
    assert average_recall(proposals, TRUTH) == pytest.approx((2 + 2 + 1) / 9)
    assert average_recall(proposals, TRUTH, [0.9]) == 0


def test_precision_over_recall():
    truth = pd.DataFrame({"video": "a", "label": 0, "start": [0, 100], "end": [10, 110]})
    found = pd.DataFrame(
        {"video": "a", "label": 0, "start": [0, 50, 100, 1], "end": [10, 60, 108, 10],
         "score": [0.9, 0.8, 0.7, 0.1]}
    )  # fmt: skip
    curve = precision_recall(found, truth, 0.5)
    assert curve["score"].tolist() == [0.9, 0.8, 0.7, 0.1]
    assert curve["recall"].tolist() == [0.5, 0.5, 1.0, 1.0]  # the last one comes too late
    assert curve["precision"].tolist() == [1, 1 / 2, 2 / 3, 2 / 4]
    assert precision_recall(found, truth, 0.9)["recall"].tolist() == [0.5] * 4
    assert len(precision_recall(found[:0], truth, 0.5)) == 0
    with pytest.raises(TableError, match="contains no intervals"):
        precision_recall(found, truth[:0], 0.5)


def test_recall_by_the_number_of_proposals():
    truth = pd.DataFrame({"video": ["a", "a", "b"], "start": [0, 50, 0], "end": [10, 60, 10]})
    found = pd.DataFrame(
        {"video": ["a", "a", "a", "b"], "start": [20, 0, 50, 5], "end": [30, 10, 60, 10],
         "score": [0.9, 0.5, 0.1, 0.3]}
    )  # fmt: skip
    curve = recall_by_number(found, truth, thetas=(0.5, 0.9))
    # k = 0; 1: (20, 30) and half of b; 2: the first of a; 3: its second one.
    assert curve["number"].tolist() == [0, 1, 1.5, 2]
    np.testing.assert_allclose(curve["recall"], [0, 1 / 6, (2 / 3 + 1 / 3) / 2, (1 + 2 / 3) / 2])
    assert average_recall(found, truth, (0.5, 0.9)) == pytest.approx(curve["recall"].iloc[-1])
    assert recall_by_number(found[:0], truth)["recall"].tolist() == [0]
