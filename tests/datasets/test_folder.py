import json
import os
import zipfile

import numpy as np
import own_data
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keras_skeleton.datasets.dataset import ReadReport
from keras_skeleton.datasets.folder import FOLDER
from keras_skeleton.datasets.formats.clip_file import ClipError, finish_clip, read_array
from keras_skeleton.datasets.formats.poses import POSES, pose_clip
from keras_skeleton.datasets.formats.skeleton_toml import Layout, known_layout, read_layout
from keras_skeleton.datasets.own_labels import read_labels
from keras_skeleton.datasets.source import load
from keras_skeleton.datasets.store import StoreWriter, verify_store
from keras_skeleton.skeletons import SKELETONS, get_skeleton
from keras_skeleton.utils.errors import DatasetError

RIG = """
name = "rig"
joints = ["pelvis", "chest", "left_hip", "right_hip", "left_shoulder", "right_shoulder", "left_hand", "right_hand"]
bones = [
  ["pelvis", "chest"], ["pelvis", "left_hip"], ["pelvis", "right_hip"], ["chest", "left_shoulder"],
  ["chest", "right_shoulder"], ["left_shoulder", "left_hand"], ["right_shoulder", "right_hand"],
]
units = "mm"
[roles]
hips = ["left_hip", "right_hip"]
shoulders = ["left_shoulder", "right_shoulder"]
spine = ["pelvis", "chest"]
hands = ["left_hand", "right_hand"]
"""  # noqa: E501
V = 8


def clip_of(seed=0, T=6, M=1, size=V):
    return np.random.default_rng(seed).normal(size=(T, M, size, 3)) + 3


