import numpy as np
import pandas as pd
import pytest

from keras_skeleton.detection.jcr import Stream, targets
from keras_skeleton.detection.svm import COSTS, WindowSVM


def stream(seed):
    rng = np.random.default_rng(seed)
    actions = pd.DataFrame({"label": [0, 1], "start": [30, 90], "end": [60, 120]})
    labels, ends = targets(actions, 150, 2)
    frames = rng.normal(0, 0.2, (150, 2, 3))
    frames[np.arange(150), 0, labels] += 1.0  # an axis each: linearly separable
    return Stream(frames.astype("float32"), labels, ends)


def test_windows_are_told_apart():
    svm = WindowSVM(3)  # class 2 never occurs; 3 is no action
    own = [s._replace(labels=np.where(s.labels == 2, 3, s.labels)) for s in map(stream, range(3))]
    assert svm.fit(own[:2], own[2:]) in COSTS
    held = stream(5)
    found = svm.classify(held.frames)
    assert found.shape == (29, 4)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert not found[:, 2].any()
    middle = np.arange(29) * 5 + 5
    right = found.argmax(axis=1) == np.where(held.labels == 2, 3, held.labels)[middle]
    assert right.mean() > 0.85
    assert svm.classify(held.frames[:4]).shape == (1, 4)  # shorter than a window


def test_it_has_to_be_trained():
    with pytest.raises(ValueError, match="call fit first"):
        WindowSVM(2).classify(np.zeros((20, 2, 3)))
