"""The folder of a clip is its label where there is no labels.csv; `.skeleton` files of any name."""

import shutil

import numpy as np
import pytest
from own_data import TOML, read, skipped, standing

from keras_skeleton.datasets.folder import FOLDER, find_files
from keras_skeleton.datasets.registry import get_source
from keras_skeleton.datasets.source import load
from keras_skeleton.utils.errors import DatasetError


def folders(root, names, toml=TOML):
    for i, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(root / name, standing(seed=i))
    if toml:
        (root / "skeleton.toml").write_text(toml)
    return root


def test_the_folder_of_a_clip_is_its_label(tmp_path):
    names = ["wave/1.npy", "wave/ann/2.NPY.npy", "sit/1.npy", "sit/.hidden.npy", "loose.npy"]
    dataset, said = read(folders(tmp_path / "d", names), tmp_path / "c")
    assert dataset.classes == ("sit", "wave")
    assert list(dataset.samples["name"]) == ["sit/1.npy", "wave/1.npy", "wave/ann/2.NPY.npy"]
    assert list(dataset.labels) == [0, 1, 1]
    assert "no labels.csv" in said
    assert "sit 1, wave 2" in said
    assert [line for line in skipped(dataset) if line.startswith("loose.npy: lies in no class")]


def test_folders_of_train_and_test(tmp_path):
    names = [f"{part}/{c}/{i}.npy" for part in ("Train", "test") for c in "ab" for i in range(2)]
    root = folders(tmp_path / "d", names)
    dataset, said = read(root, tmp_path / "c")
    assert dataset.classes == ("a", "b")
    assert FOLDER.protocol_for(root) == "split"
    (fold,) = dataset.folds("split")
    parts = dataset.samples["name"].to_numpy()
    assert all(name.startswith("test/") for name in parts[fold.test])
    assert len(fold.test) == 4
    assert "train, val or test" in said


def test_folders_that_are_no_class_folders(tmp_path):
    """Without a description of the joints, two folders must hold clips, and nothing else."""
    one = folders(tmp_path / "one", ["wave/1.npy"], toml=None)
    assert find_files(one) == []
    assert find_files(folders(tmp_path / "deep", ["a/b/1.npy", "b/c/1.npy"], None)) == []
    two = folders(tmp_path / "two", ["a/1.npy", "b/1.npy"], toml=None)
    assert len(find_files(two)) == 2
    (two / "a" / "labels.csv").write_text("file,label")  # a folder of datasets
    assert find_files(two) == []
    (one / "skeleton.toml").write_text(TOML)
    assert len(find_files(one)) == 2
    with pytest.raises(DatasetError, match="labels.csv"):
        FOLDER.find(tmp_path / "none")
    (tmp_path / "flat").mkdir()
    np.save(tmp_path / "flat" / "a.npy", standing())
    with pytest.raises(DatasetError, match="folder of its name"):
        FOLDER.find(tmp_path / "flat")


def test_kinect_files_need_no_description_and_no_ntu_name(real_data, tmp_path):
    source = real_data("ntu") / "nturgb+d_skeletons"
    files = sorted(source.glob("*.skeleton"))[:4]
    root = tmp_path / "d"
    for i, file in enumerate(files):
        name = file.name if i % 2 else f"take {i}.SKELETON"
        (root / "ab"[i // 2]).mkdir(parents=True, exist_ok=True)
        shutil.copy(file, root / "ab"[i // 2] / name)
    dataset, _ = read(root, tmp_path / "c", strict=True)
    ntu = load(get_source("ntu"), real_data("ntu"), tmp_path / "ntu")
    own = list(ntu.samples["name"])
    assert len(dataset) == 4
    assert (dataset.info["unit"], dataset.info["fps"]) == ("m", 30)
    for i, name in enumerate(dataset.samples["name"]):
        k = own.index(files[2 * "ab".index(name[0]) + ("take" not in name)].stem)
        M = dataset.samples["bodies"][i]
        np.testing.assert_array_equal(dataset.clip(i)[:, :M], ntu.clip(k)[:, :M])
    (root / "skeleton.toml").write_text('skeleton = "coco17"')
    with pytest.raises(DatasetError, match=r"kinect_v2 in metres, but skeleton.toml .* coco17"):
        read(root, tmp_path / "c")


def test_damaged_kinect_files_are_named(tmp_path):
    root = folders(tmp_path / "d", ["a/1.npy", "b/1.npy"])
    (root / "a" / "bad.skeleton").write_text("1\n1\nx\n")
    dataset, _ = read(root, tmp_path / "c")
    assert [line for line in skipped(dataset) if line.startswith("bad.skeleton")]
    assert len(dataset) == 2
