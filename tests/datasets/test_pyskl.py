import os
import pickle
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from keras_skeleton.datasets.ntu import CLASSES
from keras_skeleton.datasets.pyskl import PYSKL
from keras_skeleton.datasets.registry import get_source
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
        6: {**annotation(names[6], 0), "label": ""},
        7: annotation(names[7], -1),
        8: annotation(names[8], 0, keypoint=[1, 2]),
        9: annotation(names[9], 59, keypoint=points[0]),
        10: annotation(names[10], 0, keypoint=np.ones((1, 5, 25, 3), bool)),
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
    data["split"]["xsub_val"] += [names[0], 1.5, "not there"]
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
        f"{names[12]} contains NaN or infinity, first in frame 1",
        f"{names[13]} has no skeleton in any of its 3 frames",
        f"{names[14]} has no skeleton in any of its 0 frames",
        f"{names[15]} has label 58, which differs from its name",
        "another name has label 3, which differs from its name",
        f"{names[0]} occurs twice",
        f"{names[18]} contains NaN or infinity",
    ]
    for i, text in zip(broken, texts, strict=True):
        assert why.pop(f"annotations[{i}]").startswith(text)
    assert not [where for where in why if where.startswith("annotations")]
    splits = [why for where, why in dataset.info["skipped"] if "split 'xsub_val'" in where]
    assert splits == [
        f"{names[0]} is also in 'xsub_train'; used for training",
        "contains an invalid name",
    ]
    assert any(note.startswith("split 'xsub' lists ") for note in dataset.info["notes"])
    with pytest.raises(DatasetError, match="also in 'xsub_train'"):
        load(PYSKL, root, tmp_path / "cache", strict=True)


NAME = "S001C001P001R001A001"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ([annotation(NAME, 0, keypoint=np.ones((1, 4, 25, 2)))], "has 25 joints with 2 coord"),
        ([annotation(NAME, 0, keypoint=np.ones((1, 4, 18, 3)))], "has 18 joints with 3 coord"),
        ([annotation(NAME, 0, keypoint=np.ones((1, 4, 17, 3)))], "has 17 joints with 3 coord"),
        ([annotation(NAME, 0, keypoint=np.ones((4, 1, 25, 3)))], r"look like \(T, M, V, C\)"),
        ([annotation(NAME, 0, keypoint_score=np.ones((1, 9, 25)))], "'keypoint_score' of shape"),
        ([annotation(NAME, 0, total_frames=np.ones(2))], "'total_frames' is"),
        ([{"frame_dir": NAME, "label": 0, "raw_file": "k400/x.pkl"}], "has no 'keypoint' of shape"),
        ([], "no usable clips were found"),
        ({}, "expected a dict with a dict 'split'"),
        ("text", "expected a dict with a dict 'split'"),
        ({"split": [NAME], "annotations": []}, "expected a dict with a dict 'split'"),
        ({"split": {"train": [NAME]}}, "expected a dict with a dict 'split'"),
        ({"names": [NAME], "labels": [0]}, r"a dict with \['names', 'labels'\]"),
    ],
)
def test_other_content_is_refused(tmp_path, data, why):
    with pytest.raises(DatasetError, match=why):
        load(PYSKL, write(tmp_path / "data", data), tmp_path / "cache")


# ---------------------------------------------------------------- files as people write them


def read(tmp_path, data, protocol=4, **options):
    return load(PYSKL, write(tmp_path / "data", data, protocol=protocol), tmp_path / "c", **options)


def own(names="abcdefgh", classes=2):
    return [annotation(name, i % classes) for i, name in enumerate(names)]


