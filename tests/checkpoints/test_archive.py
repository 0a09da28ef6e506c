"""`.keras` archives are read for their weights; other files are called by their names."""

import pickle
import shutil
import stat
import zipfile

import h5py
import keras
import numpy as np
import pytest

from keras_skeleton.checkpoints import archive
from keras_skeleton.checkpoints.weights import WeightsError, load_weights
from keras_skeleton.models.registry import build_model

L = keras.layers


def network(seed=0, classes=3):
    keras.utils.set_random_seed(seed)
    x = keras.Input((6, 4))
    h = L.LSTM(5, name="memory")(x)
    return keras.Model(x, L.Dense(classes, name="scores")(L.Dropout(0.5)(h)))


def equal(one, other):
    return [np.array_equal(a, b) for a, b in zip(values(one), values(other), strict=True)]


def values(model):
    return [v.numpy() for v in model.weights]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    path = tmp_path_factory.mktemp("trained") / "model.keras"
    model = network()
    model.compile("adam", "mse")
    model.fit(np.ones((4, 6, 4), "f"), np.ones((4, 3), "f"), verbose=0)
    model.save(path)
    return model, path


@pytest.fixture
def saved(trained, tmp_path):
    """A trained model, and a file as Keras saves it, with its optimizer."""
    model, path = trained
    return model, shutil.copy(path, tmp_path / "model.keras")


@pytest.mark.slow
def test_an_archive_with_an_optimizer(saved, tmp_path):
    source, path = saved
    target = network(1)
    result = load_weights(target, path)
    assert result.whole
    assert result.layout == "Keras 3"
    assert all(equal(target, source))
    path.rename(tmp_path / "any_name.h5")  # the file says what it is, not its name
    again = network(2)
    assert load_weights(again, tmp_path / "any_name.h5").whole
    assert all(equal(again, source))


def test_an_archive_of_another_number_of_classes(saved):
    source, path = saved
    target = network(1, classes=2)
    with pytest.raises(WeightsError, match="differ 2"):
        load_weights(target, path)
    result = load_weights(target, path, partial=True)
    assert len(result.differ) == 2
    assert equal(target, source) == [True, True, True, False, False]


def test_a_model_of_the_project(tmp_path):
    arguments = {"units": 6, "bodies": 1}
    source = build_model("sta_lstm", "kinect_v1", 4, **arguments)
    source.save(tmp_path / "sta.keras")
    target = build_model("sta_lstm", "kinect_v1", 4, **arguments)
    assert load_weights(target, tmp_path / "sta.keras").whole
    assert all(equal(target, source))


