import numpy as np
import pytest

from keras_skeleton.detection import jcr
from keras_skeleton.detection.fit import per_frame
from keras_skeleton.models.jcr_rnn import jcr_rnn


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
    joined = np.asarray(per_frame(network)(x))
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
