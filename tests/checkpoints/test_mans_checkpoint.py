"""Files as the released code of MANs wrote them, written by Keras 2 from the same network.

The network follows MANs_9.py (memory-attention-networks/MANs, 2018-12-05): layers without names,
three branches, Dropout of rate 0 behind convolutions, attention that is no part of the file.
"""

import os
import re
import subprocess
import sys

import h5py
import numpy as np
import pytest

from keras_skeleton.checkpoints.weights import WeightsError, load_weights
from keras_skeleton.models.registry import build_model

# `wrapped` is what the released training stores: a network that gives a part of the batch to each
# GPU. Attention is a layer without weights, as the Lambda of the released code is to Keras.
WRITER = """
import sys
import numpy as np, tf_keras as k
L = k.layers

def norm(x):
    return L.Activation("relu")(L.BatchNormalization()(x))

def conv(x, filters, size, strides=1, padding="same"):
    return L.Dropout(0)(L.Conv2D(filters, size, strides=strides, padding=padding)(x))

class Attention(L.Layer):
    def __init__(self, axis, **more):
        super().__init__(**more)
        self.axis = axis
        L.Dense(3), L.Dense(50)  # made inside of the Lambda: they use up two names

    def get_config(self):
        return {**super().get_config(), "axis": self.axis}

    def call(self, both):
        x, f = both
        w1, b1, w2, b2 = (a[self.axis] for a in attention_weights)
        hidden = k.activations.relu(k.backend.mean(x, axis=-1) @ w1 + b1)
        return f * k.activations.sigmoid(hidden @ w2 + b2)[..., None]

def mans(blocks, attention, S):
    image = k.Input((S, S, 3), name="data")
    branches = []
    for axis in range(3):
        rows = L.Reshape((S, S))(L.Lambda(lambda x, axis=axis: x[..., axis])(image))
        x = L.Dense(64)(rows)
        f = L.Bidirectional(L.GRU(64, dropout=0.5, recurrent_dropout=0.5, return_sequences=True,
            recurrent_activation="hard_sigmoid", reset_after=False), merge_mode="sum")(x)
        if attention:
            f = Attention(axis)([x, f])
        branches.append(L.Reshape((S, S, 1))(L.add([rows, L.Dense(S)(f)])))
    x = norm(conv(L.concatenate(branches), 64, 5, 2))
    for stage, filters in enumerate((64, 128)):
        for block in range(blocks):
            strides = 2 if stage and not block else 1
            y = x if not stage and not block else norm(x)
            y = conv(norm(conv(y, filters, 3, strides)), filters, 3)
            if strides == 2:
                x = conv(x, filters, 1, 2, "valid")
            x = L.add([x, y])
    x = L.Flatten()(L.AveragePooling2D((S + 3) // 4, 1)(norm(x)))
    return k.Model(image, L.Dense(60, activation="softmax")(x))

def wrapped(m):
    image = k.Input((50, 50, 3), name="data")
    parts = [m(L.Lambda(lambda x, part=part: x[part::2])(image)) for part in (0, 1)]
    return k.Model(image, L.concatenate(parts, axis=0))

k.utils.set_random_seed(0)
random = np.random.default_rng(0)
images = random.normal(0, 0.5, (2, 50, 50, 3)).astype("f")
shapes = (3, 50, 3), (3, 3), (3, 3, 50), (3, 50)
attention_weights = [random.normal(0, 1, shape).astype("f") for shape in shapes]
np.savez("attention.npz", *attention_weights)
np.save("images.npy", images)
made = ("plain", 2, False, 50), ("gated", 2, True, 50), ("deep", 8, False, 16)
for name, blocks, attention, S in made:
    m = mans(blocks, attention, S)
    random = np.random.default_rng(1)
    for v in m.weights:
        if len(v.shape) == 1:  # these begin all alike
            v.assign(abs(v + random.normal(0, 0.1, v.shape)))
    if name == "plain":
        m.save("plain_model.h5")
    if attention:
        wrapped(m).save("gated_wrapped.hdf5")
    else:
        m.save_weights(f"{name}_weights.h5")
    np.save(f"{name}.npy", m.predict(images[:, :S, :S], verbose=0))
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with files and their networks' outputs."""
    pytest.importorskip("tf_keras", reason="Keras 2 is in requirements-dev.txt")
    folder = tmp_path_factory.mktemp("released")
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WRITER], check=True, capture_output=True, cwd=folder,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )  # fmt: skip
    return folder


