import numpy as np
import pytest
import scipy.io

from keras_skeleton.datasets.dataset import ReadReport
from keras_skeleton.datasets.source import load
from keras_skeleton.datasets.uestc import CLASSES, CS_SUBJECTS, UESTC, parse_name, read_lines
from keras_skeleton.utils.errors import DatasetError


def positions(stem, frames=6):
    return np.random.default_rng([ord(c) for c in stem]).normal(0, 0.5, (frames, 25, 3))


def release_text(frames, comma=False):
    """As the release's readme describes it: '#', then three lines a joint."""
    lines = []
    for frame in frames:
        lines.append("#")
        for x, y, z in frame:
            lines += [f"{x:.6f} {y:.6f} {z:.6f} 0", f"{x + 960:.3f} {y + 540:.3f} 1", "250.5 200 2"]
    text = "\n".join(lines) + "\n"
    return text.replace(" ", ",") if comma else text


def row_text(frames):
    return "".join(" ".join(f"{v:.6f}" for v in frame.ravel()) + "\n" for frame in frames)


STEMS = [
    f"a{action}_d{direction}_p{subject:03d}_c{camera}"
    for action in (0, 39)
    for direction in range(1, 9)
    for subject in (1, 2, 3, 4)
    for camera in (1, 2)
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two actions of four subjects in all directions, as .mat files of the release."""
    root = tmp_path_factory.mktemp("uestc")
    (root / "mat_from_skeleton").mkdir()
    for stem in STEMS:
        scipy.io.savemat(
            root / "mat_from_skeleton" / f"{stem}_skeleton.mat",
            {"v": positions(stem).reshape(-1, 75)},
        )
    return root


@pytest.fixture(scope="module")
def dataset(folder, tmp_path_factory):
    return load(UESTC, folder, tmp_path_factory.mktemp("cache"))


def test_classes_and_subjects():
    assert len(CLASSES) == len(set(CLASSES)) == 40
    assert len(CS_SUBJECTS) == len(set(CS_SUBJECTS)) == 51


@pytest.mark.parametrize(
    ("stem", "columns"),
    [
        ("a0_d1_p001_c1_skeleton", (0, 1, 0, 1)),
        ("a39_d8_p118_c2_skeleton", (39, 118, 8, 8)),
        ("a13_d3_p102_c2", (13, 102, 3, 3)),
        ("a5_d7_p01_c2_skeleton", (5, 1, 7, 7)),  # the release has two digits here and there
        ("a40_d1_p001_c1", None),
        ("a1_d9_p001_c1", None),
        ("a1_d1_p119_c1", None),
        ("a1_d1_p001_c3", None),
        ("a1_d1_p001_c1_color", None),
    ],
)
def test_names(stem, columns):
    found = parse_name(stem)
    keys = ("label", "subject", "view", "setup")
    assert (found and tuple(found[key] for key in keys)) == columns


def test_clips(dataset):
    assert len(dataset) == len(STEMS)
    assert dataset.info["skipped"] == []
    assert "usable clips: 128 found, 25600 published" in dataset.info["notes"]
    for i, stem in enumerate(dataset.samples["name"]):
        assert stem in STEMS
        assert dataset.clip(i).shape == (6, 1, 25, 3)
        np.testing.assert_allclose(dataset.clip(i)[:, 0], positions(stem), rtol=1e-6)
    assert sorted(dataset.samples["view"].unique()) == list(range(9))
    assert (dataset.samples["view"] == 0).sum() == 64


@pytest.mark.parametrize("comma", [False, True])
def test_every_form_of_a_clip_reads_the_same(tmp_path, comma):
    root = tmp_path / "uestc"
    frames = positions("x")
    stems = [f"a{i}_d1_p001_c1" for i in range(5)]
    (root / "skeleton").mkdir(parents=True)
    (root / "skeleton" / f"{stems[0]}_skeleton.txt").write_text(release_text(frames, comma))
    (root / "skeleton" / f"{stems[1]}.txt").write_text(row_text(frames))
    (root / "mat").mkdir()
    scipy.io.savemat(root / f"{stems[2]}_skeleton.mat", {"v": frames.reshape(-1, 75)})
    scipy.io.savemat(root / f"{stems[3]}_skeleton.mat", {"skel": frames.astype("f4")})
    scipy.io.savemat(root / f"{stems[4]}_skeleton.mat", {"v": frames.reshape(-1, 75)})
    (root / "skeleton" / f"{stems[4]}_skeleton.txt").write_text("not read: the .mat file is")
    dataset = load(UESTC, root, tmp_path / "cache")
    assert list(dataset.samples["name"]) == stems
    assert dataset.info["skipped"] == []
    for i in range(5):
        np.testing.assert_allclose(dataset.clip(i)[:, 0], frames, atol=1e-6)


def test_cross_subject(dataset):
    (fold,) = dataset.folds("cs")
    subjects = dataset.samples["subject"].to_numpy()
    assert set(subjects[fold.test]) == {3, 4}  # 1 and 2 train, one of them validates
    assert {*subjects[fold.train], *subjects[fold.validation]} == {1, 2}


@pytest.mark.parametrize(
    ("protocol", "folds"),
    [
        ("cv1", [({v}, {0, 1, 2, 3, 4, 5, 6, 7} - {v}) for v in range(8)]),
        ("cv2", [({1, 3, 5, 7}, {0, 2, 4, 6})]),
        ("cv2r", [({0, 2, 4, 6}, {1, 3, 5, 7})]),
    ],
)
def test_cross_view(dataset, protocol, folds):
    view = dataset.samples["view"].to_numpy()
    pair = (dataset.labels * 1000 + dataset.samples["subject"]).to_numpy()
    found = list(dataset.folds(protocol))
    assert len(found) == len(folds)
    for fold, (train, test) in zip(found, folds, strict=True):
        assert set(view[fold.train]) == train
        assert set(view[fold.validation]) == train
        assert set(view[fold.test]) == test
        assert not set(pair[fold.train]) & set(pair[fold.validation])
        total = len(fold.train) + len(fold.validation) + len(fold.test)
        assert total == (view != 8).sum()


def test_bad_frames_of_text_are_left_out_with_their_line(tmp_path):
    frames = positions("y", 5)
    lines = release_text(frames).split("\n")
    lines[76 + 1] = "0.1 0.2 abc 0"  # a coordinate of frame 2
    lines[2 * 76 + 4] = "0.1 0.2 1"  # frame 3: a pixel in a joint's place
    del lines[3 * 76 + 10]  # frame 4 lacks a line
    path = tmp_path / "a0_d1_p001_c1_skeleton.txt"
    path.write_text("\n".join(lines))
    report = ReadReport()
    np.testing.assert_allclose(read_lines(path, report), frames[[0, 4]], atol=1e-6)
    assert [(s.where.rsplit(":", 1)[1], s.why) for s in report.skipped] == [
        ("77", "this frame contains a value that is not a number"),
        ("153", "a joint of this frame does not begin with a line 'x y z 0'"),
        ("229", "74 lines in this frame, expected 75 (3 per joint)"),
    ]
    path.write_text(
        row_text(frames[:2]) + "1 2 3\n" + "\n" + "x " * 75 + "\n" + row_text(frames[2:])
    )
    report = ReadReport()
    np.testing.assert_allclose(read_lines(path, report), frames, atol=1e-6)
    assert [(s.where.rsplit(":", 1)[1], s.why) for s in report.skipped] == [
        ("3", "3 numbers, expected 75 (25 x x y z)"),
        ("5", "contains a value that is not a number"),
    ]


def test_bad_files_are_left_out(tmp_path):
    root = tmp_path / "uestc"
    root.mkdir()
    good = positions("z")
    with_nan = good.copy()
    with_nan[4, 3, 2] = np.nan
    mats = {
        "a0_d1_p001_c1": {"v": good.reshape(-1, 75)},
        "a1_d1_p001_c1": {"v": good.reshape(-1, 50)},
        "a2_d1_p001_c1": {"v": np.zeros((4, 75))},
        "a3_d1_p001_c1": {"v": np.zeros((0, 0))},
        "a4_d1_p001_c1": {"v": with_nan.reshape(-1, 75)},
        "a5_d1_p001_c1": {"other": good},
        "a60_d1_p001_c1": {"v": good.reshape(-1, 75)},
    }
    for stem, variables in mats.items():
        scipy.io.savemat(root / f"{stem}_skeleton.mat", variables)
    (root / "a6_d1_p001_c1_skeleton.mat").write_bytes(b"\0" * 300)
    (root / "a7_d1_p001_c1_skeleton.txt").write_text("\n")
    scipy.io.savemat(root / "a0_d1_p01_c1_skeleton.mat", mats["a0_d1_p001_c1"])
    dataset = load(UESTC, root, tmp_path / "cache")
    assert list(dataset.samples["name"]) == ["a0_d1_p001_c1"]
    why = {where.rsplit("/", 1)[1].split("_", 1)[0]: why for where, why in dataset.info["skipped"]}
    assert why["a0"].startswith("is the same clip as ")
    assert why["a1"] == "'v' has shape (9, 50), expected (T, 75) or (T, 25, 3)"
    assert why["a2"] == "no skeleton in any of its 4 frames"
    assert why["a3"] == "no skeleton in any of its 0 frames"
    assert why["a4"] == "frame 5 contains NaN or a number out of range"
    assert why["a5"] == "has no variable 'v' or 'skel', only other"
    assert why["a6"] == "is not a MATLAB 5.0 MAT-file"
    assert why["a7"] == "no skeleton in any of its 0 frames"
    assert why["a60"] == "its name is not aA_dD_pPPP_cC of a known action and subject"
    with pytest.raises(DatasetError, match="a0_d1_p01_c1_skeleton.mat: is the same clip"):
        load(UESTC, root, tmp_path / "cache", strict=True)


def test_nothing_there_says_what_to_download(tmp_path):
    (tmp_path / "skeleton").mkdir()
    with pytest.raises(DatasetError, match="'uestc'"):
        load(UESTC, tmp_path, tmp_path / "cache")
