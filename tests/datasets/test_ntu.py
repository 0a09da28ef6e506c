"""NTU RGB+D: files to clips, what is left out and why, protocols and their published counts."""

from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ntu_files import plain_reader, skeleton_lines, text_of

from keras_skeleton.datasets import ntu
from keras_skeleton.datasets.formats.ntu_text import SkeletonText
from keras_skeleton.datasets.source import load
from keras_skeleton.datasets.synthetic import dataset as synthetic
from keras_skeleton.transforms.bodies import two_actors
from keras_skeleton.utils.errors import DatasetError


def clip_name(setup=1, camera=1, person=1, replication=1, action=1):
    return f"S{setup:03d}C{camera:03d}P{person:03d}R{replication:03d}A{action:03d}"


def table_of(names):
    """The table of clips as far as names tell it."""
    return pd.DataFrame([ntu.parse_name(name) for name in names])


def write(folder, names, frames=(1, 1)):
    folder.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(names):
        lines = skeleton_lines(frames, joint=lambda j, i=i: f"{j}.5 {i} 3 0 0 0 0 0 0 0 0 2")
        (folder / f"{name}.skeleton").write_bytes(text_of(lines))


@pytest.fixture
def root(tmp_path):
    """Twelve good clips in the release's layout."""
    names = [clip_name(camera=c, person=p) for c in (1, 2, 3) for p in (1, 3, 4, 5)]
    write(tmp_path / "data" / "nturgb+d_skeletons", names)
    return tmp_path / "data"


# ---------------------------------------------------------------- joints in the video


def test_joints_come_with_their_pixels_and_states(tmp_path):
    clip = next(synthetic.make_clips(labels=[10], subjects=[1], repetitions=[1], views=[2]))
    (path,) = synthetic.write_skeleton_files(tmp_path, 0, [1], [1], [10], [2])
    seen = ntu.read_clip_with_pixels(path)
    np.testing.assert_array_equal(seen.joints, ntu.read_clip(path).frames)
    assert seen.joints.shape == clip.joints.shape == (*seen.states.shape, 3)
    np.testing.assert_array_equal(seen.states, clip.states)
    places = synthetic.pixels(clip.joints.astype(float), synthetic.COLOUR)
    np.testing.assert_allclose(seen.pixels, places, rtol=1e-4)


def test_a_file_without_usable_joints_says_where_and_why(tmp_path):
    write(tmp_path, [clip_name()])
    path = tmp_path / f"{clip_name()}.skeleton"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DatasetError, match=r"A001.skeleton:\d+: found"):
        ntu.read_clip_with_pixels(path)
    with pytest.raises(DatasetError, match="none.skeleton: No such file"):
        ntu.read_clip_with_pixels(tmp_path / "none.skeleton")
    path.write_bytes(b"1\n0\n")
    with pytest.raises(DatasetError, match="no skeleton in any of its 1 frames"):
        ntu.read_clip_with_pixels(path)


# ---------------------------------------------------------------- real files


def test_real_clips_are_what_the_files_say(real_data, tmp_path):
    root = real_data("ntu")
    dataset = load(ntu.NTU, root, tmp_path)
    files = sorted((root / "nturgb+d_skeletons").glob("*.skeleton"))
    assert dataset.samples["name"].tolist() == [file.stem for file in files]
    assert dataset.samples["frames"].tolist() == [103, 158, 104, 99, 54, 75, 74, 71, 42, 66]
    assert dataset.samples["bodies"].tolist() == [1, 1, 1, 1, 1, 1, 2, 1, 2, 2]
    assert dataset.info["skipped"] == []
    assert dataset.info["notes"] == ["usable clips: 10 found, 56578 published"]
    for i, file in enumerate(files):
        counts, ids, values = plain_reader(file.read_bytes())
        assert len(set(counts)) == 1  # the same bodies all the time, in the same order
        assert len(set(ids)) == counts[0]
        clip = values.reshape(len(counts), counts[0], 25, 3)
        np.testing.assert_array_equal(dataset.clip(i)[:, : counts[0]], clip)
        assert not dataset.clip(i)[:, counts[0] :].any()
    row = dataset.samples.iloc[7]
    assert (row["name"], row["label"], row["subject"]) == ("S003C001P015R001A034", 33, 15)
    assert (row["view"], row["setup"], row["repetition"]) == (1, 3, 1)
    assert dataset.classes[row["label"]] == "rub hands"
    # Heads are above feet, and people stand a few metres before the camera.
    head, foot = dataset.skeleton.index("head"), dataset.skeleton.index("left_foot")
    assert (dataset.rows[:, head, 1] > dataset.rows[:, foot, 1]).all()
    assert 1 < dataset.rows[:, 0, 2].min() < dataset.rows[:, 0, 2].max() < 5


