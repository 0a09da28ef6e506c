from collections import Counter

import numpy as np
import pandas as pd
import pytest

from keras_skeleton.datasets.formats.asf_amc import INCH, parse_amc, parse_asf, positions
from keras_skeleton.datasets.hdm05 import (
    ACTORS,
    BONES,
    CLASSES,
    HDM05,
    MERGED,
    MOTIONS,
    TABLE,
    read_mapping,
)
from keras_skeleton.datasets.source import load
from keras_skeleton.skeletons import get_skeleton
from keras_skeleton.utils.errors import DatasetError

LAYOUT = get_skeleton("hdm05")


def asf_text(bones=BONES, length=0.45):
    """A skeleton with HDM05's bones, each one inch long and pointing up."""
    lines = [":units", "length 0.45", "angle deg", ":bonedata"]
    for bone in bones[1:]:
        lines += ["begin", f"name {bone}", "direction 0 1 0", f"length {length}"]
        lines += ["axis 0 0 0 XYZ", "dof rx ry rz", "end"]
    lines += [":hierarchy", "begin"]
    for parent, child in LAYOUT.bones:
        if BONES[parent] in bones and BONES[child] in bones:
            lines.append(f"{BONES[parent]} {BONES[child]}")
    return "\n".join([*lines, "end"])


def amc_text(frames=8, x=0.45):
    """Frames at rest; the root walks along x, in the files' unit."""
    lines = [":FULLY-SPECIFIED", ":DEGREES"]
    for t in range(frames):
        lines += [str(t + 1), f"root {t * x} 0 0 0 0 0", *(f"{bone} 0 0 0" for bone in BONES[1:])]
    return "\n".join(lines)


def write(folder, motion, actor="bd", number=1, text=None):
    path = folder / motion / f"HDM_{actor}_{motion}_{number:03d}_120.amc"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(amc_text() if text is None else text)
    return path


@pytest.fixture
def folder(tmp_path):
    """Two actors, four classes of the 130 that are three of the 65, in the real layout."""
    cuts = tmp_path / "hdm05" / "HDM05_cut_amc"
    for actor in ("bd", "tr"):
        for motion in ("clap1Reps", "clap5Reps", "turnLeft", "walkLeftCircle4StepsLstart"):
            write(cuts, motion, actor)
        (cuts / f"HDM_{actor}.asf").write_text(asf_text())
    return tmp_path / "hdm05"


@pytest.fixture(scope="module")
def real(real_data, tmp_path_factory):
    return load(HDM05, real_data("hdm05"), tmp_path_factory.mktemp("store"))


def read_real(cuts, stem):
    """float64 positions, not rounded as they are in the store."""
    _, actor, motion, *_ = stem.split("_")
    body = parse_asf((cuts / f"HDM_{actor}.asf").read_text("latin-1"))
    text = (cuts / motion / f"{stem}.amc").read_text("latin-1")
    return body, positions(body, parse_amc(text, body).values)


# ---------------------------------------------------------------- real recordings


@pytest.mark.slow
def test_real_recordings(real):
    """The part of the release that is at hand: 287 clips of 11 classes."""
    assert len(real) == 287
    assert real.info["skipped"] == []
    assert real.info["notes"] == [
        "usable clips: 287 found, 2337 published", "frames: 70996 found, 613377 published"
    ]  # fmt: skip
    assert real.clip(0).shape == (301, 1, 31, 3)
    frames = real.samples["frames"]
    assert (frames.min(), frames.max()) == (56, 901)
    assert Counter(real.samples["motion"]) == {
        "depositFloorR": 32, "elbowToKnee1RepsLelbowStart": 27, "grabHighR": 29,
        "hopBothLegs1hops": 36, "jogLeftCircle4StepsRstart": 17, "kickLFront1Reps": 29,
        "lieDownFloor": 20, "rotateArmsBothBackward1Reps": 16, "sneak2StepsLStart": 15,
        "squat1Reps": 52, "throwBasketball": 14,
    }  # fmt: skip
    labels = [real.classes.index(MERGED[motion]) for motion in real.samples["motion"]]
    assert labels == list(real.labels)
    assert list(np.bincount(real.samples["subject"]))[1:] == [62, 65, 61, 44, 55]


@pytest.mark.slow
def test_real_positions_agree_with_another_reading(real, real_data):
    """Every tenth frame of three clips, computed elsewhere, in inches."""
    names = list(real.samples["name"])
    with np.load(real_data("hdm05") / "reference_positions_bd.npz", allow_pickle=False) as file:
        assert len(file.files) == 3
        for name in file.files:
            expected = file[name] * INCH
            height = np.ptp(expected[..., 1])
            clip = real.clip(names.index(name))[::10, 0]
            assert clip.shape == expected.shape
            assert np.abs(clip - expected).max() < 1e-6 * height


