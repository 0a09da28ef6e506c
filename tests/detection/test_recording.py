"""Recordings of other joints, other numbers of people, and frame by frame."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from keras_skeleton.datasets.clip_sources import SourceClip
from keras_skeleton.detection.recording import (
    ROWS_A_SECOND,
    at_rate,
    back_at_rate,
    rate_of_rows,
    read_frames_of,
    read_recording,
    recording_of,
    recording_of_array,
    times_of,
)
from keras_skeleton.skeletons import get_skeleton, joint_map
from keras_skeleton.utils.errors import DatasetError

V1, V2 = get_skeleton("kinect_v1"), get_skeleton("kinect_v2")


def people(T=30, M=1, V=25, seed=0):
    return np.random.default_rng(seed).normal(0, 0.4, (T, M, V, 3))


def save(path, clip):
    np.save(path, clip)
    return path


def test_joints_are_mapped_by_their_names(tmp_path):
    clip = people()
    dataset = read_recording(save(tmp_path / "a.npy", clip), V1, 1, ["wave"])
    np.testing.assert_allclose(dataset.clip(0), clip[:, :, joint_map(V2, V1)].astype(np.float32))
    assert dataset.skeleton == V1
    assert dataset.info["fps"] is None
    assert any("mapped" in note for note in dataset.info["notes"])
    with pytest.raises(DatasetError, match=r"a\.npy.*joint"):
        read_recording(save(tmp_path / "a.npy", people(V=20)), V2, 1, ["wave"])


def test_frames_without_a_body_are_counted(tmp_path):
    clip = people()
    clip[3:8] = np.nan
    notes = read_recording(save(tmp_path / "a.npy", clip), V2, 1, ["wave"]).info["notes"]
    assert "nobody is in 5 of 30 frames" in notes
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(DatasetError, match=r"a\.txt: .*empty"):
        read_recording(tmp_path / "a.txt", V2, 1, ["wave"])


def test_a_description_beside_the_file_is_obeyed(tmp_path):
    (tmp_path / "skeleton.toml").write_text('skeleton = "kinect_v2"\nunits = "mm"\nfps = 25\n')
    clip = people()
    dataset = read_recording(save(tmp_path / "a.npy", 1000 * clip), V2, 1, ["wave"])
    np.testing.assert_allclose(dataset.clip(0), clip.astype(np.float32), rtol=1e-5)
    assert dataset.info["fps"] == 25


def test_the_most_active_people_are_kept_and_missing_ones_are_zero(tmp_path):
    clip = np.tile(people(T=1, M=3, V=20), (30, 1, 1, 1))
    clip[:, 2] += people(T=30, V=20, seed=1)[:, 0]
    path = save(tmp_path / "a.npy", clip)
    one = read_recording(path, V1, 1, ["wave"])
    np.testing.assert_allclose(one.clip(0)[:, 0], clip[:, 2].astype(np.float32))
    assert any("3 bodies" in note for note in one.info["notes"])
    four = read_recording(path, V1, 4, ["wave"])
    assert four.clip(0).shape == (30, 4, 20, 3)
    assert not four.clip(0)[:, 3].any()


def test_joints_of_the_detector_need_no_description(tmp_path):
    layout = get_skeleton("hdm05")
    dataset = read_recording(save(tmp_path / "a.npy", people(V=layout.size)), layout, 1, ["wave"])
    assert dataset.clip(0).shape == (30, 1, layout.size, 3)


def test_key_points_of_an_estimator(tmp_path):
    frames = [
        {"people": [{"pose_keypoints_2d": (100 + 50 * person.reshape(-1)).tolist()}]}
        for person in people(V=25)[:, 0]
    ]
    (tmp_path / "wave").mkdir()
    for t, frame in enumerate(frames):
        (tmp_path / "wave" / f"wave_{t:012d}_keypoints.json").write_text(json.dumps(frame))
    dataset = read_recording(tmp_path / "wave", V1, 1, ["wave"])
    assert dataset.clip(0).shape == (30, 1, 20, 3)
    with pytest.raises(DatasetError, match="folder"):
        read_recording(tmp_path, V1, 1, ["wave"])


def test_frames_of_standard_input():
    clip = people(V=20).round(3)
    lines = [json.dumps(frame[0].tolist()) for frame in clip]
    lines[3] = json.dumps(np.concatenate([clip[3], clip[4]]).tolist())
    found = read_frames_of(lines, V1, fps=20)
    assert found.clip.shape == (30, 2, 20, 3)
    np.testing.assert_allclose(found.clip[:, 0], clip[:, 0].astype(np.float32))
    assert found.clip[:, 1].any(axis=(1, 2)).tolist() == [t == 3 for t in range(30)]
    assert (found.fps, found.skeleton) == (20, V1)
    assert read_frames_of(lines, V2).skeleton == V1  # by the number of joints
    with pytest.raises(DatasetError, match="--skeleton"):
        read_frames_of([json.dumps([[0, 1, 2]] * 7)], V2)
    for bad in ([], [lines[0], json.dumps([[0, 1, 2]] * 7)]):
        with pytest.raises(DatasetError, match="standard input"):
            read_frames_of(bad, V1)


def test_frames_without_a_person_on_standard_input():
    """Each line is a frame, so that the times of those after it stay right."""
    clip = people(V=20)
    lines = [json.dumps(frame[0].tolist()) for frame in clip]
    empty = ["null", "[]", "\n", json.dumps([[float("nan")] * 3] * 20), "[[null, null, null]]"]
    lines[3:8] = empty
    lines[12] = json.dumps([None, *clip[12, 0, 1:].tolist()])
    found = read_frames_of(lines, V1)
    there = found.clip.any(axis=(1, 2, 3))
    assert len(there) == 30
    assert np.flatnonzero(~there).tolist() == [3, 4, 5, 6, 7]
    assert "nobody is in 5 of 30 frames" in found.notes
    assert any(note.startswith("1 missing joint") for note in found.notes)
    wanted = (clip[11, 0, 0] + clip[13, 0, 0]) / 2
    np.testing.assert_allclose(found.clip[12, 0, 0], wanted, atol=1e-6)
    with pytest.raises(DatasetError, match="no frames"):
        read_frames_of(empty, V1)


@pytest.mark.parametrize(("own", "other"), [(60, 30), (30, 60), (25, 40), (120, 30)])
def test_another_frame_rate_and_back(tmp_path, own, other):
    seconds = np.arange(200)[:, None, None, None] / own
    clip = np.sin(seconds + np.arange(1, 21)[:, None] + np.arange(3))  # smooth
    clip[50:80] = 0  # nobody is there
    dataset = read_recording(save(tmp_path / "a.npy", clip), V1, 1, ["wave"])
    dataset.info["fps"] = own
    changed = at_rate(dataset, other).clip(0)
    assert len(changed) == round(200 * other / own)
    times = np.arange(len(changed)) / other
    wanted = np.sin(times[:, None, None, None] + np.arange(1, 21)[:, None] + np.arange(3))
    there = changed.any(axis=(1, 2, 3))
    gap = (times > 51 / own) & (times < 78 / own)
    assert not there[gap].any()
    calm = there & (np.abs(times - 50 / own) > 2 / own) & (np.abs(times - 80 / own) > 2 / own)
    np.testing.assert_allclose(changed[calm][:-2], wanted[calm][:-2], atol=0.01)
    spans = pd.DataFrame({"start": [0, 30], "end": [10, len(changed)]})
    back = back_at_rate(spans, other, own, 200)
    np.testing.assert_allclose(back["start"] / own, spans["start"] / other, atol=1 / own)
    assert back["end"].iloc[1] in (199, 200)
    assert (back["start"] < back["end"]).all()


def save_numbered(path, numbers):
    """A sequence of UT-Kinect with these frame numbers."""
    rows = people(len(numbers), V=20).reshape(len(numbers), -1)
    lines = (f"{n} {' '.join(map(str, row))}\n" for n, row in zip(numbers, rows, strict=True))
    path.write_text("".join(lines))
    return path


def test_times_of_frame_numbers(tmp_path):
    path = save_numbered(tmp_path / "joints_s06_e01.txt", [516, 518, 518, 524, 530])
    dataset = read_recording(path, V1, 1, ["wave"])
    assert len(dataset.clip(0)) == 4
    assert any(note.startswith("1 line repeats") for note in dataset.info["notes"])
    times = times_of(dataset)
    np.testing.assert_allclose(times, np.array([0, 2, 8, 14, 15]) / 30)
    np.testing.assert_allclose(times_of(dataset, 15), 2 * times)
    assert rate_of_rows(times, {"dataset": "ut_kinect"}) == ROWS_A_SECOND["ut_kinect"]
    assert rate_of_rows(times, {"dataset": "pku_mmd"}) == 8
    even = read_recording(save(tmp_path / "a.npy", people()), V2, 1, ["wave"])
    assert times_of(even) is None


@pytest.mark.parametrize("shape", [(0, 20, 3), (5, 0, 3), (0,)])
def test_arrays_of_nothing_are_refused(tmp_path, shape):
    with pytest.raises(DatasetError, match=r"a\.npy: .*empty"):
        read_recording(save(tmp_path / "a.npy", np.zeros(shape)), V1, 1, ["wave"])


def test_an_empty_file_is_refused(tmp_path):
    for name in ("a.npy", "a.json", "a.csv", "a.skeleton"):
        (tmp_path / name).write_bytes(b"")
        with pytest.raises(DatasetError, match=rf"{re.escape(name)}: .*0 bytes"):
            read_recording(tmp_path / name, V1, 1, ["wave"])


def test_filled_joints_are_counted(tmp_path):
    clip = people()
    clip[3:8, :, 4] = np.nan
    clip[7, :, 5] = np.nan
    for skeleton in (V2, V1):  # with and without a map
        notes = read_recording(save(tmp_path / "a.npy", clip), skeleton, 1, ["wave"]).info["notes"]
        assert any("6 missing joints" in note and "5 of 30 frames" in note for note in notes)


@pytest.mark.parametrize(("unit", "factor"), [("mm", 1000), ("cm", 100)])
def test_another_unit_is_named(tmp_path, unit, factor):
    clip = 0.5 * people()
    for put in (
        lambda: read_recording(save(tmp_path / "a.npy", factor * clip), V2, 1, ["wave"]),
        lambda: read_recording(save(tmp_path / "a.npy", factor * people(V=20)), V1, 1, ["wave"]),
    ):
        with pytest.raises(DatasetError, match=rf'a\.npy: .*units = "{unit}"'):
            put()
    with pytest.raises(DatasetError, match=f"one in {unit}"):
        recording_of_array(factor * clip, V2, 1, ["wave"])
    (tmp_path / "mm").mkdir()
    (tmp_path / "mm" / "skeleton.toml").write_text(f'skeleton = "kinect_v2"\nunits = "{unit}"\n')
    declared = read_recording(save(tmp_path / "mm" / "a.npy", factor * clip), V2, 1, ["wave"])
    np.testing.assert_allclose(declared.clip(0), clip.astype("f"), rtol=1e-5)
    notes = read_recording(save(tmp_path / "a.npy", clip), V2, 1, ["wave"]).info["notes"]
    assert not any("units" in note for note in notes)


def test_an_array_is_read_as_its_file(tmp_path):
    clip = people(M=2)
    clip[3:8] = np.nan
    clip[9, :, 4] = np.nan
    for skeleton, joints in ((V2, None), (V1, None), (V1, "kinect_v2")):
        file = read_recording(save(tmp_path / "a.npy", clip), skeleton, 1, ["wave"], joints)
        array = recording_of_array(clip, skeleton, 1, ["wave"], joints)
        np.testing.assert_array_equal(array.clip(0), file.clip(0))
        assert {"nobody is in 5 of 30 frames"} <= set(array.info["notes"])
    with pytest.raises(DatasetError, match=r"np.transpose\(a, \(1, 2, 0\)\)"):
        recording_of_array(people(V=20)[:, 0].transpose(2, 0, 1), V1, 1, ["wave"])
    for bad in (clip[0, 0], np.zeros((0, 20, 3)), np.zeros((5, 7, 3)), "a.npy"):
        with pytest.raises(DatasetError):
            recording_of_array(bad, V1, 1, ["wave"])


def test_people_of_a_film_need_no_unit():
    """Somebody who is in one frame only is no reason to ask for one, nor is a size in a film."""
    clip = np.zeros((1501, 1, 25, 3), np.float32)
    clip[777] = 0.5 * people(T=1)
    for kind, factor, warned in (("file", 1, 0), ("stream", 8, 1), ("film", 1000, 0)):
        found = SourceClip("a", factor * clip, V2)
        info = recording_of(found, V1, 1, ["wave"], "a", kind=kind).info
        assert len(info["warnings"]) == warned
        assert set(info["warnings"]) <= set(info["notes"])
        assert not any("skeleton.toml" in note for note in info["notes"])