def test_real_clips_in_file_order_are_the_same(real_data, tmp_path):
    tracking = load(ntu.NTU, real_data("ntu"), tmp_path)
    by_file = load(ntu.NTU, real_data("ntu"), tmp_path, bodies="file")
    assert by_file.info["store"] != tracking.info["store"]
    np.testing.assert_array_equal(by_file.rows, tracking.rows)


def test_real_clips_denoised_are_the_same_but_for_the_order_of_people(real_data, tmp_path):
    tracking = load(ntu.NTU, real_data("ntu"), tmp_path)
    denoised = load(ntu.NTU, real_data("ntu"), tmp_path, bodies="denoised")
    assert denoised.info["skipped"] == []
    for i, row in tracking.samples.iterrows():
        found, kept = denoised.clip(i), tracking.clip(i)
        assert denoised.samples["bodies"][i] == row["bodies"]
        if not np.array_equal(found, kept):
            np.testing.assert_array_equal(found, kept[:, ::-1])
            assert row["bodies"] == 2


# ---------------------------------------------------------------- names and lists


def test_names():
    assert ntu.parse_name("S017C003P020R002A054") == {
        "label": 53, "subject": 20, "view": 3, "setup": 17, "repetition": 2
    }  # fmt: skip
    assert ntu.parse_name("S018C001P106R001A120")["label"] == 119
    for name in ["S001C001P001R001A000", "S001C001P001R001A121", "S1C1P1R1A1", "clip",
                 "S001C001P001R001A001_rgb", "xS001C001P001R001A001"]:  # fmt: skip
        assert ntu.parse_name(name) is None


def test_lists():
    sixty, all_of_them = ntu.read_list("ntu60_missing.txt"), ntu.read_list("ntu120_missing.txt")
    assert (len(sixty), len(all_of_them)) == (302, 535)
    assert len(set(all_of_them)) == 535
    assert set(sixty) == {name for name in all_of_them if name <= "S018" and name[-3:] <= "060"}
    assert all(ntu.parse_name(name) for name in all_of_them)
    lines = ntu.read_list("ntu_classes.txt")
    assert [line.split()[0] for line in lines] == [f"A{a:03d}" for a in range(1, 121)]
    assert len(set(ntu.CLASSES)) == 120
    assert ntu.NTU.classes == ntu.NTU120.classes[:60]
    assert ntu.NTU.classes[49] == "punch or slap other person"


def test_lists_are_the_official_ones(real_data):
    folder = real_data("ntu")
    for ours, theirs in [
        ("ntu60_missing.txt", "NTU_RGBD_samples_with_missing_skeletons.txt"),
        ("ntu120_missing.txt", "NTU_RGBD120_samples_with_missing_skeletons.txt"),
    ]:
        official = re.findall(r"^S\d.*", (folder / theirs).read_text(), re.MULTILINE)
        assert ntu.read_list(ours) == official


def test_files_are_found_wherever_they_are_unpacked(tmp_path):
    write(tmp_path, [clip_name(action=2)])
    write(tmp_path / "nturgb+d_skeletons", [clip_name(action=1), clip_name(action=60)])
    write(tmp_path / "nturgb+d_skeletons120", [clip_name(action=1), clip_name(18, action=120)])
    write(tmp_path / "other", [clip_name(action=3)])
    folder = tmp_path / "nturgb+d_skeletons"
    (folder / "readme.txt").touch()
    (folder / "._S001C001P001R001A004.skeleton").touch()
    (folder / "S001C001P001R001A005_rgb.skeleton").touch()
    names = [path.stem for path in ntu.NTU.files(tmp_path)]
    assert names == [clip_name(action=1), clip_name(action=2), clip_name(action=60)]
    paths = ntu.NTU120.files(tmp_path)
    assert [path.stem for path in paths] == [*names, clip_name(18, action=120)]
    assert paths[0].parent.name == "nturgb+d_skeletons"  # of two, the first folder's
    assert [path.stem for path in ntu.NTU.files(folder)] == [names[0], names[2]]