def same_clips(dataset, annotations):
    assert len(dataset) == len(annotations)
    for i, item in enumerate(annotations):
        expected = np.asarray(item["keypoint"]).transpose(1, 0, 2, 3).astype(np.float32)
        np.testing.assert_array_equal(dataset.clip(i), expected)


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("kind", [np.str_, str])
@pytest.mark.parametrize("number", [np.int64, np.uint8, np.float32, int, str, np.array])
def test_names_and_numbers_of_numpy(tmp_path, protocol, kind, number):
    annotations = [
        {
            kind(key): value
            for key, value in {
                **item, "frame_dir": kind(item["frame_dir"]), "label": number(item["label"]),
                "total_frames": np.int32(item["total_frames"]),
            }.items()
        }
        for item in own()
    ]  # fmt: skip
    split = {kind("train"): [kind(name) for name in "abcdef"], "val": np.array(["g", "h"])}
    data = OrderedDict(split=OrderedDict(split), annotations=annotations)
    dataset = read(tmp_path, data, protocol, strict=True)
    same_clips(dataset, own())
    assert dataset.samples["name"].tolist() == list("abcdefgh")
    assert dataset.labels.tolist() == [0, 1] * 4
    (fold,) = dataset.folds("own")
    assert fold.test.tolist() == [6, 7]


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4", "i2", "i8", "u1"])
def test_keypoints_of_any_numbers(tmp_path, dtype):
    rng = np.random.default_rng(0)
    annotations = [
        annotation(name, 0, keypoint=rng.uniform(0, 9, (2, 4, 25, 3)).astype(dtype), total_frames=4)
        for name in "abcd"
    ]
    same_clips(read(tmp_path, annotations), annotations)
    lists = [{**item, "keypoint": item["keypoint"].tolist()} for item in annotations]
    again = load(PYSKL, write(tmp_path / "lists", lists), tmp_path / "c")
    same_clips(again, annotations)


@pytest.mark.parametrize(
    "data",
    [
        own(),
        tuple(own()),
        {"annotations": own()},
        {"annotations": own(), "split": None},
        {"annotations": dict(enumerate(own()))},
        {item.pop("frame_dir"): item for item in own()},
        {"split": {}, "annotations": {item.pop("frame_dir"): item for item in own()}},
    ],
)
def test_lists_and_dicts_of_annotations_without_splits(tmp_path, data):
    dataset = read(tmp_path, data, strict=True)
    same_clips(dataset, own())
    assert dataset.samples["name"].tolist() == list("abcdefgh")
    (fold,) = dataset.folds("random")
    assert sorted(np.concatenate(fold)) == list(range(8))
    assert sorted(dataset.labels[fold.test]) == [0, 1]
    with pytest.raises(DatasetError, match="use 'random'"):
        list(dataset.folds("own"))
    assert any("use protocol 'random'" in note for note in dataset.info["notes"])


def test_lists_of_annotations_by_part(tmp_path):
    items = own()
    unnamed = [{k: v for k, v in item.items() if k != "frame_dir"} for item in items]
    for i, clips in enumerate((items, unnamed)):
        data = {"train": clips[:5], "val": clips[5:6], "test": clips[6:]}
        dataset = load(PYSKL, write(tmp_path / f"{i}", data), tmp_path / "c", strict=True)
        same_clips(dataset, items)
        (fold,) = dataset.folds("own")
        assert [part.tolist() for part in fold] == [[0, 1, 2, 3, 4], [5], [6, 7]]


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ({"train": "abc", "test": "de"}, [("abc", "", "de")]),
        ({"Train": "abc", "Val": "de"}, [("abc", "", "de")]),
        ({"training": "abc", "validation": "d", "testing": "ef"}, [("abc", "d", "ef")]),
        ({"sub_train": "abc", "sub_val": "d", "sub_test": "ef"}, [("abc", "d", "ef")]),
        ({"my_trainset": "abc", "my_testset": "ef"}, [("abc", "", "ef")]),
        (
            {"train1": "abc", "test1": "def", "train2": "def", "test2": "abc"},
            [("abc", "", "def"), ("def", "", "abc")],
        ),
        (
            {"fold_1/train": "abc", "fold_1/val": "d", "fold_2/train": "d", "fold_2/val": "abc"},
            [("abc", "", "d"), ("d", "", "abc")],
        ),
    ],
)
def test_split_names_of_ones_own(tmp_path, split, expected):
    data = {"split": {key: list(names) for key, names in split.items()}, "annotations": own()}
    dataset = read(tmp_path, data, strict=True)
    folds = list(dataset.folds("own"))
    assert len(folds) == len(expected)
    for fold, (train, held, test) in zip(folds, expected, strict=True):
        names = ["".join(dataset.samples["name"][part]) for part in fold]
        assert names[2] == test
        if held:
            assert names[:2] == [train, held]
        else:
            assert sorted(names[0] + names[1]) == sorted(train)