def network(name="mans9", classes=60, **arguments):
    return build_model(name, "kinect_v2", classes, recurrent_activation="hard_sigmoid", **arguments)


def probabilities(model, files):
    S = model.input_shape[1]
    images = np.load(files / "images.npy")[:, :S, :S]
    logits = np.asarray(model(images, training=False), np.float64)
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def write_released(model, path):
    """Its weights as the released code's: a layer for each coordinate, named by its number."""

    def values(layer, k=slice(None)):
        return {v.name: v.numpy()[k] for v in layer.weights}

    layers = {}
    for k in range(3):
        layers[f"dense_{2 * k + 1}"] = values(model.get_layer("tarm_in"), k)
        layers[f"dense_{2 * k + 2}"] = values(model.get_layer("tarm_out"), k)
        layers[f"bidirectional_{k + 1}"] = {
            f"{way}_gru_{k + 1}/{name}": value
            for way, start in (("forward", 0), ("backward", 3))
            for name, value in values(model.get_layer("memory"), start + k).items()
        }
    layers["dense_7"] = values(model.get_layer("logits"))
    for kind in ("Conv2D", "BatchNormalization"):
        name = {"Conv2D": "conv2d"}.get(kind, "batch_normalization")
        of_kind = [layer for layer in model.layers if type(layer).__name__ == kind]
        of_kind.sort(key=lambda layer: [*map(int, re.findall(r"_(\d+)$", layer.name))])
        layers |= {f"{name}_{i}": values(layer) for i, layer in enumerate(of_kind, 1)}
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in reversed(layers)]
        for layer, arrays in layers.items():
            group = file.create_group(layer)
            names = [f"{layer}/{name}:0" for name in arrays]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, value in zip(names, arrays.values(), strict=True):
                group.create_dataset(name, data=value)


def test_the_layout_of_released_files(tmp_path):
    """As the slow tests below, without Keras 2: the same names, written here."""
    rng = np.random.default_rng(0)
    source, target = (network(frames=16, attention="none") for _ in range(2))
    source.set_weights([rng.normal(0.1, 0.1, w.shape) ** 2 for w in source.get_weights()])
    write_released(source, tmp_path / "w.h5")
    result = load_weights(target, tmp_path / "w.h5")
    assert result.whole
    assert result.layout == "legacy weights"
    for value, expected in zip(target.weights, source.weights, strict=True):
        np.testing.assert_array_equal(value.numpy(), expected.numpy(), err_msg=value.path)
    gated = network(frames=16)
    with pytest.raises(WeightsError, match=r"missing 4: frame_attention/0.*partial=True"):
        load_weights(gated, tmp_path / "w.h5")
    result = load_weights(gated, tmp_path / "w.h5", partial=True)
    assert result.missing == tuple(f"frame_attention/{i}" for i in range(4))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "layout"),
    [("plain_weights.h5", "legacy weights"), ("plain_model.h5", "legacy model")],
)
def test_a_released_file_fits_a_network_without_attention(file, layout, files):
    model = network(attention="none")
    result = load_weights(model, files / file)
    assert result.whole
    assert result.layout == layout
    assert len(result.loaded) == len(model.weights)
    found, expected = probabilities(model, files), np.load(files / "plain.npy")
    assert np.ptp(expected, axis=0).max() > 1e-4  # the outputs say something
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.slow
def test_the_attention_was_never_stored(files):
    """Dense layers inside a Lambda: in no file, though they used up names."""
    model, file = network(attention="frozen"), files / "gated_wrapped.hdf5"
    before = [value.numpy() for value in model.weights]
    with pytest.raises(WeightsError, match=r"missing 4: frame_attention/0.*partial=True"):
        load_weights(model, file)
    for value, kept in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(value.numpy(), kept)
    result = load_weights(model, file, partial=True)
    assert result.missing == tuple(f"frame_attention/{i}" for i in range(4))
    assert not result.unexpected
    assert not result.differ
    for value, kept in zip(model.weights, before, strict=True):
        own = value.path.startswith("frame_attention/")
        assert np.array_equal(value.numpy(), kept) == own, value.path
    with np.load(files / "attention.npz") as weights:
        model.get_layer("frame_attention").set_weights([*weights.values()])
    np.testing.assert_allclose(probabilities(model, files), np.load(files / "gated.npy"), atol=1e-6)


