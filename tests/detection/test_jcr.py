import keras
import numpy as np
import pandas as pd
import pytest

from keras_skeleton.detection import jcr
from keras_skeleton.layers.augmentation import RandomScale
from keras_skeleton.models.jcr_rnn import jcr_rnn
from keras_skeleton.training.fold import DivergedError


def test_targets():
    actions = pd.DataFrame({"label": [1, 0], "start": [5, 20], "end": [10, 24]})
    labels, ends = jcr.targets(actions, 40, classes=2, sigma=5)
    assert labels.tolist() == [2] * 5 + [1] * 5 + [2] * 10 + [0] * 4 + [2] * 16
    assert ends.shape == (40, 2)
    assert ends[5, 0] == ends[20, 0] == ends[9, 1] == ends[23, 1] == 1
    assert ends[8, 0] == pytest.approx(np.exp(-9 / 50))
    assert ends[12, 0] == pytest.approx(np.exp(-49 / 50))  # 7 from 5, 8 from 20
    assert ends[13, 0] == pytest.approx(np.exp(-49 / 50))
    labels, ends = jcr.targets(actions[:0], 3, classes=2)
    assert labels.tolist() == [2, 2, 2]
    assert not ends.any()


def streams(count=3, seed=0):
    """The first number says the class: an action runs while it is 1 or -1."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        value, spans, t = [], [], 0
        for label in rng.permutation([0, 1, 0, 1]).tolist():
            pause, length = rng.integers(15, 30, 2).tolist()
            value += [0.0] * pause + [1.0 if label else -1.0] * length
            spans.append((label, t + pause, t + pause + length))
            t += pause + length
        frames = rng.normal(0, 0.1, (t, 2, 3)).astype("float32")
        frames[:, 0, 0] += value
        actions = pd.DataFrame(spans, columns=["label", "start", "end"])
        found.append(jcr.Stream(frames, *jcr.targets(actions, t, 2)))
    return found


def test_windows_hold_every_frame_once_an_epoch():
    own = streams()
    batches = jcr.Windows(own, size=32, batch_size=2, seed=0)
    first = None
    for epoch in range(3):
        seen = []
        for k in range(len(batches)):
            x, y, weight = batches[k]
            assert x.shape == (2, 32, 2, 3)
            assert y["labels"].shape == weight["labels"].shape == (2, 32)
            assert y["ends"].shape == (2, 32, 2)
            for row in range(2):
                if 2 * k + row < batches.count:  # the last batch is filled up
                    seen.append(x[row][weight["ends"][row] == 1])
        values = np.sort(np.concatenate(seen)[:, 1, 2])
        np.testing.assert_array_equal(
            values, np.sort(np.concatenate([s.frames for s in own])[:, 1, 2])
        )
        order = np.concatenate(seen)[:, 1, 2]
        assert epoch == 0 or not np.array_equal(order, first)
        first = order
        batches.on_epoch_end()
    fixed = jcr.Windows(own, 32, 2, None)
    before = fixed[0][0]
    fixed.on_epoch_end()
    np.testing.assert_array_equal(before, fixed[0][0])


def test_reading_off():
    probability = np.full((30, 3), 0.1)
    probability[:, 2] = 0.8
    probability[10:20] = (0.7, 0.2, 0.1)
    probability[20:24] = (0.1, 0.6, 0.3)
    ends = np.zeros((30, 2))
    found = jcr.read_off(probability, ends)
    assert found[["label", "start", "end"]].to_numpy().tolist() == [[0, 10, 20], [1, 20, 24]]
    np.testing.assert_allclose(found["score"], [0.7, 0.6])
    ends[7, 0] = 0.9  # a start is more certain a little earlier
    ends[18, 1] = 0.9
    assert jcr.read_off(probability, ends)[["start", "end"]].iloc[0].tolist() == [7, 19]
    assert len(jcr.read_off(probability[:0], ends[:0])) == 0


def test_network():
    network = jcr_rnn(joints=2, classes=2, units=(8, 9, 8))
    x = np.random.default_rng(0).normal(size=(3, 20, 2, 3)).astype("float32")
    found = network(x)
    assert found["labels"].shape == (3, 20, 3)
    assert found["ends"].shape == (3, 20, 2)
    assert 0 <= np.min(found["ends"]) <= np.max(found["ends"]) <= 1
    joined = np.asarray(jcr.per_frame(network)(x))
    np.testing.assert_allclose(joined[..., :3].sum(-1), 1, rtol=1e-5)
    np.testing.assert_allclose(joined[..., 3:], found["ends"], atol=1e-6)
    units = (100, 110, 100)
    params, width = 0, 150
    for u in units:
        params += 4 * u * (width + u + 1) + u * (u + 1)
        width = u
    params += 101 * 52 + (100 + 52 + 1) * 100 + 101 * 10 + 11 * 2
    assert jcr_rnn(joints=50, classes=51).count_params() == params
    with pytest.raises(ValueError, match="classes=0"):
        jcr_rnn(2, 0)


def test_a_diverged_training_is_no_result():
    network = jcr_rnn(joints=2, classes=2, units=(4, 4, 4))
    bad = [s._replace(ends=np.full_like(s.ends, np.nan)) for s in streams(1)]
    with pytest.raises(DivergedError, match="epoch 1"):
        jcr.train(network, bad, streams(1), lambda epoch: 0.01, epochs=2, size=32)


@pytest.mark.slow
def test_a_known_rule_is_learnt():
    keras.utils.set_random_seed(0)
    network = jcr_rnn(joints=2, classes=2, units=(16, 16, 16), dropout=0.0)
    rows = []
    history = jcr.train(
        network,
        streams(8),
        streams(2, seed=1),
        lambda epoch: 0.01,
        epochs=25,
        augment=[RandomScale(0.05)],
        size=64,
        on_epoch_end=rows.append,
    )
    assert len(rows) == len(history) == 25
    assert history["loss"].iloc[-1] < 0.5 * history["loss"].iloc[0]
    (held,) = streams(1, seed=2)
    said = np.asarray(jcr.per_frame(network)(held.frames[None]))[0]
    assert (said[:, :3].argmax(axis=1) == held.labels).mean() > 0.9
    found = jcr.read_off(said[:, :3], said[:, 3:])
    truth = np.flatnonzero(np.diff(held.labels))
    assert len(found) >= 4
    assert np.abs(found["start"].to_numpy()[:, None] - truth).min(axis=1).max() <= 5
