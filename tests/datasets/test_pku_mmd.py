import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keras_skeleton.datasets import pku_mmd
from keras_skeleton.datasets.dataset import ReadReport
from keras_skeleton.datasets.pku_mmd import (
    CLASSES,
    PKU_MMD,
    read_frames,
    read_intervals,
    read_split,
)
from keras_skeleton.datasets.source import load
from keras_skeleton.datasets.store import StoreWriter, open_store, verify_store
from keras_skeleton.detection.clips import trimmed
from keras_skeleton.utils.errors import DatasetError

LABELS = {  # class, start, end, confidence
    "L": "1,2,6,2\n51,6,10,2\n12,15,20,1\n",
    "M": "1 3 7 2\n51 7 11 2\n12 15 20 1\n",  # with spaces
    "R": "1,2,6,2\r\n12,15,20,1\r\n",
}
FRAMES = 20


def positions(video):
    rng = np.random.default_rng([ord(c) for c in video])
    frames = rng.normal(0, 0.5, (FRAMES, 2, 25, 3))
    if int(video[:4]) % 2:
        frames[:, 1] = 0  # nobody is second in odd sequences
    return frames


def row_text(frames):
    rows = frames.reshape(len(frames), -1)
    return "".join(" ".join(f"{v:.6f}" for v in row) + " \n" for row in rows)


def split_text(train, test):
    """As the release writes it, its spelling and its last commas included."""
    lists = ["".join(f"{video}, " for video in part) for part in (train, test)]
    return f"Training videos:\n{lists[0]}\nValidataion videos:\n{lists[1]}\n"


VIDEOS = [f"{number:04d}-{view}" for number in range(2, 8) for view in "LMR"]


def write(root, names=("skeleton", "label", "split"), videos=VIDEOS):
    skeleton, label, split = (root / name for name in names)
    for folder in (skeleton, label, split):
        folder.mkdir(parents=True, exist_ok=True)
    for video in videos:
        (skeleton / f"{video}.txt").write_text(row_text(positions(video)))
        (label / f"{video}.txt").write_bytes(LABELS[video[-1]].encode())
    cs = [video for video in videos if int(video[:4]) < 6], [v for v in videos if int(v[:4]) >= 6]
    cv = [video for video in videos if video[-1] != "L"], [v for v in videos if v[-1] == "L"]
    (split / "cross-subject.txt").write_text(split_text(*cs))
    (split / "cross-view.txt").write_text(split_text(*cv))
    return root


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write(tmp_path_factory.mktemp("pku"))


@pytest.fixture(scope="module", params=["trimmed", "untrimmed"])
def dataset(request, folder, tmp_path_factory):
    return load(PKU_MMD, folder, tmp_path_factory.mktemp("cache"), clips=request.param)


def test_classes():
    assert len(CLASSES) == len(set(CLASSES)) == 51
    assert CLASSES[0] == "bow"
    assert CLASSES[50] == "write"


def test_clips_are_parts_of_the_videos(dataset):
    """With either option the store has each video once and all annotated actions."""
    table = dataset.samples
    bodies = [1 if int(video[:4]) % 2 else 2 for video in VIDEOS]
    assert len(dataset.rows) == sum(bodies) * FRAMES
    assert dataset.max_bodies == 2
    assert dataset.info["skipped"] == []
    assert len(dataset.intervals) == 6 * (3 + 3 + 2)
    assert set(dataset.intervals["video"]) == set(VIDEOS)
    if dataset.info["options"]["clips"] == "untrimmed":
        assert list(table["name"]) == list(table["video"]) == VIDEOS
        for i, video in enumerate(VIDEOS):
            np.testing.assert_allclose(dataset.clip(i), positions(video), atol=1e-6)
        assert list(table["bodies"]) == bodies
        return
    assert len(dataset) == len(dataset.intervals)
    assert list(table["name"][:4]) == ["0002-L_01", "0002-L_02", "0002-L_03", "0002-M_01"]
    assert list(dataset.labels[:3]) == [0, 50, 11]
    for i, row in dataset.intervals.iterrows():
        clip = positions(row["video"])[row["start"] : row["end"]]
        np.testing.assert_allclose(dataset.clip(i), clip, atol=1e-6)
        assert table["label"][i] == row["label"]
        assert table["video"][i] == row["video"]


def test_clips_share_the_mapped_rows_of_the_videos(folder, tmp_path):
    """Cutting copies nothing: all clips of the dataset need no memory of their own."""
    options = {"clips": "untrimmed"}
    videos = load(PKU_MMD, folder, tmp_path, **options)
    for dataset in (load(PKU_MMD, folder, tmp_path), trimmed(videos, True)):
        assert isinstance(dataset.rows, np.memmap)
        whole = dataset.samples["bodies"] == dataset.max_bodies  # others are filled with zeros
        assert whole.any()
        for i in np.flatnonzero(whole):
            assert np.shares_memory(dataset.clip(i), dataset.rows)
    assert trimmed(videos).rows is videos.rows


