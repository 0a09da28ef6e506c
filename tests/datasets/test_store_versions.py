"""Stores under many processes, on full and foreign disks, and how old versions go."""

import errno
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from keras_skeleton.datasets import store_versions
from keras_skeleton.datasets.source import Source, load
from keras_skeleton.datasets.store import StoreWriter, open_store, read_manifest, verify_store
from keras_skeleton.datasets.store_versions import current_version
from keras_skeleton.utils.errors import DatasetError


def write(path, value=1.0, clips=3):
    with StoreWriter(path, "sbu", ["a"]) as writer:
        for i in range(clips):
            writer.add(np.full((4, 1, 15, 3), value), name=str(i), label=0)
    return writer.version


def value(path):
    return float(open_store(path, "toy", {}).clip(0)[0, 0, 0, 0])


def read(root, writer):
    """Each file holds one number; all clips of one store have the same, or it is not whole."""
    for path in sorted(root.glob("*.txt")):
        writer.add(np.full((4, 1, 15, 3), float(path.read_text())), name=path.stem, label=0)


NUMBERS = Source(
    name="numbers", title="", skeleton="sbu", classes=("a",), protocols={},
    files=lambda root: sorted(root.glob("*.txt")), read=read, layout="", clips=0,
)  # fmt: skip


# ---------------------------------------------------------------- versions


def test_a_new_version_leaves_the_open_one_alone(tmp_path):
    first = write(tmp_path / "s", 1.0)
    opened = open_store(tmp_path / "s", "toy", {})
    second = write(tmp_path / "s", 2.0)
    assert first != second == current_version(tmp_path / "s")
    assert float(opened.clip(0)[0, 0, 0, 0]) == 1.0
    assert (value(first), value(tmp_path / "s")) == (1.0, 2.0)
    assert write(tmp_path / "s", 1.0) == first  # the same content is not kept twice
    assert value(tmp_path / "s") == 1.0


def test_a_damaged_version_is_not_taken_for_the_same_content(tmp_path):
    first = write(tmp_path / "s")
    (first / "rows.npy").write_bytes(b"x" * (first / "rows.npy").stat().st_size)
    second = write(tmp_path / "s")
    assert second.name == first.name + "-1"
    assert value(tmp_path / "s") == 1.0
    verify_store(tmp_path / "s")


@pytest.mark.parametrize("name", ["../elsewhere", "/etc", "", "x" * 1000, "0" * 16 + "/.."])
def test_the_pointer_cannot_lead_elsewhere(tmp_path, name):
    write(tmp_path / "s")
    (tmp_path / "s" / "current").write_text(name)
    with pytest.raises(DatasetError, match="delete this file"):
        read_manifest(tmp_path / "s")


def test_old_versions_and_remains_go_by_age(tmp_path):
    first = write(tmp_path / "s", 1.0)
    second = write(tmp_path / "s", 2.0)
    parts = [tmp_path / "s" / f".{digit * 32}.part" for digit in "ab"]
    other = tmp_path / "s" / "notes"  # of the user
    for part in (*parts, other):
        part.mkdir()
    long_ago = time.time() - store_versions.STALE - 60
    for path in (first, parts[0], other):
        os.utime(path, (long_ago, long_ago))
    third = write(tmp_path / "s", 3.0)
    there = {path for path in (tmp_path / "s").iterdir() if path.is_dir()}
    assert there == {second, third, parts[1], other}


def test_what_is_used_stays(tmp_path):
    first = write(tmp_path / "s", 1.0)
    long_ago = time.time() - store_versions.STALE - 60
    os.utime(first, (long_ago, long_ago))
    open_store(tmp_path / "s", "toy", {})
    write(tmp_path / "s", 2.0)
    assert value(first) == 1.0


# ---------------------------------------------------------------- disks


def test_a_store_whose_folder_is_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "s").symlink_to(tmp_path / "disk")
    write(tmp_path / "s", 1.0)
    write(tmp_path / "s", 2.0)
    assert value(tmp_path / "s") == 2.0
    (tmp_path / "lost").symlink_to(tmp_path / "gone")
    with pytest.raises(DatasetError, match="--cache-dir"):
        write(tmp_path / "lost")


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EACCES, errno.EROFS, errno.ENOSPC])
@pytest.mark.parametrize("what", ["version", "current"])
def test_a_failed_replacement_is_an_error(tmp_path, monkeypatch, code, what):
    write(tmp_path / "s", 1.0)
    own = os.replace

    def replace(source, target):
        if (Path(target).name == "current") == (what == "current"):
            raise OSError(code, os.strerror(code), str(source), None, str(target))
        return own(source, target)

    monkeypatch.setattr(store_versions.os, "replace", replace)
    with pytest.raises(DatasetError) as error:
        write(tmp_path / "s", 2.0)
    for part in (str(tmp_path / "s"), "--cache-dir"):
        assert part in str(error.value)
    assert (code == errno.ENOSPC) == ("free some space" in str(error.value))
    monkeypatch.undo()
    assert value(tmp_path / "s") == 1.0  # what was there is still whole
    write(tmp_path / "s", 2.0)
    assert value(tmp_path / "s") == 2.0


def test_stale_data_is_never_used_without_permission(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "1.txt").write_text("1")
    load(NUMBERS, tmp_path / "data", tmp_path / "cache")
    (tmp_path / "data" / "1.txt").write_text("22")

    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(DatasetError, match="Permission denied.*--cache-dir"):
        load(NUMBERS, tmp_path / "data", tmp_path / "cache")


def test_a_cache_that_cannot_be_written_to_is_read(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "1.txt").write_text("1")
    load(NUMBERS, tmp_path / "data", tmp_path / "cache")

    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    for name in ("utime", "replace", "mkdir"):
        monkeypatch.setattr(os, name, refuse)
    assert len(load(NUMBERS, tmp_path / "data", tmp_path / "cache")) == 1


# ---------------------------------------------------------------- many processes


def work(number, data, cache, rounds):
    """What went wrong in many rounds of opening or preparing a store."""
    rng, failures = np.random.default_rng(number), []
    for done in range(rounds):
        try:
            dataset = load(NUMBERS, data, cache, force=bool(rng.random() < 0.5))
            values = {float(dataset.clip(i)[0, 0, 0, 0]) for i in range(len(dataset))}
            if len(dataset) != 3 or len(values) != 1:
                failures.append(f"process {number}, round {done}: {len(dataset)} clips, {values}")
        except Exception as error:
            failures.append(f"process {number}, round {done}: {type(error).__name__}: {error}")
    return failures


def compete(tmp_path, pool, rounds):
    (tmp_path / "data").mkdir()
    for i in range(3):
        (tmp_path / "data" / f"{i}.txt").write_text("1")
    with pool:
        jobs = [
            pool.submit(work, number, tmp_path / "data", tmp_path / "cache", rounds)
            for number in range(4)
        ]
    assert [job.result() for job in jobs] == [[]] * 4
    (store,) = (tmp_path / "cache").iterdir()
    assert {path.name for path in store.iterdir()} == {"current", current_version(store).name}


def test_four_threads_prepare_one_dataset(tmp_path):
    compete(tmp_path, ThreadPoolExecutor(4), rounds=3)


@pytest.mark.slow
def test_four_processes_prepare_one_dataset_a_hundred_times(tmp_path):
    context = multiprocessing.get_context("spawn")
    compete(tmp_path, ProcessPoolExecutor(4, context), rounds=100)
