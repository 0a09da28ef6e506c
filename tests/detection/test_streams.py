import numpy as np
import pandas as pd
import pytest

from keras_skeleton.datasets.dataset import SAMPLE_COLUMNS, SkeletonDataset
from keras_skeleton.detection.streams import BATCH, classifier_of, frames_of
from keras_skeleton.models.preprocessing import Preprocessing
from keras_skeleton.models.registry import build_model
from keras_skeleton.recognizer import Recognizer
from keras_skeleton.skeletons import KINECT_V2


@pytest.fixture(scope="module")
def two_people():
    """The first is livelier in the first half, the second in the second and altogether."""
    random = np.random.default_rng(0)
    rest = random.normal(0, 0.3, (2, 25, 3))
    clip = rest + random.normal(0, 0.01, (400, 2, 25, 3))
    clip[:200, 0] += random.normal(0, 0.05, (200, 1, 3))
    clip[200:, 1] += random.normal(0, 0.1, (200, 1, 3))
    clip[350:, 1] = 0  # and leaves
    row = dict.fromkeys(SAMPLE_COLUMNS, 0) | {"name": "a", "frames": 400, "bodies": 2}
    rows = clip.reshape(-1, 25, 3).astype(np.float32)
    return SkeletonDataset("a", KINECT_V2, ("x", "y"), rows, pd.DataFrame([row]), {})


def test_frames_do_not_depend_on_the_piece_that_they_are_read_in(two_people):
    frames = frames_of(two_people, 0, "tap_lstm", {"coordinates": "actor"})
    whole = frames(0, 350)
    assert whole.shape == (350, 50, 3)
    for start, end in ((0, 100), (90, 230), (300, 350)):
        np.testing.assert_allclose(frames(start, end), whole[start:end], atol=1e-5)
    alone = frames(350, 400)  # the main actor is gone: the other one takes the place
    assert np.abs(alone[:, :25]).max() > 0.1
    assert not alone[:, 25:].any()


def test_intervals_are_classified_as_clips_are(two_people):
    network = build_model("lstm", classes=3, units=8)
    choices = {"coordinates": "actor"}
    preprocessing = Preprocessing("lstm", KINECT_V2, bodies=2, frames=64, choices=choices)
    recognizer = Recognizer(network, ("x", "y", "no action"), preprocessing)
    classify = classifier_of(two_people, 0, recognizer)
    random = np.random.default_rng(1)
    start = random.integers(0, 300, BATCH + 5)
    intervals = np.stack([start, start + random.integers(1, 100, BATCH + 5)], axis=1)
    found = classify(intervals)
    assert found.shape == (BATCH + 5, 3)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    from keras_skeleton.models.registry import MODELS

    read = MODELS["lstm"].preprocess(KINECT_V2, 64, **choices)
    for k in (0, 1, BATCH + 4):
        clip = read(two_people.clip(0, *intervals[k].tolist()))
        logits = np.asarray(network(clip[None]))[0]
        np.testing.assert_allclose(found[k], np.exp(logits) / np.exp(logits).sum(), atol=1e-5)
    assert classify(intervals[:0]).shape == (0, 3)