def test_columns(dataset):
    for _, row in dataset.samples.iterrows():
        assert row["view"] == "LMR".index(row["video"][-1]) + 1
        assert row["sequence"] == int(row["video"][:4])
        assert row["cs"] == (row["sequence"] < 6)
        assert row["cv"] == (row["view"] != 1)


def test_protocols_follow_the_split_files(dataset):
    table = dataset.samples
    for protocol in ("cs", "cv"):
        (fold,) = dataset.folds(protocol)
        assert set(table[protocol][fold.test]) == {0}
        training = np.concatenate([fold.train, fold.validation])
        assert set(table[protocol][training]) == {1}
        assert sorted(np.concatenate([training, fold.test])) == list(range(len(table)))
        assert len(fold.train)
        assert len(fold.validation)
        # The views of a sequence show the same performance.
        assert not set(table["sequence"][fold.train]) & set(table["sequence"][fold.validation])


def test_counts_are_told(dataset):
    notes = dataset.info["notes"]
    assert "videos: 18 found, 1076 published" in notes
    assert "annotated actions: 48 found, 21545 published" in notes
    assert "training videos of cs: 12 found, 944 published" in notes
    assert "validation videos of cv: 6 found, 359 published" in notes


def test_folders_as_the_archives_unpack(tmp_path):
    names = ("Data/PKU_Skeleton_Renew", "Label/Train_Label_PKU_final", "Split")
    dataset = load(PKU_MMD, write(tmp_path / "pku", names, VIDEOS[:6]), tmp_path / "cache")
    assert len(dataset) == 16
    assert dataset.info["source_files"] == 6 + 6 + 2


def test_a_video_that_is_in_no_list_is_in_no_fold(tmp_path):
    root = write(tmp_path / "pku")
    (root / "split" / "cross-subject.txt").write_text(split_text(VIDEOS[:9], VIDEOS[12:]))
    dataset = load(PKU_MMD, root, tmp_path / "cache", clips="untrimmed")
    (fold,) = dataset.folds("cs")
    assert not {9, 10, 11} & set(np.concatenate(fold))
    assert list(dataset.samples["cs"]) == [1] * 9 + [-1] * 3 + [0] * 6


def test_without_split_files_there_is_no_protocol(tmp_path):
    root = write(tmp_path / "pku", videos=VIDEOS[:3])
    (root / "split" / "cross-view.txt").unlink()
    dataset = load(PKU_MMD, root, tmp_path / "cache")
    assert "cross-view.txt is missing: no protocol 'cv'" in dataset.info["notes"]
    with pytest.raises(DatasetError, match=r"'cv' needs cross-view.txt[\s\S]*download"):
        list(dataset.folds("cv"))


def test_bad_lines_leave_frames_empty_and_in_their_place(tmp_path):
    """The labels count frames: one that is left out would shift all that follow."""
    lines = row_text(positions("0002-L")).split("\n")
    lines[3] = lines[3].replace(" ", " abc ", 1)
    lines[5] = lines[5].rsplit(" ", 3)[0]
    lines[7] = lines[7].replace(lines[7].split()[10], "nan", 1)
    lines[9] = lines[9].replace(lines[9].split()[10], "1e300", 1)
    lines.insert(1, "")
    path = tmp_path / "0002-L.txt"
    path.write_text("\n".join(lines))
    report = ReadReport()
    frames = read_frames(path, report)
    expected = positions("0002-L")
    expected[[3, 5, 7, 9]] = 0
    np.testing.assert_allclose(frames, expected, atol=1e-6)
    assert [s.where.rsplit(":", 1)[1] for s in report.skipped] == ["5", "7", "9", "11"]
    reasons = [s.why for s in report.skipped]
    assert reasons[0] == "151 numbers, expected 150 (2 bodies x 25 x x y z)"
    assert reasons[1] == "148 numbers, expected 150 (2 bodies x 25 x x y z)"
    assert reasons[2] == reasons[3] == "contains a value that is not a number in meters"


def test_bad_labels_are_reported_with_their_line(tmp_path):
    path = tmp_path / "0002-L.txt"
    lines = [
        "1,2,6,2", "52,2,6,2", "0,2,6,2", "1,6,6,2", "1,30,40,2", "3,15,99,2", "", "1,2", "a,1,2,3",
        "1,2.5,6,2", "-1,2,6,2", "7,9,4,1", "1,2,6",
    ]  # fmt: skip
    path.write_text("\n".join(lines))
    report = ReadReport()
    found = [tuple(interval) for interval in read_intervals(path, 20, report)]
    assert found == [(0, 2, 6, 1), (2, 15, 20, 6), (6, 4, 9, 12), (0, 2, 6, 13)]
    assert [(int(s.where.rsplit(":", 1)[1]), s.why) for s in report.skipped] == [
        (2, "unknown class 52: classes are 1 to 51"),
        (3, "unknown class 0: classes are 1 to 51"),
        (4, "has no frames: 6 to 6 of 20"),
        (5, "has no frames: 30 to 40 of 20"),
        (8, "'1,2' is not 'class,start,end,confidence'"),
        (9, "'a,1,2,3' is not 'class,start,end,confidence'"),
        (10, "'1,2.5,6,2' is not 'class,start,end,confidence'"),
        (11, "'-1,2,6,2' is not 'class,start,end,confidence'"),
    ]
    assert report.notes == [
        f"{path}:6: ends at 99, but the video has 20 frames",
        f"{path}:12: start and end were swapped: 9 and 4",
    ]