def test_archives_may_be_unpacked_into_folders_of_their_own(tmp_path):
    inside = tmp_path / "nturgbd_skeletons_s001_to_s017" / "nturgb+d_skeletons"
    write(inside, [clip_name(action=1), clip_name(action=2)])
    (inside / f"{clip_name(action=2)}.skeleton").rename(inside / f"{clip_name(action=2)}.SKELETON")
    write(tmp_path / "nturgb+d_skeletons", [clip_name(action=2), clip_name(action=3)])
    names = [clip_name(action=i) for i in (1, 2, 3)]
    assert [path.stem for path in ntu.NTU.files(tmp_path)] == names
    dataset = load(ntu.NTU, tmp_path, tmp_path / "cache")
    assert dataset.info["skipped"] == []
    assert dataset.samples["name"].tolist() == names


def test_nothing_there_says_what_to_download(tmp_path):
    for source in (ntu.NTU, ntu.NTU120):
        with pytest.raises(DatasetError, match=r"rose1\.ntu\.edu\.sg"):
            load(source, tmp_path, tmp_path / "cache")
        with pytest.raises(DatasetError, match="nturgbd_skeletons_s001_to_s017"):
            load(source, None, tmp_path / "cache")


# ---------------------------------------------------------------- bodies to slots


def text_with(ids, moves=None):
    """Bodies by tracking id in each frame; body k of the file is all k + 1, plus its motion."""
    flat = [name for frame in ids for name in frame]
    values = np.ones((len(flat), 25, 3), np.float32) * np.arange(1, len(flat) + 1)[:, None, None]
    if moves is not None:
        values = np.ones_like(values)
        for row, name in enumerate(flat):
            values[row] += name + moves[name] * row
    return SkeletonText(np.array([len(frame) for frame in ids]), flat, values)


def corner(clip):
    """x of the first joint, (T, m)."""
    return clip[:, :, 0, 0].tolist()


def test_bodies_follow_their_tracking_ids():
    clip = ntu.follow_tracking(text_with([[7], [7, 3], [3, 7], [], [3]]))
    assert clip.dtype == np.float32
    assert corner(clip) == [[1, 0], [2, 3], [5, 4], [0, 0], [0, 6]]
    assert corner(ntu.follow_tracking(text_with([[], [9], [9]]))) == [[0], [1], [2]]


def test_of_many_ids_the_two_that_move_most_are_kept_in_order_of_appearance():
    ids = [[1, 2, 3], [3, 1], [1, 2, 3], [3, 2, 4]]
    text = text_with(ids, moves={1: 0.5, 2: 0.0, 3: 0.25, 4: 9.0})  # 4 is there once: no motion
    clip = ntu.follow_tracking(text)
    first = {name: [text.ids.index(name)] for name in (1, 3)}
    assert clip.shape == (4, 2, 25, 3)
    assert corner(clip)[0] == [text.values[first[1][0], 0, 0], text.values[first[3][0], 0, 0]]
    assert (np.array(corner(clip)) != 0).tolist() == [[1, 1], [1, 1], [1, 1], [0, 1]]


def test_an_id_twice_in_a_frame_is_its_first_body():
    assert corner(ntu.follow_tracking(text_with([[5, 5], [5]]))) == [[1], [3]]


def test_file_order_ignores_ids_and_empties_crowded_frames():
    clip = ntu.follow_file(text_with([[7], [3, 7], [1, 2, 3], [], [7]]))
    assert corner(clip) == [[1, 0], [2, 3], [0, 0], [0, 0], [7, 0]]
    assert corner(ntu.follow_file(text_with([[7], [1, 2, 3], [3]]))) == [[1], [0], [5]]


def people_text(tracks, T):
    """A recording of tracks (id, frames, x): each stands at x and moves a little."""
    rng = np.random.default_rng(0)
    pose = rng.uniform(-0.5, 0.5, (25, 3)) * [0.5, 2, 0.5]
    frames = [[(name, x) for name, there, x in tracks if t in there] for t in range(T)]
    flat = [body for frame in frames for body in frame]
    values = np.stack([pose + [x, 0, 3] + rng.normal(0, 0.01, 3) for _, x in flat])
    counts = np.array([len(frame) for frame in frames])
    return SkeletonText(counts, [name for name, _ in flat], values.astype(np.float32))


