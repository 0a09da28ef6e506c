import keras
import numpy as np
import pytest

from keras_skeleton.detection.curve import along, gates_of
from keras_skeleton.models.sta_lstm import sta_lstm

BOTH_WAYS = pytest.param(True, marks=pytest.mark.slow, id="bidirectional")


@pytest.fixture(params=[pytest.param(False, id="forwards"), BOTH_WAYS])
def model(request):
    keras.utils.set_random_seed(0)
    return sta_lstm(
        "tap", 4, 3, spatial=False, main_layers=1, units=8, bidirectional=request.param
    )  # fmt: skip


def attention_curve(model, *stream, **pieces):
    return along(gates_of(model), *stream, **pieces)


STREAM = np.random.default_rng(0).normal(size=(700, 4, 3)).astype("float32")


def frames(start, end):
    return STREAM[start:end]


def whole(model, length=700):
    gate = keras.Model(model.input, model.get_layer("frame_attention").output)
    return np.asarray(gate(STREAM[None, :length]))[0]


@pytest.mark.slow
def test_chunks_give_the_curve_of_one_pass(model):
    expected = whole(model)
    assert expected.shape == (700,)
    assert expected.std() > 0.01
    np.testing.assert_allclose(attention_curve(model, frames, 700, chunk=1000), expected, atol=1e-5)
    for chunk, batch in ((100, 16), (130, 2), (700, 1)):
        found = attention_curve(model, frames, 700, chunk, around=100, batch_size=batch)
        np.testing.assert_allclose(found, expected, atol=1e-4)
    # Without frames around, every chunk begins anew.
    assert np.abs(attention_curve(model, frames, 700, 50, around=0) - expected).max() > 1e-3


def test_short_streams_and_none(model):
    np.testing.assert_allclose(attention_curve(model, frames, 5), whole(model, 5), atol=1e-5)
    assert attention_curve(model, frames, 0).shape == (0,)
    with pytest.raises(ValueError, match="around=.*expected"):
        attention_curve(model, frames, 5, around=-1)


def test_only_a_few_frames_are_read_at_a_time(model):
    asked = []

    def counted(start, end):
        asked.append(end - start)
        return STREAM[start:end]

    attention_curve(model, counted, 700, chunk=64, around=32, batch_size=4)
    assert max(asked) == 64 + 2 * 32
    assert sum(asked) < 2.1 * 700
