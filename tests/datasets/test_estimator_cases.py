"""Files as people have them: folders made after public reports, with the values that they hold."""

import json
from pathlib import Path

import numpy as np
import pytest

from keras_skeleton.datasets.clip_sources import find_sources, read_clips
from keras_skeleton.datasets.formats.clip_file import ClipError, finish_clip, read_array
from keras_skeleton.datasets.formats.poses import pose_clip
from keras_skeleton.datasets.formats.skeleton_toml import read_layout
from keras_skeleton.datasets.registry import SOURCES
from keras_skeleton.datasets.source import load
from keras_skeleton.models.preprocessing import fit_bodies
from keras_skeleton.transforms.bodies import motion


@pytest.fixture(scope="session")
def cases(real_root):
    """`cases("01")`: the folder of a case, or a skip that says why."""

    def find(number: str) -> Path:
        root = real_root.parent / "cases"
        found = sorted(root.glob(f"{number}-*"))
        if not found:
            pytest.skip(f"no cases at {root} (set KERAS_SKELETON_TEST_DATA)")
        return found[0]

    return find


def clips_of(folder):
    return sorted(p for p in folder.iterdir() if p.name not in ("labels.csv", "skeleton.toml"))


def with_lines(folder, tmp_path, *lines):
    """The layout of a case with further lines."""
    text = (folder / "skeleton.toml").read_text()
    (tmp_path / "skeleton.toml").write_text("\n".join([text, *lines]))
    return read_layout(tmp_path)


def read(path, layout=None):
    notes = []
    clip, filled = finish_clip(read_array(path), layout or read_layout(path.parent), notes)
    return clip, filled, notes


def prepared(folder, tmp_path):
    dataset = load(SOURCES["folder"], folder, tmp_path / "cache")
    assert dataset.info["skipped"] == []
    return dataset


def body(points, coordinates="xy", pose="coco17"):
    return pose_clip(points, pose, coordinates)


def same_shapes(clip, wanted):
    """Poses are compared from the hips, because the torso of all people scales the clip."""
    for m in range(wanted.shape[1]):
        there = (clip[:, m] != 0).any(axis=(1, 2)) & (wanted[:, m] != 0).any(axis=(1, 2))
        a, b = (own[there, m] - own[there, m, :1] for own in (clip, wanted))
        np.testing.assert_allclose(a / np.abs(a).max(), b / np.abs(b).max(), atol=0.02)


def test_01_folders_of_openpose(cases, tmp_path):
    folder = cases("01")
    dataset = prepared(folder, tmp_path)
    assert len(dataset.samples) == 12
    for path in clips_of(folder):
        frames = [json.loads(file.read_text()) for file in sorted(path.glob("*.json"))]
        points = np.zeros((len(frames), 1, 25, 3))
        for t, frame in enumerate(frames):
            for person in frame["people"]:
                points[t, 0] = np.reshape(person["pose_keypoints_2d"], (25, 3))
        clip, _, _ = read(path)
        np.testing.assert_allclose(clip, body(points, "xyc", "openpose_body25"), atol=1e-5)
    # Without a skeleton.toml the files say what they are.
    (found,) = read_clips(clips_of(folder)[0])
    assert found.clip.shape == (30, 1, 25, 3)
    assert len(find_sources([str(folder)])) == 12


def test_03_people_who_change_places(cases, tmp_path):
    folder = cases("03")
    for path in clips_of(folder):
        points = np.load(path)
        clip, _, notes = read(path)
        assert "changed places in 9 frames" in notes[-1]
        steps = np.abs(np.diff(clip[:, :, 0], axis=0)).max()
        assert steps < 0.2  # of a torso; the people are two torsos apart
        kept = with_lines(folder, tmp_path, "track = false")
        assert np.abs(np.diff(read(path, kept)[0][:, :, 0], axis=0)).max() > 1
        one = np.where(np.abs(points[:, :1, :1, :1] - points[0, 0, 0, 0]) < 50, points[:, :1],
                       points[:, 1:])  # fmt: skip
        same_shapes(clip[:, :1], body(one, "xyc", "openpose_body25"))
    dataset = prepared(folder, tmp_path)
    kept = load(SOURCES["folder"], folder, tmp_path / "cache", track="no")
    assert np.abs(np.diff(dataset.clip(0)[:, :, 0], axis=0)).max() < 0.2
    assert np.abs(np.diff(kept.clip(0)[:, :, 0], axis=0)).max() > 1


def test_04_results_of_alphapose(cases, tmp_path):
    folder = cases("04")
    prepared(folder, tmp_path)
    for path in clips_of(folder):
        rows = json.loads(path.read_text())
        clip, _, _ = read(path)
        there = np.zeros((30, 2), bool)
        points = np.zeros((30, 2, 17, 3))
        for row in rows:
            t, m = int(row["image_id"].split(".")[0]), int(row["idx"][0])
            there[t, m] = True
            points[t, m] = np.reshape(row["keypoints"], (17, 3))
        np.testing.assert_array_equal((clip != 0).any(axis=(2, 3)), there)
        np.testing.assert_allclose(clip, body(points, "xyc"), atol=1e-4)


