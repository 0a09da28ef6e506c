"""Labels of a stream equal those of the finished recording, which NumPy computes at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_skeleton.evaluation.calibration import Calibration
from keras_skeleton.evaluation.scores import softmax
from keras_skeleton.film.windows import StreamLabeler, WindowError, whole
from keras_skeleton.models.preprocessing import Preprocessing
from keras_skeleton.models.registry import MODELS, build_model
from keras_skeleton.recognizer import Recognizer, RecognizerError
from keras_skeleton.skeletons import SkeletonMapError, get_skeleton

CLASSES = ("wave", "sit", "none")
V1 = get_skeleton("kinect_v1")
LENGTHS = (1, 5, 16, 17, 31, 32, 33, 100)


class Fake(Recognizer):
    """Its logits are the mean coordinates of all frames in which somebody is."""

    def __init__(self, bodies=1, calibration=None, classes=CLASSES):
        choices = {"coordinates": "camera"}
        preprocessing = Preprocessing("sta_lstm", V1, bodies, choices=choices)
        super().__init__(None, classes, preprocessing)
        self.calibration = calibration  # set here: there is no network that it could fit
        self.shapes = []

    def outputs(self, batch):
        self.shapes.append(batch.shape)
        there = (batch != 0).any(axis=(2, 3))
        means = [frames[seen].mean(axis=(0, 1)) for frames, seen in zip(batch, there, strict=True)]
        found = {"logits": np.array(means, np.float32), "joints": np.abs(batch).sum(axis=3)}
        found["frames"] = found["joints"].sum(axis=2)
        if self.calibration is not None:
            found["features"] = found["logits"]
        return found


def poses(T, seed=0, absent=()):
    clip = np.random.default_rng(seed).normal(1, 1, (T, 1, 20, 3)).astype(np.float32)
    clip[list(absent)] = 0
    return clip


def run(clip, recognizer=None, fps=30, **options):
    labeler = StreamLabeler(recognizer or Fake(), fps, "kinect_v1", **options)
    found = [step for pose in clip for step in labeler.push(pose)]
    return found + labeler.finish()


def offline(clip, sizes=(16, 32), stride=8):
    """Start, end and logits of each block, from the whole recording."""
    found, T = [], len(clip)
    there = clip.any(axis=(1, 2, 3))
    for start in range(0, T, stride):
        end = min(start + stride, T)
        logits = []
        for size in sizes if there[start:end].any() else ():
            first = min(max(0, start - (size - stride) // 2), max(0, T - size))
            window = np.arange(first, min(first + size, T))
            if there[window].sum() < len(window) / 2:
                runs = np.split(window, np.flatnonzero(np.diff(there[window].astype(int))) + 1)
                runs = [r for r in runs if there[r[0]] and r[0] < end and r[-1] >= start]
                window = max(runs, key=len)
            window = window[there[window]]
            logits.append(clip[window].mean(axis=(0, 1, 2), dtype=np.float64))
        found.append((start, end, np.mean(logits, axis=0) if logits else np.zeros(3)))
    return found


def compare(steps, expected):
    assert [(s.start, s.end) for s in steps] == [e[:2] for e in expected]
    for step, (_, _, logits) in zip(steps, expected, strict=True):
        np.testing.assert_allclose(step.logits, logits, rtol=1e-4, atol=1e-5)
        if logits.any():
            np.testing.assert_allclose(step.probabilities, softmax(logits), rtol=1e-4)
            assert step.label == CLASSES[int(np.argmax(step.probabilities))]
            assert step.probability == step.probabilities.max()
        else:
            assert (step.label, step.probability, step.probabilities.any()) == ("", 0, False)


@pytest.mark.parametrize("T", LENGTHS)
def test_live_equals_offline(T):
    compare(run(poses(T)), offline(poses(T)))


@given(
    T=st.integers(1, 90),
    stride=st.integers(1, 9),
    more=st.lists(st.integers(0, 40), min_size=1, max_size=3),
    gaps=st.lists(st.tuples(st.integers(0, 90), st.integers(1, 40)), max_size=3),
)
def test_live_equals_offline_whatever_the_windows(T, stride, more, gaps):
    sizes = sorted(max(2, stride + extra) for extra in more)
    absent = [t for start, n in gaps for t in range(start, min(start + n, T))]
    clip = poses(T, seed=T, absent=absent)
    compare(run(clip, sizes=sizes, stride=stride), offline(clip, sizes, stride))


@pytest.mark.parametrize("sizes", [(16, 32), (8,), (9, 30)])
def test_a_step_comes_with_the_stated_delay(sizes):
    labeler = StreamLabeler(Fake(), 30, "kinect_v1", sizes=sizes)
    at = [(step, t) for t, pose in enumerate(poses(200), 1) for step in labeler.push(pose)]
    late = [t - step.end for step, t in at]
    assert set(late[4:]) == {labeler.delay}
    assert min(late) >= labeler.delay  # windows that are shifted inwards wait longer
    assert labeler.delay == -(-(max(sizes) - 8) // 2)


def test_memory_is_bounded():
    labeler = StreamLabeler(Fake(), 30, "kinect_v1")
    clip = poses(100)
    kept, steps = [], 0
    for t in range(20_000):
        steps += len(labeler.push(clip[t % 100]))
        kept.append(len(labeler._poses))
    assert max(kept) <= 32 + 8
    assert steps + len(labeler.finish()) == 2500
    assert not labeler._poses


def test_batches_have_few_shapes():
    recognizer = Fake()
    run(poses(500), recognizer)
    assert {shape[0] for shape in recognizer.shapes} <= {2, 4, 8}
    assert len({shape[1:] for shape in recognizer.shapes}) == 1
    assert len(recognizer.shapes) < 500 / 8


def test_windows_follow_the_frame_rate():
    labeler = StreamLabeler(Fake(), 25, "kinect_v1")
    assert (labeler.sizes, labeler.stride) == ((13, 27), 7)
    clip = poses(80)
    compare(run(clip, fps=25), offline(clip, (13, 27), 7))
    assert StreamLabeler(Fake(), 0.1, "kinect_v1").sizes == (2, 2)


def test_steps_count_from_the_first_frame():
    assert [(s.start, s.end) for s in run(poses(20), first=100)] == [
        (100, 108), (108, 116), (116, 120),
    ]  # fmt: skip


def test_another_layout_is_mapped():
    v2 = get_skeleton("kinect_v2")
    clip = np.random.default_rng(0).normal(size=(20, 25, 3)).astype(np.float32)
    labeler = StreamLabeler(Fake(), 30, v2)
    steps = [s for pose in clip for s in labeler.push(pose)] + labeler.finish()
    order = [j for j, name in enumerate(v2.joints) if name != "neck" and "tip" not in name]
    order = [j for j in order if "thumb" not in v2.joints[j]]
    assert len(order) == 20
    np.testing.assert_allclose(steps[0].logits, run(clip[:, order])[0].logits, rtol=1e-5)
    with pytest.raises(SkeletonMapError, match="wrist"):
        StreamLabeler(Fake(), 30, "sbu")


def test_attention_is_that_of_the_largest_window():
    clip = poses(40)
    steps = run(clip)
    size = np.abs(clip).sum(axis=3)  # (T, 1, V)
    for step, first in zip(steps, (0, 0, 4, 8, 8), strict=True):
        block = size[step.start : step.end]
        expected = block / block.mean(axis=2, keepdims=True)
        np.testing.assert_allclose(step.joints, expected, rtol=1e-4)
        assert step.joints.shape == (8, 1, 20)
        assert step.joints.mean() == pytest.approx(1, rel=1e-5)
        frames = size.sum(axis=(1, 2))
        expected = frames[step.start : step.end] / frames[first : first + 32].mean()
        np.testing.assert_allclose(step.frames, expected, rtol=1e-4)
    assert run(clip, attention=False)[0].joints is None


def test_attention_is_zero_where_nobody_was_looked_at():
    two = np.zeros((32, 3, 20, 3), np.float32)
    two[:, 1] = poses(32)[:, 0]
    two[:6] = 0
    step = run(two)[0]
    assert step.joints.shape == (8, 3, 20)
    assert not step.joints[:, [0, 2]].any()
    assert not step.joints[:6].any()
    assert step.joints[6:, 1].mean() == pytest.approx(1, rel=1e-5)
    assert not step.frames[:6].any()
    assert step.frames[6:].all()


def test_a_network_of_one_body_sees_the_one_that_moves():
    still = np.repeat(poses(1), 32, axis=0)
    moving = poses(32, seed=1)
    both = run(np.concatenate([still, moving], axis=1))
    for found, alone in zip(both, run(moving), strict=True):
        np.testing.assert_array_equal(found.logits, alone.logits)
        np.testing.assert_array_equal(found.joints[:, 1:], alone.joints)


def test_calibration_gives_probabilities_and_doubts():
    calibration = Calibration(2.0, 0.6, 0.5, "logits", np.eye(3), np.eye(3), clips=9)
    clip = poses(32)
    steps = run(clip, Fake(calibration=calibration))
    for step, (_, _, logits) in zip(steps, offline(clip), strict=True):
        np.testing.assert_allclose(step.probabilities, softmax(logits / 2), rtol=1e-4)
        assert step.doubts == ("low probability", "unlike the training clips")
        assert step.unsure is True
    windows = [clip[:16], clip]
    expected = calibration.distances([w.mean(axis=(0, 1, 2)) for w in windows]).mean()
    assert steps[0].distance == pytest.approx(expected, rel=1e-4)
    assert run(clip)[0].unsure is None


def test_what_does_not_fit_is_named():
    for options in ({"sizes": (4, 32)}, {"sizes": ()}, {"stride": 0}, {"fps": 0}):
        with pytest.raises(WindowError, match="windows of"):
            StreamLabeler(Fake(), **{"fps": 30, "skeleton": "kinect_v1", **options})
    labeler = StreamLabeler(Fake(), 30, "kinect_v1")
    labeler.push(np.ones((2, 20, 3)))
    for pose in (np.ones((20, 3)), np.ones((2, 25, 3)), np.ones(3), np.ones((0, 20, 3))):
        with pytest.raises(WindowError, match="frame 1"):
            labeler.push(pose)
    with pytest.raises(WindowError, match="NaN"):
        labeler.push(np.full((2, 20, 3), np.nan))
    assert labeler.finish()
    assert labeler.finish() == []
    with pytest.raises(WindowError, match="finished"):
        labeler.push(np.ones((2, 20, 3)))
    video = Recognizer(None, CLASSES, Preprocessing("pose_i3d", get_skeleton("kinect_v2"), 2))
    with pytest.raises(RecognizerError, match="pose_i3d"):
        StreamLabeler(video, 30)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["mans9", "csta_cnn", "sta_lstm"])
def test_a_network_says_of_a_window_what_it_says_of_a_clip(model):
    entry = MODELS[model]
    own = entry.dataset_arguments(1)
    network = build_model(model, V1, len(CLASSES), **own)
    recognizer = Recognizer(network, CLASSES, Preprocessing(model, V1, 1), own)
    clip = poses(40, absent=range(34, 40))
    labeler = StreamLabeler(recognizer, 30, V1)
    labeler.warm_up()
    steps = [step for pose in clip for step in labeler.push(pose)] + labeler.finish()
    for step, windows in zip(
        steps[:3], ([(0, 16), (0, 32)], [(4, 20), (0, 32)], [(12, 28), (4, 34)]), strict=True
    ):
        logits = np.mean([recognizer.predict(clip[a:b]).logits for a, b in windows], axis=0)
        np.testing.assert_allclose(step.logits, logits, rtol=1e-3, atol=1e-4)
    short = StreamLabeler(recognizer, 30, V1)
    short.push(clip[0])
    (step,) = short.finish()
    assert (step.start, step.end) == (0, 1)
    assert np.isfinite(step.logits).all()


def test_whole_weighs_steps_by_their_frames():
    calibration = Calibration(2.0, 0.0, 9.0, "logits", np.eye(3), np.eye(3), clips=9)
    recognizer = Fake(calibration=calibration)
    steps = run(poses(36, absent=range(16, 24)), recognizer)
    found = whole(steps, recognizer)
    seen = [s for s in steps if s.label]
    weights = [8, 8, 8, 4]
    assert [s.end - s.start for s in seen] == weights
    logits = np.average([s.logits for s in seen], axis=0, weights=weights)
    np.testing.assert_allclose(found.logits, logits)
    np.testing.assert_allclose(found.probabilities, softmax(logits / 2))
    assert found.distance == pytest.approx(np.average([s.distance for s in seen], weights=weights))
    assert found.unsure is False
    assert whole([s for s in steps if not s.label], recognizer) is None
