import hashlib
import json
import os
import re
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from keras_skeleton.datasets import store_check
from keras_skeleton.datasets.mapped import MappedRows
from keras_skeleton.datasets.protocols import leave_one_out, random_holdout
from keras_skeleton.datasets.source import DATA_VARIABLE, Source, load, verify
from keras_skeleton.datasets.store import (
    StoreWriter,
    _digest,
    open_store,
    read_manifest,
    store_path,
    verify_store,
)
from keras_skeleton.datasets.store_versions import current_version
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


def change_manifest(path, **changes):
    """Rewrites the manifest of a store, as a program would that knows its hashes."""
    file = current_version(path) / "manifest.json"
    content = {**json.loads(file.read_text()), **changes}
    for name, facts in content["files"].items():
        data = (file.parent / name).read_bytes()
        facts |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    file.write_text(json.dumps({**content, "digest": _digest(content)}))


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


def test_the_content_is_known_by_its_values(tmp_path):
    write(tmp_path / "s")
    stored = open_store(tmp_path / "s", "toy", {})
    in_memory = replace(stored, rows=np.array(stored.rows), info={})
    assert in_memory.content == stored.content
    assert (stored.content["clips"], stored.content["frames"]) == (5, 40)
    fewer = replace(stored, samples=stored.samples[:3])
    relabelled = replace(stored, samples=stored.samples.assign(label=0))
    moved = replace(in_memory, rows=in_memory.rows + np.float32(1e-3))
    mapped = replace(stored, rows=MappedRows(stored.rows, np.arange(20)))
    for other, parts in (
        (fewer, {"clips", "frames", "samples"}), (relabelled, {"samples"}), (moved, {"rows"}),
        (mapped, set()),
    ):  # fmt: skip
        assert {key for key in other.content if other.content[key] != stored.content[key]} == parts


def test_header_is_right_for_many_rows(tmp_path):
    """The file is written before its length is known; NumPy alone must read it."""
    with StoreWriter(tmp_path / "s", "sbu", ["a"]) as writer:
        for i in range(300):
            writer.add(np.full((40, 1, 15, 3), i, "float32"), name=str(i), label=0)
    rows = np.load(current_version(tmp_path / "s") / "rows.npy", allow_pickle=False)
    assert rows.shape == (12000, 15, 3)
    np.testing.assert_array_equal(rows[::40, 0, 0], np.arange(300))


def test_an_interrupted_preparation_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), StoreWriter(tmp_path / "s", "sbu", ["a"]) as writer:
        writer.add(np.ones((4, 1, 15, 3)), name="x", label=0)
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(DatasetError, match="not a prepared store"):
        open_store(tmp_path / "s", "toy", {})


def test_a_killed_preparation_is_not_taken_for_whole(tmp_path):
    writer = StoreWriter(tmp_path / "s", "sbu", ["a"])
    writer.__enter__()
    writer.add(np.ones((4, 1, 15, 3)), name="x", label=0)  # and no exit: as after SIGKILL
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
    folder = current_version(tmp_path / "s")
    rows = folder / "rows.npy"
    content = bytearray(rows.read_bytes())
    content[-1] ^= 1
    rows.write_bytes(content)
    for check in (lambda: open_store(tmp_path / "s", "toy", {}), lambda: verify_store(folder)):
        with pytest.raises(DatasetError, match=r"rows\.npy: changed .* prepare .*--force"):
            check()
    rows.write_bytes(content[:-100])
    with pytest.raises(DatasetError, match="missing, or its size"):
        open_store(tmp_path / "s", "toy", {})
    (folder / "manifest.json").write_text("{")
    with pytest.raises(DatasetError, match="delete the folder"):
        read_manifest(tmp_path / "s")


@pytest.mark.parametrize("name", ["samples.csv", "extra_truth.npy", "manifest.json"])
def test_a_flipped_byte_in_any_file_is_found(tmp_path, name):
    write(tmp_path / "s", extras=True)
    path = current_version(tmp_path / "s") / name
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    with pytest.raises(DatasetError, match=name):
        open_store(tmp_path / "s", "toy", {})


