"""Files of detections: the same actions in each of them."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from keras_skeleton.datasets.formats.annotation_table import read_annotation_table
from keras_skeleton.datasets.formats.eaf import read_eaf
from keras_skeleton.detection.outputs import existing_outputs, frame_labels, write_outputs
from keras_skeleton.detection.tables import read_pku_mmd

CLASSES = ["wave", "sit <down> & up"]
FOUND = pd.DataFrame(
    [(0, 10, 40, 0.9), (1, 30, 80, 0.7), (0, 80, 95, 0.8)],
    columns=["label", "start", "end", "score"],
)
FPS = 20.0


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("out")
    paths = write_outputs(folder, "rec1", FOUND, 100, CLASSES, "a title", FPS, "rec1.npy")
    assert all(path.stat().st_size for path in paths)
    assert {path.relative_to(folder).as_posix() for path in paths} == {
        "rec1.csv", "rec1.frames.csv", "pku_mmd/rec1.txt", "rec1.activitynet.json", "rec1.eaf",
        "rec1.vtt", "rec1.png",
    }  # fmt: skip
    return folder


def test_the_table_is_one_of_intervals(out):
    table = pd.read_csv(out / "rec1.csv")
    assert table["label"].tolist() == [CLASSES[k] for k in FOUND["label"]]
    np.testing.assert_allclose(table["start_s"], FOUND["start"] / FPS)
    np.testing.assert_allclose(table["end_s"], FOUND["end"] / FPS)
    rows = read_annotation_table(out / "rec1.csv").rows
    assert [(row.file, row.start, row.end) for row in rows] == [
        ("rec1.npy", start, end) for start, end in FOUND[["start", "end"]].values.tolist()
    ]


def test_elan_and_subtitles_have_the_same_times(out):
    expected = sorted(
        (CLASSES[row.label], row.start / FPS, row.end / FPS) for row in FOUND.itertuples()
    )
    labels = read_eaf(out / "rec1.eaf")
    assert sorted(label[:3] for label in labels) == expected
    assert {label.tier for label in labels} == {"actions", "actions 2"}
    text = (out / "rec1.vtt").read_text()
    assert text.startswith("WEBVTT\n\n")
    cues = re.findall(r"\d+\n(\S+) --> (\S+)\n(.+)\n", text)
    seconds = [tuple(float(one[-6:]) for one in cue[:2]) for cue in cues]
    assert seconds == sorted((start, end) for _, start, end in expected)
    assert "sit &lt;down&gt; &amp; up" in text


def test_formats_of_the_benchmarks(out):
    table = read_pku_mmd(out / "pku_mmd")
    assert table["label"].tolist() == [1, 2, 1]
    results = json.loads((out / "rec1.activitynet.json").read_text())["results"]["rec1"]
    assert results[0]["segment"] == [0.5, 2.0]


def test_every_frame_has_a_label():
    probability = np.tile([0.5, 0.3, 0.2], (100, 1))
    table = frame_labels(FOUND, 100, CLASSES, FPS, probability)
    assert table["frame"].tolist() == list(range(100))
    label = table["label"].to_numpy()
    assert (label[10:40] == "wave").all()  # its score is higher where both overlap
    assert (label[40:80] == CLASSES[1]).all()
    assert (label[:10] == "no_action").all()
    assert table["probability"][[0, 10, 50]].tolist() == [0.2, 0.5, 0.3]
    assert table["time_s"].iloc[-1] == pytest.approx(99 / FPS)
    bare = frame_labels(FOUND[:0], 5, CLASSES)
    assert bare[["time_s", "probability"]].isna().all(axis=None)


def test_without_a_frame_rate_there_are_no_seconds(tmp_path):
    write_outputs(tmp_path, "rec", FOUND[:0], 50, CLASSES, "a title")
    assert {path.name for path in tmp_path.iterdir()} == {
        "rec.csv", "rec.frames.csv", "pku_mmd", "rec.png"
    }  # fmt: skip
    assert len(pd.read_csv(tmp_path / "rec.frames.csv")) == 50


def test_uneven_frames_have_their_own_times(tmp_path):
    times = np.cumsum(np.linspace(0.01, 0.05, 101))
    write_outputs(tmp_path, "rec", FOUND, 100, CLASSES, "a title", FPS, times=times)
    table = pd.read_csv(tmp_path / "rec.csv")
    np.testing.assert_allclose(table["start_s"], times[FOUND["start"]], atol=1e-3)
    assert table["start"].tolist() == FOUND["start"].tolist()
    frames = pd.read_csv(tmp_path / "rec.frames.csv")
    np.testing.assert_allclose(frames["time_s"], times[:-1], atol=1e-3)
    labels = read_eaf(tmp_path / "rec.eaf")
    spans = sorted((one.start, one.end) for one in labels)
    np.testing.assert_allclose(spans, times[FOUND[["start", "end"]]], atol=1e-3)
    content = json.loads((tmp_path / "rec.activitynet.json").read_text())["results"]["rec"]
    starts = sorted(one["segment"][0] for one in content)
    np.testing.assert_allclose(starts, times[FOUND["start"]])


def test_a_recording_without_an_action_is_listed(tmp_path):
    write_outputs(tmp_path, "rec", FOUND[:0], 50, CLASSES, "a title", FPS)
    content = json.loads((tmp_path / "rec.activitynet.json").read_text())
    assert content["results"] == {"rec": []}


def test_recordings_share_a_folder(tmp_path):
    for name in ("a", "b"):
        write_outputs(tmp_path, name, FOUND, 100, CLASSES, "a title", FPS)
    before = {path: path.read_bytes() for path in existing_outputs(tmp_path, "a")}
    assert len(before) == len(existing_outputs(tmp_path, "b")) == 7
    # What is not written again does not stay as if it were of this run.
    paths = write_outputs(tmp_path, "b", FOUND[:1], 100, CLASSES, "a title")
    assert existing_outputs(tmp_path, "b") == paths
    assert {path: path.read_bytes() for path in existing_outputs(tmp_path, "a")} == before
