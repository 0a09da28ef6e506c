"""The accuracy that the zoo records is what `predict` reaches on bare files without labels."""

import csv
from pathlib import Path

import numpy as np
import pytest

from keras_skeleton.cli import main
from keras_skeleton.datasets.registry import load_dataset
from keras_skeleton.zoo.entries import read_zoo

ENTRIES = {entry.name: entry for entry in read_zoo()}
# One network of each family and dataset; the cheapest of a dataset is the first.
NETWORKS = {
    "ut_kinect": ("csta_cnn_ut_kinect_cs", "mans9_ut_kinect_cs", "sta_lstm_ut_kinect_cs"),
    "sbu": (
        "csta_cnn_sbu_5fold_fold1",
        "mans9_sbu_5fold_fold1",
        "sta_lstm_sbu_5fold_tuned_fold1",
    ),
    "nucla": ("csta_cnn_nucla_cv", "mans9_nucla_cv", "sta_lstm_nucla_cv"),
}

pytestmark = pytest.mark.skipif(not ENTRIES, reason="no trained weights here")


@pytest.fixture(scope="module")
def bare_files(real_data, tmp_path_factory):
    """`bare_files(entry)`: a folder of the test clips of an entry, and their classes by file."""

    def write(entry):
        root = real_data(entry.dataset)
        folder = tmp_path_factory.mktemp(entry.dataset)
        dataset = load_dataset(entry.dataset, root, folder / "cache", **entry.options)
        test = list(dataset.folds(entry.protocol))[entry.fold - 1].test
        assert len(test) == entry.test_clips
        (folder / "clips").mkdir()
        classes = {}
        for number, i in enumerate(test):
            file = f"{number:03d}.npy"
            np.save(folder / "clips" / file, dataset.clip(i))
            classes[file] = dataset.classes[dataset.labels[i]]
        return folder / "clips", classes

    return write


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if k or "nucla" in name else ())
        for names in NETWORKS.values()
        for k, name in enumerate(names)
    ],
)
def test_predict_reaches_the_recorded_accuracy(name, bare_files, tmp_path):
    entry = ENTRIES[name]
    folder, classes = bare_files(entry)
    words = ["predict", str(folder), "--weights", name, "--out", str(tmp_path / "labels")]
    assert main(words) == 0
    with (tmp_path / "labels" / "predictions.csv").open(newline="") as file:
        labels = {Path(row["source"]).name: row["label"] for row in csv.DictReader(file)}
    assert labels.keys() == classes.keys()
    right = np.mean([labels[file] == classes[file] for file in classes])
    assert right == pytest.approx(entry.figures["accuracy"], abs=1e-9)
