"""Files of every layout go in, and nothing else does."""

import base64
import json
import marshal
import os
import subprocess
import sys
from functools import cache
from types import FunctionType

import h5py
import keras
import numpy as np
import pytest
from legacy_files import write_legacy

from keras_skeleton.checkpoints.weights import WeightsError, load_weights
from keras_skeleton.layers.grouped_gru import hard_sigmoid
from keras_skeleton.models.i3d import Small, i3d
from keras_skeleton.models.registry import MODELS, build_model

SMALL = {
    "sta_lstm": {"units": 6, "bodies": 1},
    "csta_cnn": {"bodies": 1},
    "mans9": {},
}
TINY = {"frames": 8, "size": 32, "width": 1 / 16}  # of I3D
EVERY = {
    **{name: {} for name in MODELS},
    **{name: {"frames": 16} for name in ("mans9", "mans33", "mans61", "mans_resnet18", "stcm9")},
    **{name: {"frames": 32, "growth": 4} for name in ("mans_densenet161", "stcm_densenet161")},
    "pose_i3d": {**TINY, "units": 4, "steps": 3},
    "sta_lstm in both directions": {"bidirectional": True, "units": 6},
}
# These are built once: source and target in one.
DENSENETS = ("mans_densenet161", "stcm_densenet161")
SLOW = {"mans33", "mans61", "mans_resnet18", *DENSENETS, "pose_i3d"}


def network(name="sta_lstm", seed=0, classes=3):
    keras.utils.set_random_seed(seed)
    return build_model(name, "kinect_v1", classes, **SMALL[name])


@cache
def fixed(seed=0):
    """A network that no test changes."""
    return network(seed=seed)


def outputs(model):
    """For fixed random inputs; sizes that the network leaves open are 12."""
    random = np.random.default_rng(0)
    batch = keras.tree.map_structure(
        lambda x: random.normal(size=[3, *(size or 12 for size in x.shape[1:])]).astype("f"),
        model.input,
    )
    return np.asarray(model(batch, training=False))


WRITERS = {
    "Keras 3": lambda model, path: model.save_weights(path),
    "legacy weights": write_legacy,
    "legacy model": lambda model, path: write_legacy(model, path, "model_weights"),
}


@pytest.mark.parametrize("layout", WRITERS)
@pytest.mark.parametrize(
    "name", [n if n == "csta_cnn" else pytest.param(n, marks=pytest.mark.slow) for n in SMALL]
)
def test_every_layout_loads(name, layout, tmp_path):
    source, target = network(name), network(name, seed=1)
    path = tmp_path / "any_name.weights.h5"  # the file says what it is, not its name
    WRITERS[layout](source, path)
    before = outputs(target)
    assert np.abs(before - outputs(source)).max() > 1e-3
    result = load_weights(target, path)
    assert result.layout == layout
    assert result.whole
    assert len(result.loaded) >= len(target.weights) - sum(
        "seed_generator" in v.path for v in target.weights
    )
    np.testing.assert_allclose(outputs(target), outputs(source), atol=1e-6)


def randomly(model):
    """Something else in what begins alike, as biases and statistics do."""
    random = np.random.default_rng(5)
    for v in model.variables:
        if v.dtype == "float32" and len(v.shape) < 3:
            v.assign(np.abs(v.numpy() + random.normal(0, 0.1, v.shape)))


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY)
def test_legacy_files_of_every_model_load(name, tmp_path):
    keras.utils.set_random_seed(0)
    source = build_model(name.split()[0], "kinect_v1", 3, **EVERY[name])
    randomly(source)
    write_legacy(source, tmp_path / "weights.h5")
    expected = outputs(source)
    assert np.isfinite(expected).all()
    target = source
    if name in SLOW:
        for v in source.weights:
            v.assign(v * 0)
    else:  # its layers without a name of their own have other numbers
        target = build_model(name.split()[0], "kinect_v1", 3, **EVERY[name])
        assert np.abs(outputs(target) - expected).max() > 1e-4
    assert load_weights(target, tmp_path / "weights.h5").whole
    np.testing.assert_allclose(outputs(target), expected, atol=1e-6)


