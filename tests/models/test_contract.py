"""What every model of `MODELS` keeps to, whatever its paper says: a new one is tested by being
there."""

import json
from functools import cache

import keras
import numpy as np
import pytest

from keras_skeleton.models.attention_maps import attention_maps
from keras_skeleton.models.registry import MODELS, build_model
from keras_skeleton.models.summary import flops
from keras_skeleton.recipes.registry import get_recipe
from keras_skeleton.recipes.settings import with_settings
from keras_skeleton.skeletons import get_skeleton
from keras_skeleton.utils.errors import UnknownNameError

SKELETON, CLASSES, BODIES, FRAMES, SIZE, BATCH = get_skeleton("sbu"), 4, 2, 8, 32, 2
# What makes a network small, where it declares it.
SMALL = {"units": 8, "hidden": 6, "steps": 5, "width": 0.05, "growth": 4}
# Every model is tested, these among the slow tests: variants of others, and large ones.
SLOW = (
    "mans33", "mans61", "mans_resnet18", "mans_densenet161", "stcm9", "stcm_densenet161",
    "sa_lstm", "ta_lstm", "sa_cnn", "ta_cnn", "pose_i3d",
)  # fmt: skip
MOST_ARE_SLOW = pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in MODELS]
)
MASKED = [
    pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name
    for name in MODELS
    if MODELS[name].sequence
]
ATTENTION = {  # all that a model has; one that is not here may have any
    "mans9": "frames", "mans33": "frames", "mans61": "frames", "mans_resnet18": "frames",
    "mans_densenet161": "frames", "stcm9": "", "stcm_densenet161": "", "lstm": "",
    "sa_lstm": "joints",
    "ta_lstm": "frames", "tap_lstm": "frames", "sta_lstm": "joints frames", "two_stream_cnn": "",
    "sa_cnn": "joints", "ta_cnn": "frames", "csta_cnn": "joints frames", "pose_i3d": "parts",
}  # fmt: skip


def frames_of(name):
    """T of the input; an image is square, and holds all joints."""
    entry = MODELS[name]
    return FRAMES if entry.sequence or entry.video else SIZE


def build(name, frames=None, **changes):
    """A small network with its paper's other choices."""
    entry = MODELS[name]
    small = {key: value for key, value in SMALL.items() if key in entry.options()}
    small |= entry.dataset_arguments(BODIES, SIZE if entry.video else None)
    return build_model(name, SKELETON, CLASSES, frames or frames_of(name), **{**small, **changes})


@cache
def built(name):
    """One network of every model, which no test changes."""
    keras.utils.set_random_seed(0)
    return build(name)


@pytest.fixture(scope="module", autouse=True)
def forgotten():
    """The networks are no burden for other modules."""
    yield
    built.cache_clear()


def inputs(name, frames=None, seed=0):
    """Random inputs of a network; the first clip of a model that masks ends with padding."""
    rng = np.random.default_rng(seed)

    def draw(tensor):
        shape = [frames or n if axis == 1 else n for axis, n in enumerate(tensor.shape)][1:]
        return rng.normal(size=(BATCH, *shape)).astype("float32")

    x = keras.tree.map_structure(draw, built(name).input)
    if MODELS[name].sequence:
        x[0, FRAMES - 3 :] = 0
    return x


def kind(tensor):
    return keras.backend.standardize_dtype(tensor.dtype)


@MOST_ARE_SLOW
def test_logits_and_attention(name):
    model, entry, x = built(name), MODELS[name], inputs(name)
    logits = model(x)
    assert model.name == name
    assert logits.shape == (BATCH, CLASSES)
    assert kind(logits) == "float32"
    assert np.isfinite(logits).all()
    assert np.ptp(np.asarray(logits)) > 0

    maps = attention_maps(model, x)
    if name in ATTENTION:
        assert set(maps) == set(ATTENTION[name].split())
    seen = len(entry.frame_index(FRAMES, frames_of(name)))  # steps of its time axis
    shapes = {
        "joints": {(BATCH, seen, BODIES * SKELETON.size)},
        "frames": {(BATCH, seen), (BATCH, seen, 3)},
        "parts": {(BATCH, 3)},
    }
    for key, values in maps.items():
        assert values.shape in shapes[key]
        assert np.isfinite(values).all()