def test_bad_splits_are_reported_with_their_line(tmp_path):
    path = tmp_path / "cross-view.txt"
    path.write_text("Training:\n0001-L, 0001-M, abc, 0002-R.txt\nValidation:\n0001-M, 0003-L\n")
    report = ReadReport()
    assert read_split(path, report) == {"0001-L": 1, "0001-M": 1, "0002-R": 1, "0003-L": 0}
    assert [(s.where.rsplit(":", 1)[1], s.why) for s in report.skipped] == [
        ("2", "'abc' is not a video like 0002-L"),
        ("4", "0001-M is also in line 2; used for training"),
    ]
    path.write_text("Training:\n0001-L")
    report = ReadReport()
    assert read_split(path, report) == {"0001-L": 1}
    assert [s.where.rsplit(":", 1)[1] for s in report.skipped] == ["4"]


def test_bad_files_are_left_out(tmp_path):
    root = write(tmp_path / "pku", videos=VIDEOS[:5])
    (root / "label" / "0002-L.txt").unlink()
    (root / "skeleton" / "0002-M.txt").unlink()
    (root / "skeleton" / "0002-R.txt").write_text("\n")
    (root / "skeleton" / "0003-L.txt").write_text(("0 " * 150 + "\n") * 4)
    dataset = load(PKU_MMD, root, tmp_path / "cache")
    assert set(dataset.samples["video"]) == {"0003-M"}
    assert set(dataset.intervals["video"]) == {"0003-M"}
    why = {
        where.rsplit("/", 1)[1]: why for where, why in dataset.info["skipped"] if ":" not in where
    }
    assert why == {
        "0002-M.txt": "has no skeleton file",
        "0002-L.txt": "has no label file",
        "0002-R.txt": "no skeleton in any of its 0 frames",
        "0003-L.txt": "no skeleton in any of its 4 frames",
    }
    with pytest.raises(DatasetError, match="has no skeleton file"):
        load(PKU_MMD, root, tmp_path / "cache", strict=True)


def test_wrong_options_and_empty_folders(folder, tmp_path):
    with pytest.raises(DatasetError, match="choose one of trimmed, untrimmed"):
        load(PKU_MMD, folder, tmp_path / "cache", clips="cut")
    (tmp_path / "label").mkdir()
    (tmp_path / "label" / "0002-L.txt").write_text("1,2,3,1")
    with pytest.raises(DatasetError, match="'pku_mmd'"):
        load(PKU_MMD, tmp_path, tmp_path / "cache")


def test_a_line_is_read_as_fast_as_numpy_can(tmp_path, monkeypatch):
    """A whole file at once: the way line by line is for bad ones."""
    monkeypatch.setattr(pku_mmd, "_read_lines", None)
    path = tmp_path / "0002-L.txt"
    path.write_text(row_text(positions("0002-L")))
    np.testing.assert_allclose(read_frames(path, ReadReport()), positions("0002-L"), atol=1e-6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=300) | st.text(alphabet="0123456789.-eE nN,\n", max_size=300))
def test_any_text_is_read_or_reported(tmp_path, text):
    path = tmp_path / "0002-L.txt"
    path.write_text(text, "utf-8")
    assert read_frames(path, ReadReport()).shape[1:] == (2, 25, 3)
    for interval in read_intervals(path, 50, ReadReport()):
        assert 0 <= interval.start < interval.end <= 50
    assert set(read_split(path, ReadReport()).values()) <= {0, 1}


def test_the_store_keeps_intervals(tmp_path):
    """Names stay text, even if they look like numbers; other stores have an empty table."""
    with StoreWriter(tmp_path / "s", "sbu", ["a", "b"]) as writer:
        writer.add(np.ones((9, 1, 15, 3)), name="007", label=0, video="007")
        writer.add_interval("007", 1, 2, 5)
        with pytest.raises(DatasetError, match="video '007': .*label=2, start=2, end=5"):
            writer.add_interval("007", 2, 2, 5)
        with pytest.raises(DatasetError, match="start=5, end=5"):
            writer.add_interval("007", 1, 5, 5)
    dataset = open_store(tmp_path / "s", "toy", {})
    assert dataset.intervals.to_dict("records") == [
        {"video": "007", "label": 1, "start": 2, "end": 5}
    ]
    assert dataset.samples["video"][0] == "007"
    verify_store(tmp_path / "s")
    assert "intervals.csv" in json.loads((writer.version / "manifest.json").read_text())["files"]

    with StoreWriter(tmp_path / "t", "sbu", ["a"]) as writer:
        writer.add(np.ones((9, 1, 15, 3)), name="x", label=0)
    assert list(open_store(tmp_path / "t", "toy", {}).intervals) == [
        "video", "label", "start", "end",
    ]  # fmt: skip