@pytest.mark.parametrize("layout", WRITERS)
def test_what_does_not_fit_changes_nothing_unless_asked(layout, tmp_path):
    source, target = network(classes=5), network(seed=1)
    path = tmp_path / "five.weights.h5"
    WRITERS[layout](source, path)
    before = [v.numpy() for v in target.variables]
    with pytest.raises(WeightsError, match=r"do not fit this network .*differ 2: .*in the file"):
        load_weights(target, path)
    for value, kept in zip(target.variables, before, strict=True):
        np.testing.assert_array_equal(value.numpy(), kept)
    result = load_weights(target, path, partial=True)
    assert not result.whole
    assert len(result.differ) == 2  # kernel and bias of the scores
    assert not result.missing
    lstm = "main_lstm_1"
    for one, other in zip(
        target.get_layer(lstm).weights, source.get_layer(lstm).weights, strict=True
    ):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    kernel = target.get_layer("main_scores").kernel
    kept = next(b for v, b in zip(target.variables, before, strict=True) if v is kernel)
    np.testing.assert_array_equal(kernel.numpy(), kept)


def test_missing_and_unexpected_are_named(tmp_path):
    path = tmp_path / "w.h5"
    write_legacy(network(), path)
    with h5py.File(path, "a") as file:
        names = file.attrs["layer_names"].tolist()
        names[names.index("main_scores")] = "other"
        file.attrs["layer_names"] = [n.encode() for n in names]
        file.create_group("other").create_dataset("k", data=np.zeros(3))
        file["other"].attrs["weight_names"] = [b"k"]
    target = network()
    with pytest.raises(WeightsError, match="missing 2: main_scores/0.*unexpected 1: other/0"):
        load_weights(target, path)
    result = load_weights(target, path, partial=True)
    assert result.missing == ("main_scores/0", "main_scores/1")
    assert result.unexpected == ("other/0",)


def test_a_gru_from_before_keras_2_3(tmp_path):
    """Its bias is a vector: it fits a network that is built like it, and no other."""

    def model(reset_after):
        x = keras.Input((5, 4))
        return keras.Model(x, keras.layers.GRU(3, reset_after=reset_after, name="gru")(x))

    path = tmp_path / "gru.h5"
    old = model(False)
    write_legacy(old, path)
    with pytest.raises(WeightsError, match="reset_after=False"):
        load_weights(model(True), path)
    new = model(False)
    load_weights(new, path)
    np.testing.assert_allclose(outputs(new), outputs(old), atol=1e-6)


@pytest.mark.slow
def test_an_optimizer_in_the_file_plays_no_part(tmp_path):
    source, target = network(), network(seed=1)
    for model in (source, target):
        model.compile("adam", loss="mse")
        model.optimizer.build(model.trainable_variables)
    source.save_weights(tmp_path / "w.weights.h5")
    kept = [v.numpy() for v in target.optimizer.variables]
    assert load_weights(target, tmp_path / "w.weights.h5").whole
    np.testing.assert_allclose(outputs(target), outputs(source), atol=1e-6)
    for value, before in zip(target.optimizer.variables, kept, strict=True):
        np.testing.assert_array_equal(value.numpy(), before)
    assert load_weights(network(seed=2), tmp_path / "w.weights.h5").whole


def test_long_lists_of_names_come_in_parts(tmp_path):
    path, source, target = tmp_path / "w.h5", network(), network(seed=1)
    write_legacy(source, path)
    with h5py.File(path, "a") as file:
        names = file.attrs["layer_names"].tolist()
        del file.attrs["layer_names"]
        file.attrs["layer_names0"], file.attrs["layer_names1"] = names[:3], names[3:]
    assert load_weights(target, path).whole


