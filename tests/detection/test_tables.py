import json

import pandas as pd
import pytest

from keras_skeleton.detection.tables import (
    DETECTION,
    TableError,
    read_pku_mmd,
    write_activitynet,
    write_pku_mmd,
)

FOUND = pd.DataFrame(
    [("0002-L", 3, 10, 55, 0.75), ("0002-L", 51, 60, 90, 0.5), ("0003-M", 1, 0, 9, 1.0)],
    columns=DETECTION,
)


def test_pku_mmds_files_round_trip(tmp_path):
    write_pku_mmd(FOUND, tmp_path, ["0004-R"])
    assert (tmp_path / "0002-L.txt").read_text() == "3,10,55,0.750000\n51,60,90,0.500000\n"
    assert (tmp_path / "0004-R.txt").read_text() == ""  # a video without detections counts
    pd.testing.assert_frame_equal(read_pku_mmd(tmp_path), FOUND, check_dtype=False)
    (tmp_path / "0005-L.txt").write_text("3 10 55 1\n\n4 60 70 2\n")
    assert (read_pku_mmd(tmp_path)["video"] == "0005-L").sum() == 2


def test_bad_files_are_named(tmp_path):
    with pytest.raises(TableError, match=str(tmp_path)):
        read_pku_mmd(tmp_path)
    (tmp_path / "0001-L.txt").write_text("1,2,3,0.5\n1,2,x,0.5\n")
    with pytest.raises(TableError, match=r"0001-L.txt:2: .*'1,2,x,0.5'"):
        read_pku_mmd(tmp_path)


def test_activitynets_file(tmp_path):
    path = tmp_path / "found.json"
    write_activitynet(FOUND, path, [f"class {n}" for n in range(52)], fps=30)
    content = json.loads(path.read_text())
    assert content["results"]["0002-L"][0] == {
        "label": "class 3", "score": 0.75, "segment": [10 / 30, 55 / 30],
    }  # fmt: skip
    assert set(content["results"]) == {"0002-L", "0003-M"}
