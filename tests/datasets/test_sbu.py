import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keras_skeleton.datasets.dataset import ReadReport
from keras_skeleton.datasets.sbu import FOLDS, PAIRS, SBU, read_clip, to_metres
from keras_skeleton.datasets.source import load
from keras_skeleton.utils.errors import DatasetError

COUNTS = [42, 43, 40, 41, 18, 21, 39, 38]


def row(number, value=0.5):
    return f"{number}," + ",".join(f"{value + j / 1000:.5f}" for j in range(90))


def write(root, pair, kind="01", take="001", lines=None):
    path = root / pair / kind / take / "skeleton_pos.txt"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(lines or [row(180), row(181, 0.6)]) + "\n")
    return path


@pytest.fixture
def folder(tmp_path):
    """One clip of every pair, in the real layout."""
    for i, pair in enumerate(PAIRS):
        write(tmp_path / "sbu", pair, f"{i % 8 + 1:02d}", "002")
    return tmp_path / "sbu"


@pytest.fixture(scope="module")
def real(real_data, tmp_path_factory):
    return load(SBU, real_data("sbu"), tmp_path_factory.mktemp("store"))


# ---------------------------------------------------------------- real recordings


def test_real_recordings(real, real_data):
    """All 282 clips, against a second reading of the text."""
    assert len(real) == 282
    assert real.info["skipped"] == []
    assert real.info["notes"] == []  # every count is the published one
    assert list(np.bincount(real.labels)) == COUNTS
    frames = real.samples["frames"]
    assert (frames.min(), frames.max(), frames.sum()) == (10, 46, 6822)
    assert set(real.samples["subject"]) == set(range(1, 22))
    i = list(real.samples["name"]).index("s03s05_07_001")
    sample = real.samples.iloc[i]
    assert real.classes[sample["label"]] == "exchanging objects"
    assert (sample["actor1"], sample["actor2"], sample["repetition"]) == (3, 5, 1)
    text = (real_data("sbu") / "s03s05" / "07" / "001" / "skeleton_pos.txt").read_text()
    for line, frame in zip(text.split(), real.clip(i), strict=True):
        values = [float(word) for word in line.split(",")][1:]
        for j in range(30):
            x, y, z = values[3 * j : 3 * j + 3]
            expected = [1.28 - 2.56 * x, 0.96 - 1.92 * y, z * 10 / 7.8125]
            np.testing.assert_allclose(frame[j // 15, j % 15], expected, atol=1e-6)


def test_real_folds(real):
    folds = list(real.folds("5fold"))
    assert [len(fold.test) for fold in folds] == [55, 52, 56, 54, 65]
    pairs = real.samples["name"].str[:6]
    for fold, named in zip(folds, FOLDS, strict=True):
        assert set(pairs[fold.test]) == set(named)
        assert len(set(pairs[fold.validation])) == 2
        assert len(set(pairs[fold.train])) == 21 - 2 - len(named)
        assert sorted(np.concatenate(fold)) == list(range(282))


def test_units_are_metres(real):
    """Upright people of ordinary size, whose bones are as long in depth as across."""
    joint = real.skeleton.index
    rows = np.asarray(real.rows, np.float64)
    head, feet = rows[:, joint("head"), 1], rows[:, [joint("left_foot"), joint("right_foot")], 1]
    assert (head > feet.min(1)).all()
    assert 1.35 < np.median(head - feet.min(1)) < 1.5
    thigh = rows[:, joint("left_knee")] - rows[:, joint("left_hip")]
    assert np.linalg.norm(thigh, axis=-1).mean() == pytest.approx(0.43, abs=0.02)
    # The line through the hips points along z about as often as along x.
    hips = rows[:, joint("left_hip")] - rows[:, joint("right_hip")]
    length = np.linalg.norm(hips, axis=-1)
    deep = np.abs(hips[:, 2]) > 0.9 * length
    across = np.abs(hips[:, 0]) > 0.7 * length
    assert min(deep.sum(), across.sum()) > 500
    assert length[deep].mean() == pytest.approx(length[across].mean(), rel=0.15)


def test_left_is_left(real):
    """In a right-handed system, left x up is forward: where partners stand and knees bend."""
    rows = np.asarray(real.rows, np.float64).reshape(-1, 2, 15, 3)
    joint = real.skeleton.index
    left = rows[:, :, joint("left_shoulder")] - rows[:, :, joint("right_shoulder")]
    up = rows[:, :, joint("neck")] - rows[:, :, joint("torso")]
    forward = np.cross(left, up)
    partner = rows[:, ::-1, joint("torso")] - rows[:, :, joint("torso")]
    assert ((forward * partner).sum(-1) > 0).mean() > 0.9
    for side in ("left_", "right_"):
        hip, knee, foot = (rows[:, :, joint(side + part)] for part in ("hip", "knee", "foot"))
        thigh, shin = hip - knee, foot - knee
        cosine = (thigh * shin).sum(-1)
        cosine /= np.linalg.norm(thigh, axis=-1) * np.linalg.norm(shin, axis=-1)
        bent = cosine > np.cos(np.radians(130))
        assert ((-(thigh + shin) * forward).sum(-1)[bent] > 0).mean() > 0.9


def test_normalised_units_are_the_files(real, real_data, tmp_path):
    raw = load(SBU, real_data("sbu"), tmp_path, units="normalised")
    assert raw.info["store"] != real.info["store"]
    np.testing.assert_allclose(to_metres(np.asarray(raw.rows)), real.rows, atol=1e-5)
    text = (real_data("sbu") / "s01s02" / "01" / "001" / "skeleton_pos.txt").read_text()
    values = [float(word) for word in text.split("\n")[0].split(",")]
    np.testing.assert_array_equal(raw.clip(0)[0].ravel(), np.float32(values[1:]))


# ---------------------------------------------------------------- small files


def test_pairs_and_folds():
    assert len(PAIRS) == len(set(PAIRS)) == 21
    samples = pd.DataFrame({"subject": [1, 2, 3], "label": 0})  # most folds test nothing
    folds = list(SBU.protocols["5fold"](samples))
    assert [len(fold.test) for fold in folds] == [1, 0, 2, 0, 0]


def test_clips_and_columns(folder, tmp_path):
    dataset = load(SBU, folder, tmp_path / "cache")
    assert dataset.clip(0).shape == (2, 2, 15, 3)
    np.testing.assert_allclose(dataset.clip(0)[0, 0, 0], [0, 0.96 - 1.92 * 0.501, 0.64256], 1e-5)
    last = dataset.samples.iloc[-1]
    assert (last["name"], last["subject"], last["label"]) == ("s07s03_05_002", 21, 4)
    assert (last["actor1"], last["actor2"]) == (7, 3)
    assert dataset.info["notes"] == [
        "usable clips: 21 found, 282 published", "frames: 42 found, 6822 published"
    ]  # fmt: skip


def test_bad_lines_are_reported_with_their_number(tmp_path):
    lines = [
        row(5), "6,1.0,2.0", row(7).replace("0.50000", "abc"), row(8).replace("0.50000", "nan"),
        "", row(5), row(9), row(10)[:-40],
    ]  # fmt: skip
    report = ReadReport()
    clip = read_clip(write(tmp_path, "s01s02", lines=lines), report)
    assert clip.shape == (2, 2, 15, 3)
    assert [(where.rsplit(":", 1)[1], why) for where, why in report.skipped] == [
        ("2", "3 numbers, expected 91 (frame, 30 x x y z)"),
        ("3", "contains a value that is not a number"),
        ("4", "contains NaN, infinity or a number out of range"),
        ("6", "frame 5 comes after 5"),
        ("8", "86 numbers, expected 91 (frame, 30 x x y z)"),
    ]


def test_what_cannot_be_placed_is_reported(folder, tmp_path):
    write(folder, "s01s09")
    write(folder, "s01s02", "09")
    write(folder, "s01s02", "08", "003", lines=["garbage"])
    dataset = load(SBU, folder, tmp_path / "cache")
    assert len(dataset) == 21
    skipped = {where.removeprefix(str(folder))[1:]: why for where, why in dataset.info["skipped"]}
    assert skipped == {
        "s01s02/08/003/skeleton_pos.txt:1": "1 numbers, expected 91 (frame, 30 x x y z)",
        "s01s02/08/003/skeleton_pos.txt": "has no frames",
        "s01s02/09/001/skeleton_pos.txt": "unknown class 09: classes are 01 to 08",
        "s01s09/01/001/skeleton_pos.txt": "its folders are not sXXsYY/CC/NNN of a known pair",
    }


def test_strict_stops_at_the_first(folder, tmp_path):
    write(folder, "s01s02", "08", "003", lines=[row(1), "2,3"])
    with pytest.raises(DatasetError, match=r"skeleton_pos.txt:2: 2 numbers"):
        load(SBU, folder, tmp_path / "cache", strict=True)


def test_wrong_options_say_what_to_do(folder, tmp_path):
    with pytest.raises(DatasetError, match="'metre'.* 'metres'"):
        load(SBU, folder, tmp_path / "cache", units="metre")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(max_size=300)
    | st.text(alphabet="0123456789.-e nN,\n", max_size=300)
    | st.lists(st.sampled_from([row(1), row(2), row(3, 1e300), row(4)[:-1], "5"])).map("\n".join)
)
def test_any_text_is_read_or_reported(tmp_path, text):
    path = tmp_path / "skeleton_pos.txt"
    path.write_text(text, "utf-8")
    clip = read_clip(path, ReadReport())
    assert clip.shape[1:] == (2, 15, 3)
    assert np.isfinite(to_metres(clip).astype(np.float32)).all()
