import json

import numpy as np
import pytest

from keras_skeleton.datasets import film
from keras_skeleton.datasets.registry import load_dataset
from keras_skeleton.skeletons import get_skeleton, joint_map
from keras_skeleton.transforms.geometry import level
from keras_skeleton.utils.errors import DatasetError

V1 = get_skeleton("kinect_v1")


def pose(at):
    """A pose (20, 3) that says its time."""
    return np.arange(60).reshape(20, 3) / 100 + at


@pytest.fixture
def data(tmp_path):
    """A recording of UT-Kinect for two subjects, and clips of Northwestern-UCLA for two."""
    joints = tmp_path / "data" / "ut_kinect" / "joints"
    joints.mkdir(parents=True)
    labels = []
    for subject in (1, 2, 6):
        name = f"s{subject:02d}_e01"
        numbers = [n for n in range(100, 1000, 4) if n != 120]  # a frame is missing
        rows = [f"{n} " + " ".join(f"{v:.6f}" for v in pose(n / 1000).ravel()) for n in numbers]
        (joints / f"joints_{name}.txt").write_text("\n".join(rows) + "\n")
        labels.append(f"{name}\nwalk: 104 180\nwaveHands: 184 220\nthrow: 700 940")
    (joints / "actionLabel.txt").write_text("\n".join(labels))
    clips = tmp_path / "data" / "nucla" / "all_sqe"
    clips.mkdir(parents=True)
    for name in ("a01_s01_e00_v01", "a04_s02_e00_v03", "a08_s06_e01_v02"):
        frames = [pose(t / 100).tolist() for t in range(30)]
        (clips / f"{name}.json").write_text(json.dumps({"skeletons": frames}))
    return tmp_path / "data"


@pytest.fixture
def dataset(data, tmp_path):
    return load_dataset("film", data, tmp_path / "cache")


def clip_of(dataset, name):
    return dataset.clip(list(dataset.samples["name"]).index(name))


def test_both_datasets_become_one_at_30_frames_a_second(dataset):
    assert dataset.skeleton.name == "body15"
    assert dataset.info["fps"] == 30
    order = joint_map("kinect_v1", "body15")
    walk = clip_of(dataset, "s01_e01_walk")
    assert walk.shape == (39, 1, 15, 3)  # numbers 104, 106, ..., 180
    expected = np.stack([pose(n / 1000) for n in range(104, 181, 2)])[:, order]
    np.testing.assert_allclose(walk[:, 0], film.centred(level(expected, film.UT_TILT)), atol=1e-5)
    clip = clip_of(dataset, "a04_s02_e00_v03")
    assert clip.shape == (59, 1, 15, 3)
    expected = np.stack([pose(t / 200) for t in range(59)])[:, order]
    np.testing.assert_allclose(
        clip[:, 0], film.centred(level(expected, film.NUCLA_TILT[3])), atol=1e-5
    )


def test_classes_are_merged_and_subjects_kept_apart(dataset):
    table = dataset.samples.set_index("name")
    label = {name: dataset.classes[k] for name, k in table["label"].items()}
    assert label["a01_s01_e00_v01"] == "pickUp"
    assert label["a04_s02_e00_v03"] == label["s01_e01_walk"] == "walk"
    assert label["a08_s06_e01_v02"] == "donning"
    assert set(table["subject"]) == {1, 2, 6, 101, 102, 106}
    assert table["view"]["a04_s02_e00_v03"] == 3
    assert set(table["subject"][table["setup"] == film.NUCLA]) == {101, 102, 106}


def test_what_lies_between_actions_is_none(dataset):
    table = dataset.samples
    rest = table[table["label"] == film.CLASSES.index(film.NONE)]
    rest = rest[(rest["window"] == 0) & (rest["made"] == 0)]
    assert rest["frames"].between(film.SHORTEST, film.LONGEST).all()
    own = rest[rest["subject"] == 1]
    assert own["frames"].sum() == 217 + 17  # numbers 244 to 676 and 964 to 996
    first = clip_of(dataset, own["name"].iloc[0])[0, 0]
    number = int(own["name"].iloc[0].split("_")[-1])
    assert number >= 220 + film.TICK * film.AWAY  # not before; 180 to 184 is too short
    order = joint_map("kinect_v1", "body15")
    expected = film.centred(level(pose(number / 1000)[order], film.UT_TILT))
    np.testing.assert_allclose(first, expected, atol=1e-5)
    assert f"{len(rest)} pieces" in " ".join(dataset.info["notes"])