def test_contents_are_read_once_for_each_time_stamp(tmp_path, monkeypatch):
    write(tmp_path / "s")
    read = []
    own = store_check.check_contents
    monkeypatch.setattr(
        store_check, "check_contents", lambda *args: (read.append(args[0]), own(*args))
    )
    for _ in range(2):  # what was just written is known
        open_store(tmp_path / "s", "toy", {})
    assert len(read) == 0
    os.utime(current_version(tmp_path / "s") / "rows.npy")
    for _ in range(3):
        open_store(tmp_path / "s", "toy", {})
    assert len(read) == 1
    (current_version(tmp_path / "s") / store_check.RECORD).write_text("[1")
    store_check._verified.clear()
    open_store(tmp_path / "s", "toy", {})
    assert len(read) == 2


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda rows: np.where(rows > 1, np.nan, rows), "NaN"),
        (lambda rows: np.where(rows > 1, np.inf, rows).astype("float32"), "infinite"),
        (lambda rows: rows.astype("float64"), "float64"),
        (lambda rows: rows.astype("int32"), "int32"),
        (lambda rows: rows[:-1], "rows, expected"),
        (lambda rows: np.array([{"code": 1}], dtype=object), "Python objects|allow_pickle"),
    ],
)
def test_rows_that_are_no_finite_float32_are_refused(tmp_path, change, why):
    write(tmp_path / "s")
    path = current_version(tmp_path / "s") / "rows.npy"
    np.save(path, change(np.load(path)), allow_pickle=True)
    change_manifest(tmp_path / "s")  # even if all hashes are right
    with pytest.raises(DatasetError, match=rf"rows\.npy.*({why}).*prepare --dataset toy --force"):
        open_store(tmp_path / "s", "toy", {})


def test_a_reader_cannot_store_nan(tmp_path):
    with (
        pytest.raises(DatasetError, match="NaN"),
        StoreWriter(tmp_path / "s", "sbu", ["a"]) as writer,
    ):
        writer.add(np.full((2, 1, 15, 3), np.nan), name="x", label=0)


def test_another_format_is_refused(tmp_path):
    write(tmp_path / "s")
    change_manifest(tmp_path / "s", format=2)
    with pytest.raises(DatasetError, match=r"format 2, expected \d"):
        open_store(tmp_path / "s", "toy", {})


@pytest.mark.parametrize(
    "changes", [{"classes": 3}, {"clips": "x"}, {"notes": {}}, {"rows": None}, {"skipped": "x"}]
)
def test_a_manifest_of_wrong_types_is_refused(tmp_path, changes):
    write(tmp_path / "s")
    change_manifest(tmp_path / "s", **changes)
    with pytest.raises(DatasetError, match=f"not a manifest .{next(iter(changes))}"):
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
    assert "3.txt has changed" in said[0]


