"""Work on local processes and on a Dask cluster: equal results; workers that die or lack data."""

import json
from functools import partial
from pathlib import Path

import dask_cluster as work
import pytest

from keras_skeleton.utils import executor as module
from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.executor import Dask, Local, WorkerError, executor

pytest.importorskip("distributed", reason="the extra dask is not installed")


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    with work.cluster(tmp_path_factory.mktemp("cluster")) as address:
        yield address


def test_which_one(monkeypatch):
    assert executor(3) == Local(3)
    assert executor(3, "host:1") == Dask("host:1")
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert executor(3) == Local(3)
    with pytest.raises(UserError, match="pip install"):
        executor(1, "host:1")


@pytest.mark.slow
def test_the_same_results_as_local_ones(scheduler, tmp_path, monkeypatch):
    found = dict(executor(1, scheduler).map(work.nothing, work.square, range(6), needs=[tmp_path]))
    assert found == dict(executor(2).map(work.nothing, work.square, range(6)))
    assert found == {n: n * n for n in range(6)}
    monkeypatch.chdir(tmp_path)
    Path("dask.json").write_text(json.dumps({"address": scheduler}))
    assert dict(Dask("dask.json").map(work.nothing, work.square, [7])) == {7: 49}


@pytest.mark.slow
def test_what_a_worker_lacks(scheduler, tmp_path):
    lost = tmp_path / "lost"
    with pytest.raises(WorkerError, match=r"worker tcp://127.*does not see .*lost"):
        list(Dask(scheduler).map(work.nothing, work.square, [1], needs=[lost]))
    with pytest.raises(WorkerError, match=r"worker tcp://127.*: no such folder"):
        list(Dask(scheduler).map(work.nothing, partial(work.reads, path="data"), [1, 2, 3]))
    with pytest.raises(ZeroDivisionError):
        list(Dask(scheduler).map(work.nothing, partial(divmod, 1), [0]))


@pytest.mark.slow
def test_an_older_worker(scheduler, monkeypatch):
    monkeypatch.setattr(module, "__version__", "99.0")
    with pytest.raises(WorkerError, match=r"99\.0 gives the work"):
        list(Dask(scheduler).map(work.nothing, work.square, [1]))


@pytest.mark.slow
def test_no_scheduler(monkeypatch):
    monkeypatch.setattr(module, "CONNECT", 0.5)
    with pytest.raises(UserError, match="no scheduler answers"):
        list(Dask("127.0.0.1:9").map(work.nothing, work.square, [1]))


@pytest.mark.slow
def test_a_killed_worker_s_item_goes_on_elsewhere(tmp_path):
    cluster = tmp_path / "cluster"
    cluster.mkdir()
    with work.cluster(cluster) as address:
        items = range(4)
        job = partial(work.killed_once, folder=str(tmp_path))
        found = dict(Dask(address).map(work.nothing, job, items))
    assert sorted(found) == list(items)
    for number in (1, 2):
        first, second, third = found[number]
        assert first == second != third  # two steps before, one after
    assert {len(steps) for steps in found.values()} == {3}


@pytest.mark.slow
def test_workers_with_threads_and_none_at_all(tmp_path, monkeypatch):
    for name, sizes, words in (
        ("threads", {"workers": 1, "threads": 2}, "--nthreads 1"),
        ("none", {"workers": 0}, "has no workers"),
    ):
        (tmp_path / name).mkdir()
        with work.cluster(tmp_path / name, **sizes) as address:
            # A worker takes its time to register.
            monkeypatch.setattr(module, "PATIENCE", 600 if name == "threads" else 0.5)
            with pytest.raises(WorkerError, match=words):
                list(Dask(address).map(work.nothing, work.square, [1]))


def test_local_processes_are_no_more_than_the_items(monkeypatch):
    asked = []

    def map_processes(number, init_process, job, items, anew):
        asked.append((number, anew))
        yield from ((item, job(item)) for item in items)

    monkeypatch.setattr(module, "map_processes", map_processes)
    assert dict(Local(8).map(work.nothing, work.square, [2, 3], anew=True)) == {2: 4, 3: 9}
    assert asked == [(2, True)]