def test_centres_are_those_of_estimators():
    body = get_skeleton("body15")
    frames = np.random.default_rng(0).normal(size=(4, 1, 15, 3))
    out = film.centred(frames)
    middle = (frames[..., body.index("left_hip"), :] + frames[..., body.index("right_hip"), :]) / 2
    np.testing.assert_allclose(out[..., body.index("hip_center"), :], middle)
    rest = [j for j in range(15) if body.joints[j] not in ("hip_center", "shoulder_center")]
    np.testing.assert_array_equal(out[..., rest, :], frames[..., rest, :])


def test_missing_frames_end_a_piece():
    numbers = np.array([*range(0, 100, 4), *range(200, 300, 4)])
    assert list(film.between(numbers, [])) == [(0, 96), (200, 296)]
    away = film.AWAY * film.TICK
    assert list(film.between(numbers, [(40, 48)])) == [(0, 36 - away), (72, 96), (200, 296)]


def test_windows_lie_on_their_action(dataset):
    table = dataset.samples
    own = table[table["name"].str.startswith("s01_e01_walk_w")]
    assert sorted(own["window"]) == [16] * film.MANY + [32] * film.MANY
    assert (own["frames"] == own["window"]).all()
    whole = table[table["name"] == "s01_e01_walk"].iloc[0]
    middle = own["start"] + own["frames"] / 2
    assert (middle >= whole["start"]).all()
    assert (middle <= whole["start"] + whole["frames"]).all()
    short = table[table["name"].str.startswith("s01_e01_waveHands_w")]  # 19 frames
    assert set(short["window"]) == {16, 32}
    long = table[table["name"].str.startswith("a04_s02_e00_v03_w")]
    assert list(long["frames"]) == [16, 32]
    whole = table[table["name"] == "a04_s02_e00_v03"].iloc[0]
    assert list(long["start"] - whole["start"]) == [21, 13]


def test_made_clips(dataset):
    table = dataset.samples
    own = table[(table["made"] == 1) & (table["window"] == 0) & (table["subject"] == 1)]
    names = [dataset.classes[k] for k in own["label"]]
    # Of 'carry' and 'clapHands' there is none to take the other arm from.
    assert names.count("waveHands") == 2 * len(film.SHARES)
    pieces = (table["made"] == 0) & (table["window"] == 0) & (table["subject"] == 1)
    none = film.CLASSES.index("none")
    assert names.count("none") == 2 * (pieces & (table["label"] == none)).sum()
    assert set(names) == {"waveHands", "none"}


def test_the_other_arm_moves_less():
    frames = np.random.default_rng(0).normal(size=(40, 1, 20, 3))
    out = film.one_handed(frames, frames[0, 0], "left", share=0.35)
    shoulder, wrist = V1.index("right_shoulder"), V1.index("right_wrist")
    before, after = (x[:, 0, wrist] - x[:, 0, shoulder] for x in (frames, out))
    np.testing.assert_allclose(after.std(axis=0), 0.35 * before.std(axis=0))
    np.testing.assert_allclose(after.mean(axis=0), before.mean(axis=0), atol=1e-12)


def test_the_other_arm_is_held_in_the_direction_of_the_shoulders():
    rng = np.random.default_rng(0)
    frames, pose = rng.normal(size=(6, 1, 20, 3)), rng.normal(size=(20, 3))
    out = film.one_handed(frames, pose, "left")
    arm = [V1.index(f"left_{part}") for part in ("elbow", "wrist", "hand")]
    rest = [j for j in range(20) if j not in arm]
    np.testing.assert_allclose(out[:, :, rest], frames[:, :, rest])
    left, right = V1.shoulders
    for joint in arm:  # as far from the shoulder, as high, and at the same angle to the shoulders
        one, other = out[:, 0, joint] - out[:, 0, left], pose[joint] - pose[left]
        np.testing.assert_allclose(one[:, 1], other[1])
        np.testing.assert_allclose(np.linalg.norm(one, axis=-1), np.linalg.norm(other))
        across, own = frames[:, 0, left] - frames[:, 0, right], pose[left] - pose[right]
        angle = np.arctan2(one[:, 2], one[:, 0]) - np.arctan2(across[:, 2], across[:, 0])
        expected = np.arctan2(other[2], other[0]) - np.arctan2(own[2], own[0])
        np.testing.assert_allclose(np.exp(1j * angle), np.exp(1j * expected))


