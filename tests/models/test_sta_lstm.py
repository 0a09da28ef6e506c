import keras
import numpy as np
import pytest

from keras_skeleton import attention_maps, build_model
from keras_skeleton.models.registry import MODELS
from keras_skeleton.models.sta_lstm import sta_lstm
from keras_skeleton.skeletons import get_skeleton
from keras_skeleton.transforms.coordinates import COORDINATES


def clips(B=4, T=9, K=8, lengths=(9, 6, 4, 1)):
    x = np.random.default_rng(0).normal(size=(B, T, K, 3)).astype("float32")
    for clip, length in zip(x, lengths, strict=True):
        clip[length:] = 0
    return x


@pytest.mark.parametrize(("hidden", "parameters"), [(50, 483_411), (None, 498_461), (100, 498_461)])
def test_parameter_counts(hidden, parameters):
    """Two Kinect v2 bodies and 60 classes: the 0.5M that MANs quotes."""
    assert build_model("sta_lstm", hidden=hidden).count_params() == parameters


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("lstm", 267_260), ("sa_lstm", 267_260 + 130_550), ("ta_lstm", 267_260 + 100_651)],
)
def test_parts(name, parameters):
    assert build_model(name).count_params() == parameters


def test_equation_4_and_the_modulated_input():
    model = sta_lstm("m", 8, 5, units=6, dropout=0.0)
    x = clips()
    names = ["joint_attention", "frame_attention", "modulated", "main_scores", "mask"]
    parts = keras.Model(model.input, {n: model.get_layer(n).output for n in names})(x)
    parts = {name: np.asarray(value) for name, value in parts.items()}
    np.testing.assert_allclose(
        parts["modulated"], parts["joint_attention"][..., None] * x, rtol=1e-5
    )
    np.testing.assert_array_equal(parts["mask"].sum(axis=1), [9, 6, 4, 1])
    g = sum(parts["frame_attention"][:, t, None] * parts["main_scores"][:, t] for t in range(9))
    np.testing.assert_allclose(np.asarray(model(x)), g, atol=1e-5)


def test_without_attention_every_frame_counts_as_one():
    model = sta_lstm("m", 8, 5, spatial=False, temporal=False, units=6)
    x = clips()
    scores = np.asarray(keras.Model(model.input, model.get_layer("main_scores").output)(x))
    expected = [scores[i, :length].sum(axis=0) for i, length in enumerate((9, 6, 4, 1))]
    np.testing.assert_allclose(np.asarray(model(x)), expected, atol=1e-5)


def test_padded_frames_have_no_attention():
    model = sta_lstm("m", 8, 5, units=6)
    maps = attention_maps(model, clips())
    assert (maps["joints"][1, 6:] == 0).all()
    assert (maps["frames"][1, 6:] == 0).all()


def test_the_l1_term_covers_all_connection_matrices_and_no_bias():
    model = sta_lstm("m", 8, 5, units=6, lambda3=0.5)
    matrices = [w for w in model.trainable_weights if len(w.shape) == 2]
    assert len(matrices) == 2 * 3 + 1 + 5 + 4  # main, scores, joint gate, frame gate
    expected = 0.5 * sum(np.abs(np.asarray(w)).sum() for w in matrices)
    assert sum(float(loss) for loss in model.losses) == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
def test_learns_a_rule_and_attends_where_it_is():
    """The class is in joint 2 during frames 4 to 7; both gates find it."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    labels = np.arange(256) % 2
    x = rng.normal(0, 0.5, (256, 12, 6, 3)).astype("float32")
    x[:, 4:8, 2] += np.where(labels, 1.5, -1.5)[:, None, None]
    model = sta_lstm("m", 6, 2, units=16, main_layers=1, dropout=0.0, lambda2=1e-3)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"], jit_compile=False)
    history = model.fit(x, labels, batch_size=32, epochs=12, verbose=0).history
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert history["accuracy"][-1] > 0.95
    maps = attention_maps(model, x)
    assert maps["joints"][:, 4:8, 2].mean() > 1 / 6


@pytest.mark.parametrize("coordinates", COORDINATES)
def test_clips_are_read_at_their_own_length(coordinates):
    layout = get_skeleton("sbu")
    clip = np.random.default_rng(0).normal(size=(20, 2, 15, 3)) + [0, 0, 2]
    read = MODELS["sta_lstm"].preprocess(layout, 30, coordinates=coordinates)
    out = read(clip)
    assert out.shape == (30, 30, 3)
    assert out.dtype == np.float32
    assert np.any(out[:20] != 0, axis=(1, 2)).all()
    assert (out[20:] == 0).all()
    rows = MODELS["sta_lstm"].frame_index(20, 30)
    np.testing.assert_array_equal(rows[:20], np.arange(20))
    assert np.isnan(rows[20:]).all()
    assert MODELS["sta_lstm"].preprocess(layout, 10)(clip).shape == (10, 30, 3)


def test_unknown_coordinates_are_refused():
    with pytest.raises(ValueError, match="coordinates='room' is unknown"):
        MODELS["lstm"].preprocess(get_skeleton("sbu"), 10, coordinates="room")(
            np.ones((3, 2, 15, 3))
        )


def test_gain_makes_equal_attention_the_plain_input():
    model = sta_lstm("m", 8, 5, units=6, gate_gain="joints")
    gate = model.get_layer("joint_attention")
    gate.scores.set_weights([w * 0 for w in gate.scores.get_weights()])  # equal scores
    x = clips()
    out = keras.Model(model.input, model.get_layer("gate_gain").output)(x)
    np.testing.assert_allclose(np.asarray(out), x, atol=1e-6)
    with pytest.raises(ValueError, match="gate_gain='none' is unknown"):
        sta_lstm("m", 8, 5, gate_gain="none")


def test_scores_can_start_small():
    plain = sta_lstm("m", 8, 5, units=50).get_layer("main_scores").get_weights()[0]
    small = sta_lstm("m", 8, 5, units=50, score_stddev=0.01).get_layer("main_scores")
    assert 0.008 < small.get_weights()[0].std() < 0.012
    assert plain.std() > 0.1
