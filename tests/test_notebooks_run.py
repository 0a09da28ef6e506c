"""Every notebook runs: on small settings, where its data and weights are."""

from pathlib import Path

import pytest
from nbmake.nb_run import NotebookRun

from keras_skeleton.video.pose_models import PoseModelsError, find_pose_models
from keras_skeleton.zoo.entries import ZOO

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
LIMIT = 1800  # seconds a cell, for one that hangs
DATA = {  # that a notebook cannot do without
    "03_sta_lstm_attention": ("sbu", "ut_kinect"),
    "04_csta_attention": ("sbu", "ut_kinect"),
    "06_detection": ("ut_kinect",),
}
FILMS = ("08_film",)  # need the pose estimator
WEIGHTS = {"05_pose_i3d_parts": "pose_i3d_synthetic_cs.weights.h5"}


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_it_runs(path, real_root, monkeypatch):
    for name in DATA.get(path.stem, ()):
        if not (real_root / name).is_dir():
            pytest.skip(f"no real recordings at {real_root / name} (set KERAS_SKELETON_TEST_DATA)")
    weights = ZOO / WEIGHTS.get(path.stem, "zoo.json")
    if not weights.is_file():
        pytest.skip(f"no {weights.name} in the zoo")
    if path.stem in FILMS:
        try:
            find_pose_models()
        except PoseModelsError as error:
            pytest.skip(str(error))
    monkeypatch.setenv("KERAS_SKELETON_QUICK", "1")
    monkeypatch.setenv("KERAS_SKELETON_DATA", str(real_root))
    result = NotebookRun(path, LIMIT).execute()
    assert result.error is None, result.error.trace
    outputs = [output for cell in result.nb.cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs)