@pytest.mark.slow
def test_a_deeper_one(files):
    model = network("mans33", frames=16, attention="none")
    assert load_weights(model, files / "deep_weights.h5").whole
    np.testing.assert_allclose(probabilities(model, files), np.load(files / "deep.npy"), atol=1e-6)


@pytest.mark.slow
def test_another_number_of_classes_or_blocks(files):
    model = network(classes=10, attention="none")
    with pytest.raises(WeightsError, match=r"differ 2: logits/0: \(128, 60\) in the file, \(128, "):
        load_weights(model, files / "plain_weights.h5")
    result = load_weights(model, files / "plain_weights.h5", partial=True)
    assert [what.split(":")[0] for what in result.differ] == ["logits/0", "logits/1"]
    assert not result.missing
    assert not result.unexpected


@pytest.mark.slow
def test_another_number_of_blocks(files):
    """Then numbers do not say what stands where, and no convolution is taken."""
    model = network(frames=16, attention="none")
    with pytest.raises(WeightsError, match=r"conv2d\w*/kernel \(of 34 conv2d, here 10\)"):
        load_weights(model, files / "deep_weights.h5")
    result = load_weights(model, files / "deep_weights.h5", partial=True)
    taken = {name.split("/")[0] for name in result.loaded}
    assert taken == {"tarm_in", "memory", "tarm_out", "logits"}


def rewritten(files, to, first):
    """The plain file with other numbers in its layers' names, and the layers backwards."""
    with h5py.File(files / "plain_weights.h5") as old, h5py.File(to, "w") as new:
        names = [name for name in old.attrs["layer_names"].tolist() if len(old[name].keys())]
        kinds = ("dense", "bidirectional", "conv2d", "batch_normalization")
        called = {}
        for kind in kinds:
            of_kind = [n for n in names if n.rstrip("0123456789").rstrip("_") == kind]
            of_kind.sort(key=lambda n: int(n.rpartition("_")[2]) if n != kind else 0)
            called |= {name: f"{kind}_{first + 3 * i}" for i, name in enumerate(of_kind)}
        assert len(called) == len(names) == 29
        for name in names:
            old.copy(name, new, called[name])
        new.attrs["layer_names"] = [called[name] for name in reversed(names)]


@pytest.mark.slow
def test_neither_the_layers_order_nor_their_first_number_counts(files, tmp_path):
    rewritten(files, tmp_path / "w.h5", first=8)  # 8, 11, ...: not in order of their letters
    one, other = network(attention="none"), network(attention="none")
    assert load_weights(one, tmp_path / "w.h5").whole
    load_weights(other, files / "plain_weights.h5")
    for a, b in zip(one.weights, other.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.slow
def test_nothing_of_another_shape_is_read(files, tmp_path):
    """Each part of what is stacked here is looked at."""
    rewritten(files, tmp_path / "w.h5", first=1)
    with h5py.File(tmp_path / "w.h5", "a") as file:
        paths = []
        file["bidirectional_4"].visit(paths.append)
        path = next(p for p in paths if "backward" in p and p.endswith("recurrent_kernel:0"))
        del file["bidirectional_4"][path]
        huge = {"chunks": (1024, 1024), "compression": 9}
        file["bidirectional_4"].create_dataset(path, (1 << 20, 1 << 20), "f", **huge)
    with pytest.raises(WeightsError, match="differ in shape or data type"):
        load_weights(network(attention="none"), tmp_path / "w.h5", partial=True)