def test_the_arm_that_waves_is_turned_to_the_front():
    frames = np.zeros((4, 1, 20, 3))
    body = {"left_shoulder": -0.2, "right_shoulder": 0.2}  # facing the camera, which is at -z
    for part in film.ARM:
        body |= {f"left_{part}": -0.6, f"right_{part}": 0.6}  # both arms stretched out
    for joint, x in body.items():
        frames[:, 0, V1.index(joint), 0] = x
    for held, side in (("right", "left"), ("left", "right")):
        out = film.one_handed(frames, frames[0, 0], held, front=90)
        wrist = out[:, 0, V1.index(f"{side}_wrist")] - out[:, 0, V1.index(f"{side}_shoulder")]
        np.testing.assert_allclose(wrist, np.tile([0, 0, -0.4], (4, 1)), atol=1e-9)


def test_cross_subject(dataset):
    (fold,) = dataset.folds("cs")
    table = dataset.samples
    train, held, test = (set(table["subject"].iloc[part]) for part in fold)
    assert test == {6, 106}
    assert len(train) == len(held) == 2
    assert train | held == {1, 2, 101, 102}
    assert (table["window"].iloc[fold.test] == 0).all()
    assert (table["made"].iloc[fold.test] == 0).all()
    assert (table["window"].iloc[fold.validation] > 0).any()


def test_both_datasets_are_needed(data, tmp_path):
    (data / "nucla").rename(tmp_path / "elsewhere")
    with pytest.raises(DatasetError, match=r"PATH/nucla/all_sqe"):
        load_dataset("film", data, tmp_path / "cache")


def test_bad_files_are_left_out_and_named(data, tmp_path):
    (data / "nucla" / "all_sqe" / "a01_s02_e00_v01.json").write_text("{")
    (data / "nucla" / "all_sqe" / "a07_s02_e00_v01.json").write_text("{}")
    dataset = load_dataset("film", data, tmp_path / "cache")
    skipped = [where for where, _ in dataset.info["skipped"]]
    assert [part.split("/")[-1][:15] for part in skipped] == ["a01_s02_e00_v01", "a07_s02_e00_v01"]


@pytest.mark.slow
def test_real_recordings(real_data, tmp_path):
    root = real_data("nucla").parent
    real_data("ut_kinect")
    dataset = load_dataset("film", root, tmp_path)
    table = dataset.samples
    whole = table[(table["window"] == 0) & (table["made"] == 0)]
    none = film.CLASSES.index(film.NONE)
    assert (whole["label"] != none).sum() == film.FILM.clips == 1683
    assert (whole["label"] == none).sum() == 247
    (fold,) = dataset.folds("cs")
    test = table.iloc[fold.test]
    own = load_dataset("ut_kinect", root, tmp_path)
    (published,) = own.folds("cs")
    names = set(test["name"][(test["setup"] == film.UT) & (test["label"] != none)])
    assert names == set(own.samples["name"].iloc[published.test])
    assert not set(test["subject"]) & set(table["subject"].iloc[fold.train])
    assert not set(table["subject"].iloc[fold.train]) & set(table["subject"].iloc[fold.validation])
    # Level: people of both datasets stand upright.
    body = dataset.skeleton
    ankles = [body.index("left_ankle"), body.index("right_ankle")]
    for setup in (film.UT, film.NUCLA):
        some = whole.index[whole["setup"] == setup][::5]
        clip = np.concatenate([dataset.clip(i)[:, 0] for i in some])
        up = clip[:, body.shoulders].mean(axis=1) - clip[:, ankles].mean(axis=1)
        tilt = np.degrees(np.arctan2(np.median(up[:, 2]), np.median(up[:, 1])))
        assert abs(tilt) < 3
