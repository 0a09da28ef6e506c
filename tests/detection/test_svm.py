import numpy as np
import pandas as pd
import pytest

from keras_skeleton.detection import svm
from keras_skeleton.detection.fit import Stream, targets
from keras_skeleton.detection.svm import COSTS, WindowSVM


def stream(seed):
    rng = np.random.default_rng(seed)
    actions = pd.DataFrame({"label": [0, 1], "start": [30, 90], "end": [60, 120]})
    labels, ends = targets(actions, 150, 2)
    frames = rng.normal(0, 0.2, (150, 2, 3))
    frames[np.arange(150), 0, labels] += 1.0  # an axis each: linearly separable
    return Stream(frames.astype("float32"), labels, ends)


def test_windows_are_told_apart():
    model = WindowSVM(3)  # class 2 never occurs; 3 is no action
    own = [s._replace(labels=np.where(s.labels == 2, 3, s.labels)) for s in map(stream, range(3))]
    assert model.fit(own[:2], own[2:]) in COSTS
    held = stream(5)
    found = model.classify(held.frames)
    assert found.shape == (29, 4)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert not found[:, 2].any()
    middle = np.arange(29) * 5 + 5
    right = found.argmax(axis=1) == np.where(held.labels == 2, 3, held.labels)[middle]
    assert right.mean() > 0.85
    assert model.classify(held.frames[:4]).shape == (1, 4)  # shorter than a window


def test_no_more_windows_than_memory_holds(monkeypatch):
    own = [stream(seed) for seed in range(3)]
    x, y = svm._features(own, 0)
    assert len(x) == len(y) == 3 * 29
    monkeypatch.setattr(svm, "MOST", 40)
    few, labels = svm._features(own, 0)
    assert len(few) == len(labels) == 40
    rows = {tuple(row): label for row, label in zip(x, y, strict=True)}
    assert all(rows[tuple(row)] == label for row, label in zip(few, labels, strict=True))
    assert len({tuple(row) for row in few}) == 40


def test_it_has_to_be_trained():
    with pytest.raises(ValueError, match="fit"):
        WindowSVM(2).classify(np.zeros((20, 2, 3)))