def make(folder, rows, toml=RIG, header="file,label,subject,view", fill=clip_of):
    """A folder of .npy clips with these lines of labels.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "labels.csv").write_text("\n".join([header, *rows]) + "\n")
    (folder / "skeleton.toml").write_text(toml)
    for i, row in enumerate(rows):
        np.save(folder / row.split(",")[0], fill(i))
    return folder


@pytest.fixture
def people(tmp_path):
    """Four people, two views, two classes; 16 clips of the rig."""
    rows = [
        f"{who}_{view}_{what}.npy,{what},{who},{view}"
        for who in ("ann", "bob", "cy", "dee")
        for view in ("front", "side")
        for what in ("wave", "bow")
    ]
    return make(tmp_path / "clips", rows)


def reasons(dataset):
    return [f"{where.rsplit('/', 1)[1]}: {why}" for where, why in dataset.info["skipped"]]


# ---------------------------------------------------------------- the whole way


def test_a_layout_of_ones_own_comes_back_whole(people, tmp_path):
    said = []
    first = load(FOLDER, people, tmp_path / "cache", log=said.append)
    assert "subjects are numbered: 1 = ann, 2 = bob, 3 = cy, 4 = dee" in "\n".join(said)
    said.clear()
    dataset = load(FOLDER, people, tmp_path / "cache", log=said.append)
    assert not any("preparing" in line for line in said)
    verify_store(dataset.info["store"])
    layout = dataset.skeleton
    assert layout == first.skeleton == read_layout(people).skeleton
    assert (layout.name, layout.size, layout.root) == ("rig", V, 0)
    assert layout.joints[3] == "right_hip"
    assert layout.bones[3] == (1, 4)
    assert (layout.hips, layout.spine, layout.hands) == ((2, 3), (0, 1), (6, 7))
    assert layout.torso == (0, 1, 4, 5, 2, 3)
    assert layout.feet == ()
    np.testing.assert_array_equal(layout.mirror, [0, 1, 3, 2, 5, 4, 7, 6])
    assert dataset.classes == ("bow", "wave")
    table = dataset.samples
    assert list(table["name"]) == sorted(table["name"])
    row = table.iloc[list(table["name"]).index("bob_side_wave.npy")]
    assert (row["label"], row["subject"], row["view"], row["filled"]) == (1, 2, 2, 0)
    i = list(table["name"]).index("ann_front_bow.npy")
    np.testing.assert_allclose(dataset.clip(i), clip_of(1) / 1000, rtol=1e-6)  # mm to m


@pytest.mark.parametrize("skeleton", [*SKELETONS])
def test_known_layouts(skeleton, tmp_path):
    size = get_skeleton(skeleton).size
    rows = ["a.npy,x", "b.npy,y"]
    folder = make(
        tmp_path / "d", rows, f'skeleton = "{skeleton}"', "file,label",
        lambda i: clip_of(i, M=2, size=size),
    )  # fmt: skip
    dataset = load(FOLDER, folder, tmp_path / "cache")
    assert dataset.skeleton is get_skeleton(skeleton)
    expected = clip_of(1, M=2, size=size)
    if known_layout(skeleton).down:  # Azure Kinect and hands in images
        expected *= (-1, -1, 1)
    np.testing.assert_array_equal(dataset.clip(1), expected.astype(np.float32))
    (folder / "skeleton.toml").unlink()
    said = []
    load(FOLDER, folder, tmp_path / "cache", force=True, log=said.append)
    by_number = {"body15": "sbu"}.get(skeleton, skeleton)  # SBU's files were there first
    assert f"{size} joints were read as {by_number}" in "\n".join(said)
    option = load(FOLDER, folder, tmp_path / "cache", skeleton=skeleton)
    np.testing.assert_array_equal(option.rows, dataset.rows)


def test_unknown_joints_must_be_described(tmp_path):
    folder = make(tmp_path / "d", ["a.npy,x", "b.npy,y"], RIG, "file,label")
    (folder / "skeleton.toml").unlink()
    with pytest.raises(DatasetError, match=r"a.npy.* 8 joints[\s\S]*skeleton.toml[\s\S]*coco17"):
        load(FOLDER, folder, tmp_path / "cache")
    (folder / "labels.csv").write_text("file,label\ngone.npy,x\n")
    (folder / "a.npy").write_text("")
    (folder / "b.npy").write_text("")
    with pytest.raises(DatasetError, match=r"skeleton.toml: missing[\s\S]*coco17"):
        load(FOLDER, folder, tmp_path / "cache")


@pytest.mark.parametrize("pose", POSES)
def test_key_points_become_kinect_joints(pose, tmp_path):
    size = POSES[pose].size

    def key_points(i):
        points = np.random.default_rng(i).uniform(100, 900, (1, 2, size, 3))
        points = points + np.random.default_rng(i).normal(0, 5, (5, 2, size, 3))  # they stand
        points[..., 2] = np.random.default_rng(i).uniform(0, 1, (5, 2, size))
        return points

    toml = f'skeleton = "{pose}"\ncoordinates = "xyc"\nmin_confidence = 0.1'
    folder = make(tmp_path / "d", ["a.npy,x", "b.npy,y"], toml, "file,label", key_points)
    dataset = load(FOLDER, folder, tmp_path / "cache")
    assert dataset.skeleton.name == "kinect_v2"
    expected = pose_clip(key_points(1), pose, "xyc", 0.1)
    np.testing.assert_allclose(dataset.clip(1), expected, rtol=1e-6)


def test_real_recordings_read_as_a_strangers_folder(real_data, tmp_path):
    """N-UCLA's own files are such .json clips."""
    source = real_data("nucla") / "all_sqe"
    names = sorted(path.name for path in source.glob("*.json"))[:40]
    (tmp_path / "d").mkdir()
    for name in names:
        (tmp_path / "d" / name).write_bytes((source / name).read_bytes())
    rows = [f"{name},{name[:3]},{name[4:7]},{name[-8:-5]}" for name in names]
    (tmp_path / "d" / "labels.csv").write_text("\n".join(["file,label,subject,view", *rows]))
    dataset = load(FOLDER, tmp_path / "d", tmp_path / "cache", skeleton="kinect_v1", strict=True)
    assert list(dataset.samples["name"]) == names
    raw = np.array(json.loads((source / names[7]).read_text())["skeletons"])
    np.testing.assert_array_equal(dataset.clip(7)[:, 0], raw.astype(np.float32))


def test_edited_files_are_read_again(people, tmp_path):
    """A user corrects a label: same names, and often the same size."""
    first = load(FOLDER, people, tmp_path / "cache")
    labels = people / "labels.csv"
    old = labels.stat()
    labels.write_text(labels.read_text().replace("wave.npy,wave,ann", "wave.npy,bows,ann"))
    os.utime(labels, ns=(old.st_atime_ns, old.st_mtime_ns + 1))
    said = []
    second = load(FOLDER, people, tmp_path / "cache", log=said.append)
    assert "the source has changed" in said[0]
    assert (first.classes, second.classes) == (("bow", "wave"), ("bow", "bows", "wave"))
    np.save(people / "ann_front_bow.npy", np.ones((3, 1, V, 3)))
    third = load(FOLDER, people, tmp_path / "cache")
    assert third.clip(0).shape == (3, 1, V, 3)


