import json
import os

import numpy as np
import pytest

from keras_skeleton.datasets.protocols import leave_one_out, random_holdout
from keras_skeleton.datasets.source import DATA_VARIABLE, Source, load
from keras_skeleton.datasets.store import StoreWriter, open_store, read_manifest, verify_store
from keras_skeleton.utils.errors import DatasetError


def write(path, clips=5, extras=False):
    rng = np.random.default_rng(0)
    data = [rng.normal(size=(6 + i, 1 + i % 2, 20, 3)).astype("float32") for i in range(clips)]
    with StoreWriter(path, "kinect_v1", ["a", "b"]) as writer:
        writer.info = {"dataset": "toy"}
        for i, clip in enumerate(data):
            extra = {"truth": np.full(3, i)} if extras else None
            writer.add(clip, extra, name=f"c{i}", label=i % 2, subject=i, colour=f"#{i}")
    return data


def test_round_trip(tmp_path):
    data = write(tmp_path / "s", extras=True)
    dataset = open_store(tmp_path / "s", "toy", {})
    assert isinstance(dataset.rows, np.memmap)
    assert len(dataset) == 5
    assert list(dataset.samples["colour"]) == ["#0", "#1", "#2", "#3", "#4"]
    for i, clip in enumerate(data):
        np.testing.assert_array_equal(dataset.clip(i)[:, : clip.shape[1]], clip)
    np.testing.assert_array_equal(dataset.extras["truth"][3], [3, 3, 3])
    verify_store(tmp_path / "s")


def test_header_is_right_for_many_rows(tmp_path):
    """The file is written before its length is known; NumPy alone must read it."""
    with StoreWriter(tmp_path / "s", "sbu", ["a"]) as writer:
        for i in range(300):
            writer.add(np.full((40, 1, 15, 3), i, "float32"), name=str(i), label=0)
    rows = np.load(tmp_path / "s" / "rows.npy", allow_pickle=False)
    assert rows.shape == (12000, 15, 3)
    np.testing.assert_array_equal(rows[::40, 0, 0], np.arange(300))


def test_an_interrupted_preparation_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), StoreWriter(tmp_path / "s", "sbu", ["a"]) as writer:
        writer.add(np.ones((4, 1, 15, 3)), name="x", label=0)
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_killed_preparation_is_not_taken_for_whole(tmp_path):
    writer = StoreWriter(tmp_path / "s", "sbu", ["a"])
    writer.__enter__()
    writer.add(np.ones((4, 1, 15, 3)), name="x", label=0)  # and no exit: as after SIGKILL
    assert not (tmp_path / "s").exists()
    with pytest.raises(DatasetError, match="not a prepared store"):
        open_store(tmp_path / "s", "toy", {})
    writer.__exit__(RuntimeError, None, None)


def test_replacing_keeps_the_old_store_until_the_new_one_is_whole(tmp_path):
    write(tmp_path / "s")
    with pytest.raises(RuntimeError), StoreWriter(tmp_path / "s", "sbu", ["a"]):
        raise RuntimeError
    assert len(open_store(tmp_path / "s", "toy", {})) == 5
    write(tmp_path / "s", clips=3)
    assert len(open_store(tmp_path / "s", "toy", {})) == 3


def test_damage_is_found(tmp_path):
    write(tmp_path / "s")
    rows = tmp_path / "s" / "rows.npy"
    content = bytearray(rows.read_bytes())
    content[-1] ^= 1
    rows.write_bytes(content)
    open_store(tmp_path / "s", "toy", {})  # same size: only verify reads every byte
    with pytest.raises(DatasetError, match="changed since it was written"):
        verify_store(tmp_path / "s")
    rows.write_bytes(content[:-100])
    with pytest.raises(DatasetError, match="missing, or its size"):
        open_store(tmp_path / "s", "toy", {})
    (tmp_path / "s" / "manifest.json").write_text("{")
    with pytest.raises(DatasetError, match="delete the folder"):
        read_manifest(tmp_path / "s")


def test_another_format_is_refused(tmp_path):
    write(tmp_path / "s")
    path = tmp_path / "s" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))
    with pytest.raises(DatasetError, match=r"format 99, expected \d"):
        open_store(tmp_path / "s", "toy", {})


def test_pickled_arrays_are_refused(tmp_path):
    write(tmp_path / "s")
    manifest = tmp_path / "s" / "manifest.json"
    rows = tmp_path / "s" / "rows.npy"
    np.save(rows, np.array([{"code": 1}], dtype=object), allow_pickle=True)
    content = json.loads(manifest.read_text())
    content["files"]["rows.npy"]["bytes"] = rows.stat().st_size
    manifest.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="Python objects|allow_pickle"):
        open_store(tmp_path / "s", "toy", {})


