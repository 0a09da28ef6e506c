import keras
import numpy as np
import pytest

from keras_skeleton import attention_maps, build_model, load_weights
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


OURS = {
    "gate_gain": "joints", "motion": 1, "gates_see": "clip", "frame_gates": "input",
    "gate_noise": 0.5, "joint_entropy": 0.02, "units": 4, "main_layers": 1,
}  # fmt: skip


def test_frame_gates_weight_the_input():
    """K alpha beta x, beta relative to its mean; scores of all frames count the same."""
    model = sta_lstm("m", 8, 5, **{**OURS, "motion": 0})
    x = clips()
    names = ["joint_attention", "frame_attention", "modulated_frames", "main_scores", "gate_noise"]
    parts = keras.Model(model.input, {n: model.get_layer(n).output for n in names})(x)
    parts = {name: np.asarray(value) for name, value in parts.items()}
    alpha, beta = parts["joint_attention"], parts["frame_attention"]
    relative = beta * np.array([9, 6, 4, 1])[:, None] / beta.sum(axis=1, keepdims=True)
    expected = 8 * alpha[..., None] * relative[..., None, None] * x
    np.testing.assert_allclose(parts["modulated_frames"], expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(parts["gate_noise"], parts["modulated_frames"])
    g = [parts["main_scores"][b, :n].sum(axis=0) for b, n in enumerate((9, 6, 4, 1))]
    np.testing.assert_allclose(np.asarray(model(x)), g, atol=1e-5)

    both = sta_lstm("m", 8, 5, **{**OURS, "motion": 0, "frame_gates": "both"})
    both.set_weights(model.get_weights())
    g = np.einsum("bt,btc->bc", relative, parts["main_scores"])
    np.testing.assert_allclose(np.asarray(both(x)), g, atol=1e-4)


def test_noise_is_for_training_and_behind_the_gates():
    keras.utils.set_random_seed(0)
    model = sta_lstm("m", 8, 5, dropout=0.0, **OURS)
    x = clips()
    names = ["joint_attention", "frame_attention", "modulated_frames", "gate_noise", "logits"]
    parts = keras.Model(model.input, {n: model.get_layer(n).output for n in names})
    noisy, plain = (
        {n: np.asarray(v) for n, v in parts(x, training=t).items()} for t in (True, False)
    )
    for name in names[:3]:
        np.testing.assert_allclose(noisy[name], plain[name], atol=1e-6)
    np.testing.assert_array_equal(plain["gate_noise"], plain["modulated_frames"])
    for name in names[3:]:
        assert np.abs(noisy[name] - plain[name]).max() > 1e-3


def test_motion_has_no_place():
    """Nothing changes if a joint is elsewhere, and padding stays padding."""
    model = sta_lstm("m", 8, 5, **OURS)
    x = clips()
    there = np.any(x != 0, axis=-1, keepdims=True)
    moved = np.where(there, x + np.array([1.0, -2.0, 3.0], "float32"), x).astype("float32")
    np.testing.assert_allclose(model(moved), model(x), atol=1e-4)
    maps = attention_maps(model, x)
    assert (maps["joints"][1, 6:] == 0).all()
    assert (maps["frames"][1, 6:] == 0).all()


def test_joints_are_read_in_their_own_units():
    """A network that has seen larger movements of a joint gives the same answer to them."""
    model = sta_lstm("m", 8, 5, **{**OURS, "joint_units": True, "gate_noise": 0.0, "dropout": 0.0})
    plain = sta_lstm("m", 8, 5, **{**OURS, "gate_noise": 0.0, "dropout": 0.0})
    assert model.count_params() == plain.count_params() + 2 * 8
    x = clips()
    size = np.array([1, 10, 0.1, 1, 1, 5, 1, 1], "float32")[:, None]
    one = np.asarray(model(x, training=True))
    np.testing.assert_allclose(model(x), one, atol=1e-5)
    model.get_layer("joint_units").set_weights([np.zeros(8), np.zeros(8)])
    np.testing.assert_allclose(model(x * size, training=True), one, atol=1e-4)


def test_gates_that_see_the_clip_depend_on_later_frames():
    x = clips()[:1]
    later = x.copy()
    later[0, 5:] += 1
    for see, depends in (("past", False), ("clip", True)):
        model = sta_lstm("m", 8, 5, units=4, main_layers=1, gates_see=see)
        maps = attention_maps(model, np.concatenate([x, later]))
        one, other = ({kind: maps[kind][k : k + 1] for kind in maps} for k in range(2))
        for kind in ("joints", "frames"):
            change = np.abs(one[kind][0, :5] - other[kind][0, :5]).max()
            assert (change > 1e-6) == depends, (see, kind)


def test_entropy_is_in_the_loss():
    model = sta_lstm("m", 8, 5, units=4, main_layers=1, joint_entropy=0.3, frame_entropy=0.1)
    maps = attention_maps(model, clips())
    expected = 0
    for values, weight in ((maps["joints"], 0.3), (maps["frames"], 0.1)):
        share = values / np.maximum(values.sum(axis=-1, keepdims=True), 1e-9)
        entropy = -(share * np.log(np.maximum(share, 1e-9))).sum(axis=-1)
        if entropy.ndim == 2:
            entropy = np.array([entropy[b, :n].mean() for b, n in enumerate((9, 6, 4, 1))])
        expected += weight * entropy.mean()
    assert sum(float(v) for v in model.losses) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"gates_see": "all"}, "gates_see='all' is unknown; expected 'past' or 'clip'"),
        ({"joint_gates": "all"}, "joint_gates='all' is unknown; expected 'frame' or 'clip'"),
        ({"frame_gates": "none"}, "frame_gates='none' is unknown; expected 'scores', 'input' or"),
        ({"lambda1": 0.1, "joint_entropy": 0.1}, "lambda1 and joint_entropy"),
        ({"lambda2": 0.1, "frame_entropy": 0.1}, "lambda2 and frame_entropy"),
    ],
)
def test_options_that_do_not_fit(arguments, words):
    with pytest.raises(ValueError, match=words):
        sta_lstm("m", 8, 5, units=6, **arguments)


@pytest.mark.parametrize("name", ["sa_lstm", "ta_lstm"])
def test_our_options_with_one_kind_of_gates(name):
    model = build_model(name, get_skeleton("sbu"), 4, 8, bodies=2, **OURS)
    kinds = {"joints"} if name == "sa_lstm" else {"frames"}
    x = np.random.default_rng(0).normal(size=(2, 8, 30, 3)).astype("float32")
    assert set(attention_maps(model, x)) == kinds
    assert ("modulated_frames" in [layer.name for layer in model.layers]) == (name == "ta_lstm")


def test_our_options_train_save_and_come_back(tmp_path):
    keras.utils.set_random_seed(0)
    model = sta_lstm("m", 8, 5, dropout=0.0, **OURS)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, run_eagerly=True)
    assert np.isfinite(model.train_on_batch(clips(), np.array([0, 3, 1, 1])))
    expected = np.asarray(model(clips()))
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(model))
    again.set_weights(model.get_weights())
    np.testing.assert_allclose(again(clips()), expected, atol=1e-6)
    model.save_weights(tmp_path / "a.weights.h5")
    # Noise is no part of a network in use.
    plain = sta_lstm("m", 8, 5, dropout=0.0, **{**OURS, "gate_noise": 0.0})
    load_weights(plain, tmp_path / "a.weights.h5")
    np.testing.assert_allclose(plain(clips()), expected, atol=1e-6)


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
