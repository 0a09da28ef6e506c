"""The head of every model, and the features in front of it, pooled as NumPy would."""

import keras
import numpy as np
import pytest

from keras_skeleton.models.head import (
    features_at,
    head_layers,
    leaf_layers,
    named_layers,
    pooled_features,
)
from keras_skeleton.models.registry import MODELS, build_model
from keras_skeleton.skeletons import get_skeleton

SKELETON, CLASSES, FRAMES = get_skeleton("sbu"), 4, 8
SMALL = {"units": 8, "hidden": 6}
HEAVY = {
    "mans33", "mans61", "mans_resnet18", "mans_densenet161", "stcm_densenet161", "pose_i3d",
}  # fmt: skip
ONE_OF_A_FAMILY = ("mans9", "sta_lstm", "csta_cnn")
CHEAP = [
    name if name in ONE_OF_A_FAMILY else pytest.param(name, marks=pytest.mark.slow)
    for name in MODELS
    if name not in HEAVY
]

OWN = """
import keras

def build(skeleton, classes, frames=None, bodies=2, units=4):
    x = keras.Input((frames, bodies * skeleton.size, 3), name="skeleton")
    h = keras.layers.Reshape((-1, bodies * skeleton.size * 3))(x)
    h = keras.layers.Dropout(0.5)(keras.layers.Dense(units, name="hidden")(h))
    h = keras.layers.GlobalAveragePooling1D()(h)
    return keras.Model(x, keras.layers.Dense(classes, name="mine", dtype="float32")(h))

def nested(skeleton, classes, frames=None, bodies=2):
    x = keras.Input((frames, bodies * skeleton.size, 3))
    h = keras.layers.Reshape((-1, bodies * skeleton.size * 3))(x)
    h = keras.layers.LSTM(4)(h)
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(classes, name="inside")])
    return keras.Model(x, inner(h))

def strided(skeleton, classes, frames=None, bodies=2):
    x = keras.Input((frames, bodies * skeleton.size, 3))
    h = keras.layers.Reshape((-1, bodies * skeleton.size * 3))(x)
    h = keras.layers.Conv1D(5, 3, strides=2)(h)
    h = keras.layers.Dense(classes, name="scores")(h)
    return keras.Model(x, keras.layers.GlobalAveragePooling1D(name="logits")(h))

def unnamed(skeleton, classes, frames=None, bodies=2):
    x = keras.Input((frames, bodies * skeleton.size, 3))
    h = keras.layers.Reshape((-1, bodies * skeleton.size * 3))(x)
    h = keras.layers.Dense(5)(keras.layers.LSTM(4)(h))
    return keras.Model(x, keras.layers.Dense(classes)(h))

def two(skeleton, classes, frames=None, bodies=2):
    x = keras.Input((frames, bodies * skeleton.size, 3))
    h = keras.layers.Reshape((-1, bodies * skeleton.size * 3))(x)
    h = keras.layers.Dense(classes, name="first")(keras.layers.LSTM(4)(h))
    return keras.Model(x, keras.layers.Dense(classes, name="second")(h))
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    path = tmp_path_factory.mktemp("own") / "headed.py"
    path.write_text(OWN)
    return path


def small(name, **changes):
    """Arguments of a small network of two people."""
    entry = MODELS[name]
    found = {key: value for key, value in SMALL.items() if key in entry.options()}
    return {**found, **entry.dataset_arguments(2), **changes}


def network(name, frames=None):
    keras.utils.set_random_seed(0)
    model = build_model(name, SKELETON, CLASSES, frames, **small(name))
    return model, head_layers(model, name, SKELETON, CLASSES, frames=frames, **small(name))


def is_sequence(name):
    return MODELS[name].sequence


@pytest.mark.slow
@pytest.mark.parametrize("name", CHEAP)
def test_the_head_is_all_that_depends_on_the_classes(name):
    frames = FRAMES if is_sequence(name) else None
    model, head = network(name, frames)
    other = build_model(name, SKELETON, CLASSES + 3, frames, **small(name))
    named = {layer.name for layer in head}
    assert head
    assert all(CLASSES in variable.shape for layer in head for variable in layer.weights[-1:])
    for own_layer, its in zip(leaf_layers(model), leaf_layers(other), strict=True):
        same = [v.shape for v in own_layer.weights] == [v.shape for v in its.weights]
        assert same == (own_layer.name not in named)


@pytest.mark.slow
@pytest.mark.parametrize("name", CHEAP)
def test_names_of_layers_are_unique_and_the_same_in_every_build(name):
    """Weights are taken, frozen and slowed down by the names of layers, but Keras numbers those
    without a name throughout the process."""
    frames = FRAMES if is_sequence(name) else None
    one, other = (named_layers(network(name, frames)[0]) for _ in range(2))
    names = [own for own, _ in one]
    assert len(set(names)) == len(names)
    assert names == [own for own, _ in other]
    keras.utils.clear_session()
    first = [layer.name for layer in leaf_layers(network(name, frames)[0])]
    assert names == first  # as in a process that builds nothing else


def test_layers_of_nested_networks_have_names_of_their_own():
    def stream():
        return keras.Sequential([keras.Input((2,)), keras.layers.Dense(2), keras.layers.Dense(2)])

    x = keras.Input((2,))
    model = keras.Model(x, keras.layers.Dense(3, name="z")(stream()(x) + stream()(x)))
    names = [name for name, layer in named_layers(model) if layer.weights]
    assert names == [
        "sequential/dense", "sequential/dense_1", "sequential_1/dense", "sequential_1/dense_1", "z",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", CHEAP)
def test_features_have_one_vector_a_clip(name):
    model, head = network(name, FRAMES if is_sequence(name) else None)
    features, layer = pooled_features(model, head)
    assert len(features.shape) == 2
    assert features.shape[1] == head[0].weights[0].shape[-2]
    assert layer == head[0].name
    shape = [FRAMES if n is None else n for n in model.input.shape[1:]]
    x = np.random.default_rng(0).normal(size=(3, *shape)).astype("float32")
    found = keras.Model(model.input, features).predict_on_batch(x)
    assert np.isfinite(found).all()
    again = keras.Model(model.input, features_at(model, layer)).predict_on_batch(x)
    np.testing.assert_array_equal(again, found)


def padded_clips(frames, lengths=(8, 5, 1)):
    """Clips (B, frames, 30, 3) of these lengths, with zeros at the end."""
    x = np.zeros((len(lengths), frames, 30, 3), "float32")
    for b, n in enumerate(lengths):
        x[b, :n] = np.random.default_rng(b).normal(size=(n, 30, 3))
    return x


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lstm", "sa_lstm", "ta_lstm", "sta_lstm"])
def test_features_are_the_mean_over_the_frames_of_the_clip(name):
    model, head = network(name)
    x = padded_clips(FRAMES)
    features, layer = pooled_features(model, head)
    before = keras.Model(model.input, model.get_layer(layer).input).predict_on_batch(x)
    assert before.shape[:2] == (3, FRAMES)
    wanted = [before[b, :n].mean(axis=0) for b, n in enumerate((8, 5, 1))]
    found = keras.Model(model.input, features)
    np.testing.assert_allclose(found.predict_on_batch(x), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lstm", "sta_lstm", "csta_cnn"])
def test_features_do_not_depend_on_the_padding(name):
    """A clip is padded to the longest of its batch: 8 frames in training, more later."""
    model, head = network(name)
    found = keras.Model(model.input, pooled_features(model, head)[0])
    people = (2, 15, 3) if name == "csta_cnn" else (30, 3)
    clips = [padded_clips(T).reshape(3, T, *people) for T in (FRAMES, 3 * FRAMES)]
    short, long = map(found.predict_on_batch, clips)
    np.testing.assert_allclose(long, short, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_open_and_fixed_lengths_have_the_same_features():
    """Calibrations are fitted on networks of a fixed length and used on those of any length."""
    x = padded_clips(FRAMES)
    found = []
    for frames in (FRAMES, None):
        model, head = network("sta_lstm", frames)
        found.append(keras.Model(model.input, pooled_features(model, head)[0]).predict_on_batch(x))
    np.testing.assert_allclose(*found, rtol=1e-5, atol=1e-6)


def test_an_empty_clip_has_finite_features():
    model, head = network("lstm")
    features = keras.Model(model.input, pooled_features(model, head)[0])
    assert np.isfinite(features.predict_on_batch(np.zeros((2, 8, 30, 3), "float32"))).all()


def test_the_head_of_a_users_file(own):
    model, head = network(f"{own}:build")
    assert [layer.name for layer in head] == ["mine"]
    features, name = pooled_features(model, head)
    assert (features.shape[1], name) == (SMALL["units"], "mine")


def test_a_head_without_a_name_is_found_in_every_build(own):
    """A calibration names the layer, and is used with a network that is built later."""
    model, head = network(f"{own}:unnamed")
    features, name = pooled_features(model, head)
    assert (features.shape[1], name) == (5, "dense_1")
    later, head = network(f"{own}:unnamed")
    assert head[0].name != name
    later.set_weights(model.get_weights())
    x = padded_clips(FRAMES)
    found = keras.Model(later.input, features_at(later, name)).predict_on_batch(x)
    np.testing.assert_allclose(
        found, keras.Model(model.input, features).predict_on_batch(x), rtol=1e-5, atol=1e-6
    )
    with pytest.raises(ValueError, match="dense_7"):
        features_at(later, "dense_7")


def test_a_head_inside_a_nested_network_gives_the_logits(own):
    model, head = network(f"{own}:nested")
    assert [layer.name for layer in head] == ["inside"]
    features, name = pooled_features(model, head)
    assert name == ""
    x = padded_clips(FRAMES)
    found = keras.Model(model.input, features).predict_on_batch(x)
    np.testing.assert_allclose(found, model.predict_on_batch(x), rtol=1e-5)
    assert features_at(model, "").shape == features.shape


def test_two_layers_of_a_head_give_the_input_of_the_first(own):
    model, head = network(f"{own}:two")
    assert [layer.name for layer in head] == ["first", "second"]
    features, name = pooled_features(model, head)
    assert (features.shape[1], name) == (4, "first")


@pytest.mark.parametrize("frames", [None, 9])
def test_another_time_axis_than_the_clips_is_averaged_as_it_is(own, frames):
    """Strides shorten it, so the clip's frames say nothing about its rows."""
    model, head = network(f"{own}:strided", frames)
    x = padded_clips(9)
    features, name = pooled_features(model, head)
    before = keras.Model(model.input, model.get_layer(name).input).predict_on_batch(x)
    assert before.shape[1] == 4
    found = keras.Model(model.input, features).predict_on_batch(x)
    np.testing.assert_allclose(found, before.mean(axis=1), rtol=1e-5, atol=1e-6)


def test_without_a_head_the_logits_are_the_features():
    model, _ = network("mans9")
    assert pooled_features(model, [])[1] == ""


def test_features_are_float32_in_every_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model, head = network("lstm")
        assert keras.backend.standardize_dtype(pooled_features(model, head)[0].dtype) == "float32"
    finally:
        keras.config.set_dtype_policy("float32")
