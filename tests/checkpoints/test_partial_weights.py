"""What fits of another network's file is loaded into the right layers, and nothing else is."""

import os
import subprocess
import sys

import h5py
import keras
import numpy as np
import pytest
from legacy_files import write_legacy

from keras_skeleton.checkpoints.weights import WeightsError, load_weights
from keras_skeleton.models.registry import build_model

L = keras.layers


def shuffled(model, seed=3):
    """All arrays differ, in a file and between layers of one shape."""
    random = np.random.default_rng(seed)
    for v in model.weights:
        v.assign(random.uniform(0.1, 1, v.shape))
    return model


def values(layer):
    return [v.numpy() for v in layer.weights]


def equal(one, other):
    pairs = zip(values(one), values(other), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def taken(result):
    return len(result.loaded), len(result.by_structure)


# ---------------------------------------------------------------- the project's own networks

SMALL = {"sta_lstm": {"units": 6, "bodies": 1}, "mans9": {"frames": 16}}
HEAD = {"sta_lstm": "main_scores", "mans9": "logits"}


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["Keras 3", "legacy weights", "legacy model"])
@pytest.mark.parametrize("name", SMALL)
def test_everything_but_the_head(name, layout, tmp_path):
    keras.utils.set_random_seed(0)
    source = shuffled(build_model(name, "kinect_v1", 10, **SMALL[name]))
    target = build_model(name, "kinect_v1", 8, **SMALL[name])
    path = tmp_path / "ten.weights.h5"
    if layout == "Keras 3":
        source.save_weights(path)
    else:
        inside = "model_weights" if layout == "legacy model" else ""
        write_legacy(source, path, inside)
    with pytest.raises(WeightsError, match="do not fit"):
        load_weights(target, path)
    result = load_weights(target, path, partial=True)
    assert result.layout == layout
    for one, other in zip(target.layers, source.layers, strict=True):
        if one.weights:
            assert equal(one, other) == (one.name != HEAD[name]), one.name
    head = target.get_layer(HEAD[name]).weights
    assert len(result.differ) == len(head) == 2
    assert not result.missing
    assert not result.unexpected
    if layout != "Keras 3":
        assert len(result.loaded) == len(target.weights) - 2


# ---------------------------------------------------------------- legacy files

WRITER = """
import sys
import numpy as np, tf_keras as k
L = k.layers

def shuffled(model):
    random = np.random.default_rng(3)
    model.set_weights([random.uniform(0.1, 1, w.shape) for w in model.get_weights()])
    return model

def convolutions(classes):
    x = k.Input((8, 8, 3))
    h = x
    for filters in (4, 4, 4, 6, 6):
        h = L.ReLU()(L.BatchNormalization()(L.Conv2D(filters, 3, padding="same")(h)))
    return k.Model(x, L.Dense(classes)(L.Dense(5)(L.GlobalAveragePooling2D()(h))))

def branches(named):
    x, ends = k.Input((7,)), []
    for side in ("left", "right"):
        first, second = ([f"{side}_{n}" for n in (1, 2)] if named else (None, None))
        ends.append(L.Dense(7, name=second)(L.Dense(7, name=first)(x)))
    return k.Model(x, L.Dense(10)(L.Dense(5)(L.Concatenate()(ends))))

for _ in range(3):
    L.Conv2D(1, 1).build((1, 1, 1, 1)), L.Dense(1).build((1, 1))
models = {
    "convolutions": convolutions(10), "named": branches(True), "unnamed": branches(False),
    "other": k.Sequential([k.Input((9, 2)), L.GRU(3), L.Dense(2)]),
}
for name, model in models.items():
    shuffled(model)
    model.compile("adam", "mse")
    model.save_weights(f"{name}_weights.h5")
    model.save_weights(f"{name}.weights.h5")  # late Keras 2 already writes these as Keras 3
    model.save(f"{name}.h5")
    layers = [layer for layer in model.layers if layer.weights]
    np.savez(f"{name}.npz", **{
        f"{i} {j}": w for i, layer in enumerate(layers) for j, w in enumerate(layer.get_weights())
    })
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with files of tf_keras, which runs in a process of its own, and their arrays."""
    pytest.importorskip("tf_keras", reason="Keras 2 is in requirements-dev.txt")
    folder = tmp_path_factory.mktemp("keras_2")
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WRITER], check=True, capture_output=True, cwd=folder,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )  # fmt: skip
    return folder


