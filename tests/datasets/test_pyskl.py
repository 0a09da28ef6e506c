import os
import pickle

import numpy as np
import pytest

from keras_skeleton.datasets.ntu import CLASSES
from keras_skeleton.datasets.pyskl import PYSKL
from keras_skeleton.datasets.source import load
from keras_skeleton.utils.errors import DatasetError


def positions(name, bodies=1, frames=5):
    rng = np.random.default_rng([ord(c) for c in name])
    return rng.normal(0, 0.5, (bodies, frames, 25, 3)).astype(np.float16)


def annotation(name, label, bodies=1, **changes):
    points = positions(name, bodies, 4 + label % 3)
    fields = {
        "frame_dir": name, "label": label, "keypoint": points, "total_frames": points.shape[1],
    }  # fmt: skip
    return {**fields, **changes}


def ntu_names(actions=(1, 60), subjects=(1, 2, 3, 4), setups=(1, 2)):
    return [
        f"S{setup:03d}C{camera:03d}P{subject:03d}R001A{action:03d}"
        for setup in setups
        for camera in (1, 2, 3)
        for subject in subjects
        for action in actions
    ]


def content(names, second="xview", **more):
    train = [name for name in names if name[9:12] in ("001", "002")]
    side = [name for name in names if name[5:8] != "001"]
    split = {
        "xsub_train": train,
        "xsub_val": [name for name in names if name not in train],
        f"{second}_train": side,
        f"{second}_val": [name for name in names if name not in side],
    }
    annotations = [annotation(n, int(n[-3:]) - 1, 1 + (int(n[-3:]) > 49)) for n in names]
    return {"split": split, "annotations": annotations, **more}


def write(root, data, name="ntu60_3danno.pkl", protocol=2):
    root.mkdir(exist_ok=True)
    (root / name).write_bytes(pickle.dumps(data, protocol))
    return root


@pytest.fixture(params=[2, 4])
def dataset(request, tmp_path):
    root = write(tmp_path / "data", content(ntu_names()), protocol=request.param)
    return load(PYSKL, root, tmp_path / "cache")


def test_clips(dataset):
    names = ntu_names()
    assert list(dataset.samples["name"]) == names
    assert dataset.classes == CLASSES[:60]
    assert dataset.max_bodies == 2
    for i, name in enumerate(names):
        bodies = 1 + (name[-3:] == "060")
        label = int(name[-3:]) - 1
        expected = positions(name, bodies, 4 + label % 3).transpose(1, 0, 2, 3)
        np.testing.assert_array_equal(dataset.clip(i)[:, :bodies], expected.astype(np.float32))
        row = dataset.samples.iloc[i]
        assert (row["setup"], row["view"], row["subject"], row["repetition"], row["label"]) == (
            int(name[1:4]), int(name[5:8]), int(name[9:12]), 1, label,
        )  # fmt: skip
    assert dataset.info["skipped"] == []
    assert "usable clips: 48 found, 56578 published" in dataset.info["notes"]


def test_protocols_from_the_names_and_from_the_file(dataset):
    table = dataset.samples
    expected = {  # columns and values that test
        "cs": ("subject", {3}),  # 1, 2 and 4 train; 4 validates
        "xsub": ("subject", {3, 4}),  # this file says so
        "cv": ("view", {1}),
        "xview": ("view", {1}),
    }
    for protocol, (column, values) in expected.items():
        (fold,) = dataset.folds(protocol)
        assert set(table[column][fold.test]) == values
        assert sorted(np.concatenate(fold)) == list(range(len(table)))
    (fold,) = dataset.folds("cs")
    assert set(table["subject"][fold.validation]) == {4}
    for protocol in ("csub", "cset"):
        with pytest.raises(DatasetError, match=f"'{protocol}' requires clips of 120 actions"):
            list(dataset.folds(protocol))
    with pytest.raises(DatasetError, match="the file has no splits 'xset_train' and 'xset_val'"):
        list(dataset.folds("xset"))


