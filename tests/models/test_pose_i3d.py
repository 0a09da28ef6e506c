import keras
import numpy as np
import pytest

from keras_skeleton.models import i3d as i3d_module
from keras_skeleton.models.attention_maps import attention_maps
from keras_skeleton.models.i3d import LAST, Small, i3d
from keras_skeleton.models.pose_i3d import (
    POOLED,
    STREAM_ENDS,
    feature_shape,
    joints,
    part_network,
    pose_classifier,
    pose_i3d,
)
from keras_skeleton.models.registry import build_model
from keras_skeleton.skeletons import get_skeleton
from keras_skeleton.transforms.glimpses import PARTS

SMALL = {"steps": 5, "values": 60, "classes": 4, "frames": 8, "size": 32, "units": 16}
NARROW = {**SMALL, "width": 0.1}


def batch(seed=0, features=False, aggregate="attention"):
    rng = np.random.default_rng(seed)
    shape = feature_shape(8, 32, Small()) if features else (8, 32, 32, 3)
    x = {part: rng.uniform(-1, 1, (2, *shape)).astype("float32") for part in PARTS}
    if aggregate == "attention":
        x["skeleton"] = rng.normal(size=(2, 5, 60)).astype("float32")
    return x


@pytest.mark.slow
def test_the_released_models_numbers_of_parameters():
    def count(model, *names):
        return sum(model.get_layer(name).count_params() for name in names)

    lstm = [f"pose_lstm_{i}" for i in (1, 2, 3)]
    ntu = pose_i3d(20, 150, 60, states="last", features=True)
    assert count(ntu, *lstm) == 5_556_224
    assert count(ntu, "part_attention") == 65_664 + 387
    assert count(ntu, "Conv3d_6a_1x1_conv") == 61_500
    assert count(pose_i3d(5, 60, 12, units=128, features=True), *lstm) == 359_936
    everything = pose_i3d(20, 150, 60, states="last")
    assert everything.count_params() - ntu.count_params() == 3 * 12_294_544
    concatenated = pose_i3d(20, 150, 60, features=True).get_layer("part_attention")
    assert concatenated.count_params() == 20 * 512 * 128 + 128 + 387  # the paper's h^s
    alone = pose_classifier(20, 150, 60)
    assert count(alone, *lstm) == 5_556_224


@pytest.fixture
def short_trunk(monkeypatch):
    """Two of the nine blocks, and every end of a stream: built in a fifth of the time."""
    kept = ("MaxPool2d_4a_3x3", "MaxPool2d_5a_2x2", "Mixed_5b", "Mixed_5c")
    monkeypatch.setattr(i3d_module, "TRUNK", {name: i3d_module.TRUNK[name] for name in kept})


@pytest.mark.slow
@pytest.mark.parametrize("aggregate", list(STREAM_ENDS))
def test_rows_of_table_1(aggregate, short_trunk):
    keras.utils.set_random_seed(0)
    model = pose_i3d(**NARROW, aggregate=aggregate)
    x = batch(aggregate=aggregate)
    assert set(model.input) == set(x)
    assert model(x).shape == (2, 4)
    # From pooled features of the streams on, all is the same.
    if STREAM_ENDS[aggregate] != LAST:
        with pytest.raises(ValueError, match=f"{aggregate}.*features=True"):
            pose_i3d(**NARROW, aggregate=aggregate, features=True)
        return
    rest = pose_i3d(**NARROW, aggregate=aggregate, features=True)
    for layer in rest.layers:
        if layer.weights:
            layer.set_weights(model.get_layer(layer.name).get_weights())
    seen = {}
    for part in PARTS:
        alone = part_network(part, 4, 8, 32, Small(0.1))
        alone.get_layer(f"i3d_{part}").set_weights(model.get_layer(f"i3d_{part}").get_weights())
        pooled = keras.Model(alone.input, alone.get_layer(POOLED).output)
        seen[part] = np.asarray(pooled({part: x[part]}))
        assert seen[part].shape[1:] == feature_shape(8, 32, Small(0.1))
    np.testing.assert_allclose(rest({**x, **seen}), model(x), atol=1e-5)


