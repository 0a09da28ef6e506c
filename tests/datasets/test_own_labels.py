"""Labels of one's own clips: labels.csv with all its columns, and class folders."""

import os
import shutil
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from own_data import TOML, read, skipped, standing, write

from keras_skeleton.datasets import own_files
from keras_skeleton.datasets.dataset import ReadReport
from keras_skeleton.datasets.folder import FOLDER, find_files
from keras_skeleton.datasets.own_labels import read_labels
from keras_skeleton.datasets.registry import get_source
from keras_skeleton.datasets.source import load
from keras_skeleton.utils.errors import DatasetError


def labels(folder, text):
    folder.mkdir(exist_ok=True)
    (folder / "labels.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    report = ReadReport()
    rows = read_labels(folder, report)
    return rows, report


@pytest.fixture
def files(tmp_path):
    """Empty files a.npy, b.npy and c.npy: labels are read without opening them."""
    for name in "abc":
        (tmp_path / f"{name}.npy").touch()
    return tmp_path


# ---------------------------------------------------------------- columns


@pytest.mark.parametrize(
    "text",
    [
        "file,label,subject,split\na.npy,wave,ann,train\nb.npy,sit,bob,test\n",
        "\ufeffFile;Label;Subject;Split\r\nb.npy;sit;bob;TEST\r\na.npy; wave ;ann;Training\r\n",
        "split\tsubject\tlabel\tfile\ntrain\tann\twave\t.\\a.npy\ntesting\tbob\tsit\t./b.npy",
    ],
)
def test_columns_in_any_order_and_style(files, text):
    rows, report = labels(files, text)
    assert [(r.file, r.label, r.subject, r.split) for r in rows] == [
        ("a.npy", "wave", "ann", "train"),
        ("b.npy", "sit", "bob", "test"),
    ]
    assert not report.skipped
    assert not report.notes


def test_unknown_columns_are_named_with_what_was_meant(files):
    _, report = labels(files, "file,label,Person,note\na.npy,x,ann,\n")
    (note,) = report.notes
    assert "'person' (rename it to 'subject'?)" in note
    assert "'note'" in note
    with pytest.raises(DatasetError, match="'filename' for 'file'"):
        labels(files, "filename,label\na.npy,x\n")
    with pytest.raises(DatasetError, match="label.*more than once"):
        labels(files, "file,label,label\na.npy,x,y\n")
    for header in ("start,start_s", "end,end_s", "start,end_s", "start_s,end"):
        with pytest.raises(DatasetError, match="seconds"):
            labels(files, f"file,label,{header}\na.npy,x,1,2\n")


def test_unknown_values_of_split_are_named(files):
    rows, report = labels(files, "file,label,split\na.npy,x,trian\nb.npy,x,dev\nc.npy,x,\n")
    assert [(r.file, r.split) for r in rows] == [("b.npy", "val")]
    assert [w.rsplit(":", 1)[1] for w, _ in report.skipped] == ["2", "4"]
    assert "'trian'" in report.skipped[0].why
    assert "val" in report.skipped[0].why
    assert report.skipped[1].why == "empty field split"


def test_files_that_are_not_there_are_guessed(files):
    (files / "sub").mkdir()
    (files / "sub" / "Rec 1.npy").touch()
    rows, report = labels(files, "file,label\na,x\nrec 1.csv,x\nsub/zzz.npy,x\nA.NPY,x\n")
    assert rows == []
    hints = [why.partition("did you mean ")[2] for _, why in report.skipped]
    assert hints == ["'a.npy'?", "'sub/Rec 1.npy'?", "", "'a.npy'?"]


def test_case_of_the_file_name_does_not_matter(files):
    (files / "Labels.CSV").write_text("file,label\na.npy,x\n")
    assert [row.file for row in read_labels(files, ReadReport())] == ["a.npy"]


# ---------------------------------------------------------------- segments


def test_segments_are_frames_with_the_end_excluded(tmp_path):
    """Case 86."""
    recording = standing(300)
    lines = ["file,label,start,end", "r.npy,wave,10,60", "r.npy,sit,80,150.0", "r.npy,kick,200,"]
    folder = write(tmp_path / "d", lines, clip=lambda seed: recording)
    dataset, _ = read(folder, tmp_path / "c", strict=True)
    assert list(dataset.samples["name"]) == ["r.npy:10-60", "r.npy:80-150", "r.npy:200-300"]
    assert list(dataset.samples["frames"]) == [50, 70, 100]
    assert [dataset.classes[k] for k in dataset.labels] == ["wave", "sit", "kick"]
    for i, (start, end) in enumerate(((10, 60), (80, 150), (200, 300))):
        np.testing.assert_allclose(dataset.clip(i), recording[start:end], atol=1e-6)


def test_segments_in_seconds_need_the_frame_rate(tmp_path):
    lines = ["file,label,start_s,end_s", "r.npy,wave,0.5,2", "r.npy,sit,2,0:00:6"]
    lines += ["r.npy,kick,,0.02", "r.npy,kick,0.001,0.021", "r.npy,kick,1:0x,2"]
    folder = write(tmp_path / "d", lines, clip=lambda seed: standing(180))
    with pytest.raises(DatasetError, match=r"labels.csv:\d: .*fps = 30"):
        read(folder, tmp_path / "c")
    (folder / "skeleton.toml").write_text(TOML + "fps = 30")
    dataset, _ = read(folder, tmp_path / "c")
    names = ["r.npy:0-1", "r.npy:15-60", "r.npy:60-180"]
    assert list(dataset.samples["name"]) == names
    assert dataset.info["fps"] == 30
    same, odd = skipped(dataset)[::-1]
    assert same.startswith("labels.csv:5: ")
    assert "'r.npy:0-1'" in same
    assert odd.startswith("labels.csv:6: ")
    assert "'1:0x'" in odd


def test_segments_that_cannot_be_are_named(tmp_path):
    folder = write(
        tmp_path / "d",
        [
            "file,label,start,end", "r.npy,a,0,10", "r.npy,b,5,15", "r.npy,b,0,10", "r.npy,b,50,40",
            "r.npy,b,10,400", "r.npy,b,200,400", "r.npy,b,-1,5", "r.npy,b,1.5,5", "r.npy,b,x,5",
            "r.npy,b,12,20",
        ],
        clip=lambda seed: standing(100),
    )  # fmt: skip
    dataset, said = read(folder, tmp_path / "c")
    assert list(dataset.samples["name"]) == ["r.npy:0-10", "r.npy:5-15", "r.npy:12-20"]
    why = dict(line.split(": ", 1) for line in skipped(dataset))
    assert "already listed in line 2" in why["labels.csv:4"]
    assert "ends at 40, but starts at 50" in why["labels.csv:5"]
    assert "end 400 is beyond" in why["labels.csv:6"]
    assert "100 frames" in why["labels.csv:6"]
    assert "start 200 is beyond" in why["labels.csv:7"]
    assert "'-1'" in why["labels.csv:8"]
    assert "start_s" in why["labels.csv:9"]
    assert "'x'" in why["labels.csv:10"]
    assert "4 segments overlap" in said
    assert "'r.npy:0-10' and 'r.npy:5-15'" in said


def test_people_who_are_not_in_a_segment_are_left_out(tmp_path):
    def clip(seed):
        both = standing(40, M=2)
        both[:20, 0] = 0
        both[20:, 1] = np.nan
        return both

    lines = ["file,label,start,end", "r.npy,a,0,20", "r.npy,b,20,40", "r.npy,b,,"]
    dataset, _ = read(write(tmp_path / "d", lines, clip=clip), tmp_path / "c")
    assert list(dataset.samples["bodies"]) == [1, 2, 1]
    assert list(dataset.samples["name"]) == ["r.npy:0-20", "r.npy", "r.npy:20-40"]
    assert list(dataset.samples["recording"]) == [1, 1, 1]


@given(
    cuts=st.lists(st.integers(0, 60), min_size=2, max_size=8, unique=True).map(sorted),
)
def test_any_segments_hold_their_frames(tmp_path_factory, cuts):
    folder = tmp_path_factory.mktemp("segments")
    recording = standing(60)
    segments = list(pairwise(cuts))
    lines = ["file,label,start,end"] + [f"r.npy,c{i},{a},{b}" for i, (a, b) in enumerate(segments)]
    dataset, said = read(write(folder / "d", lines, clip=lambda seed: recording), folder / "c")
    assert "overlap" not in said
    for i, (a, b) in enumerate(segments):
        np.testing.assert_allclose(dataset.clip(i), recording[a:b], atol=1e-6)


# ---------------------------------------------------------------- names


def test_spellings_of_a_name_are_named_and_kept_apart(tmp_path):
    """Case 47."""
    lines = ["file,label,subject", "a.npy,Wave,p0", "b.npy,wave,P0", "c.npy,wave ,p1"]
    dataset, said = read(write(tmp_path / "d", lines), tmp_path / "c")
    assert dataset.classes == ("Wave", "wave")
    assert list(dataset.labels) == [0, 1, 1]
    assert list(dataset.samples["subject"]) == [2, 1, 3]
    assert "labels 'Wave' and 'wave' are probably the same" in said
    assert "subjects 'P0' and 'p0' are probably the same" in said
    assert "labels 'wave' and 'wave ' are read as 'wave'" in said


def test_subjects_are_numbered_naturally(tmp_path):
    lines = ["file,label,subject"]
    lines += [f"{i}.npy,{'ab'[i % 2]},subject{i // 2}" for i in range(4, 24)]
    dataset, said = read(write(tmp_path / "d", lines), tmp_path / "c")
    names = dataset.info["subjects"]
    assert [names[str(i)] for i in range(1, 11)] == [f"subject{i}" for i in range(2, 12)]
    (fold,) = dataset.folds("cs")
    numbers = dataset.samples["subject"].to_numpy()
    assert set(numbers[fold.test]) == {6, 7, 8, 9, 10}  # subject7 to subject11
    assert "8 = subject9, 9 = subject10" in said


# ---------------------------------------------------------------- class folders


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


# ---------------------------------------------------------------- cost


def test_each_clip_is_looked_up_a_fixed_number_of_times(tmp_path, monkeypatch):
    """The cost of labels grows with their number only: no path is resolved for each line."""
    calls = {"stat": 0, "lstat": 0, "resolve": 0, "scandir": 0}

    def counted(name, function):
        def call(*args, **kwargs):
            calls[name] += 1
            return function(*args, **kwargs)

        return call

    found = {}
    for count in (20, 200):
        root = tmp_path / str(count)
        root.mkdir()
        for i in range(count):
            (root / f"{i}.npy").touch()
        text = "".join(f"{i}.npy,c{i}\n" for i in range(count))
        (root / "labels.csv").write_text("file,label\n" + text)
        with monkeypatch.context() as patch:
            for name in ("stat", "lstat", "scandir"):
                patch.setattr(os, name, counted(name, getattr(os, name)))
            patch.setattr(os.path, "realpath", counted("resolve", os.path.realpath))
            assert len(read_labels(root, ReadReport(), own_files.walk_clips(root))) == count
        found[count] = sum(calls.values())
        calls = dict.fromkeys(calls, 0)
    assert found[200] <= found[20] + 10
