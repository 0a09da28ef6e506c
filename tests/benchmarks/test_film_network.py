"""How the benchmark of the networks for film cuts and sorts the test clips."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from keras_skeleton.datasets import film
from keras_skeleton.datasets.dataset import SkeletonDataset
from keras_skeleton.skeletons import BODY15

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import film_network


class Names:
    """Says 'walk' for every clip, surely for long ones; remembers the lengths."""

    def __init__(self):
        self.lengths = []

    def predict(self, clips):
        self.lengths.append([len(clip) for clip in clips])
        return [type("P", (), {"label": "walk", "unsure": len(clip) < 20}) for clip in clips]


@pytest.fixture
def dataset():
    labels = [film.CLASSES.index(name) for name in ("walk", "push", "walk", "none")]
    table = pd.DataFrame(
        {
            "name": list("abcd"), "label": labels, "subject": [6, 6, 106, 6], "view": 1,
            "setup": [film.UT, film.UT, film.NUCLA, film.UT], "repetition": 1,
            "start": [0, 40, 50, 120], "frames": [40, 10, 70, 30], "bodies": 1, "window": 0,
        }
    )  # fmt: skip
    rows = np.ones((150, 15, 3), np.float32)
    return SkeletonDataset("film", BODY15, film.CLASSES, rows, table, protocols={})


def test_the_middle_of_a_clip():
    assert film_network.middle(np.arange(10), 4).tolist() == [3, 4, 5, 6]
    for size in (0, 10, 11):
        assert len(film_network.middle(np.arange(10), size)) == 10


def test_each_part_has_its_own_accuracy(dataset):
    names = Names()
    rows = pd.DataFrame(film_network.rows_of(names, dataset, np.arange(4)))
    whole = rows[rows["window"] == 0].set_index("part")
    assert whole["clips"].to_dict() == {"all": 4, "UT-Kinect": 2, "N-UCLA": 1, "none": 1}
    assert whole["accuracy"].to_dict() == {"all": 0.5, "UT-Kinect": 0.5, "N-UCLA": 1, "none": 0}
    assert whole["unsure"].to_dict() == {"all": 0.25, "UT-Kinect": 0.5, "N-UCLA": 0, "none": 0}
    assert names.lengths == [[40, 10, 70, 30], [16, 10, 16, 16], [32, 10, 32, 30], [40, 10, 64, 30]]


def test_rows_of_a_recording_are_fewer_than_frames_of_film(dataset):
    names = Names()
    rows = list(film_network.rows_of(names, dataset, np.arange(2), ratio=film_network.ROWS))
    assert {row["part"] for row in rows} == {"UT-Kinect"}
    assert names.lengths[1:] == [[8, 8], [16, 10], [32, 10]]


def test_commands_can_be_typed():
    words = film_network.command("mans9", "tuned", 2)
    assert words[:4] == ["train", "--model", "mans9", "--dataset"]
    assert words[-4:] == ["--recipe", "tuned", "--seed", "2"]