def test_120_actions(tmp_path):
    names = ntu_names(actions=(1, 120))
    root = write(tmp_path / "data", content(names, second="xset"), "ntu120_3danno.pkl")
    dataset = load(PYSKL, root, tmp_path / "cache")
    assert dataset.classes == CLASSES
    assert "usable clips: 48 found, 113945 published" in dataset.info["notes"]
    (fold,) = dataset.folds("cset")
    assert set(dataset.samples["setup"][fold.test]) == {1}
    (fold,) = dataset.folds("csub")
    assert set(dataset.samples["subject"][fold.test]) == {3}
    with pytest.raises(DatasetError, match="'cs' requires clips of 60 actions, not of 120"):
        list(dataset.folds("cs"))


def test_other_names_and_plain_splits(tmp_path):
    names = [f"clip {i}" for i in range(8)]
    data = {
        "split": {"train": names[:5], "test": names[5:7]},
        "annotations": [annotation(name, i % 3) for i, name in enumerate(names)],
    }
    dataset = load(PYSKL, write(tmp_path / "data", data), tmp_path / "cache")
    assert dataset.classes == ("class 0", "class 1", "class 2")
    assert list(dataset.samples["own"]) == [1, 1, 1, 1, 1, 0, 0, -1]
    (fold,) = dataset.folds("own")
    assert set(np.concatenate(fold)) == set(range(7))
    with pytest.raises(DatasetError, match="'cs' requires clips with names like those of NTU"):
        list(dataset.folds("cs"))


def test_which_file(tmp_path):
    root = write(tmp_path / "data", content(ntu_names()), "b.pkl")
    write(root, content(ntu_names(subjects=(1, 3))), "a.pkl")
    with pytest.raises(DatasetError, match=r"reader option 'file' to one of: a.pkl, b.pkl"):
        load(PYSKL, root, tmp_path / "cache")
    with pytest.raises(DatasetError, match=r"reader option 'file'"):
        load(PYSKL, root, tmp_path / "cache", file="../data/a.pkl")
    assert len(load(PYSKL, root, tmp_path / "cache", file="a.pkl")) == 24
    assert len(load(PYSKL, root, tmp_path / "cache", file="b.pkl")) == 48


def test_an_edited_file_is_read_again(tmp_path):
    root = write(tmp_path / "data", content(ntu_names()))
    assert len(load(PYSKL, root, tmp_path / "cache")) == 48
    write(root, content(ntu_names(subjects=(1, 3))))
    assert len(load(PYSKL, root, tmp_path / "cache")) == 24