def test_splits_without_a_partner_are_named(tmp_path):
    split = {"train": ["a"], "strangers": ["b"], 3: ["c"], "old_test": ["d"], "x_train": "a"}
    dataset = read(tmp_path, {"split": split, "annotations": own()})
    (note,) = [note for note in dataset.info["notes"] if note.startswith("splits that are not")]
    assert all(name in note for name in ("'train'", "'strangers'", "'3'", "'old_test'"))
    assert [len(fold.test) for fold in dataset.folds("random")] == [2]


def test_random_splits_keep_performances_of_a_lone_subject_together(tmp_path):
    dataset = read(tmp_path, [annotation(n, int(n[-3:]) - 1) for n in ntu_names(subjects=(1,))])
    (fold,) = dataset.folds("random")
    assert sorted(np.concatenate(fold)) == list(range(12))
    for label in (0, 59):
        for setup in (1, 2):
            table = dataset.samples
            views = np.flatnonzero((table["label"] == label) & (table["setup"] == setup))
            assert sum(bool(np.isin(views, part).any()) for part in fold) == 1


def test_random_splits_keep_subjects_together(tmp_path):
    dataset = read(tmp_path, [annotation(n, int(n[-3:]) - 1) for n in ntu_names()])
    for fold in dataset.folds("random"):
        groups = [set(dataset.samples["subject"][part]) for part in fold]
        assert sum(map(len, groups)) == len(set.union(*groups)) == 4
        assert all(groups)


@pytest.mark.parametrize(
    ("labels", "more", "classes", "expected"),
    [
        ([3, 7, 3, 100], {}, ("class 3", "class 7", "class 100"), [0, 1, 0, 2]),
        (["walk", "sit", "walk", "run"], {}, ("run", "sit", "walk"), [2, 1, 2, 0]),
        ([np.str_("b"), "a", "a", "b"], {}, ("a", "b"), [1, 0, 0, 1]),
        ([0, 1, 1, 0], {"classes": ["sit", "walk", "run"]}, ("sit", "walk", "run"), [0, 1, 1, 0]),
        ([0, 1, 1, 0], {"class_names": np.array(["sit", "walk"])}, ("sit", "walk"), [0, 1, 1, 0]),
        ([2, 1, 1, 2], {"label_map": {2: "run", 1: "walk"}}, ("walk", "run"), [1, 0, 0, 1]),
        ([2, 1, 1, 2], {"label_map": {"run": 2, "walk": 1}}, ("walk", "run"), [1, 0, 0, 1]),
        (["b", "a", "a", "b"], {"classes": ("b", "a", "c")}, ("b", "a", "c"), [0, 1, 1, 0]),
        ([0, 1, 1, 0], {"metainfo": {"classes": ["a", "b"]}}, ("a", "b"), [0, 1, 1, 0]),
        ([0, 1, 1, 0], {"classes": ["a", "a"]}, ("class 0", "class 1"), [0, 1, 1, 0]),
        ([0, 1, 1, 0], {"classes": [["a"], None]}, ("class 0", "class 1"), [0, 1, 1, 0]),
    ],
)
def test_classes_of_the_file_or_of_the_labels(tmp_path, labels, more, classes, expected):
    items = [{**annotation(n, 0), "label": x} for n, x in zip("abcd", labels, strict=True)]
    dataset = read(tmp_path, {"split": {}, "annotations": items, **more}, strict=True)
    assert dataset.classes == classes
    assert dataset.labels.tolist() == expected


def test_labels_beyond_the_file_s_classes_are_named(tmp_path):
    dataset = read(tmp_path, {"annotations": own(classes=3), "classes": ["sit", "walk"]})
    assert len(dataset) == 6
    assert "label 2, but there are 2 classes" in dataset.info["skipped"][0][1]


