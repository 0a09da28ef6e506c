"""I3D's published weights: files with the published names and shapes, written here."""

import struct
from functools import cache

import h5py
import numpy as np
import pytest
import tensorflow as tf

from keras_skeleton.checkpoints import i3d as i3d_weights
from keras_skeleton.checkpoints.i3d import (
    CLASSIFIER,
    WeightsError,
    checksum_agrees,
    load_i3d_weights,
    published_checksums,
    tensor_names,
)
from keras_skeleton.models.i3d import i3d

VIDEO = np.random.default_rng(1).normal(size=(1, 9, 32, 32, 3)).astype("float32")


def small(classes=400, **arguments):
    """I3D with all its weights and a small input."""
    return i3d(classes, frames=9, size=32, **arguments)


@cache
def shared(**arguments):
    """A small one for what leaves it as it is, and for what replaces all of its weights."""
    return small(**arguments)


def emptied(**arguments):
    """A shared one without a trace of what was loaded before."""
    model = shared(**arguments)
    model.set_weights([np.zeros(w.shape, "float32") for w in model.get_weights()])
    return model


@cache
def randomized(**arguments):
    """A small one whose weights, also the statistics, are random; for all tests."""
    model = small(**arguments)
    rng = np.random.default_rng(0)
    model.set_weights(
        [np.abs(rng.normal(0.05, 0.05, w.shape)).astype("float32") for w in model.get_weights()]
    )
    return model


def layers_of(model):
    return [layer for layer in model.layers if layer.weights]


def write_checkpoint(model, prefix, stream="RGB", leave_out=()):
    """The model's weights under the authors' names."""
    tensors = {
        f"{stream}/inception_i3d/{name}": value
        for layer in layers_of(model)
        for name, value in zip(tensor_names(layer.name), layer.get_weights(), strict=True)
        if name not in leave_out
    }
    names = sorted(tensors)
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[tensors[n] for n in names],
    )
    return tensors


def write_port(model, path, nested=False):
    """The model's weights as Keras 2 wrote `save_weights("x.h5")`."""
    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights") if nested else file
        root.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
        for layer in model.layers:
            group = root.create_group(layer.name)
            parts = {3: ["beta:0", "moving_mean:0", "moving_variance:0"]}.get(
                len(layer.weights), ["kernel:0", "bias:0"]
            )
            names = [f"{layer.name}/{part}" for part in parts[: len(layer.weights)]]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, value in zip(names, layer.get_weights(), strict=True):
                group[name] = value


def assert_same(model, source):
    for layer, other in zip(layers_of(model), layers_of(source), strict=True):
        for a, b in zip(layer.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(model(VIDEO), source(VIDEO), rtol=1e-6)


@pytest.mark.parametrize("stream", ["rgb", "flow"])
def test_every_layer_has_its_published_tensors(stream):
    model = small(channels=3 if stream == "rgb" else 2)
    names = [name for layer in layers_of(model) for name in tensor_names(layer.name)]
    published = published_checksums(stream)
    assert len(names) == len(set(names)) == 230
    assert set(names) == set(published)
    assert published_checksums("rgb")["Conv3d_1a_7x7/conv_3d/w"] == 0x0B8DD58A


@pytest.mark.slow
def test_a_checkpoint(tmp_path):
    source = randomized()
    write_checkpoint(source, tmp_path / "model.ckpt")
    for path in (tmp_path, tmp_path / "model.ckpt", tmp_path / "model.ckpt.index"):
        model = emptied()
        assert load_i3d_weights(model, path, verify=False) == []
        assert_same(model, source)
    other = small(classes=10)
    before = other.get_layer(CLASSIFIER).get_weights()
    assert load_i3d_weights(other, tmp_path, verify=False) == [CLASSIFIER]
    np.testing.assert_array_equal(other.get_layer(CLASSIFIER).get_weights()[0], before[0])
    part = small(top=False, until="Mixed_4f")
    assert load_i3d_weights(part, tmp_path, verify=False) == []


@pytest.mark.slow
def test_every_tensor_is_compared_with_the_published_checksum(tmp_path, monkeypatch):
    source = randomized()
    tensors = write_checkpoint(source, tmp_path / "model.ckpt")
    with pytest.raises(WeightsError, match="checksum.*verify=False"):
        load_i3d_weights(shared(), tmp_path)
    import google_crc32c

    mine = {
        name.split("inception_i3d/")[1]: google_crc32c.value(value.tobytes())
        for name, value in tensors.items()
    }
    monkeypatch.setattr(i3d_weights, "published_checksums", lambda stream: mine)
    model = emptied()
    load_i3d_weights(model, tmp_path)
    assert_same(model, source)
    mine["Mixed_5c/Branch_3/Conv3d_0b_1x1/batch_norm/moving_variance"] ^= 1
    untouched = emptied()
    before = untouched.get_weights()
    with pytest.raises(WeightsError, match="'Mixed_5c/Branch_3/Conv3d_0b_1x1/batch_norm/moving_v"):
        load_i3d_weights(untouched, tmp_path)
    for a, b in zip(untouched.get_weights(), before, strict=True):  # all or nothing
        np.testing.assert_array_equal(a, b)


def test_the_checksum_is_the_one_that_tensorflow_stores(tmp_path):
    value = np.frombuffer(b"123456789012", "<f4")
    assert not checksum_agrees(value, 0)
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "x"), tensor_names=["x"], shape_and_slices=[""], tensors=[value]
    )
    index = (tmp_path / "x.index").read_bytes()
    stored = {struct.unpack_from("<I", index, i)[0] for i in range(len(index) - 3)}
    assert sum(checksum_agrees(value, number) for number in stored) == 1
    nine = np.frombuffer(b"123456789\0\0\0", "<f4")
    import google_crc32c

    assert google_crc32c.value(b"123456789") == 0xE3069283  # the polynomial's check value
    assert checksum_agrees(nine, google_crc32c.value(b"123456789\0\0\0"))