def test_layouts_are_declared_before_the_first_clip(tmp_path):
    with StoreWriter(tmp_path / "s", "sbu", ["a"]) as writer:
        writer.declare("kinect_v1", ["b", "c"])
        writer.add(np.ones((2, 1, 20, 3)), name="x", label=1)
        with pytest.raises(ValueError, match="before the first clip"):
            writer.declare("sbu", ["a"])
    assert np.load(writer.version / "rows.npy").shape == (2, 20, 3)


# ---------------------------------------------------------------- clips

LAYOUT = Layout(get_skeleton("sbu"))
NAMES = [f"{axis}{joint}" for joint in range(15) for axis in "xyz"]


def test_all_kinds_of_file_hold_the_same_clip(tmp_path):
    clip = clip_of(size=15)[:, 0]
    row = clip.reshape(6, 45)
    np.save(tmp_path / "a.npy", clip)
    np.save(tmp_path / "b.npy", row[:, None].reshape(6, 1, 15, 3))
    np.save(tmp_path / "c.NPY", row.astype(np.float32).astype(">f8"))
    np.savez(tmp_path / "d.npz", other=np.zeros(3), clip=clip)
    np.savez_compressed(tmp_path / "e.npz", clip)
    (tmp_path / "f.json").write_text(json.dumps(clip.tolist()))
    (tmp_path / "g.json").write_text(json.dumps({"fps": 30, "skeletons": clip.tolist()}))
    np.savetxt(tmp_path / "h.csv", row, delimiter=",")
    np.savetxt(tmp_path / "i.csv", row, delimiter="; ", header=";".join(NAMES), comments="")
    np.savetxt(tmp_path / "j.csv", row)
    np.savetxt(tmp_path / "k.csv", row, delimiter="\t", header="\t".join(NAMES), comments="")
    pd.DataFrame(row).to_csv(tmp_path / "l.csv", index=False)
    (tmp_path / "m.csv").write_text("\ufeff" + (tmp_path / "h.csv").read_text(), "utf-8")
    for path in sorted(tmp_path.iterdir()):
        out, filled = finish_clip(read_array(path), LAYOUT)
        np.testing.assert_allclose(out[:, 0], clip, rtol=1e-6, err_msg=path.name)
        assert out.dtype == np.float32
        assert not filled.any()


@pytest.mark.parametrize(
    ("shape", "coordinates", "bodies"),
    [
        ((4, 15, 3), None, 1), ((4, 2, 15, 3), None, 2), ((4, 45), None, 1), ((4, 15, 2), None, 1),
        ((4, 3, 15, 2), None, 3), ((4, 30), None, 1), ((4, 15, 4), None, 1), ((4, 90), "xyz", 2),
        ((4, 90), "xy", 3), ((4, 120), "xyzc", 2), ((4, 15, 3), "xyc", 1),
    ],
)  # fmt: skip
def test_shapes(shape, coordinates, bodies):
    array = np.arange(1.0, 1 + np.prod(shape)).reshape(shape)
    clip, _ = finish_clip(array, Layout(get_skeleton("sbu"), coordinates=coordinates))
    assert clip.shape == (4, bodies, 15, 3)
    np.testing.assert_array_equal(clip[0, 0, 0, :2], [1, 2])
    flat = coordinates in ("xy", "xyc") or (coordinates is None and shape[-1] in (2, 30))
    assert (clip[..., 2] == 0).all() == flat


@pytest.mark.parametrize(
    ("array", "why"),
    [
        (np.zeros((4, 25, 3)), "has 25 joints, expected 15"),
        (np.zeros((0, 15, 3)), r"has shape \(0, 15, 3\); expected \(T, 15, 3\)"),
        (np.zeros(45), r"has shape \(45,\)"),
        (np.zeros((4, 46)), r"has 46 columns; 15 joints have 30 \(x, y\) or 45 \(x, y, z\)"),
        (np.zeros((4, 60)), "'coordinates' in skeleton.toml"),
        (np.zeros((4, 90)), "'coordinates' in skeleton.toml"),
        (np.zeros((4, 10)), "has 10 columns"),
        (np.zeros((4, 15, 5)), "has 5 numbers per joint"),
        (np.zeros((4, 15, 3)), "no body in any frame"),
        (np.full((4, 15, 3), np.nan), "no body in any frame"),
        (np.where(np.arange(4)[:, None, None] == 2, np.inf, np.ones((4, 15, 3))), "in frame 2"),
        (np.full((4, 15, 3), 1e300), "too large"),
    ],
)
def test_arrays_that_are_no_clips(array, why):
    with pytest.raises(ClipError, match=why):
        finish_clip(array, LAYOUT)


