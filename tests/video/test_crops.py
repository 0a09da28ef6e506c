import csv
import json
import os
import shutil

import numpy as np
import pandas as pd
import pytest
from dask_cluster import cluster

from keras_skeleton.datasets.dataset import ReadReport
from keras_skeleton.datasets.ntu import read_clip_with_pixels
from keras_skeleton.skeletons import KINECT_V1, KINECT_V2
from keras_skeleton.transforms.glimpses import PARTS, crop
from keras_skeleton.utils.errors import DatasetError, UserError
from keras_skeleton.video import crops
from keras_skeleton.video.crops import (
    Pair,
    boxes_of,
    crop_recording,
    find_pairs,
    open_crops,
    prepare_crops,
)
from keras_skeleton.video.reading import read_video, write_video
from keras_skeleton.video.synthetic import write_recordings
from keras_skeleton.viz.crop_boxes import save_boxes


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    """Two recordings of one person, small."""
    root = tmp_path_factory.mktemp("studio")
    write_recordings(root, 108, 192, 0, [1], [1], [0, 3], [1])
    return root


def pair_of(root, name):
    skeleton = root / "nturgb+d_skeletons" / f"{name}.skeleton"
    return Pair(name, skeleton, root / "nturgb+d_rgb" / f"{name}_rgb.avi")


WAVE, NOD = "S001C001P001R001A001", "S001C001P001R001A004"


def test_crops_are_what_the_boxes_hold(studio, tmp_path):
    pair = pair_of(studio, WAVE)
    row = crop_recording(pair, tmp_path, 32)
    video = read_video(pair.video)
    clip = read_clip_with_pixels(pair.skeleton)
    boxes = boxes_of(clip, 108, 192)
    assert row["frames"] == len(video) == len(clip.joints)
    for k, part in enumerate(PARTS):
        found = read_video(tmp_path / part / f"{WAVE}.avi").astype(float)
        expected = crop(video[::20], boxes.edges[::20, k], 32)
        assert np.abs(found[::20] - expected).mean() < 8  # compressed
    # The middle of a hand's crop is the hand, at a tenth of the size that its pixels count in.
    right = boxes.edges[:, 1].reshape(-1, 2, 2).mean(axis=1)[:, ::-1]
    np.testing.assert_allclose(right, clip.pixels[:, 0, KINECT_V2.hands[1]] / 10, atol=1e-3)


