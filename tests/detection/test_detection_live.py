"""What is announced frame by frame is what is found in the whole recording."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_skeleton.detection.detect import GateSettings, Settings
from keras_skeleton.detection.fit import per_frame
from keras_skeleton.detection.gate import decode
from keras_skeleton.detection.live import LiveDetector, StartAndEnd
from keras_skeleton.models.gate_net import gate_net
from keras_skeleton.models.preprocessing import ClipInputError
from keras_skeleton.models.registry import MODELS
from keras_skeleton.skeletons import get_skeleton
from keras_skeleton.utils.errors import UserError

SETTINGS = st.builds(
    GateSettings,
    lengths=st.tuples(st.floats(3, 60)),
    on=st.floats(0.3, 0.7),
    off=st.floats(0.1, 0.3),
    smoothing=st.floats(0, 1),
    longest=st.integers(1, 20),
    shortest=st.floats(0, 0.8),
    near=st.floats(0, 0.6),
    pull=st.floats(0, 1),
)


def outputs(frames, seed):
    """Probabilities of a class that come and go, and of starts and ends."""
    rng = np.random.default_rng(seed)
    slow = np.convolve(rng.normal(0.3, 1, frames + 20), np.ones(21) / 21, "valid")
    return np.clip(2 * slow, 0, 1), rng.random((frames, 2)) ** 3


def announce(settings, probability, ends):
    finder, said, most = StartAndEnd(0, settings), [], 0
    for p, (start, end) in zip(probability, ends, strict=True):
        said += finder.push(p, start, end)
        most = max(most, len(finder._rows))
    return said + finder.finish(), most, finder


@given(SETTINGS, st.integers(1, 200), st.integers(0, 10**6))
def test_what_is_announced_is_what_is_found(settings, frames, seed):
    probability, ends = outputs(frames, seed)
    whole = decode(np.stack([probability, 1 - probability], axis=1), ends, settings)
    said, _, _ = announce(settings, probability, ends)
    ended = sorted((one.start, one.end, one.score) for one in said if one.kind == "end")
    expected = sorted(whole[["start", "end", "score"]].itertuples(index=False, name=None))
    assert [one[:2] for one in ended] == [one[:2] for one in expected]
    np.testing.assert_allclose([one[2] for one in ended], [one[2] for one in expected])
    # Every action is announced when it starts, and then when it has ended.
    starts = [one.frame for one in said if one.kind == "start"]
    assert starts == sorted(starts)
    assert len(starts) == len(ended)
    for one in said:
        assert one.frame <= frames


def test_memory_does_not_grow():
    settings = GateSettings(lengths=(30.0,))
    for probability in (np.full(3000, 0.9), outputs(3000, 0)[0]):
        _, most, finder = announce(settings, probability, np.zeros((3000, 2)))
        assert most <= 3 * (finder.far + finder.window)


def test_delays_are_kept():
    settings = GateSettings(lengths=(30.0,))
    probability = np.full(200, 0.01)
    probability[50:80] = 0.99
    (start, end), _, finder = announce(settings, probability, np.zeros((200, 2)))
    late_start, late_end = finder.delays
    assert 0.5 * late_start <= start.frame - 50 <= late_start
    assert 0.5 * late_end <= end.frame - 80 <= late_end


class SmallDetector:
    """A detector with an untrained network, whose probabilities wander about."""

    def __init__(self, causal):
        self.skeleton, self.classes = get_skeleton("kinect_v1"), 2
        self.run = {"bodies": 1, "classes": ["up", "out"], "fps": None}
        keras.utils.set_random_seed(0)
        self._network = per_frame(gate_net(20, 2, causal=causal, width=8))

    def network(self, part):
        return self._network

    def settings(self, method):
        if method == "tap_u":
            return Settings()
        return GateSettings(lengths=(12.0, 20.0), on=0.35, off=0.32)

    def recipe(self, part):
        return {"preprocessing": {"coordinates": "camera", "unit": 0.2}}


@pytest.mark.parametrize("causal", [True, False])
def test_frame_by_frame_as_in_the_whole_recording(causal):
    detector = SmallDetector(causal)
    clip = np.random.default_rng(0).normal(0, 1, (150, 1, 20, 3)).cumsum(axis=0) / 10
    clip = clip.astype(np.float32)
    said = []
    live = LiveDetector(detector, "gate_u")
    for pose in clip:
        said += live.push(pose)
    said += live.finish()
    prepared = MODELS["tap_lstm"].preprocess(
        detector.skeleton, len(clip), **detector.recipe("gate_u")["preprocessing"]
    )(clip)
    whole = detector.network("gate_u").predict_on_batch(prepared[None])[0].astype(np.float64)
    expected = decode(whole[:, :3], whole[:, 3:], detector.settings("gate_u"))
    ended = sorted((one.label, one.start, one.end) for one in said if one.kind == "end")
    assert ended
    assert ended == sorted(expected[["label", "start", "end"]].itertuples(index=False, name=None))
    assert live.count == 150
    assert (live.delay == live.block - 1) == causal
    assert live.delays(0) > (live.delay, live.delay)


def test_frames_of_one_person_and_wrong_ones():
    clip = np.random.default_rng(0).normal(0, 0.3, (60, 1, 20, 3)).cumsum(axis=0) / 10
    found = []
    for poses in (clip, clip[:, 0]):  # (M, V, 3) and (V, 3)
        live = LiveDetector(SmallDetector(True), "gate_u")
        found.append([one for pose in poses for one in live.push(pose)] + live.finish())
    assert found[0] == found[1]
    live = LiveDetector(SmallDetector(True), "gate_u")
    nan = np.full((20, 3), np.nan)
    for bad in (clip, np.zeros((25, 3)), np.zeros((2, 20, 3)), nan, np.zeros((20, 2)), "a"):
        with pytest.raises(ClipInputError):
            live.push(bad)
    assert live.count == 0


@pytest.mark.parametrize("frames", [10, 60])
def test_millimetres_are_refused(frames):
    live = LiveDetector(SmallDetector(True), "gate_u")
    with pytest.raises(ClipInputError, match="one in mm"):
        for pose in 1000 * np.random.default_rng(0).normal(0, 0.3, (frames, 20, 3)):
            live.push(pose)
        live.finish()
    assert live.count == min(frames, 30)


def test_methods_that_need_whole_recordings():
    detector = SmallDetector(True)
    with pytest.raises(UserError, match="gate_u"):
        LiveDetector(detector, "tap_u")
    detector.run["bodies"] = 2
    detector.recipe = lambda part: {"preprocessing": {"coordinates": "actor"}}
    with pytest.raises(UserError, match="'actor'"):
        LiveDetector(detector, "gate_u")