@pytest.mark.slow
def test_a_network_that_was_wrapped_for_several_gpus(tmp_path):
    """Keras 2 stored it as one layer of another: first all that is trained, then the rest."""
    source, target = (i3d(3, 8, 32, small=Small(1 / 16)) for _ in range(2))
    randomly(source)
    trained = [v for layer in source.layers for v in layer.trainable_weights]
    rest = [v for layer in source.layers for v in layer.non_trainable_weights]
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.attrs["layer_names"] = ["video", "model_1"]
        file.create_group("video").attrs["weight_names"] = np.zeros(0, "S1")
        group = file.create_group("model_1")
        group.attrs["weight_names"] = [f"{v.path}:0" for v in trained + rest]
        for v in trained + rest:
            group[f"{v.path}:0"] = v.numpy()
    assert load_weights(target, tmp_path / "w.h5").whole
    np.testing.assert_allclose(outputs(target), outputs(source), atol=1e-6)


# ---------------------------------------------------------------- the Keras port of I3D


@pytest.mark.slow
def test_the_i3d_ports_file(tmp_path):
    """Normalisation without scale: beta, mean, variance. The classifier may lack or differ."""
    source = i3d(3, 8, 32, small=Small(1 / 16))
    randomly(source)
    write_legacy(source, tmp_path / "top.h5")
    bare = i3d(frames=8, size=32, top=False, small=Small(1 / 16))
    bare.set_weights(source.get_weights()[: len(bare.weights)])
    write_legacy(bare, tmp_path / "no_top.h5", "model_weights")

    target = i3d(3, 8, 32, small=Small(1 / 16))
    target.trainable = False  # changes nothing in the order of its arrays
    assert load_weights(target, tmp_path / "top.h5").whole
    np.testing.assert_allclose(outputs(target), outputs(source), atol=1e-6)

    with pytest.raises(WeightsError, match="missing 2: Conv3d_6a_1x1_conv/0, Conv3d_6a_1x1_conv/1"):
        load_weights(target, tmp_path / "no_top.h5")
    assert len(load_weights(target, tmp_path / "no_top.h5", partial=True).missing) == 2
    with pytest.raises(WeightsError, match="unexpected 2: Conv3d_6a_1x1_conv/0"):
        load_weights(bare, tmp_path / "top.h5")
    other = i3d(5, 8, 32, small=Small(1 / 16))
    with pytest.raises(WeightsError, match="differ 2: Conv3d_6a_1x1_conv/0: .*, 3.* in the file"):
        load_weights(other, tmp_path / "top.h5")
    result = load_weights(other, tmp_path / "top.h5", partial=True)
    assert len(result.differ) == 2
    assert len(result.loaded) == len(bare.weights)


# ---------------------------------------------------------------- files that mean harm


def linked(tmp_path, make):
    """A file of weights one of whose arrays was replaced."""
    path = tmp_path / "bad.weights.h5"
    fixed().save_weights(path)
    with h5py.File(path, "a") as file:
        del file["layers/lstm/cell/vars/0"]
        make(file, "layers/lstm/cell/vars/0")
    return path