@pytest.mark.slow
def test_a_checkpoint_that_does_not_fit(tmp_path):
    with pytest.raises(WeightsError, match=r"0 checkpoints \(.index files\)"):
        load_i3d_weights(shared(), tmp_path)
    with pytest.raises(WeightsError, match=r"model.ckpt.index: no such file"):
        load_i3d_weights(shared(), tmp_path / "model.ckpt")
    write_checkpoint(randomized(channels=2), tmp_path / "model.ckpt", "Flow")
    with pytest.raises(WeightsError, match="inception_i3d/.*stream"):
        load_i3d_weights(shared(), tmp_path, verify=False)
    (tmp_path / "model.ckpt.index").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="not a readable checkpoint"):
        load_i3d_weights(shared(channels=2), tmp_path)
    write_checkpoint(shared(classes=5), tmp_path / "model.ckpt")
    data = next(tmp_path.glob("*.data*"))
    data.write_bytes(data.read_bytes()[:10_000_000])
    with pytest.raises(WeightsError, match="model.ckpt"):
        load_i3d_weights(shared(), tmp_path, verify=False)


@pytest.mark.slow
@pytest.mark.parametrize("nested", [False, True])
def test_the_ports_h5(tmp_path, nested):
    source = randomized()
    write_port(source, tmp_path / "rgb.h5", nested)
    model = emptied()
    assert load_i3d_weights(model, tmp_path / "rgb.h5") == []
    assert_same(model, source)
    headless = emptied(top=False)
    assert load_i3d_weights(headless, tmp_path / "rgb.h5") == []
    write_port(headless, tmp_path / "no_top.h5")
    again = emptied(classes=60)
    assert load_i3d_weights(again, tmp_path / "no_top.h5") == [CLASSIFIER]
    np.testing.assert_array_equal(again.layers[1].get_weights()[0], source.layers[1].kernel)


@pytest.mark.slow
def test_an_h5_that_does_not_fit(tmp_path):
    with pytest.raises(WeightsError, match="rgb.h5: no such file"):
        load_i3d_weights(shared(), tmp_path / "rgb.h5")
    (tmp_path / "rgb.h5").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="not a readable weights file"):
        load_i3d_weights(shared(), tmp_path / "rgb.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["a"] = [1.0]
    with pytest.raises(WeightsError, match="no layer names"):
        load_i3d_weights(shared(), tmp_path / "other.h5")
    write_port(shared(channels=2), tmp_path / "flow.h5")
    with pytest.raises(WeightsError, match=r"'Conv3d_1a_7x7_conv' has shapes \[\(7, 7, 7, 2, 64\)"):
        load_i3d_weights(shared(), tmp_path / "flow.h5")
    write_port(shared(top=False, until="Mixed_4f"), tmp_path / "part.h5")
    with pytest.raises(WeightsError, match=r"layer 'Conv3d_5b_\w+' is missing"):
        load_i3d_weights(shared(), tmp_path / "part.h5")
    with h5py.File(tmp_path / "flow.h5", "a") as file:
        del file["Conv3d_1a_7x7_conv/Conv3d_1a_7x7_conv/kernel:0"]
        file["Conv3d_1a_7x7_conv/Conv3d_1a_7x7_conv/kernel:0"] = h5py.ExternalLink(
            str(tmp_path / "part.h5"), "Conv3d_1a_7x7_conv/Conv3d_1a_7x7_conv/kernel:0"
        )
    with pytest.raises(WeightsError, match="outside the file"):
        load_i3d_weights(shared(channels=2), tmp_path / "flow.h5")
