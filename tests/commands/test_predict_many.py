"""`predict --jobs` and `--dask`: the same files and labels as in one process."""

import csv
from importlib.util import find_spec

import numpy as np
import pytest
from dask_cluster import cluster

from keras_skeleton.cli import main
from keras_skeleton.datasets.registry import load_dataset
from keras_skeleton.utils.text import percent
from keras_skeleton.zoo.entries import read_zoo

WEIGHTS = "mans9_synthetic_cs"
dask = pytest.mark.skipif(find_spec("distributed") is None, reason="no extra dask")

pytestmark = pytest.mark.skipif(not read_zoo(), reason="no trained weights here")


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Three clips and a broken file in a folder, and the predictions of one process."""
    folder = tmp_path_factory.mktemp("clips")
    dataset = load_dataset("synthetic", cache_dir=folder / "cache", subjects=4, repetitions=1)
    for i in (0, 60, 120):
        np.save(folder / f"clip{i:03d}.npy", dataset.clip(i))
    (folder / "broken.npy").write_bytes(b"no numbers")
    return folder, predict(folder, folder / "alone")


def predict(folder, out, *more):
    words = ["predict", f"{folder}/*.npy", "--weights", WEIGHTS, "--out", str(out)]
    assert main([*words, *map(str, more)]) == 0
    with (out / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["source"] for row in rows], [row["label"] for row in rows], out


def check(alone, found):
    _, (sources, labels, _) = alone
    assert found[:2] == (sources, labels)
    assert len(sources) == 3


@pytest.mark.slow
def test_in_two_processes(alone, tmp_path, capsys):
    check(alone, predict(alone[0], tmp_path / "out", "--jobs", 2, "--attention"))
    assert {path.suffix for path in (tmp_path / "out").iterdir()} >= {".html", ".png"}
    said = capsys.readouterr()
    assert "1 files skipped" in said.out
    assert said.err.count("broken.npy") == 1


@pytest.mark.slow
@dask
def test_on_the_workers_of_a_cluster(alone, tmp_path):
    with cluster(tmp_path) as address:
        check(alone, predict(alone[0], tmp_path / "out", "--dask", address))


@pytest.mark.slow
def test_in_bfloat16_with_the_accuracy_beside_it(alone, tmp_path, capsys):
    check(alone, predict(alone[0], tmp_path / "out", "--precision", "bfloat16"))
    accuracy = next(entry for entry in read_zoo() if entry.name == WEIGHTS).figures["accuracy"]
    assert percent(accuracy) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["-", "--jobs", "2"], "-"),
        (["camera:0", "--jobs", "2"], "camera:0"),
        pytest.param(["clip.npy", "--jobs", "2", "--dask", "host:1"], "--jobs", marks=dask),
    ],
)
def test_words_that_do_not_go_together(words, named, capsys):
    assert main(["predict", *words]) == 2
    assert named in capsys.readouterr().err