def external(tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["data"] = np.ones((60, 24), "f")

    def make(file, name):
        file[name] = h5py.ExternalLink(tmp_path / "secret.h5", "data")

    return linked(tmp_path, make)


def soft(tmp_path):
    def make(file, name):
        file[name] = h5py.SoftLink("/layers/lstm_1/cell/vars/0")

    return linked(tmp_path, make)


def virtual(tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["data"] = np.ones((60, 24), "f")
    layout = h5py.VirtualLayout((60, 24), "f")
    layout[:] = h5py.VirtualSource(tmp_path / "secret.h5", "data", (60, 24))
    return linked(tmp_path, lambda file, name: file.create_virtual_dataset(name, layout))


def stored_outside(tmp_path):
    (tmp_path / "secret").write_bytes(b"\0" * 60 * 24 * 4)

    def make(file, name):
        place = [(str(tmp_path / "secret"), 0, h5py.h5f.UNLIMITED)]
        file.create_dataset(name, (60, 24), "f", external=place)

    return linked(tmp_path, make)


def huge(tmp_path):
    def make(file, name):
        file.create_dataset(name, (1 << 20, 1 << 20), "f", chunks=(1024, 1024), compression=9)

    return linked(tmp_path, make)


def whole_numbers(tmp_path):
    return linked(
        tmp_path, lambda file, name: file.create_dataset(name, data=np.ones((60, 24), int))
    )


def texts(tmp_path):
    return linked(
        tmp_path, lambda file, name: file.create_dataset(name, (60, 24), h5py.string_dtype())
    )


def cut(tmp_path):
    path = linked(
        tmp_path, lambda file, name: file.create_dataset(name, data=np.ones((60, 24), "f"))
    )
    path.write_bytes(path.read_bytes()[:2000])
    return path


def circle(tmp_path):
    def make(file, name):
        file["layers/lstm/cell/vars/0"] = file["layers"]

    return linked(tmp_path, make)


def no_weights(tmp_path):
    path = tmp_path / "table.h5"
    with h5py.File(path, "w") as file:
        file["numbers"] = np.ones(3)
    return path


def other_text(tmp_path):
    path = tmp_path / "notes.h5"
    path.write_text("weights")
    return path


def hidden_link(tmp_path):
    path = tmp_path / "legacy.h5"
    write_legacy(fixed(), path)
    with h5py.File(path, "a") as file:
        group = file["main_lstm_1"]
        del group["main_lstm_1"]
        group["main_lstm_1"] = h5py.SoftLink("/main_lstm_2/main_lstm_2")
    return path


def link_in_the_middle(tmp_path):
    path = tmp_path / "legacy.h5"
    write_legacy(fixed(), path, "model_weights")
    with h5py.File(path, "a") as file:
        root = file["model_weights"]
        names = root.attrs["layer_names"].tolist()
        root["elsewhere"] = h5py.SoftLink("/model_weights")
        root.attrs["layer_names"] = [f"elsewhere/{name}" for name in names]
    return path


def model_elsewhere(tmp_path):
    with h5py.File(tmp_path / "elsewhere.h5", "w") as file:
        file["model_weights"] = 1.0
    path = tmp_path / "linked.h5"
    with h5py.File(path, "w") as file:
        file["model_weights"] = h5py.ExternalLink(tmp_path / "elsewhere.h5", "model_weights")
    return path


def numbers_for_a_layer(tmp_path):
    path = tmp_path / "legacy.h5"
    write_legacy(fixed(), path)
    with h5py.File(path, "a") as file:
        names = file["main_lstm_1"].attrs["weight_names"]
        del file["main_lstm_1"]
        file["main_lstm_1"] = np.ones(3)
        file["main_lstm_1"].attrs["weight_names"] = names
    return path


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (external, "is a link"), (soft, "is a link"), (virtual, "outside the file"),
        (stored_outside, "outside the file"), (huge, "in the file"),
        (whole_numbers, "int64 in the file, float32"), (texts, "in the file"),
        (cut, "not a readable"), (circle, "too many groups"),
        (no_weights, "neither layers nor"), (other_text, "not a readable"),
        (hidden_link, "is a link"),
        (link_in_the_middle, "is a link"), (model_elsewhere, "is a link"),
        (numbers_for_a_layer, "is not a group"),
    ],
)  # fmt: skip
def test_harm_is_refused_in_one_sentence(make, why, tmp_path):
    path, target = make(tmp_path), fixed(seed=1)
    before = [v.numpy() for v in target.variables]
    with pytest.raises(WeightsError, match=why) as caught:
        load_weights(target, path)
    assert "\n" not in str(caught.value)
    for value, kept in zip(target.variables, before, strict=True):
        np.testing.assert_array_equal(value.numpy(), kept)