def test_confidences_are_never_taken_for_depths():
    points = np.random.default_rng(0).uniform(1, 9, (4, 17, 3))
    with pytest.raises(ClipError, match='set coordinates = "xyz" or "xyc"'):
        finish_clip(points, Layout(get_skeleton("kinect_v2"), POSES["coco17"]))
    mediapipe = np.random.default_rng(0).uniform(1, 9, (4, 33, 3))
    finish_clip(mediapipe, Layout(get_skeleton("kinect_v2"), POSES["mediapipe33"]))
    with pytest.raises(ClipError, match=r"has 2 numbers per joint, expected 3 \(xyc\)"):
        layout = Layout(get_skeleton("kinect_v2"), POSES["coco17"], coordinates="xyc")
        finish_clip(points[..., :2], layout)


def test_people_who_are_never_there_are_left_out():
    clip = clip_of(M=4, size=15)
    clip[:, 0] = 0
    clip[:, 2] = np.nan
    clip[:3, 3] = np.nan
    out, filled = finish_clip(clip, LAYOUT)
    assert out.shape == (6, 2, 15, 3)
    assert filled.shape == (6, 2, 15)
    np.testing.assert_allclose(out[:, 0], clip[:, 1], rtol=1e-6)
    assert (out[:3, 1] == 0).all()


def test_axes_units_and_scale():
    clip = clip_of(size=15)
    sbu = get_skeleton("sbu")
    out, _ = finish_clip(clip, Layout(sbu, down=True, unit="cm"))
    np.testing.assert_allclose(out, clip * [-0.01, -0.01, 0.01], rtol=1e-6)
    out, _ = finish_clip(clip, Layout(sbu, scale="torso"))
    torso = out[..., list(sbu.shoulders), :].mean(2) - out[..., list(sbu.hips), :].mean(2)
    assert np.median(np.linalg.norm(torso, axis=-1)) == pytest.approx(1, rel=1e-5)
    with pytest.raises(ClipError, match='set scale = "none" in skeleton.toml'):
        finish_clip(np.ones((4, 1, 15, 3)), Layout(sbu, scale="torso"))


FILES = {
    "empty.npy": b"", "text.npy": b"hello", "empty.npz": b"", "empty.csv": b"",
    "header.csv": b"a,b\n",
    "empty.json": b"", "text.json": b"hello", "object.json": b'{"frames": []}',
    "ragged.json": b"[[[1,2,3]],[[1,2,3],[1,2,3]]]", "words.json": b'[[["a",2,3]]]',
    "deep.json": b"[" * 100_000, "huge.json": b"[[[1e999,1,1]]]",
    "long.json": b"[[[1" + b"0" * 5000 + b"]]]",
    "binary.csv": b"\xff\xfe\x00", "binary.json": b"\xff\xfe\x00", "object2.json": b'[{"x": 1}]',
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_no_clips(name, tmp_path):
    (tmp_path / name).write_bytes(FILES[name])
    with pytest.raises(ClipError):
        finish_clip(read_array(tmp_path / name), LAYOUT)


def test_lines_of_bad_csv_are_named(tmp_path):
    path = tmp_path / "a.csv"
    for text, line, why in (
        ("1,2\n3,x\n", 2, "'x' is not a number"),
        ("1,y\n", 1, "'y' is not a number"),  # half a header is none
        ("x,y\n\n1,2\n3\n", 4, "1 columns, but 2"),
    ):
        path.write_text(text)
        with pytest.raises(ClipError, match=why) as error:
            read_array(path)
        assert error.value.line == line


def test_nothing_is_unpickled_and_sizes_are_bounded(tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], object), allow_pickle=True)
    np.savez(tmp_path / "b.npz", clip=np.array([print], object))
    np.save(tmp_path / "c.npy", np.array(["a", "b"]))
    np.save(tmp_path / "d.npy", np.ones((2, 15, 3), complex))
    np.savez(tmp_path / "e.npz")
    for name, why in {
        "a.npy": "pickled", "b.npz": "allow_pickle", "c.npy": "not numbers",
        "d.npy": "not numbers", "e.npz": "contains no array",
    }.items():  # fmt: skip
        with pytest.raises(ClipError, match=why):
            read_array(tmp_path / name)
    # A header that promises more than the file has, and an archive that unpacks to far more.
    with open(tmp_path / "f.npy", "wb") as file:
        header = {"descr": "<f8", "fortran_order": False, "shape": (1 << 45, 15, 3)}
        np.lib.format.write_array_header_1_0(file, header)
    with pytest.raises(ClipError, match="larger than its data"):
        read_array(tmp_path / "f.npy")
    monkeypatch.setattr("keras_skeleton.datasets.formats.clip_file.MAX_BYTES", 1 << 20)
    with zipfile.ZipFile(tmp_path / "g.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("clip.npy", bytes(2 << 20))
    assert (tmp_path / "g.npz").stat().st_size < 10_000
    with pytest.raises(ClipError, match="unpacks to 2 MiB, too much for a clip"):
        read_array(tmp_path / "g.npz")
    np.save(tmp_path / "h.npy", np.zeros(1 << 18))
    with pytest.raises(ClipError, match="too large for a clip"):
        read_array(tmp_path / "h.npy")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(max_size=200) | st.text(alphabet='0123456789.-eEnaN,;\t\n []{}":', max_size=200),
    suffix=st.sampled_from([".csv", ".json", ".npy", ".npz"]),
)
def test_any_text_is_read_or_refused(tmp_path, text, suffix):
    path = tmp_path / f"clip{suffix}"
    path.write_text(text, "utf-8", newline="")
    try:
        array = read_array(path)
    except ClipError:
        return
    assert array.dtype in (np.float32, np.float64)