def rewritten(path, to, change):
    """The archive, its members changed: `change(name, data)` returns `(ZipInfo or name, data)`."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(to, "w") as new:
        for name in old.namelist():
            if (kept := change(name, old.read(name))) is not None:
                new.writestr(*kept)
    return to


def test_the_configuration_is_not_needed(saved, tmp_path):
    source, path = saved
    bare = rewritten(
        path, tmp_path / "bare.keras", lambda name, data: (name, data) if "h5" in name else None
    )
    wrong = rewritten(
        path,
        tmp_path / "wrong.keras",
        lambda name, data: (name, data if "h5" in name else b"{"),
    )
    for file in (bare, wrong):
        target = network(1)
        assert load_weights(target, file).whole
        assert all(equal(target, source))


def cut(path, to):
    to.write_bytes(path.read_bytes()[:-300])
    return to


def hole(path, to):
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as file:
        start = file.getinfo(archive.WEIGHTS).header_offset
    data[start + 3000 : start + 3100] = b"\xff" * 100
    to.write_bytes(data)
    return to


def linked(path, to):
    def change(name, data):
        if name != archive.WEIGHTS:
            return name, data
        link = zipfile.ZipInfo(name)
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        return link, b"/etc/hostname"

    return rewritten(path, to, change)


def absolute(path, to):
    return rewritten(path, to, lambda name, data: (f"/{name}" if "h5" in name else name, data))


def upwards(path, to):
    return rewritten(path, to, lambda name, data: (f"../{name}" if "h5" in name else name, data))


def no_hdf5(path, to):
    return rewritten(path, to, lambda name, data: (name, b"weights" if "h5" in name else data))


def bomb(path, to):
    zeros = bytes(1 << 20)
    with (
        zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as file,
        file.open(archive.WEIGHTS, "w") as member,
    ):
        for _ in range(80):
            member.write(zeros)
    return to


def bomb_that_lies(path, to):
    """The archive says its member is small, in both places."""
    bomb(path, to)
    data = to.read_bytes()
    size = (80 << 20).to_bytes(4, "little")
    assert data.count(size) >= 1
    to.write_bytes(data.replace(size, (1 << 20).to_bytes(4, "little")))
    return to


def odd_compression(path, to):
    with zipfile.ZipFile(to, "w", zipfile.ZIP_LZMA) as file:
        file.writestr(archive.WEIGHTS, b"weights")
    return to


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "why"),
    [
        (cut, "end is missing"), (hole, "damaged"), (linked, "is a link"),
        (absolute, "without model.weights.h5"), (upwards, "without model.weights.h5"),
        (no_hdf5, "not a readable"), (bomb, "too much for this network"),
        (bomb_that_lies, "damaged"), (odd_compression, "compressed"),
    ],
)  # fmt: skip
def test_harm_is_refused_in_one_sentence(make, why, saved, tmp_path):
    path, target = make(saved[1], tmp_path / "bad.keras"), network(1)
    before = values(target)
    with pytest.raises(WeightsError, match=why) as caught:
        load_weights(target, path, partial=True)
    assert "\n" not in str(caught.value)
    assert all(np.array_equal(a, b) for a, b in zip(before, values(target), strict=True))


def test_other_members_are_not_written_anywhere(saved, tmp_path):
    source, path = saved
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("../../escaped", b"x")
        file.writestr(str(tmp_path / "absolute"), b"x")
    before = sorted(tmp_path.rglob("*"))
    target = network(1)
    assert load_weights(target, path).whole
    assert sorted(tmp_path.rglob("*")) == before
    assert all(equal(target, source))


def test_the_limit_grows_with_the_network(saved, tmp_path, monkeypatch):
    _, path = saved
    with zipfile.ZipFile(path) as file:
        size = file.getinfo(archive.WEIGHTS).file_size
    monkeypatch.setattr(archive, "SPARE", 0)
    with pytest.raises(ValueError, match="not read"):
        archive.extract(path, tmp_path, size // archive.TIMES - 1)
    written = archive.extract(path, tmp_path, size // archive.TIMES + 1)
    assert written.stat().st_size == size
    assert h5py.is_hdf5(written)


# ---------------------------------------------------------------- other files


def saved_model(folder):
    (folder / "saved").mkdir()
    (folder / "saved" / "saved_model.pb").write_bytes(b"\x08\x01")
    return folder / "saved"


def checkpoint(folder):
    (folder / "model.ckpt.index").write_bytes(b"\0\0")
    (folder / "model.ckpt.data-00000-of-00001").write_bytes(b"\0\0")
    return folder


def torch_zip(folder):
    with zipfile.ZipFile(folder / "model.pt", "w") as file:
        file.writestr("model/data.pkl", pickle.dumps({}))
        file.writestr("model/data/0", b"\0" * 8)
    return folder / "model.pt"


def torch_pickle(folder):
    data = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2) + pickle.dumps(1001, protocol=2)
    (folder / "model.bin").write_bytes(data)
    return folder / "model.bin"


def other_pickle(folder):
    (folder / "weights.pkl").write_bytes(pickle.dumps([1, 2]))
    return folder / "weights.pkl"


def other_zip(folder):
    np.savez(folder / "weights.npz", a=np.ones(3))
    return folder / "weights.npz"


def sharded(folder):
    with zipfile.ZipFile(folder / "model.keras", "w") as file:
        file.writestr("config.json", "{}")
        file.writestr("model.weights.npz", b"")
    return folder / "model.keras"


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (saved_model, "SavedModel.*save_weights"),
        (lambda f: saved_model(f) / "saved_model.pb", "SavedModel.*save_weights"),
        (checkpoint, "TensorFlow checkpoint.*save_weights"),
        (lambda f: checkpoint(f) / "model.ckpt", "TensorFlow checkpoint.*save_weights"),
        (lambda f: checkpoint(f) / "model.ckpt.index", "TensorFlow checkpoint"),
        (lambda f: checkpoint(f) / "model.ckpt.data-00000-of-00001", "TensorFlow checkpoint"),
        (torch_zip, "PyTorch.*save_weights"), (torch_pickle, "PyTorch.*save_weights"),
        (other_pickle, "a pickle"), (other_zip, "no .keras archive"),
        (sharded, "archive without.*save_weights"), (lambda f: f, "a folder"),
        (lambda f: f / "none.h5", "no such file"),
    ],
)  # fmt: skip
def test_other_files_are_called_by_their_names(make, what, tmp_path):
    with pytest.raises(WeightsError, match=what) as caught:
        load_weights(network(), make(tmp_path))
    assert "\n" not in str(caught.value)