def arrays_of(files, name):
    """Of each layer with arrays, in the file's order."""
    layers = {}
    with np.load(files / f"{name}.npz", allow_pickle=False) as stored:
        for key in stored:
            layers.setdefault(int(key.split()[0]), []).append(stored[key])
    return list(layers.values())


def convolutions(classes, filters=(4, 4, 4, 6, 6)):
    x = h = keras.Input((8, 8, 3))
    for size in filters:
        h = L.ReLU()(L.BatchNormalization()(L.Conv2D(size, 3, padding="same")(h)))
    return keras.Model(x, L.Dense(classes)(L.Dense(5)(L.GlobalAveragePooling2D()(h))))


def branches(classes, named, sides=("left", "right")):
    x = keras.Input((7,))
    ends = {}
    for side in sides:
        first, second = [f"{side}_{n}" for n in (1, 2)] if named else (None, None)
        ends[side] = L.Dense(7, name=second)(L.Dense(7, name=first)(x))
    ends = [ends[side] for side in sorted(ends)] if named else list(ends.values())
    return keras.Model(x, L.Dense(classes)(L.Dense(5)(L.Concatenate()(ends))))


def counted_from(number):
    """The numbers that Keras gives to the next layers start there."""
    keras.backend.clear_session()
    for _ in range(number):
        L.Conv2D(1, 1), L.BatchNormalization(), L.Dense(1)


def holds(layer, arrays):
    pairs = zip(values(layer), arrays, strict=True)
    return all(a.shape == b.shape and np.array_equal(a, b) for a, b in pairs)


def with_arrays(model):
    return [layer for layer in model.layers if layer.weights]


@pytest.mark.slow
@pytest.mark.parametrize(
    "file", ["convolutions_weights.h5", "convolutions.h5", "convolutions.weights.h5"]
)
@pytest.mark.parametrize("start", [0, 3, 4, 7, 50])  # of which some overlap with the file's
def test_numbers_of_another_process(start, file, files):
    counted_from(start)
    target, arrays = convolutions(8), arrays_of(files, "convolutions")
    before = values(target.layers[-1])
    result = load_weights(target, files / file, partial=True)
    assert len(result.loaded) == len(target.weights) - 2 == 32
    *body, head = with_arrays(target)
    for layer, expected in zip(body, arrays, strict=False):
        assert holds(layer, expected), layer.name
    assert all(np.array_equal(a, b) for a, b in zip(before, values(head), strict=True))
    assert len(result.missing) + len(result.differ) == 2
    assert len(result.unexpected) + len(result.differ) == 2
    assert not result.whole
    if result.layout == "Keras 3":
        assert not result.by_structure
    elif start == 50:
        assert len(result.by_structure) == 32
        assert "0 by name, 32 by structure" in str(result)


@pytest.mark.slow
def test_a_network_with_fewer_or_more_layers(files):
    arrays = arrays_of(files, "convolutions")
    counted_from(20)
    fewer = convolutions(8, (4, 6, 6))
    result = load_weights(fewer, files / "convolutions.h5", partial=True)
    conv = [layer for layer in fewer.layers if isinstance(layer, L.Conv2D)]
    assert holds(conv[0], arrays[0])
    assert holds(conv[1], arrays[6])
    assert holds(conv[2], arrays[8])
    assert len(result.unexpected) == 2 * 6 + 2

    more = convolutions(8, (4, 4, 5, 4, 6, 6))
    result = load_weights(more, files / "convolutions.h5", partial=True)
    conv = [layer for layer in more.layers if isinstance(layer, L.Conv2D)]
    places = [layer for layer in conv if any(holds(layer, a) for a in arrays if len(a) == 2)]
    assert [conv.index(layer) for layer in places] == [0, 1, 4, 5]
    for layer, expected in zip(places, (arrays[0], arrays[2], arrays[6], arrays[8]), strict=True):
        assert holds(layer, expected)