def test_a_stopped_preparation_goes_on(studio, tmp_path, monkeypatch):
    said = []
    made = []

    def stopping(pair, folder, size):
        if len(made) == 1:
            raise KeyboardInterrupt
        return counted(pair, folder, size)

    def counted(pair, folder, size):
        made.append(pair.name)
        return crop_recording(pair, folder, size)

    monkeypatch.setattr(crops, "crop_recording", stopping)
    with pytest.raises(KeyboardInterrupt):
        prepare_crops(studio, tmp_path / "crops", 16, log=said.append, draw=save_boxes)
    monkeypatch.setattr(crops, "crop_recording", counted)
    report = prepare_crops(studio, tmp_path / "crops", 16, log=said.append, draw=save_boxes)
    assert made == [WAVE, NOD]  # what is cropped is not cropped again
    assert report.skipped == []
    with (tmp_path / "crops" / "crops.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert [row["name"] for row in rows] == [WAVE, NOD]
    pictures = sorted((tmp_path / "crops" / "boxes").glob("*.png"))
    assert [path.stem for path in pictures] == [WAVE, NOD]
    assert all(row[f"held_{part}"] == "0" for row in rows for part in PARTS)
    with pytest.raises(UserError, match="holds crops of 16 pixels, not 32"):
        prepare_crops(studio, tmp_path / "crops", 32, log=said.append)


@pytest.fixture
def drawn(monkeypatch):
    """Writes no videos, which take long."""
    monkeypatch.setattr(crops, "cropped", lambda pair, size: iter([(None, np.zeros((3, 3)))]))
    monkeypatch.setattr(crops, "TRACKS", ())


def test_changed_recordings_are_cropped_again(studio, tmp_path, drawn):
    root = shutil.copytree(studio, tmp_path / "root")
    folder, said = tmp_path / "crops", []
    prepare_crops(root, folder, 16, log=said.append)
    first = open_crops(folder)
    assert first.content
    skeleton, other = pair_of(root, WAVE).skeleton, pair_of(root, NOD).skeleton
    os.utime(other, (1e9, 1e9))  # touched only
    skeleton.write_text(skeleton.read_text() + "\n")
    said.clear()
    prepare_crops(root, folder, 16, log=said.append)
    assert [line for line in said if "changed" in line] == [
        f"{WAVE}: its files have changed since it was cropped; it is cropped again"
    ]
    assert "2 recordings, 1 already cropped" in said
    second = open_crops(folder)
    assert second.frames == first.frames
    assert second.content != first.content


def test_a_table_of_an_earlier_version_is_read(studio, tmp_path, drawn):
    prepare_crops(studio, tmp_path, 16, log=lambda line: None)
    table = pd.read_csv(tmp_path / "crops.csv").drop(columns=list(crops.STAMPS))
    table[:1].to_csv(tmp_path / "crops.csv", index=False)
    said = []
    prepare_crops(studio, tmp_path, 16, log=said.append)
    assert any(line.startswith("note: 1 recordings were cropped by an earlier") for line in said)
    assert set(open_crops(tmp_path).frames) == {WAVE, NOD}
    rows = pd.read_csv(tmp_path / "crops.csv")
    assert list(rows["skeleton"].isna()) == [True, False]


def test_files_without_their_other_half_are_reported(studio, tmp_path):
    for folder in ("nturgb+d_rgb", "nturgb+d_skeletons"):
        (tmp_path / folder).mkdir()
    wave, nod = pair_of(studio, WAVE), pair_of(studio, NOD)
    (tmp_path / "nturgb+d_rgb" / wave.video.name).symlink_to(wave.video)
    (tmp_path / "nturgb+d_skeletons" / nod.skeleton.name).symlink_to(nod.skeleton)
    report = ReadReport()
    assert find_pairs(tmp_path, report) == []
    skeletons, video = (skip.why for skip in report.skipped)
    assert skeletons.startswith("has no skeletons")
    assert f"'{WAVE}'" in skeletons
    assert video.startswith("has no video")
    assert f"'{NOD}'" in video
    with pytest.raises(DatasetError, match="no recording with video and skeletons"):
        prepare_crops(tmp_path, tmp_path / "crops", 16)
    with pytest.raises(DatasetError, match="has no skeletons"):
        prepare_crops(tmp_path, tmp_path / "crops", 16, strict=True)


def test_recordings_that_do_not_fit_are_left_out(studio, tmp_path):
    for folder in ("nturgb+d_rgb", "nturgb+d_skeletons"):
        (tmp_path / folder).mkdir()
    for name in (WAVE, NOD):
        pair = pair_of(studio, name)
        (tmp_path / "nturgb+d_skeletons" / pair.skeleton.name).symlink_to(pair.skeleton)
    frames = read_video(pair_of(studio, WAVE).video)
    for extra in (frames[:-3], np.concatenate([frames, frames[:20]])):
        write_video(tmp_path / "nturgb+d_rgb" / f"{WAVE}_rgb.avi", extra)
        (tmp_path / "nturgb+d_rgb" / f"{NOD}_rgb.avi").write_bytes(b"no video")
        report = prepare_crops(tmp_path, tmp_path / "crops", 16, log=lambda text: None)
        (lengths, broken) = (s.why for s in report.skipped)
        assert f"has {len(extra)} frames, but {WAVE}.skeleton has {len(frames)}" in lengths
        assert "decoding failed" in broken
        assert not (tmp_path / "crops" / "crops.csv").exists()
        assert not list((tmp_path / "crops").rglob("*.avi"))


def test_real_crops_follow_the_hands(real_data, tmp_path):
    """The first chunk of a real recording, and the middle of all its boxes."""
    pair = pair_of(real_data("ntu"), WAVE)
    chunk, held = next(crops.cropped(pair, 64))
    assert chunk.shape == (16, 4, 64, 64, 3)  # and the whole image
    assert held.shape == (16, 3)
    assert not held.any()
    clip = read_clip_with_pixels(pair.skeleton)
    boxes = boxes_of(clip, 1080, 1920)
    for k, joint in enumerate(KINECT_V2.hands):
        centre = boxes.edges[:, k].reshape(-1, 2, 2).mean(axis=1)[:, ::-1]
        np.testing.assert_allclose(centre, clip.pixels[:, 0, joint], atol=1e-3)


def test_n_ucla_joints_are_projected_into_its_videos(tmp_path):
    """A person before the middle of the camera, a hand to each side, one raised."""
    standing = np.zeros((20, 3))
    points = {"spine": 0.0, "left_shoulder": 0.4, "right_shoulder": 0.4, "left_hip": 0.0,
              "right_hip": 0.0, "head": 0.6, "left_ankle": -0.9, "right_ankle": -0.9}  # fmt: skip
    for joint, height in points.items():
        standing[KINECT_V1.index(joint), 1] = height
    left, right = KINECT_V1.hands
    standing[left], standing[right] = (0.5, 0.5, 0), (-0.5, -0.1, 0)
    standing[:, 2] = 2.0
    (tmp_path / "all_sqe").mkdir()
    name = "a11_s02_e03_v01"
    frames = [standing.tolist()] * 6
    (tmp_path / "all_sqe" / f"{name}.json").write_text(json.dumps({"skeletons": frames}))
    video = tmp_path / "multiview_action_videos" / "a11" / "v01_s02_e03.avi"
    video.parent.mkdir(parents=True)
    picture = np.zeros((480, 640, 3), np.uint8)
    # 525 pixels a metre at one metre, the colour camera 25 mm beside the depth camera.
    picture[90:125, 440:470] = 255  # around (319.5 + 262.5 * 0.525, 239.5 - 262.5 * 0.5)
    write_video(video, [picture] * 6)
    report = prepare_crops(tmp_path, tmp_path / "crops", 32, log=lambda text: None, dataset="nucla")
    assert report.skipped == []
    seen = {p: read_video(tmp_path / "crops" / p / f"{name}.avi")[0] for p in PARTS[:2]}
    assert seen["left_hand"][14:18, 14:18].min() > 200  # the white patch, in the middle
    assert seen["right_hand"].max() < 140
    video.unlink()
    with pytest.raises(DatasetError, match=r"expected multiview_action_videos/aAA"):
        prepare_crops(tmp_path, tmp_path / "crops", 32, dataset="nucla")


@pytest.mark.slow
def test_several_processes_and_a_cluster_crop_alike(studio, tmp_path):
    pytest.importorskip("distributed", reason="the extra dask is not installed")

    def table(name, **where):
        prepare_crops(studio, tmp_path / name, 16, log=lambda line: None, **where)
        return (tmp_path / name / "crops.csv").read_text()

    with cluster(tmp_path) as address:
        found = table("cluster", scheduler=address)
    assert found == table("alone") == table("beside", workers=2)
    assert found.count("\n") == 3