def test_real_bones_keep_their_length(real_data):
    cuts = real_data("hdm05") / "HDM05_cut_amc"
    for actor in ACTORS:
        path = next((cuts / "grabHighR").glob(f"HDM_{actor}_*.amc"))
        body, points = read_real(cuts, path.stem)
        assert body.names == BONES
        for parent, child in LAYOUT.bones:
            length = np.linalg.norm(points[:, child] - points[:, parent], axis=-1)
            np.testing.assert_allclose(
                length, np.linalg.norm(body.bones[child].offset), rtol=1e-9, atol=0
            )


@pytest.mark.slow
def test_real_people_are_upright_and_left_is_left(real):
    joint = LAYOUT.index
    squats = np.flatnonzero(real.samples["motion"] == "squat1Reps")
    first = np.concatenate([real.clip(i)[:1, 0] for i in squats])
    feet = first[:, [joint("left_toes"), joint("right_toes")], 1]
    assert np.abs(feet).max() < 0.2  # metres above the floor
    assert ((first[:, joint("head"), 1] > 1.4) & (first[:, joint("head"), 1] < 1.9)).all()
    for i in np.flatnonzero(real.samples["motion"] == "kickLFront1Reps"):
        clip = real.clip(i)[:, 0]
        assert np.ptp(clip[:, joint("left_foot"), 1]) > 2 * np.ptp(clip[:, joint("right_foot"), 1])
    for i in np.flatnonzero(real.samples["motion"] == "grabHighR"):
        highest = real.clip(i)[:, 0, :, 1].max(0)
        assert highest[joint("right_hand")] > highest[joint("left_hand")]
    # In a right-handed system, left x up is forward: where toes point and knees bend.
    rows = np.asarray(real.rows, np.float64)
    left = rows[:, joint("left_hip")] - rows[:, joint("right_hip")]
    forward = np.cross(left, rows[:, joint("lower_back")] - rows[:, joint("root")])
    for side in ("left_", "right_"):
        hip, knee, ankle, toes = (
            rows[:, joint(side + part)] for part in ("hip", "knee", "ankle", "toes")
        )
        assert (((toes - ankle) * forward).sum(-1) > 0).mean() > 0.95
        assert (((knee - (hip + ankle) / 2) * forward).sum(-1) > 0).mean() > 0.9


@pytest.mark.slow
def test_real_protocols(real):
    folds = list(real.folds("10fold"))
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(287))
    for label in np.unique(real.labels):
        shares = [(real.labels[fold.test] == label).sum() for fold in folds]
        assert max(shares) - min(shares) <= 1
    for fold in folds:
        assert len(fold.test) in (28, 29)
        assert sorted(np.concatenate(fold)) == list(range(287))
    subjects = real.samples["subject"]
    folds = list(real.folds("loao"))
    for k, fold in enumerate(folds, start=1):
        assert set(subjects[fold.test]) == {k}
        assert len(set(subjects[fold.validation])) == 1
        assert len(set(subjects[fold.train])) == 3
    assert len(folds) == 5


# ---------------------------------------------------------------- classes


def test_classes():
    assert len(MOTIONS) == len(set(MOTIONS)) == 130
    assert list(MOTIONS) == sorted(MOTIONS)
    assert len(CLASSES) == 65
    groups = {name: [m for m in MOTIONS if MERGED[m] == name] for name in CLASSES}
    assert groups["cartwheel"] == [
        "cartwheelLHandStart1Reps", "cartwheelLHandStart2Reps", "cartwheelRHandStart1Reps"
    ]  # fmt: skip
    assert len(groups["jogOnPlace"]) == len(groups["runOnPlace"]) == 5  # in the air, on the floor
    # Our two merges; without them there would be 67 classes.
    assert len(groups["jogCircle"]) == 6
    assert len(groups["walkCircle"]) == 8
    # A merged name is what its members' names have in common.
    for name, group in groups.items():
        for motion in group:
            rest = iter(motion)
            assert all(letter in rest for letter in name), (name, motion)


def test_the_same_clips_with_130_classes(folder, tmp_path):
    merged = load(HDM05, folder, tmp_path / "cache")
    all_of_them = load(HDM05, folder, tmp_path / "cache", classes=130)
    assert (merged.classes, all_of_them.classes) == (CLASSES, MOTIONS)
    assert list(merged.samples["name"]) == list(all_of_them.samples["name"])
    np.testing.assert_array_equal(merged.rows, all_of_them.rows)
    assert [merged.classes[label] for label in merged.labels] == [
        "clap", "clap", "clap", "clap", "turnLeft", "turnLeft", "walkCircle", "walkCircle"
    ]  # fmt: skip
    assert list(merged.protocols) == ["10fold", "loao"]
    assert list(all_of_them.protocols) == ["10fold130", "loao"]
    with pytest.raises(DatasetError, match="classes=66"):
        load(HDM05, folder, tmp_path / "cache", classes=66)
    names = [all_of_them.classes[label] for label in all_of_them.labels]
    assert names == list(all_of_them.samples["motion"]) == list(merged.samples["motion"])