def places(clip):
    """Where each slot's body stands in x, to half a metre, and None where it is absent."""
    near = np.round(2 * clip[..., 0].mean(axis=2)) / 2
    return np.where(clip.any(axis=(2, 3)), near, np.nan)


def test_a_person_who_gets_a_new_id_keeps_the_slot():
    tracks = [(7, range(25), 0), (8, range(28, 60), 0), (9, range(28, 60), 1)]
    for order in (tracks, [tracks[0], tracks[2], tracks[1]]):
        found = places(ntu.follow_tracking(people_text(order, 60)))
        gone = [25, 26, 27]
        np.testing.assert_array_equal(np.flatnonzero(np.isnan(found[:, 0])), gone)
        assert set(np.delete(found[:, 0], gone)) == {0}
        np.testing.assert_array_equal(found[:, 1], [np.nan] * 28 + [1.0] * 32)


def test_two_people_who_are_lost_at_once_are_told_apart_by_place():
    tracks = [
        (1, range(20), 0), (2, range(20), 0.5), (4, range(22, 40), 0.5), (3, range(22, 40), 0),
    ]  # fmt: skip
    found = places(ntu.follow_tracking(people_text(tracks, 40)))
    gone = [20, 21]
    assert found.shape == (40, 2)
    assert set(np.delete(found[:, 0], gone)) == {0}
    assert set(np.delete(found[:, 1], gone)) == {0.5}


def test_an_id_that_stands_in_for_a_while_and_many_changes_are_one_person():
    inside = [(1, [*range(20), *range(30, 50)], 0), (2, range(21, 28), 0)]
    changes = [(i, range(10 * i, 10 * i + 8), i % 2 / 4) for i in range(6)]
    for tracks, T, frames in ((inside, 50, 47), (changes, 60, 48)):
        clip = ntu.follow_tracking(people_text(tracks, T))
        assert clip.shape[1] == 1
        assert clip.any(axis=(2, 3)).sum() == frames


@pytest.mark.parametrize(
    "tracks",
    [
        [(1, range(20), 0), (2, range(22, 40), 1)],  # too far for two frames
        [(1, range(20), 0), (2, range(40, 60), 2)],  # too far for any time
        [(1, range(20), 0), (2, range(19, 40), 0)],  # one frame together
        [(1, [*range(20), *range(30, 50)], 0), (2, range(21, 28), 1)],
    ],
)
def test_other_people_keep_slots_of_their_own(tracks):
    text = people_text(tracks, 60)
    clip = ntu.follow_tracking(text)
    assert clip.shape[1] == 2
    for slot, (name, there, _) in enumerate(tracks):
        np.testing.assert_array_equal(np.flatnonzero(clip[:, slot].any(axis=(1, 2))), [*there])
        rows = [i for i, found in enumerate(text.ids) if found == name]
        np.testing.assert_array_equal(clip[list(there), slot], text.values[rows])


def test_pixels_follow_the_same_people(tmp_path):
    ids = [[1], [1], [], [2, 3], [2, 3]]
    flat = iter([name for frame in ids for name in frame])
    lines = skeleton_lines(
        [len(frame) for frame in ids],
        body=lambda m: str(next(flat)),
        joint=lambda i: (
            f"{i % 25 / 50 + (2 if i // 25 in (3, 5) else 0)} 0 3 0 0 {i // 25} 9 0 0 0 0 2"
        ),
    )
    path = tmp_path / "S001C001P001R001A001.skeleton"
    path.write_bytes(text_of(lines))
    seen = ntu.read_clip_with_pixels(path)
    np.testing.assert_array_equal(seen.joints, ntu.read_clip(path).frames)
    assert seen.pixels[:, :, 0, 0].tolist() == [[0, 0], [1, 0], [0, 0], [2, 3], [4, 5]]


def test_denoised_leaves_out_ghosts_and_empty_frames_and_merges_ids():
    tracks = [
        (1, range(2, 25), 0), (2, range(28, 60), 0), (3, range(28, 60), 1), (4, range(40, 51), 3),
    ]  # fmt: skip
    text = people_text(tracks, 62)
    clip = ntu.follow_denoised(text)
    assert clip.dtype == np.float32
    assert clip.shape == (55, 2, 25, 3)  # without frames 0, 1, 25, 26, 27, 60 and 61
    assert not (places(clip) > 1).any()
    by_id = np.zeros((62, 4, 25, 3), np.float32)
    frame = np.repeat(np.arange(62), text.bodies)
    for row, (t, name) in enumerate(zip(frame, text.ids, strict=True)):
        by_id[t, name - 1] = text.values[row]
    np.testing.assert_array_equal(clip, two_actors(by_id).astype(np.float32))
    alone = ntu.follow_denoised(people_text([(1, range(3, 9), 0)], 12))
    assert alone.shape == (6, 1, 25, 3)