def test_bad_annotations_are_left_out(tmp_path):
    names = ntu_names()
    data = content(names)
    points = positions(names[0])
    with_nan = points.copy()
    with_nan[0, 1, 2, 0] = np.nan
    broken = {
        3: "text",
        4: annotation("", 0),
        5: annotation("a\x1b[2J", 0),
        6: {**annotation(names[6], 0), "label": "0"},
        7: annotation(names[7], -1),
        8: annotation(names[8], 0, keypoint=[1, 2]),
        9: annotation(names[9], 59, keypoint=points[0]),
        10: annotation(names[10], 0, keypoint=np.ones((1, 5, 25, 3), int)),
        11: annotation(names[11], 59, total_frames=77),
        12: annotation(names[12], 0, keypoint=with_nan, total_frames=5),
        13: annotation(names[13], 59, keypoint=np.zeros((2, 3, 25, 3)), total_frames=3),
        14: annotation(names[14], 0, keypoint=np.zeros((1, 0, 25, 3)), total_frames=0),
        15: annotation(names[15], 58),
        16: annotation("another name", 3),
        17: annotation(names[0], 0),
        18: annotation(names[18], 0, keypoint=np.full((1, 5, 25, 3), 1e300), total_frames=5),
    }
    for i, item in broken.items():
        data["annotations"][i] = item
    data["split"]["xsub_val"] += [names[0], 5, "not there"]
    root = write(tmp_path / "data", data)
    dataset = load(PYSKL, root, tmp_path / "cache")
    assert list(dataset.samples["name"]) == names[:3] + names[19:]
    why = {where.rsplit(" ", 1)[1]: why for where, why in dataset.info["skipped"]}
    texts = [
        "is not a dict",
        "has no usable name ('frame_dir')",
        "has no usable name ('frame_dir')",
        f"{names[6]} has no label",
        f"{names[7]} has no label",
        f"{names[8]} has no 'keypoint' of shape (M, T, 25, 3)",
        f"{names[9]} has no 'keypoint' of shape (M, T, 25, 3)",
        f"{names[10]} has no 'keypoint' of shape (M, T, 25, 3)",
        f"{names[11]} has 6 frames, but 'total_frames' is 77",
        f"{names[12]} contains NaN or infinity",
        f"{names[13]} has no skeleton in any of its 3 frames",
        f"{names[14]} has no skeleton in any of its 0 frames",
        f"{names[15]} has label 58, which differs from its name",
        "another name has label 3, which differs from its name",
        f"{names[0]} occurs twice",
        f"{names[18]} contains NaN or infinity",
    ]
    assert {k: v for k, v in why.items() if k.startswith("annotations")} == {
        f"annotations[{i}]": text for i, text in zip(broken, texts, strict=True)
    }
    splits = [why for where, why in dataset.info["skipped"] if "split 'xsub_val'" in where]
    assert splits == [
        f"{names[0]} is also in 'xsub_train'; used for training",
        "contains an invalid name",
    ]
    assert any(note.startswith("split 'xsub' lists ") for note in dataset.info["notes"])
    with pytest.raises(DatasetError, match="also in 'xsub_train'"):
        load(PYSKL, root, tmp_path / "cache", strict=True)


NAME = "S001C001P001R001A001"
FLAT = {
    "frame_dir": NAME, "label": 0, "total_frames": 5, "img_shape": (1080, 1920),
    "keypoint": np.zeros((1, 5, 17, 2), np.float16), "keypoint_score": np.zeros((1, 5, 17)),
}  # fmt: skip


@pytest.mark.parametrize(
    ("annotations", "why"),
    [
        ([FLAT], r"annotations\[0\]: S001.* has 2D keypoints"),
        ([annotation(NAME, 0, keypoint=np.zeros((1, 4, 25, 2)))], "has 2D keypoints"),
        ([annotation(NAME, 0, keypoint=np.zeros((1, 4, 18, 3)))], "has 18 joints with 3 coord"),
        ({}, "is not a dict with a dict 'split' and a list 'annotations'"),
        ([], "no usable clips were found"),
    ],
)
def test_other_annotations_are_refused(tmp_path, annotations, why):
    root = write(tmp_path / "data", {"split": {}, "annotations": annotations})
    with pytest.raises(DatasetError, match=why):
        load(PYSKL, root, tmp_path / "cache")


class Command:
    def __reduce__(self):
        return os.system, ("touch marker",)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (Command(), "refers to '(posix|nt).system', which is neither plain data nor an array"),
        ({**content(ntu_names()), "extra": Command()}, "refers to '(posix|nt).system'"),
        (content([NAME], extra=np.array([None, 1], object)), "an array of Python objects"),
        ([1, 2], "is not a dict with a dict 'split'"),
    ],
)
def test_a_file_with_a_program_is_refused_and_not_run(tmp_path, monkeypatch, data, why):
    monkeypatch.chdir(tmp_path)
    root = write(tmp_path / "data", data)
    with pytest.raises(DatasetError, match=r"ntu60_3danno.pkl: .*" + why):
        load(PYSKL, root, tmp_path / "cache")
    assert not (tmp_path / "marker").exists()
    assert not list((tmp_path / "cache").glob("*"))


def test_a_damaged_file_is_refused(tmp_path):
    root = write(tmp_path / "data", content(ntu_names()))
    path = root / "ntu60_3danno.pkl"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DatasetError, match=r"ntu60_3danno.pkl: byte \d+: is damaged"):
        load(PYSKL, root, tmp_path / "cache")