@MOST_ARE_SLOW
def test_a_clip_becomes_an_input(name):
    entry, model = MODELS[name], built(name)
    clip = np.random.default_rng(0).normal(size=(FRAMES, BODIES, SKELETON.size, 3)) + [0, 0, 3]
    read = entry.preprocess(SKELETON, frames_of(name))
    found = read(clip.astype("float32"))
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    if entry.video:  # its pose network samples frames later
        assert found.shape == (FRAMES, model.input["skeleton"].shape[-1])
    else:
        assert found.shape == model.input.shape[1:]
    rows = entry.input_frame_index(FRAMES, frames_of(name))
    assert len(rows) == len(found)
    assert np.nanmin(rows) >= 0
    assert np.nanmax(rows) <= FRAMES - 1


@pytest.mark.slow
@pytest.mark.parametrize("name", MASKED)
def test_padding_changes_nothing(name):
    entry, x = MODELS[name], inputs(name)
    frames = entry.built_frames(frames_of(name))
    assert frames is None
    small = {key: value for key, value in SMALL.items() if key in entry.options()}
    model = entry.build(SKELETON, CLASSES, frames, **small, **entry.dataset_arguments(BODIES))
    model.set_weights(built(name).get_weights())
    longer = np.concatenate([x, np.zeros((BATCH, 7, *x.shape[2:]), "float32")], axis=1)
    np.testing.assert_allclose(model(longer), built(name)(x), atol=1e-5)
    np.testing.assert_allclose(model(x[:1, : FRAMES - 3]), built(name)(x)[:1], atol=1e-5)


def classes(config):
    """Every class that a configuration names: (module, class, registered name)."""
    if isinstance(config, dict):
        if "class_name" in config:
            yield config.get("module"), config["class_name"], config.get("registered_name")
        for value in config.values():
            yield from classes(value)
    elif isinstance(config, list | tuple):
        for value in config:
            yield from classes(value)


@pytest.mark.slow
@MOST_ARE_SLOW
def test_it_is_restored_from_its_configuration(name):
    model, x = built(name), inputs(name)
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(model)))
    for module, kind, registered in classes(config):
        assert kind != "Lambda"
        if (module or "").split(".")[0] != "keras" and not kind.startswith("__"):
            assert ">" in (registered or ""), f"{kind} is not registered"
            assert keras.saving.get_registered_object(registered) is not None
    again = keras.saving.deserialize_keras_object(config)
    assert [w.shape for w in again.weights] == [w.shape for w in model.weights]
    again.set_weights(model.get_weights())
    np.testing.assert_allclose(again(x), model(x), atol=1e-6)


def step(model, x):
    """A training step: its loss, and how many weights it has changed."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.01, clipnorm=1.0), loss, run_eagerly=True)
    before = [np.array(keras.ops.convert_to_numpy(w)) for w in model.trainable_weights]
    found = float(model.train_on_batch(x, np.arange(BATCH) % CLASSES))
    pairs = zip(before, model.trainable_weights, strict=True)
    return found, sum(not np.array_equal(a, keras.ops.convert_to_numpy(b)) for a, b in pairs)


@MOST_ARE_SLOW
def test_a_training_step(name):
    keras.utils.set_random_seed(0)
    model = build(name)
    loss, changed = step(model, inputs(name))
    assert np.isfinite(loss)
    assert changed > 0.8 * len(model.trainable_weights)  # a bias may have no gradient
    assert np.isfinite(model(inputs(name))).all()


@MOST_ARE_SLOW
def test_mixed_precision(name):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model, x = build(name), inputs(name)
        assert {kind(w) for w in model.trainable_weights} == {"float32"}
        assert "bfloat16" in {layer.compute_dtype for layer in model.layers}
        logits = model(x)
        assert kind(logits) == "float32"
        assert np.isfinite(logits).all()
        loss, changed = step(model, x)
        assert np.isfinite(loss)
        assert changed
    finally:
        keras.config.set_dtype_policy("float32")


@MOST_ARE_SLOW
def test_flops_are_counted(name):
    assert flops(built(name)) > 0


@MOST_ARE_SLOW
def test_what_does_not_fit_is_refused(name):
    with pytest.raises(TypeError, match="no_such_argument"):
        build(name, no_such_argument=1)
    with pytest.raises(UnknownNameError, match="no_such_argument"):
        with_settings(get_recipe(name, "any"), name, ["model.no_such_argument=1"])
    with pytest.raises(ValueError, match="classes=1"):
        build_model(name, SKELETON, classes=1)
    model, x = built(name), inputs(name)
    for wrong in (lambda a: a[..., 0], lambda a: np.concatenate([a, a], axis=-1)):
        with pytest.raises(ValueError):  # noqa: PT011 (the words are Keras')
            model(keras.tree.map_structure(wrong, x))
