"""Small files that once filled the memory: each is refused by its name, in a process that may take
256 or 600 MB more than it has when it has imported everything.
"""

import io
import json
import struct
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from limited import run_limited

resource = pytest.importorskip("resource")

HERE = "hostile_readers"


def crops(folder):
    """Short lines are filled up to the columns of the first one: 2 GB."""
    path = folder / "crops.csv"
    header = ",".join(["name", "frames", "size", *(f"c{k}" for k in range(40_000))])
    path.write_text(header + "\n" + "a,1,2\n" * 3000)
    return path


def history(folder):
    path = folder / "history.csv"
    header = ",".join(["epoch", "accuracy", *(f"c{k}" for k in range(20_000))])
    path.write_text(header + "\n" + "1,0.5\n" * 30_000)
    return path


def history_of_an_index(folder):
    """Fields beyond the header would be an index of as many levels."""
    path = folder / "history.csv"
    path.write_text("epoch\n" + ",".join("1" * 4000) + "\n" + "1\n" * 50_000)
    return path


def layout(folder):
    """A key of 60,000 parts: 14 GB."""
    path = folder / "skeleton.toml"
    path.write_text(".".join("a" * 60_000) + " = 1\n")
    return path


def layout_of_quoted_keys(folder):
    path = folder / "skeleton.toml"
    path.write_text("x = {" + ".".join(['"#"'] * 30_000) + " = 1}\n")
    return path


def state(folder):
    """An archive with a hole of 3 GB."""
    path = folder / "state.npz"
    buffer = io.BytesIO()
    np.savez(buffer, variable_0=np.zeros(2), history=np.array("[]"), logits=np.zeros((0, 0)))
    with path.open("wb") as file:
        file.write(buffer.getvalue()[:100])
        file.truncate(3 << 30)
        file.seek(0, 2)
        file.write(buffer.getvalue()[100:])
    return path


def state_that_claims(folder):
    """A small array whose header says that it has 3 GB."""
    path = folder / "state.npz"
    head = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": (400_000_000,)}
    np.lib.format.write_array_header_1_0(head, header)
    import zipfile

    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("variable_0.npy", head.getvalue() + bytes(800))
        for name, value in (("history", np.array("[]")), ("logits", np.zeros((0, 0)))):
            content = io.BytesIO()
            np.save(content, value)
            archive.writestr(f"{name}.npy", content.getvalue())
    return path


def run(folder):
    """More folds than there are numbers to list them."""
    path = folder / "run.json"
    keys = ("model", "dataset", "protocol", "recipe", "seed", "classes")
    path.write_text(json.dumps({**dict.fromkeys(keys, "x"), "folds_total": 10**18}))
    return path


def deep_run(folder):
    path = folder / "run.json"
    path.write_text('{"a":' * 900 + "1" + "}" * 900)
    return path


def manifest(folder):
    """120 MB of empty objects: 3 GB."""
    path = folder / "manifest.json"
    with path.open("w") as file:
        file.write("[{}")
        for _ in range(40):
            file.write(",{}" * 1_000_000)
        file.write("]")
    return path


def pickle_of_dicts(folder):
    """A byte for each empty dict: 1.7 GB."""
    path = folder / "ntu.pkl"
    path.write_bytes(b"\x80\x04](" + b"}" * 19_000_000 + b"e.")
    return path


def pickle_of_memories(folder):
    path = folder / "ntu.pkl"
    path.write_bytes(b"\x80\x04](" + b"}\x94" * 9_000_000 + b"e.")
    return path


def mat(folder):
    """900,000 variables: 0.8 GB."""
    path = folder / "S01.mat"
    name = b"abcdefgh"
    inner = (
        struct.pack("<IIII", 6, 8, 6, 0)
        + struct.pack("<IIii", 5, 8, 0, 0)
        + struct.pack("<II", 1, 8)
        + name
        + struct.pack("<II", 9, 0)
    )
    one = struct.pack("<II", 14, len(inner)) + inner
    start = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x100) + b"IM"
    path.write_bytes(start + one * 900_000)
    return path


def legacy(path, write):
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array([b"d"])
        group = file.create_group("d")
        group.attrs["weight_names"] = np.array([b"d/kernel:0", b"d/bias:0"])
        write(file, group.create_group("d"))


