"""Detectors of the zoo by their names."""

import json

import pytest

from keras_skeleton.cli import main
from keras_skeleton.utils.errors import UnknownNameError, UserError
from keras_skeleton.zoo.detectors import describe_detectors, detectors, find_detector
from keras_skeleton.zoo.entries import ZOO


def test_a_name_and_a_folder_are_found():
    for entry in detectors():
        assert find_detector(entry.name) == ZOO / entry.name
        assert find_detector(ZOO / entry.name) == ZOO / entry.name
        assert entry.name in describe_detectors()


def test_other_words_are_answered_with_the_list(tmp_path):
    for word in ("pretrained", "Best", str(tmp_path), "nowhere/run", "mans9_ut_kinect_cs"):
        with pytest.raises(UserError, match="gate_b_ut_kinect_cs"):
            find_detector(word)
    with pytest.raises(UnknownNameError, match="Did you mean 'tap_lstm_ut_kinect_cs'"):
        find_detector("tap_lstm_ut_kinect")


def test_a_run_of_clips_is_no_detector(tmp_path):
    record = {
        "dataset": "sbu", "protocol": "5fold", "recipe": "paper", "seed": 0, "classes": ["a"],
        "skeleton": "sbu", "model": "lstm", "settings": {"dataset": {}}, "folds_total": 1,
    }  # fmt: skip
    (tmp_path / "run.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match="predict"):
        find_detector(tmp_path)


def test_a_zoo_without_detectors(tmp_path):
    with pytest.raises(UserError, match="no pretrained weights"):
        find_detector("pretrained", tmp_path)
    assert describe_detectors(tmp_path) == ""


@pytest.mark.parametrize("name", ["gate_b_ut_kinect_cs", "tap_lstm_ut_kinect_cs"])
def test_checking_a_detector_without_its_recordings_skips_it(name, tmp_path, capsys):
    assert main(["zoo", "--check", "--name", name, "--data-dir", str(tmp_path)]) == 0
    assert "0 as recorded; 0 differs; 1 skipped" in capsys.readouterr().out