# ---------------------------------------------------------------- missing joints


def test_missing_joints_are_filled_and_reported(tmp_path):
    def fill(i):
        clip = clip_of(i, size=15)
        if i == 1:
            clip[2, 0, 3] = np.nan
        if i == 2:
            clip[:3, 0, 5:14] = np.nan
            clip[:, 0, 14] = np.nan
        return np.full_like(clip, np.nan) if i == 3 else clip

    rows = ["a.npy,x", "b.npy,x", "c.npy,x", "d.npy,y"]
    folder = make(tmp_path / "d", rows, 'skeleton = "sbu"', "file,label", fill)
    said = []
    dataset = load(FOLDER, folder, tmp_path / "cache", log=said.append)
    assert np.isfinite(dataset.rows).all()
    np.testing.assert_allclose(
        dataset.clip(1)[2, 0, 3], (fill(1)[1, 0, 3] + fill(1)[3, 0, 3]) / 2, rtol=1e-5
    )
    shares = [0, 1 / 90, 33 / 90]
    np.testing.assert_allclose(dataset.samples["filled"], shares, atol=1e-4)
    text = "\n".join(said)
    assert "2 of 3 clips had missing joints" in text
    assert "most in 'c.npy': 37%" in text
    assert "right_foot (1)" in text
    assert reasons(dataset) == ["d.npy: no body in any frame: all joints are zero or missing"]
    assert "classes without usable clips: y" in text
    assert dataset.classes == ("x", "y")


# ---------------------------------------------------------------- labels.csv


