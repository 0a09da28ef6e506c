"""Parameter counts of the paper's networks as integers, and that they train on every backend."""

import keras
import numpy as np
import pytest

from keras_skeleton import attention_maps, build_model
from keras_skeleton.models.registry import MODELS
from keras_skeleton.models.summary import flops, summary
from keras_skeleton.skeletons import SKELETONS

# 60 classes; from the paper's Table 5 (0.8M, 3.1M, 5.7M, 12.0M, 27.6M) to the last weight.
COUNTS = {
    "mans9": 857_781,
    "mans33": 3_081_141,
    "mans61": 5_675_061,
    "mans_resnet18": 12_002_854,
    "mans_densenet161": 27_609_222,
    "stcm9": 688_572,
    "stcm_densenet161": 26_824_476,
}


def images(count=8, size=50, seed=0):
    return np.random.default_rng(seed).normal(size=(count, size, size, 3)).astype("float32")


SLOW = ("mans61", "mans_densenet161", "stcm_densenet161")


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in COUNTS]
)
def test_parameter_counts(name):
    model = build_model(name, classes=60)
    assert model.count_params() == COUNTS[name]
    size = 224 if name.endswith(("resnet18", "densenet161")) else 50
    assert model.input_shape == (None, size, size, 3)
    assert model.output_shape == (None, 60)


@pytest.mark.slow
def test_the_released_densenet_has_its_weights():
    """27,829,158 with the attention's; its Scale layers have 2 * 109,968."""
    model = build_model("mans_densenet161", classes=60, densenet="released")
    assert model.count_params() == 27_829_158
    with pytest.raises(ValueError, match="densenet='ours' is unknown"):
        build_model("mans9", densenet="ours")


@pytest.mark.parametrize(("name", "layers"), [
    ("mans9", 9), ("mans33", 33), pytest.param("mans61", 61, marks=pytest.mark.slow),
])  # fmt: skip
def test_depth_is_in_the_name(name, layers):
    """n counts the 5x5 and 3x3 convolutions; the 1x1 one sits on a shortcut."""
    convolutions = [
        layer for layer in build_model(name).layers if isinstance(layer, keras.layers.Conv2D)
    ]
    assert sum(layer.kernel_size != (1, 1) for layer in convolutions) == layers


def test_stages_have_the_sizes_of_table_2():
    model = build_model("mans9")
    sizes = [
        tuple(layer.output.shape[1:])
        for layer in model.layers
        if isinstance(layer, keras.layers.Add)
    ]
    assert sizes == [
        (50, 50, 3), (25, 25, 64), (25, 25, 64), (13, 13, 128), (13, 13, 128),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("attention", "total", "frozen"),
    [("learned", 857_781, 0), ("frozen", 857_781, 1059), ("none", 856_722, 0)],
)
def test_attention_variants(attention, total, frozen):
    model = build_model("mans9", attention=attention)
    assert model.count_params() == total
    moving = 1664  # statistics of batch normalisation
    assert sum(int(np.prod(w.shape)) for w in model.non_trainable_weights) == moving + frozen


def test_attention_of_both_kinds():
    maps = attention_maps(build_model("mans9", classes=5), images())
    assert maps["frames"].shape == (8, 50, 3)
    assert 0 < maps["frames"].min() < maps["frames"].max() < 1
    gate = attention_maps(build_model("mans9", classes=5, attention="frame_gate"), images())
    assert gate["frames"].shape == (8, 50, 3)
    assert gate["frames"].min() >= 0


def test_released_gates_differ():
    plain = build_model("mans9", classes=5)
    released = build_model("mans9", classes=5, recurrent_activation="hard_sigmoid")
    released.set_weights(plain.get_weights())
    difference = np.abs(np.asarray(plain(images())) - np.asarray(released(images()))).max()
    assert 1e-5 < difference < 1


def test_every_skeleton_becomes_an_image():
    for name, layout in SKELETONS.items():
        clip = np.random.default_rng(0).normal(size=(70, 1, layout.size, 3))
        choices = {"time": "interpolate", "joints": "interpolate"}
        if not layout.hips:  # a hand
            with pytest.raises(ValueError, match="has no hips"):
                MODELS["mans9"].preprocess(layout, **choices)(clip)
            choices["coordinates"] = "camera"
        read = MODELS["mans9"].preprocess(layout, **choices)
        assert read(clip).shape == (50, 50, 3), name
    rows = MODELS["mans9"].frame_index(70, time="interpolate")
    assert rows[0] == 0
    assert rows[-1] == 69


@pytest.mark.slow
def test_overfits_a_few_images():
    keras.utils.set_random_seed(0)
    model = build_model("mans9", classes=4, dropout=0.0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"], jit_compile=True)
    labels = np.arange(8) % 4
    history = model.fit(images(), labels, batch_size=8, epochs=12, verbose=0).history
    assert history["accuracy"][-1] == 1
    assert history["loss"][-1] < 0.5 * history["loss"][0]


def test_info_counts_flops():
    model = build_model("stcm9", classes=10)
    # Convolutions of Table 2, by hand: kernel * kernel * in * out * height * width, twice.
    macs = 25 * 3 * 64 * 25**2 + 4 * 9 * 64 * 64 * 25**2
    macs += (9 * 64 * 128 + 3 * 9 * 128 * 128 + 64 * 128) * 13**2 + 128 * 10
    assert flops(model) == 2 * macs
    text = summary(build_model("mans9"))
    assert "857,781 parameters" in text
    assert "frame_attention" in text


def test_wrong_names_suggest_the_nearest():
    with pytest.raises(ValueError, match="unknown model 'man9'. Did you mean 'mans9'"):
        build_model("man9")
