import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keras_skeleton import load_dataset
from keras_skeleton.datasets.dataset import ReadReport
from keras_skeleton.datasets.ut_kinect import CLASSES, read_labels, read_sequence
from keras_skeleton.utils.errors import DatasetError


def row(number, value=0.5):
    return f"{number} " + " ".join(f"{value + j / 100:.6f}" for j in range(60))


@pytest.fixture
def folder(tmp_path):
    """Two small sequences in the real layout; frame numbers skip and repeat."""
    joints = tmp_path / "ut" / "joints"
    joints.mkdir(parents=True)
    for name in ("s01_e01", "s02_e01"):
        numbers = [10, 12, 12, 14, 18, 20, 22, 30]
        lines = [row(n, i) for i, n in enumerate(numbers)]
        (joints / f"joints_{name}.txt").write_text("\n".join(lines) + "\n")
    labels = "\n".join(
        f"{s}\nwalk: 12 18\ncarry:  NaN NaN\nthrow: 20 30" for s in ("s01_e01", "s02_e01")
    )
    (joints / "actionLabel.txt").write_text(labels)
    return tmp_path / "ut"


def test_real_recordings(real_data, tmp_path):
    """All 199 clips, against a second reading of the text."""
    root = real_data("ut_kinect")
    dataset = load_dataset("ut_kinect", root, tmp_path)
    assert len(dataset) == 199
    assert dataset.info["skipped"] == []
    assert dataset.samples["frames"].min() == 5
    assert dataset.samples["frames"].max() == 110  # 170 with the uncorrected labels
    assert list(np.bincount(dataset.labels)) == [20, 20, 20, 20, 19, 20, 20, 20, 20, 20]
    assert dataset.clip(0).shape[1:] == (1, 20, 3)

    lines = (root / "joints" / "joints_s03_e01.txt").read_text().splitlines()
    push = {}  # the corrected interval: 3556 to 3622, not 2556
    for line in lines:
        values = [float(word) for word in line.split()]
        if 3556 <= values[0] <= 3622:
            push.setdefault(values[0], values[1:])
    expected = np.array(list(push.values()), np.float32).reshape(-1, 1, 20, 3)
    i = list(dataset.samples["name"]).index("s03_e01_push")
    np.testing.assert_array_equal(dataset.clip(i), expected)


def test_real_protocols(real_data, tmp_path):
    dataset = load_dataset("ut_kinect", real_data("ut_kinect"), tmp_path)
    folds = list(dataset.folds("loocv"))
    assert len(folds) == 20
    assert sorted(len(fold.test) for fold in folds) == [9] + [10] * 19
    table = dataset.samples
    pairs = list(dataset.folds("l2so"))
    assert [sorted(set(table["subject"].iloc[fold.test])) for fold in pairs] == [
        [1, 2], [3, 4], [5, 6], [7, 8], [9, 10]
    ]  # fmt: skip
    for fold in pairs:
        parts = [set(table["subject"].iloc[own]) for own in fold]
        assert sum(map(len, parts)) == len(set.union(*parts)) == 10
    for fold in folds:
        sequences = [
            set(zip(table["subject"][part], table["repetition"][part], strict=True))
            for part in fold
        ]
        assert [len(s) for s in sequences] == [17, 2, 1]
    (cs,) = dataset.folds("cs")
    assert set(table["subject"][cs.test]) == {6, 7, 8, 9, 10}


def test_people_stand_upright(real_data, tmp_path):
    """A wrong joint order would put feet above heads."""
    dataset = load_dataset("ut_kinect", real_data("ut_kinect"), tmp_path)
    layout = dataset.skeleton
    walk = np.concatenate([dataset.clip(i)[:, 0] for i in np.flatnonzero(dataset.labels == 0)])
    height = walk[:, layout.index("head"), 1] - walk[:, layout.index("left_foot"), 1]
    assert 1.2 < np.median(height) < 1.8  # metres


def test_intervals_are_frame_numbers_and_the_first_row_counts(folder, tmp_path):
    said = []
    dataset = load_dataset("ut_kinect", folder, tmp_path / "cache", log=said.append)
    assert list(dataset.samples["name"]) == [
        "s01_e01_walk", "s01_e01_throw", "s02_e01_walk", "s02_e01_throw",
    ]  # fmt: skip
    np.testing.assert_allclose(dataset.clip(0)[:, 0, 0, 0], [1, 3, 4])  # 12 (first), 14, 18
    np.testing.assert_allclose(dataset.clip(1)[:, 0, 0, 0], [5, 6, 7])
    assert any("actionLabel_modified.txt is missing" in line for line in said)
    assert any("4 found, 199 published" in line for line in said)