def test_only_the_classes_that_are_there(folder, tmp_path):
    """The labels are those of all 65 classes that have clips, in the same order."""
    whole = load(HDM05, folder, tmp_path / "whole")
    part = load(HDM05, folder, tmp_path / "part", motions="found")
    there = sorted(set(whole.samples["label"]))
    assert part.classes == tuple(whole.classes[label] for label in there)
    assert len(part) == len(whole) > 0
    for i in range(len(part)):
        assert part.classes[part.samples["label"][i]] == whole.classes[whole.samples["label"][i]]
        np.testing.assert_array_equal(part.clip(i), whole.clip(i))
    with pytest.raises(DatasetError, match="motions=some"):
        load(HDM05, folder, tmp_path / "bad", motions="some")


def test_another_table(folder, tmp_path):
    table = TABLE.read_text()
    mine = tmp_path / "mine.csv"
    mine.write_text(table.replace(",walkCircle", ",circle").replace(",jogCircle", ",circle"))
    dataset = load(HDM05, folder, tmp_path / "cache", mapping=str(mine))
    assert len(dataset.classes) == 64
    assert dataset.classes[dataset.labels[-1]] == "circle"
    assert load(HDM05, folder, tmp_path / "cache").classes == CLASSES  # a store of its own


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("clap5Reps,clap\n", "clap5Reps\n", "csv:11: 'clap5Reps' is not 'motion,merged'"),
        ("clap5Reps,clap\n", "clap1Reps,clap\n", "csv:11: 'clap1Reps' occurs twice"),
        ("clap5Reps,clap\n", "clap9Reps,clap\n", "HDM05 has no class 'clap9Reps'"),
        ("clap5Reps,clap\n", "", "1 of 130 classes are missing: 'clap5Reps'"),
        ("motion,merged\n", "", "csv:6: the first line must be 'motion,merged'"),
    ],
)
def test_bad_tables_say_what_is_wrong(tmp_path, old, new, why):
    text = TABLE.read_text()
    assert text.count("\n", 0, text.index("motion,merged\n")) == 5
    path = tmp_path / "mine.csv"
    path.write_text(text.replace(old, new))
    with pytest.raises(DatasetError) as error:
        read_mapping(path)
    assert why in str(error.value)
    with pytest.raises(DatasetError, match="cannot be read as a table of classes"):
        read_mapping(tmp_path / "none.csv")


# ---------------------------------------------------------------- small files


def test_positions_and_columns(folder, tmp_path):
    dataset = load(HDM05, folder, tmp_path / "cache")
    clip = dataset.clip(0)
    assert clip.shape == (8, 1, 31, 3)
    np.testing.assert_allclose(clip[:, 0, 0, 0], np.arange(8) * INCH, rtol=1e-6)
    head = clip[0, 0, LAYOUT.index("head")]
    np.testing.assert_allclose(head, [0, 6 * INCH, 0], atol=1e-7)  # six bones above the root
    row = dataset.samples.iloc[1]
    assert (row["name"], row["subject"], row["repetition"]) == ("HDM_tr_clap1Reps_001_120", 5, 1)


def test_fewer_frames_a_second(folder, tmp_path):
    full = load(HDM05, folder, tmp_path / "cache")
    third = load(HDM05, folder, tmp_path / "cache", fps=40)
    np.testing.assert_array_equal(third.clip(0), full.clip(0)[::3])
    assert third.info["notes"] == ["usable clips: 8 found, 2337 published"]
    for fps in (50, 0, 240, 60.0):
        with pytest.raises(DatasetError, match=f"fps={fps}: must be a divisor of the 120 frames"):
            load(HDM05, folder, tmp_path / "cache", fps=fps)


def test_bones_in_another_order_and_skeletons_next_to_the_clips(folder, tmp_path):
    expected = load(HDM05, folder, tmp_path / "cache").rows
    cuts = folder / "HDM05_cut_amc"
    (cuts / "HDM_bd.asf").unlink()
    swapped = (BONES[0], *BONES[:0:-1])
    for motion in ("clap1Reps", "clap5Reps", "turnLeft", "walkLeftCircle4StepsLstart"):
        (cuts / motion / "HDM_bd.asf").write_text(asf_text(swapped))
    # `root/HDM05_cut_amc` or the folder itself.
    np.testing.assert_allclose(load(HDM05, cuts, tmp_path / "cache").rows, expected, atol=1e-7)


