"""CSTA-CNN and its base network: sizes, Table 3's variants, people, padding, learning."""

import keras
import numpy as np
import pytest

from keras_skeleton.models.attention_maps import attention_maps
from keras_skeleton.models.csta_cnn import SAMPLED, VARIANTS, copies_logits
from keras_skeleton.models.registry import MODELS, build_model
from keras_skeleton.skeletons import get_skeleton
from keras_skeleton.transforms.sample import segment_rows


def clips(B=4, T=40, M=2, V=25, seed=0):
    return np.random.default_rng(seed).normal(size=(B, T, M, V, 3)).astype("float32")


@pytest.mark.parametrize("topology", ["late", "early"])
def test_attention_costs_220_weights_a_stream(topology):
    with_attention = build_model("csta_cnn", classes=60, topology=topology).count_params()
    without = build_model("two_stream_cnn", classes=60, topology=topology).count_params()
    assert with_attention - without == 2 * (3 * 30 + 25 + 3 * 25 + 30)
    shared = build_model("csta_cnn", classes=60, topology=topology, bias="shared").count_params()
    assert shared - without == 2 * 167


def test_early_topology_has_the_public_codes_parameters():
    # 1,013,020 for its 32 frames; with 30 the first dense layer sees 3 steps in place of 4.
    ours = build_model("two_stream_cnn", classes=60, topology="early").count_params()
    assert ours + 2 * 256 * 256 == 1_013_020


def test_late_topology_by_hand():
    stream = 25 * 30 + (27 * 64 + 64) + (9 * 64 * 128 + 128 + 1) + (9 * 128 * 256 + 256 + 1)
    dense = (2 * 4 * 256 * 256 + 256 + 1) + (256 * 128 + 128 + 1) + (128 * 60 + 60)
    assert build_model("two_stream_cnn", classes=60).count_params() == 2 * stream + dense


def names(model):
    return {layer.name for layer in model.layers}


def test_rows_of_table_3():
    both = names(build_model("csta_cnn", classes=5))
    assert {"position_joints", "position_frames", "motion_joints", "motion_frames"} <= both
    assert {"position_attention", "motion_attention"} <= both
    without_s = names(build_model("ta_cnn", classes=5))
    assert "position_frames" in without_s
    assert not without_s & {"position_joints", "motion_joints", "position_attention"}
    without_t = names(build_model("sa_cnn", classes=5))
    assert "motion_joints" in without_t
    assert "motion_frames" not in without_t
    neither = names(build_model("two_stream_cnn", classes=5))
    assert not neither & (both - without_s | both - without_t)
    for name, parts in VARIANTS.items():
        rebuilt = build_model("csta_cnn", classes=5, spatial=parts[0], temporal=parts[1])
        assert names(rebuilt) == names(build_model(name, classes=5))


def test_attention_is_what_multiplies_the_position_stream():
    model = build_model("csta_cnn", classes=5, frames=40)
    x = clips()
    inner = keras.Model(
        model.input,
        [
            model.get_layer(n).output
            for n in ("sampling", "position_attention", "position_attended")
        ],
    )
    position, m, attended = (np.asarray(v) for v in inner(x))
    np.testing.assert_allclose(attended, position * m[..., None], atol=1e-6)
    maps = attention_maps(model, x)
    np.testing.assert_allclose(maps["joints"], np.abs(m).reshape(4, 30, 50), atol=1e-6)
    assert maps["frames"].shape == (4, 30)
    assert (maps["frames"] >= 0).all()
    only = attention_maps(build_model("sa_cnn", classes=5), x)
    assert {k: v.shape for k, v in only.items()} == {"joints": (4, 30, 50)}
    assert attention_maps(build_model("two_stream_cnn", classes=5), x) == {}


def test_the_largest_of_two_people_counts_whatever_their_order():
    model = build_model("csta_cnn", classes=5)
    x = clips()
    np.testing.assert_allclose(model(x), model(x[:, :, ::-1]), atol=1e-4)


@pytest.mark.slow
def test_learns_which_joint_moves():
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    y = np.arange(48) % 2
    x = rng.normal(0, 0.05, (48, 36, 1, 25, 3)).astype("float32")
    swing = np.sin(np.arange(36) / 3 + rng.uniform(0, 6, (48, 1)))
    x[np.arange(48), :, 0, np.where(y, 7, 11), 1] += swing
    model = build_model("csta_cnn", classes=2, frames=36, bodies=1, dropout=0.1)
    model.compile(
        keras.optimizers.Adam(1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    history = model.fit(x[:32], y[:32], batch_size=8, epochs=12, verbose=0).history
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert model.evaluate(x[32:], y[32:], verbose=0)[1] > 0.9


def test_rows_say_which_frames_are_seen():
    rows = MODELS["csta_cnn"].frame_index(50, 80)
    np.testing.assert_array_equal(rows, segment_rows(50, SAMPLED))
    assert MODELS["csta_cnn"].frame_index(200, 80).max() <= 199


def test_clips_are_read_with_zeros_at_their_end():
    read = MODELS["csta_cnn"].preprocess(get_skeleton("kinect_v1"), 60, coordinates="hips")
    out = read(np.random.default_rng(0).normal(size=(45, 1, 20, 3)).astype("float32"))
    assert out.shape == (60, 1, 20, 3)
    assert out.dtype == np.float32
    assert (out[45:] == 0).all()
    with pytest.raises(ValueError, match="coordinates='room' is unknown"):
        MODELS["csta_cnn"].preprocess(get_skeleton("sbu"), 10, coordinates="room")(
            np.ones((3, 2, 15, 3))
        )


def test_unknown_topology_is_refused():
    with pytest.raises(ValueError, match="topology='middle' is unknown"):
        build_model("csta_cnn", classes=5, topology="middle")


def test_the_mean_over_copies_is_that_of_their_probabilities():
    model = build_model("csta_cnn", classes=5)
    x = clips()
    logits = copies_logits(model, x, 4, seed=2)
    sampling = model.get_layer("sampling")
    each = []
    for copy in sampling.copies(x, 4, 2):
        # 30 frames of a 30-frame clip are the clip itself.
        z = np.asarray(model(np.asarray(copy)))
        e = np.exp(z - z.max(axis=1, keepdims=True))
        each.append(e / e.sum(axis=1, keepdims=True))
    np.testing.assert_allclose(np.exp(logits), np.mean(each, axis=0), atol=1e-4)
    np.testing.assert_array_equal(logits, copies_logits(model, x, 4, seed=2))
    assert (logits != copies_logits(model, x, 4, seed=3)).any()