def h5_chunk(folder):
    """A dataset of three numbers whose chunk has a bomb in it: 1 GB."""
    path = folder / "w.h5"
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(1 << 10)) + packer.flush()

    def write(file, group):
        made = group.create_dataset(
            "kernel:0", (1, 3), "f4", chunks=(1, 128), maxshape=(1, None), compression="gzip"
        )
        made.id.write_direct_chunk((0, 0), packed)
        group.create_dataset("bias:0", data=np.zeros(3, "f4"))

    legacy(path, write)
    return path


def h5_large_chunk(folder):
    """The same with a chunk that says its size."""
    path = folder / "w.h5"
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(1 << 10)) + packer.flush()

    def write(file, group):
        made = group.create_dataset(
            "kernel:0", (1, 3), "f4", chunks=(1, 1 << 28), maxshape=(1, None), compression="gzip"
        )
        made.id.write_direct_chunk((0, 0), packed)
        group.create_dataset("bias:0", data=np.zeros(3, "f4"))

    legacy(path, write)
    return path


def h5_names(folder):
    """400 names, all of them the same text of 8 MB: 7 GB."""
    path = folder / "w.h5"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = ["x" * 100] * 400
        file.attrs["long"] = "y" * (8 << 20)
    data = bytearray(path.read_bytes())
    heap = next(
        at
        for at in positions(data, b"GCOL")
        if int.from_bytes(data[at + 8 : at + 16], "little") > 8 << 20
    )
    for at in positions(data, struct.pack("<I", 100)):
        # A reference: length, address of the collection, number in it.
        address = int.from_bytes(data[at + 4 : at + 12], "little")
        if data[address : address + 4] == b"GCOL":
            data[at : at + 16] = struct.pack("<IQI", 8 << 20, heap, 1)
    path.write_bytes(data)
    with h5py.File(path) as file:
        assert file.attrs.get_id("layer_names").shape == (400,)
    return path


def positions(data, what):
    at = data.find(what)
    while at >= 0:
        yield at
        at = data.find(what, at + 1)


def clip_of_bytes(folder):
    """250 kB that are 2 GB as float64."""
    path = folder / "a.npz"
    np.savez_compressed(path, np.zeros((200 << 20,), np.int8))
    return path


def scores(folder):
    """300 kB that are 2 GB as float64."""
    path = folder / "scores.npz"
    logits = np.zeros((1000, 120_000), np.float16)
    names = np.array(["a"])
    np.savez_compressed(path, names=names, classes=names, labels=[0], fold=1, logits=logits)
    return path


def elan(folder):
    """60 MB of tags."""
    path = folder / "a.eaf"
    path.write_bytes(b"<ANNOTATION_DOCUMENT>" + b"<a/>" * 15_000_000 + b"</ANNOTATION_DOCUMENT>")
    return path


def table(folder):
    """60 MB of cells of two characters."""
    path = folder / "intervals.csv"
    path.write_bytes(b"file,label,start,end\n" + b"ab,cd,12,34\n" * 5_000_000)
    return path


def clip_that_claims(folder):
    path = folder / "a.npy"
    header = {"descr": "<f8", "fortran_order": False, "shape": (400_000_000, 1)}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.write(bytes(800))
    return path


def csv_of_a_far_joint(folder):
    """A header of 40 characters: a set of as many numbers."""
    path = folder / "a.csv"
    path.write_text("frame,0_x,0_y,900000000_x,900000000_y\n0,1,2,3,4\n")
    return path


def csv_of_many_joints(folder):
    """Each row another joint and frame: the square of the rows, 1 GB."""
    path = folder / "a.csv"
    path.write_text("frame,joint,x,y\n" + "".join(f"{k},{k},1,2\n" for k in range(8000)))
    return path


CASES = {
    "clip.csv, joint": (csv_of_a_far_joint, "clip"),
    "clip.csv, joints": (csv_of_many_joints, "clip"),
    "crops.csv": (crops, "crops"),
    "history.csv": (history, "history"),
    "history.csv, index": (history_of_an_index, "history"),
    "skeleton.toml": (layout, "layout"),
    "skeleton.toml, quoted": (layout_of_quoted_keys, "layout"),
    "state.npz": (state, "state"),
    "state.npz, claim": (state_that_claims, "state"),
    "run.json": (run, "run"),
    "run.json, deep": (deep_run, "run"),
    "clip.npy": (clip_that_claims, "clip"),
    "h5, names": (h5_names, "h5_names"),
}
SLOW = {
    "manifest.json": (manifest, "manifest"),
    "pickle": (pickle_of_dicts, "annotations"),
    "pickle, memories": (pickle_of_memories, "annotations"),
    "mat": (mat, "mat"),
    "h5, chunk": (h5_chunk, "h5_values"),
    "h5, large chunk": (h5_large_chunk, "h5_values"),
    "clip.npz": (clip_of_bytes, "clip"),
    "scores": (scores, "scores"),
    "elan": (elan, "elan"),
    "intervals": (table, "intervals"),
    "weights, chunk": (h5_chunk, "weights"),
    "weights, names": (h5_names, "weights"),
}