def test_a_replaced_file_of_equal_size_is_read_again(folder, tmp_path):
    """Even if it gets the time of the file that it replaces, soon after that was read."""
    load(text_source(), folder, tmp_path / "cache")
    stat = (folder / "2.txt").stat()
    (folder / "2.txt").write_text("7")
    os.utime(folder / "2.txt", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert load(text_source(), folder, tmp_path / "cache").clip(1)[0, 0, 0, 0] == 7


def test_touched_files_are_hashed_but_not_read_again(folder, tmp_path):
    said = []
    for path in folder.iterdir():
        os.utime(path, (1e9, 1e9))
    load(text_source(), folder, tmp_path / "cache")
    for path in folder.iterdir():
        os.utime(path, (1.5e9, 1.5e9))
    load(text_source(), folder, tmp_path / "cache", log=said.append)
    assert said == []
    (folder / "1.txt").write_text("5")
    os.utime(folder / "1.txt", (1.2e9, 1.2e9))  # older, as an archive's file may be
    changed = load(text_source(), folder, tmp_path / "cache", log=said.append)
    assert "1.txt has changed" in said[0]
    assert changed.clip(0)[0, 0, 0, 0] == 5


def test_further_files_are_noticed(folder, tmp_path):
    (folder / "labels.csv").write_text("1")
    source = text_source(further_files=lambda root: [root / "labels.csv", root / "better.csv"])
    said = []
    load(source, folder, tmp_path / "cache")
    (folder / "labels.csv").write_text("2")
    load(source, folder, tmp_path / "cache", log=said.append)
    (folder / "better.csv").write_text("2")
    load(source, folder, tmp_path / "cache", log=said.append)
    assert ["labels.csv has changed" in said[0], "better.csv is new" in said[1]] == [True, True]


def test_verify_hashes_the_source(folder, tmp_path):
    for path in folder.iterdir():
        os.utime(path, (1e9, 1e9))
    dataset = load(text_source(), folder, tmp_path / "cache")
    assert verify(text_source(), dataset, folder) == 2
    (folder / "2.txt").write_text("7")
    os.utime(folder / "2.txt", (1e9, 1e9))  # as size and time are the same, only hashes tell
    assert load(text_source(), folder, tmp_path / "cache").clip(1)[0, 0, 0, 0] == 2
    with pytest.raises(DatasetError, match=r"2\.txt has changed .* --force"):
        verify(text_source(), dataset, folder)


def test_the_advice_for_a_damaged_store_is_the_whole_command(folder, tmp_path):
    cache = tmp_path / "a cache"
    dataset = load(text_source(), folder, cache, scale=3)
    rows = Path(dataset.info["store"], "rows.npy")
    rows.write_bytes(rows.read_bytes()[:-1] + b"\x7f")
    wanted = (
        f"prepare --dataset {dataset.name} --data-dir {shlex.quote(str(folder.resolve()))} "
        f"--cache-dir '{cache}' --option scale=3 --force"
    )
    for use in (lambda: load(text_source(), folder, cache, scale=3),
                lambda: verify(text_source(), dataset, folder)):  # fmt: skip
        with pytest.raises(DatasetError, match=re.escape(wanted)):
            use()


def test_a_file_that_changes_while_it_is_read_stops(folder, tmp_path):
    def read(root, writer, scale):
        writer.add(np.ones((4, 1, 15, 3)), name="1", label=0)
        (root / "2.txt").write_text("changed")

    with pytest.raises(DatasetError, match=r"2\.txt: has changed while it was read"):
        load(text_source(read=read), folder, tmp_path / "cache")


def test_a_store_of_an_earlier_version_is_named_and_not_read(folder, tmp_path):
    old = store_path("text", folder, {"scale": 1.0}, tmp_path / "cache", 2)
    old.mkdir(parents=True)
    (old / "manifest.json").write_text('{"format": 2}')
    said = []
    assert len(load(text_source(), folder, tmp_path / "cache", log=said.append)) == 2
    assert any(str(old) in line and "earlier version" in line for line in said)
    assert [path.name for path in old.iterdir()] == ["manifest.json"]


def test_counts_that_are_not_the_published_ones_stop_with_strict(folder, tmp_path):
    def read(root, writer, scale):
        writer.add(np.ones((4, 1, 15, 3)), name="1", label=0)
        writer.report.expect("usable clips", 1, 2)

    dataset = load(text_source(read=read), folder, tmp_path / "cache")
    assert dataset.info["published"] == ["usable clips: 1 found, 2 published"]
    with pytest.raises(DatasetError, match=r"1 found, 2 published.*--strict"):
        load(text_source(read=read), folder, tmp_path / "cache", strict=True)


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
    assert first.version == second.version
    names = {path.name for path in (tmp_path / "s").iterdir()}
    assert names == {"current", first.version.name}


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