@pytest.mark.parametrize("number", ["06", "07"])
def test_06_07_landmarks_of_mediapipe(number, cases, tmp_path):
    """The landmarks are read; they are fractions of the image, so its size is asked for."""
    folder = cases(number)
    path = clips_of(folder)[0]
    array = read_array(path)
    assert array.shape == (30, 1, 33, 4)
    with pytest.raises(ClipError, match="image_size"):
        read(path)
    layout = with_lines(folder, tmp_path, "image_size = [1280, 720]")
    for path in clips_of(folder):
        frames = json.loads(path.read_text())
        points = np.zeros((30, 1, 33, 4))
        for t, frame in enumerate(frames):
            if frame is not None:
                points[t, 0] = [list(p.values()) if isinstance(p, dict) else p for p in frame]
        clip, _, _ = read(path, layout)
        assert [t for t in range(30) if not clip[t].any()] == [
            t for t, frame in enumerate(frames) if frame is None
        ]
        wanted = pose_clip(points * [1280, 720, 1280, 1], "mediapipe33", "xyzc", scale="torso")
        np.testing.assert_allclose(clip, wanted, atol=1e-5)


def test_09_an_index_column_of_pandas(cases, tmp_path):
    folder = cases("09")
    dataset = prepared(folder, tmp_path)
    for i, name in enumerate(dataset.samples["name"]):
        rows = np.loadtxt(folder / name, delimiter=",", skiprows=1)[:, 1:]
        np.testing.assert_allclose(dataset.clip(i)[:, 0], rows.reshape(30, 25, 3), rtol=1e-6)


@pytest.mark.parametrize(
    ("number", "axes", "line"),
    [("11", "CTVM", "np.transpose(a, (1, 3, 2, 0))"), ("12", "MTVC", "np.transpose(a, (1, 0, 2")],
)
def test_11_12_other_axes(number, axes, line, cases, tmp_path):
    folder = cases(number)
    for path in clips_of(folder):
        with pytest.raises(ClipError) as error:
            read(path)
        assert line in str(error.value)
        clip, _, _ = read(path, with_lines(folder, tmp_path, f'axes = "{axes}"'))
        array = np.load(path).astype(float)
        if axes == "CTVM":
            np.testing.assert_allclose(clip[:, 0], array[..., 0].transpose(1, 2, 0), rtol=1e-6)
        else:
            np.testing.assert_allclose(clip, body(array.transpose(1, 0, 2, 3)), atol=1e-4)


def test_53_blocks_of_columns(cases, tmp_path):
    folder = cases("53")
    dataset = prepared(folder, tmp_path)
    for i, name in enumerate(dataset.samples["name"]):
        rows = np.loadtxt(folder / name, delimiter=",", skiprows=1)
        wanted = rows.reshape(30, 3, 25).transpose(0, 2, 1)
        np.testing.assert_allclose(dataset.clip(i)[:, 0], wanted, rtol=1e-6)


def test_62_fractions_of_the_image(cases, tmp_path):
    folder = cases("62")
    layout = with_lines(folder, tmp_path, "image_size = [1920, 1080]")
    for path in clips_of(folder):
        with pytest.raises(ClipError, match=r"image_size = \[1920, 1080\]"):
            read(path)
        clip, _, _ = read(path, layout)
        wanted = pose_clip(np.load(path) * [1920, 1080, 1920], "mediapipe33", "xyz", scale="torso")
        np.testing.assert_allclose(clip, wanted, atol=1e-5)
        (found,) = read_clips(path, image_size=(1920, 1080))
        np.testing.assert_array_equal(found.clip, clip)


def test_64_the_most_active_of_five_people(cases, tmp_path):
    folder = cases("64")
    dataset = prepared(folder, tmp_path)
    for i, name in enumerate(dataset.samples["name"]):
        everyone = np.load(folder / name).astype(np.float32)
        clip, _, _ = read(folder / name)
        np.testing.assert_array_equal(clip, everyone)
        assert int(np.argmax(motion(clip))) == 2
        kept, notes = fit_bodies(clip, 1)
        np.testing.assert_array_equal(kept[:, 0], everyone[:, 2])
        assert "5 bodies" in notes[0]
        stored = dataset.clip(i)
        assert stored.shape[1] == 2
        assert any(np.array_equal(stored[:, m], everyone[:, 2]) for m in range(2))


def test_69_azure_kinect(cases, tmp_path):
    folder = cases("69")
    dataset = prepared(folder, tmp_path)
    assert dataset.skeleton.name == "azure_kinect"
    for i, name in enumerate(dataset.samples["name"]):
        wanted = np.load(folder / name) * [-1, -1, 1]  # x right and y down in the files
        np.testing.assert_allclose(dataset.clip(i)[:, 0], wanted, rtol=1e-6)


def test_71_eighteen_points_of_openpose(cases, tmp_path):
    folder = cases("71")
    dataset = prepared(folder, tmp_path)
    assert dataset.skeleton.name == "kinect_v2"
    for i, name in enumerate(dataset.samples["name"]):
        wanted = pose_clip(np.load(folder / name), "openpose_coco18")
        np.testing.assert_allclose(dataset.clip(i), wanted, atol=1e-5)


def test_90_people_join_and_leave(cases, tmp_path):
    folder = cases("90")
    prepared(folder, tmp_path)
    for path in clips_of(folder):
        frames = json.loads(path.read_text())
        clip, _, _ = read(path)
        there = (clip != 0).any(axis=(2, 3))
        assert there.sum(axis=1).tolist() == [len(frame) for frame in frames]
        points = np.zeros((30, 2, 17, 2))
        for t, frame in enumerate(frames):
            points[t, : len(frame)] = np.array(frame).reshape(-1, 17, 2)
        wanted = body(points)
        first = there[:, 0]
        if np.allclose(clip[first, 0], wanted[first, 0], atol=1e-4):
            np.testing.assert_allclose(clip, wanted, atol=1e-4)
        assert np.abs(np.diff(clip[first, 0, 0], axis=0)).max() < 0.3