def results(cases, folder, megabytes):
    """Makes the files, and calls all readers in one child."""
    paths = {}
    for number, (name, (make, _)) in enumerate(cases.items()):
        place = folder / str(number)
        place.mkdir()
        paths[name] = make(place)
    found = run_limited(
        [(f"{HERE}:{cases[name][1]}", path) for name, path in paths.items()], megabytes
    )
    return {name: (path, one) for (name, path), one in zip(paths.items(), found, strict=True)}


@pytest.fixture(scope="module")
def fast(tmp_path_factory):
    return results(CASES, tmp_path_factory.mktemp("fast"), 256)


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    return results(SLOW, tmp_path_factory.mktemp("slow"), 600)


def check(path, one):
    assert "UserError" in one["bases"], one
    assert path.name in one["message"] or path.parent.name in one["message"]
    assert len(one["message"]) < 2000


@pytest.mark.parametrize("name", CASES)
def test_a_small_file_does_not_fill_the_memory(name, fast):
    check(*fast[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_a_file_of_megabytes_does_not_fill_the_memory(name, slow):
    check(*slow[name])


@pytest.mark.slow
def test_a_film_of_more_frames_than_its_table_says(tmp_path):
    from keras_skeleton.video.reading import write_video

    path = tmp_path / "left_hand" / "a.avi"
    path.parent.mkdir()
    black = np.zeros((224, 224, 3), np.uint8)
    write_video(path, (black for _ in range(12_000)), compact=True)
    (one,) = run_limited([(f"{HERE}:part_videos", path)], megabytes=400)
    check(path, one)


def test_a_film_of_another_size_or_length_is_refused_at_once(tmp_path):
    from keras_skeleton.utils.errors import UserError
    from keras_skeleton.video.reading import read_video, write_video

    path = tmp_path / "a.avi"
    write_video(path, (np.zeros((32, 32, 3), np.uint8) for _ in range(20)))
    assert read_video(path, size=32, most=20).shape == (20, 32, 32, 3)
    with pytest.raises(UserError, match=r"a\.avi: has more than"):
        read_video(path, size=32, most=19)
    with pytest.raises(UserError, match=r"a\.avi: its frames are 32 x 32"):
        read_video(path, [0], size=16)


def test_what_is_read_within_the_limits_is_unchanged(tmp_path):
    from keras_skeleton.checkpoints.h5_values import read_names, read_values

    values = np.random.default_rng(0).normal(size=(50, 30)).astype("f4")
    with h5py.File(tmp_path / "w.h5", "w") as file:
        for name, options in {
            "plain": {},
            "gzip": {"compression": "gzip"},
            "all": {"compression": "gzip", "shuffle": True, "fletcher32": True},
            "grows": {"maxshape": (None, 30)},
            "lzf": {"compression": "lzf"},
        }.items():
            file.create_dataset(name, data=values, **options)
        file.attrs["fixed"] = [b"a", b"bc"]
        file.attrs["variable"] = ["a", "bc"]
        file.attrs["empty"] = np.array([], "S1")
        file.attrs["none"] = []
        for name in ("plain", "gzip", "all", "grows"):
            np.testing.assert_array_equal(read_values(file[name]), values)
        with pytest.raises(ValueError, match="compressed as Keras never does"):
            read_values(file["lzf"])
        file.flush()
        assert read_names(file, "fixed") == read_names(file, "variable") == ["a", "bc"]
        assert read_names(file, "empty") == read_names(file, "none") == []


def test_real_archives_are_within_the_limits():
    from keras_skeleton.evaluation.scores import read_scores

    root = Path(__file__).parents[2] / "results/runs"
    for path in sorted(root.glob("*/fold_01/scores.npz"))[:3]:
        assert len(read_scores(path).labels)