def test_more_ids_than_people_are_no_danger():
    tracks = [(i, range(i, i + (30 if i < 2 else 1)), 0.01 * i) for i in range(300)]
    text = people_text(tracks, 310)
    assert ntu.follow_tracking(text).shape == (310, 2, 25, 3)
    assert ntu.follow_denoised(text).shape == (31, 2, 25, 3)


def test_the_case_of_the_new_id(tmp_path):
    root = Path(__file__).resolve().parents[3] / "shared" / "cases" / "33-ntu-person-gets-new-id"
    if not root.is_dir():
        pytest.skip(f"no cases at {root.parent}")
    dataset = load(ntu.NTU, root, tmp_path / "cache")
    assert dataset.info["skipped"] == []
    found = places(dataset.clip(0))
    gone = [25, 26, 27]  # nobody is in the file there
    assert found.shape == (60, 2)
    assert set(np.delete(found[:, 0], gone)) == {0}
    np.testing.assert_array_equal(found[:, 1], [np.nan] * 28 + [1.0] * 32)
    assert dataset.info["notes"][0].startswith("in 1 clips a person gets a new tracking id")
    denoised = places(load(ntu.NTU, root, tmp_path / "cache", bodies="denoised").clip(0))
    np.testing.assert_array_equal(denoised, np.delete(found, gone, axis=0))


# ---------------------------------------------------------------- loading


def test_load(root, tmp_path):
    said = []
    dataset = load(ntu.NTU, root, tmp_path / "cache", log=said.append)
    assert len(dataset) == 12
    assert said[0].startswith("preparing ntu")
    assert said[1:] == ["note: usable clips: 12 found, 56578 published"]
    assert dataset.samples["name"].is_monotonic_increasing
    assert dataset.clip(5).shape == (2, 1, 25, 3)
    # Fold sizes: of persons 1, 3, 4 and 5, three train and 4 of them validates.
    (fold,) = dataset.folds("cs")
    assert [len(part) for part in fold] == [6, 3, 3]
    assert dataset.samples["subject"].to_numpy()[fold.validation].tolist() == [4, 4, 4]
    (fold,) = dataset.folds("cv")  # one performance validates, from both of its cameras
    assert [len(part) for part in fold] == [6, 2, 4]
    held = dataset.samples.iloc[fold.validation]
    assert len(held.groupby(["setup", "subject", "repetition", "label"])) == 1
    said.clear()
    load(ntu.NTU, root, tmp_path / "cache", log=said.append)
    assert not any(line.startswith("preparing") for line in said)


def test_samples_on_the_official_list_are_left_out_and_counted(root, tmp_path):
    folder = root / "nturgb+d_skeletons"
    write(folder, ["S001C002P005R002A008", "S001C001P001R001A061"])
    dataset = load(ntu.NTU, root, tmp_path / "cache")
    assert dataset.info["skipped"] == []
    assert len(dataset) == 12
    assert dataset.info["notes"][0].startswith("1 files are skipped")
    assert "302 samples with missing skeletons" in dataset.info["notes"][0]
    dataset = load(ntu.NTU120, root, tmp_path / "cache")
    assert dataset.info["skipped"] == []
    assert len(dataset) == 13
    assert dataset.info["notes"][1] == "usable clips: 13 found, 113945 published"


BAD_FILES = [
    (b"", ":1", "found the end of the file, expected the number of frames"),
    (b"\x89PNG\x00\x01", ":1", "expected the number of frames"),
    (text_of(skeleton_lines([1, 1]))[:-30], ":57", "expected 12 values of joint 25"),
    (text_of(skeleton_lines([1, 1])).replace(b"3.5", b"nan"), ":5", "found 'nan', expected"),
    (text_of(["5", *skeleton_lines([1, 1])[1:]]), ":58", "the number of bodies in frame 3 of 5"),
    (b"0\n", "", "has no frames"),
    (text_of(skeleton_lines([0, 0, 0])), "", "no skeleton in any of its 3 frames"),
    (None, "", "Is a directory"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "line", "why"), BAD_FILES)