def test_bad_frames_are_reported_with_their_line(folder, tmp_path):
    cuts = folder / "HDM05_cut_amc"
    lines = amc_text(4).split("\n")
    lines[2 + 32 + 5] = "lfoot 0 0"  # of the second frame
    lines[2 + 64 + 7] = "rhipjoint 0 nan 0"
    write(cuts, "turnRight", text="\n".join(lines))
    write(cuts, "turnRight", number=2, text="\n".join(lines[:20]))
    write(cuts, "turnRight", number=3, text="")
    dataset = load(HDM05, folder, tmp_path / "cache")
    assert list(dataset.samples["frames"][dataset.samples["motion"] == "turnRight"]) == [2]
    skipped = [f"{where.rsplit('_', 2)[1]} {where.rsplit(':', 1)[1]} {why}"
               for where, why in dataset.info["skipped"]]  # fmt: skip
    assert skipped == [
        "001 40 frame 2: 'lfoot' has 2 values, expected 3",
        "001 67 frame 3 contains NaN, infinity or a number out of range",
        "002 3 frame 1 has no line for 'lclavicle'; no frame is usable",
        "003 1 has no frames",
    ]


def test_what_cannot_be_placed_is_reported(folder, tmp_path):
    cuts = folder / "HDM05_cut_amc"
    write(cuts, "turnSideways")
    write(cuts, "turnLeft", actor="xx")
    write(cuts, "turnLeft", actor="mm")
    write(cuts, "clap1Reps", actor="mm")
    write(cuts, "turnLeft", number=2).rename(cuts / "clap1Reps" / "HDM_bd_turnLeft_002_120.amc")
    write(cuts, "turnLeft", actor="dg")
    (cuts / "HDM_dg.asf").write_text(asf_text(BONES[:-1]))
    write(cuts, "turnLeft", actor="bk")
    (cuts / "HDM_bk.asf").write_text(asf_text().replace("direction 0 1 0", "direction 0 1", 1))
    dataset = load(HDM05, folder, tmp_path / "cache")
    assert len(dataset) == 8
    name = "its name is not <class>/HDM_<actor>_<class>_<NNN>_120.amc"
    assert {(where.rsplit("/", 1)[1], why) for where, why in dataset.info["skipped"]} == {
        ("HDM_bd_turnSideways_001_120.amc", "'turnSideways' is not one of the 130 classes"),
        ("HDM_xx_turnLeft_001_120.amc", name),
        ("HDM_bd_turnLeft_002_120.amc", name),
        ("HDM_mm.asf", "missing; the clips of actor mm are skipped"),
        (
            "HDM_dg.asf",
            "its bones are not those of HDM05 (rthumb); the actor's clips are skipped",
        ),
        (
            "HDM_bk.asf:7",
            "'direction' has 2 values, expected 3; the actor's clips are skipped",
        ),
    }
    assert len(dataset.info["skipped"]) == 6  # one line an actor, not one a clip


def test_strict_stops_at_the_first(folder, tmp_path):
    write(folder / "HDM05_cut_amc", "turnRight", text=amc_text(2).replace("ltibia", "tibia", 1))
    with pytest.raises(DatasetError, match=r"_120.amc:7: frame 1: 'tibia' is not a movable bone"):
        load(HDM05, folder, tmp_path / "cache", strict=True)


def test_wrong_folders_say_what_to_do(tmp_path):
    (tmp_path / "HDM_bd.asf").write_text(asf_text())
    with pytest.raises(DatasetError, match="no usable clips"):
        load(HDM05, tmp_path, tmp_path / "cache")


def test_ten_folds_of_the_whole_release():
    """Folds of equal size with equal shares of every class, and always the same."""
    rng = np.random.default_rng(1)
    samples = pd.DataFrame({"label": rng.permutation(np.arange(2337) % 65), "subject": 1})
    folds = list(HDM05.protocols["10fold"](samples))
    assert [len(fold.test) for fold in folds] == [234] * 7 + [233] * 3
    shares = np.array([np.bincount(samples["label"][fold.test], minlength=65) for fold in folds])
    assert np.ptp(shares, axis=0).max() == 1
    again = HDM05.protocols["10fold"](samples)
    for fold, second in zip(folds, again, strict=True):
        for part, other in zip(fold, second, strict=True):
            np.testing.assert_array_equal(part, other)
        held = np.bincount(samples["label"][fold.validation], minlength=65)
        assert set(held) == {3}
