import csv
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keras_skeleton.datasets import nucla
from keras_skeleton.datasets.dataset import ReadReport
from keras_skeleton.datasets.nucla import ACTIONS, NUCLA, read_clip, read_frame
from keras_skeleton.datasets.protocols import PERFORMANCE
from keras_skeleton.datasets.source import load
from keras_skeleton.utils.errors import DatasetError

FRAME = [[j / 10, 1.0, 3] for j in range(20)]


def name(action=1, subject=1, episode=0, view=1):
    return f"a{action:02d}_s{subject:02d}_e{episode:02d}_v{view:02d}"


def write(folder, stem, frames=6, text=None):
    folder.mkdir(parents=True, exist_ok=True)
    content = {"file_name": stem, "skeletons": [FRAME] * frames, "label": 1}
    (folder / f"{stem}.json").write_text(text or json.dumps(content))


@pytest.fixture
def folder(tmp_path):
    """Every action by three subjects before three cameras, in the real layout."""
    for action in ACTIONS:
        for subject in (1, 4, 10):
            for view in (1, 2, 3):
                write(tmp_path / "nucla" / "all_sqe", name(action, subject, 2, view))
    return tmp_path / "nucla"


@pytest.fixture(scope="module")
def real(real_data, tmp_path_factory):
    return load(NUCLA, real_data("nucla"), tmp_path_factory.mktemp("store"))


# ---------------------------------------------------------------- real recordings


@pytest.mark.slow
def test_real_recordings(real, real_data):
    assert len(real) == 1484
    assert real.info["skipped"] == []
    assert real.info["notes"] == [
        "2 clips have fewer than 5 frames: a02_s09_e04_v02 (1), a02_s09_e04_v03 (1)"
    ]
    assert list(np.bincount(real.labels)) == [150, 152, 141, 173, 148, 149, 142, 142, 145, 142]
    assert list(np.bincount(real.samples["view"]))[1:] == [516, 504, 464]
    assert set(real.samples["subject"]) == set(range(1, 11))
    frames = real.samples["frames"]
    assert (frames.min(), frames.max(), frames.sum()) == (1, 201, 58534)
    for i in (0, 700, 1483):
        content = json.loads(
            (real_data("nucla") / "all_sqe" / f"{real.samples['name'][i]}.json").read_text()
        )
        np.testing.assert_array_equal(real.clip(i)[:, 0], np.float32(content["skeletons"]))
        assert content["label"] == real.labels[i] + 1  # the release's own numbers, 1 to 10


@pytest.mark.slow
def test_real_protocols(real, real_data):
    (fold,) = real.folds("cv")
    names = real.samples["name"]
    lists = {}
    for part, file in [("train", "train_v1_v2.csv"), ("test", "test_v3.csv")]:
        with open(real_data("nucla") / file) as lines:
            lists[part] = {row["file_name"] for row in csv.DictReader(lines)}
    assert set(names[fold.test]) == lists["test"]
    assert set(names[fold.train]) | set(names[fold.validation]) == lists["train"]
    assert (len(fold.train) + len(fold.validation), len(fold.test)) == (1020, 464)
    for protocol, view, clips in [("cv", 3, 464), ("cv1", 1, 516), ("cv2", 2, 504)]:
        (fold,) = real.folds(protocol)
        assert set(real.samples["view"][fold.test]) == {view}
        assert len(fold.test) == clips
        assert view not in set(real.samples["view"][fold.train])
        held, trained = (
            set(map(tuple, real.samples.iloc[part][PERFORMANCE].to_numpy()))
            for part in (fold.validation, fold.train)
        )
        assert not held & trained
        assert len(held) == round(0.1 * len(held | trained))
        assert not held & trained


@pytest.mark.slow
def test_people_stand_upright_and_look_at_the_camera(real):
    rows = np.asarray(real.rows, np.float64)
    joint = real.skeleton.index
    height = rows[:, joint("head"), 1] - rows[:, joint("left_foot"), 1]
    assert 1.3 < np.median(height) < 1.7  # metres
    # In a right-handed system, left x up is forward: against z here, and where toes point.
    left = rows[:, joint("left_shoulder")] - rows[:, joint("right_shoulder")]
    up = rows[:, joint("shoulder_center")] - rows[:, joint("hip_center")]
    forward = np.cross(left, up)
    assert (forward[:, 2] < 0).mean() > 0.95
    for side in ("left_", "right_"):
        toes = rows[:, joint(side + "foot")] - rows[:, joint(side + "ankle")]
        assert ((toes * forward).sum(-1) > 0).mean() > 0.8


# ---------------------------------------------------------------- small files


def test_columns(folder, tmp_path):
    dataset = load(NUCLA, folder, tmp_path / "cache")
    assert dataset.info["notes"] == ["usable clips: 90 found, 1484 published"]
    row = dataset.samples.iloc[-1]
    assert (row["name"], row["label"], row["subject"]) == ("a12_s10_e02_v03", 9, 10)
    assert (row["view"], row["repetition"], row["frames"]) == (3, 2, 6)
    assert dataset.classes[6:] == ("donning", "doffing", "throw", "carry")  # 08, 09, 11, 12
    assert set(dataset.samples["label"][dataset.samples["name"].str.startswith("a08")]) == {6}
    np.testing.assert_array_equal(dataset.clip(0)[0, 0], np.float32(FRAME))