def text_source(**changes):
    """A dataset of text files that hold one number each."""

    def read(root, writer, scale):
        for path in sorted(root.glob("*.txt")):
            try:
                value = float(path.read_text())
            except ValueError:
                writer.report.skip(f"{path}:1", "not a number")
                continue
            writer.add(np.full((4, 1, 15, 3), value * scale), name=path.stem, label=0)

    fields = {
        "name": "text", "title": "", "skeleton": "sbu", "classes": ("a",), "protocols": {},
        "files": lambda root: sorted(root.glob("*.txt")), "read": read,
        "layout": "Put 1.txt there.", "clips": 2, "options": {"scale": 1.0},
    }  # fmt: skip
    return Source(**{**fields, **changes})


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()
    for i in (1, 2):
        (tmp_path / "data" / f"{i}.txt").write_text(str(i))
    return tmp_path / "data"


def test_prepared_once_then_opened(folder, tmp_path):
    said = []
    source = text_source()
    first = load(source, folder, tmp_path / "cache", log=said.append)
    assert "first use" in said[0]
    assert first.clip(1)[0, 0, 0, 0] == 2
    said.clear()
    load(source, folder, tmp_path / "cache", log=said.append)
    assert said == []
    assert sorted(p.name for p in folder.iterdir()) == ["1.txt", "2.txt"]  # never written to


def test_another_option_or_a_new_file_makes_another_store(folder, tmp_path):
    source = text_source()
    load(source, folder, tmp_path / "cache")
    scaled = load(source, folder, tmp_path / "cache", scale=3.0)
    assert scaled.clip(0)[0, 0, 0, 0] == 3
    assert len(list((tmp_path / "cache").iterdir())) == 2
    (folder / "3.txt").write_text("3")
    said = []
    assert len(load(source, folder, tmp_path / "cache", log=said.append)) == 3
    assert "the source has changed" in said[0]
    with pytest.raises(DatasetError, match=r"no reader option \['size'\]"):
        load(source, folder, tmp_path / "cache", size=1)


def test_bad_files_are_left_out_and_told_or_stop_with_strict(folder, tmp_path):
    (folder / "3.txt").write_text("three")
    said = []
    assert len(load(text_source(), folder, tmp_path / "cache", log=said.append)) == 2
    assert any("3.txt:1: not a number" in line for line in said)
    with pytest.raises(DatasetError, match="3.txt:1: not a number"):
        load(text_source(), folder, tmp_path / "cache", strict=True)
    assert len(load(text_source(), folder, tmp_path / "cache")) == 2  # the store is still there


def test_a_mended_file_is_read_again(folder, tmp_path):
    (folder / "3.txt").write_text("three")
    assert len(load(text_source(), folder, tmp_path / "cache")) == 2
    (folder / "3.txt").write_text("3.0")
    said = []
    assert len(load(text_source(), folder, tmp_path / "cache", log=said.append)) == 3
    assert "a skipped file has changed" in said[0]


def test_a_complete_dataset_is_split_as_published(folder, tmp_path):
    protocols = {"loo": leave_one_out("subject", random_holdout())}
    load(text_source(protocols=protocols, test_clips={"loo": (2,)}), folder, tmp_path / "cache")
    wrong = text_source(protocols=protocols, test_clips={"loo": (1, 1)})
    with pytest.raises(DatasetError, match=r"\[2\] test clips .* published \[1, 1\]"):
        load(wrong, folder, tmp_path / "cache")


def test_two_jobs_that_prepare_at_once_leave_one_whole_store(tmp_path):
    first = StoreWriter(tmp_path / "s", "sbu", ["a"]).__enter__()
    second = StoreWriter(tmp_path / "s", "sbu", ["a"]).__enter__()
    for writer in (first, second):
        writer.info = {"dataset": "toy"}
        writer.add(np.ones((4, 1, 15, 3)), name="x", label=0)
    second.__exit__(None)
    first.__exit__(None)
    assert len(open_store(tmp_path / "s", "toy", {})) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_what_was_left_behind_a_day_ago_is_swept(tmp_path):
    old, new = (tmp_path / f".s.{word}.part" for word in ("old", "new"))
    for part in (old, new):
        part.mkdir()
    os.utime(old, (0, 0))
    write(tmp_path / "s")
    assert not old.exists()
    assert new.exists()


def test_a_clip_without_frames_is_refused(tmp_path):
    nothing = np.ones((0, 1, 15, 3))
    with (
        pytest.raises(DatasetError, match="clip 'x' has no frames"),
        StoreWriter(tmp_path / "s", "sbu", ["a"]) as writer,
    ):
        writer.add(nothing, name="x", label=0)


def test_nothing_there_says_what_to_download(folder, tmp_path, monkeypatch):
    source = text_source()
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    for root, named in (
        (None, ["--data-dir", DATA_VARIABLE]),
        (tmp_path / "nowhere", [str(tmp_path / "nowhere")]),
        (tmp_path / "empty", [str(tmp_path / "empty"), "'text'"]),
        (tmp_path / "file", [str(tmp_path / "file")]),
    ):
        with pytest.raises(DatasetError) as error:
            load(source, root, tmp_path / "cache")
        for part in (*named, source.layout):
            assert part in str(error.value)
    for path in folder.iterdir():
        path.write_text("x")
    with pytest.raises(DatasetError, match="no usable clips"):
        load(source, folder, tmp_path / "cache")