def test_bad_lines_are_reported_with_their_number(folder):
    path = folder / "joints" / "joints_s01_e01.txt"
    lines = [
        row(10),
        "11 1.0 2.0",
        row(12).replace("0.500000", "abc", 1),
        row(14, np.nan),
        row(13),
        "",
        row(16),
    ]
    path.write_text("\n".join([*lines, row(15)]))
    report = ReadReport()
    numbers, frames = read_sequence(path, report)
    assert list(numbers) == [10, 13, 16]
    assert frames.shape == (3, 1, 20, 3)
    assert [(s.where.rsplit(":", 1)[1], s.why.split(",")[0]) for s in report.skipped] == [
        ("2", "3 numbers"), ("3", "contains a value that is not a number"),
        ("4", "contains NaN"), ("8", "frame 15 comes after 16"),
    ]  # fmt: skip


def test_labels_of_absent_frames_are_reported(folder, tmp_path):
    labels = folder / "joints" / "actionLabel.txt"
    labels.write_text("s01_e01\nwalk: 100 200\nthrow: 12 18\njump: 1 2\npush: 30 20\nrubbish\n")
    dataset = load_dataset("ut_kinect", folder, tmp_path / "cache")
    assert list(dataset.samples["name"]) == ["s01_e01_throw"]
    reasons = [f"{where.rsplit('/', 1)[1]} {why}" for where, why in dataset.info["skipped"]]
    assert "actionLabel.txt:2 s01_e01 walk: no frame from 100 to 200" in reasons
    assert "actionLabel.txt:4 unknown action 'jump'" in reasons
    assert "actionLabel.txt:5 '30 20' is not an interval of frame numbers" in reasons
    assert "actionLabel.txt:6 'rubbish' is neither 'sXX_eYY' nor 'action: start end'" in reasons
    assert "joints_s02_e01.txt actionLabel.txt has no entry for s02_e01" in reasons


def test_strict_stops_at_the_first(folder, tmp_path):
    (folder / "joints" / "joints_s01_e01.txt").write_text("1 2 3\n")
    with pytest.raises(DatasetError, match=r"joints_s01_e01.txt:1: 3 numbers"):
        load_dataset("ut_kinect", folder, tmp_path / "cache", strict=True)


def test_missing_labels_and_wrong_folders_say_what_to_do(folder, tmp_path):
    (folder / "joints" / "actionLabel.txt").unlink()
    with pytest.raises(DatasetError, match=r"actionLabel.txt: missing[\s\S]*download"):
        load_dataset("ut_kinect", folder, tmp_path / "cache")
    with pytest.raises(DatasetError, match="'ut_kinect'"):
        load_dataset("ut_kinect", tmp_path, tmp_path / "cache")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=300) | st.text(alphabet="0123456789.-eE nN:_s\n", max_size=300))
def test_any_text_is_read_or_reported(tmp_path, text):
    path = tmp_path / "joints_s01_e01.txt"
    path.write_text(text, "utf-8")
    numbers, frames = read_sequence(path, ReadReport())
    assert len(numbers) == len(frames)
    for intervals in read_labels(path, ReadReport()).values():
        for interval in intervals:
            assert interval.action in CLASSES
            assert 0 <= interval.start <= interval.end


def test_untrimmed_sequences_keep_all_frames_and_know_what_happens_when(real_data, tmp_path):
    root = real_data("ut_kinect")
    trimmed = load_dataset("ut_kinect", root, tmp_path)
    whole = load_dataset("ut_kinect", root, tmp_path, clips="untrimmed")
    assert len(whole) == 20
    assert len(whole.intervals) == len(trimmed.intervals) == 199
    np.testing.assert_array_equal(whole.rows, trimmed.rows)  # clips are views
    shares = []
    for i, video in enumerate(whole.samples["name"]):
        frames = whole.clip(i)
        carried = np.zeros(len(frames), bool)
        inside = whole.intervals[whole.intervals["video"] == video]
        for label, start, end in inside[["label", "start", "end"]].to_numpy():
            name = f"{video}_{CLASSES[label]}"
            clip = trimmed.clip(list(trimmed.samples["name"]).index(name))
            np.testing.assert_array_equal(frames[start:end], clip)
            carried[start:end] = True
        shares.append(carried.mean())
    assert 0.3 < np.mean(shares) < 0.7  # about half of the frames belong to no action
    assert len(list(whole.folds("loocv"))) == 20


def test_unknown_choice_of_clips_is_refused(folder, tmp_path):
    with pytest.raises(DatasetError, match="clips='whole' is unknown; choose one of trimmed"):
        load_dataset("ut_kinect", folder, tmp_path / "cache", clips="whole")
