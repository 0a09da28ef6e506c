"""A stream that is resampled frame by frame is the whole recording, resampled."""

import numpy as np
import pytest

from keras_skeleton.datasets.clip_sources import SourceClip
from keras_skeleton.detection.live_rate import LiveRate
from keras_skeleton.detection.recording import at_rate, is_other_rate, recording_of, trained_fps
from keras_skeleton.skeletons import KINECT_V2


@pytest.mark.parametrize(
    ("own", "fps", "frames"),
    [(30, 15, 60), (30, 15, 61), (24, 15, 100), (15, 30, 40), (29.97, 15, 301), (60, 15, 1)],
)
def test_it_is_the_whole_recording(own, fps, frames):
    clip = np.random.default_rng(0).normal(size=(frames, 1, 25, 3)).astype(np.float32)
    clip[3:5], clip[7:9, 0, 4] = 0, 0  # nobody, and a joint that is not there
    recording = recording_of(SourceClip("a", clip, KINECT_V2, own), KINECT_V2, 1, ["w"], "a")
    whole = at_rate(recording, fps).clip(0)
    rate = LiveRate(own, fps)
    found = [pose for frame in recording.clip(0) for pose in rate.push(frame)] + rate.finish()
    assert 0 <= len(found) - len(whole) <= 1
    np.testing.assert_array_equal(np.stack(found)[: len(whole)], whole)


def test_no_frame_gives_none():
    assert LiveRate(30, 15).finish() == []


def test_the_rate_of_recordings_without_times():
    assert trained_fps({"fps": 20.0, "dataset": "ut_kinect"}) == 20
    assert trained_fps({"fps": None, "dataset": "ut_kinect"}) == 15
    assert trained_fps({"fps": None, "dataset": "folder"}) is None
    assert is_other_rate(15, 30)
    assert not is_other_rate(30, 29.97)
    assert not is_other_rate(None, 30)
    assert not is_other_rate(15, None)