@pytest.mark.slow
def test_branches_of_equal_shapes(files):
    """With names these decide, also in another order; without, the order of layers does."""
    counted_from(30)
    target = branches(8, named=True, sides=("right", "left"))
    result = load_weights(target, files / "named_weights.h5", partial=True)
    with h5py.File(files / "named_weights.h5") as file:
        for side in ("left_1", "left_2", "right_1", "right_2"):
            kernel = file[f"{side}/{side}/kernel:0"][:]
            np.testing.assert_array_equal(target.get_layer(side).kernel.numpy(), kernel)
    assert taken(result) == (10, 2)

    target, arrays = branches(8, named=False), arrays_of(files, "unnamed")
    result = load_weights(target, files / "unnamed_weights.h5", partial=True)
    assert taken(result) == (10, 10)
    for layer, expected in zip(with_arrays(target)[:-1], arrays, strict=False):
        assert holds(layer, expected)


@pytest.mark.slow
def test_another_architecture(files):
    counted_from(0)
    target = convolutions(8)
    before = values(target)
    with pytest.raises(WeightsError, match="do not fit"):
        load_weights(target, files / "other_weights.h5", partial=True)
    assert all(np.array_equal(a, b) for a, b in zip(before, values(target), strict=True))


@pytest.mark.slow
def test_without_partial_as_before(files):
    counted_from(30)
    target = convolutions(10)
    result = load_weights(target, files / "convolutions_weights.h5")  # all shapes in order
    assert result.whole
    assert taken(result) == (34, 34)
    with pytest.raises(WeightsError, match="do not fit"):
        load_weights(convolutions(8), files / "convolutions_weights.h5")


@pytest.mark.slow
def test_a_legacy_file_without_keras_2(tmp_path):
    """As the slow tests above: other numbers, another head."""
    counted_from(5)
    source = shuffled(convolutions(10))
    write_legacy(source, tmp_path / "w.h5")
    counted_from(7)  # half of the numbers are in the file, for other layers
    target = convolutions(8)
    result = load_weights(target, tmp_path / "w.h5", partial=True)
    assert taken(result) == (32, 32)
    for one, other in zip(with_arrays(target)[:-1], with_arrays(source), strict=False):
        assert equal(one, other)


def test_given_names_count_more_than_the_order_of_all_shapes(tmp_path):
    counted_from(0)
    source = shuffled(branches(8, True, ("left", "right")))
    write_legacy(source, tmp_path / "w.h5", names={"dense": "dense_9", "dense_1": "dense_10"})
    target = branches(8, True, ("right", "left"))
    result = load_weights(target, tmp_path / "w.h5", partial=True)
    assert result.whole
    assert taken(result) == (12, 4)
    for side in ("left_1", "left_2", "right_1", "right_2"):
        assert equal(target.get_layer(side), source.get_layer(side))


# ---------------------------------------------------------------- files of Keras 3


def dense(*sizes, names=()):
    h = x = keras.Input((4,))
    for k, size in enumerate(sizes):
        h = L.Dense(size, name=names[k] if names else None)(h)
    return keras.Model(x, h)


def saved(model, tmp_path):
    path = tmp_path / "w.weights.h5"
    shuffled(model).save_weights(path)
    return path


