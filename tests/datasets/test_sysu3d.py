import numpy as np
import pytest
import scipy.io

from keras_skeleton.datasets.source import load
from keras_skeleton.datasets.sysu3d import CLASSES, SYSU3D
from keras_skeleton.utils.errors import DatasetError


def positions(subject, video, frames):
    rng = np.random.default_rng((subject, video))
    return rng.normal(0, 0.5, (20, 3, frames))


def write(root, subjects=4, videos=12):
    for s in range(1, subjects + 1):
        for v in range(1, videos + 1):
            folder = root / "3DvideoNorm" / f"subject{s}" / f"video{v}"
            folder.mkdir(parents=True)
            scipy.io.savemat(folder / "sklWorld.mat", {"SW": positions(s, v, 5 + v)})
    return root


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write(tmp_path_factory.mktemp("sysu"), subjects=11)


@pytest.fixture(scope="module")
def dataset(folder, tmp_path_factory):
    return load(SYSU3D, folder, tmp_path_factory.mktemp("cache"))


def test_clips(dataset):
    assert len(dataset) == 11 * 12
    assert dataset.classes == CLASSES
    assert len(CLASSES) == 12
    assert dataset.samples["name"][0] == "subject1_video1"
    assert dataset.samples["name"][13] == "subject2_video2"  # and not subject10_video...
    assert list(dataset.samples["subject"][::12]) == list(range(1, 12))
    assert list(dataset.labels[:12]) == list(range(12))
    clip = dataset.clip(13)
    assert clip.shape == (7, 1, 20, 3)
    np.testing.assert_allclose(clip[:, 0], positions(2, 2, 7).transpose(2, 0, 1), rtol=1e-6)
    assert dataset.info["skipped"] == []
    assert "usable clips: 132 found, 480 published" in dataset.info["notes"]
    assert "subjects: 11 found, 40 published" in dataset.info["notes"]


def test_setting_1_halves_every_class(dataset):
    folds = list(dataset.folds("setting1"))
    assert len(folds) == 30
    for fold in folds:
        training = np.concatenate([fold.train, fold.validation])
        assert list(np.bincount(dataset.labels[training])) == [5] * 12  # half of 11
        assert sorted(np.concatenate([training, fold.test])) == list(range(len(dataset)))
    assert len({tuple(fold.test) for fold in folds}) == 30


def test_setting_2_halves_the_subjects(dataset):
    folds = list(dataset.folds("setting2"))
    assert len(folds) == 30
    subjects = dataset.samples["subject"].to_numpy()
    for fold in folds:
        train, validation, test = (set(subjects[part]) for part in fold)
        assert (len(train), len(validation), len(test)) == (3, 2, 6)
        assert len(train | validation | test) == 11
    assert len({tuple(fold.test) for fold in folds}) > 25


def test_folds_are_the_same_in_every_run(dataset):
    for protocol in ("setting1", "setting2"):
        for a, b in zip(dataset.folds(protocol), dataset.folds(protocol), strict=True):
            for x, y in zip(a, b, strict=True):
                np.testing.assert_array_equal(x, y)


def test_bad_files_are_left_out(tmp_path):
    root = write(tmp_path / "sysu", subjects=1)
    clips = root / "3DvideoNorm" / "subject1"
    (clips / "video1" / "sklWorld.mat").write_text("hello")
    scipy.io.savemat(clips / "video2" / "sklWorld.mat", {"other": np.ones(3)})
    scipy.io.savemat(clips / "video3" / "sklWorld.mat", {"SW": np.ones((25, 3, 4))})
    scipy.io.savemat(clips / "video4" / "sklWorld.mat", {"SW": np.zeros((20, 3, 4))})
    bad = positions(1, 1, 6)
    bad[3, 2, 4] = np.nan
    scipy.io.savemat(clips / "video5" / "sklWorld.mat", {"SW": bad})
    scipy.io.savemat(clips / "video6" / "sklWorld.mat", {"SW": positions(1, 1, 1)[..., 0]})
    (clips / "video12").rename(clips / "video13")
    dataset = load(SYSU3D, root, tmp_path / "cache")
    kept = [f"subject1_video{v}" for v in range(6, 12)]
    assert list(dataset.samples["name"]) == kept
    assert dataset.samples["frames"][0] == 1
    why = {where.split("/")[-2]: why for where, why in dataset.info["skipped"]}
    assert why == {
        "video1": "is not a MATLAB 5.0 MAT-file",
        "video2": "has no variable 'SW', only other",
        "video3": "SW has shape (25, 3, 4), expected (20, 3, T)",
        "video4": "no skeleton in any of its 4 frames",
        "video5": "frame 5 contains NaN or a number out of range",
        "video13": "its folder is not video1 to video12",
    }
    with pytest.raises(DatasetError, match=r"video1.sklWorld.mat: is not a MATLAB 5.0"):
        load(SYSU3D, root, tmp_path / "cache", strict=True)


def test_other_places_of_the_folder(tmp_path):
    root = write(tmp_path / "a" / "SYSU3DAction", subjects=1, videos=1)
    for place in (root.parent, root, root / "3DvideoNorm"):
        assert len(load(SYSU3D, place, tmp_path / "cache")) == 1
    with pytest.raises(DatasetError, match="'sysu3d'"):
        load(SYSU3D, tmp_path, tmp_path / "cache")