def test_rows_that_cannot_be_used_are_named(tmp_path):
    folder = make(tmp_path / "d", ["a.npy,x,1,1", "b.npy,y,2,1"])
    np.save(folder / "unlisted.npy", clip_of())
    (folder / "notes.json").write_text("{}")
    (folder / ".hidden.npy").write_bytes(b"")
    (folder / ".git").mkdir()
    (folder / ".git" / "index.npy").write_bytes(b"")
    (folder / "notes.txt").write_text("")
    np.save(tmp_path / "outside.npy", clip_of())
    (folder / "link.npy").symlink_to(tmp_path / "outside.npy")
    (folder / "loop.npy").symlink_to(folder / "loop.npy")
    lines = [
        "file,label,subject,view", "a.npy,x,1,1", "b.npy,y,2,1", "", "./a.npy,y,1,1",
        "gone.npy,x,1,1",
        "../outside.npy,x,1,1", f"{tmp_path / 'outside.npy'},x,1,1", "link.npy,x,1,1",
        "a.npy,x,1", "b.npy,,2,1", "notes.txt,x,1,1", "nul\0.npy,x,1,1", "x" * 5000 + ".npy,x,1,1",
        "loop.npy,x,1,1", "notes.json,x,3,1",
    ]  # fmt: skip
    (folder / "labels.csv").write_text("\n".join(lines))
    dataset = load(FOLDER, folder, tmp_path / "cache")
    assert list(dataset.samples["name"]) == ["a.npy", "b.npy"]
    said = reasons(dataset)
    for expected in (
        "labels.csv:5: 'a.npy' is already listed in line 2",
        "labels.csv:6: 'gone.npy' does not exist",
        "labels.csv:7: '../outside.npy' is outside the folder",
        "labels.csv:9: 'link.npy' is outside the folder",
        "labels.csv:10: 3 fields, expected 4",
        "labels.csv:11: empty field label",
        "labels.csv:12: 'notes.txt': clips must be .npy, .npz, .json, .csv, .skeleton files",
        "link.npy: not listed in labels.csv, or in a bad line",
        "loop.npy: is a link that leads back to itself",
        "unlisted.npy: not listed in labels.csv, or in a bad line",
        "notes.json: is neither a list of frames nor an object with the key 'skeletons'",
    ):
        assert expected in said
    assert any(line.startswith("labels.csv:8") and "is outside" in line for line in said)
    assert [
        line[:13] for line in said if "not a valid file name" in line or "'loop.npy'" in line
    ] == [f"labels.csv:{n}" for n in (13, 14, 15)]
    assert len(said) == 15
    (folder / "loop.npy").unlink()
    with pytest.raises(DatasetError, match="labels.csv:5: 'a.npy' is already listed in line 2"):
        load(FOLDER, folder, tmp_path / "cache", strict=True)


def test_clips_may_lie_in_folders_and_have_spaces_and_commas(tmp_path):
    folder = make(tmp_path / "d", ["c.npy,x,1,1"])
    (folder / "a b, c").mkdir()
    np.save(folder / "a b, c" / "d.npy", clip_of())
    (folder / "labels.csv").write_text(
        '\ufeffFile ;Label;Note\r\n"a b, c\\d.npy"; x ;one\r\nc.npy;y;two\r\n', "utf-8"
    )
    dataset = load(FOLDER, folder, tmp_path / "cache", strict=True)
    assert list(dataset.samples["name"]) == ["a b, c/d.npy", "c.npy"]
    assert dataset.classes == ("x", "y")
    assert list(dataset.samples["subject"]) == [0, 0]


def test_labels_and_subjects_that_are_numbers_stay_in_their_order(tmp_path):
    rows = [f"{i}.npy,{label},{s},1" for i, (label, s) in enumerate([(10, 7), (9, 12), (1, 7)])]
    dataset = load(FOLDER, make(tmp_path / "d", rows), tmp_path / "cache")
    assert dataset.classes == ("1", "9", "10")
    assert list(dataset.samples["label"]) == [2, 1, 0]
    assert list(dataset.samples["subject"]) == [7, 12, 7]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", r"labels.csv:1: missing columns \['file', 'label'\]"),
        (b"name,label\na.npy,x\n", r"missing columns \['file'\]"),
        (b"file,label\n\xff.npy,x\n", "save it as UTF-8"),
        (b'file,label\n"a.npy"x,y\n', "labels.csv:2: "),
        (b"file,label\n" + b"a" * 200_000 + b",x\n", "labels.csv:2: field larger"),
        (b"file,label\n", "no usable clips"),
    ],
)
def test_lists_that_cannot_be_read(text, why, tmp_path):
    folder = make(tmp_path / "d", ["a.npy,x,1,1"])
    (folder / "labels.csv").write_bytes(text)
    with pytest.raises(DatasetError, match=why):
        load(FOLDER, folder, tmp_path / "cache")


def test_an_absurd_list_is_not_even_opened(people, tmp_path, monkeypatch):
    monkeypatch.setattr("keras_skeleton.datasets.own_labels.MAX_BYTES", 10)
    with pytest.raises(DatasetError, match="too large for a list of clips"):
        load(FOLDER, people, tmp_path / "cache")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=200) | st.text(alphabet='file,label;.npy/\\"\n\t', max_size=200))
def test_any_list_is_read_or_refused(tmp_path, text):
    (tmp_path / "labels.csv").write_text("file,label\n" + text, "utf-8", newline="")
    try:
        rows = read_labels(tmp_path, ReadReport())
    except DatasetError:
        return
    for row in rows:
        assert row.path.is_relative_to(tmp_path.resolve())


# ---------------------------------------------------------------- skeleton.toml