def test_a_bad_file_is_left_out_with_its_line_and_the_others_are_kept(
    root, tmp_path, data, line, why
):
    bad = root / "nturgb+d_skeletons" / "S001C001P004R001A001.skeleton"
    bad.unlink()
    bad.mkdir() if data is None else bad.write_bytes(data)
    dataset = load(ntu.NTU, root, tmp_path / "cache")
    assert len(dataset) == 11
    assert bad.stem not in set(dataset.samples["name"])
    ((where, reason),) = dataset.info["skipped"]
    assert where == f"{bad}{line}"
    assert why in reason
    with pytest.raises(DatasetError, match=re.escape(f"{bad}{line}: ")):
        load(ntu.NTU, root, tmp_path / "cache", strict=True)


def test_crowds_are_left_out_in_file_order(root, tmp_path):
    write(root / "nturgb+d_skeletons", [clip_name(action=60)], frames=(3, 0, 3))
    dataset = load(ntu.NTU, root, tmp_path / "cache", bodies="file")
    assert len(dataset) == 12
    assert "more than two bodies in every frame" in dataset.info["skipped"][0][1]
    assert len(load(ntu.NTU, root, tmp_path / "cache")) == 13


def test_wrong_names_are_reported(root, tmp_path):
    odd = root / "nturgb+d_skeletons" / "S001C001P001R001A001 (1).skeleton"
    odd.touch()
    dataset = load(ntu.NTU, root, tmp_path / "cache")
    ((where, why),) = dataset.info["skipped"]
    assert where == str(odd)
    assert why.startswith("its name is not SsssCcccPpppRrrrAaaa.skeleton; ")
    with pytest.raises(DatasetError, match="its name is not"):
        load(ntu.NTU, root, tmp_path / "cache", strict=True)


def test_unknown_choices_are_refused(root, tmp_path):
    with pytest.raises(DatasetError, match="bodies='nearest' is unknown; choose one of tracking"):
        load(ntu.NTU, root, tmp_path / "cache", bodies="nearest")
    with pytest.raises(DatasetError, match="no reader option"):
        load(ntu.NTU, root, tmp_path / "cache", body="file")
    assert not list((tmp_path / "cache").iterdir())


# ---------------------------------------------------------------- processes


def test_many_processes_read_what_one_reads(root, tmp_path, monkeypatch):
    write(root / "nturgb+d_skeletons", [clip_name(2, action=a) for a in range(1, 61)], (1, 2, 0))
    bad = root / "nturgb+d_skeletons" / "S002C001P001R001A030.skeleton"
    bad.write_bytes(b"3\n1\n")
    one = load(ntu.NTU, root, tmp_path / "one")
    monkeypatch.setattr(ntu, "PARALLEL_FROM", 20)
    monkeypatch.setattr(ntu, "cores", lambda: 2)
    two = load(ntu.NTU, root, tmp_path / "two")
    assert len(one) == 71
    pd.testing.assert_frame_equal(two.samples, one.samples)
    np.testing.assert_array_equal(two.rows, one.rows)
    assert two.info["skipped"] == one.info["skipped"]
    assert two.info["skipped"][0][0] == f"{bad}:3"
    with pytest.raises(DatasetError, match=re.escape(f"{bad}:3: ")):
        load(ntu.NTU, root, tmp_path / "two", strict=True)


class SamePool:
    """Runs what it is given at once, in this process, and counts what is not yet fetched."""

    most = 0

    def __init__(self, *args, **kwargs):
        self.futures = []

    def submit(self, function, *args):
        future = Future()
        future.set_result(function(*args))
        future.fetched = False
        take = future.result

        def result():
            future.fetched = True
            return take()

        future.result = result
        self.futures.append(future)
        SamePool.most = max(SamePool.most, sum(not f.fetched for f in self.futures))
        return future

    def shutdown(self, **kwargs):
        pass


def test_few_clips_wait_in_memory(root, monkeypatch):
    monkeypatch.setattr(ntu, "ProcessPoolExecutor", SamePool)
    monkeypatch.setattr(ntu, "_CHUNK", 1)
    paths = ntu.NTU.files(root) * 5
    clips = list(ntu.read_clips(paths, processes=3))
    assert [clip.path for clip in clips] == [str(path) for path in paths]
    assert SamePool.most == 7


