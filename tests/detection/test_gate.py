import json
from itertools import pairwise

import keras
import numpy as np
import pandas as pd
import pytest

from keras_skeleton.detection.detect import GateSettings, read_settings
from keras_skeleton.detection.fit import per_frame
from keras_skeleton.detection.gate import GateStream, decode, typical_lengths
from keras_skeleton.models.gate_net import gate_net
from keras_skeleton.utils.errors import UserError

PLAIN = GateSettings(lengths=(20.0, 8.0), smoothing=0.0, near=0.0)


def probabilities(T, *actions):
    """Frame-wise probabilities of two classes: (label, start, end, value)."""
    found = np.zeros((T, 3))
    for label, start, end, value in actions:
        found[start:end, label] = value
    found[:, 2] = 1 - found[:, :2].sum(axis=1)
    return found


def spans(found):
    return found[["label", "start", "end"]].to_numpy().tolist()


def test_an_action_reaches_one_threshold_and_stays_above_another():
    probability = probabilities(
        90, (0, 10, 20, 0.4), (0, 20, 25, 0.6), (0, 25, 30, 0.35),  # one action
        (0, 40, 60, 0.45),  # never certain
        (1, 62, 66, 0.9), (1, 70, 73, 0.9),  # the second is shorter than 0.4 * 8
        (0, 80, 87, 0.9),  # shorter than 0.4 * 20
    )  # fmt: skip
    found = decode(probability, np.zeros((90, 2)), PLAIN)
    assert spans(found) == [[0, 10, 30], [1, 62, 66]]
    np.testing.assert_allclose(found["score"], [(4 + 3 + 1.75) / 20, 0.9 * 0.5**0.5])
    assert spans(decode(probability[:0], np.zeros((0, 2)), PLAIN)) == []


def test_classes_may_overlap():
    found = decode(probabilities(60, (0, 10, 40, 0.5), (1, 30, 50, 0.5)), np.zeros((60, 2)), PLAIN)
    assert spans(found) == [[0, 10, 40], [1, 30, 50]]


def test_starts_and_ends_move_to_where_they_are_probable():
    settings = GateSettings(lengths=(20.0, 8.0), smoothing=0.0, near=0.3, pull=0.3)
    probability = probabilities(60, (0, 20, 40, 0.9))
    ends = np.zeros((60, 2))
    ends[17, 0] = ends[36, 1] = 0.9
    assert spans(decode(probability, ends, settings)) == [[0, 17, 37]]
    ends *= 0.1  # not worth the distance
    assert spans(decode(probability, ends, settings)) == [[0, 20, 40]]
    ends[10, 0] = 1  # too far
    assert spans(decode(probability, ends, settings)) == [[0, 20, 40]]


def test_smoothing_bridges_gaps_by_the_length_of_the_class():
    probability = probabilities(60, (0, 10, 20, 0.9), (0, 22, 32, 0.9), (1, 40, 46, 0.9))
    settings = GateSettings(lengths=(20.0, 8.0), near=0.0)  # filters of 6 and 2 frames
    assert [row[:1] for row in spans(decode(probability, np.zeros((60, 2)), settings))] == [
        [0],
        [1],
    ]
    assert len(decode(probability, np.zeros((60, 2)), PLAIN)) == 3
    with pytest.raises(ValueError, match="1 classes"):
        decode(probability, np.zeros((60, 2)), GateSettings(lengths=(20.0,)))


def test_typical_lengths():
    actions = pd.DataFrame({"label": [0, 0, 0, 2], "start": 0, "end": [10, 12, 50, 30]})
    assert typical_lengths(actions, 3) == (12.0, 21.0, 30.0)


def test_settings_are_read_again(tmp_path):
    path = tmp_path / "settings.json"
    good = {**PLAIN.__dict__, "test": {"r05": 300}}
    path.write_text(json.dumps(good))
    assert read_settings(path) == (PLAIN, {"r05": 300})
    for wrong in ({"lengths": ["a"]}, {"lengths": [float("inf")]}, {"on": -1}, {"longest": 2.5},
                  {"lengths": 3}, {"lengths": [0.0]}):  # fmt: skip
        path.write_text(json.dumps({**good, **wrong}))
        with pytest.raises(UserError, match="damaged"):
            read_settings(path)


@pytest.fixture(scope="module", params=[False, True])
def network(request):
    keras.utils.set_random_seed(0)
    return per_frame(
        gate_net(
            joints=3, classes=2, bodies=2, causal=request.param, hidden=8, width=8, dilations=(1, 4)
        )
    )


def test_a_stream_in_parts_is_like_the_whole(network):
    rng = np.random.default_rng(0)
    frames = rng.normal(size=(150, 6, 3)).astype("float32")
    frames[60:70] = 0  # nobody is there
    frames[100:, 3:] = 0
    whole = np.asarray(network(frames[None]))[0]
    stream = GateStream(network)
    assert stream.delay == (0 if stream.before == 14 else 7)
    found, cuts = [], [0, 1, 2, 3, 10, 60, 61, 64, 149, 150]
    for a, b in pairwise(cuts):
        found.append(stream.push(frames[a:b]))
        assert sum(map(len, found)) == max(b - stream.delay, 0)
        assert len(stream._kept) <= stream.before + stream.delay + 1
    found.append(stream.finish())
    np.testing.assert_allclose(np.concatenate(found), whole, atol=1e-5)
    assert len(stream.finish()) == 0