def test_the_example_in_the_message_can_be_completed(tmp_path):
    """Feet, a torso of one's own and a root, all of them optional."""
    toml = RIG.replace('name = "rig"', 'root = "pelvis"') + (
        'torso = ["pelvis", "chest"]\nfeet = [["left_hip", "left_hand"]]\n'
    )
    (tmp_path / "skeleton.toml").write_text(toml)
    layout = read_layout(tmp_path)
    assert (layout.skeleton.name, layout.unit, layout.skeleton.torso) == ("own", "mm", (0, 1))
    assert layout.skeleton.feet == ((2, 6),)
    known = 'skeleton = "coco17"\nunits = "pixels"\ny = "up"\nscale = "none"\nmin_confidence = 1\n'
    (tmp_path / "skeleton.toml").write_text(known)
    layout = read_layout(tmp_path)
    assert (layout.pose, layout.down, layout.scale) == (POSES["coco17"], False, "none")
    assert read_layout(tmp_path, "sbu").skeleton is get_skeleton("sbu")


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("units", "unit", "unknown key 'unit'. Did you mean 'units'"),
        ('"mm"', '"feet"', "unknown value of 'units' 'feet'"),
        ('"mm"', "7", "unknown value of 'units' '7'"),
        ('"mm"', '["mm"]', "unknown value of 'units'"),
        ('name = "rig"', 'skeleton = "sbu"', r"remove \['joints', 'bones', 'roles'\]"),
        ('name = "rig"', 'name = "kinect_v2"', "must be a text other than"),
        ('name = "rig"', "name = 7", "must be a text other than"),
        ('name = "rig"', "min_confidence = 2", "a number from 0 to 1"),
        ('name = "rig"', "min_confidence = true", "a number from 0 to 1"),
        ('name = "rig"', "min_confidence = nan", "a number from 0 to 1"),
        ('name = "rig"', 'coordinates = "xyw"', "unknown value of 'coordinates' 'xyw'"),
        ('name = "rig"', 'y = "left"', "Known: up, down"),
        ('name = "rig"', 'root = "chest"', "root of the bones is 'pelvis'"),
        ('name = "rig"', "root = 0", "root: expected a list of joint names"),
        ('joints = ["pelvis"', 'joints = [7, "pelvis"', "joints: expected a list of joint names"),
        ('joints = ["pelvis"', 'joints = ["pelvis", "pelvis"', "more than once"),
        ('joints = ["pelvis"', 'joints = ["left_eye", "pelvis"', "'right_eye'"),
        ('joints = ["pelvis"', 'joints = ["", "pelvis"', "a list of 2 to 1000 names"),
        ('joints = ["pelvis"', 'joints = ["tail", "pelvis"', r"\['tail', 'pelvis'\] have none"),
        ('["pelvis", "chest"], ', '["pelvis"], ', "1 joints, expected 2"),
        ('["pelvis", "chest"], ', '["pelvis", "chestt"], ', "Did you mean 'chest'"),
        ('["pelvis", "left_hip"]', '["pelvis", "chest"]', r"\['chest'\] have more than one parent"),
        ('["pelvis", "left_hip"], ["pelvis", "right_hip"]',
         '["right_hip", "left_hip"], ["left_hip", "right_hip"]', "form a cycle"),
        ("[roles]", "[role]", "unknown key 'role'"),
        ("hips =", "hip =", "unknown role 'hip'"),
        ("hands =", "feet =", "roles.feet: expected a list"),
        ('hands = ["left_hand", "right_hand"]', 'hands = ["left_hand"]', "1 joints, expected 2"),
        ("bones = [", "bones = [[", "skeleton.toml: "),
    ],
)  # fmt: skip
def test_layouts_that_make_no_sense(old, new, why, tmp_path):
    assert old in RIG
    (tmp_path / "skeleton.toml").write_text(RIG.replace(old, new, 1))
    with pytest.raises(DatasetError, match=why):
        read_layout(tmp_path)


def test_layouts_without_roles_or_of_no_text(tmp_path):
    path = tmp_path / "skeleton.toml"
    path.write_text(RIG.split("[roles]")[0])
    with pytest.raises(DatasetError, match=r"\[roles\] is missing"):
        read_layout(tmp_path)
    path.write_text("")
    with pytest.raises(DatasetError, match="names no joints"):
        read_layout(tmp_path)
    path.write_bytes(b"\xff")
    with pytest.raises(DatasetError, match="skeleton.toml"):
        read_layout(tmp_path)
    path.write_bytes(b"#" * (2 << 20))
    with pytest.raises(DatasetError, match="2 MiB is too large for a page of text"):
        read_layout(tmp_path)
    with pytest.raises(DatasetError, match="Did you mean 'coco17'"):
        path.unlink()
        read_layout(tmp_path, "coco")


