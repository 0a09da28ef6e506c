"""Labels of one's own clips: labels.csv with all its columns, and class folders."""

import os
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from own_data import TOML, read, skipped, standing, write

from keras_skeleton.datasets import own_files
from keras_skeleton.datasets.dataset import ReadReport
from keras_skeleton.datasets.own_labels import read_labels
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
    with pytest.raises(DatasetError, match=r"labels.csv:4: .*fps = "):
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


@pytest.mark.parametrize(
    "time", ["1:" * 60_000 + "1", "1:2:3:4", "9" * 5000 + ":1", "-1:90", "1_0:1", ":1", "1::1"]
)
def test_a_time_has_hours_minutes_and_seconds(time, tmp_path):
    """60,000 parts would be a number of 350,000 bits for each of them."""
    lines = [
        "file,label,start_s,end_s",
        "r.npy,wave,0.5,0:01.5",
        f"r.npy,sit,{time},",
        "r.npy,a,3,",
    ]
    folder = write(tmp_path / "d", lines, clip=lambda seed: standing(180))
    (folder / "skeleton.toml").write_text(TOML + "fps = 30")
    dataset, _ = read(folder, tmp_path / "c")
    assert list(dataset.samples["name"]) == ["r.npy:15-45", "r.npy:90-180"]
    (odd,) = skipped(dataset)
    assert "is not a time in seconds" in odd
    assert len(odd) < 200


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