def test_a_killed_process_is_named(root, monkeypatch):
    class DyingPool(SamePool):
        def submit(self, function, *args):
            raise BrokenProcessPool("ended abruptly")

    monkeypatch.setattr(ntu, "ProcessPoolExecutor", DyingPool)
    with pytest.raises(DatasetError, match=r"was killed"):
        list(ntu.read_clips(ntu.NTU.files(root), processes=2))


SCRIPT = """
import sys
from keras_skeleton.datasets import load_dataset, ntu

print("running")
ntu.PARALLEL_FROM = 1
ntu.cores = lambda: 2
print(len(load_dataset("ntu", sys.argv[1], sys.argv[2])), "clips")
heavy = {"keras", "tensorflow", "torch", "jax"} & set(sys.modules)
print("imported:", *heavy)
"""


def test_a_script_without_a_main_guard_runs_once_and_readers_import_no_keras(root, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    package = Path(ntu.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, script, root, tmp_path / "cache"],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(package), "PATH": ""},
        check=False,
    )
    assert (done.stdout, done.stderr) == ("running\n12 clips\nimported:\n", "")


# ---------------------------------------------------------------- protocols


def test_cs_and_cv_on_every_combination():
    table = table_of([clip_name(camera=c, person=p) for c in (1, 2, 3) for p in range(1, 41)])
    (cs,) = ntu.NTU.protocols["cs"](table)
    assert set(table["subject"].iloc[cs.train]) | set(table["subject"].iloc[cs.validation]) == {
        1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38
    }  # fmt: skip
    assert set(table["subject"].iloc[cs.validation]) == {4, 19, 31}
    assert [len(part) for part in cs] == [51, 9, 60]
    (cv,) = ntu.NTU.protocols["cv"](table)
    assert set(table["view"].iloc[cv.train]) == {2, 3}
    assert set(table["view"].iloc[cv.validation]) == {2, 3}
    assert set(table["view"].iloc[cv.test]) == {1}
    assert [len(part) for part in cv] == [76, 4, 40]


def test_csub_and_cset_on_every_combination():
    table = table_of([clip_name(s, person=p) for s in range(1, 33) for p in range(1, 107)])
    (csub,) = ntu.NTU120.protocols["csub"](table)
    assert [len(part) for part in csub] == [47 * 32, 6 * 32, 53 * 32]
    assert table["subject"].iloc[csub.test].isin(ntu.CSUB_SUBJECTS).sum() == 0
    (cset,) = ntu.NTU120.protocols["cset"](table)
    assert (table["setup"].iloc[cset.train] % 2 == 0).all()
    assert (table["setup"].iloc[cset.test] % 2 == 1).all()
    assert [len(part) for part in cset] == [16 * 106 - 85, 85, 16 * 106]
    for fold in (csub, cset):
        assert sorted(np.concatenate(fold)) == list(range(len(table)))


def test_published_counts(real_data):
    """56,578 = 40,091 + 16,487 = 37,646 + 18,932, from the names of all clips."""
    folder = real_data("ntu").parents[1] / "facts" / "splits" / "P-I3D" / "NTU"
    if not folder.is_dir():
        pytest.skip(f"no list of all clips at {folder}")
    lists = {file.stem: file.read_text().split() for file in folder.glob("*.txt")}
    # The lists leave out four clips whose video is missing; their skeletons are there.
    names = {name for part in lists.values() for name in part} | {
        "S004C001P007R001A029", "S006C001P023R001A030", "S006C001P023R002A029",
        "S005C001P017R001A029",
    }  # fmt: skip
    missing = set(ntu.read_list("ntu60_missing.txt"))
    assert len(names) == ntu.NTU.clips
    assert len(names | missing) == 56_880
    names = sorted(names)
    table = table_of(names)
    assert sorted(table["label"].unique()) == list(range(60))
    (cs,) = ntu.NTU.protocols["cs"](table)
    assert (len(cs.train) + len(cs.validation), len(cs.test)) == (40_091, 16_487)
    assert {names[i] for i in cs.validation} == set(lists["validation_CS"])
    (cv,) = ntu.NTU.protocols["cv"](table)
    assert (len(cv.train) + len(cv.validation), len(cv.test)) == (37_646, 18_932)
    assert 0.045 < len(cv.validation) / 37_646 < 0.055