def test_a_lambda_in_the_file_is_not_run(tmp_path):
    """A whole model of Keras 2 holds the code of its Lambda layers; only weights are taken."""
    marker, path = tmp_path / "was_run", tmp_path / "model.h5"

    def harm(x, marker=str(marker)):
        open(marker, "w").close()
        return x

    code = base64.b64encode(marshal.dumps(harm.__code__)).decode()
    function = {"function": [code, [str(marker)], None], "function_type": "lambda"}
    config = {"class_name": "Lambda", "name": "harm", "config": {"name": "harm", **function}}
    source, target = network(), network(seed=1)
    write_legacy(source, path, "model_weights")
    with h5py.File(path, "a") as file:
        whole = {"class_name": "Model", "config": {"name": "m", "layers": [config]}}
        file.attrs["model_config"] = json.dumps(whole).encode()
        file.attrs["training_config"] = json.dumps({"loss": config}).encode()
    assert load_weights(target, path).whole
    np.testing.assert_allclose(outputs(target), outputs(source), atol=1e-6)
    assert not marker.exists()
    stored = marshal.loads(base64.b64decode(code))  # and it would have left it
    FunctionType(stored, {"open": open}, argdefs=(str(marker),))(0)
    assert marker.exists()


def test_no_file(tmp_path):
    with pytest.raises(WeightsError, match="no such file"):
        load_weights(fixed(), tmp_path / "none.h5")


# ---------------------------------------------------------------- files of Keras 2 itself


KEPT = {"legacy weights": "m.save_weights", "legacy model": "m.save"}


@pytest.fixture(scope="module")
def keras_2(tmp_path_factory):
    """A folder with files of tf_keras, which runs in a process of its own, and its outputs."""
    pytest.importorskip("tf_keras", reason="Keras 2 is in requirements-dev.txt")
    folder = tmp_path_factory.mktemp("keras_2")
    saves = "\n".join(f"{save}(r'{folder / layout}.h5')" for layout, save in KEPT.items())
    code = f"""
import numpy as np, tf_keras as k
k.utils.set_random_seed(0)
x = k.Input((7, 4))
h = k.layers.GRU(5, return_sequences=True, reset_after=False,
                 recurrent_activation="hard_sigmoid", name="old_gru")(x)
h = k.layers.Bidirectional(k.layers.LSTM(3, return_sequences=True, name="lstm"), name="both")(h)
h = k.layers.Conv1D(6, 3, name="conv")(h)
h = k.layers.BatchNormalization(name="norm")(h)
y = k.layers.Dense(2, name="scores")(k.layers.GlobalAveragePooling1D(name="mean")(h))
m = k.Model(x, y)
m.get_layer("norm").set_weights([np.linspace(a, b, 6) for a, b in ((1, 2), (0, 1), (2, 3), (1, 4))])
{saves}
np.save(r"{folder / "outputs.npy"}", m(np.linspace(-1, 1, 84, dtype="f").reshape(3, 7, 4)))
"""
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], check=True, capture_output=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )  # fmt: skip
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("layout", KEPT)
def test_files_that_keras_2_has_written(layout, keras_2):
    expected = np.load(keras_2 / "outputs.npy", allow_pickle=False)
    x = keras.Input((7, 4))
    h = keras.layers.GRU(
        5, return_sequences=True, reset_after=False, recurrent_activation=hard_sigmoid,
        name="old_gru",
    )(x)  # fmt: skip
    lstm = keras.layers.LSTM(3, return_sequences=True, name="lstm")
    h = keras.layers.Bidirectional(lstm, name="both")(h)
    h = keras.layers.Conv1D(6, 3, name="conv")(h)
    h = keras.layers.BatchNormalization(name="norm")(h)
    h = keras.layers.GlobalAveragePooling1D(name="mean")(h)
    model = keras.Model(x, keras.layers.Dense(2, name="scores")(h))
    assert load_weights(model, keras_2 / f"{layout}.h5").layout == layout
    found = model(np.linspace(-1, 1, 84, dtype="f").reshape(3, 7, 4)).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)