def test_names_of_ntu_with_labels_of_ones_own(tmp_path):
    """Somebody has taken some actions and counts them from 0."""
    names = ntu_names(actions=(5, 9))
    dataset = read(tmp_path, [annotation(n, int(n[-3:]) // 9) for n in names], strict=True)
    assert dataset.classes == ("class 0", "class 1")
    assert set(dataset.samples["subject"]) == {1, 2, 3, 4}
    (fold,) = dataset.folds("cs")
    assert set(dataset.samples["subject"][fold.test]) == {3}


def test_scores_of_3d_joints(tmp_path):
    plain = own()
    scored = [{**item, "keypoint_score": np.ones(item["keypoint"].shape[:3])} for item in plain]
    scored[0]["keypoint_score"][0, 2, 5] = 0  # this joint was not found in frame 2
    dataset = read(tmp_path, scored, strict=True)
    same_clips(dataset, [{**plain[0], "keypoint": _filled(plain[0])}, *plain[1:]])
    four = [dict(item) for item in scored]
    for item in four:
        scores = item.pop("keypoint_score")
        item["keypoint"] = np.concatenate([item["keypoint"], scores[..., None]], axis=-1)
    again = load(PYSKL, write(tmp_path / "four", four), tmp_path / "c", strict=True)
    np.testing.assert_array_equal(again.rows, dataset.rows)


def _filled(item):
    points = item["keypoint"].astype(np.float32)
    points[0, 2, 5] = (points[0, 1, 5] + points[0, 3, 5]) / 2
    return points


def test_of_many_bodies_the_two_with_the_most_motion_are_kept(tmp_path):
    points = np.ones((4, 20, 25, 3)) + np.arange(25)[:, None]
    for m, speed in enumerate([0.0, 0.1, 0.0, 0.2]):
        points[m] += m + speed * np.arange(20)[:, None, None]
    dataset = read(tmp_path, [annotation("a", 0, keypoint=points, total_frames=20)])
    np.testing.assert_array_equal(
        dataset.clip(0), points[[3, 1]].transpose(1, 0, 2, 3).astype("f4")
    )
    assert any(note.startswith("1 clips have more than 2 bodies") for note in dataset.info["notes"])


def test_other_units_than_meters_are_named(tmp_path):
    tall = np.zeros((1, 4, 25, 3)) + np.random.default_rng(0).normal(0, 0.01, (4, 25, 3))
    tall[..., 1] += np.linspace(0, 1.5, 25)
    for unit, named in ((1.0, False), (1000.0, True)):
        item = annotation("a", 0, keypoint=tall * unit, total_frames=4)
        dataset = load(PYSKL, write(tmp_path / f"{unit}", [item]), tmp_path / "c")
        assert any("not meters" in note for note in dataset.info["notes"]) == named


# ---------------------------------------------------------------- 2D poses


def flat(name="a", label=0, bodies=1, frames=12, size=(1080, 1920), seed=0, **changes):
    """COCO key points in pixels as HRNet files have them."""
    rng = np.random.default_rng(seed)
    pose = np.array(
        [(0, 0), (-2, -2), (2, -2), (-4, -1), (4, -1), (-10, 10), (10, 10), (-14, 25), (14, 25),
         (-15, 38), (15, 38), (-7, 45), (7, 45), (-7, 65), (7, 65), (-7, 85), (7, 85)]
    )  # fmt: skip
    points = 6.0 * pose + rng.normal(0, 2, (bodies, frames, 17, 2))
    points += [900, 200] + 150 * np.arange(bodies)[:, None, None, None]
    fields = {
        "frame_dir": name, "label": label, "total_frames": frames, "img_shape": size,
        "original_shape": size, "keypoint": points.astype(np.float16),
        "keypoint_score": rng.uniform(0.3, 1, (bodies, frames, 17)).astype(np.float16),
    }  # fmt: skip
    return {**fields, **changes}


def test_2d_poses_are_what_the_folder_reader_makes_of_them(tmp_path):
    items = [flat(name, i % 2, 1 + i % 2, seed=i) for i, name in enumerate("abcdef")]
    items[0]["keypoint_score"][0, 3:5, 9] = 0  # a wrist that was not found
    items[1]["keypoint"][1, :4] = 0  # somebody comes later
    items[1]["keypoint_score"][1, :4] = 0
    dataset = read(tmp_path, items, strict=True)
    assert dataset.info["unit"] == ""
    assert dataset.skeleton.name == "kinect_v2"
    folder = tmp_path / "folder"
    folder.mkdir()
    lines = ["file,label"]
    for item in items:
        points = np.concatenate([item["keypoint"], item["keypoint_score"][..., None]], axis=-1)
        np.save(folder / f"{item['frame_dir']}.npy", points.transpose(1, 0, 2, 3))
        lines.append(f"{item['frame_dir']}.npy,{item['label']}")
    (folder / "labels.csv").write_text("\n".join(lines))
    (folder / "skeleton.toml").write_text('skeleton = "coco17"\ncoordinates = "xyc"\n')
    other = load(get_source("folder"), folder, tmp_path / "c")
    assert other.samples["bodies"].tolist() == dataset.samples["bodies"].tolist()
    for i in range(len(items)):
        np.testing.assert_allclose(dataset.clip(i), other.clip(i), atol=1e-6)
    head, foot = dataset.skeleton.index("head"), dataset.skeleton.index("left_foot")
    assert (dataset.clip(0)[:, 0, head, 1] > dataset.clip(0)[:, 0, foot, 1]).all()


def test_people_of_2d_files_are_followed(tmp_path):
    """PYSKL's own script lists the people of a frame by the detector's scores."""
    item = flat(bodies=2, frames=20)
    swapped = {**item, "frame_dir": "b"}
    for key in ("keypoint", "keypoint_score"):
        swapped[key] = item[key].copy()
        swapped[key][:, 5:9] = item[key][::-1, 5:9]
    dataset = read(tmp_path, [item, swapped], strict=True)
    np.testing.assert_array_equal(dataset.clip(1), dataset.clip(0))
    assert any(note.startswith("in 1 clips people change") for note in dataset.info["notes"])


@pytest.mark.parametrize("signed", [False, True])
def test_normalized_2d_poses_get_the_image_s_sides(tmp_path, signed):
    pixels = flat(seed=3)
    pixels["keypoint"] = pixels["keypoint"].astype(np.float64)
    sides = np.array([1920, 1080])
    shares = pixels["keypoint"] / sides
    if signed:
        shares = 2 * shares - 1
    normal = {**pixels, "frame_dir": "b", "keypoint": shares}
    dataset = read(tmp_path, [pixels, normal], strict=True)
    one, two = dataset.clip(0), dataset.clip(1)
    np.testing.assert_allclose(one - one[:1, :, :1], two - two[:1, :, :1], atol=1e-5)
    for size in (None, (0, 5), "big", (1, 2, 3)):
        root = write(tmp_path / f"{size}", [pixels, {**normal, "img_shape": size}])
        ((_, why),) = load(PYSKL, root, tmp_path / "c").info["skipped"]
        assert "need 'img_shape'" in why


def test_2d_poses_with_and_without_scores(tmp_path):
    with_scores = flat("a")
    scores = with_scores["keypoint_score"][..., None]
    inside = np.concatenate([with_scores["keypoint"], scores], axis=-1)
    without = {k: v for k, v in with_scores.items() if k != "keypoint_score"}
    items = [
        with_scores,
        {**without, "frame_dir": "b"},
        {**without, "frame_dir": "c", "keypoint": inside},
        {**with_scores, "frame_dir": "d", "keypoint_score": scores},
        {**without, "frame_dir": "e", "keypoint": with_scores["keypoint"].astype(int)},
    ]
    dataset = read(tmp_path, items, strict=True)
    for i in (1, 2, 3):
        np.testing.assert_array_equal(dataset.clip(i), dataset.clip(0))
    np.testing.assert_allclose(dataset.clip(4), dataset.clip(0), atol=0.02)


def test_bad_2d_poses_are_left_out_and_named(tmp_path):
    endless = flat("b")
    endless["keypoint"][0, 5, 3, 1] = np.inf
    point = flat("c", keypoint=np.full((1, 12, 17, 2), 300))
    nobody = flat("d", keypoint=np.zeros((1, 12, 17, 2)))
    unseen = flat("e", keypoint_score=np.zeros((1, 12, 17)))
    items = [flat("a"), endless, point, nobody, unseen, annotation("f", 0)]
    dataset = read(tmp_path, items)
    assert len(dataset) == 1
    texts = [
        "first in frame 5", "torso", "no skeleton", "no skeleton", "f is 3D, but the clips",
    ]  # fmt: skip
    for (_, why), text in zip(dataset.info["skipped"], texts, strict=True):
        assert text in why


def test_2d_poses_of_ntu_have_its_protocols(tmp_path):
    names = ntu_names()
    items = [flat(name, int(name[-3:]) - 1, seed=i) for i, name in enumerate(names)]
    dataset = read(tmp_path, {**content(names), "annotations": items})
    assert dataset.info["skipped"] == []
    assert dataset.classes == CLASSES[:60]
    (fold,) = dataset.folds("cs")
    assert set(dataset.samples["subject"][fold.test]) == {3}
    assert len(list(dataset.folds("xsub"))) == 1


ARRAYS = hnp.arrays(
    st.sampled_from(["f2", "f8", "i4", "b1"]),
    hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=3)
    | st.sampled_from([(1, 3, 25, 3), (2, 3, 17, 2), (1, 3, 25, 4), (3, 17, 2), (1, 3, 17)]),
)
SCALARS = st.none() | st.booleans() | st.integers(-3, 70) | st.floats() | st.text(max_size=3)
DATA = st.recursive(
    SCALARS | ARRAYS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=2) | st.integers(-2, 3), inner, max_size=3)
    ),
    max_leaves=4,
)
FIELDS = ("frame_dir", "label", "total_frames", "keypoint", "keypoint_score", "img_shape")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    changes=st.lists(st.dictionaries(st.sampled_from(FIELDS), DATA, max_size=3), max_size=3),
    extra=st.dictionaries(
        st.sampled_from(["split", "classes", "label_map", "metainfo", "annotations"]),
        DATA | st.dictionaries(st.sampled_from(["train", "val", "test", "x"]), DATA, max_size=3),
        max_size=2,
    ),
    two=st.booleans(),
)
def test_any_content_is_read_or_refused(tmp_path, changes, extra, two):
    start = [flat(f"f{i}", i, frames=3) if two else annotation(f"f{i}", i) for i in range(3)]
    items = [{**item, **change} for item, change in zip(start, changes, strict=False)]
    data = {"split": {"train": ["f0"], "val": ["f1"]}, "annotations": items, **extra}
    with suppress(DatasetError):
        dataset = read(tmp_path, data)
        assert np.isfinite(dataset.rows).all()
        for protocol in dataset.protocols:
            with suppress(DatasetError):
                list(dataset.folds(protocol))


def test_the_case_of_numpy_names(tmp_path):
    root = Path(__file__).resolve().parents[3] / "shared" / "cases" / "95-pkl-npstr-names"
    if not root.is_dir():
        pytest.skip(f"no cases at {root.parent}")
    dataset = load(PYSKL, root, tmp_path / "cache", strict=True)
    assert dataset.samples["name"].tolist() == [f"c{i}" for i in range(6)]
    (fold,) = dataset.folds("own")
    assert fold.test.tolist() == [4, 5]
    assert dataset.clip(0).shape == (30, 1, 25, 3)


class Command:
    def __reduce__(self):
        return os.system, ("touch marker",)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (Command(), "refers to '(posix|nt).system', which is neither plain data nor an array"),
        ({**content(ntu_names()), "extra": Command()}, "refers to '(posix|nt).system'"),
        (content([NAME], extra=np.array([None, 1], object)), "an array of Python objects"),
        ([annotation("a", 0, extra=Command())], "refers to '(posix|nt).system'"),
        (OrderedDict(annotations=[Command()]), "refers to '(posix|nt).system'"),
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