@pytest.mark.slow
def test_the_aggregation_is_the_weighted_sum():
    keras.utils.set_random_seed(1)
    model = pose_i3d(**SMALL, features=True)
    attention = model.get_layer("part_attention")
    rng = np.random.default_rng(0)
    attention.set_weights([rng.normal(size=w.shape) for w in attention.get_weights()])
    x = batch(features=True)
    alpha = attention_maps(model, x)["parts"]
    assert alpha.shape == (2, 3)
    np.testing.assert_allclose(alpha.sum(axis=1), 1, rtol=1e-6)
    assert alpha.std() > 0.01
    summed = np.asarray(keras.Model(model.input, model.get_layer("aggregated").output)(x))
    expected = sum(alpha[:, k, None, None, None, None] * x[part] for k, part in enumerate(PARTS))
    np.testing.assert_allclose(summed, expected, atol=1e-6)
    plain = pose_i3d(**SMALL, aggregate="sum_0", features=True)
    assert attention_maps(plain, batch(features=True, aggregate="sum_0")) == {}


@pytest.mark.slow
def test_streams_take_published_weights_by_name():
    stream = pose_i3d(**SMALL).get_layer("i3d_left_hand")
    alone = i3d(frames=8, size=32, top=False)
    assert [v.path.split("/", 1)[-1] for v in stream.weights] == [
        v.path.split("/", 1)[-1] for v in alone.weights
    ]


def test_what_the_loss_adds():
    model = pose_i3d(**SMALL, features=True, lambda1=1e-3, lambda2=1e-3)
    model(batch(features=True))
    assert len(model.losses) == 4  # equal parts; W_h, W_s and the classifier


def test_lambda_2_of_all_matrices(short_trunk):
    """Eq. 5: W_uv, the matrix between any two layers; biases and normalization are none."""
    model = pose_i3d(**NARROW, lambda2=1e-3, regularized="all")
    model(batch())
    kernels = [w for w in model.trainable_weights if w.name in ("kernel", "recurrent_kernel")]
    lstm = {"kernel", "recurrent_kernel"}
    assert {w.name for w in model.get_layer("pose_lstm_2").weights} - {"bias"} == lstm
    attention = model.get_layer("part_attention").weights[::2]  # W_h and W_s
    every = {id(w): w for w in [*kernels, *attention]}.values()
    expected = 1e-3 * sum(float(np.square(w.numpy()).sum()) for w in every)
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-4)


def test_the_released_head(short_trunk):
    """A dense layer on the class outputs of all seven time steps of 64 frames."""
    model = pose_i3d(20, 150, 60, features=True, frames=64, states="last", head="dense")
    assert model.get_layer("Conv3d_6a_1x1_conv").count_params() == 61_500
    assert model.get_layer("logits").count_params() == 25_260
    alone = part_network("full_body", 4, 64, 32, Small(1 / 64), head="dense", head_l2=0.01)
    alone({"full_body": np.zeros((1, 64, 32, 32, 3), "f")})
    (loss,) = alone.losses
    kernel = alone.get_layer("logits").kernel.numpy()
    assert kernel.shape == (7 * 4, 4)
    assert float(loss) == pytest.approx(0.01 * np.square(kernel).sum(), rel=1e-5)
    with pytest.raises(ValueError, match="head='last' is unknown"):
        pose_i3d(**SMALL, features=True, head="last")


def test_wrong_choices_are_refused():
    with pytest.raises(ValueError, match="regularized='some' is unknown"):
        pose_i3d(**SMALL, regularized="some")
    with pytest.raises(ValueError, match="aggregate='sum_3' is unknown"):
        pose_i3d(**SMALL, aggregate="sum_3")
    with pytest.raises(ValueError, match="states='first' is unknown"):
        pose_i3d(**SMALL, states="first")


