"""Recreations of public reports (shared/cases) about labels, splits, units and people."""

import os
from pathlib import Path

import numpy as np
import pytest
from own_data import TOML, read, standing, write

from keras_skeleton.datasets.folder import FOLDER
from keras_skeleton.utils.errors import DatasetError

DEFAULT = Path(__file__).resolve().parents[3] / "shared" / "cases"
CASES = Path(os.environ.get("KERAS_SKELETON_TEST_CASES", DEFAULT))


@pytest.fixture
def case(tmp_path):
    """`case("88-split-column")`: the dataset of a case, what was said, and its folder."""

    def read_case(name):
        if not (CASES / name).is_dir():
            pytest.skip(f"no cases at {CASES / name} (set KERAS_SKELETON_TEST_CASES)")
        return *read(CASES / name, tmp_path / "cache"), CASES / name

    return read_case


def test_case_47_spellings(case):
    dataset, said, _ = case("47-labels-case-and-space-variants")
    assert dataset.classes == ("Wave", "kick", "sit", "wave")
    assert list(dataset.samples["subject"]) == [2, 1, 2, 3, 3, 3]
    for pair in ("'Wave' and 'wave'", "'P0' and 'p0'", "'sit' and 'sit '"):
        assert pair in said


def test_case_60_millimetres(case):
    dataset, said, _ = case("60-mm-units-unsaid")
    assert 'units = "mm"' in said
    assert dataset.info["unit"] == ""


def test_case_64_five_people(case):
    dataset, said, folder = case("64-five-people-actor-third")
    assert dataset.max_bodies == 2
    assert "12 clips show more than 2 people" in said
    for i, name in enumerate(dataset.samples["name"]):
        array = np.load(folder / name).astype(np.float32)
        moved = array.var(axis=0).sum(axis=(1, 2))
        assert moved.argmax() == 2
        kept = [m for m in range(5) if any(np.array_equal(array[:, m], dataset.clip(i)[:, k])
                                           for k in range(2))]  # fmt: skip
        assert 2 in kept
    more, said = read(folder, Path(dataset.info["store"]).parent, people=5)
    assert more.max_bodies == 5
    assert "people;" not in said
    with pytest.raises(DatasetError, match="people=0"):
        read(folder, Path(dataset.info["store"]).parent, people=0)


def test_case_82_one_label(case):
    dataset, _, _ = case("82-predict-with-dummy-label")
    assert dataset.classes == ("unknown",)
    for protocol in FOLDER.protocols:
        with pytest.raises(DatasetError, match="predict"):
            list(dataset.folds(protocol))


def test_case_86_segments(case):
    dataset, _, folder = case("86-annotation-times-untrimmed")
    recording = np.load(folder / "rec1.npy")
    table = dataset.samples
    assert list(table["name"]) == ["rec1.npy:10-60", "rec1.npy:80-150", "rec1.npy:200-290"]
    assert [dataset.classes[label] for label in dataset.labels] == ["wave", "sit", "kick"]
    for i, (start, end) in enumerate(((10, 60), (80, 150), (200, 290))):
        own = recording[start:end].astype(np.float32).reshape(end - start, 1, 25, 3)
        np.testing.assert_array_equal(dataset.clip(i), own)
    with pytest.raises(DatasetError, match="one recording"):
        list(dataset.folds("folds"))


def test_case_88_split(case):
    dataset, _, folder = case("88-split-column")
    assert FOLDER.protocol_for(folder) == "split"
    (fold,) = dataset.folds("split")
    names = dataset.samples["name"].to_numpy()
    assert list(names[fold.test]) == ["n6.npy", "n7.npy", "n8.npy"]


def test_folders_of_openpose_are_clips_with_labels_and_in_class_folders(case, tmp_path):
    dataset, said, folder = case("01-openpose-frame-dirs")
    assert len(dataset) == 12
    assert not dataset.info["skipped"]
    assert dataset.info["unit"] == "torso"
    assert "size" not in said
    root = tmp_path / "classes"
    for clip in sorted(folder.glob("*_0*")):
        (root / clip.name[:-3]).mkdir(parents=True, exist_ok=True)
        (root / clip.name[:-3] / clip.name).symlink_to(clip)  # links to folders are followed
    (root / "skeleton.toml").write_bytes((folder / "skeleton.toml").read_bytes())
    own, _ = read(root, tmp_path / "c")
    assert own.classes == ("kick", "sit", "wave")
    names = [name.rsplit("/", 1)[1] for name in own.samples["name"]]
    for i, name in enumerate(names):
        k = list(dataset.samples["name"]).index(name)
        np.testing.assert_array_equal(own.clip(i), dataset.clip(k))
    frame = next((root / "wave" / "wave_00").iterdir())
    frame.write_text(frame.read_text() + " ")  # an edited frame is noticed
    assert "the source has changed" in read(root, tmp_path / "c")[1]


def test_a_folder_is_read_once_however_its_path_is_spelled(tmp_path, monkeypatch):
    root = write(tmp_path / "d", ["file,label", "a.npy,x", "b.npy,y", "bad.txt,y"], TOML)
    (root / "broken.npy").write_text("")
    (tmp_path / "link").symlink_to(root)
    _, said = read(root, tmp_path / "c")
    assert "preparing" in said
    monkeypatch.chdir(tmp_path)
    spellings = ["d", "./d/", str(tmp_path / "x" / ".." / "d"), str(tmp_path / "link"), "../" +
                 tmp_path.name + "/d"]  # fmt: skip
    (tmp_path / "x").mkdir()
    for spelling in spellings:
        assert "preparing" not in read(spelling, tmp_path / "c")[1]
    monkeypatch.chdir(root)
    assert "preparing" not in read(".", tmp_path / "c")[1]
    assert len(list((tmp_path / "c").iterdir())) == 1
    np.save(root / "a.npy", standing(seed=9))
    assert "the source has changed" in read("../d", tmp_path / "c")[1]