# ---------------------------------------------------------------- protocols


def table(subjects, views, labels):
    rows = [
        {"label": label, "subject": s, "view": v}
        for s in subjects for v in views for label in range(labels) for _ in range(10)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_protocols(people, tmp_path):
    dataset = load(FOLDER, people, tmp_path / "cache")
    subject = dataset.samples["subject"].to_numpy()
    (cs,) = dataset.folds("cs")
    assert set(subject[cs.test]) == {3, 4}
    assert len(set(subject[cs.train])) == len(set(subject[cs.validation])) == 1
    folds = list(dataset.folds("loso"))
    assert [set(subject[fold.test]) for fold in folds] == [{1}, {2}, {3}, {4}]
    assert all(len(set(subject[fold.train])) == 2 for fold in folds)
    view = dataset.samples["view"].to_numpy()
    assert [set(view[fold.test]) for fold in dataset.folds("cv")] == [{1}, {2}]
    for protocol in set(FOLDER.protocols) - {"split"}:
        for fold in dataset.folds(protocol):
            assert sorted(np.concatenate(fold)) == list(range(16))
    with pytest.raises(DatasetError, match="needs a column 'split'"):
        list(dataset.folds("split"))


def test_half_of_the_subjects_train():
    for people, trains in (([1, 5], {1}), ([3, 1, 7], {1, 3}), ([9, 8, 7, 6], {6, 7})):
        samples = table(people, [0], 2)
        (fold,) = FOLDER.protocols["cs"](samples)
        seen = set(samples["subject"].iloc[[*fold.train, *fold.validation]])
        assert seen == trains
        assert len(fold.validation) > 0  # of one training subject: a tenth of every class


def test_the_random_split_is_stratified_and_always_the_same():
    samples = table([0], [0], 3)
    (fold,) = FOLDER.protocols["random"](samples)
    labels = samples["label"].to_numpy()
    np.testing.assert_array_equal(np.bincount(labels[fold.test]), [3, 3, 3])
    np.testing.assert_array_equal(np.bincount(labels[fold.validation]), [1, 1, 1])
    (again,) = FOLDER.protocols["random"](samples)
    for a, b in zip(fold, again, strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_needs_two_people_or_views_is_refused(tmp_path):
    nobody = table([0], [0], 2)
    (cs,) = FOLDER.protocols["cs"](nobody)
    (random,) = FOLDER.protocols["random"](nobody)
    np.testing.assert_array_equal(cs.test, random.test)
    for samples, protocol, why in (
        (nobody, "loso", "two subjects, but there are none .*; use 'folds'"),
        (nobody, "cv", "two views, but there are none"),
        (table([4], [1], 2), "cs", "two subjects, but there is one .*; use 'folds'"),
        (table([4], [1], 2), "loso", "two subjects, but there is one"),
        (table([4], [1], 2), "cv", "two views, but there is one"),
    ):
        with pytest.raises(DatasetError, match=why):
            list(FOLDER.protocols[protocol](samples))
    said = []
    folder = make(tmp_path / "d", ["a.npy,x"], RIG, "file,label")
    load(FOLDER, folder, tmp_path / "cache", log=said.append)
    assert any("subjects" in line and "the same person" in line for line in said)


def test_a_skeleton_toml_that_names_no_joints(tmp_path):
    """Units are what is most often missing; the joints are those of the clips."""
    lines = ["file,label", "a.npy,x", "b.npy,y"]
    metres, _ = own_data.read(own_data.write(tmp_path / "m", lines, toml=None), tmp_path / "c")
    own_data.write(
        tmp_path / "mm", lines, 'units = "mm"\n', lambda seed: 1000 * own_data.standing(seed=seed)
    )
    dataset, said = own_data.read(tmp_path / "mm", tmp_path / "c")
    assert dataset.skeleton.name == "kinect_v2"
    assert dataset.info["unit"] == "m"
    np.testing.assert_allclose(dataset.clip(0), metres.clip(0), rtol=1e-5)
    assert "25 joints were read as kinect_v2" in said
    assert "there is no skeleton.toml" not in said
