import numpy as np
import pytest

from keras_skeleton.detection.detect import Settings, candidates, classified, windows


def two_actions():
    """A curve with two actions, and a classifier that knows where which class is."""
    curve = np.zeros(600)
    curve[100:200] = curve[400:460] = 2.0

    def classify(intervals):
        result = np.zeros((len(intervals), 3))
        for row, (start, end) in zip(result, intervals, strict=True):
            for label, (low, high) in enumerate(((100, 200), (400, 460))):
                shared = max(min(end, high) - max(start, low), 0)
                row[label] = shared / (max(end, high) - min(start, low))
            row[2] = 1 - row.sum()
        return result

    return curve, classify


@pytest.mark.parametrize("scales", [False, True])
def test_actions_are_found_where_they_are(scales):
    curve, classify = two_actions()
    settings = Settings(epsilon=0.5, relative=True, scales=scales)
    found = classified(candidates(curve, settings), classify, settings)
    assert found["label"].tolist() == [0, 1]
    for row, (start, end) in zip(found.itertuples(), ((100, 200), (400, 460)), strict=True):
        assert abs(row.start - start) <= 15  # the filter's half window
        assert abs(row.end - end) <= 15
        assert 0.5 < row.score <= 1


def test_nothing_is_found_where_nothing_is():
    _, classify = two_actions()
    settings = Settings()
    assert candidates(np.zeros(50), settings).shape == (0, 2)
    assert candidates(np.zeros(0), settings).shape == (0, 2)
    assert len(classified(np.zeros((0, 2), int), classify, settings)) == 0
    elsewhere = classified(np.array([[250, 300]]), classify, settings)  # no action there
    assert len(elsewhere) == 0
    with pytest.raises(ValueError, match="expected .1, C . 1."):
        classified(np.array([[0, 9]]), lambda intervals: np.zeros(3), settings)


def test_the_thresholds_scale():
    curve, _ = two_actions()
    same = [candidates(k * curve, Settings(epsilon=0.3, relative=True)) for k in (1, 100)]
    np.testing.assert_array_equal(*same)


def test_sliding_windows():
    assert windows(23).tolist() == [[0, 10], [5, 15], [10, 20], [13, 23]]
    assert windows(20).tolist() == [[0, 10], [5, 15], [10, 20]]
    assert windows(6).tolist() == [[0, 6]]
