"""Files of DenseNet-161: of weights trained on ImageNet, and of the released code of MANs.

Neither can be had here, so files with the same layers, in both kinds of names, are written.
"""

import h5py
import keras
import numpy as np
import pytest

from keras_skeleton.checkpoints.weights import load_weights
from keras_skeleton.models.mans import mans
from keras_skeleton.skeletons import get_skeleton
from keras_skeleton.training.initial import InitialWeights, Joints

GROWTH, S = 2, 32
JOINTS = Joints(get_skeleton("kinect_v2"), 2)
MOVING = {"keras 1": ("running_mean", "running_std"), "keras 2": ("moving_mean", "moving_variance")}


def named():
    """Layers of flyyufelix/DenseNet-Keras, each with the shapes of its arrays, in its order."""
    yield "conv1", (7, 7, 3, 2 * GROWTH)
    channels = 2 * GROWTH
    yield from scaled("conv1", channels)
    for stage, depth in enumerate((6, 12, 36, 24), 2):
        for branch in range(1, depth + 1):
            base = f"conv{stage}_{branch}"
            yield from scaled(f"{base}_x1", channels)
            yield f"{base}_x1", (1, 1, channels, 4 * GROWTH)
            yield from scaled(f"{base}_x2", 4 * GROWTH)
            yield f"{base}_x2", (3, 3, 4 * GROWTH, GROWTH)
            channels += GROWTH
        yield from scaled(f"conv{stage}_blk", channels)
        if stage < 5:
            yield f"conv{stage}_blk", (1, 1, channels, channels // 2)
            channels //= 2
    yield "fc6", (channels, 1000)


def scaled(base, channels):
    yield f"{base}_bn", (channels,)
    yield f"{base}_scale", (channels,)


def arrays_of(layer, shape, kind):
    """Random arrays of a layer by the names that they have in a file."""
    rng = np.random.default_rng(len(layer) * 1000 + sum(layer.encode()))
    names = {"bn": ("gamma", "beta", *MOVING[kind]), "scale": ("gamma", "beta")}.get(
        layer.rpartition("_")[2], ("W",) if kind == "keras 1" else ("kernel",)
    )
    if layer.startswith("fc6"):
        names = (*names, "b" if kind == "keras 1" else "bias")
    under = kind == "keras 1" or layer.endswith("_scale")  # the port names weights itself
    return {
        f"{layer}_{name}" if under else f"{layer}/{name}:0": rng.uniform(
            0.5, 1.5, shape[-1:] if name in ("b", "bias") else shape
        ).astype("float32")
        for name in names
    }


def write(path, layers):
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"data", *(name.encode() for name in layers)]
        file.create_group("data").attrs["weight_names"] = np.array([], "S1")
        for layer, arrays in layers.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = [name.encode() for name in arrays]
            for name, value in arrays.items():
                group.create_dataset(name, data=value)


def network(name="stcm_densenet161", **changes):
    return mans(name, 5, frames=S, densenet="released", growth=GROWTH, **changes)


def check_layers(model, file):
    for layer, arrays in file.items():
        for own, value in zip(model.get_layer(layer).weights, arrays.values(), strict=True):
            np.testing.assert_array_equal(own.numpy(), value, err_msg=own.path)


@pytest.fixture(scope="module")
def stcm():
    return network()


@pytest.mark.slow
def test_weights_trained_on_imagenet_are_the_start(stcm, tmp_path):
    file = {name: arrays_of(name, shape, "keras 1") for name, shape in named()}
    write(tmp_path / "densenet161_weights_tf.h5", file)
    start = InitialWeights("ImageNet", file=tmp_path / "densenet161_weights_tf.h5")
    taken = start.apply(stcm, head=["logits"], joints=JOINTS)
    assert taken.fresh == ("logits",)
    assert set(taken.whole) == file.keys() - {"fc6"}
    check_layers(stcm, {name: arrays for name, arrays in file.items() if name != "fc6"})


@pytest.mark.slow
def test_a_file_of_the_released_code_is_loaded(tmp_path):
    file = {name: arrays_of(name, shape, "keras 2") for name, shape in named()}
    del file["fc6"]
    K, rng = 128, np.random.default_rng(0)
    channels = len(file["conv5_blk_scale"]["conv5_blk_scale_gamma"])
    dense = {f"dense_{1 + i}": ((S, K), (K, S))[i % 2] for i in range(6)}
    for name, shape in {**dense, "fc6_new": (channels, 5)}.items():
        file[name] = {
            f"{name}/kernel:0": rng.normal(size=shape).astype("f"),
            f"{name}/bias:0": rng.normal(size=shape[1:]).astype("f"),
        }
    for i in range(3):
        file[f"bidirectional_{1 + i}"] = {
            f"bidirectional_{1 + i}/{way}_gru_{i}/{name}:0": rng.normal(size=shape).astype("f")
            for way in ("forward", "backward")
            for name, shape in (
                ("kernel", (K, 3 * K)), ("recurrent_kernel", (K, 3 * K)), ("bias", (3 * K,)),
            )
        }  # fmt: skip
    write(tmp_path / "MANs_densenet161.hdf5", file)
    model = network("mans_densenet161", attention="none")
    assert load_weights(model, tmp_path / "MANs_densenet161.hdf5").whole
    check_layers(model, {name: file[name] for name, _ in named() if name != "fc6"})
    assert np.array_equal(model.get_layer("logits").kernel, file["fc6_new"]["fc6_new/kernel:0"])
    assert np.array_equal(model.get_layer("tarm_in").kernel[2], file["dense_5"]["dense_5/kernel:0"])


@pytest.mark.slow
def test_zeros_on_all_sides(stcm):
    """By hand: the first output of the 7 x 7 kernel sees four rows and columns of the image."""
    first = keras.Model(stcm.input, stcm.get_layer("conv1").output)
    kernel = stcm.get_layer("conv1").kernel.numpy()
    image = np.random.default_rng(0).normal(size=(1, S, S, 3)).astype("f")
    expected = np.einsum("ijc,ijcf->f", image[0, :4, :4], kernel[3:, 3:])
    found = np.asarray(first(image))
    assert found.shape == (1, S // 2, S // 2, 2 * GROWTH)
    np.testing.assert_allclose(found[0, 0, 0], expected, rtol=1e-4, atol=1e-5)