def test_files_may_lie_in_the_folder_itself(folder, tmp_path):
    assert len(load(NUCLA, folder / "all_sqe", tmp_path / "cache")) == 90


@pytest.mark.parametrize(
    ("text", "where", "why"),
    [
        ('{"skeletons": [', ".json:1", "not JSON: Expecting value, column 16"),
        ('{"skeletons":\n[1,}', ".json:2", "not JSON"),
        ("[1, 2]", ".json", "has no frames (no list under the key 'skeletons')"),
        ('{"skeletons": []}', ".json", "has no frames"),
        ('{"skeletons": {"0": 1}}', ".json", "has no frames"),
        ("[" * 100_000, ".json", "nested too deeply"),
        ("1" * 5000, ".json", "digits"),
        ("\udcff", ".json", "decode"),
    ],
)
def test_bad_files_are_reported(tmp_path, text, where, why):
    path = tmp_path / "a01_s01_e00_v01.json"
    path.write_text(text, "utf-8", errors="surrogateescape")
    report = ReadReport()
    assert read_clip(path, report) is None
    ((at, what),) = report.skipped
    assert at.endswith(where)
    assert why in what


def test_bad_frames_are_left_out(tmp_path):
    bad = [FRAME[:-1], FRAME[:-1] + [[1, 2]], "joints", FRAME[:-1] + [[1, 2, None]], {}, 1]
    bad += [FRAME[:-1] + [[1, 2, 1e300]], FRAME[:-1] + [[1, 2, 10**400]]]
    text = json.dumps({"skeletons": [FRAME, *bad, FRAME]})
    text = text[:-2] + ", " + json.dumps(FRAME).replace("0.1", "NaN") + "]}"
    path = tmp_path / "a01_s01_e00_v01.json"
    path.write_text(text)
    report = ReadReport()
    clip = read_clip(path, report)
    np.testing.assert_array_equal(clip, np.float32([FRAME, FRAME])[:, None])
    assert [why for _, why in report.skipped] == [
        "frame 2 has shape (19, 3), expected (20, 3)",
        "frame 3 is not an array of 20 x 3 numbers",
        "frame 4 is not an array of 20 x 3 numbers",
        "frame 5 contains NaN or infinity",
        "frame 6 is not an array of 20 x 3 numbers",
        "frame 7 has shape (), expected (20, 3)",
        "frame 8 contains NaN or infinity",
        "frame 9 is not an array of 20 x 3 numbers",
        "frame 11 contains NaN or infinity",
    ]


def test_what_cannot_be_placed_is_reported(folder, tmp_path, monkeypatch):
    write(folder / "all_sqe", name(action=7))
    write(folder / "all_sqe", "a01_s01_e00")
    write(folder / "all_sqe", name(episode=5), text="{" + " " * 5000)
    write(folder / "all_sqe", name(episode=6), text=json.dumps({"skeletons": [1]}))
    write(folder / "all_sqe", name(episode=7), frames=3)
    monkeypatch.setattr(nucla, "MAX_BYTES", 5000)
    dataset = load(NUCLA, folder, tmp_path / "cache")
    assert len(dataset) == 91
    skipped = {where.rsplit("/", 1)[1]: why for where, why in dataset.info["skipped"]}
    wrong = "its name is not aAA_sSS_eEE_vVV with an action of 1-6, 8, 9, 11, 12"
    assert skipped == {
        "a07_s01_e00_v01.json": wrong,
        "a01_s01_e00.json": wrong,
        "a01_s01_e05_v01.json": "5,001 bytes is too large for a clip (at most 5,000 bytes); "
        "is it the right file?",
        "a01_s01_e06_v01.json": "frame 1 has shape (), expected (20, 3)",
    }
    assert "1 clips have fewer than 5 frames: a01_s01_e07_v01 (3)" in dataset.info["notes"]


def test_strict_stops_at_the_first_bad_file(folder, tmp_path):
    write(folder / "all_sqe", name(episode=5), text="{")
    with pytest.raises(DatasetError, match=r"a01_s01_e05_v01.json:1: not JSON"):
        load(NUCLA, folder, tmp_path / "cache", strict=True)


numbers = st.floats() | st.integers() | st.just(10**400)
points = st.lists(numbers, min_size=3, max_size=3)
anything = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=10,
)


@given(joints=anything | st.lists(points | anything, min_size=18, max_size=20))
def test_any_frame_is_read_or_refused(joints):
    frame = read_frame(joints)
    if not isinstance(frame, str):
        assert frame.shape == (20, 3)
        assert frame.dtype == np.float32
        assert np.isfinite(frame).all()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.binary(max_size=100)
    | anything.map(lambda value: json.dumps({"skeletons": value}).encode())
    | st.lists(anything | st.just(FRAME), max_size=5).map(
        lambda frames: json.dumps({"skeletons": frames}).encode()
    )
)
def test_any_file_is_read_or_reported(tmp_path, data):
    path = tmp_path / "a01_s01_e00_v01.json"
    path.write_bytes(data)
    report = ReadReport()
    clip = read_clip(path, report)
    if clip is None:
        assert report.skipped
    else:
        assert clip.shape == (len(clip), 1, 20, 3)