def test_more_than_ten_layers_of_a_class(tmp_path):
    """In order of their letters, dense_10 stands before dense_2."""
    sizes = range(5, 18)
    source = dense(*sizes)
    path = saved(source, tmp_path)
    h = x = keras.Input((3,))
    for size in (4, *sizes):  # one layer more in front: all numbers differ
        h = L.Dense(size)(h)
    target = keras.Model(x, h)
    result = load_weights(target, path, partial=True)
    assert taken(result) == (26, 26)
    for one, other in zip(with_arrays(target)[1:], with_arrays(source), strict=True):
        assert equal(one, other)
    assert len(result.missing) == 2


def test_the_names_of_layers_count_in_keras_3(tmp_path):
    source = dense(4, 4, 4, 3, names="abcd")
    path = saved(source, tmp_path)
    target = dense(4, 4, 2, names="cbe")
    result = load_weights(target, path, partial=True)
    assert taken(result) == (4, 0)
    assert equal(target.get_layer("b"), source.get_layer("b"))
    assert equal(target.get_layer("c"), source.get_layer("c"))


def test_what_is_ambiguous_is_loaded_by_number_only(tmp_path):
    source, target = dense(4, 4, 4, 6), dense(4, 4, 6)
    result = load_weights(target, saved(source, tmp_path), partial=True)
    assert taken(result) == (4, 0)
    for one, other in zip(with_arrays(target)[:2], with_arrays(source)[:2], strict=True):
        assert equal(one, other)


def test_half_a_layer_is_no_layer(tmp_path):
    """The bias of a layer that Keras numbered is not taken without its kernel."""
    h = x = keras.Input((3,))
    target = keras.Model(x, L.Dense(5)(L.Dense(5)(h)))
    before = values(with_arrays(target)[0])
    source = dense(5, 5)
    result = load_weights(target, saved(source, tmp_path), partial=True)
    assert len(result.loaded) == 2
    assert len(result.differ) == 2
    first = values(with_arrays(target)[0])
    assert all(np.array_equal(a, b) for a, b in zip(before, first, strict=True))


def test_seeds_alone_are_no_weights(tmp_path):
    def model(size):
        x = keras.Input((size,))
        return keras.Model(x, L.Dense(size)(L.Dropout(0.5)(x)))

    with pytest.raises(WeightsError, match="do not fit"):
        load_weights(model(4), saved(model(3), tmp_path), partial=True)


# ---------------------------------------------------------------- omit


@pytest.mark.parametrize("layout", ["Keras 3", "legacy"])
def test_omitted_variables_stay(layout, tmp_path):
    source = shuffled(dense(5, 6, 3))
    path = tmp_path / "w.weights.h5"
    if layout == "legacy":
        write_legacy(source, path)
    else:
        source.save_weights(path)
    target = dense(5, 6, 3)
    head = target.layers[-1]
    before = values(head)
    result = load_weights(target, path, partial=True, omit=head.weights)
    assert len(result.omitted) == 2
    assert len(result.loaded) == 4
    assert [*result.missing, *result.unexpected, *result.differ] == []
    assert not result.whole
    assert "omitted 2" in str(result)
    assert all(np.array_equal(a, b) for a, b in zip(before, values(head), strict=True))
    assert equal(target.layers[-2], source.layers[-2])

    other = dense(5, 6, 2)  # a head that does not fit is omitted all the same
    result = load_weights(other, path, partial=True, omit=tuple(other.layers[-1].weights))
    assert len(result.omitted) == 2
    assert [*result.missing, *result.differ] == []


def test_what_cannot_be_omitted(tmp_path):
    model = dense(5, 3)
    path = saved(model, tmp_path)
    with pytest.raises(WeightsError, match="needs partial=True"):
        load_weights(model, path, omit=model.weights[-1:])
    with pytest.raises(WeightsError, match="1 variables are not"):
        load_weights(model, path, partial=True, omit=dense(5, 3).weights[-1:])
    with pytest.raises(WeightsError, match="do not fit"):
        load_weights(model, path, partial=True, omit=model.weights)