def test_a_narrow_network_for_small_data():
    full, narrow = i3d(frames=8, size=32), i3d(frames=8, size=32, small=Small(0.25, 0.9))
    assert [layer.name for layer in narrow.layers] == [layer.name for layer in full.layers]
    convolutions = [layer for layer in full.layers if layer.name.endswith("_conv")]
    for layer in convolutions[:-1]:  # the classifier keeps its classes
        assert narrow.get_layer(layer.name).filters == round(layer.filters / 4)
    assert narrow.get_layer("Conv3d_1a_7x7_bn").momentum == 0.9
    assert full.get_layer("Conv3d_1a_7x7_bn").momentum == 0.99


@pytest.mark.slow
def test_networks_of_the_stages_by_name(short_trunk):
    arguments = {"skeleton": "sbu", "classes": 4, "frames": 8, "size": 32, "units": 8, "width": 0.1}
    whole = build_model("pose_i3d", **arguments, bodies=1)
    assert {name: x.shape[1:] for name, x in whole.input.items()} == {
        "skeleton": (20, 45), **dict.fromkeys(PARTS, (8, 32, 32, 3)),
    }  # fmt: skip
    pose = build_model("pose_i3d", **arguments, only="pose")
    assert pose.input["skeleton"].shape == (None, 20, 90)
    for part in (*PARTS, "full_image"):
        for alone in ({"only": part}, {"aggregate": part}):
            network = build_model("pose_i3d", **arguments, **alone)
            assert network.name == part
            assert list(network.input) == [part]
            assert network.output.shape == (None, 4)
    with pytest.raises(ValueError, match="'both_feet'"):
        build_model("pose_i3d", aggregate="both_feet")


def test_the_pose_network_reads_every_joint_of_a_frame():
    clip = np.random.default_rng(0).normal(size=(7, 2, 15, 3))
    seen = joints(clip, get_skeleton("sbu"), "camera", unit=2.0)
    assert seen.shape == (7, 90)
    assert seen.dtype == np.float32
    np.testing.assert_allclose(seen[3], clip[3].ravel() / 2, rtol=1e-6)


@pytest.mark.slow
def test_the_weights_follow_the_hand_that_tells_the_class():
    """The skeleton says which hand acts; the other hand's features are as large, but noise."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)

    def draw(n):
        hand, label = rng.integers(0, 2, n), rng.integers(0, 3, n)
        x = {part: rng.normal(0, 2, (n, 2, 1, 1, 8)).astype("f") for part in PARTS}
        for k, part in enumerate(PARTS[:2]):
            told = rng.normal(0, 0.3, (n, 2, 1, 1, 8)) + 2 * np.eye(8)[label][:, None, None, None]
            x[part] = np.where((hand == k)[:, None, None, None, None], told, x[part]).astype("f")
        x["skeleton"] = (rng.normal(0, 0.3, (n, 4, 6)) + hand[:, None, None]).astype("f")
        return x, label, hand

    model = pose_i3d(
        4, 6, 3, frames=17, size=32, units=8, hidden=16, features=True, dropout=0.0, lambda1=1e-4,
        width=1 / 128,
    )  # fmt: skip
    assert model.input["left_hand"].shape[1:] == (2, 1, 1, 8)
    model.compile(
        keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    x, y, _ = draw(256)
    even = attention_maps(model, x)["parts"]
    np.testing.assert_allclose(even, 1 / 3, atol=1e-6)  # Algorithm 1, step 4
    model.fit(x, y, batch_size=32, epochs=25, verbose=0)
    x, y, hand = draw(256)
    alpha = attention_maps(model, x)["parts"]
    rows = np.arange(256)
    assert alpha[rows, hand].mean() > 0.8
    assert alpha[rows, 1 - hand].mean() < 0.1
    assert (model.predict(x, verbose=0).argmax(axis=1) == y).mean() > 0.9
